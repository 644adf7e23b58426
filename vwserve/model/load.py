"""A model from its drop, in process."""

from __future__ import annotations

from pathlib import Path

from vwserve.learner import Bounds
from vwserve.model.drop import read_drop
from vwserve.model.registry import build
from vwserve.model.servable import Servable


def load(drop: str | Path, bounds: Bounds | None = None) -> Servable:
    """The servable that the file `drop` describes, as the daemon would serve it; nothing of it is shared with a daemon.

    Raises ConfigurationError where the file is wrong or VW refuses what it asks for.
    """
    described = read_drop(Path(drop))
    return build(described, bounds or Bounds())
