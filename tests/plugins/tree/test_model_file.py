"""A model file is told by its content; what cannot be read is refused with what to do."""

import json
import pickle
from pathlib import Path
from typing import Any

import lightgbm
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from vwserve_tree.model_file import read_model

from tests.plugins.tree.ensembles import CATEGORICAL, classes, data
from vwserve.transforms import TransformError

MATRIX = data(400)
LABELS = classes(MATRIX)


@pytest.fixture(scope="module")
def lightgbm_text() -> str:
    """A small model of LightGBM."""
    dataset = lightgbm.Dataset(MATRIX, LABELS, categorical_feature=[CATEGORICAL])
    parameters = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1, "min_data_per_group": 5}
    return str(lightgbm.train(parameters, dataset, 2).model_to_string())


@pytest.fixture(scope="module")
def xgboost_model() -> dict[str, Any]:
    """A small model of XGBoost."""
    booster = xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(MATRIX, LABELS), 2)
    model: dict[str, Any] = json.loads(booster.save_raw("json").decode())
    return model


def read(folder: Path, content: str | bytes, name: str = "model", features: tuple[str, ...] = ()) -> Any:
    """What is read of a file with that content."""
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_model(file, features)


def test_the_name_of_the_file_does_not_matter(tmp_path: Path, lightgbm_text: str, xgboost_model: Any) -> None:
    assert read(tmp_path, lightgbm_text, "model.json")[0] == "LightGBM"
    assert read(tmp_path, json.dumps(xgboost_model), "model.txt")[0] == "XGBoost"


def test_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path, lightgbm_text: str) -> None:
    strange = b"\xef\xbb\xbf" + lightgbm_text.replace("\n", "\r\n").encode()
    assert read(tmp_path, strange) == read(tmp_path, lightgbm_text)


def test_features_name_the_columns_in_their_order(tmp_path: Path, lightgbm_text: str) -> None:
    _, ensemble = read(tmp_path, lightgbm_text, features=tuple("abcde"))
    _, plain = read(tmp_path, lightgbm_text)
    assert (ensemble.features, plain.features) == (list("abcde"), [f"Column_{number}" for number in range(5)])
    assert ensemble.trees == plain.trees


def test_refuses_another_number_of_names(tmp_path: Path, lightgbm_text: str) -> None:
    with pytest.raises(TransformError, match=r"has 5 columns .*, and 'features' names 2; name each column, in order"):
        read(tmp_path, lightgbm_text, features=("a", "b"))


def test_refuses_names_that_no_feature_can_have(tmp_path: Path, lightgbm_text: str) -> None:
    with pytest.raises(
        TransformError, match=r"'a:b' cannot be the name .* name its columns, in order, with 'features'"
    ):
        read(tmp_path, lightgbm_text.replace("Column_0", "a:b"))


def test_refuses_a_pickle_unread(tmp_path: Path) -> None:
    class Exploding:
        def __reduce__(self) -> tuple[Any, ...]:
            return pytest.fail, ("the pickle was loaded",)

    with pytest.raises(TransformError, match="is a pickle, which is never loaded; save it as LightGBM's save_model"):
        read(tmp_path, pickle.dumps(Exploding()))


def test_refuses_ubjson_and_says_how_to_save(tmp_path: Path) -> None:
    booster = xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(MATRIX, LABELS), 1)
    booster.save_model(tmp_path / "model.ubj")
    data = (tmp_path / "model.ubj").read_bytes()
    for name in ("model.ubj", "model"):
        with pytest.raises(TransformError, match=r"is in UBJSON; save it as JSON: booster.save_model\('model.json'\)"):
            read(tmp_path, data, name)


@pytest.mark.parametrize("content", ["", "hello", "{", "[]", "{}", "[" * 100_000, b"\xff\xfe", "tree\nversion=v4\n"])
def test_refuses_what_is_no_model(tmp_path: Path, content: str | bytes) -> None:
    with pytest.raises(TransformError, match="is of no known format; save it as LightGBM's save_model or dump_model"):
        read(tmp_path, content)


def test_refuses_a_model_without_trees(tmp_path: Path) -> None:
    linear = xgboost.train({"booster": "gblinear", "updater": "coord_descent"}, xgboost.DMatrix(MATRIX, LABELS), 1)
    with pytest.raises(TransformError, match="is no model of XGBoost, or damaged: it is a linear model without trees"):
        read(tmp_path, bytes(linear.save_raw("json")))
    with pytest.raises(TransformError, match="is no model of LightGBM, or damaged: it has no trees"):
        read(tmp_path, "tree\nfeature_names=a b\n\nend of trees\n")


def test_says_which_file_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TransformError, match=r"cannot read the model .*none\.txt: No such file or directory"):
        read_model(tmp_path / "none.txt", ())


@given(place=st.floats(0.0, 0.999))
def test_refuses_a_cut_lightgbm_model(
    tmp_path_factory: pytest.TempPathFactory, lightgbm_text: str, place: float
) -> None:
    whole = lightgbm_text.partition("\nend of trees")[0]
    with pytest.raises(TransformError, match="the model"):
        read(tmp_path_factory.getbasetemp(), whole[: int(len(whole) * place)])


@given(seed=st.randoms(use_true_random=False))
def test_a_damaged_lightgbm_model_works_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, lightgbm_text: str, seed: Any
) -> None:
    lines = lightgbm_text.splitlines()[:60]
    words = lines[place := seed.randrange(12, 40)].split(" ")
    words[seed.randrange(len(words))] = seed.choice(["", "-1", "7", "x", "1e999", "nan", "99999999999999999999"])
    lines[place] = " ".join(words)
    try:
        read(tmp_path_factory.getbasetemp(), "\n".join(lines) + "\nend of trees\n")
    except TransformError as error:
        assert "the model" in str(error)


@given(seed=st.randoms(use_true_random=False))
def test_a_damaged_xgboost_model_works_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, xgboost_model: dict[str, Any], seed: Any
) -> None:
    model = json.loads(json.dumps(xgboost_model))
    tree = model["learner"]["gradient_booster"]["model"]["trees"][0]
    key = seed.choice(sorted(tree))
    value = seed.choice([[], [1], {}, "x", None, 5, [None] * 7, [0] * 7, [-1] * 7, [1e300] * 7, [6] * 7, "missing"])
    tree[key] = value
    if value == "missing":
        del tree[key]
    try:
        read(tmp_path_factory.getbasetemp(), json.dumps(model))
    except TransformError as error:
        assert "the model" in str(error)
