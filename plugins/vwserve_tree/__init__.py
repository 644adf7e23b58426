"""Tree: the leaves of a tree ensemble as categorical features."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vwserve.transforms import Transform, hookimpl
from vwserve_tree.scikit_learn import from_sklearn
from vwserve_tree.tree import Tree

__all__ = ["Tree", "from_sklearn", "vwserve_transforms"]


@hookimpl
def vwserve_transforms() -> Iterable[type[Transform[Any]]]:
    """The kind `tree`."""
    return [Tree]
