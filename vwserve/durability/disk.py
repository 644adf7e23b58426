"""What changes files, one system call a method.

Everything that the journal writes goes through here, so that a test can let any of it fail, and can cut the power
between any two.
"""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """The system's own calls; all raise OSError."""

    def create(self, path: Path) -> int:
        """Make a file that is not there yet, open for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def open(self, path: Path) -> int:
        """Open a file that is there, for reading and writing, at its start."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def close(self, fd: int) -> None:
        """Close a file; what is not synced may still be lost."""
        os.close(fd)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Write at the file's position; how many bytes were, which may be fewer."""
        return os.write(fd, data)

    def rewrite(self, fd: int, data: bytes, offset: int) -> None:
        """Write over what a file has at an offset."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(fd, rest, offset)
            rest, offset = rest[written:], offset + written

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file to a size, and go to its end."""
        os.ftruncate(fd, size)
        os.lseek(fd, size, os.SEEK_SET)

    def sync(self, fd: int) -> None:
        """Wait until the file's content is on the disk."""
        os.fdatasync(fd)

    def make_folder(self, path: Path) -> None:
        """Make a folder; the one that it is in must be there."""
        path.mkdir(mode=0o750, exist_ok=True)

    def sync_folder(self, path: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, path: Path, to: Path) -> None:
        """Give a file another name, in place of any file of that name."""
        os.replace(path, to)

    def link(self, path: Path, to: Path) -> None:
        """Give a file a further name, which nothing has yet."""
        os.link(path, to)

    def unlink(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)


def make_folders(disk: Disk, path: Path) -> None:
    """Make a folder and those that it is in, as far as they are missing, and have their names on the disk."""
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.is_dir()]):
        disk.make_folder(missing)
        disk.sync_folder(missing.parent)


def write_all(disk: Disk, fd: int, data: bytes) -> None:
    """Write all of `data`, in as many calls as it takes: nearly always one."""
    written = disk.write(fd, data)
    if written != len(data):
        rest = memoryview(data)
        while written < len(rest):
            written += disk.write(fd, rest[written:])
