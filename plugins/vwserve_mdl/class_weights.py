"""How often each class occurs with each value of a feature, in bounded memory.

Every different value is kept, up to a limit. Beyond it, numbers that agree but for their last binary digits are taken
together: as many digits are given up as needed, counted from the end of the 64 bits of a double. Groups are nested, so
neither the order of examples nor the size of batches changes what comes out. Each group knows its least and its
greatest value: a cut between two groups is half way between true neighbours, only cuts inside a group are not found.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vwserve_mdl.cuts import Floats, ValueTable

# Leaves of a double its sign and the first bit of its exponent: four groups at most.
_MOST_BITS = 62


class ClassWeights:
    """The weight of each class at each value, or at each group of values that agree but for `dropped_bits`."""

    def __init__(self) -> None:
        self.dropped_bits = 0
        # Sorted by class, then by value.
        self._label = self._low = self._high = self._weight = np.empty(0)

    def add(self, values: Floats, labels: Floats, weights: Floats) -> None:
        """Take in examples with their finite values."""
        values = values + 0.0  # -0.0 is 0.0
        label = np.concatenate((self._label, labels))
        low = np.concatenate((self._low, values))
        order = np.lexsort((low, label))
        self._label, self._low = label[order], low[order]
        self._high = np.concatenate((self._high, values))[order]
        self._weight = np.concatenate((self._weight, weights))[order]
        self._take_together()

    def limit(self, pairs: int) -> None:
        """Give up as few digits as needed to keep at most so many pairs of a value and a class."""
        if len(self._low) <= pairs:
            return
        least, most = self.dropped_bits, _MOST_BITS  # too few; surely enough
        while most - least > 1:
            middle = (least + most) // 2
            if np.count_nonzero(self._starts(middle)) > pairs:
                least = middle
            else:
                most = middle
        self.dropped_bits = most
        self._take_together()

    @property
    def total(self) -> float:
        """The weight of all examples."""
        return float(self._weight.sum())

    def table(self) -> ValueTable:
        """The values in ascending order, and a column for each class that occurs."""
        keys, rows = np.unique(_truncated(self._low, self.dropped_bits), return_inverse=True)
        classes, columns = np.unique(self._label, return_inverse=True)
        weights = np.zeros((len(keys), len(classes)))
        weights[rows, columns] = self._weight
        low, high = np.full(len(keys), np.inf), np.full(len(keys), -np.inf)
        np.minimum.at(low, rows, self._low)
        np.maximum.at(high, rows, self._high)
        return ValueTable(low, high, weights)

    def _starts(self, bits: int) -> npt.NDArray[np.bool_]:
        """Where, in the sorted arrays, a pair begins if so many bits are dropped."""
        keys = _truncated(self._low, bits)
        starts = np.ones(len(keys), np.bool_)
        starts[1:] = (keys[1:] != keys[:-1]) | (self._label[1:] != self._label[:-1])
        return starts

    def _take_together(self) -> None:
        starts = np.flatnonzero(self._starts(self.dropped_bits))
        if len(starts) == len(self._low):
            return
        self._label = self._label[starts]
        self._weight = np.add.reduceat(self._weight, starts)
        self._low = np.minimum.reduceat(self._low, starts)
        self._high = np.maximum.reduceat(self._high, starts)


def _truncated(values: Floats, bits: int) -> npt.NDArray[np.int64]:
    """Integers in the order of the values, equal for those that agree but for so many last bits."""
    kept = (values.view(np.int64) >> bits) << bits
    # The bits of negative numbers ascend with the magnitude.
    return np.where(kept < 0, kept ^ np.iinfo(np.int64).max, kept)
