"""One request for several models: shared transforms are applied once, and the answers are those of each by itself."""

from collections.abc import Callable

import pytest

from tests.transforms.samples import InOut, Upper
from vwserve.model.servable import Servable
from vwserve.model.together import Together
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
        assert Together(together, lines(label, count)).answer_ordinary() == [model.answer(block) for model in alone]


def test_applies_a_shared_transform_once(make: Make) -> None:
    models = make()
    Together(models, lines("", 300)).answer_ordinary()
    upper, other = [{"kind": "upper", "output": [output], "applied": 300} for output in ("m", "k")]
    assert [model.statistics()["transforms"] for model in models] == [[upper], [upper], [upper, other], []]
    assert [model.statistics()["examples"] for model in models] == [300] * 4


def test_applies_it_once_also_where_lines_have_to_be_sifted(make: Make) -> None:
    models, alone = make(), make()
    good = lines("1 ", 400)
    asked = Together(models, [*good[:100], b"garbage", *good[100:]])
    assert asked.answer_ordinary() is None
    faults = asked.faults()
    assert [place for place, fault in enumerate(faults) if fault] == [100]
    replies = asked.answer_each([place for place, fault in enumerate(faults) if not fault])
    assert replies == [model.answer_each(good) for model in alone]
    assert models[0].statistics()["transforms"] == [{"kind": "upper", "output": ["m"], "applied": 401}]


def test_a_line_that_one_refuses_is_served_by_none(make: Make) -> None:
    models = make()
    assert Together(models, [*lines("1 ", 5), b"garbage"]).answer_ordinary() is None
    assert Together(models, [*lines("1 ", 5), b"1 |n boom"]).answer_ordinary() is None
    assert [model.statistics()["learned"] for model in models] == [0] * 4


def test_a_line_that_a_transform_fails_on_is_the_fault_of_the_first_model_with_it(make: Make) -> None:
    plain = make()[3]
    first, error = Together([plain, *make()], [*lines("1 ", 5), b"1 |n boom"]).faults()[5] or (-1, None)
    assert (first, str(error)) == (1, "internal transform upper failed: ZeroDivisionError: boom")


def test_a_model_may_be_asked_with_itself() -> None:
    model = Servable("m", "-b 10")
    first, second = Together([model, model], [b"|n a"]).answer_ordinary() or [b"", b""]
    assert first == second == b"0\n"


def test_the_same_lines_go_to_others_without_being_transformed_again(make: Make) -> None:
    models, alone = make(), make()
    some = lines("1 ", 300)
    asked = Together(models[:1], some)
    assert asked.takes()
    asked.answer_ordinary()
    block = b"\n".join(some) + b"\n"
    assert asked.again(models[1:]).answer_ordinary() == [model.answer(block) for model in alone[1:]]
    upper = {"kind": "upper", "output": ["m"], "applied": 300}
    assert [model.statistics()["transforms"] for model in models[:2]] == [[upper], [upper]]


def test_whether_lines_are_taken_is_told_before_any_is_served(make: Make) -> None:
    models = make()
    assert not Together(models, [*lines("1 ", 5), b"garbage"]).takes()
    assert not Together(models, [*lines("1 ", 5), b"1 |n boom"]).takes()
    assert Together(models[3:], [*lines("1 ", 5), b"1 |n boom"]).takes()
    assert [model.statistics()["examples"] for model in models] == [0] * 4
