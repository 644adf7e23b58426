"""A journal is learned example by example as it was, whatever blocks it is read in and whatever windows are watched."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.guard.limits import Limits
from vwserve.model.curve import Curve, Point
from vwserve.model.servable import Servable
from vwserve.replay import Recorder, Replayed, relearn, replay

CLICKS = "--loss_function logistic --link logistic -b 10"
ACTIONS = "--cb_explore_adf -b 10"
LINES = b"1 |u a\n-1 2 't|u b c\n1 |u a:0.5\n-1 |u c\n1 0.5 |u b\n"
GROUPS = b"shared |s x\n0:1:0.5 |a p\n|a q\n\n0:0.5:0.5 |a p\n|a q\n\n|a r\n1:2:0.25 |a q\n|a p\n\n"


def run(
    arguments: str, blocks: Sequence[bytes], every: int | None = None
) -> tuple[bytes, Replayed, list[Point], list[int]]:
    servable, out, points, told = Servable("m", arguments), list[bytes](), list[Point](), list[int]()
    done = relearn(servable, blocks, out.append, Curve(servable, points.append, every), watch=told.append)
    servable.close()
    return b"".join(out), done, points, told


@pytest.mark.parametrize(("arguments", "text"), [(CLICKS, LINES), (ACTIONS, GROUPS)])
def test_answers_are_those_of_a_connection_that_sends_it(arguments: str, text: bytes) -> None:
    servable, out = Servable("m", arguments), list[bytes]()
    replay(servable, [text], out.append, Curve(servable, lambda point: None))
    answers, done, _, told = run(arguments, [text])
    assert answers == b"".join(out)
    assert (done.examples, done.errors) == (text.count(b"\n\n") or text.count(b"\n"), 0)
    assert told == [done.rows]


def test_a_line_is_learned_again_that_is_longer_than_what_clients_may_send_now() -> None:
    text = b"1 |u a\n1 |u " + b"x" * Limits().line_bytes + b"\n1 |u a\n"
    answers, done, _, _ = run(CLICKS, [text])
    assert answers == Servable("m", CLICKS).answer(text)
    assert done == Replayed(examples=3)


def test_what_is_refused_now_costs_itself_and_is_counted() -> None:
    answers, done, _, _ = run(CLICKS, [b"1 |u a\ngarbage\n1 |u a\n", b"nan |u a\n"])
    assert [line.startswith(b"!error bad-example") for line in answers.splitlines()] == [False, True, False, True]
    assert done == Replayed(examples=2, errors=2)


@given(st.lists(st.integers(1, 30), max_size=8), st.sampled_from([None, 1, 2, 7]))
def test_neither_blocks_nor_windows_change_an_answer(cuts: list[int], every: int | None) -> None:
    lines = LINES.splitlines(keepends=True) * 6
    places = sorted({0, len(lines), *cuts})
    blocks = [b"".join(lines[start:end]) for start, end in itertools.pairwise(places)]
    whole, done, _, _ = run(CLICKS, [b"".join(lines)])
    answers, also, points, _ = run(CLICKS, blocks, every)
    assert (answers, also) == (whole, done)
    if every is not None:
        assert [point.labelled for point in points] == [*range(every, 30, every), 30]


@given(st.lists(st.integers(1, 20), max_size=6), st.sampled_from([None, 1, 3]))
def test_nor_those_of_multi_line_examples(cuts: list[int], every: int | None) -> None:
    groups = [group + b"\n\n" for group in GROUPS.split(b"\n\n")[:-1]] * 5
    places = sorted({0, len(groups), *cuts})
    blocks = [b"".join(groups[start:end]) for start, end in itertools.pairwise(places)]
    whole, done, _, _ = run(ACTIONS, [b"".join(groups)])
    answers, also, points, _ = run(ACTIONS, blocks, every)
    assert (answers, also) == (whole, done)
    if every is not None:
        assert [point.labelled for point in points] == list(range(every, 16, every))


@pytest.mark.parametrize(("arguments", "text"), [(CLICKS, LINES), (ACTIONS, GROUPS)])
def test_what_is_recorded_is_what_was_accepted(arguments: str, text: bytes) -> None:
    servable, written = Servable("m", arguments), list[bytes]()
    bad = b"shared |s\nshared |s\n\n" if servable.multiline else b"garbage\n"
    curve = Curve(servable, lambda point: None)
    done = relearn(servable, [text, bad, text], lambda text: None, curve, model=Recorder(servable, written.append))
    assert b"".join(written) == text * 2
    assert done.errors == 1
