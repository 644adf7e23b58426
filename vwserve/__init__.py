"""vwserve serves and trains many Vowpal Wabbit models online.

`vwserve.load("conf/models.d/ctr.yaml")` gives a model in process; the daemon is the command `vwserve serve`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vwserve.model.servable import Servable

__all__ = ["load"]


def load(drop: str | Path, plugins: str | Path | None = None) -> Servable:
    """A model in process, from the YAML file that describes it: `predict(lines)`, `learn(lines)`, `save(path)`.

    The code is the daemon's own, so that the same lines get the same answers. `plugins` is a folder of transform
    plugins beside the installed ones. Raises ConfigurationError.
    """
    from vwserve.model.load import load as load_drop

    return load_drop(drop, plugins)
