"""What a servable has come to does not depend on how its clients' lines were cut into blocks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vwserve.lines import block_of
from vwserve.model.servable import Servable
from vwserve.model.state import State

LINES = 60


def stream(labels: Sequence[str]) -> list[bytes]:
    """Labelled lines with and without an importance, unlabelled and tagged ones, and some that are none."""
    rng = random.Random(8)
    heads = ["{}", "{}", f"{{}} {rng.uniform(0.1, 9):.3f}", "{} 0.7 'tag", "", "'tag", "none"]
    forms = [rng.choice(heads).format(rng.choice(labels)) for _ in range(LINES)]
    return [f"{form} |f a{rng.randrange(9)} b:{rng.random():.3f}".encode() for form in forms]


def state_after(arguments: str, blocks: Sequence[Sequence[bytes]]) -> State:
    """The state of a servable that has answered these blocks."""
    servable = Servable("m", arguments)
    for block in blocks:
        servable.answer(block_of(block))
    state = servable.state()
    servable.close()
    return state


@pytest.mark.parametrize(
    ("arguments", "labels"),
    [
        ("-b 8 --loss_function logistic --link logistic", ["1", "-1"]),
        ("-b 8 --loss_function logistic", ["1", "-1"]),
        ("-b 8", ["0", "1"]),
        ("-b 8", ["0", "1", "2.5"]),
        ("-b 8 --oaa 3 --indexing 1", ["1", "2", "3"]),
    ],
)
def test_any_blocks_of_a_stream_come_to_the_same_state(arguments: str, labels: list[str]) -> None:
    lines = stream(labels)
    whole = state_after(arguments, [lines])
    assert whole.counts.labelled > 20

    @settings(max_examples=20)
    @given(st.one_of(st.lists(st.integers(0, LINES), max_size=12), st.just([*range(LINES)])))
    def check(ends: list[int]) -> None:
        at = [0, *sorted(ends), LINES]
        assert state_after(arguments, [lines[start:end] for start, end in pairwise(at) if start < end]) == whole

    check()
