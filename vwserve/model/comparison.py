"""Two models on the same examples: how much more one loses than the other, and how sure that is.

Both predict each example before either learns it, so the difference of their losses is that of paired tests, from which
falls out what makes an example hard for both. The figure is the summed difference over the summed importance, a ratio
of sums. Its standard error comes from batch means: the stream is cut into consecutive batches, and the spread of the
batches around the overall figure says how far that may be off (Cochran 1977, *Sampling Techniques*, 3rd edition, 9A.1:
the ratio of cluster totals; Schmeiser 1982, *Batch Size Effects in the Analysis of Simulation Output*, Operations
Research 30: ten to thirty batches are enough, many short ones are worse). With b batches of importance w and difference
d, whose sums are W and D, the interval is

    D/W ± t · sqrt(b/(b-1) · Σ(d - w·D/W)²) / W        t: the quantile of Student's distribution, b-1 degrees

Why batches, although the losses of single examples could be had: neighbours are no independent draws. A user's
examples come in a row, and what a model gets wrong today it gets wrong all day; taken for independent they make
intervals far too narrow. A batch holds what depends on each other as soon as it is longer than that lasts. So batches
grow: there are at most `BATCHES`, and when there would be more, neighbours are joined two by two. And batches need only
what a whole chunk of lines came to, which VW has summed already.

While the difference itself moves, as when one of them has yet to catch up, the batches differ by that as well and the
interval is wider than it need be.

What the interval is not: a licence to look until it excludes zero. It holds for one look at a time chosen beforehand;
of many looks at two equal models more than one in twenty shows a difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

BATCHES = 64
"""The most batches, which are joined two by two when there would be more."""

FEWEST = 10
"""The fewest batches that an interval is made of."""

CONFIDENCE = 0.95

_QUANTILE = 1.959963984540054  # of the normal distribution, for that confidence


class Estimate(NamedTuple):
    """Over so many examples: the mean difference of losses, and the ends of its interval; None where not known."""

    examples: int
    difference: float | None
    low: float | None
    high: float | None


class Batch(NamedTuple):
    """Consecutive examples: how many, their importance and the difference of losses, summed."""

    examples: int
    weight: float
    difference: float

    def joined(self, later: Batch) -> Batch:
        """Both together."""
        return Batch(self.examples + later.examples, self.weight + later.weight, self.difference + later.difference)


class Comparison:
    """Takes what two models lost on the same examples, in portions of whatever size."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._size = 1  # examples that a batch has at least
        # The batch that has yet to be full.
        self._examples = 0
        self._weight = 0.0
        self._difference = 0.0

    def add(self, examples: int, weight: float, difference: float) -> None:
        """Take examples of this summed importance, on which one model lost so much more than the other."""
        self._examples += examples
        self._weight += weight
        self._difference += difference
        if self._examples < self._size:
            return
        self._batches.append(Batch(self._examples, self._weight, self._difference))
        self._examples, self._weight, self._difference = 0, 0.0, 0.0
        if len(self._batches) == BATCHES:
            self._batches = [early.joined(late) for early, late in zip(self._batches[::2], self._batches[1::2])]
            self._size *= 2

    @property
    def overall(self) -> Estimate:
        """Over all examples."""
        return estimate(self.batches)

    @property
    def recent(self) -> Estimate:
        """Over the later half, in whole batches: a model that began later has caught up by then, or has not."""
        batches = self.batches
        later = overall = sum(batch.examples for batch in batches)
        for first, batch in enumerate(batches):
            if 2 * (later - batch.examples) < overall:
                return estimate(batches[first:])
            later -= batch.examples
        return estimate(batches)

    @property
    def batches(self) -> Sequence[Batch]:
        """All that was taken, in its order."""
        unfinished = Batch(self._examples, self._weight, self._difference)
        return [*self._batches, unfinished] if self._examples else list(self._batches)


def estimate(batches: Sequence[Batch]) -> Estimate:
    """The estimate that these batches give; see the module."""
    examples, count = sum(batch.examples for batch in batches), len(batches)
    weight = math.fsum(batch.weight for batch in batches)
    difference = math.fsum(batch.difference for batch in batches)
    if not weight > 0.0 or not math.isfinite(difference):
        return Estimate(examples, None, None, None)
    mean = difference / weight
    if count < FEWEST:
        return Estimate(examples, mean, None, None)
    spread = math.fsum((batch.difference - mean * batch.weight) ** 2 for batch in batches)
    reach = student_quantile(count - 1) * math.sqrt(count / (count - 1) * spread) / weight
    return Estimate(examples, mean, mean - reach, mean + reach)


def student_quantile(degrees: int) -> float:
    """The two-sided 95 % quantile of Student's distribution, to four digits from nine degrees of freedom on.

    Abramowitz and Stegun 1964, *Handbook of Mathematical Functions*, 26.7.5.
    """
    z, n = _QUANTILE, degrees
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )
