"""What one example may be: how large its numbers and how many its features."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """The largest importance, the largest absolute value of any other number, the most features after interactions."""

    importance: float = 1e6
    magnitude: float = 1e12
    features: int = 100_000
