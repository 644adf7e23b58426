"""Progressive validation: how well a model predicted each labelled example before it learned from it.

Every labelled example is a test case before it is a training case, so the figures need no held-out data (Blum, Kalai
and Langford 1999, *Beating the hold-out*). The loss is VW's own; here is what needs pairs of prediction and label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]

_BINS = 8192
_WIDEST = 16.0  # log-odds or raw score beyond which examples share the outermost bin
# Scores are summed in units of 2^-30, as whole numbers, so that the sum is the same in whatever portions they come.
_UNIT = 2.0**30
_LARGEST_SCORE = 2.0**20
_HALF = 1 << 25


@dataclass(frozen=True, slots=True)
class Pairs:
    """All that a `Progress` has taken: the sum of scores in units of 2^-30, and the counts of those bins that have any.

    `negatives` and `positives` are a bin and its count by turns.
    """

    binary: bool = True
    negative_seen: bool = False
    score_sum: int = 0
    negatives: tuple[int, ...] = ()
    positives: tuple[int, ...] = ()


class Progress:
    """Calibration and area under the ROC curve of a binary model, over everything it has served.

    `scale` says what its scores are: "probability", "log-odds", or "linear" (the label itself is regressed). Labels are
    -1 and 1, or 0 and 1; as soon as another one is seen the model is not binary, and both figures are None. The area is
    computed from counts in bins of log-odds or score, so it is right to about three decimals.
    """

    def __init__(self, scale: str) -> None:
        self._scale = scale
        self._binary = True
        self._negative_seen = False
        self._score_sum = 0
        self._counts = np.zeros((2, _BINS), np.int64)

    def add(self, scores: Sequence[float], labels: Sequence[float]) -> None:
        """Take predictions and their labels, in the same order; a few thousand at once cost the least."""
        if self._binary and scores:
            self._count(np.array(scores), np.array(labels))

    def include(self, other: Progress) -> None:
        """Take all that another has taken whose scores are of the same scale."""
        if not (self._binary and other._binary):
            self._forget()
            return
        self._negative_seen = self._negative_seen or other._negative_seen
        self._score_sum += other._score_sum
        self._counts += other._counts

    @property
    def pairs(self) -> Pairs:
        """All that was taken, for another to go on from."""
        negatives, positives = map(_sparse, self._counts)
        return Pairs(self._binary, self._negative_seen, self._score_sum, negatives, positives)

    def resume(self, pairs: Pairs) -> None:
        """Go on from what another of the same scale had taken; raises ValueError where these are no such pairs."""
        counts = np.zeros((2, _BINS), np.int64)
        for row, sparse in zip(counts, (pairs.negatives, pairs.positives), strict=True):
            bins, numbers = sparse[::2], sparse[1::2]
            if len(bins) != len(numbers) or not all(0 <= each < _BINS for each in bins):
                raise ValueError(f"counts are of bins from 0 to {_BINS - 1}, each followed by its number")
            row[list(bins)] = numbers
        self._binary, self._negative_seen, self._score_sum = pairs.binary, pairs.negative_seen, pairs.score_sum
        self._counts = counts

    @property
    def calibration(self) -> float | None:
        """Mean predicted probability over mean label (as 0 or 1); 1 is perfect, None is unknown."""
        positives = int(self._counts[1].sum())
        total = int(self._counts.sum())
        if not self._binary or positives == 0:
            return None
        if self._scale == "linear" and positives == total:
            return None  # whether its labels are -1 and 1, or 0 and 1, is not known yet
        mean = self._score_sum / _UNIT / total
        if self._scale == "linear" and self._negative_seen:
            mean = (mean + 1.0) / 2.0
        return mean / (positives / total)

    @property
    def auc(self) -> float | None:
        """The chance that a positive example scored higher than a negative one; None is unknown."""
        negative, positive = self._counts.astype(np.float64)
        pairs = negative.sum() * positive.sum()
        if not self._binary or pairs == 0:
            return None
        below = np.cumsum(negative) - negative
        return float((positive * (below + negative / 2.0)).sum() / pairs)

    def _forget(self) -> None:
        """Be of no binary model; what came before in the same portion, or in earlier ones, counts no more."""
        self._binary, self._negative_seen, self._score_sum = False, False, 0
        self._counts = np.zeros((2, _BINS), np.int64)

    def _count(self, scores: _Floats, labels: _Floats) -> None:
        positive = labels == 1.0
        negative = labels == -1.0
        self._negative_seen = self._negative_seen or bool(negative.any())
        if not (bool((positive | negative | (labels == 0.0)).all()) and bool(np.isfinite(scores).all())):
            self._forget()
            return
        odds = scores
        if self._scale == "probability":
            within = np.clip(scores, 1e-9, 1.0 - 1e-9)
            odds = np.log(within / (1.0 - within))
            self._score_sum += _exact_sum(scores)
        elif self._scale == "log-odds":
            self._score_sum += _exact_sum(1.0 / (1.0 + np.exp(-np.clip(scores, -50.0, 50.0))))
        else:
            self._score_sum += _exact_sum(scores)
        bins = np.clip((odds + _WIDEST) * (_BINS / (2.0 * _WIDEST)), 0, _BINS - 1).astype(np.int64)
        self._counts += np.bincount(bins + _BINS * positive, minlength=2 * _BINS).reshape(2, _BINS)


def _exact_sum(scores: _Floats) -> int:
    units = np.rint(np.clip(scores, -_LARGEST_SCORE, _LARGEST_SCORE) * _UNIT).astype(np.int64)
    high, low = np.divmod(units, _HALF)  # neither of which overflows, however many they are
    return int(high.sum()) * _HALF + int(low.sum())


def _sparse(counts: npt.NDArray[np.int64]) -> tuple[int, ...]:
    bins = np.flatnonzero(counts)
    return tuple(np.column_stack([bins, counts[bins]]).ravel().tolist())
