"""Figures that do not depend on how a stream is cut into portions, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.learner import lines
from tests.learner.reference import joined
from tests.learner.test_golden import Line
from vwserve.learner import Learner, Tally
from vwserve.learner.binding import Examples, Workspace

# Importances as VW has them, in single precision. Sums of them are rounded once they are large or very unlike.
IMPORTANCES = st.one_of(
    st.just(1.0), st.sampled_from([0.0, 0.5, 2.0, 1e6]), st.floats(2.0**-20, 1e6, width=32, exclude_min=True)
)
# Up to where the sum of importances moves no more when one is added.
TOTALS = st.one_of(
    st.just(0.0),
    st.floats(0.0, 1e17),
    st.integers(20, 55).flatmap(lambda bits: st.floats(2.0**bits - 300.0, 2.0**bits + 300.0)),
)


def one_by_one(start: float, weights: Iterable[float]) -> float:
    """Their sum, rounded after each."""
    for weight in weights:
        start += weight
    return start


def totals(tally: Tally) -> tuple[object, ...]:
    """All that a tally has come to."""
    return tally.examples, tally.labelled, tally.learned, tally.refused, tally.weight.hex()


@given(TOTALS, st.lists(st.lists(IMPORTANCES, max_size=8), max_size=6))
def test_importances_are_summed_in_their_order_whatever_the_portions(start: float, portions: list[list[float]]) -> None:
    tally = Tally()
    tally.weight = start
    for portion in portions:
        tally.count(portion, learned=len(portion) % 2 == 0)
    weights = [weight for portion in portions for weight in portion]
    assert tally.weight.hex() == one_by_one(start, weights).hex()
    assert tally.labelled == len(weights)
    assert tally.learned == sum(len(portion) for portion in portions if len(portion) % 2 == 0)


@given(TOTALS, st.lists(st.integers(0, 250), max_size=6))
def test_importances_of_one_come_to_the_same_at_once_and_one_by_one(start: float, portions: list[int]) -> None:
    tally = Tally()
    tally.weight = start
    for examples in portions:
        tally.count_plain(examples, learned=True)
    assert tally.weight.hex() == one_by_one(start, [1.0] * sum(portions)).hex()
    assert tally.labelled == tally.learned == sum(portions)


@pytest.mark.parametrize(("start", "examples"), [(2 / 3, 4), (0.123, 8), (2.0**53 - 10.0, 250)])
def test_sums_that_are_rounded_on_their_way_are_not_taken_at_once(start: float, examples: int) -> None:
    tally = Tally()
    tally.weight = start
    tally.count_plain(examples, learned=True)
    assert tally.weight == one_by_one(start, [1.0] * examples) != start + examples


# -- a stream, cut anywhere --------------------------------------------------------------------------------------------

STREAMS: list[tuple[Line, str]] = [
    (lines.simple, "-b 10"),
    (lines.binary, "-b 10 --loss_function logistic --link logistic"),
    (lines.binary, "-b 10 --binary"),
    (lines.unweighted, "-b 10"),
    (lines.multiclass, "--oaa 5 --indexing 1 -b 8"),
    (lines.costs, "--csoaa 5 -b 8"),
]
DATA = {form: lines.stream(form, 60, seed=4) for form, _ in STREAMS}


def weighted(line: bytes, rng: random.Random) -> bytes:
    """A line with an importance whose sums are rounded, where it has one."""
    label, space, rest = line.partition(b" 2 ")
    return label + b" %f " % rng.uniform(0.001, 1.0) + rest if space and b"|" not in label else line


def served(arguments: str, blocks: Iterable[Sequence[bytes]]) -> tuple[object, ...]:
    """What a learner has come to after these blocks, and all pairs that it handed on."""
    learner = Learner(arguments)
    scores: list[float] = []
    labels: list[float] = []
    learner.tally.weight = 2.0**30 + 0.1

    def observe(more_scores: Sequence[float], more_labels: Sequence[float]) -> None:
        assert len(more_scores) == len(more_labels)
        scores.extend(more_scores)
        labels.extend(more_labels)

    learner.tally.observe = observe
    for block in blocks:
        learner.answer(joined(block))
    learner.tally.flush()
    loss = learner.sum_loss
    learner.close()
    return (*totals(learner.tally), scores, labels, loss)


def cut(stream: Sequence[bytes], ends: Iterable[int]) -> list[Sequence[bytes]]:
    """A stream in blocks that end there."""
    at = [0, *sorted(ends), len(stream)]
    return [stream[start:end] for start, end in pairwise(at) if start < end]


ENDS = st.one_of(st.lists(st.integers(0, 60), max_size=12), st.just([*range(60)]))


@pytest.mark.parametrize(("form", "arguments"), STREAMS)
def test_where_a_stream_is_cut_changes_no_figure(form: Line, arguments: str) -> None:
    rng = random.Random(2)
    stream = [weighted(line, rng) for line in DATA[form]]
    whole = served(arguments, [stream])

    @settings(max_examples=25)
    @given(ENDS)
    def check(ends: list[int]) -> None:
        assert served(arguments, cut(stream, ends)) == whole

    check()


@pytest.mark.parametrize("arguments", ["-b 10", "--oaa 5 --indexing 1 -b 8"])
@pytest.mark.parametrize("labels", [b"1 0.3 ", b"1 "])
def test_where_vw_raises_the_figures_are_those_of_lines_that_come_alone(
    arguments: str, labels: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Raising(Workspace):
        def learn(self, examples: Examples, scalars: list[float]) -> None:
            for example in examples:
                if "bad" in example.get_tag():
                    raise RuntimeError("half way through")
                super().learn([example], scalars)

    monkeypatch.setattr("vwserve.learner.engine.Workspace", Raising)
    stream = [labels + b"|f a b%d" % number for number in range(9)]
    stream[3:3] = [b"|f unlabelled", b"1 0.7 |f c"]
    stream[6:6] = [b"1 'bad |f d"]
    together, alone = served(arguments, [stream]), served(arguments, [[line] for line in stream])
    assert together[:7] == alone[:7]  # but not the loss, of which VW's file keeps fewer digits
    assert together[:4] == (11, 10, 10, 1)
