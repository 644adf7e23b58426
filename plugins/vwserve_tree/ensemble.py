"""A tree ensemble in a form of its own: the content of an artifact, whichever library the trees come from.

    {"comparison": "<=", "precision": "double", "features": ["age", "height"], "trees": [
       {"feature": [0, 1], "threshold": [33.5, 1.8], "left": [1, -1], "right": [-3, -2], "missing_left": [0, 1],
        "leaves": [0, 1, 2]}]}

A tree is arrays over its splits, the root first and parents before children. A child that is not negative is a split, a
negative one the leaf at position `-child - 1` of `leaves`, which holds the number that the library itself gives to that
leaf. An example whose feature compares to the threshold (`value <= threshold`, or `value < threshold`) goes left. With
single precision its value is rounded to float32 first, as XGBoost and scikit-learn do. JSON has no infinity: the
greatest double stands for it, and all values go left there.

Where a tree has them, `zero_missing` lists the splits to which also zero is missing (LightGBM's `zero_as_missing`), and
`categories` gives, for each categorical split, the categories that go left; its threshold has no meaning.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

from vwserve.transforms import Artifact, TransformError

Comparison = Literal["<=", "<"]
Precision = Literal["double", "single"]

_LARGEST_ID = 1 << 40
# What is beyond it is no category to the library itself: an int in LightGBM, an exact float32 in XGBoost.
_LARGEST_CATEGORY: Mapping[str, int] = {"double": (1 << 31) - 2, "single": (1 << 24) - 1}


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree, as arrays over its splits and, in `leaves`, over its leaves."""

    feature: Sequence[int]
    threshold: Sequence[float]
    left: Sequence[int]
    right: Sequence[int]
    missing_left: Sequence[int]
    leaves: Sequence[int]
    zero_missing: Sequence[int] = ()
    categories: Mapping[int, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Trees over named features, and how they compare."""

    features: Sequence[str]
    trees: Sequence[Tree]
    comparison: Comparison = "<="
    precision: Precision = "double"


def to_content(ensemble: Ensemble) -> Artifact:
    """The ensemble in types that JSON has."""
    return {
        "comparison": ensemble.comparison,
        "precision": ensemble.precision,
        "features": list(ensemble.features),
        "trees": [_tree_to_content(tree) for tree in ensemble.trees],
    }


def from_content(content: Artifact) -> Ensemble:
    """The ensemble of an artifact; raises TransformError where it is none, or not one of well-formed trees."""
    try:
        return checked(content)
    except ValueError as error:
        raise TransformError(f"the artifact is spoilt: {error}; make it again with `vwserve fit`") from error


def checked(content: Artifact) -> Ensemble:
    """The ensemble of a content; raises ValueError with what is wrong in it."""
    comparison, precision = content.get("comparison"), content.get("precision")
    if comparison not in ("<=", "<") or precision not in ("double", "single"):
        raise _spoilt("comparison and precision", f"{comparison!r} and {precision!r} are unknown")
    features = content.get("features")
    if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
        raise _spoilt("features", "is not a list of names")
    check_names(features)
    unseen = content.get("unseen", [])
    if not isinstance(unseen, list) or not all(isinstance(name, str) for name in unseen):
        raise _spoilt("unseen", "is not a list of names")
    trees = content.get("trees")
    if not isinstance(trees, list) or not trees:
        raise _spoilt("trees", "is not a list of trees")
    read = [_Reader(f"trees[{number}]", tree, len(features), precision).tree() for number, tree in enumerate(trees)]
    return Ensemble(features, read, comparison, precision)


def finite_threshold(threshold: float) -> float:
    """The threshold as the format has it; an infinite one parts missing values from all others."""
    return sys.float_info.max if threshold == math.inf else threshold


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError where names are not those of different features that VW can read."""
    for name in names:
        if not name or any(c <= " " or c in "\x7f|:" for c in name):
            raise ValueError(
                f"{name!r} cannot be the name of a feature: it is empty, or has a space, control character, '|' or ':'"
            )
    name, count = Counter(names).most_common(1)[0] if names else ("", 1)
    if count > 1:
        raise ValueError(f"the feature {name!r} stands there twice")


def _tree_to_content(tree: Tree) -> Artifact:
    content: Artifact = {
        "feature": list(tree.feature),
        "threshold": list(tree.threshold),
        "left": list(tree.left),
        "right": list(tree.right),
        "missing_left": list(tree.missing_left),
        "leaves": list(tree.leaves),
    }
    if tree.zero_missing:
        content["zero_missing"] = list(tree.zero_missing)
    if tree.categories:
        content["categories"] = {str(split): list(chosen) for split, chosen in tree.categories.items()}
    return content


class _Reader:
    """Reads one tree of an artifact, refusing what the scorers could not follow."""

    def __init__(self, where: str, content: object, features: int, precision: Precision) -> None:
        if not isinstance(content, dict):
            raise _spoilt(where, "is not a tree")
        self._where = where
        self._content = content
        self._features = features
        self._precision = precision

    def tree(self) -> Tree:
        feature = self._integers("feature", None, 0, self._features - 1)
        splits = len(feature)
        leaves = self._integers("leaves", splits + 1, 0, _LARGEST_ID)
        if len(set(leaves)) < len(leaves):
            raise self._error("leaves", "has a leaf twice")
        left = self._integers("left", splits, -splits - 1, splits - 1)
        right = self._integers("right", splits, -splits - 1, splits - 1)
        self._check_shape(left, right)
        return Tree(
            feature,
            self._thresholds(splits),
            left,
            right,
            self._integers("missing_left", splits, 0, 1),
            leaves,
            self._zero_missing(splits),
            self._categories(splits),
        )

    def _check_shape(self, left: Sequence[int], right: Sequence[int]) -> None:
        # Each split but the root and each leaf is a child once, and no child stands before its parent: so it is a tree.
        for split, children in enumerate(zip(left, right)):
            if any(0 <= child <= split for child in children):
                raise self._error("left and right", f"the child of split {split} does not stand after it")
        splits = len(left)
        expected = [*range(-splits - 1, 0), *range(1, splits)] if splits else []
        if sorted([*left, *right]) != expected:
            raise self._error("left and right", "some split or leaf has no parent, or two")

    def _thresholds(self, splits: int) -> Sequence[float]:
        values = self._list("threshold", splits)
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            raise self._error("threshold", "is not a list of numbers")
        if not all(abs(value) <= sys.float_info.max for value in values):
            raise self._error("threshold", "has a number that is not finite")
        return [float(value) for value in values]

    def _zero_missing(self, splits: int) -> Sequence[int]:
        if "zero_missing" not in self._content:
            return []
        if self._precision != "double":
            raise self._error("zero_missing", "goes with double precision only")
        return self._integers("zero_missing", None, 0, splits - 1)

    def _categories(self, splits: int) -> Mapping[int, Sequence[int]]:
        found = self._content.get("categories", {})
        if not isinstance(found, dict) or not all(split.isdecimal() and int(split) < splits for split in found):
            raise self._error("categories", "does not map splits to their categories")
        most = _LARGEST_CATEGORY[self._precision]
        return {int(split): self._checked(f"categories.{split}", chosen, 0, most) for split, chosen in found.items()}

    def _integers(self, key: str, length: int | None, least: int, most: int) -> Sequence[int]:
        return self._checked(key, self._list(key, length), least, most)

    def _checked(self, key: str, values: object, least: int, most: int) -> Sequence[int]:
        if not isinstance(values, list) or not all(type(value) is int and least <= value <= most for value in values):
            raise self._error(key, f"is not a list of whole numbers in {least}..{most}")
        return values

    def _list(self, key: str, length: int | None) -> list[Any]:
        values = self._content.get(key)
        if not _is_list(values):
            raise self._error(key, "is not a list")
        if length is not None and len(values) != length:
            raise self._error(key, f"has {len(values)} items, not {length}")
        return values

    def _error(self, key: str, text: str) -> ValueError:
        return _spoilt(f"{self._where}.{key}", text)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _spoilt(where: str, text: str) -> ValueError:
    return ValueError(f"{where}: {text}")
