"""Reads XGBoost's model as JSON (`Booster.save_model("model.json")`); XGBoost itself is not needed.

The schema is documented in XGBoost's "Introduction to Model IO". A leaf's number is that of its node, as in
`predict(pred_leaf=True)`. Values are float32, and one below the threshold goes left. Of a categorical split the listed
categories go right, and so nothing else does (`common/categorical.h`): its children are exchanged here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vwserve_tree.ensemble import Ensemble, Tree
from vwserve_tree.flattening import Nodes, flattened

_CATEGORICAL = 1


def read_xgboost(model: dict[str, Any]) -> Ensemble:
    """The ensemble of a model.

    Raises ValueError, TypeError, LookupError or OverflowError where it is not one of trees.
    """
    learner = model["learner"]
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        raise ValueError("it is a linear model without trees")
    trees = booster.get("gbtree", booster)["model"]["trees"]  # the trees of dart are those of a gbtree within it
    names = learner.get("feature_names") or _numbered(int(learner["learner_model_param"]["num_feature"]))
    return Ensemble(names, [_tree(tree) for tree in trees], "<", "single")


def _numbered(features: int) -> Sequence[str]:
    return [f"f{number}" for number in range(features)]


def _tree(tree: dict[str, Any]) -> Tree:
    left, right = list(tree["left_children"]), list(tree["right_children"])
    missing_left = [int(flag) for flag in tree["default_left"]]
    with np.errstate(over="ignore"):  # infinity is refused later
        thresholds = np.array(tree["split_conditions"], np.float64).astype(np.float32).tolist()
    categories: dict[int, Sequence[int]] = {}
    starts = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"])
    for node, start, size in starts:
        categories[node] = tree["categories"][start : start + size]
    for node, kind in enumerate(tree["split_type"]):
        if kind == _CATEGORICAL and left[node] >= 0:
            categories.setdefault(node, [])
            left[node], right[node] = right[node], left[node]
            missing_left[node] = 1 - missing_left[node]
            thresholds[node] = 0.0
    return flattened(Nodes(tree["split_indices"], thresholds, left, right, missing_left, categories=categories))
