"""Discretisation: the transform `mdl`, bins of numbers that tell the classes apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vwserve.transforms import Transform, hookimpl
from vwserve_mdl.mdl import Mdl


@hookimpl
def vwserve_transforms() -> Iterable[type[Transform[Any]]]:
    """The kind `mdl`."""
    return [Mdl]
