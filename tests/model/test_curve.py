"""The curve over a stream: windows of labelled examples, and what they add up to."""

import itertools
from random import Random

import pytest

from vwserve.model.curve import MOST_WINDOWS, Curve, Point
from vwserve.model.progress import Progress
from vwserve.model.servable import Servable

CLICKS = "--loss_function logistic --link logistic -b 10"


def stream(count: int, seed: int = 3) -> list[bytes]:
    """Clicks, with importances and unlabelled lines among them."""
    random = Random(seed)
    return [
        random.choice([b"1 ", b"-1 ", b"1 2 ", b"-1 0.5 ", b""]) + b"|u u%d |a a%d" % (number % 7, number % 11)
        for number in range(count)
    ]


def feed(curve: Curve, servable: Servable, lines: list[bytes]) -> None:
    """Feed as many lines at a time as may come."""
    while lines:
        piece, lines = lines[: curve.remaining], lines[curve.remaining :]
        servable.answer(b"".join([line + b"\n" for line in piece]))
        curve.settle()
    curve.finish()


def points(lines: list[bytes], every: int | None, arguments: str = CLICKS) -> tuple[list[Point], Servable]:
    servable = Servable("m", arguments)
    found: list[Point] = []
    feed(Curve(servable, found.append, every), servable, lines)
    return found, servable


def test_a_window_has_exactly_so_many_labelled_examples() -> None:
    lines = stream(1000)
    labelled = sum(not line.startswith(b"|") for line in lines)
    found, servable = points(lines, 100)
    assert [point.labelled for point in found] == [*range(100, labelled, 100), labelled]
    assert servable.labelled == labelled
    assert [lines[point.examples - 1][:1] == b"|" for point in found] == [False] * len(found)


def test_the_loss_of_a_window_is_that_of_its_examples_alone() -> None:
    lines = stream(600)
    found, servable = points(lines, 100)
    statistics = servable.statistics()
    assert found[-1].loss_so_far == pytest.approx(statistics["loss"])
    fresh = Servable("m", CLICKS)
    start, before = 0, fresh.totals()
    for point in found:
        fresh.learn(lines[start : point.examples])
        after = fresh.totals()
        assert point.loss == pytest.approx((after.sum_loss - before.sum_loss) / (after.weight - before.weight))
        assert point.loss_so_far == pytest.approx(after.sum_loss / after.weight)
        start, before = point.examples, after


def test_area_and_calibration_of_a_window_are_those_of_its_examples_alone() -> None:
    lines = [line for line in stream(900) if not line.startswith(b"|")]
    found, _ = points(lines, 100)
    answers = [float(answer) for answer in Servable("m", CLICKS).learn(lines)]
    labels = [float(line.split()[0]) for line in lines]
    for start, point in zip(range(0, len(lines), 100), found):
        alone = Progress("probability")
        alone.add(answers[start : start + 100], labels[start : start + 100])
        assert point.auc == pytest.approx(alone.auc, abs=1e-3)
        assert point.calibration == pytest.approx(alone.calibration, abs=1e-4)


def test_without_a_width_windows_grow_and_stay_few() -> None:
    lines = [b"1 |u a", b"-1 |u b"] * 20_000
    found, servable = points(lines, None)
    widths = [late.labelled - early.labelled for early, late in itertools.pairwise(found)]
    assert set(widths[:-1]) == {2000}
    assert len(found) == 20 <= MOST_WINDOWS
    assert found[-1].labelled == servable.labelled == 40_000


def test_grown_windows_say_what_windows_of_that_width_would() -> None:
    lines = [line for line in stream(15_000) if not line.startswith(b"|")][:10_000]
    grown, _ = points(lines, None)
    fixed, _ = points(lines, 500)
    assert grown == fixed


def test_watching_changes_neither_answers_nor_statistics() -> None:
    lines = stream(700)
    _, watched = points(lines, 37)
    alone = Servable("m", CLICKS)
    alone.answer(b"".join([line + b"\n" for line in lines]))
    ours, theirs = dict(watched.statistics()), dict(alone.statistics())
    assert ours.pop("loss") == pytest.approx(theirs.pop("loss"))
    assert ours == theirs
    assert watched.predict(lines) == alone.predict(lines)


def test_a_stream_without_labels_has_no_points() -> None:
    assert points([b"|u a"] * 500, 10)[0] == []


def test_other_kinds_of_models_have_a_loss_only() -> None:
    (point,) = points([b"1 |f a", b"2 |f b", b"3 |f c"], 10, "--oaa 3 -b 10")[0]
    assert (point.examples, point.labelled, point.auc, point.calibration) == (3, 3, None, None)
    assert point.loss == point.loss_so_far == pytest.approx(2 / 3)
