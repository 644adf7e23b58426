"""Queries are answered by one line each."""

import json
from collections.abc import Callable, Mapping
from typing import cast

import pytest

from vwserve.wire import Models
from vwserve.wire.queries import answer_query


@pytest.mark.parametrize("line", [b"!ping", b"!ping ", b"!ping\t"])
def test_ping(line: bytes, models: Models) -> None:
    assert answer_query(line, models) == b"pong\n"


def test_models_are_named_in_order(models: Models) -> None:
    assert answer_query(b"!models", models) == b"adf chances ctr cvr kind ldf\n"


def test_help_is_one_line_that_knows_every_query(models: Models) -> None:
    text = answer_query(b"!help", models)
    assert text.count(b"\n") == 1
    assert all(query in text for query in (b"!ping", b"!models", b"!stats", b"!help", b"@MODEL", b"batch"))


def test_statistics_are_one_line_of_json(make_models: Callable[..., Models], talk: Callable[..., bytes]) -> None:
    models = make_models("ctr")
    talk(models, b"1 |u a\n-1 |u b\n|u a\nx\n")
    text = answer_query(b"!stats ctr", models)
    assert text.count(b"\n") == 1
    found = json.loads(text)
    assert (found["model"], found["state"], found["learn"]) == ("ctr", "ok", True)
    assert (found["examples"], found["learned"], found["errors"], found["shed"]) == (3, 2, 1, 0)
    assert {"loss", "auc", "calibration", "load_factor", "snapshot", "journal", "version"} <= set(found)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"!stats", b"!error bad-request !stats names a model: !stats MODEL\n"),
        (b"!stats nobody", b"!error no-model no model is called 'nobody'; !models lists them\n"),
        (b"!ping me", b"!error bad-request !ping takes no argument\n"),
        (b"!pong", b"!error bad-request unknown query '!pong'; !help lists them\n"),
        (b"!", b"!error bad-request unknown query '!'; !help lists them\n"),
        (b"!x|f a", b"!error bad-request unknown query '!x|f'; !help lists them\n"),
        (b"!\xff\0", b"!error bad-request unknown query '!\xef\xbf\xbd\\x00'; !help lists them\n"),
    ],
)
def test_says_what_is_wrong_with_a_query(line: bytes, answer: bytes, models: Models) -> None:
    assert answer_query(line, models) == answer


class Told:
    """Models of which only the figures matter, the same for all."""

    def __init__(self, figures: Mapping[str, object]) -> None:
        self._figures = figures

    def statistics(self, name: str) -> Mapping[str, object]:
        """The figures."""
        return {"model": name, **self._figures}


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_a_figure_that_json_does_not_have_is_null(odd: float) -> None:
    models = cast(Models, Told({"loss": odd, "examples": 3}))
    assert answer_query(b"!stats ctr", models) == b'{"model": "ctr", "loss": null, "examples": 3}\n'


def test_figures_may_have_figures_of_their_own() -> None:
    told = cast(Models, Told({"snapshot": {"number": 3, "age": 1.5}, "journal": 7, "not_ready": None}))
    assert json.loads(answer_query(b"!stats ctr", told)) == {
        "model": "ctr",
        "snapshot": {"number": 3, "age": 1.5},
        "journal": 7,
        "not_ready": None,
    }
