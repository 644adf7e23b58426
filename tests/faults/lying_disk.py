"""`vwserve` on a disk that is not to be trusted: run as a program, in the place of `python -m vwserve`.

Every call by which a file in $LYING_DISK/state changes goes through here; what happens then, files in $LYING_DISK say:

    full        the disk takes no more: nothing is written, and no file is made
    read-only   nothing is changed at all
    held        a sync does not end before this file is gone
    waits       where it is told which processes' syncs were held, and of which files
    log         where each change of a name and each sync is written down once it is done, see `power_cut`
    kept/       a second name for each file that is made, by the number of its inode, so that none is ever lost

With $SEGMENT_BYTES, the journals' files are as small as that, so that there are many.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from typing import Any

HOME = "LYING_DISK"
SEGMENT_BYTES = "SEGMENT_BYTES"

_LOOK_S = 0.005


class LyingDisk:
    """The calls of `os` that change files, as they are to be from now on."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._state = os.path.join(home, "state")
        self._recording = os.path.exists(os.path.join(home, "log"))
        self._open, self._write, self._pwrite = os.open, os.write, os.pwrite
        self._ftruncate, self._fsync, self._fdatasync = os.ftruncate, os.fsync, os.fdatasync
        self._replace, self._unlink, self._mkdir = os.replace, os.unlink, os.mkdir

    def install(self) -> None:
        """Put these in the place of the system's."""
        os.open, os.write, os.pwrite = self.open, self.write, self.pwrite
        os.ftruncate, os.fsync, os.fdatasync = self.ftruncate, self.fsync, self.fdatasync
        os.replace, os.unlink, os.mkdir = self.replace, self.unlink, self.mkdir

    # -- what may go wrong ---------------------------------------------------------------------------------------------

    def _told(self, name: str) -> bool:
        return os.path.exists(os.path.join(self._home, name))

    def _ours(self, path: str) -> bool:
        return path.startswith(self._state + "/")

    def _check(self, path: str, *, grows: bool) -> None:
        if not self._ours(path):
            return
        if self._told("read-only"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        if grows and self._told("full"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def _path(self, path: Any) -> str:
        return os.path.abspath(os.fsdecode(path))

    def _path_of(self, fd: int) -> str:
        return os.readlink(f"/proc/self/fd/{fd}")

    def _log(self, *words: object) -> None:
        """Write a change down."""
        if self._recording:
            self._append("log", *words)

    def _append(self, name: str, *words: object) -> None:
        """Add a line to a file, which is opened each time, for a forked child closes what it inherits."""
        fd = self._open(os.path.join(self._home, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            self._write(fd, ("\t".join(map(str, words)) + "\n").encode())
        finally:
            os.close(fd)

    def _logged_bytes(self) -> int:
        return os.stat(os.path.join(self._home, "log")).st_size if self._recording else 0

    # -- the calls -----------------------------------------------------------------------------------------------------

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """As `os.open`."""
        if isinstance(path, int) or dir_fd is not None or not self._ours(name := self._path(path)):
            return self._open(path, flags, mode, dir_fd=dir_fd)
        new = bool(flags & os.O_CREAT) and not os.path.exists(name)
        if flags & (os.O_WRONLY | os.O_RDWR):
            self._check(name, grows=new)
        fd = self._open(path, flags, mode)
        if new and self._recording:
            number = os.fstat(fd).st_ino
            os.link(name, os.path.join(self._home, "kept", str(number)))
            self._log("create", name, number)
        return fd

    def write(self, fd: int, data: Any) -> int:
        """As `os.write`."""
        self._check(self._path_of(fd), grows=True)
        return self._write(fd, data)

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        """As `os.pwrite`."""
        self._check(self._path_of(fd), grows=True)
        return self._pwrite(fd, data, offset)

    def ftruncate(self, fd: int, length: int) -> None:
        """As `os.ftruncate`."""
        self._check(self._path_of(fd), grows=False)
        self._ftruncate(fd, length)

    def fsync(self, fd: Any) -> None:
        """As `os.fsync`."""
        self._sync(self._fsync, fd)

    def fdatasync(self, fd: Any) -> None:
        """As `os.fdatasync`."""
        self._sync(self._fdatasync, fd)

    def _sync(self, sync: Callable[[int], None], fd: int) -> None:
        path = self._path_of(fd)
        self._check(path, grows=False)
        # What is written, or named, from here on may not be on the disk when this sync has ended.
        status, logged = os.fstat(fd), self._logged_bytes()
        if self._ours(path) and self._told("held"):
            self._append("waits", os.getpid(), path)
            while self._told("held"):
                time.sleep(_LOOK_S)
        sync(fd)
        if self._ours(path) or path == self._state:
            self._log("sync", path, status.st_ino, status.st_size, logged)

    def replace(self, src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        """As `os.replace`."""
        name, to = self._path(src), self._path(dst)
        self._check(to, grows=False)
        self._replace(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        if self._ours(to):
            self._log("rename", name, to)

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        """As `os.unlink`."""
        name = self._path(path)
        if os.path.lexists(name):
            self._check(name, grows=False)
        self._unlink(path, dir_fd=dir_fd)
        if self._ours(name):
            self._log("unlink", name)

    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """As `os.mkdir`."""
        name = self._path(path)
        if not os.path.exists(name):
            self._check(name, grows=True)
        self._mkdir(path, mode, dir_fd=dir_fd)
        if self._ours(name):
            self._log("mkdir", name)


def main() -> int:
    """Run a command of vwserve."""
    if home := os.environ.get(HOME):
        LyingDisk(home).install()
    from vwserve.cli import main as command
    from vwserve.durability.journal import Journal

    if size := os.environ.get(SEGMENT_BYTES):
        defaults = Journal.__init__.__kwdefaults__
        assert defaults is not None
        defaults["segment_bytes"] = int(size)
    return command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
