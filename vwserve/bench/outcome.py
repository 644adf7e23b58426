"""A figure of durability: what measures it, the bar that it is held against, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vwserve.bench.workloads import Bar, Effort


@dataclass(frozen=True, slots=True)
class Durability:
    """A figure: its name, its bar, if any, and what measures it in a folder, which may be interrupted by `check`.

    What is measured goes by its name, unit included, a value a round; the first is held against the bar.
    """

    name: str
    bar: Bar | None
    measure: Callable[[Path, Effort, Callable[[], object]], Mapping[str, Sequence[float]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured for a figure."""

    figure: Durability
    measured: Mapping[str, Sequence[float]]

    @property
    def name(self) -> str:
        """That of the figure."""
        return self.figure.name

    @property
    def values(self) -> Sequence[float]:
        """What is held against the bar."""
        return next(iter(self.measured.values()))
