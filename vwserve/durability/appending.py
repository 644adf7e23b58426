"""A file that grows by whole pieces: what a failed write leaves is cut off before anything else is written."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from vwserve.durability.disk import Disk, write_all


class AppendFile:
    """The open file `fd`, good up to `size` bytes, of which `synced` are known to be on the disk.

    One thread appends; another may sync meanwhile.
    """

    def __init__(self, disk: Disk, path: Path, fd: int, size: int = 0) -> None:
        self.path = path
        self.size = size
        self.synced = 0
        self.fd = fd
        self._disk = disk
        self._torn = False
        self._doubtful = False

    def append(self, data: bytes) -> None:
        """Write all of `data` or, as far as the next `append` can see, nothing; raises OSError."""
        if self._torn:
            self.cut_back()
        try:
            write_all(self._disk, self.fd, data)
        except OSError:
            self._torn = True
            with suppress(OSError):  # a disk that refuses this, too, is asked again before the next write
                self.cut_back()
            raise
        self.size += len(data)

    def cut_back(self) -> None:
        """Cut off what a failed write left behind; raises OSError."""
        self._disk.truncate(self.fd, self.size)
        self._torn = False

    def sync(self) -> None:
        """Wait until all that was appended before is on the disk; raises OSError."""
        size = self.size
        if size == self.synced:
            return
        self._sync()
        self.synced = max(self.synced, size)

    def repair(self) -> None:
        """Make the file good again after an error, and sync it; raises OSError while the disk refuses.

        A sync that failed may have marked pages as clean that never reached the disk, so that the next one succeeds
        for nothing (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020): what was not
        known to be on the disk is written again from what the system still has of it.
        """
        if self._doubtful:
            doubtful = os.pread(self.fd, self.size - self.synced, self.synced)
            if len(doubtful) < self.size - self.synced:
                raise OSError(f"{self.size - self.synced - len(doubtful)} bytes that were written are not there")
            self._disk.rewrite(self.fd, doubtful, self.synced)
        self.cut_back()
        self._sync()
        self.synced = self.size
        self._doubtful = False

    def _sync(self) -> None:
        try:
            self._disk.sync(self.fd)
        except OSError:
            self._doubtful = True
            raise

    def close(self) -> None:
        """Close the file."""
        self._disk.close(self.fd)
