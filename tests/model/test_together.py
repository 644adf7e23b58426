"""One request for several models: shared transforms are applied once, and the answers are those of each by itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.transforms.samples import InOut, Upper
from vwserve.model.servable import Servable
from vwserve.model.together import answer_all
from vwserve.transforms.pipeline import Declaration, TransformPool

Make = Callable[[], list[Servable]]
UPPER = Declaration(Upper, InOut("n", "m"))


@pytest.fixture
def make() -> Make:
    """Four models: two with the same transform, one with it and another, one without any."""

    def models() -> list[Servable]:
        pool = TransformPool()
        declared: tuple[list[Declaration], ...] = ([UPPER], [UPPER], [UPPER, Declaration(Upper, InOut("m", "k"))], [])
        arguments = ("-b 12", "-b 14 -q nm", "-b 12", "-b 12")
        return [
            Servable(f"m{place}", each, pipeline=pool.pipeline(transforms))
            for place, (each, transforms) in enumerate(zip(arguments, declared))
        ]

    return models


def lines(label: str, count: int) -> list[bytes]:
    return [f"{label}|n a{number % 7}:{number} b{number % 3}".encode() for number in range(count)]


def test_answers_as_each_by_itself(make: Make) -> None:
    together, alone = make(), make()
    for label, count in (("1 ", 30), ("", 600), ("-1 't ", 20), ("'u ", 5)):
        block = b"\n".join(lines(label, count)) + b"\n"
        assert answer_all(together, lines(label, count)) == [model.answer(block) for model in alone]


def test_applies_a_shared_transform_once(make: Make) -> None:
    models = make()
    answer_all(models, lines("", 300))
    assert [model.statistics()["transforms"] for model in models] == [{"upper": 300}] * 3 + [{}]
    assert [model.statistics()["examples"] for model in models] == [300] * 4


def test_a_line_that_one_refuses_is_served_by_none(make: Make) -> None:
    models = make()
    assert answer_all(models, [*lines("1 ", 5), b"garbage"]) is None
    assert answer_all(models, [*lines("1 ", 5), b"1 |n boom"]) is None
    assert [model.statistics()["learned"] for model in models] == [0] * 4


def test_a_model_may_be_asked_with_itself(tmp_path: Path) -> None:
    model = Servable("m", "-b 10")
    first, second = answer_all([model, model], [b"|n a"]) or [b"", b""]
    assert first == second == b"0\n"
