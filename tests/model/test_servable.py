"""A servable in process: predict, learn, save, and what it tells of itself."""

import math
from pathlib import Path

import pytest

from vwserve.errors import ArgumentsError, RequestError
from vwserve.learner import Bounds
from vwserve.model.servable import Servable

CLICKS = "--loss_function logistic --link logistic -b 10"


def test_predicts_without_learning() -> None:
    model = Servable("m", CLICKS)
    assert model.predict(["1 |u a", "|u a"]) == ["0.500000", "0.500000"]
    assert model.statistics()["learned"] == 0


def test_learns_and_answers_with_the_prediction_before_the_update() -> None:
    model = Servable("m", CLICKS)
    first, second = model.learn(["1 |u a", "1 |u a"])
    assert first == "0.500000" < second
    assert model.statistics()["learned"] == 2


def test_takes_text_and_bytes_with_or_without_line_ends() -> None:
    assert len(set(Servable("m", CLICKS).predict(["|u a", b"|u a", "|u a\n", b"|u a\r\n"]))) == 1


def test_answers_carry_the_tag() -> None:
    assert Servable("m", CLICKS).predict(["'t1 |u a"]) == ["0.500000 t1"]


def test_a_line_that_is_no_example_costs_only_itself() -> None:
    good, bad, last = Servable("m", CLICKS).learn(["1 |u a", "garbage", "|u b"])
    assert bad.startswith("!error bad-example ")
    assert [good, last] == Servable("m", CLICKS).learn(["1 |u a", "1 |u b"])


@pytest.mark.parametrize("line", ["|u a", b"|u a"])
def test_refuses_a_line_where_lines_are_meant(line: "str | bytes") -> None:
    with pytest.raises(TypeError, match="give a list"):
        Servable("m", CLICKS).predict(line)  # type: ignore[arg-type]  # what mypy would tell who uses it


def test_refuses_a_newline_inside_an_example() -> None:
    with pytest.raises(RequestError, match="newline"):
        Servable("m", CLICKS).learn(["1 |u a\n1 |u b"])


def test_a_static_model_learns_nothing() -> None:
    static = Servable("m", CLICKS, learn=False)
    static.learn(["1 |u a"] * 10)
    assert static.predict(["|u a"]) == ["0.500000"]
    assert static.statistics()["learned"] == 0
    assert static.statistics()["learn"] is False


def test_saves_what_another_starts_from(tmp_path: Path) -> None:
    model = Servable("m", CLICKS)
    model.learn(["1 |u a", "-1 |u b"] * 20)
    model.save(tmp_path / "m.vw")
    other = Servable("m", CLICKS, initial=tmp_path / "m.vw")
    assert other.predict(["|u a", "|u b"]) == model.predict(["|u a", "|u b"])


def test_multi_line_examples_end_at_blank_lines() -> None:
    model = Servable("m", "--cb_explore_adf")
    answers = model.learn(["shared |s x", "0:1:0.5 |a p", "|a q", "", "|a p", "|a q", "|a r"])
    assert [answer.count(":") for answer in answers] == [2, 3]


def test_a_number_beyond_the_bounds_is_refused_from_the_moment_they_change() -> None:
    model = Servable("m", CLICKS)
    assert not model.predict(["|u a:50"])[0].startswith("!error")
    model.limit(Bounds(magnitude=10.0))
    assert model.predict(["|u a:50"])[0].startswith("!error bad-example")


def test_too_many_features_are_refused() -> None:
    model = Servable("m", "-q uu", bounds=Bounds(features=100))
    (answer,) = model.predict(["|u " + " ".join(f"f{number}" for number in range(20))])
    assert answer.startswith("!error too-many-features ")


def test_statistics_of_a_model_that_served_nothing() -> None:
    statistics = Servable("m", CLICKS).statistics()
    assert statistics["model"] == "m"
    assert [statistics[key] for key in ("examples", "learned", "errors", "loss", "auc", "calibration")] == [0, 0, 0] + [
        None
    ] * 3


def test_statistics_count_what_was_served_learned_and_refused() -> None:
    model = Servable("m", CLICKS)
    clicked, ignored, *_ = model.learn(["1 |u a", "-1 |u b", "|u c", "garbage"])
    statistics = model.statistics()
    assert [statistics[key] for key in ("examples", "learned", "errors")] == [3, 2, 1]
    assert statistics["loss"] == pytest.approx(-(math.log(float(clicked)) + math.log(1 - float(ignored))) / 2, abs=1e-5)


def test_vw_refusing_the_arguments_is_an_error_of_ours() -> None:
    with pytest.raises(ArgumentsError, match="--loss_function"):
        Servable("m", "--loss_functoin logistic")
