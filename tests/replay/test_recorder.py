"""What a recorder writes down is what VW was given, and only that."""

import pytest

from tests.transforms.samples import InOut, Upper
from vwserve.model.servable import Servable
from vwserve.replay import Recorder
from vwserve.transforms.pipeline import Declaration, TransformPool


def recorder(arguments: str, *, transform: bool = False) -> tuple[Recorder, list[bytes]]:
    pipeline = TransformPool().pipeline([Declaration(Upper, InOut("u", "v"))] if transform else [])
    written: list[bytes] = []
    return Recorder(Servable("m", arguments, pipeline=pipeline), written.append), written


def test_writes_ordinary_lines_with_what_transforms_add() -> None:
    model, written = recorder("-b 10", transform=True)
    assert model.answer_ordinary(b"1 't|u a b\n|w c\n") == Servable("m", "-b 10").answer(b"1 't|u a b |v A B\n|w c\n")
    assert b"".join(written) == b"1 't|u a b |v A B\n|w c\n"


def test_an_unusual_chunk_is_neither_answered_nor_written_at_once() -> None:
    model, written = recorder("-b 10")
    assert model.answer_ordinary(b"1 |u a\ngarbage\n") is None
    assert written == []


@pytest.mark.parametrize("arguments", ["-b 10", "--cb_explore 2 -b 10", "--oaa 2 --probabilities -b 10"])
def test_leaves_out_refused_lines_whatever_an_answer_looks_like(arguments: str) -> None:
    model, written = recorder(arguments)
    model.answer(b"|u a\ngarbage\n|u b\n\x01\n|u c\n")
    assert b"".join(written) == b"|u a\n|u b\n|u c\n"


def test_a_prediction_of_no_class_is_an_answer() -> None:
    model, written = recorder("--multilabel_oaa 3 -b 10")
    assert model.answer(b"|u a\ngarbage\n|u b\n").startswith(b" \n!error ")
    assert b"".join(written) == b"|u a\n|u b\n"


def test_leaves_out_lines_that_a_transform_fails_on() -> None:
    model, written = recorder("-b 10", transform=True)
    model.answer(b"1 |u a\n1 |u boom\n1 |u b\n")
    assert b"".join(written) == b"1 |u a |v A\n1 |u b |v B\n"


def test_writes_what_is_addressed() -> None:
    model, written = recorder("-b 10")
    replies = model.answer_each([b"1 |u a", b"garbage", b"|u b"])
    assert [reply.refused for reply in replies] == [False, True, False]
    assert b"".join(written) == b"1 |u a\n|u b\n"


def test_writes_multi_line_examples_with_their_blank_line() -> None:
    model, written = recorder("--cb_explore_adf -b 10", transform=True)
    assert model.multiline
    texts = model.answer_groups([[b"shared |s x", b"0:1:0.5 |u p"], [b"|u p", b"shared |s x"], [b"|u q"]])
    assert [text.startswith(b"!error ") for text in texts] == [False, True, False]
    assert b"".join(written) == b"shared |s x\n0:1:0.5 |u p |v P\n\n|u q |v Q\n\n"
