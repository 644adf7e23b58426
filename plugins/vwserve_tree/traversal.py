"""Scoring by going down the trees: for ensembles whose tables of masks would be too large.

Splits are compared as `value <= edge` only. One with several edges becomes a search among them. A missing value is
NaN, which is not less than any edge; splits that send it left read a second copy of the columns, where it is minus
infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from vwserve_tree.splits import Floats, Split, SplitTrees


class Traversal:
    """The nodes of all trees in arrays; a negative node is the leaf at position `-node - 1` among all leaves."""

    def __init__(self, ensemble: SplitTrees) -> None:
        nodes = _Nodes(ensemble.features)
        self._roots = np.array([nodes.add(*tree) for tree in zip(ensemble.trees, ensemble.leaves)], np.intp)
        self._column = np.array(nodes.column, np.intp)
        self._edge = np.array(nodes.edge, np.float64)
        self._children = np.array([nodes.right, nodes.left], np.intp).T.ravel()
        self._nodes = nodes

    def leaves(self, matrix: Floats) -> npt.NDArray[np.int64]:
        """For each row and each tree the position of its leaf among all leaves of the ensemble."""
        rows, trees = len(matrix), len(self._roots)
        values = np.concatenate([matrix, np.where(np.isnan(matrix), -np.inf, matrix)], axis=1)
        starts = np.repeat(np.arange(rows) * values.shape[1], trees)
        flat = values.ravel()
        nodes = np.tile(self._roots, rows)
        inner = np.flatnonzero(nodes >= 0)
        while len(inner):
            at = nodes[inner]
            goes_left = flat[starts[inner] + self._column[at]] <= self._edge[at]
            at = self._children[2 * at + goes_left]
            nodes[inner] = at
            inner = inner[at >= 0]
        return (~nodes).reshape(rows, trees)

    def reader(self, tokens: Sequence[Sequence[bytes]]) -> Callable[[Sequence[float]], bytes]:
        """A function that gives the tokens of a single row's leaves; `tokens` are those of each tree's leaves."""
        flat = [token for each in tokens for token in each]
        nodes = self._nodes
        column, edge, left, right, roots = nodes.column, nodes.edge, nodes.left, nodes.right, self._roots.tolist()

        def read(row: Sequence[float]) -> bytes:
            values = [*row, *(-math.inf if math.isnan(value) else value for value in row)]
            found = []
            for root in roots:
                node = root
                while node >= 0:
                    node = left[node] if values[column[node]] <= edge[node] else right[node]
                found.append(flat[~node])
            return b" ".join(found)

        return read


class _Nodes:
    def __init__(self, features: int) -> None:
        self._features = features
        self._leaves = 0
        self.column: list[int] = []
        self.edge: list[float] = []
        self.left: list[int] = []
        self.right: list[int] = []

    def add(self, tree: Sequence[Split], leaves: int) -> int:
        """Append a tree; its root."""
        below = [0] * len(tree)
        first_leaf = self._leaves
        self._leaves += leaves
        for position in reversed(range(len(tree))):  # children stand after their parents
            split = tree[position]
            left, right = (
                below[child] if child >= 0 else ~(first_leaf + ~child) for child in (split.left, split.right)
            )
            below[position] = self._add_split(split, left, right)
        return below[0] if tree else ~first_leaf

    def _add_split(self, split: Split, left: int, right: int) -> int:
        edges = list(split.edges)
        missing, last = (left, left) if split.missing_left else (right, right if len(edges) & 1 else left)
        if missing != last:
            edges.append(math.inf)  # behind it is no value, but what is missing is sent there
        column = split.feature + (self._features if split.missing_left else 0)
        return self._search(column, edges, (left, right), 0, len(edges)) if edges else left

    def _search(self, column: int, edges: Sequence[float], children: tuple[int, int], first: int, after: int) -> int:
        """The node of a binary search among edges[first:after]; interval i goes to child i & 1."""
        if first == after:
            return children[first & 1]
        middle = (first + after) // 2
        left = self._search(column, edges, children, first, middle)
        right = self._search(column, edges, children, middle + 1, after)
        self.column.append(column)
        self.edge.append(edges[middle])
        self.left.append(left)
        self.right.append(right)
        return len(self.edge) - 1
