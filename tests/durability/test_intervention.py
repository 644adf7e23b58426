"""What a model is to have learned after somebody intervened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.durability.test_stretches import FAR, closed, numbers_of
from vwserve.durability.intervention import NOTHING, intervene
from vwserve.durability.stretches import Stretches

skips = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)).map(sorted).map(tuple), max_size=3)


@given(closed, st.integers(0, 5), st.integers(0, 8), st.none() | st.integers(0, 55), skips)
def test_it_learns_what_it_returns_to_then_what_is_asked_for_then_what_comes(
    base: Stretches, more: int, later: int, until: int | None, skip: list[tuple[int, int]]
) -> None:
    passed = base.end + more  # the last of what had come may have been left out
    at = passed + later
    examples = intervene(at, base=base, passed=passed, until=until, skip=skip)
    upto = until if until is not None else at if skip else passed
    skipped = {n for first, last in skip for n in range(first, last + 1)}
    again = {n for n in range(passed + 1, at + 1) if n <= upto}
    assert numbers_of(examples) == (numbers_of(base) | again) - {n for n in skipped if n <= at} | set(
        range(at + 1, FAR + 1)
    )
    assert examples.ranges[-1][1] is None


def test_a_return_leaves_out_what_came_after() -> None:
    assert str(intervene(300, base=Stretches(((1, 100),)), passed=100)) == "1-100, 301-"


def test_a_return_can_be_undone() -> None:
    gone = intervene(300, base=Stretches(((1, 100),)), passed=100)
    before = Stretches(((1, 300),))  # of the snapshot that was taken before
    assert intervene(320, base=before, passed=300) == Stretches(((1, 300), (321, None)))
    assert intervene(300, base=before, passed=300) == Stretches()
    assert gone.upto(300) == Stretches(((1, 100),))


def test_a_return_to_the_beginning_leaves_out_everything() -> None:
    assert str(intervene(300, base=NOTHING, passed=0)) == "301-"


def test_a_replay_from_the_beginning_until_an_example() -> None:
    assert str(intervene(300, base=NOTHING, passed=0, until=200)) == "1-200, 301-"


def test_what_is_skipped_is_left_out_and_the_rest_learned_again() -> None:
    examples = intervene(300, base=Stretches(((1, 100),)), passed=100, skip=[(150, 160), (200, 200)])
    assert str(examples) == "1-149, 161-199, 201-"


def test_a_stretch_that_reaches_into_what_comes_ends_with_what_there_is() -> None:
    assert str(intervene(300, base=Stretches(((1, 100),)), passed=100, skip=[(250, 400)])) == "1-249, 301-"
    assert str(intervene(300, base=Stretches(((1, 100),)), passed=100, skip=[(301, 400)])) == "1-"


def test_what_had_been_left_out_before_the_snapshot_stays_left_out() -> None:
    base = Stretches(((1, 50), (81, 100)))
    assert str(intervene(300, base=base, passed=100, until=200)) == "1-50, 81-200, 301-"
    assert str(intervene(300, base=Stretches(((1, 50),)), passed=100, until=200)) == "1-50, 101-200, 301-"


@pytest.mark.parametrize("until", [None, 0, 5])
@pytest.mark.parametrize("skip", [(), [(1, 5)]])
def test_nothing_came_yet(until: int | None, skip: list[tuple[int, int]]) -> None:
    assert intervene(0, base=NOTHING, passed=0, until=until, skip=skip) == Stretches()
