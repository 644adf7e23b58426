"""What a model is to have learned after somebody intervened."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.durability.test_lineage import LINEAGE, OTHERWISE
from tests.durability.test_snapshot import SNAPSHOT
from tests.durability.test_stretches import FAR, closed, numbers_of
from vwserve.durability.intervention import NOTHING, gone_back, intervene
from vwserve.durability.snapshot import Moment, Snapshot
from vwserve.durability.stretches import Stretches
from vwserve.errors import StateError

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


# -- the lineage that follows ------------------------------------------------------------------------------------------


def at(learned: Stretches, journal: int) -> Snapshot:
    """A snapshot."""
    return replace(SNAPSHOT, moment=Moment(1, learned, journal))


def test_a_return_is_the_next_lineage_of_the_same_model() -> None:
    snapshot = at(Stretches(((1, 20),)), 30)
    lineage = gone_back(LINEAGE, 100, snapshot, until=40, skip=[(5, 6)])
    assert lineage == replace(LINEAGE, number=3, examples=Stretches(((1, 4), (7, 20), (31, 40), (101, None))))
    assert str(gone_back(LINEAGE, 100, None).examples) == "101-"
    assert str(gone_back(LINEAGE, 100, snapshot).examples) == "1-20, 101-"


def test_there_is_no_return_to_what_was_made_otherwise() -> None:
    with pytest.raises(StateError, match="snapshot 7 is of a model made otherwise: VW's arguments were"):
        gone_back(replace(LINEAGE, provenance=OTHERWISE), 100, at(Stretches(((1, 20),)), 20))


def test_there_is_no_learning_up_to_what_came_before_a_snapshot() -> None:
    snapshot = at(Stretches(((1, 20),)), 30)
    with pytest.raises(StateError, match="after example 30 is no way to a model that learned up to 29"):
        gone_back(LINEAGE, 100, snapshot, until=29)
    assert str(gone_back(LINEAGE, 100, snapshot, until=30).examples) == "1-20, 101-"
