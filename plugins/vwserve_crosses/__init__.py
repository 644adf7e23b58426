"""Crosses: features that stand for pairs (or more) of others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vwserve.transforms import Transform, hookimpl
from vwserve_crosses.crosses import Crosses


@hookimpl
def vwserve_transforms() -> Iterable[type[Transform[Any]]]:
    """The kind `crosses`."""
    return [Crosses]
