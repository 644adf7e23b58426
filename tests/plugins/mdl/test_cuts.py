"""Cuts are those of the paper: held against its definition, in exact arithmetic, and against known properties."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from vwserve_mdl.class_weights import ClassWeights
from vwserve_mdl.cuts import Cuts, find_cuts

from tests.plugins.mdl import oracle

Rows = list[tuple[float, int, float]]  # value, class, weight

WEIGHTS = st.sampled_from([1.0, 1.0, 2.0, 0.5, 0.25, 3.0])


@st.composite
def some_rows(draw: st.DrawFn) -> Rows:
    """Few rows with few values, classes that often follow the value, so that cuts are found."""
    classes = draw(st.integers(2, 4))
    width = draw(st.integers(2, 12))
    weights = draw(st.sampled_from([st.just(1.0), WEIGHTS]))
    faithful = draw(st.lists(st.integers(0, classes - 1), min_size=width, max_size=width))
    rows = []
    for _ in range(draw(st.integers(2, 30))):
        place = draw(st.integers(0, width - 1))
        label = faithful[place] if draw(st.integers(0, 4)) else draw(st.integers(0, classes - 1))
        rows.append((float(place) - 3, label, draw(weights)))
    return rows


def found(rows: Rows, most: int = 1000) -> Cuts:
    """What is found for rows."""
    counted = ClassWeights()
    values, labels, weights = (np.array(column, np.float64) for column in zip(*rows))
    counted.add(values, labels, weights)
    return find_cuts(counted.table(), most)


def expected(rows: Rows, most: int = 1000) -> list[float]:
    """What the paper says."""
    try:
        return oracle.cuts([oracle.Example(value, label, Fraction(weight)) for value, label, weight in rows], most)
    except oracle.NearlyEqual:
        assume(False)
        raise


@given(some_rows())
def test_cuts_are_those_of_the_papers_definition(rows: Rows) -> None:
    assert found(rows).cuts == expected(rows)


@given(some_rows(), st.integers(0, 3))
def test_under_a_cap_those_that_save_most_are_kept(rows: Rows, most: int) -> None:
    cuts = found(rows, most)
    assert cuts.cuts == expected(rows, most)
    assert cuts.complete == (len(found(rows).cuts) <= most)


@given(some_rows(), st.randoms(use_true_random=False))
def test_the_order_of_rows_is_irrelevant(rows: Rows, random: object) -> None:
    shuffled = rows.copy()
    assert hasattr(random, "shuffle")
    random.shuffle(shuffled)
    assert found(shuffled) == found(rows)


@given(some_rows())
def test_a_weight_is_so_many_repetitions(rows: Rows) -> None:
    whole = [(value, label, 4 * weight) for value, label, weight in rows]
    repeated = [(value, label, 1.0) for value, label, weight in whole for _ in range(int(weight))]
    assert found(whole) == found(repeated)


@given(some_rows())
def test_mirrored_values_have_mirrored_cuts_where_none_are_equally_good(rows: Rows) -> None:
    mirrored = [(-value, label, weight) for value, label, weight in rows]
    cuts, others = expected(rows), expected(mirrored)
    assume([-cut for cut in reversed(cuts)] == others)
    assert found(mirrored).cuts == [-cut for cut in reversed(found(rows).cuts)]


@given(some_rows())
def test_the_gain_is_the_difference_of_the_entropies(rows: Rows) -> None:
    result = found(rows)
    bins: dict[int, dict[int, float]] = {}
    totals: dict[int, float] = {}
    for value, label, weight in rows:
        counts = bins.setdefault(sum(value >= cut for cut in result.cuts), {})
        counts[label] = counts.get(label, 0.0) + weight
        totals[label] = totals.get(label, 0.0) + weight

    def bits(counts: dict[int, float]) -> float:
        total = sum(counts.values())
        return -sum(count * math.log2(count / total) for count in counts.values())

    count = sum(totals.values())
    assert result.entropy == pytest.approx(bits(totals) / count, abs=1e-12)
    assert result.gain == pytest.approx((bits(totals) - sum(map(bits, bins.values()))) / count, abs=1e-12)


def test_of_two_equally_good_cuts_the_lower_is_taken() -> None:
    # The middle is of neither class alone: cutting before it or after it leaves the same entropy.
    rows = [(0.0, 0, 12.0), (1.0, 0, 1.0), (1.0, 1, 1.0), (2.0, 1, 12.0)]
    assert found(rows, 1).cuts == [0.5]
    assert found([(-value, 1 - label, weight) for value, label, weight in rows], 1).cuts == [-1.5]


@pytest.mark.parametrize(
    ("counts", "permuted", "middle"),
    [
        ([62, 38, 4, 2, 24], [2, 1, 3, 0, 4], 2),
        ([64, 9, 3, 8, 4], [3, 4, 1, 0, 2], 5),
        ([60, 1, 1, 1], [1, 0, 2, 3], 1),
    ],
)
def test_cuts_are_equally_good_whatever_the_order_of_classes(
    counts: list[int], permuted: list[int], middle: int
) -> None:
    # The same counts on both sides, for other classes: with floating point, their sums may differ in the last bits.
    low = [(0.0, label, float(count)) for label, count in enumerate(counts)]
    high = [(2.0, label, float(count)) for label, count in zip(permuted, counts)]
    assert found([*low, *((1.0, label, float(middle)) for label in permuted), *high], 1).cuts == [0.5]


def test_under_a_cap_what_a_cut_saves_altogether_counts_not_what_it_saves_an_example() -> None:
    # Left of 10 few examples of which a cut tells all, right of it many of which a cut tells a part.
    few = [(0.0, 0, 10.0), (1.0, 1, 10.0)]
    many = [(10.0, 2, 250.0), (10.0, 3, 150.0), (11.0, 2, 150.0), (11.0, 3, 250.0)]
    assert found(few + many).cuts == [0.5, 5.5, 10.5]
    assert found(few + many, 1).cuts == [5.5]
    assert found(few + many, 2).cuts == [5.5, 10.5]


def test_a_cut_that_is_not_worth_its_description_is_refused() -> None:
    # N = 4: gain 0.311, price log2(3)/4 + (log2(7) - 2 * 1 + 2 * 0.918 ...)/4 = 1.03
    assert found([(0.0, 0, 1.0), (1.0, 0, 1.0), (1.0, 1, 1.0), (2.0, 1, 1.0)]).cuts == []
    assert found([(0.0, 0, 50.0), (1.0, 1, 50.0)]).cuts == [0.5]


def test_fewer_than_two_examples_are_not_cut() -> None:
    assert found([(0.0, 0, 0.75), (1.0, 1, 0.75)]).cuts == []
    assert found([(0.0, 0, 1.0), (1.0, 1, 1.0)]).cuts == [0.5]


def test_one_value_and_one_class_have_no_cut() -> None:
    assert found([(3.0, 0, 10.0), (3.0, 1, 10.0)]) == Cuts([], 1.0, 0.0, True)
    assert found([(3.0, 1, 10.0), (4.0, 1, 10.0)]) == Cuts([], 0.0, 0.0, True)


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, FINITE)
def test_a_cut_divides_its_neighbours_however_close_or_far(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assume(low < high)
    (cut,) = found([(low, 0, 9.0), (high, 1, 9.0)]).cuts
    assert low < cut <= high
    if abs(low) < 1e300 and abs(high) < 1e300:
        assert cut in ((low + high) / 2, high)


@pytest.mark.parametrize("value", [0.1, 1.0, 1e300, 5e-324, 0.0, -0.1, -5e-324, 1.0000000000000002])
def test_a_cut_between_numbers_that_have_none_between_them_is_the_greater(value: float) -> None:
    greater = math.nextafter(value, math.inf)
    assert found([(value, 0, 9.0), (greater, 1, 9.0)]).cuts == [greater]


def test_no_cut_is_infinite() -> None:
    assert found([(1e308, 0, 9.0), (1.5e308, 1, 9.0)]).cuts == [1.25e308]
    assert found([(-1.7e308, 0, 9.0), (1.7e308, 1, 9.0)]).cuts == [0.0]


def test_minus_zero_is_zero() -> None:
    assert found([(-0.0, 0, 9.0), (0.0, 1, 9.0)]).cuts == []
