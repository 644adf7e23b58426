"""What a servable knows besides its model file: with both another one goes on from where it stood."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vwserve.learner import Standing
from vwserve.model.progress import Pairs


class Counts(NamedTuple):
    """Requests served, labelled, learned and refused, and the importance and loss of the labelled ones, summed."""

    examples: int
    labelled: int
    learned: int
    refused: int
    weight: float
    sum_loss: float


@dataclass(frozen=True, slots=True)
class State:
    """A servable's counts, what its predictions and labels came to, and what its learner has settled."""

    counts: Counts
    pairs: Pairs
    standing: Standing


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where a servable goes on from: the model file `file` that one saved, and the state in which it did."""

    file: Path
    state: State


EMPTY = State(Counts(0, 0, 0, 0, 0.0, 0.0), Pairs(), Standing())
"""That of a servable that has served nothing."""
