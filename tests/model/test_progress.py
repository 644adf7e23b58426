"""Calibration and the area under the curve, against their definitions."""

import math
import random
from collections.abc import Iterable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.model.progress import Pairs, Progress


def area(scores: list[float], labels: list[float]) -> float:
    """The chance that a positive scored higher than a negative, ties counting half: by definition, pair by pair."""
    positive = [score for score, label in zip(scores, labels) if label == 1.0]
    negative = [score for score, label in zip(scores, labels) if label != 1.0]
    won = sum((high > low) + (high == low) / 2 for high, low in product(positive, negative))
    return won / (len(positive) * len(negative))


@pytest.mark.parametrize("scale", ["probability", "log-odds", "linear"])
@pytest.mark.parametrize("negative", [-1.0, 0.0])
def test_area_is_that_of_the_definition(scale: str, negative: float) -> None:
    chance = random.Random(7)
    labels = [chance.choice((negative, 1.0)) for _ in range(900)]
    odds = [chance.gauss(label, 1.5) for label in labels]
    scores = [1 / (1 + math.exp(-value)) for value in odds] if scale == "probability" else odds
    progress = Progress(scale)
    progress.add(scores[:100], labels[:100])
    progress.add(scores[100:], labels[100:])
    assert progress.auc == pytest.approx(area(scores, labels), abs=2e-3)


def test_calibration_is_the_mean_prediction_over_the_mean_label() -> None:
    progress = Progress("probability")
    progress.add([0.2, 0.4, 0.6], [-1.0, -1.0, 1.0])
    assert progress.calibration == pytest.approx(0.4 / (1 / 3))


def test_calibration_of_log_odds_goes_through_the_logistic_function() -> None:
    progress = Progress("log-odds")
    progress.add([0.0, math.log(3.0)], [0.0, 1.0])
    assert progress.calibration == pytest.approx(((0.5 + 0.75) / 2) / 0.5)


@pytest.mark.parametrize(("negative", "mean"), [(-1.0, (0.5 + 1.0) / 2.0), (0.0, 0.5)])
def test_calibration_of_regressed_labels_is_on_their_own_scale(negative: float, mean: float) -> None:
    progress = Progress("linear")
    progress.add([0.4, 0.6], [negative, 1.0])
    assert progress.calibration == pytest.approx(mean / 0.5)


def test_unknown_before_anything_and_with_one_class_only() -> None:
    progress = Progress("probability")
    assert (progress.auc, progress.calibration) == (None, None)
    progress.add([0.3], [-1.0])
    assert (progress.auc, progress.calibration) == (None, None)


def test_unknown_for_a_model_that_is_not_binary() -> None:
    progress = Progress("linear")
    progress.add([0.3, 0.1, 2.0], [1.0, 0.0, 3.5])
    progress.add([0.3, 0.1], [1.0, 0.0])
    assert (progress.auc, progress.calibration) == (None, None)


def test_gathers_pairs_within_bounds() -> None:
    progress = Progress("probability")
    for _ in range(100):
        progress.add([0.25, 0.75] * 500, [0.0, 1.0] * 500)
    assert progress.auc == 1.0
    assert progress.calibration == pytest.approx(1.0)


def test_unknown_for_regressed_labels_until_a_negative_one_tells_their_scale() -> None:
    progress = Progress("linear")
    progress.add([0.4, 0.6], [1.0, 1.0])
    assert progress.calibration is None


@pytest.mark.parametrize("scale", ["probability", "log-odds", "linear"])
def test_what_two_have_taken_may_be_joined(scale: str) -> None:
    chance = random.Random(11)
    labels = [chance.choice((-1.0, 1.0)) for _ in range(400)]
    scores = [chance.random() for _ in labels]
    whole, early, late = Progress(scale), Progress(scale), Progress(scale)
    whole.add(scores, labels)
    early.add(scores[:150], labels[:150])
    late.add(scores[150:], labels[150:])
    early.include(late)
    assert early.auc == whole.auc
    assert early.calibration == pytest.approx(whole.calibration)
    late.add([0.5], [3.0])
    early.include(late)
    assert (early.auc, early.calibration) == (None, None)


def shuffled(count: int) -> tuple[list[float], list[float]]:
    """Scores and labels."""
    chance = random.Random(5)
    return [chance.random() for _ in range(count)], [chance.choice((-1.0, 1.0)) for _ in range(count)]


SCORES = st.one_of(st.floats(0.0, 1.0, width=32), st.floats(-40.0, 40.0, width=32), st.just(1e12))
PORTIONS = st.lists(st.lists(st.tuples(SCORES, st.sampled_from([-1.0, 0.0, 1.0])), max_size=20), max_size=5)
STRAY = st.sampled_from([(0.5, 3.0), (math.nan, 1.0), (math.inf, 0.0)])


def portioned(scale: str, portions: Iterable[list[tuple[float, float]]]) -> Progress:
    """The progress of pairs that came in these portions."""
    progress = Progress(scale)
    for portion in portions:
        progress.add([score for score, _ in portion], [label for _, label in portion])
    return progress


@pytest.mark.parametrize("scale", ["probability", "log-odds", "linear"])
def test_the_portions_in_which_pairs_come_change_nothing(scale: str) -> None:
    scores, labels = shuffled(500)
    pairs = list(zip(scores, labels))
    whole = portioned(scale, [pairs])
    for size in (1, 7, 250):
        assert portioned(scale, [pairs[start : start + size] for start in range(0, 500, size)]).pairs == whole.pairs


@pytest.mark.parametrize("scale", ["probability", "log-odds", "linear"])
@given(PORTIONS)
def test_any_portions_of_any_pairs_come_to_the_same(scale: str, portions: list[list[tuple[float, float]]]) -> None:
    parts, whole = portioned(scale, portions), portioned(scale, [[pair for portion in portions for pair in portion]])
    assert parts.pairs == whole.pairs
    assert (parts.auc, parts.calibration) == (whole.auc, whole.calibration)


@given(PORTIONS, STRAY, PORTIONS)
def test_a_model_that_is_not_binary_has_no_pairs_wherever_that_shows(
    before: list[list[tuple[float, float]]], stray: tuple[float, float], after: list[list[tuple[float, float]]]
) -> None:
    parts = portioned("linear", [*before, [stray], *after])
    whole = portioned("linear", [[pair for portion in [*before, [stray], *after] for pair in portion]])
    assert parts.pairs == whole.pairs == Pairs(binary=False)
    joined = portioned("linear", before)
    joined.include(portioned("linear", [[stray], *after]))
    assert joined.pairs == Pairs(binary=False)


@pytest.mark.parametrize("scale", ["probability", "log-odds", "linear"])
def test_another_goes_on_from_the_pairs(scale: str) -> None:
    scores, labels = shuffled(500)
    whole, resumed = Progress(scale), Progress(scale)
    whole.add(scores[:200], labels[:200])
    resumed.resume(whole.pairs)
    for each in (whole, resumed):
        each.add(scores[200:], labels[200:])
    assert resumed.pairs == whole.pairs
    assert (resumed.auc, resumed.calibration) == (whole.auc, whole.calibration)


def test_a_model_that_was_not_binary_stays_so() -> None:
    progress, resumed = Progress("linear"), Progress("linear")
    progress.add([0.5], [3.0])
    resumed.resume(progress.pairs)
    resumed.add([0.3, 0.1], [1.0, 0.0])
    assert resumed.auc is None


@pytest.mark.parametrize("negatives", [(1,), (8192, 1), (-1, 1)])
def test_what_are_no_pairs_is_refused_and_changes_nothing(negatives: tuple[int, ...]) -> None:
    progress = Progress("linear")
    with pytest.raises(ValueError, match="from 0 to 8191"):
        progress.resume(Pairs(negatives=negatives))
    assert progress.pairs == Pairs()
