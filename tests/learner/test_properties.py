"""Lines that are no examples cost only themselves: whatever comes, VW sees what is an example and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.learner import lines
from tests.learner.reference import complaints, joined, joined_groups, vw
from tests.learner.weights import weights
from vwserve.learner import Learner
from vwserve.learner.binding import Workspace

LINES = 1500
GROUPS = 400

Line = Callable[[random.Random], bytes]
Group = Callable[[random.Random], list[bytes]]

SINGLE: list[tuple[str, Line]] = [
    ("-q fg", lines.simple),
    ("--ftrl --ngram 2", lines.simple),
    ("--loss_function logistic --link logistic", lines.binary),
    ("--loss_function hinge", lines.binary),
    ("--binary", lines.binary),
    ("--loss_function poisson", lines.counts),
    ("--nn 3", lines.binary),
    ("--oaa 5", lines.multiclass),
    ("--oaa 5", lines.zero_based),
    ("--oaa 5 --probabilities --loss_function logistic", lines.multiclass),
    ("--oaa 3 --named_labels cat,dog,bird", lines.named),
    ("--ect 5", lines.multiclass),
    ("--recall_tree 5", lines.multiclass),
    ("--csoaa 5", lines.costs),
    ("--multilabel_oaa 5", lines.multilabel),
    ("--plt 5 --loss_function logistic", lines.multilabel),
    ("--cb 5", lines.bandit),
    ("--cb_explore 5 --cover 3", lines.bandit),
    ("--cats 4 --bandwidth 3 --min_value 0 --max_value 32", lines.continuous),
]

SEVERAL: list[tuple[str, Group]] = [
    ("--csoaa_ldf m", lines.costed_actions),
    ("--cb_adf", lines.bandit_actions),
    ("--cb_explore_adf --cover 3", lines.bandit_actions),
    ("--ccb_explore_adf", lines.slots),
    ("--slates", lines.slates),
]

# What VW also says of lines that are right (`|f:2`, a weight and then nothing), so that it is no sign of a misreading.
HARMLESS = (
    "--probabilities should be used",
    "mtr is only used for the first policy",
    "NAN prediction",
    "update is NAN",
    "Float expected after",
    "ldf example has mix of train/test data",  # it counts a shared line as training
    "Unlabeled example in train set",
)


def sound(complaint: str) -> bool:
    """Whether a complaint of VW is about something else than its input."""
    return any(harmless in complaint for harmless in HARMLESS)


@pytest.mark.parametrize(("arguments", "form"), SINGLE)
def test_spoilt_lines_are_refused_and_the_others_answered_as_if_alone(
    arguments: str, form: Line, tmp_path: Path
) -> None:
    arguments += " -b 12"
    learner = Learner(arguments)
    answers, accepted = [], []
    for start in range(0, LINES, 50):
        block = lines.spoilt(form, 50, seed=start)
        texts = learner.answer_each(block)
        assert len(texts) == len(block)  # none goes unanswered, none is answered twice
        for line, reply in zip(block, texts):
            assert b"VW refuses" not in reply.text, line  # what VW raises on is known before
            if not reply.refused:
                accepted.append(line.removeprefix(b"\xef\xbb\xbf"))
                answers.append(reply)
    assert LINES / 4 < len(accepted) < LINES * 0.9
    assert learner.tally.refused == LINES - len(accepted)
    assert learner.tally.examples == len(accepted)
    data = joined(accepted)
    expected = vw(arguments, data, tmp_path)
    alone = Learner(arguments)
    assert alone.answer(data) == expected
    assert weights(learner, arguments) == weights(alone, arguments)
    if not form.__name__.startswith(("multilabel", "bandit", "continuous")):
        printed = [line.split(b"\n")[0] for line in expected.split(b"\n")]
        assert [(reply.text + b" " + reply.tag if reply.tag else reply.text) for reply in answers] == [
            text for text in printed if text
        ]
    assert list(filter(lambda text: not sound(text), complaints(arguments, data, tmp_path))) == []
    learner.close()
    alone.close()


@pytest.mark.parametrize(("arguments", "form"), SEVERAL)
def test_spoilt_multi_line_examples_are_refused_and_the_others_answered_as_if_alone(
    arguments: str, form: Group, tmp_path: Path
) -> None:
    rng = random.Random(1)
    arguments += " -b 12"
    whole = lines.groups(form, 100)
    single = [line for group in whole for line in group]
    groups = []
    for _ in range(GROUPS):
        group = list(rng.choice(whole))
        place = rng.randrange(len(group))
        fault = rng.random()
        if fault < 0.3:
            group[place] = lines.mutated(rng, group[place], single)
        elif fault < 0.5:
            group.insert(place, rng.choice(single))
        elif fault < 0.6 and len(group) > 1:
            del group[place]
        elif fault < 0.7:
            rng.shuffle(group)
        groups.append(group)
    learner = Learner(arguments)
    texts = learner.answer_groups(groups)
    assert len(texts) == GROUPS
    assert [text for text in texts if b"VW refuses" in text] == []
    accepted = [
        [line.removeprefix(b"\xef\xbb\xbf") for line in group]
        for group, text in zip(groups, texts)
        if not text.startswith(b"!error")
    ]
    assert GROUPS / 4 < len(accepted) < GROUPS * 0.95
    data = joined_groups(accepted)
    assert b"".join(text for text in texts if not text.startswith(b"!error")) == vw(arguments, data, tmp_path)
    assert list(filter(lambda text: not sound(text), complaints(arguments, data, tmp_path))) == []
    learner.close()


@pytest.mark.parametrize(("arguments", "form"), SINGLE[:8])
def test_how_spoilt_lines_are_mixed_into_blocks_changes_no_answer(arguments: str, form: Line) -> None:
    data = lines.spoilt(form, 700, seed=5)
    together, apart = Learner(arguments + " -b 12"), Learner(arguments + " -b 12")
    assert together.answer(joined(data)) == b"".join(apart.answer(line + b"\n") for line in data)
    assert weights(together) == weights(apart)
    together.close()
    apart.close()


_SERVED = Learner("-b 8 -q fg")

_words = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n|: \t\0\x7f", exclude_categories=["Cc"]), max_size=6
)
_values = st.floats(-100, 100, width=32).map(lambda value: f":{value:.4f}") | st.just("")
_features = st.lists(st.tuples(_words, _values).map("".join).filter(bool), max_size=5).map(" ".join)
_labels = st.one_of(
    st.just(""),
    st.floats(-10, 10).map(lambda label: f"{label:.3f} "),
    st.tuples(st.floats(-10, 10), st.floats(0, 5)).map(lambda pair: f"{pair[0]:.3f} {pair[1]:.2f} 'tag "),
)
_valid = st.tuples(_labels, _features, _features).map(lambda parts: f"{parts[0]}|f {parts[1]} |g {parts[2]}".encode())


@settings(max_examples=100)
@given(st.lists(_valid, min_size=1, max_size=8))
def test_random_valid_lines_are_answered_as_vw_does(data: list[bytes]) -> None:
    ours, theirs = Learner("-b 8 -q fg"), Workspace(["-b", "8", "-q", "fg"])
    answers = ours.answer(joined(data)).split(b"\n")[:-1]
    for line, answer in zip(data, answers, strict=True):
        (parsed,) = theirs.parse(line)
        scalars: list[float] = []
        theirs.learn([parsed], scalars)
        assert float(answer.split()[0]) == pytest.approx(scalars[0], abs=1e-6)
    assert weights(ours) == weights(theirs)
    ours.close()
    theirs.close()


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_get_one_answer_a_line_and_never_reach_another(before: bytes, after: bytes) -> None:
    block = [(text.replace(b"\n", b"") or b"x") for text in (before, after)]
    (first, second, third) = _SERVED.answer_each([block[0], b"'probe |f probe", block[1]], learn=False)
    assert (second.text, second.tag) == (b"0", b"probe")
    for reply in (first, third):
        assert reply.text and b"\n" not in reply.text
