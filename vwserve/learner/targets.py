"""The label of a line as one number, for those who fit something to labels: NaN where it is none or several.

| kind of label | number | importance |
|---|---|---|
| simple | the label | its importance |
| multiclass | the class; of named labels their place among the names, from 1 | its importance |
| a cost, `class:cost` or `action:cost:probability`, where the line has just one | the cost | 1 |
| any other | NaN | 1 |
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from vwserve.lines import split_head

_NONE = (math.nan, 1.0)


def targets(kind: str, names: Sequence[bytes], lines: Iterable[bytes]) -> list[tuple[float, float]]:
    """The number and the importance of the label in each of some lines, which are examples for labels of `kind`."""
    known: dict[bytes, tuple[float, float]] = {}  # most lines begin like others
    found = []
    for line in lines:
        head = line.partition(b"|")[0]
        target = known.get(head)
        if target is None:
            target = known[head] = _target(kind, names, head)
        found.append(target)
    return found


def _target(kind: str, names: Sequence[bytes], head: bytes) -> tuple[float, float]:
    words, _ = split_head(head)
    if not words:
        return _NONE
    if kind in ("simple", "multiclass"):
        label = names.index(words[0]) + 1.0 if names else float(words[0])
        return label, float(words[1]) if len(words) > 1 else 1.0
    if kind in ("costs", "bandit"):
        costs = [word.split(b":")[1] for word in words if b":" in word]
        return (float(costs[0]), 1.0) if len(costs) == 1 else _NONE
    return _NONE
