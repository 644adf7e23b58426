"""Which lines are examples: VW's traps by name, and the two deciders held against each other."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.learner import lines
from vwserve.learner.bounds import Bounds
from vwserve.learner.classes import Classes, Targets
from vwserve.learner.grammar import Grammar, Shape, feature_sizes
from vwserve.learner.headroom import Caps
from vwserve.learner.labels import label_form

BOUNDS = Bounds()


def grammar(
    kind: str = "simple",
    classes: Classes | None = None,
    bounds: Bounds = BOUNDS,
    multiline: bool = False,
    targets: Targets | None = None,
) -> Grammar:
    """The grammar of a kind of label."""
    return Grammar(label_form(kind, classes or Classes(), bounds, multiline, targets), bounds.magnitude)


SIMPLE = grammar()

# Every kind of label with the lines that it is for.
KINDS: dict[str, tuple[Grammar, Callable[[random.Random], bytes]]] = {
    "simple": (SIMPLE, lines.simple),
    "simple, tight bounds": (grammar(bounds=Bounds(importance=2.0, magnitude=2.5)), lines.simple),
    "simple, -1 or 1": (grammar(targets=Targets(-1.0, 1.0, ends_only=True)), lines.binary),
    "simple, from -1 to 1": (grammar(targets=Targets(-1.0, 1.0)), lines.simple),
    "simple, from 0 to 1": (grammar(targets=Targets(0.0, 1.0)), lines.shares),
    "simple, counts": (grammar(targets=Targets(lowest=0.0)), lines.counts),
    "multiclass": (grammar("multiclass", Classes(1, 5)), lines.multiclass),
    "multiclass, many": (grammar("multiclass", Classes(0, 1207)), lines.zero_based),
    "multiclass, named": (grammar("multiclass", Classes(names=(b"cat", b"dog", b"bird"))), lines.named),
    "costs": (grammar("costs", Classes(1, 5)), lines.costs),
    "costs, several lines": (grammar("costs", multiline=True), lambda rng: rng.choice(lines.costed_actions(rng))),
    "bandit": (grammar("bandit", Classes(1, 5)), lines.bandit),
    "bandit, several lines": (grammar("bandit", multiline=True), lambda rng: rng.choice(lines.bandit_actions(rng))),
    "ccb": (grammar("ccb", multiline=True), lambda rng: rng.choice(lines.slots(rng))),
    "slates": (grammar("slates", multiline=True), lambda rng: rng.choice(lines.slates(rng))),
    "continuous": (grammar("continuous"), lines.continuous),
    "multilabel": (grammar("multilabel", Classes(0, 4)), lines.multilabel),
    "multilabel, ascending": (grammar("multilabel", Classes(0, 4, ascending=True)), lines.multilabel),
}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"garbage no pipe", "has no '|'"),
        (b"1", "has no '|'"),
        (b"save", "has no '|'"),
        (b"x |f a", "'x' is not a number"),
        (b"nan |f a", "'nan' is not a number"),
        (b"inf |f a", "'inf' is not a number"),
        (b"1e30 |f a", "beyond"),
        (b"1 1e30 |f a", "importance '1e30' is beyond"),
        (b"1 -1 |f a", "importance '-1' is negative"),
        (b"1 nan |f a", "importance 'nan' is not a number"),
        (b"1 1 nan |f a", "'nan' is not a number"),
        (b"1 1 1 1 1 |f a", "5 numbers before the features"),
        (b"1 'tag 2 |f a", "is not a number"),
        (b"1\t|f a", "a tab before the first '|'"),
        (b"1 |f a:nan", "is not a number"),
        (b"1 |f a:inf", "is not a number"),
        (b"1 |f a:1e30", "beyond"),
        (b"1 |f a:1x b", "'1x' is not a number"),
        (b"1 |f a: 3", "'' is not a number"),
        (b"1 |f a:- b", "'-' is not a number"),
        (b"1 |f city:e", "'e' is not a number"),
        (b"1 |f name:nancy", "is not a number"),
        (b"1 |f name:infinite", "is not a number"),
        (b"1 |f a:0x1f", "is not a number"),
        (b"1 |f a:1:2", "is not a number"),
        (b"1 |f city:berlin|g b", "put a space between"),
        (b"1 |:2 a", "has no name"),
        (b"1 |f:x a", "weight of namespace 'f'"),
        (b"1 |f:nan a", "weight of namespace 'f'"),
        (b"1 |f:2:3 a", "weight of namespace 'f'"),
        (b"1 |f a\rb", "byte 0x0d"),
        (b"1 |f a\0b", "byte 0x00"),
        (b"1 |f a\x0bb", "byte 0x0b"),
        (b"1 |f a:1e-200", "more digits"),
        (b"1 |f a:0e99", "more digits"),
    ],
)
def test_what_vw_would_swallow_or_misread_is_refused_with_its_reason(line: bytes, reason: str) -> None:
    assert reason in str(SIMPLE.fault(line))
    assert SIMPLE.shape(line + b"\n") is None


@pytest.mark.parametrize(
    "line",
    [
        b"|",
        b"1 |",
        b"|f",
        b"|f a",
        b" |f a",
        b"1 |f a",
        b"1 2 |f a",
        b"1 2 0.5 |f a",
        b"1 2 0.5 'tag |f a",
        b"1 2 0.5 tag|f a",
        b"1|f a",
        b"'tag |f a",
        b"'|f a",
        b"' |f a",
        b"1 '  |f a",
        b"tag|f a",
        b"+1 |f a",
        b"1 |f:2 a",
        b"1 |f:2|g a",
        b"1 |f a:2|g b",
        b"1 |f a|g b|h",
        b"1 |f city:berlin |g b",
        b"1 |f city:berlin",
        b"1 |f a:b:c",
        b"1 |f :2 :3.5 x",
        b"1 | a b:.5",
        b"1 |f\ta\tb:2",
        b"1 |f a  b   c ",
        "1 |f größe:2 naïve 東京:1".encode(),
        b"1 |f \xff\xfe",
        b"1 |f a:1e-20 b:+2 c:1e+2",
    ],
)
def test_what_vw_reads_as_it_is_meant_is_an_example(line: bytes) -> None:
    assert SIMPLE.fault(line) is None


def test_a_number_right_before_the_bar_is_a_tag_and_no_label() -> None:
    assert SIMPLE.observed(b"1|f a\n1 |f a\n'1 |f a\n|f a\n  -1  |f a\ntag|f 1 \n") == [0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("kind", "line", "learns"),
    [
        ("costs", b"1:2 2:0 |f a", True),
        ("costs", b"1 2 |f a", False),
        ("costs", b"1:2|f a", False),
        ("costs", b"'a:b |f a", False),
        ("bandit", b"1:2:0.5 |f a", True),
        ("bandit", b"1:2:0.50000000000000000000 |f a", True),
        ("bandit", b"1:2:0.5|f a:1 b", False),
        ("bandit, several lines", b"shared |f a:1 b", False),
        ("ccb", b"ccb slot 0:1.5:0.5 |f a", True),
        ("ccb", b"ccb slot 0,1 0:10:0.5 |f a", True),
        ("ccb", b"ccb slot 0,1 |f a:1 b", False),
        ("slates", b"slates shared 10.5 |f a", True),
        ("slates", b"slates shared |f a", False),
        ("slates", b"slates slot 0:1 |f a", False),
        ("continuous", b"ca 1:2:0.5 |f a", True),
        ("continuous", b"ca |f a", False),
        ("multilabel", b"0,2,4 |f a", True),
        ("multilabel", b"0,2,4|f a", False),
        ("multiclass", b"3 2 |f a", True),
        ("multiclass, named", b"dog |f a", True),
        ("multiclass, named", b"dog|f a", False),
    ],
)
def test_what_a_line_teaches_is_seen_in_its_label(kind: str, line: bytes, learns: bool) -> None:
    found = KINDS[kind][0]
    assert found.fault(line) is None
    assert found.observed(line + b"\n") == [learns]


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_lines_of_every_kind_are_examples(kind: str) -> None:
    found, form = KINDS[kind]
    accepted = [line for line in lines.stream(form, 500) if found.fault(line) is None]
    assert len(accepted) == 500 or "tight" in kind or "from -1" in kind
    recognised = sum(found.shape(line + b"\n") is not None for line in accepted)
    assert recognised > len(accepted) / 4
    # A block has the shape of its lines together.
    ordinary = [line + b"\n" for line in accepted if found.shape(line + b"\n")]
    assert found.shape(b"".join(ordinary)) is Shape.MIXED


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_automaton_accepts_the_exact_check_accepts_too(kind: str) -> None:
    found, form = KINDS[kind]
    spoilt = lines.spoilt(form, 4000)
    recognised = [line for line in spoilt if found.shape(line + b"\n") is not None]
    assert 400 < len(recognised) < 4000
    assert [(line, found.fault(line)) for line in recognised if found.fault(line)] == []


_ALPHABET = st.sampled_from([bytes([code]) for code in b"|f a:1.5-+e'\tx09,\xc3\xbc@"]) | st.sampled_from(
    [b"1 ", b" 'tag ", b"|f ", b":0.5", b"1e-3", b"1:2:0.5 ", b"shared", b"ca ", b"ccb slot ", b"\xef\xbb\xbf"]
)


@given(kind=st.sampled_from(sorted(KINDS)), words=st.lists(_ALPHABET, max_size=20))
@example(kind="simple", words=[b"1 |f a:b|g"])
def test_the_deciders_agree_on_any_line(kind: str, words: list[bytes]) -> None:
    found, _ = KINDS[kind]
    line = b"".join(words)
    if found.shape(line + b"\n") is not None:
        assert found.fault(line) is None


@given(words=st.lists(_ALPHABET, max_size=12), others=st.lists(_ALPHABET, max_size=12))
def test_a_block_is_ordinary_only_if_each_of_its_lines_is(words: list[bytes], others: list[bytes]) -> None:
    block = b"".join(words) + b"\n" + b"".join(others) + b"\n"
    each = [SIMPLE.shape(line + b"\n") for line in block.split(b"\n")[:-1]]
    assert (SIMPLE.shape(block) is not None) == (None not in each)


@given(st.binary(max_size=40))
def test_any_bytes_are_judged(line: bytes) -> None:
    line = line.replace(b"\n", b"")
    for found, _ in KINDS.values():
        fault = found.fault(line)
        assert fault is None or ("\n" not in fault and fault)


def test_shapes_tell_what_all_lines_have_in_common() -> None:
    assert SIMPLE.shape(b"|f a\n|g b:2\n") is Shape.UNLABELLED
    assert SIMPLE.shape(b"1 |f a\n-2.5 |g b:2\n") is Shape.LABELLED
    assert SIMPLE.shape(b"1 |f a\n|g b:2\n") is Shape.MIXED
    assert SIMPLE.shape(b"1 2 |f a\n") is Shape.MIXED
    assert SIMPLE.shape(b"1 't |f a\n") is Shape.MIXED
    assert SIMPLE.shape(b"1|f a\n") is Shape.MIXED


def test_a_line_that_could_be_an_address_a_query_or_marked_is_never_ordinary() -> None:
    for line in (b"@ctr|f a\n", b"!ping|f a\n", b"\xef\xbb\xbf|f a\n", b"\xef\xbb\xbf1 |f a\n"):
        assert SIMPLE.shape(line) is None


def test_a_long_line_is_judged_in_time_that_grows_with_its_length() -> None:
    # An expression that tries again from every character would not return.
    for piece in (b"a:b", b" a:", b"|", b"1 ", b"'", b"a:1", b" :1"):
        assert SIMPLE.shape(piece * 100_000 + b"\x01\n") is None


_CAPPED = Grammar(label_form("simple", Classes(), BOUNDS, False), BOUNDS.magnitude, Caps(value=1e4, weight=10.0))
_FORMS = st.sampled_from(["{:.0f}", "{:.3f}", "{:e}", "{:+.2e}", "{:.6g}", "{:+.1f}"])


def written(low: float, high: float) -> st.SearchStrategy[bytes]:
    """Numbers in one of the forms that they may have."""
    return st.tuples(_FORMS, st.floats(low, high)).map(lambda pair: pair[0].format(pair[1]).encode())


@given(
    weight=st.none() | written(0, 100),
    values=st.lists(
        st.one_of(
            written(-1e12, 1e12),
            written(-1e5, 1e5),
            st.sampled_from([b"1e4", b"9999", b"9999.9", b"1e-9", b"word", b"+10000"]),
        )
    ),
)
def test_a_glance_never_takes_a_large_value_for_a_small_one(weight: bytes | None, values: list[bytes]) -> None:
    line = b"1 |f" + (b":" + weight if weight is not None else b"") + b"".join([b" a:" + value for value in values])
    assume(_CAPPED.fault(line) is None)
    if _CAPPED.surely_small(line):
        assert max(feature_sizes(line).values()) <= 1e4
    assert _CAPPED.shape(line + b"\n") is None or max(feature_sizes(line).values()) <= 1e5
