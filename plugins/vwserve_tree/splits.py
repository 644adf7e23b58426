"""Splits as intervals of doubles: what all libraries' comparisons come to, so that scoring knows one only.

Where an example goes at a split depends on which of some intervals its value lies in. The ends of the intervals,
`edges`, are doubles such that `value <= edge` holds exactly where the library's own comparison does: a threshold that
is compared in float32 becomes the last double that rounds to its side, a category k the doubles that truncate to k.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vwserve_tree.ensemble import Comparison, Ensemble, Precision, Tree

Floats = npt.NDArray[np.float64]

# LightGBM's kZeroThreshold, 1e-35f: to it, what is not further from zero is zero.
ZERO = float(np.float32(1e-35))
# The last double before those.
BELOW_ZERO = math.nextafter(-ZERO, -math.inf)


class Split(NamedTuple):
    """A split; a value goes left where an even number of `edges` (ascending) is less than it.

    `left` and `right` are children as in `Tree`.
    """

    feature: int
    edges: Sequence[float]
    left: int
    right: int
    missing_left: bool


class SplitTrees(NamedTuple):
    """An ensemble for scoring: how many features it has, and for each tree its number of leaves and its splits."""

    features: int
    leaves: Sequence[int]
    trees: Sequence[Sequence[Split]]


def split_trees(ensemble: Ensemble) -> SplitTrees:
    """The ensemble's trees with all comparisons as intervals of doubles."""
    leaves = [len(tree.leaves) for tree in ensemble.trees]
    return SplitTrees(len(ensemble.features), leaves, [list(_splits(ensemble, tree)) for tree in ensemble.trees])


def _splits(ensemble: Ensemble, tree: Tree) -> Iterator[Split]:
    thresholds = last_left(np.array(tree.threshold, np.float64), ensemble.comparison, ensemble.precision).tolist()
    zero_missing = frozenset(tree.zero_missing)
    for number, fields in enumerate(zip(tree.feature, thresholds, tree.left, tree.right, tree.missing_left)):
        feature, threshold, left, right, missing_left = fields
        if (categories := tree.categories.get(number)) is not None:
            # Categories are islands: outside of all intervals is where the first interval goes, hence the exchange.
            edges = _category_edges(sorted(set(categories)), ensemble)
            yield Split(feature, edges, right, left, not missing_left)
        elif number in zero_missing:
            yield Split(feature, _zero_missing_edges(threshold, bool(missing_left)), left, right, bool(missing_left))
        else:
            yield Split(feature, (threshold,), left, right, bool(missing_left))


def last_left(thresholds: Floats, comparison: Comparison, precision: Precision) -> Floats:
    """For each threshold the greatest double that compares to it; all do to the greatest double."""
    with np.errstate(over="ignore", under="ignore"):
        edges = _last_left(thresholds, comparison, precision)
    return np.where(thresholds == sys.float_info.max, np.inf, edges)


def _last_left(thresholds: Floats, comparison: Comparison, precision: Precision) -> Floats:
    if precision == "double":
        return thresholds if comparison == "<=" else np.nextafter(thresholds, -np.inf)
    nearest = thresholds.astype(np.float32)
    beyond = nearest > thresholds if comparison == "<=" else nearest >= thresholds
    last = np.where(beyond, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    middle = (_widened(last) + _widened(np.nextafter(last, np.float32(np.inf)))) / 2.0
    # The double in the middle of two float32 rounds to the one whose last bit is 0.
    even = last.view(np.uint32) & 1 == 0
    return np.where(even, middle, np.nextafter(middle, -np.inf))


def _widened(values: npt.NDArray[np.float32]) -> Floats:
    # To rounding, infinity stands where the next float32 would be.
    return np.clip(values.astype(np.float64), -(2.0**128), 2.0**128)


def _zero_missing_edges(threshold: float, missing_left: bool) -> Sequence[float]:
    if missing_left:
        if threshold < BELOW_ZERO:
            return (threshold, BELOW_ZERO, ZERO)
        return (max(threshold, ZERO),)
    if threshold > ZERO:
        return (BELOW_ZERO, ZERO, threshold)
    return (min(threshold, BELOW_ZERO),)


def _category_edges(categories: Sequence[int], ensemble: Ensemble) -> Sequence[float]:
    edges: list[float] = []
    for below, above in _intervals(categories):
        ends = last_left(np.array([below, above], np.float64), "<", ensemble.precision).tolist()
        if below == 0 and ensemble.comparison == "<=":
            ends[0] = -1.0  # LightGBM truncates -0.5 to category 0; to XGBoost a negative value is no category
        edges += ends
    return edges


def _intervals(categories: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive numbers, each as its first and the first after it."""
    first = after = -1
    for category in categories:
        if category != after:
            if after >= 0:
                yield first, after
            first = category
        after = category + 1
    if after >= 0:
        yield first, after
