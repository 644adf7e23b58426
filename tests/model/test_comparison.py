"""The comparison of two models: what its interval covers, in simulations, and what it needs to be one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.model.comparison import BATCHES, FEWEST, Batch, Comparison, estimate, student_quantile

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]


def independent(generator: np.random.Generator, count: int) -> Floats:
    return generator.normal(0.0, 0.3, count)


def skewed(generator: np.random.Generator, count: int) -> Floats:
    return generator.exponential(0.3, count) - 0.3


def dependent(generator: np.random.Generator, count: int) -> Floats:
    """Each is much like the one before (0.9 of it), as with examples of one user in a row."""
    steps = generator.normal(0.0, 0.3, count + 200)
    for place in range(1, len(steps)):
        steps[place] += 0.9 * steps[place - 1]
    return steps[200:]


def compared(differences: Floats, weights: Floats, generator: np.random.Generator, portion: int) -> Comparison:
    """What a comparison takes that is given these in portions of up to so many."""
    comparison = Comparison()
    place = 0
    while place < len(differences):
        upto = place + int(generator.integers(1, portion + 1))
        part = slice(place, upto)
        sums = float(weights[part].sum()), float((weights * differences)[part].sum())
        comparison.add(len(weights[part]), *sums)
        place = upto
    return comparison


@pytest.mark.parametrize(
    ("draw", "count", "portion"),
    [
        (independent, 100, 1),
        (independent, 3_000, 40),
        (skewed, 1_000, 5),
        (dependent, 4_000, 4),
        (dependent, 6_000, 100),
    ],
)
def test_the_interval_holds_the_true_difference_in_nineteen_of_twenty_streams(
    draw: Draw, count: int, portion: int
) -> None:
    generator = np.random.default_rng(7)
    streams, truth, held = 400, 0.05, 0
    for _ in range(streams):
        differences = truth + draw(generator, count)
        found = compared(differences, np.ones(count), generator, portion).overall
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
    assert 0.92 <= held / streams <= 0.98  # 0.95 give or take 2.75 standard deviations of such a count


def test_examples_taken_for_independent_would_hold_it_in_half_of_the_streams() -> None:
    """What batches are for: the interval of single examples where these depend on each other."""
    generator = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        differences = dependent(generator, 1_000)
        reach = 1.96 * float(differences.std()) / math.sqrt(len(differences))
        held += abs(float(differences.mean())) <= reach
    assert held < 220


def test_importance_counts_as_in_the_progressive_loss() -> None:
    generator = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        weights = generator.choice([0.1, 1.0, 5.0], 2_000)
        # The important ones differ, the others do not: the mean over importance is not the mean over examples.
        differences = np.where(weights == 5.0, 0.2, 0.0) + independent(generator, 2_000)
        truth = 0.2 * 5.0 / 6.1
        found = compared(differences, weights, generator, 20).overall
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_two_equal_models_do_not_differ() -> None:
    comparison = Comparison()
    for _ in range(500):
        comparison.add(3, 3.0, 0.0)
    assert comparison.overall == (1500, 0.0, 0.0, 0.0)


def test_a_difference_is_found_where_there_is_one() -> None:
    generator = np.random.default_rng(3)
    found = compared(0.02 + independent(generator, 20_000), np.ones(20_000), generator, 50).overall
    assert found.low is not None and found.low > 0.0
    assert found.difference == pytest.approx(0.02, abs=0.01)


def test_there_is_no_interval_before_there_are_ten_batches() -> None:
    comparison = Comparison()
    for number in range(1, FEWEST):
        comparison.add(100, 100.0, float(number % 3))
        assert comparison.overall.difference is not None
        assert (comparison.overall.low, comparison.overall.high) == (None, None)
    comparison.add(1, 1.0, 0.0)
    assert comparison.overall.examples == 901
    assert comparison.overall.low is not None


def test_nothing_is_known_of_nothing() -> None:
    assert Comparison().overall == Comparison().recent == (0, None, None, None)
    weightless = Comparison()
    weightless.add(5, 0.0, 0.0)
    assert weightless.overall == (5, None, None, None)


def test_a_loss_that_is_no_number_gives_no_figure() -> None:
    comparison = Comparison()
    for _ in range(20):
        comparison.add(1, 1.0, 0.1)
    comparison.add(1, 1.0, math.inf)
    assert comparison.overall == (21, None, None, None)


def test_what_was_long_ago_is_not_recent() -> None:
    comparison = Comparison()
    generator = np.random.default_rng(1)
    for place in range(4_096):
        comparison.add(1, 1.0, (1.0 if place < 1_000 else 0.0) + float(generator.normal(0.0, 0.1)))
    overall, recent = comparison.overall, comparison.recent
    assert overall.difference == pytest.approx(1_000 / 4_096, abs=0.02)
    assert recent.examples == pytest.approx(2_048, abs=130)
    assert recent.low is not None and recent.high is not None
    assert recent.low < 0.0 < recent.high < 0.02


@given(st.lists(st.tuples(st.integers(1, 300), st.floats(0.1, 10.0), st.floats(-5.0, 5.0)), min_size=1, max_size=300))
def test_however_many_portions_come_their_sums_are_kept_in_few_batches(
    portions: list[tuple[int, float, float]],
) -> None:
    comparison = Comparison()
    for portion in portions:
        comparison.add(*portion)
    overall = comparison.overall
    assert overall.examples == sum(examples for examples, _, _ in portions)
    weight, difference = (math.fsum(column) for column in list(zip(*portions))[1:])
    assert overall.difference == pytest.approx(difference / weight, abs=1e-9)
    assert comparison.recent.examples <= overall.examples
    # Ten portions make ten batches, and no more come to be fewer than half of the most.
    assert (overall.low is None) == (len(portions) < FEWEST)


def test_batches_are_at_most_sixty_four_and_then_half() -> None:
    counts = []
    comparison = Comparison()
    for _ in range(1_000):
        comparison.add(1, 1.0, 0.0)
        counts.append(len(comparison.batches))
    assert max(counts) == BATCHES
    assert min(counts[BATCHES:]) == BATCHES // 2


def test_the_estimate_is_that_of_the_ratio_of_batch_sums() -> None:
    """Reckoned by hand: ten batches of importance 2, nine without a difference and one of 2."""
    batches = [Batch(2, 2.0, 0.0)] * 9 + [Batch(2, 2.0, 2.0)]
    spread = 9 * 0.2**2 + 1.8**2
    reach = student_quantile(9) * math.sqrt(10 / 9 * spread) / 20.0
    assert estimate(batches) == pytest.approx((20, 0.1, 0.1 - reach, 0.1 + reach))


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(9, 2.2622), (10, 2.2281), (19, 2.0930), (29, 2.0452), (31, 2.0395), (63, 1.9983), (1_000_000, 1.9600)],
)
def test_the_quantiles_are_those_of_the_tables(degrees: int, quantile: float) -> None:
    assert student_quantile(degrees) == pytest.approx(quantile, abs=4e-4)
