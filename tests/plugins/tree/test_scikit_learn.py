"""scikit-learn's ensembles give the leaves that scikit-learn gives."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import ClassifierChain
from sklearn.tree import DecisionTreeClassifier
from vwserve_tree import from_sklearn
from vwserve_tree.ensemble import Ensemble, from_content
from vwserve_tree.splits import split_trees
from vwserve_tree.traversal import Traversal

from tests.plugins.tree.ensembles import Floats, assert_leaves, awkward, classes, data
from vwserve.transforms import TransformError

MATRIX = data(600)
WHOLE = data(600, missing=0.0)
BOTH = pytest.mark.parametrize("matrix", [MATRIX, WHOLE], ids=["missing", "whole"])


def ensemble_of(estimator: Any) -> Ensemble:
    """The ensemble that is read of its artifact's JSON."""
    return from_content(json.loads(json.dumps(from_sklearn(estimator), allow_nan=False)))


@BOTH
@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(8, max_leaf_nodes=30, random_state=0),
        RandomForestRegressor(4, random_state=0),
        ExtraTreesClassifier(4, max_depth=5, random_state=0),
        DecisionTreeClassifier(max_depth=4, random_state=0),
        DecisionTreeClassifier(max_depth=1),
    ],
    ids=str,
)
def test_leaves_are_those_of_forests(estimator: Any, matrix: Floats) -> None:
    estimator.fit(matrix, classes(matrix))
    ensemble = ensemble_of(estimator)
    probe = awkward(ensemble, 500)
    if matrix is WHOLE:
        probe = np.nan_to_num(probe)
    for each in (matrix, probe):
        assert_leaves(ensemble, each, estimator.apply(each))


@pytest.mark.parametrize("count", [2, 3])
def test_leaves_are_those_of_gradient_boosting(count: int) -> None:
    estimator = GradientBoostingClassifier(n_estimators=6, random_state=0).fit(WHOLE, classes(WHOLE, count))
    ensemble = ensemble_of(estimator)
    for each in (WHOLE, np.nan_to_num(awkward(ensemble, 500))):
        assert_leaves(ensemble, each, estimator.apply(each).astype(int))


@pytest.mark.parametrize(
    "estimator",
    [
        BaggingClassifier(n_estimators=6, max_features=3, random_state=0),
        BaggingRegressor(n_estimators=6, max_features=4, bootstrap_features=True, random_state=0),
        BaggingClassifier(n_estimators=3, random_state=0),
        IsolationForest(n_estimators=6, max_features=2, random_state=0),
        IsolationForest(n_estimators=3, random_state=0),
    ],
    ids=str,
)
def test_leaves_are_those_of_trees_that_each_see_some_columns(estimator: Any) -> None:
    estimator.fit(WHOLE, classes(WHOLE))
    ensemble = ensemble_of(estimator)
    seen = list(zip(estimator.estimators_, estimator.estimators_features_))
    for each in (WHOLE, np.nan_to_num(awkward(ensemble, 500))):
        assert_leaves(ensemble, each, np.column_stack([tree.apply(each[:, columns]) for tree, columns in seen]))


def test_leaves_are_those_of_ada_boost() -> None:
    estimator = AdaBoostClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=6, random_state=0)
    ensemble = ensemble_of(estimator.fit(WHOLE, classes(WHOLE)))
    for each in (WHOLE, np.nan_to_num(awkward(ensemble, 500))):
        assert_leaves(ensemble, each, np.column_stack([tree.apply(each) for tree in estimator.estimators_]))


@BOTH
def test_leaves_of_histogram_gradient_boosting_sum_to_its_prediction(matrix: Floats) -> None:
    estimator = HistGradientBoostingRegressor(max_iter=10, max_leaf_nodes=20, random_state=0)
    estimator.fit(matrix, matrix[:, 1] ** 2 if matrix is WHOLE else np.isnan(matrix[:, 0]) + classes(matrix))
    ensemble = ensemble_of(estimator)
    values = [each.nodes["value"] for each in np.ravel(estimator._predictors)]
    for each in (matrix, awkward(ensemble, 500)):
        numbers = np.concatenate([tree.leaves for tree in ensemble.trees])[
            Traversal(split_trees(ensemble)).leaves(each)
        ]
        assert_leaves(ensemble, each, numbers)
        total = sum(value[leaves] for value, leaves in zip(values, numbers.T)) + estimator._baseline_prediction.item()
        np.testing.assert_allclose(estimator.predict(each), total, rtol=1e-9)


def test_a_split_between_missing_and_all_else_has_a_finite_threshold() -> None:
    matrix = np.where(np.isnan(MATRIX), np.nan, 1.0)
    estimator = HistGradientBoostingClassifier(max_iter=2).fit(matrix, np.isnan(matrix[:, 0]))
    assert np.isinf(estimator._predictors[0][0].nodes["num_threshold"]).any()
    ensemble = ensemble_of(estimator)
    leaves = Traversal(split_trees(ensemble)).leaves(matrix)[:, 0]
    assert len(set(leaves[np.isnan(matrix[:, 0])]) & set(leaves[~np.isnan(matrix[:, 0])])) == 0


def test_names_are_given_or_numbered() -> None:
    estimator = DecisionTreeClassifier().fit(WHOLE[:, :2], classes(WHOLE))
    assert from_sklearn(estimator)["features"] == ["x0", "x1"]
    assert from_sklearn(estimator, ["age", "height"])["features"] == ["age", "height"]


@pytest.mark.parametrize(
    ("estimator", "features", "text"),
    [
        (LogisticRegression(), (), "the estimator LogisticRegression is no fitted ensemble of trees"),
        (RandomForestClassifier(), (), "the estimator RandomForestClassifier is no fitted ensemble of trees"),
        (
            BaggingClassifier(RandomForestClassifier(2), n_estimators=2).fit(WHOLE, classes(WHOLE)),
            (),
            "the estimator BaggingClassifier is no fitted ensemble of trees",
        ),
        (
            ClassifierChain(DecisionTreeClassifier()).fit(WHOLE, np.column_stack([classes(WHOLE)] * 2)),
            (),
            "the estimator ClassifierChain has trees over more than its 5 columns",
        ),
        (
            DecisionTreeClassifier().fit(WHOLE, classes(WHOLE)),
            ["age"],
            r"has 5 columns \(x0, x1, x2, x3, x4\), and 'features' names 1; name each column",
        ),
        (
            DecisionTreeClassifier().fit(WHOLE[:, :1], classes(WHOLE)),
            ["a b"],
            "'a b' cannot be the name of a feature: it is empty, or has a space",
        ),
        (
            HistGradientBoostingClassifier(max_iter=2, categorical_features=[2]).fit(
                np.abs(WHOLE), WHOLE[:, 2] % 7 == 1
            ),
            (),
            "has categorical splits; grow it without categorical_features",
        ),
    ],
    ids=["linear", "unfitted", "bagged forests", "chain", "too few names", "no name", "categorical"],
)
def test_refuses(estimator: Any, features: Any, text: str) -> None:
    with pytest.raises(TransformError, match=text):
        from_sklearn(estimator, features)
