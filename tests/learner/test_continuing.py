"""Which changes of VW's arguments keep what was learned: judged from the words, and held against VW itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.learner import lines
from vwserve.learner import Learner, continues
from vwserve.lines import block_of

# -- what is judged --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("-b 18", "-b 18"),
        ("-b 18 --oaa 3", "--oaa 3 -b 18"),
        ("-l 0.5", "-l 0.1"),
        ("-l 0.5", "--learning_rate=0.1"),
        ("-l0.5", "-l 0.1"),
        ("", "-l 0.1 --power_t 0.3 --l1 1e-6 --l2 1e-6 --initial_t 1 --decay_learning_rate 0.9"),
        ("--l2 0.1 --initial_t 5 --decay_learning_rate 0.9", ""),
        ("--l1 0.1", "--l1 0.2"),
        ("", "-q ab"),
        ("-q ab", "-q ab -q ac"),
        ("-qab", "--quadratic ab --quadratic=ac --cubic abc --interactions abcd"),
        ("-q ab --cubic abc", "--cubic abc -q xy -q ab"),
        ("-q ab --min_prediction -5", "-q ab -q cd --min_prediction -5"),
        ("--quadratic ab cd", "--quadratic ab cd ef"),
    ],
)
def test_other_rates_and_further_interactions_keep_what_was_learned(before: str, after: str) -> None:
    assert continues(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("-b 18", "-b 19"),
        ("-b 18", ""),
        ("", "--oaa 3"),
        ("--loss_function logistic", "--loss_function hinge"),
        ("", "--sgd"),
        ("", "--ftrl"),
        ("", "--hash all"),
        ("", "--noconstant"),
        ("", "--ngram 2"),
        ("", "-t"),
        ("--redefine a:=b --redefine b:=c", "--redefine b:=c --redefine a:=b"),
        ("-l 0.5", ""),
        ("--power_t 0.5", ""),
        ("--l1 0.1", ""),
        ("-q ab", ""),
        ("-q ab -q cd", "-q ab"),
        ("-q ab", "-q ba"),
        ("-q ab", "-q ab -q ba"),
        ("--cubic abc", "--interactions abc --interactions cab"),
        ("-q ab -q ab", "-q ab"),
        ("-q ab", "--experimental_full_name_interactions a|b -q ab"),
    ],
)
def test_everything_else_does_not(before: str, after: str) -> None:
    assert not continues(before, after)


words = st.lists(
    st.sampled_from(
        ["-l 0.1", "-l 1", "-q ab", "-qcd", "--cubic abc", "-b 18", "--l1 1", "--l2=2", "--oaa 3", "x", "-"]
    ),
    max_size=6,
).map(" ".join)


@given(words)
def test_what_does_not_change_keeps_what_was_learned(line: str) -> None:
    assert continues(line, line)


@given(words, words, words)
def test_what_keeps_it_twice_keeps_it(first: str, second: str, third: str) -> None:
    if continues(first, second) and continues(second, third):
        assert continues(first, third)


# -- what VW does ----------------------------------------------------------------------------------------------------

PROBES = [b"|f h1 a b:2 |g n1 m2:3", b"|f h-1 again |g n2", b"|h n3 m4"]
LEARNERS = ["", "--loss_function logistic", "--sgd", "--nn 2", "--coin", "--ftrl", "--boosting 2", "--link logistic"]
RATES = [
    ("-l 0.5", "-l 0.05"),
    ("", "--power_t 0.3"),
    ("", "--l1 1e-4"),
    ("--l1 1e-3", "--l1 1e-4"),
    ("", "--l2 1e-3"),
    ("--l2 1e-2", ""),
    ("", "--decay_learning_rate 0.5"),
]


class Changed:
    """A model that learned under one argument line, and goes on under the same and under another."""

    def __init__(self, before: str, after: str, folder: Path) -> None:
        assert continues(before, after)
        self._folder = folder
        learner = Learner(before)
        learn(learner, STREAM)
        self.file, standing = folder / "m.vw", learner.standing
        learner.save(self.file)
        learner.close()
        self.alike = Learner(before, initial=self.file, standing=standing)
        self.otherwise = Learner(after, initial=self.file, standing=standing)

    def weights(self) -> tuple[bytes, bytes]:
        """The weights of both, and whatever else stands behind the options in a model file."""
        found = []
        for learner in (self.alike, self.otherwise):
            learner.save(self._folder / "now.vw")
            found.append(HEADER.split((self._folder / "now.vw").read_bytes(), 1)[1])
        return found[0], found[1]

    def close(self) -> None:
        """Free both."""
        self.alike.close()
        self.otherwise.close()


# Its end: the options as text, or none in one byte, and a checksum of four bytes after their number.
HEADER = re.compile(rb"(?: --[^\0]*|\x01\0\0\0)\0\x04\0\0\0.{4}", re.DOTALL)
STREAM = lines.stream(lines.simple, 300)
LATER = [b"1 " + line for line in PROBES] * 5


def learn(learner: Learner, examples: Sequence[bytes]) -> None:
    learner.answer(block_of(examples))


def predictions(learner: Learner) -> bytes:
    return learner.answer(block_of(PROBES), learn=False)


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize(("before", "after"), RATES)
def test_other_rates_leave_weights_and_predictions(learner: str, before: str, after: str, tmp_path: Path) -> None:
    changed = Changed(f"-b 16 {learner} {before}", f"-b 16 {learner} {after}", tmp_path)
    assert predictions(changed.otherwise) == predictions(changed.alike)
    alike, otherwise = changed.weights()
    assert otherwise == alike
    changed.close()


@pytest.mark.parametrize(("before", "after"), RATES[:-1])
def test_from_then_on_the_other_rate_is_learned_with(before: str, after: str, tmp_path: Path) -> None:
    changed = Changed(f"-b 16 {before}", f"-b 16 {after}", tmp_path)
    for each in (changed.alike, changed.otherwise):
        learn(each, LATER)
    alike, otherwise = changed.weights()
    assert otherwise != alike
    changed.close()


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize(("before", "after"), [("", "-q fg"), ("-q fg", "-q fg -q gh"), ("-q gh", "--cubic fgh -q gh")])
def test_further_interactions_leave_the_weights_and_learn_on_beside_them(
    learner: str, before: str, after: str, tmp_path: Path
) -> None:
    changed = Changed(f"-b 16 {learner} {before}", f"-b 16 {learner} {after}", tmp_path)
    alike, otherwise = changed.weights()
    assert otherwise == alike
    line = b"1 |f new1 |g new2 |h new3"
    for each in (changed.alike, changed.otherwise):
        learn(each, [line] * 20)
    alike, otherwise = changed.weights()
    assert len(otherwise) > len(alike)  # the weights of crosses that nobody had made
    changed.close()


def test_the_first_features_of_all_begin_where_initial_t_says(tmp_path: Path) -> None:
    changed = Changed("-b 16", "-b 16 --initial_t 10", tmp_path)
    assert predictions(changed.otherwise) == predictions(changed.alike)
    learn(changed.alike, [b"1 |f new"])
    learn(changed.otherwise, [b"1 |f new"])
    assert changed.otherwise.answer(b"|f new\n") != changed.alike.answer(b"|f new\n")
    changed.close()


@pytest.mark.parametrize(("before", "after"), [("-l 0.05", ""), ("--power_t 0.1", ""), ("--l1 1e-3", "")])
def test_what_vw_would_go_on_with_though_it_was_taken_away(before: str, after: str, tmp_path: Path) -> None:
    learner = Learner(f"-b 16 {before}")
    learn(learner, STREAM)
    learner.save(tmp_path / "m.vw")
    resumed = Learner("-b 16", initial=tmp_path / "m.vw", standing=learner.standing)
    stated = Learner("-b 16 -l 0.5 --power_t 0.5", initial=tmp_path / "m.vw", standing=learner.standing)
    kept_alive = predictions(resumed) != predictions(learner)
    for each in (resumed, stated):
        learn(each, LATER)
    assert kept_alive or predictions(resumed) != predictions(stated)
    for each in (learner, resumed, stated):
        each.close()
