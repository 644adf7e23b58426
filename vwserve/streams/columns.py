"""Lines put together from columns: each column has its words made once, and a draw of which word stands in which line.

A million lines have tens of millions of words, so nothing is formatted line by line. The words of a column are the rows
of a byte matrix, padded with NUL; a block of lines is columns side by side, and what is left without the NULs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint8]  # one a row

BLOCK_LINES = 4096
_MANTISSA_BITS = 53


class Draws:
    """Random numbers that are the same for a seed on every machine and with every numpy.

    numpy promises a stable stream of a bit generator's raw integers only (NEP 19), so all is derived from those.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, *shape: int) -> Floats:
        """Numbers from 0 to below 1."""
        raw = self._bits.random_raw(int(np.prod(shape)))
        return (raw >> np.uint64(64 - _MANTISSA_BITS)).astype(np.float64).reshape(shape) * 2.0**-_MANTISSA_BITS

    def effects(self, *shape: int, scale: float) -> Floats:
        """Hidden weights, evenly between ±`scale`."""
        return (2.0 * self.uniform(*shape) - 1.0) * scale

    def labels(self, log_odds: Floats, mean: float) -> Words:
        """A label for each line of a block, 1 with the probability of its log-odds once shifted to this mean."""
        shifted = log_odds - log_odds.mean() + mean
        positive: Integers = (self.uniform(len(shifted)) < 1.0 / (1.0 + np.exp(-shifted))).astype(np.int64)
        labels: Words = _LABELS[positive]
        return labels


def zipf_ranks(quantiles: Floats, size: int, offset: float = 1.0) -> Integers:
    """The ranks from 0 to below `size` at these quantiles of Zipf's law: one is as frequent as 1 / (rank + offset)."""
    ranks = offset * np.power((size + offset) / offset, quantiles) - offset
    return np.minimum(ranks.astype(np.int64), size - 1)


def words(texts: Sequence[bytes]) -> Words:
    """Texts without NUL as the rows of a matrix."""
    width = max(map(len, texts))
    return np.frombuffer(b"".join([text.ljust(width, b"\0") for text in texts]), np.uint8).reshape(len(texts), width)


def same(text: bytes) -> Words:
    """The same word in every line of a block."""
    return np.broadcast_to(words([text]), (BLOCK_LINES, len(text)))


def lines(block: Callable[[], Sequence[Words]], count: int) -> Iterator[bytes]:
    """Yield `count` lines; whatever the count, BLOCK_LINES are drawn at a time, so that few lines begin as many do.

    `block` gives the columns of so many lines, each a matrix of BLOCK_LINES rows; only the last has a newline.
    """
    while count > 0:
        text = np.concatenate(block(), axis=1).tobytes().translate(None, b"\0")
        yield from islice(text.splitlines(keepends=True), count)
        count -= BLOCK_LINES


_LABELS = words([b"-1 ", b"1 "])
