"""What a model has learned, read from the file that it is saved to."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pylibvw


class Saved(Protocol):
    """A model that can be saved."""

    def save(self, path: Path) -> None:
        """Write it."""


@contextmanager
def loaded(model: Saved, arguments: str = "") -> Iterator[pylibvw.vw]:
    """A workspace of VW's that starts from a model; `arguments` are those that a model file does not keep."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.vw")
        model.save(file)
        workspace = pylibvw.vw(["--quiet", "--no_stdin", "-i", str(file), *arguments.split()])
    yield workspace
    workspace.finish()


def weights(model: Saved, arguments: str = "") -> list[float]:
    """All weights of a model that learns, in order."""
    with loaded(model, arguments) as workspace:
        return [workspace.get_weight(index, 0) for index in range(workspace.num_weights())]
