"""Which lines make a multi-line example together, known before VW raises or crashes half way through."""

from __future__ import annotations

import pytest

from vwserve.learner import Learner
from vwserve.learner.groups import group_fault, with_lent

RIGHT: list[tuple[str, list[bytes]]] = [
    ("--cb_adf", [b"|a x", b"1:1:0.5 |a y"]),
    ("--cb_adf", [b"shared |s x", b"|a x"]),
    ("--cb_adf", [b"1:1:0.5 |a x"]),
    ("--csoaa_ldf m", [b"1:1 |a x", b"2:0 |a y"]),
    ("--csoaa_ldf m", [b"shared |s x", b"1 |a x", b"2 |a y"]),
    ("--ccb_explore_adf", [b"ccb shared |s x", b"ccb action |a x", b"ccb slot 0:1:1 |t y"]),
    ("--ccb_explore_adf", [b"ccb shared |", b"ccb action |a", b"ccb action |b", b"ccb slot 0,1 |", b"ccb slot |"]),
    ("--slates", [b"slates shared 1 |s x", b"slates action 0 |a x", b"slates slot 0:1 |t y"]),
    ("--slates", [b"slates shared |s x", b"slates action 0 |a x", b"slates action 0 |a z", b"slates slot |t y"]),
]

WRONG: list[tuple[str, list[bytes], str]] = [
    ("--cb_adf", [b"shared |s x"], "at least one action must follow"),
    ("--cb_adf", [b"|a x", b"shared |s x"], "'shared' may only open"),
    ("--cb_adf", [b"shared |s x", b"shared |s x", b"|a x"], "'shared' may only open"),
    ("--cb_adf", [b"1:1:0.5 |a x", b"1:1:0.5 |a y"], "more than one action has a cost"),
    ("--cb_adf", [b"1:1:0.5 2 |a x"], "line 1: one label a line"),
    ("--cb_adf", [b"1:1 |a x"], "line 1: '1:1' is not action:cost:probability"),
    ("--cb_adf", [b"|a x", b"1:1:0 |a x"], "line 2: probability '0' is below"),
    ("--cb_adf", [b"shared 1 |s x", b"|a x"], "line 1: nothing may follow 'shared'"),
    ("--cb_adf", [b"shared graph 0,0,1 |s x", b"|a x"], "line 1: nothing may follow 'shared'"),
    ("--csoaa_ldf m", [b"|a x", b"|a y"], "line 1: the label is missing"),
    ("--csoaa_ldf m", [b"1:1 |a x", b"|a y"], "line 2: the label is missing"),
    ("--csoaa_ldf m", [b"1:1 |a x", b"2 |a y"], "some lines have a cost and some have none"),
    ("--csoaa_ldf m", [b"1:1 2:0 |a x"], "line 1: one class a line"),
    ("--csoaa_ldf m", [b"label:3 |a x"], "line 1: 'label' is not a class number"),
    ("--wap_ldf m", [b"|a x"], "line 1: the label is missing"),
    ("--ccb_explore_adf", [b"|a x"], "line 1: the label is missing"),
    ("--ccb_explore_adf", [b"ccb action |a x", b"ccb slot |t"], "there is one 'ccb shared'"),
    ("--ccb_explore_adf", [b"ccb shared |s x", b"ccb slot |t"], "0 actions and 1 slots"),
    ("--ccb_explore_adf", [b"ccb shared |", b"ccb action |", b"ccb slot |", b"ccb slot |"], "1 actions and 2 slots"),
    ("--ccb_explore_adf", [b"ccb shared |", b"ccb slot |", b"ccb action |"], "in this order"),
    ("--ccb_explore_adf", [b"ccb shared |", b"ccb action |", b"ccb slot 1:1:1 |"], "not among the 1 given"),
    ("--ccb_explore_adf", [b"ccb shared |", b"ccb action |", b"ccb slot 1 |"], "not among the 1 given"),
    (
        "--ccb_explore_adf",
        [b"ccb shared |", b"ccb action |", b"ccb slot " + b"1" * 5000 + b" |"],
        "not a list of actions",
    ),
    ("--ccb_explore_adf", [b"ccb shared |", b"ccb action |", b"ccb slot 0:1:0.5,0:0.4 |"], "sum to 0.9"),
    ("--slates", [b"slates shared 1 |", b"slates action 0 |", b"slates slot |"], "either the shared line has a cost"),
    ("--slates", [b"slates shared |", b"slates action 1 |", b"slates slot |"], "every one of the 1 slots"),
    ("--slates", [b"slates shared |", b"slates slot |"], "in this order"),
    ("--slates", [b"slates shared 1 |", b"slates action 0 |", b"slates slot 1:1 |"], "not among its 1"),
    ("--slates", [b"slates shared 1 |", b"slates action x |", b"slates slot 0:1 |"], "line 2: 'slates action' names"),
]


@pytest.mark.parametrize(("arguments", "group"), RIGHT)
def test_lines_that_belong_together_are_served(arguments: str, group: list[bytes]) -> None:
    learner = Learner(arguments)
    assert learner.group_fault(group) is None
    (first,), (second,) = learner.answer_groups([group]), learner.answer_groups([group])
    assert not first.startswith(b"!error") and first.endswith(b"\n\n")
    assert first.count(b"\n") == second.count(b"\n")
    learner.close()


@pytest.mark.parametrize(("arguments", "group", "reason"), WRONG)
def test_lines_that_do_not_are_refused_with_the_reason_and_the_line(
    arguments: str, group: list[bytes], reason: str
) -> None:
    learner = Learner(arguments)
    (answer,) = learner.answer_groups([group])
    assert answer.startswith(b"!error bad-example ") and answer.count(b"\n") == 1
    assert reason in answer.decode()
    assert b"VW refuses" not in answer
    assert learner.tally.examples == learner.tally.learned == 0
    learner.close()


@pytest.mark.parametrize(("arguments", "group", "reason"), WRONG)
def test_a_wrong_example_costs_only_itself(arguments: str, group: list[bytes], reason: str) -> None:
    kind = "--csoaa_ldf m" if "ldf" in arguments else arguments
    right = next(lines for form, lines in RIGHT if form == kind)
    alone, among = Learner(arguments), Learner(arguments)
    expected = alone.answer_groups([right, right, right])
    answers = among.answer_groups([right, group, right, group, group, right])
    assert [answers[0], answers[2], answers[5]] == expected
    assert among.tally.refused == 3
    alone.close()
    among.close()


def test_an_action_has_the_features_that_the_shared_line_and_a_slot_lend_it() -> None:
    assert with_lent([b"shared |s x", b"|a x"], [{"s": 2.0}, {"a": 1.0}])[1] == {"s": 2.0, "a": 1.0}
    alone: list[dict[str, float]] = [{"a": 1.0}, {"a": 2.0}]
    assert with_lent([b"|a x", b"'shared |a y"], alone) == alone
    slots = [b"ccb shared |s", b"ccb action |a", b"ccb slot |t", b"ccb slot |t"]
    sizes = [{"s": 5.0}, {"a": 1.0, "s": 7.0}, {"t": 3.0}, {"t": 4.0}]
    assert with_lent(slots, sizes)[1] == {"s": 7.0, "a": 1.0, "t": 4.0}


def test_kinds_without_rules_have_no_fault() -> None:
    assert group_fault("multiclass", [b"1 |f a", b"2 |f b"]) is None
