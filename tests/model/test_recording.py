"""What a servable is about to learn is handed on before, as its clients sent it."""

import pytest

from tests.transforms.samples import InOut, Upper
from vwserve.errors import RequestError
from vwserve.model.servable import Servable
from vwserve.model.together import Together
from vwserve.transforms.pipeline import Declaration, TransformPool


class Kept:
    """Takes note; refuses where it is full."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.examples = 0
        self.full = False

    def __call__(self, text: bytes, examples: int) -> RequestError | None:
        if self.full:
            return RequestError("not-ready", "the disk is full")
        self.texts.append(text)
        self.examples += examples
        return None


@pytest.fixture
def kept() -> Kept:
    return Kept()


def servable(arguments: str, kept: Kept, *, transformed: bool = False, learn: bool = True) -> Servable:
    declared = [Declaration(Upper, InOut("n", "m"))] if transformed else []
    model = Servable("m", arguments, learn=learn, pipeline=TransformPool().pipeline(declared))
    model.record(kept)
    return model


@pytest.mark.parametrize("transformed", [False, True])
def test_labelled_lines_are_kept_as_they_came_and_in_order(kept: Kept, transformed: bool) -> None:
    model = servable("-b 10", kept, transformed=transformed)
    model.answer(b"1 |n a\n-1 |n b\n")
    model.answer(b"|n a\n1 2 't |n c\n'u |n d\n-1 |n e\ngarbage\n5\n")
    model.answer(b"|n a\n" * 300)
    assert b"".join(kept.texts) == b"1 |n a\n-1 |n b\n1 2 't |n c\n-1 |n e\n"
    assert kept.examples == 4


def test_many_lines_are_kept_whatever_the_chunks(kept: Kept) -> None:
    model = servable("-b 10", kept, transformed=True)
    text = b"".join(b"%s|n a%d\n" % (b"1 " if number % 3 else b"", number) for number in range(700))
    model.answer(text)
    assert b"".join(kept.texts) == b"".join(line for line in text.splitlines(keepends=True) if line.startswith(b"1"))


def test_they_are_kept_before_they_are_learned(kept: Kept) -> None:
    model = servable("-b 10", kept)
    learned: list[object] = []

    def look(text: bytes, examples: int) -> None:
        learned.append(model.statistics()["learned"])

    model.record(look)
    model.answer(b"1 |n a\n")
    model.answer(b"1 |n a\n")
    assert learned == [0, 1]


@pytest.mark.parametrize("transformed", [False, True])
def test_what_cannot_be_kept_is_refused_and_not_learned_and_the_rest_is_predicted(
    kept: Kept, transformed: bool
) -> None:
    model = servable("-b 10", kept, transformed=transformed)
    model.answer(b"1 |n a\n" * 5)
    before = model.answer(b"|n a\n")
    kept.full = True
    assert model.answer(b"1 |n a\n1 |n b\n") == b"!error not-ready the disk is full\n" * 2
    assert model.answer(b"1 |n a\n|n a\n1 't |n a\n") == b"".join(
        [b"!error not-ready the disk is full\n", before, b"!error not-ready the disk is full\n"]
    )
    kept.full = False
    assert model.answer(b"|n a\n") == before
    statistics = model.statistics()
    assert (statistics["learned"], statistics["errors"]) == (5, 4)


def test_multi_line_examples_end_in_a_blank_line(kept: Kept) -> None:
    model = servable("--cb_explore_adf -b 10", kept)
    groups = [[b"0:1:0.5 |a x", b"|a y"], [b"|a x", b"|a y"], [b"shared |s z", b"|a x", b"0:0:0.5 |a y"]]
    model.answer_groups(groups)
    assert kept.texts == [b"0:1:0.5 |a x\n|a y\n\nshared |s z\n|a x\n0:0:0.5 |a y\n\n"]
    kept.full = True
    texts = model.answer_groups(groups)
    assert [text.startswith(b"!error not-ready") for text in texts] == [True, False, True]


def test_predictions_and_static_models_keep_nothing(kept: Kept) -> None:
    servable("-b 10", kept).predict(["1 |n a"])
    servable("-b 10", kept, learn=False).learn(["1 |n a"])
    servable("-b 10 --oaa 3", kept).answer(b"|n a\n'tag |n a\n")
    assert kept.texts == []


@pytest.mark.parametrize("transformed", [False, True])
def test_a_request_to_several_models_is_kept_by_each(kept: Kept, transformed: bool) -> None:
    other = Kept()
    models = [servable("-b 10", kept, transformed=transformed), servable("-b 10", other, transformed=transformed)]
    lines = [b"%s|n a%d" % (b"1 " if number % 3 else b"", number) for number in range(600)]
    labelled = b"".join(line + b"\n" for line in lines if line.startswith(b"1"))
    assert Together(models, lines).answer_ordinary() is not None
    assert b"".join(kept.texts) == b"".join(other.texts) == labelled


@pytest.mark.parametrize("transformed", [False, True])
def test_what_is_sifted_for_several_models_is_kept_by_each(kept: Kept, transformed: bool) -> None:
    other = Kept()
    models = [servable("-b 10", kept, transformed=transformed), servable("-b 10", other, transformed=transformed)]
    asked = Together(models, [b"1 |n a", b"garbage", b"|n b", b"-1 |n c"])
    assert [fault is None for fault in asked.faults()] == [True, False, True, True]
    asked.answer_each([0, 2, 3])
    assert kept.texts == other.texts == [b"1 |n a\n-1 |n c\n"]
