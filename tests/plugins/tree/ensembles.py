"""What the tests of trees share: data with everything that is awkward, and leaves found in the plainest way."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from vwserve_tree.ensemble import Comparison, Ensemble, Tree
from vwserve_tree.masks import Masks, fits
from vwserve_tree.splits import last_left, split_trees
from vwserve_tree.traversal import Traversal

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]

CATEGORICAL = 2  # the column of categories
CATEGORIES = 70  # more than two words of 32 bits
AWKWARD = [0.0, -0.0, 1e-35, -1e-35, 1e-36, -1e-36, 1e-45, -1e-45, 0.1, -0.5, -1.0, 1e30, -1e30, np.nan]


def data(rows: int, seed: int = 0, missing: float = 0.15) -> Floats:
    """Five columns: rounded, plain, categories, mostly zero, and large; some values are missing."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, 5))
    matrix[:, 0] = matrix[:, 0].round(1)
    matrix[:, CATEGORICAL] = random.integers(0, CATEGORIES, rows)
    matrix[random.random(rows) < 0.5, 3] = 0.0
    matrix[:, 4] *= 1e9
    matrix[random.random(matrix.shape) < missing] = np.nan
    return matrix


def classes(matrix: Floats, count: int = 2) -> Floats:
    """Labels that depend on every column."""
    plain = np.nan_to_num(matrix)
    parts = [plain[:, 0] > 0.3, plain[:, CATEGORICAL] % 3 == 0, plain[:, 3] > 0.2, plain[:, 4] * plain[:, 1] > 0]
    total: Floats = np.sum(parts, axis=0)
    return (total % count).astype(np.float64)


def awkward(ensemble: Ensemble, rows: int, seed: int = 0) -> Floats:
    """Rows of thresholds, of what is next to them as double and as float32, and of awkward values."""
    thresholds = np.array([value for tree in ensemble.trees for value in tree.threshold if value < sys.float_info.max])
    edges = last_left(thresholds, ensemble.comparison, ensemble.precision)
    singles = np.clip(thresholds, -3e38, 3e38).astype(np.float32)
    around = [thresholds, np.nextafter(thresholds, np.inf), np.nextafter(thresholds, -np.inf), edges]
    around += [np.nextafter(edges, np.inf), singles, np.nextafter(singles, np.float32(np.inf)), AWKWARD * 20]
    values = np.concatenate(around).astype(np.float64)
    return np.random.default_rng(seed).choice(values, size=(rows, len(ensemble.features)))


def assert_leaves(ensemble: Ensemble, matrix: Floats, expected: Numbers) -> None:
    """All ways to score find the leaves that the library gave: for each row its leaf in each tree."""
    expected = expected.reshape(len(matrix), len(ensemble.trees))
    trees = split_trees(ensemble)
    numbers = np.concatenate([tree.leaves for tree in ensemble.trees])
    tokens = [[b"%d" % leaf for leaf in tree.leaves] for tree in ensemble.trees]
    scorers: list[Masks | Traversal] = [Masks(trees), Traversal(trees)] if fits(trees) else [Traversal(trees)]
    for scorer in scorers:
        np.testing.assert_array_equal(numbers[scorer.leaves(matrix)], expected, type(scorer).__name__)
        read = scorer.reader(tokens)
        for row, leaves in zip(matrix[:50].tolist(), expected.tolist()):
            assert read(row).split() == [b"%d" % leaf for leaf in leaves]


def plain_leaf(ensemble: Ensemble, tree: Tree, row: Sequence[float]) -> int:
    """The position of the leaf that a row falls into, by the words of the format."""
    node = 0 if tree.feature else -1
    while node >= 0:
        value = row[tree.feature[node]]
        node = tree.left[node] if _goes_left(ensemble, tree, node, value) else tree.right[node]
    return ~node


def _goes_left(ensemble: Ensemble, tree: Tree, node: int, value: float) -> bool:
    number = np.float64(np.float32(value)) if ensemble.precision == "single" else np.float64(value)
    if np.isnan(value) or (node in tree.zero_missing and abs(number) <= np.float32(1e-35)):
        return bool(tree.missing_left[node])
    if node in tree.categories:
        if number < 0 and ensemble.comparison == "<":
            return False
        return bool(np.trunc(number) in tree.categories[node])
    threshold = tree.threshold[node]
    if threshold == sys.float_info.max:
        return True
    return bool(number <= threshold if ensemble.comparison == "<=" else number < threshold)


COMPARISONS: list[Comparison] = ["<=", "<"]
FEATURES = ["a", "b", "c"]
VALUES = st.one_of(
    st.sampled_from(
        [sys.float_info.max, 0.0, -0.0, 1.0, 2.0, 2.5, -1.0, 1e-35, -1e-35, 0.1, float(np.float32(0.1)), 1e300, 2.0**24]
    ),
    st.floats(-4.0, 40.0),
    st.floats(allow_nan=False, allow_infinity=False),
)


@st.composite
def trees(draw: st.DrawFn, double: bool, most_splits: int = 12) -> Tree:
    """Any well-formed tree over three features."""
    splits = draw(st.integers(0, most_splits))
    left, right = [0] * splits, [0] * splits
    # Each split goes to one of the places that are open, so that children stand after their parents.
    places: list[tuple[list[int], int]] = []
    for split in range(splits):
        if split:
            side, parent = places.pop(draw(st.integers(0, len(places) - 1)))
            side[parent] = split
        places += [(left, split), (right, split)]
    for leaf, (side, parent) in enumerate(places):
        side[parent] = ~leaf
    several = st.lists(st.integers(0, 40), max_size=6, unique=True)
    kinds = [draw(st.sampled_from(["number", "number", "categories", "zero" if double else "number"])) for _ in left]
    return Tree(
        feature=[draw(st.integers(0, len(FEATURES) - 1)) for _ in left],
        threshold=[draw(VALUES) for _ in left],
        left=left,
        right=right,
        missing_left=[draw(st.integers(0, 1)) for _ in left],
        leaves=list(range(7, 7 + splits + 1)),
        zero_missing=[split for split, kind in enumerate(kinds) if kind == "zero"],
        categories={split: draw(several) for split, kind in enumerate(kinds) if kind == "categories"},
    )


@st.composite
def ensembles(draw: st.DrawFn) -> Ensemble:
    """Any well-formed ensemble of up to four trees."""
    double = draw(st.booleans())
    comparison: Comparison = draw(st.sampled_from(COMPARISONS))
    some = draw(st.lists(trees(double), min_size=1, max_size=4))
    return Ensemble(FEATURES, some, comparison, "double" if double else "single")
