"""A uniform sample of a stream of examples, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vwserve.transforms import TransformError

Floats = npt.NDArray[np.float64]

_MOST_TEXT_BYTES = 1 << 30


class Sample:
    """At most `rows` of the examples that were added, each as likely as any other (Vitter 1985, algorithm R).

    Which, depends on the seed and the examples, but not on how they are cut into batches. Examples without a label or
    with an importance of 0 are passed over.
    """

    def __init__(self, rows: int, seed: int) -> None:
        self.texts: list[bytes] = []
        self.labels: list[float] = []
        self.weights: list[float] = []
        self.seen = 0
        self._rows = rows
        self._random = np.random.default_rng(seed)
        self._text_bytes = 0

    def add(self, texts: Sequence[bytes], labels: Floats, weights: Floats) -> None:
        """Add examples; raises TransformError where the sample does not fit into memory."""
        useful = np.flatnonzero(~np.isnan(labels) & (weights > 0.0))
        # Example number i (from 0) takes a place among i + 1; places beyond the sample are not kept.
        numbers = np.arange(self.seen, self.seen + len(useful))
        places = np.where(numbers < self._rows, numbers, self._random.integers(0, numbers + 1))
        self.seen += len(useful)
        kept = np.flatnonzero(places < self._rows)
        for place, row in zip(places[kept].tolist(), useful[kept].tolist()):
            self._put(place, texts[row], float(labels[row]), float(weights[row]))
        if self._text_bytes > _MOST_TEXT_BYTES:
            raise TransformError(f"{len(self.texts)} examples fill {_MOST_TEXT_BYTES} bytes; sample fewer 'rows'")

    def _put(self, place: int, text: bytes, label: float, weight: float) -> None:
        self._text_bytes += len(text)
        if place == len(self.texts):
            self.texts.append(text)
            self.labels.append(label)
            self.weights.append(weight)
        else:
            self._text_bytes -= len(self.texts[place])
            self.texts[place], self.labels[place], self.weights[place] = text, label, weight
