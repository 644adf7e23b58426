"""Clicks on ads: who (namespace u) sees which ad (a) in which context (c), and whether it is clicked.

A line is `1 |u u8231 age33 city7 seg4 |a ad291 adv17 cat5 pos3 |c h14 dow2 dev1 site88`. Whether an ad is clicked
depends on every feature, and on which segment of users sees which category of ads: that is learned with `-q ua` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vwserve.streams.columns import BLOCK_LINES, Draws, Words, lines, same, words, zipf_ranks

# The words of each feature in the order of the line: what stands before the number, and how many numbers there are.
_FEATURES: tuple[tuple[bytes, int], ...] = (
    (b"|u u", 20_000),
    (b" age", 60),
    (b" city", 500),
    (b" seg", 12),
    (b" |a ad", 2_000),
    (b" adv", 150),
    (b" cat", 16),
    (b" pos", 6),
    (b" |c h", 24),
    (b" dow", 7),
    (b" dev", 4),
    (b" site", 400),
)
_SEGMENT, _CATEGORY = 3, 6
_MEAN_LOG_ODDS = -1.4
_SCALE = 0.35
_TASTE_SCALE = 2.5


def clicks(count: int, *, seed: int = 0, labelled: bool = True) -> Iterator[bytes]:
    """Yield `count` lines of 12 features, about a quarter of them clicked; without their labels unless `labelled`."""
    draws = Draws(seed)
    names = [words([b"%s%d" % (name, number) for number in range(size)]) for name, size in _FEATURES]
    effects = [draws.effects(size, scale=_SCALE) for _, size in _FEATURES]
    tastes = draws.effects(_FEATURES[_SEGMENT][1], _FEATURES[_CATEGORY][1], scale=_TASTE_SCALE)

    def block() -> Sequence[Words]:
        which = [zipf_ranks(draws.uniform(BLOCK_LINES), size) for _, size in _FEATURES]
        plain = np.sum([effect[ranks] for effect, ranks in zip(effects, which)], axis=0)
        labels = draws.labels(plain + tastes[which[_SEGMENT], which[_CATEGORY]], mean=_MEAN_LOG_ODDS)
        features = [column[ranks] for column, ranks in zip(names, which)]
        return [*([labels] if labelled else []), *features, same(b"\n")]

    return lines(block, count)
