"""Makes artifacts of scikit-learn's tree ensembles.

scikit-learn saves models as pickles only, which run whatever code is in them. So this is called where the model was
trained: it reads the arrays of its trees, and needs nothing imported that the model has not. Values are compared as
float32 (in histogram gradient boosting as doubles), and one up to the threshold goes left. A leaf's number is that of
its node, as in `apply`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from vwserve.transforms import Artifact, TransformError
from vwserve_tree.ensemble import Ensemble, Tree, finite_threshold, to_content
from vwserve_tree.flattening import Nodes, flattened
from vwserve_tree.model_file import named


def from_sklearn(estimator: Any, features: Sequence[str] = ()) -> Artifact:
    """The artifact of a fitted estimator: a decision tree, or an ensemble of them by any method.

    `features` names its columns, in order; without it the names that the estimator was fitted with, else x0, x1, ...
    Raises TransformError where it is no such estimator, or has categorical splits.
    """
    names = list(getattr(estimator, "feature_names_in_", ()))
    names = names or [f"x{number}" for number in range(getattr(estimator, "n_features_in_", 0))]
    what = f"the estimator {type(estimator).__name__}"
    if hasattr(estimator, "_predictors"):
        trees = [_histogram_tree(each, what) for each in chain.from_iterable(estimator._predictors)]
        ensemble = Ensemble(names, trees, "<=", "double")
    else:
        found = _trees(estimator, what)
        columns = [list(map(int, each)) for each in getattr(estimator, "estimators_features_", ())]
        if not columns:
            columns = [list(range(len(names)))] * len(found)
        try:
            trees = list(map(_tree, found, columns))
        except IndexError as error:  # the trees of a chain also split on the predictions of those before them
            raise TransformError(f"{what} has trees over more than its {len(names)} columns") from error
        ensemble = Ensemble(names, trees, "<=", "single")
    return {**to_content(named(ensemble, features, what)), "source": "scikit-learn", "unseen": []}


def _trees(estimator: Any, what: str) -> Sequence[Any]:
    if hasattr(estimator, "tree_"):
        return [estimator.tree_]
    # A list, or in gradient boosting an array with a row for each round and a column for each class.
    estimators = getattr(estimator, "estimators_", ())
    found = [getattr(each, "tree_", None) for each in getattr(estimators, "flat", estimators)]
    if not found or None in found:
        raise TransformError(f"{what} is no fitted ensemble of trees")
    return found


def _tree(tree: Any, columns: Sequence[int]) -> Tree:
    """A tree that was fitted to these columns only (those of bagging, isolation forests), in the order of its own."""
    left = tree.children_left.tolist()
    return flattened(
        Nodes(
            [columns[own] if own >= 0 else own for own in tree.feature.tolist()],  # a leaf has none
            list(map(finite_threshold, tree.threshold.tolist())),
            left,
            tree.children_right.tolist(),
            tree.missing_go_to_left.tolist(),
        )
    )


def _histogram_tree(predictor: Any, what: str) -> Tree:
    nodes = predictor.nodes
    if nodes["is_categorical"].any():
        # These renumber columns and categories on the way to the trees.
        raise TransformError(f"{what} has categorical splits; grow it without categorical_features")
    left = [-1 if leaf else child for leaf, child in zip(nodes["is_leaf"].tolist(), nodes["left"].tolist())]
    thresholds = list(map(finite_threshold, nodes["num_threshold"].tolist()))
    return flattened(
        Nodes(
            nodes["feature_idx"].tolist(),
            thresholds,
            left,
            nodes["right"].tolist(),
            nodes["missing_go_to_left"].tolist(),
        )
    )
