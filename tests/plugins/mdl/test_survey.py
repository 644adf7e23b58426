"""What a fit looks at: the features that are numbers, the examples that have label and importance."""

from __future__ import annotations

import numpy as np
import pytest
from vwserve_mdl import survey
from vwserve_mdl.bins import MOST_FEATURES
from vwserve_mdl.survey import MOST_CLASSES, MOST_PAIRS, Survey

from tests.plugins.mdl.fitting import Lines, labelled
from vwserve.transforms import TransformError

Found = dict[tuple[str, str], float]


def found(lines: list[bytes], *namespaces: str, features: tuple[str, ...] = (), batch_lines: int = 2) -> Found:
    """The features that were numbers, each with the weight of the examples that had one."""
    taken = Survey(namespaces or ("n",), features)
    for each in Lines(lines, batch_lines):
        taken.add(each)
    return {key: weights.total for key, weights in taken.weights().items()}


def test_features_with_a_number_are_found_and_words_are_not() -> None:
    lines = [b"1 |n age:33 city:berlin member 7", b"-1 |n age:x city:1a height:1.8 wide:inf long:nan odd:"]
    assert found(lines) == {("n", "age"): 1, ("n", "height"): 1}


def test_a_feature_that_is_a_number_once_is_read_from_then_on() -> None:
    lines = [b"1 |n a:1", b"1 |n b:x", b"1 |n b:2 a:1", b"1 |n b", b"1 |n c:1 b:4", b"1 |n a:2"]
    assert found(lines) == {("n", "a"): 3, ("n", "b"): 3, ("n", "c"): 1}


def test_named_features_are_read_and_no_others() -> None:
    lines = [b"1 |n age:33 height:1.8 member", b"1 |n age:x height:1.7"]
    assert found(lines, features=("member", "age", "ag")) == {("n", "member"): 1, ("n", "age"): 1}


def test_each_input_has_features_of_its_own() -> None:
    lines = [b"1 |n a:1 |k a:2 b:1", b"1 |k a:3 |z c:1"]
    assert found(lines, "n", "k") == {("n", "a"): 1, ("k", "a"): 2, ("k", "b"): 1}


def test_examples_without_label_or_importance_teach_nothing() -> None:
    taken = Survey(("n",), ())
    for each in Lines([b"|n a:1 b:1", b"5 0 |n a:2 c:1", b"1 0.25 |n a:3", b"-1 3 |n a:4"], 4):
        taken.add(each)
    assert taken.classes == {-1.0: 3.0, 1.0: 0.25}
    assert {key: weights.total for key, weights in taken.weights().items()} == {("n", "a"): 3.25}


def test_names_that_are_no_text_are_left_out() -> None:
    assert found([b"1 |n \xff:1 a\x01b:3 \xc3\xa4:2"]) == {("n", "ä"): 1}


def test_the_size_of_batches_is_irrelevant() -> None:
    rng = np.random.default_rng(5)
    lines = [
        b"%d |n " % (place % 3) + b" ".join(b"f%d:%d" % (name, rng.integers(9)) for name in rng.integers(0, 7, 3))
        for place in range(300)
    ]
    assert found(lines, batch_lines=1) == found(lines, batch_lines=7) == found(lines, batch_lines=300)


def test_what_waits_to_be_sorted_in_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b"%d |n a:%d b:%d" % (place % 2, place % 10, place % 7) for place in range(400)]
    expected = found(lines, batch_lines=400)
    monkeypatch.setattr(survey, "_PENDING_CELLS", 50)
    assert found(lines, batch_lines=10) == expected


def test_memory_is_bounded_however_many_values_there_are() -> None:
    rng = np.random.default_rng(1)
    taken = Survey(("n",), ())
    for _ in range(4):
        values = rng.random(50_000).tolist()
        taken.add(labelled([b"%d |n x:%r" % (value > 0.5, value) for value in values]))
    (weights,) = taken.weights().values()
    assert weights.total == 200_000
    assert MOST_PAIRS // 3 < len(weights.table().low) <= MOST_PAIRS
    assert weights.dropped_bits > 0


def test_labels_that_are_no_classes_are_refused() -> None:
    lines = [b"%d.5 |n a:1" % label for label in range(MOST_CLASSES)]
    assert found(lines) == {("n", "a"): MOST_CLASSES}
    with pytest.raises(TransformError, match="labels have more than 50 different values"):
        found([*lines, b"7 |n a:1"])


def test_more_features_than_can_be_meant_are_refused() -> None:
    most = b" ".join(b"f%d:1" % name for name in range(MOST_FEATURES))
    assert len(found([b"1 |n " + most])) == MOST_FEATURES
    with pytest.raises(TransformError, match="more than 1000 features of 'n' are numbers; name those"):
        found([b"1 |n more:1 " + most])
    assert found([b"1 |n a:1", b"|n " + most]) == {("n", "a"): 1}
