"""What some examples came to, from the figures of a servable before and after them.

Reading them costs less than a microsecond, so it may be done for every chunk; `Servable.totals` also hands on the pairs
of prediction and label that have come together, which is for some thousand at once.
"""

from __future__ import annotations

from typing import NamedTuple

from vwserve.model.servable import Servable


class Account(NamedTuple):
    """Requests served, labelled, learned and refused; importance and progressive loss of the labelled ones, summed."""

    examples: int = 0
    labelled: int = 0
    learned: int = 0
    refused: int = 0
    weight: float = 0.0
    sum_loss: float = 0.0

    @classmethod
    def of(cls, servable: Servable) -> Account:
        """What a servable has come to since its VW workspace began."""
        learner = servable.learner
        tally = learner.tally
        return cls(tally.examples, tally.labelled, tally.learned, tally.refused, tally.weight, learner.sum_loss)

    def since(self, before: Account) -> Account:
        """What came between an earlier account of the same servable and this one."""
        return Account(
            self.examples - before.examples,
            self.labelled - before.labelled,
            self.learned - before.learned,
            self.refused - before.refused,
            self.weight - before.weight,
            self.sum_loss - before.sum_loss,
        )

    def plus(self, other: Account) -> Account:
        """Both together."""
        return Account(
            self.examples + other.examples,
            self.labelled + other.labelled,
            self.learned + other.learned,
            self.refused + other.refused,
            self.weight + other.weight,
            self.sum_loss + other.sum_loss,
        )
