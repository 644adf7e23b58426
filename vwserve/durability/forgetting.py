"""The end of a model's state: all that it has learned is removed from the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vwserve.durability.lock import Lock
from vwserve.errors import StateError

_ENDING = ".forgotten"


def forget(folder: Path) -> int:
    """Remove the state of a model; how many bytes that were. May be called in any thread.

    It is out of the way at once, under another name, and what a crash leaves of it goes with the next one that is
    removed. Raises StateError where another process has it, or the disk refuses.
    """
    aside = folder.with_name(f".{folder.name}{_ENDING}")
    try:
        lock = Lock(folder)
        try:
            for each in folder.parent.glob(f".*{_ENDING}"):
                shutil.rmtree(each)
            size = sum(_size(Path(there, name)) for there, _, names in os.walk(folder) for name in names)
            folder.rename(aside)
        finally:
            lock.release()
        shutil.rmtree(aside)
    except OSError as error:
        raise StateError(f"cannot remove {error.filename or folder}: {error.strerror or error}") from error
    return size


def _size(file: Path) -> int:
    return file.stat(follow_symlinks=False).st_size
