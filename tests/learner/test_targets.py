"""The label of a line as one number."""

import math

import pytest

from vwserve.learner import Learner


@pytest.mark.parametrize(
    ("arguments", "line", "label", "weight"),
    [
        ("", b"1.5 |f a", 1.5, 1.0),
        ("", b"-1 2 0.5 'tag|f a", -1.0, 2.0),
        ("", b"|f a", None, 1.0),
        ("", b"'tag |f a", None, 1.0),
        ("", b"1|f a", None, 1.0),  # a tag
        ("--oaa 3", b"2 0.5 |f a", 2.0, 0.5),
        ("--oaa 2 --named_labels cat,dog", b"dog |f a", 2.0, 1.0),
        ("--csoaa 3", b"2:0.5 |f a", 0.5, 1.0),
        ("--csoaa 3", b"1:0.5 2:1 |f a", None, 1.0),
        ("--cb 3", b"2:0.5:0.25 |f a", 0.5, 1.0),
        ("--cb_explore_adf", b"0:-2:0.25 |f a", -2.0, 1.0),
        ("--cb_explore_adf", b"shared |f a", None, 1.0),
        ("--csoaa_ldf m", b"1:0.5 |f a", 0.5, 1.0),
        ("--multilabel_oaa 3", b"1,2 |f a", None, 1.0),
    ],
)
def test_a_label_as_a_number_and_an_importance(arguments: str, line: bytes, label: float | None, weight: float) -> None:
    learner = Learner(f"-b 10 {arguments}")
    assert learner.fault(line) is None
    ((found, importance),) = learner.targets([line])
    assert (None if math.isnan(found) else found, importance) == (label, weight)
    learner.close()
