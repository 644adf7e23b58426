"""What a request multiplies is counted before VW multiplies it, and counting it costs next to nothing."""

from __future__ import annotations

import tracemalloc

import pytest

from vwserve.learner import Bounds, Learner


def refusal(arguments: str, group: list[bytes], bounds: Bounds | None = None) -> str:
    """Why a multi-line example is refused, empty where it is served."""
    learner = Learner(arguments, bounds=bounds or Bounds())
    error = learner.group_fault(group)
    (answer,) = learner.answer_groups([group])
    learner.close()
    assert answer.startswith(b"!error") == (error is not None)
    return str(error or "")


def test_an_example_has_at_most_so_many_lines() -> None:
    actions = [b"|a b"] * 1000
    assert refusal("--cb_explore_adf", actions) == ""
    assert refusal("--cb_explore_adf", [*actions, b"|a b"]) == "too-long an example of 1001 lines; the limit is 1000"
    assert refusal("--cb_explore_adf", actions[:3], Bounds(lines=2)).startswith("too-long an example of 3 lines")


def test_what_is_shared_counts_for_every_action() -> None:
    shared, action = b"shared |s" + b" x" * 100, b"|a y z"
    bounds = Bounds(features=1020)
    assert refusal("--cb_explore_adf", [shared, *[action] * 10], bounds) == ""
    assert refusal("--cb_explore_adf", [shared, *[action] * 11], bounds) == (
        "too-many-features 1122 features in all lines together after interactions; the limit is 1020"
    )
    assert refusal("--cb_explore_adf -q sa", [shared, *[action] * 4], bounds).startswith("too-many-features 1208 ")


def test_a_long_shared_line_is_not_copied_for_every_action() -> None:
    learner = Learner("--cb_explore_adf", bounds=Bounds(features=10_000))
    group = [b"shared |s " + b"x" * 500_000, *[b"|a b"] * 900]
    tracemalloc.start()
    assert learner.group_fault(group) is None
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 20 * 500_000
    learner.close()


def test_every_action_counts_for_every_slot() -> None:
    def group(actions: int, slots: int) -> list[bytes]:
        return [b"ccb shared |s x", *[b"ccb action |a b"] * actions, *[b"ccb slot |z c"] * slots]

    # An action has its own feature, the shared one and the slot's, and each once more with the slot's number.
    assert refusal("--ccb_explore_adf", group(20, 5), Bounds(features=600)) == ""
    assert refusal("--ccb_explore_adf", group(20, 5), Bounds(features=599)) == (
        "too-many-features 120 features in all lines together after interactions, for each of 5 slots; the limit is 599"
    )
    assert refusal("--ccb_explore_adf", group(450, 450)).startswith("too-many-features ")
    bare = [b"ccb shared |", *[b"ccb action |"] * 20, *[b"ccb slot |"] * 5]
    assert refusal("--ccb_explore_adf", bare, Bounds(features=99)).startswith("too-many-features 20 ")


def test_an_action_of_slates_counts_for_its_slot() -> None:
    group = [b"slates shared |s x", *[b"slates action 0 |a b"] * 20, *[b"slates action 1 |a b"] * 20]
    group += [b"slates slot |z c"] * 2
    assert refusal("--slates", group, Bounds(features=240)) == ""
    assert refusal("--slates", group, Bounds(features=239)).startswith("too-many-features 240 ")


@pytest.mark.parametrize(
    ("arguments", "labelled", "unlabelled"),
    [("--wap_ldf m", b"%d:1 |a b", b"%d |a b"), ("--search 40 --search_task sequence", b"%d |a b", b"|a b")],
)
def test_learners_that_compare_all_lines_count_each_for_each(
    arguments: str, labelled: bytes, unlabelled: bytes
) -> None:
    def group(line: bytes, count: int) -> list[bytes]:
        return [line % number if b"%" in line else line for number in range(1, count + 1)]

    bounds = Bounds(features=900)
    assert refusal(arguments, group(labelled, 30), bounds) == ""
    assert refusal(arguments, group(labelled, 31), bounds).startswith("too-many-features 31 features in all lines")
    assert refusal(arguments, group(unlabelled, 40), bounds) == ""


@pytest.mark.parametrize(("arguments", "label"), [("--csoaa 3 --indexing 1", b"1:0 "), ("--cb 3", b"1 ")])
def test_features_count_for_each_class_that_a_label_lists(arguments: str, label: bytes) -> None:
    learner = Learner(arguments, bounds=Bounds(features=1000))
    assert not learner.answer(label * 20 + b"|f" + b" a" * 50 + b"\n").startswith(b"!")
    assert learner.answer(label * 20 + b"|f" + b" a" * 51 + b"\n") == (
        b"!error too-many-features 51 features after interactions for each of 20 classes in the label; "
        b"the limit is 1000\n"
    )
    learner.close()


def test_many_low_rank_interactions_are_counted_without_making_a_list_of_them() -> None:
    learner = Learner("--lrq ab10000 --lrq ac2 -b 5", bounds=Bounds(features=20_000))
    assert learner.takes(b"|a x |b y\n")
    assert "30004 features" in str(learner.fault(b"|a x y z |b y"))
    learner.close()
