"""Judging a sequence of lines before any is served: the same faults as when they are served one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import pytest

from tests.learner import lines
from vwserve.learner import Learner, Standing


def zero_or_one_based(rng: random.Random) -> bytes:
    """A class from either end, mostly."""
    return lines.multiclass(rng, (0, 5, 5, 0, 2))


def either_costs(rng: random.Random) -> bytes:
    """Costs of classes from either end, mostly."""
    return b" ".join(b"%d:1" % each for each in rng.sample((0, 1, 5), rng.randrange(1, 4))) + b" |f a"


def growing(rng: random.Random) -> bytes:
    """A label that may be large, and a value that may be."""
    return b"1e%d |f a:1e%d" % (rng.randrange(11), rng.randrange(11))


@pytest.mark.parametrize(
    ("arguments", "form"),
    [
        ("--oaa 5", zero_or_one_based),
        ("--csoaa 5", either_costs),
        ("", growing),
        ("-q ff", growing),
        ("--oaa 5 -t", zero_or_one_based),
        ("--csoaa 5 -t", either_costs),
        ("--cb 5", lines.bandit),
    ],
)
def test_a_trial_tells_what_serving_tells(arguments: str, form: Callable[[random.Random], bytes]) -> None:
    for seed in range(30):
        data = lines.spoilt(form, 6, seed) if seed % 2 else lines.stream(form, 6, seed)
        learner = Learner(arguments + " -b 8")
        trial = learner.trial()
        for line in data:
            error = trial.take(line)
            (reply,) = learner.answer_each([line])
            assert (reply.text == f"!error {error}".encode()) if error else not reply.refused
        learner.close()


def served(arguments: str, blocks: Iterable[Sequence[bytes]]) -> tuple[list[bytes], Standing]:
    """Which lines of these blocks are taken, and how the learner stands after them."""
    learner = Learner(arguments)
    taken = []
    for block in blocks:
        replies = learner.answer_each(block)
        taken += [line for line, reply in zip(block, replies) if not reply.refused]
    standing = learner.standing
    learner.close()
    return taken, standing


def nines(rng: random.Random) -> bytes:
    """A label and a value, each ordinary or just beyond, and mostly large together."""
    return b"%d |f a:%d" % (10 ** rng.randrange(3, 8) - 1, 10 ** rng.randrange(6, 12) - 1)


STREAMS: list[tuple[str, Callable[[random.Random], bytes]]] = [
    ("", nines),
    ("--ftrl", nines),
    ("-q ff", growing),
    ("--oaa 5 --indexing 1", lines.multiclass),
    ("--oaa 5", zero_or_one_based),
    ("--csoaa 5", either_costs),
    ("--cb 5", lines.bandit),
]


@pytest.mark.parametrize(("arguments", "form"), STREAMS)
def test_where_blocks_end_changes_neither_which_lines_are_taken_nor_what_they_settle(
    arguments: str, form: Callable[[random.Random], bytes]
) -> None:
    for seed in range(12):
        rng = random.Random(seed)
        data = lines.spoilt(form, 24, seed) if seed % 2 else lines.stream(form, 24, seed)
        whole, alone = served(arguments + " -b 8", [data]), served(arguments + " -b 8", [[line] for line in data])
        ends = [0, *sorted(rng.sample(range(25), 4)), 24]
        cut = served(arguments + " -b 8", [data[start:end] for start, end in pairwise(ends)])
        assert whole == alone == cut
        taken, standing = whole
        assert served(arguments + " -b 8", [taken]) == (taken, standing)  # as a journal is learned again


def test_a_large_value_after_an_ordinary_label_is_taken_in_one_block_as_in_two() -> None:
    data = [b"999999 |f b", b"1 |f a:10000000000"]
    assert served("", [data[:1], data[1:]]) == served("", [data]) == (data, Standing(reach=1.0))


def test_a_trial_moves_neither_the_model_nor_the_trial_that_it_comes_from() -> None:
    learner = Learner("--oaa 5")
    first = learner.trial()
    second = first.trial()
    assert second.take(b"0 |f a") is None
    assert second.take(b"5 |f a") is not None
    assert first.take(b"5 |f a") is None
    assert first.take(b"0 |f a") is not None
    assert learner.fault(b"0 |f a") is learner.fault(b"5 |f a") is None
    assert (learner.tally.examples, learner.tally.refused) == (0, 0)
    learner.close()


def test_what_names_both_ends_settles_nothing() -> None:
    learner = Learner("--csoaa 3")
    trial = learner.trial()
    assert trial.take(b"0:1 3:2 |f a") is not None
    assert trial.take(b"3:2 |f a") is None
    learner.close()
