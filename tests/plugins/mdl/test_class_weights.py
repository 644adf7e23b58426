"""Class weights: exact up to a limit; beyond it, values that are close are one, whatever the order of rows."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from vwserve_mdl.class_weights import ClassWeights
from vwserve_mdl.cuts import find_cuts

Rows = list[tuple[float, float]]

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.tuples(st.one_of(FINITE, st.floats(1, 2)), st.sampled_from([-1.0, 1.0, 3.0])), min_size=1)


def counted(rows: Rows, sizes: list[int], limit: int) -> ClassWeights:
    """Rows of weight 1, taken in in batches."""
    weights = ClassWeights()
    start = 0
    for size in [*sizes, len(rows)]:
        values, labels = np.array(rows[start : start + size]).reshape(-1, 2).T
        weights.add(np.ascontiguousarray(values), labels, np.ones(len(values)))
        weights.limit(limit)
        start += size
    return weights


@given(ROWS, st.lists(st.integers(1, 20), max_size=5))
def test_below_the_limit_every_value_counts_for_itself(rows: Rows, sizes: list[int]) -> None:
    expected: dict[float, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for value, label in rows:
        expected[value][label] += 1
    weights = counted(rows, sizes, 1000)
    table = weights.table()
    classes = sorted({label for _, label in rows})
    assert weights.dropped_bits == 0
    assert table.low.tolist() == table.high.tolist() == sorted(expected)
    assert table.weights.tolist() == [[expected[value][label] for label in classes] for value in sorted(expected)]


@given(ROWS, st.lists(st.integers(1, 20), max_size=5), st.integers(12, 30), st.randoms(use_true_random=False))
def test_beyond_it_neither_order_nor_batches_change_anything(
    rows: Rows, sizes: list[int], limit: int, random: object
) -> None:
    shuffled = rows.copy()
    assert hasattr(random, "shuffle")
    random.shuffle(shuffled)
    one, other = counted(rows, [], limit), counted(shuffled, sizes, limit)
    assert one.dropped_bits == other.dropped_bits
    for first, second in zip(
        (one.table().low, one.table().high, one.table().weights),
        (other.table().low, other.table().high, other.table().weights),
        strict=True,
    ):
        assert first.tolist() == second.tolist()


@given(ROWS, st.integers(12, 30))
def test_groups_are_disjoint_complete_and_bounded(rows: Rows, limit: int) -> None:
    weights = counted(rows, [], limit)
    table = weights.table()
    assert np.count_nonzero(table.weights) <= limit
    assert weights.total == table.weights.sum() == len(rows)
    assert (table.low <= table.high).all()
    assert (table.high[:-1] < table.low[1:]).all()
    values = {value for value, _ in rows}
    assert set(table.low.tolist()) | set(table.high.tolist()) <= values
    if weights.dropped_bits:
        assert len(set(rows)) > limit
    for low, high, row in zip(table.low, table.high, table.weights.sum(axis=1)):
        assert row == sum(low <= value <= high for value, _ in rows)


def test_no_more_is_given_up_than_is_needed() -> None:
    # 1 + i / 256 has 8 binary digits after the point: 44 of the 52 are zeros that cost nothing to give up.
    rows = [(1 + place / 256, 0.0) for place in range(256)]
    assert counted(rows, [], 256).dropped_bits == 0
    assert counted(rows, [], 255).dropped_bits == 45
    assert counted(rows, [], 64).dropped_bits == 46


def test_a_cut_between_groups_is_half_way_between_true_neighbours() -> None:
    values = np.concatenate((np.linspace(0.3, 0.4, 500), np.linspace(0.7, 0.8, 500)))
    weights = ClassWeights()
    weights.add(values, (values > 0.5).astype(np.float64), np.ones(1000))
    weights.limit(20)
    assert weights.dropped_bits > 0
    assert find_cuts(weights.table(), 10).cuts == [(0.4 + 0.7) / 2]


def test_positive_and_negative_numbers_are_never_one() -> None:
    values = np.array([sign * 2.0**power for power in range(-1000, 1000) for sign in (-1, 1)])
    weights = ClassWeights()
    weights.add(values, (values > 0).astype(np.float64), np.ones(len(values)))
    weights.limit(4)
    (cut,) = find_cuts(weights.table(), 10).cuts
    assert cut == 0.0
