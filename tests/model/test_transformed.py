"""A learner behind its transforms: what they are shown, and how often."""

import pytest

from tests.transforms.samples import InOut, Upper
from vwserve.model.servable import Servable
from vwserve.transforms.pipeline import Declaration, TransformPool

GOOD = [b"1 |n a%d" % number for number in range(20)]


@pytest.fixture
def model() -> Servable:
    """A model with a transform."""
    return Servable("m", "-b 10", pipeline=TransformPool().pipeline([Declaration(Upper, InOut("n", "m"))]))


def applied(model: Servable) -> int:
    """To how many lines its transform was applied."""
    return sum(step.applied for step in model._pipeline.steps)


@pytest.mark.parametrize("other", [b"", b"garbage", b"save", b"!ping"])
def test_a_chunk_with_lines_that_are_no_examples_is_not_shown_to_transforms(model: Servable, other: bytes) -> None:
    assert model.answer_ordinary(b"\n".join([*GOOD, other, b""])) is None
    assert applied(model) == 0


@pytest.mark.parametrize("bad", [b"1 1e30 |n a", b"x |n a"])
def test_a_chunk_that_has_to_be_sifted_is_shown_to_transforms_once(model: Servable, bad: bytes) -> None:
    chunk = b"\n".join([*GOOD, bad, *GOOD, b""])
    assert model.answer_ordinary(chunk) is None
    answers = model.answer(chunk).splitlines()
    assert applied(model) == 41
    assert [answer.startswith(b"!error ") for answer in answers] == [False] * 20 + [True] + [False] * 20


def test_other_lines_are_shown_whatever_was_sifted_before(model: Servable) -> None:
    assert model.answer_ordinary(b"x |n a\n") is None
    model.answer(b"1 |n b\n")
    model.answer(b"x |n a\n")
    assert applied(model) == 3
