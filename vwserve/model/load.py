"""A model from its drop, in process."""

from __future__ import annotations

from pathlib import Path

from vwserve.errors import ConfigurationError, VwserveError
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint, fault
from vwserve.model.drop import read_drop
from vwserve.model.servable import Servable
from vwserve.transforms.pipeline import TransformPool
from vwserve.transforms.plugins import find_plugins


def load(drop: str | Path, plugins: str | Path | None = None, bounds: Bounds | None = None) -> Servable:
    """The servable that the file `drop` describes, as the daemon would serve it; nothing of it is shared with a daemon.

    `plugins` is a folder of transform plugins beside the installed ones. Raises ConfigurationError where the file is
    wrong, or where VW or a transform refuses what it asks for.
    """
    found = find_plugins(Path(plugins) if plugins is not None else None)
    described = read_drop(Path(drop), found.kinds)
    try:
        return Blueprint.of(described, TransformPool()).build(bounds or Bounds())
    except VwserveError as error:
        raise ConfigurationError([fault(described, error)]) from error
