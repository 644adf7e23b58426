"""The files that a command writes: opened before it begins, none in the place of one that it reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from vwserve.errors import VwserveError

_BUFFER_BYTES = 1 << 20


def check_outputs(outputs: Mapping[str, Path | None], taken: Mapping[str, Sequence[Path]]) -> None:
    """Raise VwserveError where an option's file is another's, too, or is taken, or lies in a folder that is.

    `taken` are files and folders by what they are.
    """
    others = [(what, path) for what, paths in taken.items() for path in paths]
    for option, path in outputs.items():
        if path is None:
            continue
        for what, other in others:
            if _same(path, other):
                raise VwserveError(f"{path} is {what}; write to another file")
            if other.is_dir() and Path(os.path.realpath(other)) in Path(os.path.realpath(path)).parents:
                raise VwserveError(f"{path} is in {what}; write elsewhere")
        others.append((f"also the file of {option}", path))


def check_folder(path: Path) -> None:
    """Raise VwserveError where no file can be put at `path`, in whatever folder that is."""
    with written(path):
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch()
        draft.unlink()


@contextmanager
def output(path: Path | None) -> Iterator[Callable[[bytes], object] | None]:
    """What writes to a file; None where none is asked for. Raises VwserveError where that fails, also in the end."""
    if path is None:
        yield None
        return
    with written(path):
        file = path.open("wb", buffering=_BUFFER_BYTES)

    def write(text: bytes) -> None:
        with written(path):
            file.write(text)

    try:
        yield write
    finally:
        with written(path):
            file.close()


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Raise VwserveError where the system refuses to write a file."""
    try:
        yield
    except OSError as error:
        raise VwserveError(f"cannot write {path}: {error.strerror}") from error


def _same(path: Path, other: Path) -> bool:
    if os.path.exists(path) and os.path.exists(other):
        return os.path.samefile(path, other)
    return os.path.realpath(path) == os.path.realpath(other)
