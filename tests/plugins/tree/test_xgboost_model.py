"""XGBoost's models give the leaves that XGBoost gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from vwserve_tree.ensemble import Ensemble
from vwserve_tree.model_file import read_model

from tests.plugins.tree.ensembles import CATEGORICAL, Floats, assert_leaves, awkward, classes, data

MATRIX = data(1500)
KINDS = ["c" if column == CATEGORICAL else "q" for column in range(5)]
CATEGORIES = [-0.0, 3.5, 4.999999999, 69.0, 70.0, 200.0, 2.0**24, 2.0**24 - 1, 2.0**31, -0.5, -1.0, -7.0, np.nan]


def matrix_of(values: Floats, labels: Any = None, categorical: bool = True) -> xgboost.DMatrix:
    """The data as XGBoost has it."""
    return xgboost.DMatrix(values, labels, feature_types=KINDS if categorical else None, enable_categorical=categorical)


def trained(rounds: int = 12, categorical: bool = True, **parameters: Any) -> xgboost.Booster:
    """A model of the data."""
    labels = classes(MATRIX, parameters.get("num_class", 2))
    plain = {"objective": "binary:logistic", "max_depth": 5, "nthread": 1}
    return xgboost.train({**plain, **parameters}, matrix_of(MATRIX, labels, categorical), rounds)


def read(booster: xgboost.Booster, folder: Path) -> Ensemble:
    """What is read of the model."""
    booster.save_model(folder / "model.json")
    library, ensemble = read_model(folder / "model.json", ())
    assert library == "XGBoost"
    return ensemble


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"max_cat_to_onehot": 100},
        {"max_depth": 1},
        {"max_depth": 12, "min_child_weight": 0},
        {"grow_policy": "lossguide", "max_leaves": 9},
        {"tree_method": "exact", "categorical": False},
        {"tree_method": "approx", "gamma": 1.0},
        {"booster": "dart", "rate_drop": 0.3},
        {"objective": "multi:softprob", "num_class": 3},
        {"num_parallel_tree": 3, "subsample": 0.5},
    ],
    ids=str,
)
def test_leaves_are_those_of_xgboost(parameters: dict[str, Any], tmp_path: Path) -> None:
    categorical = parameters.get("categorical", True)
    booster = trained(**parameters)
    ensemble = read(booster, tmp_path)
    probe = awkward(ensemble, 1000)
    probe[:, CATEGORICAL] = np.random.default_rng(1).choice(CATEGORIES, len(probe)) if categorical else probe[:, 0]
    for matrix in (MATRIX, probe, np.full((1, 5), np.nan)):
        leaves = booster.predict(matrix_of(matrix, categorical=categorical), pred_leaf=True)
        assert_leaves(ensemble, matrix, leaves.astype(int))


def test_the_models_have_what_is_tested(tmp_path: Path) -> None:
    ensemble = read(trained(), tmp_path)
    assert any(len(chosen) > 1 for tree in ensemble.trees for chosen in tree.categories.values())
    assert {side for tree in ensemble.trees for side in tree.missing_left} == {0, 1}
    deep = read(trained(max_depth=12, min_child_weight=0), tmp_path)
    assert max(len(tree.leaves) for tree in deep.trees) > 64
    assert any(tuple(tree.leaves) != tuple(range(len(tree.leaves))) for tree in deep.trees)


def test_columns_without_names_are_numbered(tmp_path: Path) -> None:
    assert list(read(trained(1), tmp_path).features) == ["f0", "f1", "f2", "f3", "f4"]


def test_names_are_those_of_the_columns(tmp_path: Path) -> None:
    labelled = xgboost.DMatrix(MATRIX[:, :2], classes(MATRIX), feature_names=["age", "height"])
    ensemble = read(xgboost.train({"max_depth": 2, "nthread": 1}, labelled, 1), tmp_path)
    assert list(ensemble.features) == ["age", "height"]
