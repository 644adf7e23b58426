"""One request for several models that share nothing: one is asked after another."""

from __future__ import annotations

from collections.abc import Sequence

from vwserve.errors import RequestError
from vwserve.wire.models import Fault, Model, Reply, Trial


class Apart:
    """Single-line examples for several models; see Joint."""

    def __init__(self, models: Sequence[Model], lines: Sequence[bytes]) -> None:
        self._models = models
        self._lines = lines

    def answer_ordinary(self) -> Sequence[bytes] | None:
        """They have no short way together."""
        return None

    def faults(self) -> Sequence[Fault | None]:
        """See Joint."""
        standing: Sequence[Trial] = [model.trial() for model in self._models]
        faults: list[Fault | None] = []
        for line in self._lines:
            after = [each.trial() for each in standing]
            found: list[RequestError | None] = [each.take(line) for each in after]
            fault = next(((place, error) for place, error in enumerate(found) if error is not None), None)
            if fault is None:  # what one model refuses, none has met
                standing = after
            faults.append(fault)
        return faults

    def answer_each(self, places: Sequence[int]) -> Sequence[Sequence[Reply]]:
        """See Joint."""
        lines = [self._lines[place] for place in places]
        return [model.answer_each(lines) for model in self._models]
