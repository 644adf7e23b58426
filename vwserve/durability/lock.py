"""One process writes in a folder: that of a model's state, or of a journal."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from vwserve.durability.errors import JournalError
from vwserve.durability.segments import LOCK


class Lock:
    """The lock on a folder; raises JournalError where somebody else has it, OSError where the disk refuses.

    The system takes it off a process that dies. A child that was forked holds it on as long as it has the file open:
    children close what they inherit.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(self._fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            self.release()
            raise JournalError(
                f"{folder} is in use by process {owner} ({path} is locked); "
                "stop that one, or give this one a `state` of its own"
            ) from error
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Let others have it."""
        os.close(self._fd)
