"""Numbers that are large together: what is accepted leaves every state of the model finite, and learning goes on."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.learner.reference import joined
from tests.learner.weights import loaded
from vwserve.learner import Bounds, Learner
from vwserve.learner.binding import Workspace
from vwserve.learner.grammar import Grammar, feature_sizes
from vwserve.learner.headroom import PRODUCT, UNLIMITED, Headroom
from vwserve.learner.labels import label_form
from vwserve.learner.options import classes_of, expansion_of, headroom_of, targets_of

TOGETHER = b"too large together"

# Models by their arguments, with the labels that contradict each other in a line and the next.
UNBOUNDED = ("{0}", "-{0}")
SIGNS = ("1", "-1")
MODELS: dict[str, tuple[str, str]] = {
    "": UNBOUNDED,
    "-q ff": UNBOUNDED,
    "--cubic fff": UNBOUNDED,
    "-q :: --ngram 2": UNBOUNDED,
    "--loss_function expectile --expectile_q 0.3": UNBOUNDED,
    "--loss_function quantile": UNBOUNDED,
    "--loss_function logistic": SIGNS,
    "--loss_function logistic -q ff": SIGNS,
    "--loss_function hinge --cubic fff": SIGNS,
    "--loss_function poisson --max_prediction 10": ("{0}", "0"),
    "--adaptive": UNBOUNDED,
    "--normalized": UNBOUNDED,
    "--invariant": UNBOUNDED,
    "--power_t 0.3": UNBOUNDED,
    "--l1 1e-6 --l2 1e-6": UNBOUNDED,
    "--classweight 1:1000 --loss_function logistic": SIGNS,
    "--oaa 3": ("1", "3"),
    "--csoaa 2": ("1:{0} 2:0", "1:0 2:{0}"),
    "--cb 2": ("1:{0}:0.001", "1:-{0}:0.001"),
    "--cb 2 --cb_type ips": ("1:{0}:0.001", "1:-{0}:0.001"),
    "--nn 2": UNBOUNDED,
    "--ftrl": UNBOUNDED,
    "--ftrl -q ff": UNBOUNDED,
    "--ftrl --loss_function logistic": SIGNS,
    "--coin": UNBOUNDED,
    "--coin -q ff --loss_function logistic": SIGNS,
    "--pistol": UNBOUNDED,
    "--pistol --loss_function logistic": SIGNS,
    "--freegrad": UNBOUNDED,
    "--freegrad --loss_function logistic": SIGNS,
}
# What a weight carries that lasts from line to line; the others keep a fourth number that each line computes anew.
LASTING = {"--coin": 6, "--pistol": 4, "--freegrad": 6}


def infinite(learner: Learner, arguments: str) -> list[float]:
    """What is not finite of the weights and their lasting state."""
    with loaded(learner) as vw:
        lasting = min(vw.get_stride(), LASTING.get(arguments.partition(" ")[0], 3))
        states = [vw.get_weight(index, place) for index in range(vw.num_weights()) for place in range(lasting)]
    return [state for state in states if not math.isfinite(state)]


def largest_accepted(learner: Learner, form: str) -> int | None:
    """The largest power of ten that a line may have as a value."""
    return max((power for power in range(13) if learner.fault(form.format(10**power).encode()) is None), default=None)


# -- many lines, each the worst that is accepted -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "label", "importance"),
    [
        (arguments, label, importance)
        for arguments, forms in MODELS.items()
        for label in ((1, 1000, 10**6, 10**9) if "{0}" in forms[0] else (1,))
        for importance in (("",) if ":" in forms[0] else ("", " 1000", " 1000000"))
    ],
)
def test_the_worst_lines_that_are_accepted_leave_every_state_finite(
    arguments: str, label: int, importance: str
) -> None:
    first, second = (form.format(label) for form in MODELS[arguments])
    learner = Learner(arguments + " -b 5")
    power = largest_accepted(learner, first + importance + " |f a:{0} b")
    if power is not None:
        data = joined(f"{each}{importance} |f a:{10**power} b".encode() for each in (first, second)) * 250
        answers = learner.answer(data)
        assert TOGETHER not in answers.split(b"\n")[0]
        assert infinite(learner, arguments) == []
    learner.close()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("", b"10000000000 |f a:10000000000"),
        ("-q ff", b"100000000 |f a:100000000"),
        ("--cubic fff", b"10000000 |f a:1000000"),
        ("--ftrl", b"10000000000 |f a:10000000000"),
        ("--ftrl -q ff", b"100000000 |f a:100000000"),
        ("--ftrl", b"1000 1000000 |f a:1e12"),
        ("", b"1000000 |f:1e6 a:1e8"),
        ("-q fg", b"1 |f a:1e9 |g b:1e9"),
        ("-q ::", b"1 |f a:1e9 |g b:1e9"),
        ("", b"1000 1000000 |f a:1e11"),
        ("--classweight 1:1000000,-1:0.5 --loss_function logistic -q ff", b"1 |f a:1e8"),
        ("--oaa 3 -q ff", b"1 |f a:1e9"),
        ("--csoaa 3", b"1:1e9 |f a:1e9"),
        ("--cb 3", b"1:1e6:1e-3 |f a:1e9"),
        ("--loss_function logistic -q ff", b"1 |f a:1.7e9"),
        ("--pistol", b"10000 |f a"),
        ("--pistol --loss_function logistic", b"1 100 |f a"),
        ("--freegrad", b"10000 |f a"),
    ],
)
def test_what_would_overflow_is_refused_and_nothing_is_learned_from_it(arguments: str, line: bytes) -> None:
    learner = Learner(arguments + " -b 5")
    assert TOGETHER in learner.answer(line + b"\n")
    assert (learner.tally.refused, learner.tally.learned) == (1, 0)
    learner.close()


def test_freegrad_takes_no_importance_but_one() -> None:
    learner = Learner("--freegrad")
    assert b"importance 0.5: --freegrad cannot bear any but 1" in learner.answer(b"1 0.5 |f a\n")
    assert learner.answer(b"1 1 |f a\n1 |f b\n").count(b"!error") == 0
    learner.close()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("", b"12.5 |f t:1700000000"),
        ("", b"250000 |f t:1700000000"),
        ("", b"5000000 |f price:129.5 sold:40000000"),
        ("", b"3000000000 |f country=vn"),
        ("-q ff", b"5000000 |f rooms:4 metres:120.5"),
        ("-q ff", b"12.5 |f rooms:4 |t t:1700000000"),
        ("--cubic fff", b"12.5 |f rooms:4 metres:120.5"),
        ("--ftrl", b"250 2 |f t:1700000000"),
        ("--loss_function logistic", b"1 5000 |f t:170000000000"),
        ("--loss_function logistic -q ff", b"1 10 |f clicks:9999999"),
        ("--loss_function logistic -q ff", b"1 |f a:1e8"),
        ("--loss_function quantile", b"5000000 |f t:1700000000"),
        ("--cb 3", b"1:20:0.001 |f t:1700000"),
        ("--coin", b"1e-20 |f a:0.0001"),
    ],
)
def test_honest_large_numbers_are_accepted(arguments: str, line: bytes) -> None:
    learner = Learner(arguments + " -b 5")
    assert not learner.answer(line + b"\n").startswith(b"!error")
    assert learner.tally.learned == 1
    learner.close()


# -- random lines ------------------------------------------------------------------------------------------------------


def _number(rng: random.Random, low: float, high: float) -> str:
    power = rng.uniform(low, high)
    return f"{10**power:.0f}" if power > 3 and rng.random() < 0.5 else f"{10**power:.3g}"


def _line(rng: random.Random, arguments: str) -> bytes:
    label = rng.choice(MODELS[arguments]).format(_number(rng, -3, rng.choice([1, 6, 12])))
    weighted = ":" not in label and rng.random() < 0.4
    importance = f" {_number(rng, -3, rng.choice([1, 6]))}" if weighted else ""
    features = [
        f"{rng.choice('abc')}:{rng.choice(['', '-'])}{_number(rng, rng.choice([-1, -30]), rng.choice([3, 12]))}"
        for _ in range(rng.randrange(1, 4))
    ]
    weight = f":{_number(rng, -2, 6)}" if rng.random() < 0.2 else ""
    return f"{label}{importance} |f{weight} {' '.join(features)} d".encode()


@pytest.mark.parametrize("arguments", MODELS)
@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_random_extreme_lines_leave_every_state_finite(arguments: str, seed: int) -> None:
    rng = random.Random(seed)
    learner = Learner(arguments + " -b 5")
    replies = learner.answer_each([_line(rng, arguments) for _ in range(200)])
    assert 0 < learner.tally.learned == 200 - sum(reply.refused for reply in replies)
    assert infinite(learner, arguments) == []
    learner.close()


@settings(max_examples=300)
@given(
    arguments=st.sampled_from(sorted(MODELS)),
    label=st.floats(0, 12),
    importance=st.floats(0, 6),
    value=st.floats(-3, 12),
    weight=st.floats(-1, 3),
)
@example(arguments="-q ff", label=3.999, importance=0.0, value=4.999, weight=0.0)
def test_no_ordinary_line_is_refused_when_it_is_looked_at(
    arguments: str, label: float, importance: float, value: float, weight: float
) -> None:
    judge, grammar = _ORDINARY[arguments], _ORDINARY[arguments].grammar
    for form in MODELS[arguments]:
        shown = f" {10**importance:.3f}" if ":" not in form else ""
        line = f"{form.format(f'{10**label:.2f}')}{shown} |f:{10**weight:.3f} a:{10**value:.4f} b".encode()
        if grammar.shape(line + b"\n") is not None:
            assert grammar.fault(line) is None
            worst, weight_ = grammar.label_sizes(line) or (0.0, 0.0)
            largest = judge.expansion.largest(feature_sizes(line))
            assert judge.headroom.fault(worst, weight_, largest) is None, line


class _Ordinary:
    """What judges the ordinary lines of a model."""

    def __init__(self, arguments: str) -> None:
        workspace = Workspace(arguments.split())
        options, kind, bounds = workspace.options, workspace.label_kind, Bounds()
        workspace.close()
        self.expansion = expansion_of(options)
        self.headroom = headroom_of(options, kind, self.expansion.degree)
        caps = self.headroom.caps(bounds)
        form = label_form(kind, classes_of(options), bounds, False, targets_of(options), caps)
        self.grammar = Grammar(form, bounds.magnitude, caps)


_ORDINARY = {arguments: _Ordinary(arguments + " -b 5") for arguments in MODELS}


# -- what happens afterwards -------------------------------------------------------------------------------------------


def _ordinary(rng: random.Random, binary: bool) -> bytes:
    positive = rng.random() < 0.5
    label = (b"1" if positive else b"-1") if binary else b"%.2f" % (3 * positive + rng.random())
    return b"%s |f x%d y%d z:%.2f" % (label, positive, rng.randrange(5), rng.random())


@pytest.mark.parametrize(
    ("arguments", "worst"),
    [
        *(("--loss_function logistic", line) for line in (b"1 |f a:1e12", b"-1 10000 |f a:1e9", b"1 |f:1000 z:1e9")),
        *(("--loss_function logistic --ftrl", line) for line in (b"1 |f a:1e12", b"-1 10000 |f a:1e9")),
        *(("--loss_function logistic --coin", line) for line in (b"1 |f a:1e12", b"-1 10000 |f a:1e9")),
        ("--loss_function logistic --pistol", b"1 |f a:1e12"),
        ("--loss_function logistic --freegrad", b"1 |f a:1000"),
        ("--loss_function hinge", b"1 |f a:1e12"),
        ("", b"5 |f a:1.7e9"),
        ("", b"5 |f z:1e6"),
        ("--ftrl", b"5 |f a:1.7e9"),
        ("--ftrl", b"1e6 |f a:1e8"),
        ("--noconstant", b"1e6 |f a:1e8"),
        ("--loss_function quantile", b"5 |f a:1.7e9"),
    ],
)
def test_after_the_worst_line_200_ordinary_ones_come_about_as_far_as_without_it(arguments: str, worst: bytes) -> None:
    losses = []
    for before in ([], [worst]):
        rng = random.Random(3)
        learner = Learner(arguments + " -b 12")
        assert b"!error" not in learner.answer(joined(before))
        start = learner.sum_loss
        learner.answer(joined(_ordinary(rng, "logistic" in arguments or "hinge" in arguments) for _ in range(200)))
        losses.append((learner.sum_loss - start) / 200)
        learner.close()
    assert losses[1] == pytest.approx(losses[0], rel=0.35)


# -- a label counts for the lines after it -----------------------------------------------------------------------------


def test_large_values_are_refused_once_labels_are_so_large_that_predictions_may_be_too() -> None:
    learner = Learner()
    assert learner.answer(b"1 |f t:1e11\n") == b"0\n"
    assert learner.answer(b"1e9 |f b\n").count(b"!") == 0
    answer = learner.answer(b"1 |f t:1e11\n")
    assert b"value 1e+11 after interactions, label 1, an earlier label 1e+09" in answer and TOGETHER in answer
    assert learner.answer(b"|f t:1e11\n").count(b"!") == 0  # nothing is learned from it
    learner.close()


def test_a_large_label_narrows_what_is_ordinary() -> None:
    learner = Learner()
    block = b"1000 100 |f t:9999999\n"
    assert learner.takes(block)
    assert learner.answer(b"4000000000 |f b\n").count(b"!") == 0
    assert not learner.takes(block)
    assert TOGETHER in learner.answer(block)
    assert learner.takes(b"1 |f a:9999\n")
    learner.close()


@pytest.mark.parametrize("arguments", ["", "--ftrl", "-q ff", "--csoaa 3", "--cb 3"])
def test_no_stray_label_shuts_out_ordinary_lines(arguments: str) -> None:
    form = {"--csoaa 3": "1:{0}", "--cb 3": "1:{0}:1"}.get(arguments, "{0}")
    learner = Learner(arguments + " -b 5")
    accepted = [power for power in range(13) if b"!" not in learner.answer(f"{form.format(10**power)} |f a\n".encode())]
    assert max(accepted) == 9
    value = b"999" if "-q" in arguments else b"999999"
    assert b"!" not in learner.answer(form.format(1).encode() + b" |f a:" + value + b"\n")
    learner.close()


def test_the_labels_that_a_model_file_has_met_count(tmp_path: Path) -> None:
    first, model = Learner(), tmp_path / "model.vw"
    first.answer(b"-1e9 |f b\n")
    first.save(model)
    second = Learner(initial=model)
    for learner in (first, second, Learner("--min_prediction -1e9")):
        assert b"an earlier label 1e+09" in learner.answer(b"1 |f t:1e11\n")
        learner.close()


def test_a_model_that_does_not_learn_takes_any_number_within_the_bounds() -> None:
    learner = Learner("-q ff", learn=False)
    assert learner.answer(b"1e12 1e6 |f a:1e12\n") == b"0\n"
    learner.close()


def test_the_lines_of_a_multi_line_example_are_judged_together() -> None:
    learner = Learner("--cb_explore_adf -q sa")
    for shared, action in ((b"1e9", b"1"), (b"1", b"1e9")):
        group = [b"shared |s x:" + shared, b"1:1:0.5 |a y:" + action, b"|a z"]
        assert b"!" not in learner.answer_groups([group])[0]
    (text,) = learner.answer_groups([[b"shared |s x:1e9", b"1:1:0.5 |a y", b"|a z:1e9"]])
    assert TOGETHER in text and text.count(b"\n") == 1
    assert b"!" not in learner.answer_groups([[b"shared |s x:1e9", b"|a y", b"|a z:1e9"]])[0]  # without a label
    learner.close()


# -- the criterion itself ----------------------------------------------------------------------------------------------


@given(target=st.floats(0, 1e12), importance=st.floats(0, 1e6), value=st.floats(0, 1e30), more=st.floats(1, 1e6))
def test_more_of_anything_is_never_less_strain(target: float, importance: float, value: float, more: float) -> None:
    for headroom in (Headroom(), Headroom(importance_power=1.0, weighs_target=True), Headroom(slope=0.0)):
        strain = headroom.strain(target, importance, value)
        assert headroom.strain(target * more, importance, value) >= strain
        assert headroom.strain(target, importance * more, value) >= strain
        assert headroom.strain(target, importance, value * more) >= strain
        assert headroom.after(target * more).strain(target, importance, value) >= strain
        assert (headroom.fault(target, importance, value) is None) == (strain <= 1.0)


def test_a_million_of_the_worst_lines_stay_below_the_largest_number_of_single_precision() -> None:
    assert 1_000_000 * PRODUCT**2 < 3.4e38


@given(
    importance=st.sampled_from([1.0, 50.0, 1e6]),
    magnitude=st.sampled_from([1.0, 2.5, 1e3, 1e12, 1e30]),
    degree=st.integers(1, 60),
    reach=st.sampled_from([0.0, 1.0, 123.0, 4e9]),
)
def test_caps_are_within_the_bounds_and_together_within_the_headroom(
    importance: float, magnitude: float, degree: int, reach: float
) -> None:
    headroom = Headroom(degree=degree, reach=reach)
    caps = headroom.caps(Bounds(importance=importance, magnitude=magnitude))
    assert caps.importance <= importance
    assert max(caps.target, caps.value) <= magnitude
    assert headroom.strain(caps.target, caps.importance, (caps.value * caps.weight) ** degree) <= 1.0


@given(
    st.builds(Headroom, slope=st.sampled_from([0.0, 1.0, 2.0]), degree=st.integers(1, 9), reach=st.floats(0.0, 1e12)),
    st.builds(Bounds, st.floats(1.0, 1e30), st.floats(1.0, 1e30)),
)
def test_bounds_do_not_decide_which_of_the_lines_within_them_are_beyond_the_caps(
    headroom: Headroom, bounds: Bounds
) -> None:
    """A line that comes again from a journal is taken within the widest bounds."""
    caps, widest = headroom.caps(bounds), headroom.caps(Bounds(1e30, 1e30))
    assert (caps.importance, caps.target, caps.value) == (
        min(widest.importance, bounds.importance),
        min(widest.target, bounds.magnitude),
        min(widest.value, bounds.magnitude),
    )
    assert (caps.weight, caps.smallest) == (widest.weight, widest.smallest)


def test_without_a_limit_the_caps_are_the_bounds() -> None:
    caps = UNLIMITED.caps(Bounds())
    assert (caps.importance, caps.target, caps.value) == (1e6, 1e12, 1e12)
