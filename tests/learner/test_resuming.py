"""A learner that goes on from its file is as if it had not stopped: its answers, its weights and its losses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.learner import lines
from tests.learner.reference import joined
from tests.learner.test_golden import CLASSES, DECISIONS, MULTILINE, SCALAR, Group, Line, cases
from vwserve.learner import Learner

LINES, GROUPS = 300, 120
COUNTED_ANEW = {"-t", "--cbzo --policy constant"}  # by VW: a servable adds what was before
SOONER = {"--stage_poly": "--stage_poly --batch_sz 50"}  # what shows it in as few lines

# Learners that are built on others.
BUILT: dict[Line, list[str]] = {
    lines.simple: ["--marginal g --compete"],
    lines.multiclass: ["--oaa 5 --nn 2", "--oaa 5 --lrq fg2", "--ect 5 --l2 0.001 -q fg", "--recall_tree 5 --ftrl"],
    lines.costs: ["--csoaa 5 --indexing 1 --coin", "--csoaa 5 --indexing 1 --nn 2"],
    lines.multilabel: ["--multilabel_oaa 5 --pistol"],
    lines.bandit: [
        "--cb 5 --interact fg",
        "--cb 5 -q fg --l1 0.001 --l2 0.001",
        "--cb_explore 5 --cover 2 --baseline",
        "--cb_explore 5 --bag 2 --random_weights",
        "--cb_explore 5 --bag 2 --ftrl",
        "--cb_explore 5 --cb_force_legacy --first 4",
    ],
}
BUILT_OF_SEVERAL_LINES: dict[Group, list[str]] = {
    lines.costed_actions: [
        "--csoaa_ldf m --coin",
        "--wap_ldf m --ftrl",
        "--csoaa_ldf m --sgd",
    ],
    lines.bandit_actions: [
        "--cb_explore_adf --bootstrap 2",
        "--cb_explore_adf --lrq fg2",
        "--explore_eval --cb_explore_adf",
        "--cb_explore_adf --cb_type dr --nn 2",
        "--cb_explore_adf --cb_type dr --pistol",
    ],
    lines.words: ["--search 3 --search_task sequence --ftrl"],
}

# Its end: the options as text, or none in one byte, and a checksum of four bytes after their number.
_HEADER = re.compile(rb"(?: --[^\0]*|\x01\0\0\0)\0\x04\0\0\0.{4}", re.DOTALL)


def answers(learner: Learner, examples: Sequence[bytes] | Sequence[list[bytes]]) -> list[bytes]:
    """Serve and learn."""
    if learner.multiline:
        return learner.answer_groups([each for each in examples if isinstance(each, list)])
    return learner.answer(joined(each for each in examples if isinstance(each, bytes))).split(b"\n")


def content(learner: Learner, folder: Path) -> bytes:
    """What is saved after the options, among which a settled class and a seed may stand in another order."""
    file = folder / "content.vw"
    learner.save(file)
    return _HEADER.split(file.read_bytes(), maxsplit=1)[1]


def resumed_alike(examples: Sequence[bytes] | Sequence[list[bytes]], arguments: str, folder: Path) -> None:
    """Stop a learner twice, each time going on from its file, beside one that does not stop."""
    whole, parted = Learner(arguments), Learner(arguments)
    third = len(examples) // 3
    for number in range(3):
        part = examples[number * third : (number + 1) * third]
        assert answers(parted, part) == answers(whole, part)
        if arguments not in COUNTED_ANEW:
            assert parted.sum_loss == whole.sum_loss
        assert parted.standing == whole.standing
        file, standing = folder / f"{number}.vw", parted.standing
        parted.save(file)
        parted.close()
        parted = Learner(arguments, initial=file, standing=standing)
    if arguments not in COUNTED_ANEW and "--sparse_weights" not in arguments:  # whose order is by chance
        assert content(parted, folder) == content(whole, folder)
    parted.close()
    whole.close()


def check(examples: Sequence[bytes] | Sequence[list[bytes]], arguments: str, folder: Path) -> None:
    """What a learner says of its file is so: it tells all, or one that goes on from it differs."""
    learner = Learner(arguments)
    tells_all = learner.tells_all
    learner.close()
    arguments = SOONER.get(arguments, arguments)
    if tells_all:
        resumed_alike(examples, arguments, folder)
    else:
        with pytest.raises(AssertionError):
            resumed_alike(examples, arguments, folder)


@pytest.mark.parametrize(("form", "arguments"), [*cases(SCALAR), *cases(CLASSES), *cases(DECISIONS), *cases(BUILT)])
def test_goes_on_as_if_it_had_not_stopped(form: Line, arguments: str, tmp_path: Path) -> None:
    check(lines.stream(form, LINES), arguments, tmp_path)


@pytest.mark.parametrize(("form", "arguments"), [*cases(MULTILINE), *cases(BUILT_OF_SEVERAL_LINES)])
def test_goes_on_with_multi_line_examples(form: Group, arguments: str, tmp_path: Path) -> None:
    check(lines.groups(form, GROUPS), arguments, tmp_path)


@pytest.mark.parametrize("arguments", ["--oaa 5", "--csoaa 5"])
@pytest.mark.parametrize("first", [0, 1])
def test_what_a_label_settled_stays_settled(arguments: str, first: int, tmp_path: Path) -> None:
    learner = Learner(arguments)
    label = b"%d:1" if "csoaa" in arguments else b"%d"
    learner.answer(label % (0 if first == 0 else 5) + b" |f a\n")
    for generation in range(3):
        file, standing = tmp_path / f"{generation}.vw", learner.standing
        assert standing.first_class == first
        learner.save(file)
        learner.close()
        learner = Learner(arguments, initial=file, standing=standing)
        assert learner.answer(label % (5 if first == 0 else 0) + b" |f a\n").startswith(b"!error")
    learner.close()


def test_what_no_label_settled_is_open_still(tmp_path: Path) -> None:
    learner = Learner("--oaa 5")
    learner.answer(b"3 |f a\n")
    learner.save(tmp_path / "m.vw")
    resumed = Learner("--oaa 5", initial=tmp_path / "m.vw", standing=learner.standing)
    assert not resumed.answer(b"0 |f a\n").startswith(b"!")
    assert resumed.answer(b"5 |f a\n").startswith(b"!")


def test_a_large_label_that_was_met_counts_after_resuming(tmp_path: Path) -> None:
    learner, line = Learner(""), b"1 |f a:10000000000\n"
    assert not learner.answer(b"1000000 |f b\n").startswith(b"!")
    assert learner.answer(line).startswith(b"!")
    learner.save(tmp_path / "m.vw")
    resumed = Learner("", initial=tmp_path / "m.vw", standing=learner.standing)
    assert resumed.answer(line) == learner.answer(line)


def test_a_model_that_started_from_a_file_of_fewer_normalisations_does_not_tell_all(tmp_path: Path) -> None:
    """VW cannot be told to save those of each class where the file that it started from lacks them."""
    seed = Learner("--oaa 3 --indexing 1", learn=False)
    seed.save(tmp_path / "seed.vw")
    assert not Learner("--oaa 3 --indexing 1", initial=tmp_path / "seed.vw").tells_all
    assert Learner("--oaa 3 --indexing 1").tells_all


def test_a_static_model_tells_all() -> None:
    assert Learner("--replay_b 5", learn=False).tells_all
