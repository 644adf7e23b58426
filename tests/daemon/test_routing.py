"""Routing: the same key always to the same model, as many as the shares say, and few that move when these change."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import blake2b
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.daemon.routing import Router

KEYS = 20_000


def places(shares: list[float], name: str = "ads") -> list[int]:
    """Where twenty thousand keys go."""
    router = Router(name, shares)
    return [router.place(b"'user%d |f a" % number) for number in range(KEYS)]


def test_where_a_key_goes_is_written_down() -> None:
    """Whoever changes one of these moves the users of every split that runs."""
    router = Router("ads", [50, 30, 20])
    assert (
        "".join(str(router.place(b"'user%d |f a" % number)) for number in range(40))
        == "0010100120001000001100010002101202120001"
    )


def test_it_can_be_reckoned_elsewhere() -> None:
    router = Router("ads", [90, 10])
    for number in range(500):
        tag = b"user%d" % number
        digest = blake2b(b"ads\0" + tag, digest_size=4).digest()
        assert router.place(b"1 2 '%s|f a" % tag) == (int.from_bytes(digest, "big") / 2**32 >= 0.9)


def test_it_is_the_same_in_another_process() -> None:
    code = (
        "from vwserve.daemon.routing import Router; r = Router('ads', [3, 2, 1], 'u')\n"
        "print([r.place(b'|u u%d' % n) for n in range(200)])"
    )
    router = Router("ads", [3, 2, 1], "u")
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        assert done.stdout.decode().strip() == str([router.place(b"|u u%d" % number) for number in range(200)])


@pytest.mark.parametrize("shares", [[90, 10], [0.9, 0.1], [1, 1, 1], [50, 30, 15, 5], [7], [1e-6, 1], [1, 1e-9]])
def test_each_model_gets_its_share(shares: list[float]) -> None:
    found = places(shares)
    for place, share in enumerate(shares):
        expected = share / sum(shares)
        deviation = (expected * (1 - expected) / KEYS) ** 0.5
        assert found.count(place) / KEYS == pytest.approx(expected, abs=4 * deviation + 1e-12)


def test_shares_are_relative() -> None:
    assert places([90, 10]) == places([0.9, 0.1]) == places([9, 1]) == places([900.0, 100.0])


def moved(before: list[float], after: list[float]) -> dict[tuple[int, int], float]:
    """From where to where keys move when shares change, and the part of all that does."""
    pairs = list(zip(places(before), places(after)))
    return {pair: pairs.count(pair) / KEYS for pair in set(pairs) if pair[0] != pair[1]}


def test_when_two_exchange_shares_only_the_difference_moves_and_in_one_direction() -> None:
    assert moved([90, 10], [80, 20]) == {(0, 1): pytest.approx(0.1, abs=0.01)}
    assert moved([80, 20], [90, 10]) == {(1, 0): pytest.approx(0.1, abs=0.01)}
    assert moved([90, 10], [10, 90]) == {(0, 1): pytest.approx(0.8, abs=0.015)}


def test_when_neighbours_exchange_shares_the_others_keep_their_keys() -> None:
    assert moved([50, 30, 20], [40, 40, 20]) == {(0, 1): pytest.approx(0.1, abs=0.01)}
    assert moved([50, 30, 20], [50, 20, 30]) == {(1, 2): pytest.approx(0.1, abs=0.01)}


def test_when_others_do_those_between_are_shifted() -> None:
    tenth = pytest.approx(0.1, abs=0.01)
    assert moved([50, 30, 20], [40, 30, 30]) == {(0, 1): tenth, (1, 2): tenth}


def test_a_new_model_next_to_the_one_whose_share_it_takes_moves_no_other_key() -> None:
    # Before {a: 90, b: 10}, now {a: 80, new: 10, b: 10}: what was second is third.
    pairs = set(zip(places([90, 10]), places([80, 10, 10])))
    assert pairs == {(0, 0), (0, 1), (1, 2)}


def test_two_splits_are_independent() -> None:
    first, second = places([50, 50]), places([50, 50], "web")
    both = sum(one == other == 1 for one, other in zip(first, second))
    assert both / KEYS == pytest.approx(0.25, abs=0.015)


# -- keys --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"'t1 |u u1 |v p1",
        b"'t1 |x other",
        b"1 't1 |u u1 |v p1",
        b"1 2 't1|u u1",
        b"1 2 0.5 t1|u u1",
        b"t1|u u1",
        b"shared 't1 |u u1",
        b"0:1:0.5 't1 |u u1",
    ],
)
def test_the_key_is_the_tag_whatever_stands_around_it(line: bytes) -> None:
    assert Router("ads", [1]).key(line) == b"t1"


@pytest.mark.parametrize(
    "line",
    [
        b"'t1 |u u1 a:2 |v p1",
        b"1 |v p1 |u u1 a:2",
        b"1 |v p1 |u:0.5 \t u1  a:2 ",
        b"shared |u u1 a:2",
        b"|user x |u u1 a:2 |u again",
    ],
)
def test_the_key_is_the_text_of_a_namespace_wherever_it_stands(line: bytes) -> None:
    assert Router("ads", [1], "u").key(line) == b"u1 a:2"


def test_a_namespace_is_known_by_its_whole_name() -> None:
    assert Router("ads", [1], "user").key(b"|u x |user u1 |userid y") == b"u1"
    assert Router("ads", [1], "a.b").key(b"|axb x |a.b u1") == b"u1"


@pytest.mark.parametrize("by", ["tag", "w"])
def test_an_example_without_the_key_goes_by_its_features_so_that_its_label_follows(by: str) -> None:
    router = Router("ads", [1], by)
    keys = {
        router.key(line) for line in (b"|u u1 |v p1", b"1 |u u1 |v p1", b"0.5 2.0 0.1 |u u1 |v p1 ", b" |u u1 |v p1")
    }
    assert keys == {b"u u1 |v p1"}
    assert router.key(b"|u u2 |v p1") not in keys
    assert router.key(b"1 ' |u u1 |v p1") in keys


def test_an_empty_namespace_is_no_key() -> None:
    router = Router("ads", [1], "u")
    assert router.key(b"1 |u |v p1") == b"u |v p1"
    assert router.key(b"1 |v p1 |u") == b"v p1 |u"


@given(st.binary(max_size=40), st.sampled_from(["tag", "u"]))
def test_whatever_a_line_is_it_goes_somewhere(line: bytes, by: str) -> None:
    router = Router("ads", [5, 3, 2], by)
    assert router.place(line) == router.place(line) in (0, 1, 2)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=8), st.binary(min_size=1, max_size=8))
def test_growing_the_first_share_never_moves_a_key_away_from_it(shares: list[float], key: bytes) -> None:
    line = b"'" + bytes(max(byte, 0x21) for byte in key).replace(b"|", b"x") + b" |f a"
    found = [Router("ads", [shares[0] * factor, *shares[1:]]).place(line) for factor in (1, 2, 4, 8)]
    assert all(later <= earlier for earlier, later in pairwise(found))
