"""Numbers: what is accepted is what VW reads; what VW would misread is refused."""

from __future__ import annotations

import math
import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vwserve.learner.binding import Workspace
from vwserve.learner.numbers import number_fault, ordinary_number, value_fault

numbers = st.one_of(
    st.from_regex(re.compile(rb"[+-]?(?:[0-9]{0,20})(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{0,3})?"), fullmatch=True),
    st.floats(allow_nan=True).map(lambda value: repr(value).encode()),
    st.binary(max_size=6),
)


def read_by_vw(word: bytes) -> tuple[float, float]:
    """A word as VW reads it, once as a label and once as the value of a feature; 0 where it reads no feature."""
    workspace = Workspace(["--noconstant"])
    try:
        (example_,) = workspace.parse(word + b" |f a:" + word + b" b")
        label, value = workspace.labels([example_])[0], 0.0
        if example_.num_features_in(ord("f")) == 2:
            value = example_.feature_weight(ord("f"), 0)
        workspace.learn([example_], [])
    finally:
        workspace.close()
    return label, value


@pytest.mark.parametrize(
    "word", [b"0", b"-0", b"+1", b"1.", b".5", b"-.5e-3", b"1E2", b"1e+2", b"007", b"0.1234567890123456789", b"1e-20"]
)
def test_decimal_forms_are_numbers_and_vw_reads_them(word: bytes) -> None:
    assert number_fault(word, 1e12) is None
    label, value = read_by_vw(word)
    assert label == pytest.approx(float(word), rel=1e-5)
    assert value == pytest.approx(float(word), rel=1e-5)


FULL_WIDTH_ONE = b"\xef\xbc\x91"


@pytest.mark.parametrize("word", [b"", b"-", b".", b"e", b"1e", b"e5", b"1x", b"0x1f", b"nan", b"-inf", b"Infinity"])
@pytest.mark.parametrize("tail", [b"", b"_0", b",5", b"\n", FULL_WIDTH_ONE])
def test_what_is_no_decimal_number_is_refused(word: bytes, tail: bytes) -> None:
    assert "is not a number" in str(number_fault(word + tail, 1e12))


@pytest.mark.parametrize("word", [b"1_0", b"1,5", b"--1", b" 1", b"1\n", FULL_WIDTH_ONE, b"1e1.5", b"+-1", b"1 1"])
def test_a_stray_character_makes_it_no_number(word: bytes) -> None:
    assert "is not a number" in str(number_fault(word, 1e12))


@pytest.mark.parametrize("word", [b"1e-200", b"0e99", b"1e-99", b"." + b"0" * 29 + b"1e-99", b"0" * 40, b"1" * 39])
def test_what_overflows_the_exponent_or_the_digits_of_vw_is_refused(word: bytes) -> None:
    assert "more digits than VW can read" in str(number_fault(word, 1e12))


def test_vw_does_misread_what_overflows_its_exponent() -> None:
    assert read_by_vw(b"0e99")[0] != 0.0 or read_by_vw(b"1e-200")[0] > 1e30


@pytest.mark.parametrize(("word", "magnitude"), [(b"1e13", 1e12), (b"-1000001", 1e6), (b"5.1", 5.0), (b"1e38", 1e12)])
def test_a_number_beyond_the_bound_is_refused(word: bytes, magnitude: float) -> None:
    assert "beyond" in str(number_fault(word, magnitude))


@given(word=numbers, magnitude=st.sampled_from([0.5, 1.0, 2.5, 9.0, 10.0, 99.0, 1e6, 1e12]))
@example(word=b"9", magnitude=5.0)
@example(word=b"1.5", magnitude=1.0)
@example(word=b"0.9", magnitude=0.5)
def test_what_the_pattern_matches_is_a_number_within_the_bound(word: bytes, magnitude: float) -> None:
    if re.fullmatch(ordinary_number(magnitude), word):
        assert number_fault(word, magnitude) is None


@given(word=numbers, smallest=st.sampled_from([0.5, 1e-3, 3.2e-9, 1e-17]))
def test_what_the_pattern_matches_is_not_too_small_either(word: bytes, smallest: float) -> None:
    if re.fullmatch(ordinary_number(1e6, smallest=smallest), word):
        assert number_fault(word, 1e6, smallest) is None


def test_a_number_that_is_too_small_is_refused_but_not_zero() -> None:
    assert "closer to 0 than 1e-09" in str(number_fault(b"-1e-10", 1e6, 1e-9))
    assert "closer to 0" in str(value_fault(b"1e-10", 1e6, 1e-9))
    assert number_fault(b"0.000000000000", 1e6, 1e-9) is number_fault(b"1e-9", 1e6, 1e-9) is None


@given(word=numbers)
def test_what_is_accepted_is_finite_and_within_the_bound(word: bytes) -> None:
    if number_fault(word, 1e12) is None:
        assert math.isfinite(float(word)) and abs(float(word)) <= 1e12


def test_accepted_numbers_are_read_by_vw_as_they_are_meant() -> None:
    rng = random.Random(1)
    words = [
        b"%s%d%s%s"
        % (
            rng.choice([b"", b"-"]),
            rng.randrange(10 ** rng.randrange(1, 11)),
            rng.choice([b"", b".", b".%d" % rng.randrange(10**6), b".000%d" % rng.randrange(99)]),
            rng.choice([b"", b"e-%d" % rng.randrange(20), b"E%d" % rng.randrange(2), b"e+1"]),
        )
        for _ in range(400)
    ]
    accepted = [word for word in words if number_fault(word, 1e12) is None]
    assert len(accepted) > 300
    workspace = Workspace(["--noconstant"])
    for start in range(0, len(accepted), 100):
        part = accepted[start : start + 100]
        examples = workspace.parse(b"\n".join(word + b" |f a" for word in part))
        assert workspace.labels(examples) == pytest.approx([float(word) for word in part], rel=1e-5, abs=1e-30)
        workspace.learn(examples, [])
    workspace.close()


@pytest.mark.parametrize("value", [b"berlin", b"b:c", b"b", b"u1", b"/x", b"--1", b"+", b"_1", b"\xc3\xbc"])
def test_a_value_that_is_plainly_a_word_is_hashed_with_the_name(value: bytes) -> None:
    assert value_fault(value, 1e12) is None


@pytest.mark.parametrize(
    "value", [b"", b"-", b".", b"e", b"E-", b"-e", b"1x", b"nancy", b"infinite", b"0xyz", b"1:2", b"1e99"]
)
def test_a_value_that_vw_takes_for_a_number_without_its_being_one_is_refused(value: bytes) -> None:
    assert value_fault(value, 1e12) is not None
