"""Where to cut a number into bins: entropy minimisation with the minimum description length principle as its end.

U. M. Fayyad and K. B. Irani, "Multi-interval discretization of continuous-valued attributes for classification
learning", IJCAI 1993. A set of examples is cut in two where the class entropy of the two sides, weighted by their
sizes, is least. Only boundary points can be such places (their theorem 1): those with examples of different classes
next to them on their two sides. The cut is accepted if the classes can be told in fewer bits with it than without it
(their criterion MDLPC):

    Gain > log2(N - 1) / N + (log2(3^k - 2) - (k E - k1 E1 - k2 E2)) / N

with N examples of k classes and entropy E in the set, and k1, E1 and k2, E2 those of its sides. Then both sides are
cut in the same way. A cut stands half way between the two values next to it.

What the paper leaves open is decided here. Of cuts that are equally good (to 1e-14 bits, the noise of floating point)
the lowest is taken. A fraction of an example counts as a fraction; a set of less than two examples is not cut, since
log2(N - 1), the price of naming one of N - 1 places, has no meaning there. Where only some of the cuts are wanted,
those are taken that lower the class entropy of all examples the most, best first; a cut inside a bin is never taken
before the cut that made the bin.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TIE_BITS = 1e-14


@dataclass(frozen=True, slots=True)
class ValueTable:
    """Examples by value: row i holds those with a value in `low[i]`..`high[i]`, in ascending order.

    `weights` has a column a class. Weights are multiples of some power of two, so that their sums are exact.
    """

    low: Floats
    high: Floats
    weights: Floats


@dataclass(frozen=True, slots=True)
class Cuts:
    """Ascending cuts (a value belongs to the bin before a cut if it is below it), and what they tell.

    `entropy` is that of the classes before, `gain` what the cuts take off it, in bits an example. `complete` is whether
    all accepted cuts are there.
    """

    cuts: list[float]
    entropy: float
    gain: float
    complete: bool


@dataclass(frozen=True, slots=True)
class _Cut:
    """A cut before row `at` of the rows `start`..`end`, and what it takes off their entropy, in bits altogether."""

    start: int
    at: int
    end: int
    saved: float


def find_cuts(values: ValueTable, most: int) -> Cuts:
    """The cuts of Fayyad and Irani, at most `most` of them."""
    table = _blocks(values)
    size = len(table.weights)
    open_cuts: list[tuple[float, int, _Cut]] = []

    def look(start: int, end: int) -> None:
        cut = _best_cut(table.weights, start, end)
        if cut is not None:
            heapq.heappush(open_cuts, (-round(cut.saved, 9), start, cut))

    look(0, size)
    taken: list[_Cut] = []
    while open_cuts and len(taken) < most:
        _, _, cut = heapq.heappop(open_cuts)
        taken.append(cut)
        look(cut.start, cut.at)
        look(cut.at, cut.end)
    total = table.weights.sum(axis=0)
    count = float(total.sum())
    entropy = float(_entropies(total[np.newaxis], total.sum(keepdims=True))[0]) if count else 0.0
    gain = math.fsum(cut.saved for cut in taken) / count if count else 0.0
    places = sorted(cut.at for cut in taken)
    cuts = [_halfway(float(table.high[at - 1]), float(table.low[at])) for at in places]
    return Cuts(cuts, entropy, gain, not open_cuts)


def _blocks(values: ValueTable) -> ValueTable:
    """The table with neighbours of one and the same class taken together: between them is no boundary point."""
    if len(values.weights) < 2:
        return values
    present = values.weights > 0
    pure = present.sum(axis=1) == 1
    kind = present.argmax(axis=1)
    inner = pure[1:] & pure[:-1] & (kind[1:] == kind[:-1])
    first = np.flatnonzero(np.concatenate(([True], ~inner)))
    last = np.append(first[1:], len(pure)) - 1
    return ValueTable(values.low[first], values.high[last], np.add.reduceat(values.weights, first, axis=0))


def _best_cut(weights: Floats, start: int, end: int) -> _Cut | None:
    """The best cut of these rows if it is worth its description."""
    if end - start < 2:
        return None
    rows = weights[start:end]
    total = rows.sum(axis=0)
    count = float(total.sum())
    if count < 2:
        return None
    left = np.cumsum(rows, axis=0)[:-1]
    right = total - left
    left_count, right_count = left.sum(axis=1), right.sum(axis=1)
    left_entropy, right_entropy = _entropies(left, left_count), _entropies(right, right_count)
    remaining = (left_count * left_entropy + right_count * right_entropy) / count
    at = int(np.argmax(remaining <= remaining.min() + _TIE_BITS))
    entropy = float(_entropies(total[np.newaxis], total.sum(keepdims=True))[0])
    gain = entropy - float(remaining[at])
    classes, classes1, classes2 = (int(np.count_nonzero(side)) for side in (total, left[at], right[at]))
    explained = classes * entropy - classes1 * float(left_entropy[at]) - classes2 * float(right_entropy[at])
    delta = math.log2(3**classes - 2) - explained
    if not gain > (math.log2(count - 1) + delta) / count:
        return None
    return _Cut(start, start + at + 1, end, count * gain)


def _entropies(weights: Floats, counts: Floats) -> Floats:
    """The class entropy of each row, in bits; `counts` are the sums of the rows."""
    shares = weights / counts[:, np.newaxis]
    logarithms = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    entropies: Floats = -(shares * logarithms).sum(axis=1)
    return entropies


def _halfway(low: float, high: float) -> float:
    """The number half way between two, so that low < it <= high."""
    middle = (low + high) / 2
    if math.isinf(middle):
        middle = low / 2 + high / 2
    return middle if middle > low else high
