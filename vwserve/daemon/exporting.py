"""Copies of models that clients ask for with VW's save command: each among its model's exports, nowhere else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePath

from vwserve.errors import ModelError

MOST_EXPORTS = 100
"""The most copies of a model that clients may leave; each is as large as the model."""


def export(folder: Path, name: str, write: Callable[[Path], object]) -> Path:
    """Have `write` write a model into a file of the exports in `folder`, and return where that is.

    It is called by the last component of `name`. Raises ModelError where it cannot be written.
    """
    last = PurePath(name).name
    if not last or last in (".", "..") or not last.isprintable():
        raise ModelError(f"{name!r} ends in no name of a file")
    path = folder / last
    draft = path.with_name(f".{last}.{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists() and len(os.listdir(folder)) >= MOST_EXPORTS:
            raise ModelError(f"{folder} has {MOST_EXPORTS} files already; move some away")
        try:
            write(draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror}") from error
    return path


def export_copy(folder: Path, name: str, file: Path) -> Path:
    """Leave a copy of a model file among the exports; see `export`."""
    return export(folder, name, lambda draft: shutil.copyfile(file, draft))
