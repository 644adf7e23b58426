"""The folder of drops, read time and again: a file that says what it said is not parsed again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vwserve.errors import ConfigurationError, Place, Problem
from vwserve.model.drop import NO_KINDS, ModelDrop, is_drop, read_drop
from vwserve.transforms.plugins import TransformType


class DropFolder:
    """Reads the drops of a folder, with transforms of the kinds that it is given."""

    def __init__(self) -> None:
        self._kinds: Mapping[str, TransformType] = {}
        self._read: dict[Path, tuple[bytes, ModelDrop]] = {}

    def read(self, folder: Path, kinds: Mapping[str, TransformType]) -> tuple[list[ModelDrop], list[Problem]]:
        """The models that the files of a folder describe, by the files' names, and what is wrong with the others.

        Hidden files and what editors leave behind are no drops. Of two files that name the same model the first counts.
        """
        try:
            files = drops_in(folder)
        except OSError as error:
            text = f"cannot read the folder of models: {error.strerror}; create it, or name another under 'models:'"
            return [], [Problem(Place(folder), "", text)]
        before, self._read = self._read if dict(kinds) == self._kinds else {}, {}
        self._kinds = dict(kinds)
        drops: dict[str, ModelDrop] = {}
        problems: list[Problem] = []
        for file in files:
            try:
                drop = self._drop(file, before)
            except ConfigurationError as error:
                problems += error.problems
                continue
            if drop.name in drops:
                text = f"{drops[drop.name].path} already describes a model {drop.name!r}; give one of them another name"
                problems.append(drop.problem("model", text))
            else:
                drops[drop.name] = drop
        return list(drops.values()), problems

    def _drop(self, file: Path, before: Mapping[Path, tuple[bytes, ModelDrop]]) -> ModelDrop:
        try:
            text = file.read_bytes()  # a time of change would not tell of two within a tick of the file system's clock
        except OSError:
            return read_drop(file, self._kinds)  # which says why not
        known = before.get(file)
        drop = known[1] if known is not None and known[0] == text else read_drop(file, self._kinds)
        self._read[file] = text, drop
        return drop


def drops_in(folder: Path) -> list[Path]:
    """The files of a folder that are drops by their names, in their order; raises OSError."""
    return sorted(file for file in folder.iterdir() if is_drop(file))


def read_drops(folder: Path, kinds: Mapping[str, TransformType] = NO_KINDS) -> tuple[list[ModelDrop], list[Problem]]:
    """The drops of a folder, read once; see `DropFolder`."""
    return DropFolder().read(folder, kinds)
