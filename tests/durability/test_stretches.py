"""Stretches of sequence numbers are sets of whole numbers, and do what sets do."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.durability.stretches import Stretch, Stretches

FAR = 60  # beyond all numbers that are drawn: what goes on has all from there on
number = st.integers(0, 40)


def of(numbers: Iterable[int], goes_on: bool = False) -> Stretches:
    """The stretches that have just these numbers; with `goes_on` also all from FAR on, the last of `numbers`."""
    ranges: list[Stretch] = []
    for each in sorted(numbers):
        if ranges and ranges[-1][1] == each - 1:
            ranges[-1] = (ranges[-1][0], each)
        else:
            ranges.append((each, each))
    if goes_on:
        ranges[-1] = (ranges[-1][0], None)
    return Stretches(tuple(ranges))


def numbers_of(stretches: Stretches) -> set[int]:
    """The numbers up to FAR that they have."""
    return {n for first, last in stretches for n in range(first, FAR + 1 if last is None else last + 1)}


some = st.sets(st.integers(1, 40))
closed = some.map(of)
going_on = st.builds(lambda drawn, first: of({*drawn, *range(first, FAR + 1)}, goes_on=True), some, st.integers(1, 41))
stretches = closed | going_on


def goes_on(each: Stretches) -> bool:
    """Whether they have no end."""
    return bool(each) and each.ranges[-1][1] is None


@given(stretches)
def test_what_is_written_as_json_is_read_again(each: Stretches) -> None:
    assert Stretches.parse(json.loads(json.dumps(each.ranges))) == each


@given(stretches, number)
def test_those_up_to_a_number(each: Stretches, last: int) -> None:
    assert numbers_of(each.upto(last)) == {n for n in numbers_of(each) if n <= last}
    assert not goes_on(each.upto(last))


@given(stretches, number)
def test_those_after_a_number(each: Stretches, last: int) -> None:
    assert numbers_of(each.after(last)) == {n for n in numbers_of(each) if n > last}
    assert goes_on(each.after(last)) == goes_on(each)


@given(stretches, number, number)
def test_those_without_a_stretch_which_may_be_empty(each: Stretches, first: int, last: int) -> None:
    without = each.without(first, last)
    assert numbers_of(without) == numbers_of(each) - set(range(first, last + 1))
    assert goes_on(without) == goes_on(each)


@given(stretches, stretches)
def test_those_without_others(each: Stretches, others: Stretches) -> None:
    rest = each.minus(others)
    assert numbers_of(rest) == numbers_of(each) - numbers_of(others)
    assert goes_on(rest) == (goes_on(each) and not goes_on(others))


@given(stretches, number)
def test_those_without_all_from_a_number_on(each: Stretches, first: int) -> None:
    without = each.without(first, None)
    assert numbers_of(without) == {n for n in numbers_of(each) if n < first}
    assert not goes_on(without)


@given(closed, st.integers(1, 5), st.none() | st.integers(0, 5))
def test_more_of_them_come_behind(each: Stretches, distance: int, length: int | None) -> None:
    first = each.end + distance
    then = each.then(first, None if length is None else first + length - 1)
    end = FAR if length is None else first + length - 1
    assert numbers_of(then) == numbers_of(each) | set(range(first, end + 1))
    assert goes_on(then) == (length is None)


@given(closed, stretches)
def test_who_learned_some_is_on_the_way_to_others_that_begin_with_just_these(
    learned: Stretches, all_: Stretches
) -> None:
    wanted = sorted(numbers_of(all_))
    assert learned.begins(all_) == (sorted(numbers_of(learned)) == wanted[: len(numbers_of(learned))])


@given(stretches, number)
def test_whoever_learned_those_up_to_a_number_is_on_the_way(each: Stretches, last: int) -> None:
    assert each.upto(last).begins(each)


@given(stretches, number)
def test_how_many_there_are_up_to_a_number(each: Stretches, last: int) -> None:
    assert each.examples_upto(last) == len([n for n in numbers_of(each) if n <= last])


@given(closed)
def test_the_last_one(each: Stretches) -> None:
    assert each.end == max(numbers_of(each), default=0)
    assert bool(each) == bool(numbers_of(each))


def test_what_goes_on_has_no_end() -> None:
    with pytest.raises(ValueError, match="5- goes on"):
        Stretches(((1, 3), (5, None))).end  # noqa: B018  # it is a property that raises


def test_they_read_as_a_person_writes_them() -> None:
    assert str(Stretches(((1, 5000), (7001, None)))) == "1-5000, 7001-"
    assert str(Stretches(())) == "none"
    assert str(Stretches()) == "1-"


@pytest.mark.parametrize(
    "ranges",
    [
        [(0, 5)],
        [(-1, None)],
        [(5, 4)],
        [(1, 5), (3, 9)],
        [(1, 5), (6, 9)],
        [(5, 9), (1, 2)],
        [(1, None), (5, 9)],
        [(1, None), (5, None)],
    ],
)
def test_what_is_out_of_order_empty_or_touching_is_refused(ranges: list[Stretch]) -> None:
    with pytest.raises(ValueError, match="not stretches in order"):
        Stretches(tuple(ranges))


@pytest.mark.parametrize("content", [[[1]], [[1, 2, 3]], [[None, 5]], [["x", 5]], [5], 5, None, [[1, "y"]], [[[], 5]]])
def test_what_is_no_list_of_stretches_is_refused(content: list[list[int | None]]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Stretches.parse(content)
