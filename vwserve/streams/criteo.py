"""Display advertising in the shape of Criteo's 2014 challenge: 13 counts and 26 hashed categories, many missing.

A line is `-1 '10000003 |n I2:893 I5:4392 ... |c C1=68fd1e64 C2=2c16a946 ...`, the tag being the number of the row. How
often a value is missing, how counts are distributed and how frequent the first category is were taken from 1,999 rows
of the challenge; how many categories a column has, from what is published of the whole set, held at 20,000.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count as counter
from itertools import islice
from typing import NamedTuple

import numpy as np

from vwserve.streams.columns import BLOCK_LINES, Draws, Floats, Words, lines, same, words, zipf_ranks


class _Counts(NamedTuple):
    """A numeric column: which columns it is missing with, in what share of rows, and its values at QUANTILES."""

    missing_with: str
    missing: float
    values: tuple[int, ...]


class _Categories(NamedTuple):
    """A categorical column: which columns it is missing with, in what share; how many words, the first one's share."""

    missing_with: str
    missing: float
    size: int
    first: float


_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
_COUNTS = (
    _Counts("I1", 0.445, (0, 0, 0, 1, 3, 8, 61, 95)),
    _Counts("", 0.0, (-2, -1, 0, 3, 44, 226, 2382, 7864)),
    _Counts("I3", 0.225, (0, 1, 2, 6, 19, 51, 413, 8457)),
    _Counts("I4", 0.21, (0, 1, 2, 4, 11, 21, 43, 87)),
    _Counts("I5", 0.047, (0, 15, 296, 2885, 10301, 31645, 234554, 1015220)),
    _Counts("I6", 0.247, (0, 2, 10, 43, 140, 352, 1896, 4638)),
    _Counts("I5", 0.047, (0, 0, 0, 3, 10, 30, 166, 1658)),
    _Counts("I8", 0.001, (0, 0, 2, 8, 20, 35, 48, 547)),
    _Counts("I5", 0.047, (0, 2, 10, 43, 129, 324, 1208, 5637)),
    _Counts("I1", 0.445, (0, 0, 0, 0, 1, 1, 2, 4)),
    _Counts("I5", 0.047, (0, 0, 0, 1, 2, 5, 18, 37)),
    _Counts("I12", 0.777, (0, 0, 0, 0, 1, 2, 11, 98)),
    _Counts("I4", 0.21, (0, 1, 2, 5, 14, 28, 75, 770)),
)
_CATEGORIES = (
    _Categories("", 0.0, 1460, 0.507),
    _Categories("", 0.0, 583, 0.114),
    _Categories("C3", 0.033, 20000, 0.062),
    _Categories("C3", 0.033, 20000, 0.09),
    _Categories("", 0.0, 305, 0.675),
    _Categories("C6", 0.126, 24, 0.525),
    _Categories("", 0.0, 12517, 0.012),
    _Categories("", 0.0, 633, 0.594),
    _Categories("", 0.0, 3, 0.903),
    _Categories("", 0.0, 20000, 0.271),
    _Categories("", 0.0, 5683, 0.024),
    _Categories("C3", 0.033, 20000, 0.062),
    _Categories("", 0.0, 3194, 0.025),
    _Categories("", 0.0, 27, 0.352),
    _Categories("", 0.0, 14992, 0.021),
    _Categories("C3", 0.033, 20000, 0.062),
    _Categories("", 0.0, 10, 0.416),
    _Categories("", 0.0, 5652, 0.055),
    _Categories("C19", 0.483, 2173, 0.56),
    _Categories("C19", 0.483, 4, 0.339),
    _Categories("C3", 0.033, 20000, 0.062),
    _Categories("C22", 0.816, 18, 0.519),
    _Categories("", 0.0, 15, 0.463),
    _Categories("C3", 0.033, 20000, 0.092),
    _Categories("C19", 0.483, 105, 0.346),
    _Categories("C19", 0.483, 20000, 0.087),
)
_FIRST_ROW = 10_000_000
_STEPS = 512  # how many different counts a numeric column has in print
_MEAN_LOG_ODDS = -1.6
_SCALE = 0.5


def criteo(count: int, *, seed: int = 0, labelled: bool = True) -> Iterator[bytes]:
    """Yield `count` lines of up to 39 features, about a quarter clicked; without their labels unless `labelled`."""
    draws = Draws(seed)
    columns: list[_Counts | _Categories] = [*_COUNTS, *_CATEGORIES]
    names: list[Words] = []  # of each column; the first is that of a missing value
    for number, counts in enumerate(_COUNTS, 1):
        values = np.rint(_at_quantiles(np.arange(_STEPS) / _STEPS, counts.values)).astype(int).tolist()
        names.append(words([b"", *(b" I%d:%d" % (number, value) for value in values)]))
    for number, categories in enumerate(_CATEGORIES, 1):
        hashes = (draws.uniform(categories.size) * 2**32).astype(np.uint32).tolist()
        names.append(words([b"", *(b" C%d=%08x" % (number, each) for each in hashes)]))
    effects = [draws.effects(len(column), scale=_SCALE) for column in names]
    rows = counter(_FIRST_ROW)

    def block() -> Sequence[Words]:
        missing: dict[str, Floats] = {}
        features: list[Words] = []
        log_odds = np.zeros(BLOCK_LINES)
        for column, column_names, effect in zip(columns, names, effects, strict=True):
            drawn = draws.uniform(BLOCK_LINES)
            if isinstance(column, _Counts):
                which = (drawn * _STEPS).astype(np.int64)
            else:
                rest = zipf_ranks((drawn - column.first) / (1.0 - column.first), column.size - 1)
                which = np.where(drawn < column.first, 0, 1 + rest)
            which += 1
            if column.missing:
                if column.missing_with not in missing:
                    missing[column.missing_with] = draws.uniform(BLOCK_LINES)
                which[missing[column.missing_with] < column.missing] = 0
            features.append(column_names[which])
            log_odds += effect[which]
        labels = draws.labels(log_odds, mean=_MEAN_LOG_ODDS)
        tags = words([b"'%d |n" % row for row in islice(rows, BLOCK_LINES)])
        first = [labels] if labelled else []
        return [*first, tags, *features[: len(_COUNTS)], same(b" |c"), *features[len(_COUNTS) :], same(b"\n")]

    return lines(block, count)


def _at_quantiles(quantiles: Floats, values: tuple[int, ...]) -> Floats:
    """Values between those known, even in their logarithm as counts are."""
    offset = 1 - min(values)
    known = np.log(np.array(values, np.float64) + offset)
    return np.exp(np.interp(quantiles, _QUANTILES, known)) - offset
