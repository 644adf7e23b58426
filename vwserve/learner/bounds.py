"""What one example may be: how large its numbers and how many its features."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """The largest importance, the largest absolute value of any other number, the most features after interactions.

    `lines` is the most lines of a multi-line example. VW keeps some 30 KB for each line of the longest it has seen.
    """

    importance: float = 1e6
    magnitude: float = 1e12
    features: int = 100_000
    lines: int = 1000
