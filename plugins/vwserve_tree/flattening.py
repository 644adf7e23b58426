"""Trees whose nodes are numbered together, leaves among the splits, as XGBoost and scikit-learn keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vwserve_tree.ensemble import Tree


class Nodes(NamedTuple):
    """Arrays over all nodes of one tree, the root first; a node is a leaf where its left child is negative.

    `ids` are the library's own numbers of the nodes. `categories` are those that go left.
    """

    feature: Sequence[int]
    threshold: Sequence[float]
    left: Sequence[int]
    right: Sequence[int]
    missing_left: Sequence[int]
    ids: Sequence[int] | None = None
    categories: Mapping[int, Sequence[int]] | None = None
    zero_missing: frozenset[int] = frozenset()


def flattened(nodes: Nodes) -> Tree:
    """The tree with its splits numbered in preorder; nodes that the root does not reach are left out.

    Raises IndexError where a child does not exist, ValueError where nodes are their own descendants.
    """
    order: list[int] = []
    leaves: list[int] = []
    position: dict[int, int] = {}
    pending = [0]
    while pending:
        node = pending.pop()
        if node in position or node < 0:
            raise ValueError(f"node {node} has two parents")
        if nodes.left[node] < 0:
            position[node] = ~len(leaves)
            leaves.append(node)
        else:
            position[node] = len(order)
            order.append(node)
            pending += [nodes.right[node], nodes.left[node]]
    ids = nodes.ids
    return Tree(
        feature=[int(nodes.feature[node]) for node in order],
        threshold=[float(nodes.threshold[node]) for node in order],
        left=[position[nodes.left[node]] for node in order],
        right=[position[nodes.right[node]] for node in order],
        missing_left=[int(nodes.missing_left[node]) for node in order],
        leaves=leaves if ids is None else [ids[leaf] for leaf in leaves],
        zero_missing=[position[node] for node in order if node in nodes.zero_missing],
        categories={position[node]: chosen for node, chosen in (nodes.categories or {}).items() if node in position},
    )
