"""A learner that learns again what it learned, without the predictions in between, is the same, or says it is not."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.learner import lines
from tests.learner.test_golden import CLASSES, DECISIONS, MULTILINE, SCALAR, Group, Line, cases
from tests.learner.test_resuming import BUILT, BUILT_OF_SEVERAL_LINES, content
from vwserve.learner import Learner
from vwserve.lines import block_of

LINES, GROUPS = 160, 70
STREAMS = 10  # of which one has to show it

Example = list[bytes]
Make = Callable[[int, int], Sequence[Example]]
"""Makes so many examples, by a seed."""

# What shows it in as few examples, where it does not show at once.
SOONER = {
    "--stage_poly": "--stage_poly --batch_sz 50",
    "--cb_explore_adf --epsilon_decay --model_count 2": "--cb_explore_adf --epsilon_decay --min_scope 5",
    "--cb_sample --cb_explore_adf": "--cb_sample --cb_explore_adf --epsilon 0.5",
    "--slates": "--slates --epsilon 0.5",
    "--slates -q fg --epsilon 0.1": "--slates -q fg --epsilon 0.5",
}
LONGER = {"--marginal g"}
OTHERWISE_SHOWN = {"--csoaa 5", "--replay_c 5 --csoaa 5"}  # by the last test
# In which VW adds to the loss what an example without a label would have cost, had it had one (oaa.cc, csoaa_ldf.cc).
LOSS_OF_ALL = re.compile(r"--oaa .*(--scores|--probabilities)|--(csoaa|wap)_ldf")
COUNTERS_BYTES = 80  # next to each other in VW's file


class Differs(AssertionError):
    """Two learners are not the same."""


def observed(learner: Learner, example: Example) -> bool:
    """Whether an example is one for the journal."""
    return any(learner.trial().observed(block_of(example)))


def interleaved(learner: Learner, examples: Sequence[Example], more: Sequence[Example]) -> list[Example]:
    """Two unlabelled examples of `more`, then the others, with up to two unlabelled ones before each."""
    rng = random.Random(6)
    unlabelled = [each for each in more if not observed(learner, each)]
    mixed = [unlabelled.pop(), unlabelled.pop()]
    for each in examples:
        mixed += [unlabelled.pop() for _ in range(rng.randrange(3)) if unlabelled]
        mixed.append(each)
    return mixed


def answer(learner: Learner, example: Example) -> bytes:
    """Serve one example, and learn it where it is labelled."""
    return learner.answer_groups([example])[0] if learner.multiline else learner.answer(block_of(example))


def same(one: object, other: object) -> None:
    """Raise where two things are not equal."""
    if one != other:
        raise Differs(f"{one!r:.200} is not {other!r:.200}")


def same_but_for_counters(one: bytes, other: bytes) -> None:
    """Compare what two learners save."""
    same(len(one), len(other))
    places = [place for place, pair in enumerate(zip(one, other)) if pair[0] != pair[1]]
    if places and places[-1] - places[0] >= COUNTERS_BYTES:
        raise Differs(f"they differ from byte {places[0]} to {places[-1]}")


def replayed_alike(arguments: str, make: Make, count: int, folder: Path, seed: int = 1) -> None:
    """Learn a stream with predictions in between, and what was learned of it once more without them."""
    served, replayed = Learner(arguments), Learner(arguments)
    for example in interleaved(served, make(count, seed), make(4 * count, -seed)):
        answered = answer(served, example)
        if observed(served, example):
            same(answer(replayed, example), answered)
    if "--sparse_weights" not in arguments:  # whose order is by chance
        same_but_for_counters(content(replayed, folder), content(served, folder))
    same(replayed.standing, served.standing)
    if not LOSS_OF_ALL.search(arguments):
        same(replayed.sum_loss, served.sum_loss)
    for example in make(count // 3, 100 + seed):
        same(answer(replayed, example), answer(served, example))
    served.close()
    replayed.close()


def check(arguments: str, make: Make, count: int, folder: Path) -> None:
    """What a learner says of its journal is so."""
    learner = Learner(arguments)
    exactly = learner.replays_exactly
    learner.close()
    if exactly:
        replayed_alike(arguments, make, count, folder)
    elif arguments not in OTHERWISE_SHOWN:
        arguments, count = SOONER.get(arguments, arguments), count * (4 if arguments in LONGER else 1)
        with pytest.raises(Differs):
            for seed in range(1, STREAMS + 1):
                replayed_alike(arguments, make, count, folder, seed)


@pytest.mark.parametrize(("form", "arguments"), [*cases(SCALAR), *cases(CLASSES), *cases(DECISIONS), *cases(BUILT)])
def test_what_was_learned_makes_the_same_model_again(form: Line, arguments: str, tmp_path: Path) -> None:
    check(arguments, lambda count, seed: [[line] for line in lines.stream(form, count, seed)], LINES, tmp_path)


@pytest.mark.parametrize(("form", "arguments"), [*cases(MULTILINE), *cases(BUILT_OF_SEVERAL_LINES)])
def test_multi_line_examples_that_were_learned_make_the_same_model_again(
    form: Group, arguments: str, tmp_path: Path
) -> None:
    check(arguments, lambda count, seed: lines.groups(form, count, seed), GROUPS, tmp_path)


def test_a_prediction_settles_where_the_classes_of_csoaa_count_from() -> None:
    served, replayed = Learner("--csoaa 5"), Learner("--csoaa 5")
    served.answer(b"0 |f a\n")
    for learner in (served, replayed):
        learner.answer(b"2:1 3:0 |f a\n")
    assert served.answer(b"|f a\n") != replayed.answer(b"|f a\n")
    assert (served.standing.first_class, replayed.standing.first_class) == (0, None)
    assert not served.replays_exactly
    assert Learner("--csoaa 5 --indexing 0").replays_exactly


def test_a_static_model_has_nothing_to_replay() -> None:
    assert Learner("--bootstrap 3", learn=False).replays_exactly
