"""Copies of models that clients ask for with VW's save command: each among its model's exports, nowhere else."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path, PurePath

from vwserve.errors import ModelError

MOST_EXPORTS = 100
"""The most copies of a model that clients may leave; each is as large as the model."""


def export_path(folder: Path, name: str) -> Path:
    """Where the copy called `name` is among the exports in `folder`, by its last component; raises ModelError."""
    last = PurePath(name).name
    if not last or last.startswith(".") or not last.isprintable():
        raise ModelError(f"{name!r} ends in no name of a file; a hidden one is none")
    return folder / last


def export(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` write a model into a file of the exports; raises ModelError where it cannot be written.

    May be called in any thread.
    """
    folder = path.parent
    draft = folder / f".{os.getpid()}.{threading.get_ident()}"  # that nobody else writes at the same time
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists() and sum(not each.startswith(".") for each in os.listdir(folder)) >= MOST_EXPORTS:
            raise ModelError(f"{folder} has {MOST_EXPORTS} files already; move some away")
        try:
            write(draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror}") from error


def export_copy(path: Path, file: Path) -> None:
    """Leave a copy of a model file among the exports; see `export`."""
    export(path, lambda draft: shutil.copyfile(file, draft))
