"""`fit` grows trees with LightGBM: deterministic, on a bounded sample, with errors that say what to do."""

import json
import sys
from typing import Any

import lightgbm
import numpy as np
import pytest
from vwserve_tree.ensemble import from_content
from vwserve_tree.options import Options
from vwserve_tree.tree import Tree

from tests.plugins.tree.ensembles import data
from tests.plugins.tree.streams import NAMES, Lines, labelled, line
from vwserve.transforms import Artifact, Batch, TransformError

LINES = labelled(1200)


def fitted(lines: list[bytes], batch_lines: int = 100, **options: Any) -> Artifact:
    """The artifact of the lines."""
    return Tree.fit(Options(**{"input": "n", "trees": 10, "leaves": 8, **options}), Lines(lines, batch_lines))


def test_the_same_examples_give_the_same_bytes() -> None:
    assert json.dumps(fitted(LINES)) == json.dumps(fitted(LINES))


def test_it_does_not_depend_on_the_batches() -> None:
    assert fitted(LINES, rows=300) == fitted(LINES, batch_lines=7, rows=300)


def test_another_seed_gives_another_sample() -> None:
    assert fitted(LINES, rows=300) != fitted(LINES, rows=300, seed=1)


def test_trees_and_leaves_are_as_many_as_asked() -> None:
    ensemble = from_content(fitted(LINES, trees=7, leaves=5))
    assert [len(tree.leaves) for tree in ensemble.trees] == [5] * 7
    assert list(ensemble.features) == sorted(NAMES)


def test_the_trees_are_those_of_lightgbm_on_the_same_numbers() -> None:
    matrix = data(1200)[:, np.argsort(NAMES)]
    labels = [float(text[:2]) > 0 for text in LINES]
    parameters = {"objective": "binary", "num_leaves": 8, "verbosity": -1, "num_threads": 1, "force_row_wise": True}
    booster = lightgbm.train(parameters, lightgbm.Dataset(matrix, labels), 10)
    leaves = np.asarray(booster.predict(matrix, pred_leaf=True))
    texts = Tree(Options("n"), fitted(LINES)).apply(Batch(LINES))["t"]
    assert [text.split() for text in texts] == [
        [b"%d%d" % (number, leaf) for number, leaf in enumerate(row)] for row in leaves.tolist()
    ]


def test_labels_may_be_any_two_numbers() -> None:
    zero_one = [text.replace(b"-1 |", b"0 |", 1) for text in LINES]
    assert fitted(zero_one) == fitted(LINES)


def test_a_few_whole_numbers_are_classes_with_a_tree_each() -> None:
    assert len(from_content(fitted(labelled(600, count=3), trees=4)).trees) == 12


def test_other_labels_are_quantities() -> None:
    lines = [line(row, round(row[1], 3)) for row in data(600).tolist() if row[1] == row[1]]
    assert len(from_content(fitted(lines, trees=4)).trees) == 4


def test_importance_weighs() -> None:
    heavy = [text.replace(b"1 |", b"1 3 |", 1) if text[:1] == b"1" else text for text in LINES]
    assert fitted(heavy) != fitted(LINES)
    assert fitted([text.replace(b"1 |", b"1 1 |", 1) for text in LINES]) == fitted(LINES)


def test_unlabelled_examples_teach_nothing() -> None:
    between = [each for text in LINES for each in (text, b"|n plain:7 odd:3")]
    assert fitted(between) == fitted(LINES)


def test_features_choose_what_is_split_on() -> None:
    ensemble = from_content(fitted(LINES, features=("plain", "rare")))
    assert list(ensemble.features) == ["plain", "rare"]


def test_features_that_are_no_numbers_are_left_out() -> None:
    words = [text.replace(b"|n ", b"|n city:berlin ", 1) for text in LINES]
    assert fitted(words) == fitted(LINES)


def test_features_without_a_value_are_one_where_they_are() -> None:
    lines = [b"%d |n %b" % (number % 3 == 0, b"a" if number % 3 else b"b") for number in range(600)]
    artifact = fitted(lines)
    assert artifact["features"] == ["a", "b"]
    first, second = Tree(Options("n"), artifact).apply(Batch([b"|n a", b"|n b"]))["t"]
    assert first != second


@pytest.mark.parametrize(
    ("lines", "options", "text"),
    [
        ([], {}, "the data has no labelled example"),
        ([b"|n a:1"] * 50, {}, "the data has no labelled example"),
        (
            [b"1 |n a:%d" % number for number in range(50)],
            {},
            "all labels are 1; trees need at least two different ones",
        ),
        ([b"1 |n a:x", b"-1 |n a:y"] * 50, {}, "the namespace 'n' of the data has no numeric features"),
        ([b"1 |m a:1", b"-1 |m a:2"] * 50, {}, "the namespace 'n' of the data has no numeric features"),
        (LINES[:50], {"features": ("plain", "age")}, "features: 'age' is never a number in the namespace 'n'"),
        (LINES[:50], {"features": ("plain", "a|b")}, r"features: 'a\|b' cannot be the name of a feature"),
        (LINES[:50], {"features": ("plain", "plain")}, "features: the feature 'plain' stands there twice"),
        (
            LINES[:30],
            {},
            "no split improves on a guess: 30 labelled examples over 5 features .* fewer 'leaf_rows' than 20",
        ),
        (
            [b"%d |n u%d:1" % (number % 2, number) for number in range(1100)],
            {},
            "the namespace 'n' has more than 1000 features; choose some with 'features'",
        ),
        ([b"1 |n \xff:1", b"-1 |n \xff:2"] * 50, {}, "has a feature whose name is not UTF-8; choose others"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refuses_with_what_to_do(lines: list[bytes], options: dict[str, Any], text: str) -> None:
    with pytest.raises(TransformError, match=text):
        fitted(lines, **options)


def test_without_lightgbm_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(TransformError, match=r"growing trees needs LightGBM .* pip install 'vwserve\[tree\]'"):
        fitted(LINES)
