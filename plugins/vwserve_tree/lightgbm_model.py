"""Reads LightGBM's models without LightGBM: its text file (`Booster.save_model`) and its JSON (`Booster.dump_model`).

The formats, and the decisions at a split, are those of LightGBM's `src/io/tree.cpp` and `include/LightGBM/tree.h`.
Values are doubles, and one up to the threshold goes left. Of a categorical split the chosen categories go left, and a
missing value goes right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vwserve_tree.ensemble import Ensemble, Tree, finite_threshold
from vwserve_tree.flattening import Nodes, flattened
from vwserve_tree.splits import BELOW_ZERO, ZERO

_CATEGORICAL, _DEFAULT_LEFT = 1, 2  # bits of decision_type; the two bits above are the missing type
_NONE, _ZERO, _NAN = range(3)
_DUMPED_INFINITY = 1e300  # what a dump has in its place
_MISSING_TYPES = {"None": _NONE, "Zero": _ZERO, "NaN": _NAN}


def is_lightgbm_text(text: str) -> bool:
    """Whether a text is LightGBM's model file."""
    return text.startswith("tree\n") and "\nfeature_names=" in text


def read_lightgbm_text(text: str) -> Ensemble:
    """The ensemble of a model file; raises ValueError or LookupError where it is damaged."""
    head, *blocks = text.partition("\nend of trees")[0].split("\nTree=")
    if not blocks:
        raise ValueError("it has no trees")
    if text.find("\nend of trees") < 0:
        raise ValueError("it ends within its trees")
    names = _fields(head)["feature_names"].split(" ")
    return Ensemble(names, [_text_tree(_fields(block)) for block in blocks])


def read_lightgbm_dump(model: Mapping[str, Any]) -> Ensemble:
    """The ensemble of a model's dump; raises ValueError, TypeError or LookupError where it is damaged."""
    trees = [_dumped_tree(info["tree_structure"]) for info in model["tree_info"]]
    if not trees:
        raise ValueError("it has no trees")
    return Ensemble(list(model["feature_names"]), trees)


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.splitlines())
    return {key: value for key, equals, value in pairs if equals}


def _text_tree(fields: Mapping[str, str]) -> Tree:
    leaves = list(range(int(fields["num_leaves"])))
    if len(leaves) == 1:
        return Tree([], [], [], [], [], leaves)
    decisions = _integers(fields["decision_type"])
    thresholds = [float(word) for word in fields["threshold"].split()]
    bounds = _integers(fields.get("cat_boundaries", ""))
    words = _integers(fields.get("cat_threshold", ""))
    missing_left, zero_missing = [], []
    categories: dict[int, Sequence[int]] = {}
    for split, decision in enumerate(decisions):
        if decision & _CATEGORICAL:
            number = int(thresholds[split])
            categories[split] = list(_members(words[bounds[number] : bounds[number + 1]]))
        kind = _NAN if decision & _CATEGORICAL else decision >> 2 & 3
        default_left = bool(decision & _DEFAULT_LEFT) and not decision & _CATEGORICAL
        missing_left.append(_missing_left(kind, default_left, thresholds[split]))
        if kind == _ZERO:
            zero_missing.append(split)
    return Tree(
        feature=_integers(fields["split_feature"]),
        threshold=[_threshold(value) for value in thresholds],
        left=_integers(fields["left_child"]),
        right=_integers(fields["right_child"]),
        missing_left=missing_left,
        leaves=leaves,
        zero_missing=zero_missing,
        categories=categories,
    )


def _dumped_tree(root: Mapping[str, Any]) -> Tree:
    listed = [root]
    feature, threshold, left, right, missing_left, ids = [], [], [], [], [], []
    categories: dict[int, Sequence[int]] = {}
    zero_missing: set[int] = set()
    for number, node in enumerate(listed):  # grows while it is gone through
        is_leaf = "split_index" not in node
        ids.append(node.get("leaf_index", 0) if is_leaf else -1)
        left.append(-1 if is_leaf else len(listed))
        right.append(-1 if is_leaf else len(listed) + 1)
        feature.append(0 if is_leaf else node["split_feature"])
        value, kind, default_left = 0.0, _NAN, False
        if not is_leaf:
            listed += [node["left_child"], node["right_child"]]
            if node["decision_type"] == "==":
                categories[number] = [int(word) for word in node["threshold"].split("||") if word]
            else:
                value = float(node["threshold"])
                value = math.inf if value >= _DUMPED_INFINITY else value
                kind, default_left = _MISSING_TYPES[node["missing_type"]], node["default_left"]
            if kind == _ZERO:
                zero_missing.add(number)
        threshold.append(_threshold(value))
        missing_left.append(_missing_left(kind, default_left, value))
    return flattened(Nodes(feature, threshold, left, right, missing_left, ids, categories, frozenset(zero_missing)))


def _missing_left(kind: int, default_left: bool, threshold: float) -> int:
    # Without a missing type NaN counts as zero.
    return int(threshold >= 0.0 if kind == _NONE else default_left)


def _threshold(value: float) -> float:
    # LightGBM takes values within ±1e-35f for zero before it compares them: so zero's side is that of all of them.
    if -ZERO <= value < ZERO:
        return ZERO if value >= 0.0 else BELOW_ZERO
    return finite_threshold(value)


def _integers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def _members(words: Sequence[int]) -> Iterator[int]:
    """The members of a set that is kept as a row of 32-bit words."""
    for number, word in enumerate(words):
        yield from (32 * number + bit for bit in range(32) if word >> bit & 1)
