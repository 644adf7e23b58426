"""A replay answers what a connection would be answered, in whatever pieces the file comes."""

import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.guard.limits import Limits
from vwserve.model.curve import Curve, Point
from vwserve.model.servable import Servable
from vwserve.replay import Recorder, Replayed, replay

CLICKS = "--loss_function logistic --link logistic -b 10"
ACTIONS = "--cb_explore_adf -b 10"
LINES = b"1 |u a\n-1 2 't|u b\ngarbage\n\n|u a\n1 |u a:1e99\n1 |u a\r\n|u c"


def run(
    arguments: str,
    chunks: Sequence[bytes],
    *,
    every: int | None = None,
    limits: Limits | None = None,
    learn: bool = True,
) -> tuple[bytes, Replayed, list[Point]]:
    servable = Servable("m", arguments, learn=learn)
    out: list[bytes] = []
    points: list[Point] = []
    done = replay(servable, chunks, out.append, Curve(servable, points.append, every), limits=limits)
    servable.close()
    return b"".join(out), done, points


def test_answers_are_those_of_the_servable_in_process() -> None:
    answers, done, _ = run(CLICKS, [LINES])
    expected = Servable("m", CLICKS).learn(LINES.split(b"\n"))
    assert answers.decode().splitlines() == expected
    assert done == Replayed(examples=5, errors=2)
    assert done.rows == 7


def test_a_static_model_predicts_only() -> None:
    answers, _, _ = run(CLICKS, [b"1 |u a\n1 |u a\n1 |u a\n"], learn=False)
    assert answers == b"0.500000\n" * 3


def test_multi_line_examples_are_answered_as_vw_answers_them() -> None:
    text = b"shared |s x\n0:1:0.5 |a p\n|a q\n\n|a p\nshared |s y\n\n|a p\n|a q"
    answers, done, points = run(ACTIONS, [text], every=1)
    servable = Servable("m", ACTIONS)
    groups = [[b"shared |s x", b"0:1:0.5 |a p", b"|a q"], [b"|a p", b"shared |s y"], [b"|a p", b"|a q"]]
    assert answers == b"".join(servable.answer_groups(groups))
    assert done == Replayed(examples=2, errors=1)
    assert [(point.examples, point.labelled) for point in points] == [(1, 1)]


def test_requests_and_save_commands_are_answered_as_on_a_connection() -> None:
    text = b"1 |u a\n@m |u a\n@other |u a\nsave_x\n!ping\n1 |u a\n"
    answers, done, _ = run(CLICKS, [text])
    first, second = Servable("m", CLICKS).learn(["1 |u a", "|u a"])
    assert answers.decode().splitlines() == [
        first,
        second,
        "!error no-model no model is called 'other'; !models lists them",
        "pong",
        second,
    ]
    assert done.errors == 1


def test_limits_are_those_of_the_daemon() -> None:
    answers, _, _ = run(CLICKS, [b"1 |u " + b"x" * 100 + b"\n|u a\n"], limits=Limits(line_bytes=50))
    assert answers == b"!error too-long the line is longer than 50 bytes\n0.500000\n"


def test_rows_are_told_as_they_are_answered() -> None:
    servable = Servable("m", CLICKS)
    told: list[int] = []
    replay(
        servable,
        [b"1 |u a\n|u b\ngar", b"bage\n|u c\n"],
        lambda text: None,
        Curve(servable, lambda point: None),
        watch=told.append,
    )
    assert told == [2, 4]


def pieces(text: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """The text, cut at these places."""
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        yield text[start:end]


@given(st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from([None, 1, 2, 7]), st.sampled_from([1, 40]))
def test_neither_the_pieces_nor_the_windows_change_an_answer(cuts: list[int], every: int | None, times: int) -> None:
    text = (LINES + b"\n") * times
    whole, done, _ = run(CLICKS, [text])
    answers, also, points = run(CLICKS, list(pieces(text, cuts)), every=every)
    assert (answers, also) == (whole, done)
    if every is not None:
        labelled = 3 * times
        assert [point.labelled for point in points] == [*range(every, labelled, every), labelled]


@given(st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from([None, 1, 3]))
def test_nor_those_of_multi_line_examples(cuts: list[int], every: int | None) -> None:
    text = b"shared |s x\n0:1:0.5 |a p\n|a q\n\n|a p\nshared |s y\n\n1:1:0.5 |a p\n|a q\n\n" * 5
    whole, done, _ = run(ACTIONS, [text])
    assert run(ACTIONS, list(pieces(text, cuts)), every=every)[:2] == (whole, done)


@pytest.mark.parametrize("arguments", [CLICKS, ACTIONS])
def test_what_is_recorded_gives_the_same_answers_without_the_errors(arguments: str) -> None:
    text = LINES if arguments == CLICKS else b"|a p\n|a q\n\n|a p\nshared |s y\n\n0:1:0.5 |a p\n|a q\n"
    servable = Servable("m", arguments)
    recorded: list[bytes] = []
    out: list[bytes] = []
    curve = Curve(servable, lambda point: None)
    replay(servable, [text], out.append, curve, model=Recorder(servable, recorded.append))
    again, done, _ = run(arguments, recorded)
    kept = [line for line in b"".join(out).splitlines(keepends=True) if not line.startswith(b"!error")]
    assert again == b"".join(kept)
    assert done.errors == 0
    assert done.examples == servable.examples


def test_batches_are_answered_and_recorded_whole_or_not_at_all() -> None:
    servable, out, written = Servable("m", "-b 10"), list[bytes](), list[bytes]()
    many = b"".join(b"|u c%d\n" % number for number in range(300))
    text = b"@m batch\n|u b\ngarbage\n\n@m batch |u s\n1 |u b\n|u b 1:2\n\n@m batch\n" + many + b"\n"
    replay(servable, [text], out.append, Curve(servable, lambda point: None), model=Recorder(servable, written.append))
    answers = b"".join(out).splitlines()
    assert answers[0].startswith(b"!error bad-example candidate 2: ")
    assert [answer.count(b" ") for answer in answers[1:]] == [1, 299]
    assert b"".join(written) == b"1 |u b |u s\n|u b 1:2 |u s\n" + many
