"""Shadows: they are given what their model is asked, by whatever door, touch no answer, and are compared with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.daemon.named import Named
from tests.learner.weights import weights
from vwserve.daemon import shadowing
from vwserve.errors import RequestError
from vwserve.model.servable import Servable

PLAIN = "vw: -b 10 -l 0.3"
OTHER = "vw: -b 10 -l 0.1 -q uv"
LOGISTIC = "vw: --loss_function logistic --link logistic -b 10"
UPPER = "transforms: [{kind: upper, input: u, output: m}]"


@pytest.fixture
def named(tmp_path: Path) -> Named:
    """Models by name, none yet."""
    return Named(tmp_path)


def lines(count: int, seed: int = 1, label: str = "{label} ") -> list[bytes]:
    """Examples with labels that depend on their features, and noise."""
    generator = np.random.default_rng(seed)
    made = []
    for user, page in generator.integers(0, 10, (count, 2)):
        value = (user - page) / 10 + generator.normal(0.0, 0.2)
        made.append(f"{label.format(label=f'{value:.3f}')}|u u{user} |v p{page}".encode())
    return made


def block(some: Iterable[bytes]) -> bytes:
    return b"".join([line + b"\n" for line in some])


def shadow(named: Named, name: str = "b") -> Mapping[str, Any]:
    """The figures of a shadow."""
    statistics = named.shadowing.statistics(name)
    assert statistics is not None
    return statistics


# -- what a shadow is given --------------------------------------------------------------------------------------------

GROUP = [b"shared |u u1", b"0:1:0.5 |v p1", b"|v p2", b""]
DOORS: Mapping[str, tuple[str, bytes]] = {
    "its own listener": ("a", block(lines(600))),
    "a listener whose clients end lines otherwise": ("a", block(lines(20)).replace(b"\n", b"\r\n")),
    "one line at a time": ("a", b"1 |u u1\n"),
    "its address": ("", block([b"@a " + line for line in lines(400)])),
    "requests to several": ("", block([b"@a,c " + line for line in lines(400)])),
    "requests to several in another order": ("", block([b"@c,a " + line for line in lines(30, label="")])),
    "a batch": ("", block([b"@a batch |u u1", b"1 |v p1", b"2 |v p2", b"|v p3", b""])),
    "a batch of several": ("", block([b"@c,a batch 'r |u u1", b"1 |v p1", b"2 |v p2", b""])),
    "lines among which some are bad": ("a", block([*lines(20), b"garbage", *lines(20, 2), b"nan |u u1"])),
    "addressed lines among which some are bad": (
        "",
        block([b"@a " + line for line in [*lines(20), b"garbage", *lines(9)]]),
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_it_is_given_what_its_model_is_asked_in_the_same_order_by_whatever_door(door: str, named: Named) -> None:
    own, asked = DOORS[door]
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a", c=PLAIN)
    answers = named.talk(asked, own)
    a, b = named.servables["a"], named.servables["b"]
    assert weights(b.learner) == weights(a.learner)
    assert b.totals() == a.totals()
    assert b.examples > 0
    plain = Named(named.folder)
    plain.drop(a=PLAIN, c=PLAIN)
    assert plain.talk(asked, own) == answers


@pytest.mark.parametrize("own", ["a", ""])
def test_it_is_given_multi_line_examples(own: str, named: Named) -> None:
    text = "vw: --cb_explore_adf -b 10"
    named.drop(a=text, b=f"{text}\nshadow: a", c=text)
    address = b"" if own else b"@a "
    asked = [address + GROUP[0], *GROUP[1:], address + b"shared |u u2", b"garbage", b"", address + GROUP[0], *GROUP[1:]]
    answers = named.talk(block(asked), own)
    a, b = named.servables["a"], named.servables["b"]
    assert weights(b.learner) == weights(a.learner)
    assert b.totals() == a.totals()
    assert answers.count(b"!error bad-example") == b.totals().refused == 1
    assert shadow(named)["examples"] == 2
    if not own:
        named.talk(block([b"@c,a " + GROUP[0], *GROUP[1:]]))
        assert b.totals() == a.totals()


def test_what_transforms_of_both_have_in_common_is_applied_once(named: Named) -> None:
    named.drop(a=f"{PLAIN}\n{UPPER}", b=f"{OTHER}\n{UPPER}\nshadow: a", c=f"{PLAIN}\n{UPPER}")
    named.talk(block(lines(300)), "a")
    named.talk(block([b"@a,c " + line for line in lines(300)]))
    named.talk(block([b"@c " + line for line in lines(300)]))
    upper = {"kind": "upper", "output": ["m"], "applied": 900}
    assert [named.servables[name].statistics()["transforms"] for name in "abc"] == [[upper]] * 3
    assert named.servables["b"].examples == 600
    alone = Named(named.folder)
    alone.drop(b=f"{OTHER}\n{UPPER}")
    alone.talk(block(lines(300)), "b")
    alone.talk(block(lines(300)), "b")
    assert weights(named.servables["b"].learner) == weights(alone.servables["b"].learner)


REQUESTS = st.lists(
    st.sampled_from(
        [
            *(*lines(6), *lines(3, label=""), *lines(3, 4, "{label} 2 't")),
            *(b"garbage", b"nan |u u1", b"@a 1 |u u3", b"@a |u u3", b"@c,a 1 |u u1", b"@c 1 |u u4", b"!ping"),
            *(b"@a batch |u u2\n1 |v p1\n|v p2\n", b"@a,c batch\nwrong\n1 |u u1\n"),
        ]
    ),
    max_size=30,
)


@settings(max_examples=25)
@given(REQUESTS, st.integers(1, 400))
def test_whatever_is_sent_the_answers_are_those_without_a_shadow(requests: Sequence[bytes], read_bytes: int) -> None:
    text = block(requests)
    reads = [text[start : start + read_bytes] for start in range(0, len(text), read_bytes)]
    with TemporaryDirectory() as folder:
        without, named = Named(Path(folder)), Named(Path(folder))
        without.drop(a=PLAIN, c=PLAIN)
        named.drop(a=PLAIN, b=f"{OTHER}\nshadow: a", c=PLAIN)
        assert named.talk(reads, "a") == without.talk(reads, "a")
        for name in ("a", "c"):
            assert named.servables[name].totals() == without.servables[name].totals()
        # Both took the same lines, so what they came to is all that is compared.
        a, b = named.servables["a"].totals(), named.servables["b"].totals()
        assert (a.labelled, a.weight, a.refused) == (b.labelled, b.weight, b.refused)
        told = shadow(named)
        assert told["examples"] == a.labelled
        if a.labelled:
            assert told["loss_difference"] == pytest.approx((b.sum_loss - a.sum_loss) / a.weight, abs=1e-9)


# -- who waits ---------------------------------------------------------------------------------------------------------


def test_it_is_given_nothing_before_the_answer_is_out(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a")
    assert named.talk(block(lines(5)), "a", ends_turn=False).count(b"\n") == 5
    assert named.servables["b"].examples == 0
    named.turns.end()
    assert named.servables["b"].examples == 5
    named.talk(block(lines(5)), "a")
    assert named.servables["b"].examples == 10


def test_what_waits_in_a_turn_asks_for_its_end_once(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a", c=f"{PLAIN}\nshadow: a")
    for _ in range(4):
        named.talk(block(lines(5)), "a", ends_turn=False)
    assert len(named.turns.calls) == 1
    named.turns.end()
    assert [named.servables[name].examples for name in "abc"] == [20, 20, 20]


def test_it_may_be_asked_itself(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a")
    assert named.talk(b"@b 1 |u u1\n@b |u u1\n") != b"0\n0\n"
    named.talk(block(lines(20)), "a")
    assert named.servables["b"].labelled == 21
    assert shadow(named)["examples"] == 20


def test_while_shadows_are_paused_examples_are_left_out_and_counted(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a")
    named.talk(block(lines(20)), "a")
    named.shadowing.paused = True
    named.talk(block([*lines(30), b"garbage"]), "a")
    named.shadowing.paused = False
    named.talk(block(lines(7)), "a")
    assert (shadow(named)["examples"], shadow(named)["left_out"]) == (27, 31)
    assert (named.servables["a"].examples, named.servables["b"].examples) == (57, 27)


def test_what_waits_is_bounded(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    some = block(lines(50))
    monkeypatch.setattr(shadowing, "MOST_WAITING_BYTES", 3 * len(some))
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a")
    for _ in range(5):
        named.talk(some, "a", ends_turn=False)
    named.turns.end()
    assert (named.servables["b"].examples, shadow(named)["left_out"]) == (150, 100)
    named.talk(some, "a")
    assert named.servables["b"].examples == 200


# -- what fails --------------------------------------------------------------------------------------------------------


def test_what_it_alone_refuses_is_counted_and_told_once_for_each_kind(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{LOGISTIC}\nshadow: a")
    answers = named.talk(block([b"0.5 |u u1", *[b"17 |u u1"] * 9, b"1 |u u1"]), "a")
    assert b"!error" not in answers
    told = shadow(named)
    assert (told["refused"], told["failed"], named.servables["b"].labelled) == (9, 0, 2)
    assert named.reports == [
        "b: as a shadow it refuses what a takes: bad-example label '17' is not in -1..1, as the loss function expects "
        "(further ones are only counted, in its figures)"
    ]


def test_what_its_model_refuses_as_well_is_no_failure_of_the_shadow(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a")
    named.talk(b"garbage\n1 |u u1\nnan |u u1\n", "a")
    assert (shadow(named)["refused"], shadow(named)["examples"], named.reports) == (0, 1, [])


def test_a_fault_of_the_shadow_leaves_its_model_and_is_told_once(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a", c=f"{PLAIN}\nshadow: a")

    def fail(_: bytes) -> bytes:
        raise LookupError("nowhere")

    monkeypatch.setattr(named.servables["b"], "answer", fail)
    for _ in range(3):
        assert b"!error" not in named.talk(block(lines(4)), "a")
    assert (shadow(named)["failed"], shadow(named)["examples"]) == (12, 0)
    assert (shadow(named, "c")["failed"], shadow(named, "c")["examples"]) == (0, 12)
    assert named.reports == [
        "b: as a shadow it fails on what a was asked: LookupError: nowhere "
        "(further ones are only counted, in its figures)"
    ]
    monkeypatch.undo()
    named.talk(block(lines(4)), "a")
    assert shadow(named)["examples"] == 4


def test_a_line_that_a_transform_of_the_shadow_fails_on_is_refused_by_it_alone(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\n{UPPER}\nshadow: a")
    assert b"!error" not in named.talk(b"1 |u u1\n1 |u boom\n1 |u u2\n", "a")
    assert (named.servables["b"].labelled, shadow(named)["refused"]) == (2, 1)
    assert named.reports[0].startswith("b: as a shadow it refuses what a takes: internal transform upper failed")


# -- the comparison ----------------------------------------------------------------------------------------------------


def test_the_difference_is_that_of_the_mean_losses(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{OTHER}\nshadow: a")
    for start in range(20):
        named.talk(block(lines(50, start, "{label} 2.5")), "a")
    a, b = named.servables["a"].totals(), named.servables["b"].totals()
    told = shadow(named)
    assert told["of"] == "a"
    assert (told["examples"], told["confidence"], told["remark"]) == (1_000, 0.95, None)
    assert told["loss_difference"] == pytest.approx(b.sum_loss / b.weight - a.sum_loss / a.weight, abs=1e-12)
    assert told["low"] < told["loss_difference"] < told["high"]
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize("portion", [1, 7, 250])
def test_a_worse_model_is_found_out(portion: int, named: Named) -> None:
    named.drop(a=PLAIN, b="vw: -b 10 --noconstant --ignore v\nshadow: a")
    everything = lines(3_000)
    for start in range(0, len(everything), portion):
        named.talk(block(everything[start : start + portion]), "a")
    told = shadow(named)
    assert told["low"] > 0.0
    assert 1_500 <= told["recent"]["examples"] <= 1_750
    assert told["recent"]["loss_difference"] > 0.0
    assert portion == 250 or told["recent"]["low"] > 0.0  # of which there are twelve: too few for half of them


def test_of_two_models_that_differ_by_chance_alone_neither_is_better(named: Named) -> None:
    """Ten streams, each with two models whose few weights collide otherwise; one of twenty may be missed."""
    held = 0
    for seed in range(10):
        named.drop(a="vw: -b 4 -q uv --hash_seed 1", b="vw: -b 4 -q uv --hash_seed 1\nshadow: a")
        generator = np.random.default_rng(seed)
        for _ in range(60):
            # Noise alone: what the models learn of it is chance, and so is the difference.
            made = [b"%.3f |u u%d |v p%d" % (generator.normal(), *generator.integers(0, 99, 2)) for _ in range(10)]
            named.talk(block(made), "a")
        told = shadow(named)
        assert told["examples"] == 600
        assert (told["loss_difference"], told["low"], told["high"]) == (0.0, 0.0, 0.0)
        named.drop(b=f"vw: -b 4 -q uv --hash_seed {seed + 2}\nshadow: a", a="vw: -b 4 -q uv --hash_seed 1")
        for _ in range(60):
            made = [b"%.3f |u u%d |v p%d" % (generator.normal(), *generator.integers(0, 99, 2)) for _ in range(10)]
            named.talk(block(made), "a")
        told = shadow(named)
        held += told["low"] <= 0.0 <= told["high"]
    assert held >= 8


def test_lines_that_the_model_refuses_do_not_count_the_others_of_the_chunk_do(named: Named) -> None:
    named.drop(a=f"{PLAIN}\n{UPPER}", b=f"{OTHER}\nshadow: a")
    asked = [b"17 |u boom |v p1" if place % 4 == 0 else line for place, line in enumerate(lines(40))]
    assert named.talk(block(asked), "a").count(b"!error") == 10
    assert named.servables["b"].labelled == 40  # it takes and learns them all
    assert shadow(named)["examples"] == 30

    # What b lost on these thirty alone: fed line by line, with its account read around each.
    alone = Servable("alone", OTHER.removeprefix("vw: "))
    lost = 0.0
    for line in asked:
        before = alone.totals().sum_loss
        alone.answer(line + b"\n")
        lost += 0.0 if line.startswith(b"17") else alone.totals().sum_loss - before
    difference = (lost - named.servables["a"].totals().sum_loss) / 30
    assert shadow(named)["loss_difference"] == pytest.approx(difference, abs=1e-9)


def test_of_a_chunk_of_which_the_shadow_alone_refuses_a_label_nothing_counts(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{LOGISTIC}\nshadow: a")
    named.talk(block([b"1 |u u1"] * 10), "a")
    named.talk(block([b"1 |u u1"] * 10 + [b"17 |u u1"]), "a")
    named.talk(b"1 |u u1\n", "a")
    named.talk(b"17 |u u1\n", "a")
    assert (shadow(named)["examples"], shadow(named)["refused"]) == (11, 2)


def test_losses_of_different_kinds_are_not_compared(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{LOGISTIC}\nshadow: a")
    for start in range(20):
        named.talk(block([b"1 |u u1", b"-1 |u u%d" % start]), "a")
    told = shadow(named)
    assert told["examples"] == 40
    assert (told["loss_difference"], told["low"], told["high"]) == (None, None, None)
    assert (told["recent"]["loss_difference"], told["recent"]["low"]) == (None, None)
    assert told["remark"] == "the losses cannot be compared: that of b is logistic, that of a is squared"


def test_a_static_model_is_compared_too(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\nlearn: false\nshadow: a")
    named.talk(block([b"1 |u u1"] * 40), "a")
    assert named.servables["b"].statistics()["learned"] == 0
    assert shadow(named)["loss_difference"] == pytest.approx(1.0 - named.servables["a"].totals().sum_loss / 40)


def test_what_cannot_be_learned_now_by_one_of_them_does_not_count(named: Named) -> None:
    """As when the disk of a shadow is full."""
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a")
    refusals = [RequestError("not-ready", "the disk is full")]
    named.servables["b"].record(lambda text, count: refusals[0] if refusals else None)
    assert b"!error" not in named.talk(block([*lines(10), *lines(5, label="")]), "a")
    assert (named.servables["b"].totals().labelled, shadow(named)["refused"], shadow(named)["examples"]) == (0, 10, 0)
    refusals.clear()
    named.talk(block(lines(10)), "a")
    assert shadow(named)["examples"] == 10
    named.servables["a"].record(lambda text, count: RequestError("not-ready", "the disk is full"))
    named.talk(block(lines(10)), "a")
    assert (shadow(named)["examples"], shadow(named)["refused"]) == (10, 10)
    assert named.servables["b"].labelled == 20


def test_a_comparison_begins_anew_where_one_of_the_two_is_another(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a", c=PLAIN)
    named.talk(block(lines(10)), "a")
    named.drop(c=OTHER)
    assert shadow(named)["examples"] == 10
    named.drop(a=OTHER)
    assert shadow(named)["examples"] == 0
    named.talk(block(lines(10)), "a")
    named.drop(b=f"{OTHER}\nshadow: a")
    assert shadow(named)["examples"] == 0
    named.talk(block(lines(10)), "a")
    named.drop(b=f"{OTHER}\nshadow: c")
    assert (shadow(named)["of"], shadow(named)["examples"]) == ("c", 0)
    named.talk(block(lines(5)), "c")
    assert shadow(named)["examples"] == 5


# -- models that come and go -------------------------------------------------------------------------------------------


def test_what_waits_goes_to_the_model_that_took_the_shadows_place(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a")
    named.talk(block(lines(10)), "a", ends_turn=False)
    before = named.servables["b"]
    named.drop(b=f"{OTHER}\nshadow: a")
    named.turns.end()
    assert (before.examples, named.servables["b"].examples) == (0, 10)


def test_what_waits_is_given_to_a_model_that_follows_no_more_and_to_nobody_in_place_of_one_that_is_gone(
    named: Named,
) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a", c=f"{PLAIN}\nshadow: a")
    named.talk(block(lines(10)), "a", ends_turn=False)
    gone = named.servables["c"]
    named.drop(b=PLAIN, c=None)
    assert named.shadowing.statistics("b") is None
    named.turns.end()
    named.talk(block(lines(10)), "a")
    assert (gone.examples, named.servables["b"].examples) == (0, 10)


def test_what_waits_is_given_before_all_are_closed_and_nothing_after(named: Named) -> None:
    named.drop(a=PLAIN, b=f"{PLAIN}\nshadow: a")
    named.talk(block(lines(10)), "a", ends_turn=False)
    named.shadowing.close()
    assert named.servables["b"].examples == 10
    named.talk(block(lines(10)), "a")
    assert named.servables["b"].examples == 10
