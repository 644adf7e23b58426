"""What a learner has done, counted by the chunk, and to the same figures wherever chunks end.

A model that learns its journal again meets the same examples in other chunks, and has to come to the same state bit for
bit. Sums of floats depend on how they are grouped, so importances are added one by one to what they have come to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from math import fmod, ulp

_GATHERED = 4096  # pairs that are handed on at once

Observer = Callable[[Sequence[float], Sequence[float]], None]
"""Takes scores and the labels that came with them, in the same order."""


class Tally:
    """Requests served, labelled, learned and refused, and `weight`, the importance of the labelled ones.

    Predictions that are plain numbers are paired with their labels and handed to `observe` some thousand at a time;
    `flush` hands on what has come together since.
    """

    def __init__(self) -> None:
        self.examples = 0
        self.labelled = 0
        self.learned = 0
        self.refused = 0
        self.weight = 0.0
        self.observe: Observer | None = None
        self._scores: list[float] = []
        self._labels: list[float] = []

    def count(self, weights: Sequence[float], *, learned: bool) -> None:
        """Count labelled examples of these importances."""
        self._count(len(weights), learned)
        self._weigh(weights)

    def count_plain(self, examples: int, *, learned: bool) -> None:
        """Count so many labelled examples of importance 1."""
        self._count(examples, learned)
        total = self.weight + examples
        step = ulp(total)
        if step <= 1.0 and fmod(self.weight, step) == 0.0:
            # All sums on the way are multiples of `step` up to `total`, so none would have been rounded.
            self.weight = total
        else:
            self._weigh(repeat(1.0, examples))

    def pair(self, scores: Iterable[float], labels: Iterable[float]) -> None:
        """Take predictions and their labels."""
        self._scores += scores
        self._labels += labels
        if len(self._scores) >= _GATHERED:
            self.flush()

    def flush(self) -> None:
        """Hand on the pairs that have come together."""
        if self.observe is not None and self._scores:
            self.observe(self._scores, self._labels)
        self._scores.clear()
        self._labels.clear()

    def _count(self, examples: int, learned: bool) -> None:
        self.labelled += examples
        if learned:
            self.learned += examples

    def _weigh(self, weights: Iterable[float]) -> None:
        total = self.weight
        for weight in weights:  # not `sum`, which compensates for rounding from Python 3.12 on, but not across calls
            total += weight
        self.weight = total
