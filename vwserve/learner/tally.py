"""What a learner has done, counted by the chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

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
