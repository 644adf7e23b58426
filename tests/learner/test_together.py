"""Several learners from one parse: the same bytes as each by itself, now and ever after."""

import random

import pytest

from vwserve.learner import Learner, answer_together, take_together

ARGUMENTS = (
    "--loss_function logistic --link logistic -b 18",
    "-b 20 -q uc --loss_function logistic",
    "-b 10 --interactions ucu --ftrl",
    "-b 18 --sgd -l 0.1",
    "-b 14 --loss_function logistic --binary",
    "-b 12 --coin",
    "-b 12 --noconstant",
    "-b 12 --ngram 2 --skips 1",
    "-b 12 --ignore u",
    "-b 12 --nn 2",
    "-b 12 --hash all",
    "-b 12 --oaa 3 --indexing 1",
    "-b 12 -t",
)


def line(chance: random.Random, head: str) -> bytes:
    """A line that all of these take, with this before its features."""
    user = " ".join(f"u{chance.randrange(50)}:{chance.random():.3f}" for _ in range(chance.randrange(6)))
    context = " ".join(f"{chance.randrange(30)} c{chance.randrange(9)}" for _ in range(chance.randrange(4)))
    return f"{head}|u {user} |c {context}\n".encode()


@pytest.mark.parametrize("tagged", [False, True])
def test_answers_and_learns_on_as_each_by_itself(tagged: bool) -> None:
    chance = random.Random(3)
    together = [Learner(each) for each in ARGUMENTS]
    alone = [Learner(each) for each in ARGUMENTS]
    for _ in range(12):
        block = b"".join(line(chance, "1 ") for _ in range(40))
        assert [learner.answer(block) for learner in together] == [learner.answer(block) for learner in alone]
        block = b"".join(line(chance, f"'t{chance.randrange(9)} " if tagged else "") for _ in range(60))
        assert take_together(together, block)
        assert answer_together(together, block) == [learner.answer(block) for learner in alone]
    assert [learner.tally.examples for learner in together] == [learner.tally.examples for learner in alone]
    assert [learner.sum_loss for learner in together] == [learner.sum_loss for learner in alone]


def test_labelled_lines_are_learned_by_all() -> None:
    together = [Learner("-b 10"), Learner("-b 10 -q uc")]
    alone = [Learner("-b 10"), Learner("-b 10 -q uc")]
    block = b"1 |u a |c b\n|u a |c b\n"
    for _ in range(3):
        assert answer_together(together, block) == [learner.answer(block) for learner in alone]
    assert [learner.tally.learned for learner in together] == [3, 3]


def test_what_one_does_not_take_not_all_take() -> None:
    learners = [Learner("-b 10"), Learner("-b 10 --oaa 3 --indexing 1")]
    assert take_together(learners, b"3 |u a\n")
    assert not take_together(learners, b"0.5 |u a\n")
    assert not take_together(learners, b"garbage\n")


def test_reads_lines_alike_whatever_the_interactions_and_the_rule() -> None:
    readings = [Learner(each).reading for each in ARGUMENTS]
    assert readings[0] is not None
    assert readings[:2] == [readings[0]] * 2
    assert readings[4] == readings[0]
    assert not {readings[place] for place in (6, 7, 8, 10)} & {readings[0]}
    assert readings[9] is readings[11] is None
