"""Scoring with masks: for each feature one search and one row of a table, for all trees at once.

The idea is that of QuickScorer (Lucchese et al., SIGIR 2015) with the work moved to load time. A tree has a bit for
each of its leaves. The thresholds of all trees on a feature cut its values into intervals, and within one interval
every split on that feature is decided; so a table holds, for each interval and for "missing", the leaves of each
tree that these decisions leave possible. The `and` of the rows of all features leaves one bit for each tree.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import getitem
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vwserve_tree.splits import Floats, Split, SplitTrees

_LARGEST_TABLE_BYTES = 64 << 20

Words = npt.NDArray[np.unsignedinteger[Any]]
Leaves = npt.NDArray[np.signedinteger[Any]]


class _Format(NamedTuple):
    """The words that hold a tree's bits, and floats of their size."""

    letter: str
    word: np.dtype[np.unsignedinteger[Any]]
    float: np.dtype[np.floating[Any]]
    integer: np.dtype[np.signedinteger[Any]]
    mantissa_bits: int
    bias: int


_NARROW = _Format("I", np.dtype("<u4"), np.dtype("<f4"), np.dtype("<i4"), 23, 127)
_WIDE = _Format("Q", np.dtype("<u8"), np.dtype("<f8"), np.dtype("<i8"), 52, 1023)


class Masks:
    """The tables of an ensemble whose trees have at most 64 leaves each."""

    def __init__(self, ensemble: SplitTrees) -> None:
        sizes = np.array(ensemble.leaves)
        self._format = _format(max(ensemble.leaves))
        self._first = (np.cumsum(sizes) - sizes - self._format.bias).astype(self._format.integer)
        self._any_leaf: Words = np.array([(1 << size) - 1 for size in ensemble.leaves], self._format.word)
        self._columns = _columns(ensemble, self._any_leaf)

    def leaves(self, matrix: Floats) -> Leaves:
        """For each row and each tree the position of its leaf among all leaves of the ensemble."""
        words = np.tile(self._any_leaf, (len(matrix), 1))
        for column in self._columns:
            words &= column.table.take(column.edges.searchsorted(matrix[:, column.feature]), axis=0)
        # As a float, a word with one bit has the bit's position as its exponent.
        exponents = words.astype(self._format.float).view(self._format.integer)
        exponents >>= self._format.mantissa_bits
        exponents += self._first
        return exponents

    def reader(self, tokens: Sequence[Sequence[bytes]]) -> Callable[[Sequence[float]], bytes]:
        """A function that gives the tokens of a single row's leaves; `tokens` are those of each tree's leaves.

        For one row integers of thousands of bits are faster than arrays, which cost the same for one row as for ten.
        """
        by_bit = [{1 << position: token for position, token in enumerate(each)} for each in tokens]
        columns = [(column.feature, column.edges.tolist(), column.numbers()) for column in self._columns]
        any_leaf = int.from_bytes(self._any_leaf.tobytes(), "little")
        words = struct.Struct(f"<{len(tokens)}{self._format.letter}")
        unpack, length = words.unpack, words.size

        def read(row: Sequence[float]) -> bytes:
            number = any_leaf
            for feature, edges, numbers in columns:
                value = row[feature]
                number &= numbers[bisect_left(edges, value)] if value == value else numbers[-1]  # noqa: PLR0124  # NaN is the one that is not
            return b" ".join(map(getitem, by_bit, unpack(number.to_bytes(length, "little"))))

        return read


def fits(ensemble: SplitTrees) -> bool:
    """Whether masks are the way to score the ensemble: no tree has more leaves than bits, and the tables are small."""
    if max(ensemble.leaves) > 64:
        return False
    rows = sum(len(edges) + 2 for edges in _edges(ensemble).values())
    return rows * len(ensemble.trees) * _format(max(ensemble.leaves)).word.itemsize <= _LARGEST_TABLE_BYTES


def _format(leaves: int) -> _Format:
    return _NARROW if leaves <= 32 else _WIDE


class _Column:
    """The table of one feature; its rows are the intervals that `edges` end, then that of missing values.

    The last edge is infinity, and numpy's search puts NaN behind it: so missing values need no case of their own.
    """

    def __init__(self, feature: int, edges: Sequence[float], any_leaf: Words) -> None:
        self.feature = feature
        self.edges = np.array([*edges, np.inf])
        self.table = np.tile(any_leaf, (len(self.edges) + 1, 1))

    def cut(self, tree: int, split: Split, left: np.unsignedinteger[Any], right: np.unsignedinteger[Any]) -> None:
        """Leave only the leaves below the child that each interval's values go to."""
        rows = self.table[:, tree]
        ends = [0, *(self.edges.searchsorted(split.edges) + 1).tolist(), len(self.edges)]
        for number, (first, after) in enumerate(pairwise(ends)):
            rows[first:after] &= right if number & 1 else left
        rows[-1] &= left if split.missing_left else right

    def numbers(self) -> Sequence[int]:
        """The rows, each as one integer."""
        return [int.from_bytes(row.tobytes(), "little") for row in self.table]


def _edges(ensemble: SplitTrees) -> dict[int, set[float]]:
    """All edges on each feature that has any split."""
    edges: dict[int, set[float]] = {}
    for tree in ensemble.trees:
        for split in tree:
            edges.setdefault(split.feature, set()).update(split.edges)
    return edges


def _columns(ensemble: SplitTrees, any_leaf: Words) -> Sequence[_Column]:
    columns = {feature: _Column(feature, sorted(edges), any_leaf) for feature, edges in _edges(ensemble).items()}
    word = any_leaf.dtype.type
    for number, tree in enumerate(ensemble.trees):
        below: list[int] = [0] * len(tree)
        for position in reversed(range(len(tree))):  # children stand after their parents
            split = tree[position]
            left, right = (below[child] if child >= 0 else 1 << ~child for child in (split.left, split.right))
            below[position] = left | right
            outside = int(any_leaf[number]) & ~below[position]
            columns[split.feature].cut(number, split, word(outside | left), word(outside | right))
    return [columns[feature] for feature in sorted(columns)]
