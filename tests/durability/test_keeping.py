"""Which snapshots are kept, by hypothesis and by example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.durability.keeping import Keeping

HOUR_S, DAY_S = 3600.0, 86_400.0
times = st.dictionaries(st.integers(1, 500), st.floats(0.0, 1e7), max_size=60)
policies = st.builds(Keeping, st.integers(1, 20), st.integers(0, 30), st.integers(0, 10))


@given(times, policies)
def test_the_newest_ones_are_never_removed(times_s: dict[int, float], keeping: Keeping) -> None:
    removed = keeping.superseded(times_s)
    assert set(removed) <= times_s.keys()
    assert set(sorted(times_s, reverse=True)[: keeping.newest]).isdisjoint(removed)


@given(times, policies)
def test_no_more_are_kept_than_were_asked_for(times_s: dict[int, float], keeping: Keeping) -> None:
    kept = len(times_s) - len(keeping.superseded(times_s))
    assert kept <= keeping.newest + keeping.hourly + keeping.daily


@given(times, policies)
def test_what_was_kept_is_kept_again(times_s: dict[int, float], keeping: Keeping) -> None:
    kept = {number: times_s[number] for number in times_s.keys() - keeping.superseded(times_s)}
    assert keeping.superseded(kept) == []


@given(times, policies)
def test_the_oldest_go_first(times_s: dict[int, float], keeping: Keeping) -> None:
    removed = keeping.superseded(times_s)
    assert removed == sorted(removed)


def test_the_last_of_each_hour_and_day_is_kept() -> None:
    every_ten_minutes = {number: number * 600.0 for number in range(1, 300)}
    removed = Keeping(newest=2, hourly=3, daily=3).superseded(every_ten_minutes)
    kept = sorted(every_ten_minutes.keys() - removed)
    assert kept == [143, 287, 293, 298, 299]
    assert [int(number * 600.0 // HOUR_S) for number in kept] == [23, 47, 48, 49, 49]
    assert [int(number * 600.0 // DAY_S) for number in kept] == [0, 1, 2, 2, 2]


@pytest.mark.parametrize("numbers", [(0, 1, 1), (1, -1, 0), (1, 0, -1)])
def test_to_keep_none_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Keeping(*numbers)
