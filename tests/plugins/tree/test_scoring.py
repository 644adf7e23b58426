"""Masks and traversal find the leaf that the format says, one row at a time and many at once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vwserve_tree.ensemble import Ensemble, Tree
from vwserve_tree.masks import Masks, fits
from vwserve_tree.splits import split_trees
from vwserve_tree.traversal import Traversal

from tests.plugins.tree.ensembles import FEATURES, VALUES, ensembles, plain_leaf, trees

ROWS = st.lists(st.lists(VALUES | st.just(float("nan")), min_size=3, max_size=3), min_size=1, max_size=12)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@given(ensemble=ensembles(), rows=ROWS, data=st.data())
def test_all_ways_give_the_leaf_that_the_format_says(
    ensemble: Ensemble, rows: list[list[float]], data: st.DataObject
) -> None:
    thresholds = [threshold for tree in ensemble.trees for threshold in tree.threshold]
    if thresholds:
        rows = [[data.draw(st.sampled_from([value, *thresholds])) for value in row] for row in rows]
    split = split_trees(ensemble)
    firsts = np.cumsum([0, *split.leaves])
    expected = [
        [first + plain_leaf(ensemble, tree, row) for first, tree in zip(firsts, ensemble.trees)] for row in rows
    ]
    tokens = [[b"%d" % (first + leaf) for leaf in range(count)] for first, count in zip(firsts.tolist(), split.leaves)]
    for scorer in (Masks(split), Traversal(split)):
        assert scorer.leaves(np.array(rows)).tolist() == expected
        read = scorer.reader(tokens)
        assert [[int(word) for word in read(row).split()] for row in rows] == expected


@pytest.mark.parametrize("splits", [31, 32, 63])
def test_masks_use_all_their_bits(splits: int) -> None:
    tree = chain(splits)
    split = split_trees(Ensemble(FEATURES, [tree, chain(3)]))
    rows = np.array([[value, 0.0, 0.0] for value in (-1.0, 0.0, 0.5, *range(1, splits + 2), np.nan)])
    assert fits(split)
    np.testing.assert_array_equal(Masks(split).leaves(rows), Traversal(split).leaves(rows))
    assert len(set(Masks(split).leaves(rows)[:, 0])) == splits + 1


def chain(splits: int) -> Tree:
    """A tree whose every right child is a split, on 0, 1, 2, ..."""
    right = [*range(1, splits), -splits - 1]
    left = [~split for split in range(splits)]
    return Tree(
        [0] * splits, [float(split) for split in range(splits)], left, right, [0] * splits, [*range(splits + 1)]
    )


def test_more_leaves_than_bits_are_traversed() -> None:
    assert not fits(split_trees(Ensemble(FEATURES, [chain(64)])))


def test_large_tables_are_traversed() -> None:
    assert fits(split_trees(Ensemble(FEATURES, [chain(60)] * 1000)))
    spread = [
        Tree([0] * 60, [value + number for value in chain(60).threshold], *halves(chain(60)), [*range(61)])
        for number in np.linspace(0.0, 0.9, 400).tolist()
    ]
    assert not fits(split_trees(Ensemble(FEATURES, spread)))


def halves(tree: Tree) -> tuple[list[int], list[int], list[int]]:
    """The children and missing sides of a tree."""
    return list(tree.left), list(tree.right), list(tree.missing_left)


def test_very_deep_trees_are_traversed() -> None:
    split = split_trees(Ensemble(FEATURES, [chain(3000)]))
    rows = np.array([[5000.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [1500.0, 0.0, 0.0]])
    assert Traversal(split).leaves(rows).tolist() == [[3000], [0], [1500]]


@given(tree=trees(True))
def test_infinite_values_go_where_comparisons_send_them(tree: Tree) -> None:
    ensemble = Ensemble(FEATURES, [replace(tree, categories={})])
    split = split_trees(ensemble)
    for value in (np.inf, -np.inf):
        row = [value] * 3
        expected = [[plain_leaf(ensemble, ensemble.trees[0], row)]]
        assert Masks(split).leaves(np.array([row])).tolist() == expected
        assert Traversal(split).leaves(np.array([row])).tolist() == expected
