"""Texts in the shape of RCV1, the Reuters news that VW's own tutorial uses.

A line is `1 |f 13:3.9656971e-02 24:3.4781646e-02 ...`: each distinct term of a text as a number, in ascending order,
with its tf-idf weight, the weights of a text being scaled to length 1 (Lewis, Yang, Rose and Li, "RCV1: A New Benchmark
Collection for Text Categorization Research", JMLR 5, 2004). Whether a text is on the topic depends on its terms alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from vwserve.streams.columns import BLOCK_LINES, Draws, Integers, Words, lines, same, words, zipf_ranks

FEATURES = 79
TERMS = 47_000

_WEIGHTS = 8192  # how many different weights there are in print
_LARGEST_WEIGHT = 0.9
_SMALLEST_WEIGHT = 0.002
_SCALE = 6.0
_STOP_WORDS = 30.0  # the most frequent words of the language, which are left out


def texts(count: int, *, seed: int = 0, labelled: bool = True) -> Iterator[bytes]:
    """Yield `count` lines of 79 features, about half of them on the topic; without their labels unless `labelled`."""
    draws = Draws(seed)
    terms = words([b" %d:" % term for term in range(TERMS + FEATURES + 1)])
    ratio = math.log(_SMALLEST_WEIGHT / _LARGEST_WEIGHT) / (_WEIGHTS - 1)
    weights = words([b"%.7e" % (_LARGEST_WEIGHT * math.exp(ratio * step)) for step in range(_WEIGHTS)])
    # The number of a term has nothing to do with how frequent it is.
    numbers = 1 + np.argsort(draws.uniform(TERMS), kind="stable")
    rarities = np.zeros(len(terms))
    rarities[numbers] = np.log(np.arange(2.0, TERMS + 2.0))
    effects = draws.effects(len(terms), scale=_SCALE)

    def block() -> Sequence[Words]:
        which = _distinct(
            np.sort(numbers[zipf_ranks(draws.uniform(BLOCK_LINES, FEATURES), TERMS, _STOP_WORDS)], axis=1)
        )
        tf_idf = (1.0 + rarities[which]) * (1.0 + 2.0 * draws.uniform(BLOCK_LINES, FEATURES) ** 4)
        tf_idf /= np.sqrt(np.sum(tf_idf**2, axis=1, keepdims=True))
        steps = np.log(tf_idf / _LARGEST_WEIGHT) / ratio
        steps = np.clip(np.rint(steps), 0, _WEIGHTS - 1).astype(np.int64)
        labels = draws.labels(np.sum(effects[which] * tf_idf, axis=1), mean=0.0)
        features = np.concatenate([terms[which], weights[steps]], axis=2).reshape(BLOCK_LINES, -1)
        return [*([labels] if labelled else []), same(b"|f"), features, same(b"\n")]

    return lines(block, count)


def _distinct(ascending: Integers) -> Integers:
    """Each row with repeated numbers moved up to the next free ones, so that no term stands in a text twice."""
    places = np.arange(ascending.shape[1])
    return np.maximum.accumulate(ascending - places, axis=1) + places
