"""LightGBM's models give the leaves that LightGBM gives."""

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from vwserve_tree.ensemble import Ensemble
from vwserve_tree.model_file import read_model

from tests.plugins.tree.ensembles import CATEGORICAL, assert_leaves, awkward, classes, data

MATRIX = data(1500)
PLAIN = {"objective": "binary", "num_leaves": 20, "verbosity": -1, "num_threads": 1, "min_data_per_group": 5}


def trained(rounds: int = 12, matrix: Any = MATRIX, labels: Any = None, **parameters: Any) -> lightgbm.Booster:
    """A model of the data."""
    labels = classes(matrix, parameters.get("num_class", 2)) if labels is None else labels
    dataset = lightgbm.Dataset(matrix, labels, categorical_feature=[CATEGORICAL])
    return lightgbm.train({**PLAIN, "cat_smooth": 1, "max_cat_to_onehot": 4, **parameters}, dataset, rounds)


def read(booster: lightgbm.Booster, file: Path) -> list[Ensemble]:
    """What is read of both forms of a model."""
    booster.save_model(file)
    dump = file.with_suffix(".json")
    dump.write_text(json.dumps(booster.dump_model()))
    return [read_model(each, ())[1] for each in (file, dump)]


def assert_same(booster: lightgbm.Booster, file: Path) -> None:
    """Both forms give the booster's own leaves, on its data, on missing and on awkward values."""
    for ensemble in read(booster, file):
        extreme = np.array([[value] * 5 for value in (np.inf, -np.inf, 1e300, -1e300, 2.0**31, 2.0**40, 69.9, 70.0)])
        for matrix in (MATRIX, awkward(ensemble, 1000), np.full((1, 5), np.nan), extreme):
            assert_leaves(ensemble, matrix, np.asarray(booster.predict(matrix, pred_leaf=True)))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"use_missing": False},
        {"zero_as_missing": True},
        {"num_leaves": 64},
        {"num_leaves": 200, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0},
        {"num_leaves": 2},
        {"objective": "multiclass", "num_class": 3},
        {"objective": "regression"},
        {"boosting": "dart"},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"linear_tree": True, "objective": "regression"},
    ],
    ids=str,
)
def test_leaves_are_those_of_lightgbm(parameters: dict[str, Any], tmp_path: Path) -> None:
    assert_same(trained(**parameters), tmp_path / "model.txt")


def test_the_models_have_what_is_tested(tmp_path: Path) -> None:
    ensemble, _ = read(trained(), tmp_path / "model.txt")
    assert any(max(chosen) > 32 for tree in ensemble.trees for chosen in tree.categories.values())
    assert {side for tree in ensemble.trees for side in tree.missing_left} == {0, 1}
    zeros, _ = read(trained(zero_as_missing=True), tmp_path / "zeros.txt")
    assert any(tree.zero_missing for tree in zeros.trees)
    large, _ = read(trained(num_leaves=200, min_data_in_leaf=1, min_sum_hessian_in_leaf=0), tmp_path / "large.txt")
    assert max(len(tree.leaves) for tree in large.trees) > 64


def test_a_model_without_splits_has_trees_of_one_leaf(tmp_path: Path) -> None:
    booster = trained(matrix=MATRIX[:30], labels=np.arange(30.0) % 2, rounds=3)
    (tree, *_) = read(booster, tmp_path / "model.txt")[0].trees
    assert (tree.feature, tree.leaves) == ([], [0])
    assert_same(booster, tmp_path / "model.txt")


def test_a_split_between_missing_and_all_else_has_a_finite_threshold(tmp_path: Path) -> None:
    matrix = np.where(np.isnan(MATRIX), np.nan, 1.0)
    booster = trained(matrix=matrix, labels=np.isnan(matrix[:, 0]).astype(float), rounds=2)
    ensemble, _ = read(booster, tmp_path / "model.txt")
    assert any(tree.feature for tree in ensemble.trees)
    for probe in (matrix, awkward(ensemble, 200)):
        assert_leaves(ensemble, probe, np.asarray(booster.predict(probe, pred_leaf=True)))


def test_names_are_those_of_the_columns(tmp_path: Path) -> None:
    booster = lightgbm.train(PLAIN, lightgbm.Dataset(MATRIX, classes(MATRIX), feature_name=list("abcde")), 1)
    assert [list(ensemble.features) for ensemble in read(booster, tmp_path / "m.txt")] == [list("abcde")] * 2
