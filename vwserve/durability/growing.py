"""A segment that is being written, or was and is not yet on the disk to its end."""

from __future__ import annotations

from pathlib import Path

from vwserve.durability.appending import AppendFile
from vwserve.durability.disk import Disk
from vwserve.durability.segments import NEXT, PLAIN, TIMES, path_of
from vwserve.durability.times import Moment


class GrowingSegment:
    """The files of one segment, open; `ending` is NEXT until what comes before it is on the disk."""

    def __init__(self, disk: Disk, folder: Path, first: int, ending: str, data: AppendFile, times: AppendFile) -> None:
        self.first = first
        self.folder = folder
        self.data = data
        self.times = times
        self._disk = disk
        self._ending = ending
        self._named = False  # whether its name is known to be on the disk

    @classmethod
    def create(cls, disk: Disk, folder: Path, first: int, ending: str, now_s: float) -> GrowingSegment:
        """A new segment, still empty, made at the Unix time `now_s`; raises OSError."""
        path = path_of(folder, first, ending)
        fd = disk.create(path)
        times = path_of(folder, first, TIMES)
        data, noted = AppendFile(disk, path, fd), None
        try:
            disk.unlink(times)  # of a segment of this number that was set aside
            noted = AppendFile(disk, times, disk.create(times))
            noted.append(Moment(first - 1, now_s).line())
        except OSError:
            for file in (data, noted):
                if file is not None:
                    file.close()
                    disk.unlink(file.path)
            raise
        return cls(disk, folder, first, ending, data, noted)

    @classmethod
    def reopen(cls, disk: Disk, folder: Path, first: int, sizes: tuple[int, int], now_s: float) -> GrowingSegment:
        """The last segment of a journal as it was opened; `sizes` of its two files are what is good. Raises OSError.

        Times of which nothing is good begin again at the Unix time `now_s`.
        """
        files: list[AppendFile] = []
        try:
            for ending, size in zip((PLAIN, TIMES), sizes):
                path = path_of(folder, first, ending)
                fd = disk.open(path) if path.exists() else disk.create(path)
                files.append(AppendFile(disk, path, fd, size))
                files[-1].cut_back()
            segment = cls(disk, folder, first, PLAIN, *files)
            if not segment.times.size:
                segment.times.append(Moment(first - 1, now_s).line())
            segment.sync_all()
        except OSError:
            for file in files:
                file.close()
            raise
        return segment

    @property
    def path(self) -> Path:
        """Where its examples are, or have just been."""
        return path_of(self.folder, self.first, self._ending)

    @property
    def dirty(self) -> bool:
        """Whether a power cut could take some of it."""
        return self.data.synced < self.data.size

    def sync(self) -> None:
        """Wait until all of its examples up to now are on the disk, as those before it must be; raises OSError."""
        if self._ending == NEXT:
            self._disk.rename(self.path, path_of(self.folder, self.first, PLAIN))
            self._ending = PLAIN
        # Of an empty file there is nothing to keep but its name.
        if not self._named:
            self._disk.sync_folder(self.folder)
            self._named = True
        self.data.sync()

    def sync_all(self) -> None:
        """Sync the times, too; raises OSError."""
        self.sync()
        self.times.sync()

    def repair(self) -> None:
        """Make both files good again after an error; raises OSError while the disk refuses."""
        self.data.repair()
        self.times.repair()

    def close(self) -> None:
        """Close both files."""
        self.data.close()
        self.times.close()
