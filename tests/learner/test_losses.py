"""Which loss it is that VW sums."""

import pytest

from vwserve.learner import Learner


@pytest.mark.parametrize(
    ("arguments", "loss"),
    [
        ("", "squared"),
        ("--loss_function logistic --link logistic", "logistic"),
        ("--loss_function hinge", "hinge"),
        ("--loss_function logistic --binary", "zero-one"),
        ("--oaa 3", "zero-one"),
        ("--csoaa 3", "cost"),
        ("--csoaa_ldf m", "cost"),
        ("--cb_explore_adf", "estimated cost"),
        ("--multilabel_oaa 3", "hamming"),
        ("--search 2 --search_task sequence", "hamming"),
    ],
)
def test_names_the_loss(arguments: str, loss: str) -> None:
    learner = Learner(f"-b 10 {arguments}")
    assert learner.loss == loss
    learner.close()


def test_the_loss_of_classes_is_the_share_of_wrong_ones() -> None:
    learner = Learner("-b 10 --oaa 3")
    answers = learner.answer(b"1 |f a\n2 |f a\n2 |f a\n")
    wrong = sum(answer != label for answer, label in zip(answers.split(), [b"1", b"2", b"2"]))
    assert learner.sum_loss == wrong
    assert learner.tally.labelled == 3
    learner.close()
