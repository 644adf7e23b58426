"""Fayyad and Irani's discretisation written down from the paper, example by example, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from itertools import pairwise

_DIGITS = 60
_EQUAL = Decimal("1e-40")  # two numbers so close, computed with 60 digits, are the same


@dataclass(frozen=True)
class Example:
    """A value, its class, and how many examples it counts as."""

    value: float
    label: int
    weight: Fraction


class NearlyEqual(Exception):
    """Gain and price of a cut differ by so little that double precision cannot tell which is more."""


def cuts(examples: Sequence[Example], most: int = 1000) -> list[float]:
    """The accepted cuts in ascending order; of more than `most` those that save most bits, outer ones before inner."""
    with localcontext() as context:
        context.prec = _DIGITS
        taken: list[float] = []
        sets = [sorted(examples, key=lambda each: each.value)]
        while len(taken) < most:
            found = [(saved, cut, part) for part in sets if (best := _accepted(tuple(part))) for saved, cut in [best]]
            if not found:
                break
            most_saved = max(saved for saved, _, _ in found)
            _, cut, part = min((each for each in found if most_saved - each[0] < _EQUAL), key=lambda each: each[1])
            taken.append(cut)
            sets.remove(part)
            sets += _sides(part, cut)
        return sorted(taken)


@cache
def _accepted(examples: tuple[Example, ...]) -> tuple[Decimal, float] | None:
    """The bits that the best cut of a sorted set saves, and the cut, if it is accepted."""
    best: tuple[Decimal, float] | None = None
    for cut in _boundary_points(examples):
        left, right = _sides(examples, cut)
        remaining = (_count(left) * _entropy(left) + _count(right) * _entropy(right)) / _count(examples)
        if best is None or remaining < best[0] - _EQUAL:
            best = remaining, cut
    if best is None or _count(examples) < 2:
        return None
    remaining, cut = best
    gain = _entropy(examples) - remaining
    k, k1, k2 = (len({each.label for each in part}) for part in (examples, *_sides(examples, cut)))
    e, e1, e2 = (_entropy(part) for part in (examples, *_sides(examples, cut)))
    delta = _log2(Fraction(3**k - 2)) - (k * e - k1 * e1 - k2 * e2)
    n = _count(examples)
    price = (_log2(_weight(examples) - 1) if n > 1 else 0) / n + delta / n
    if abs(gain - price) < Decimal("1e-12"):
        raise NearlyEqual
    return (n * gain, cut) if gain > price else None


def _boundary_points(examples: Sequence[Example]) -> list[float]:
    """Half way between neighbouring values whose examples are not all of one class."""
    values = sorted({each.value for each in examples})
    points = []
    for low, high in pairwise(values):
        if len({each.label for each in examples if each.value in (low, high)}) > 1:
            points.append((low + high) / 2)
    return points


def _sides(examples: Sequence[Example], cut: float) -> tuple[list[Example], list[Example]]:
    return [each for each in examples if each.value < cut], [each for each in examples if each.value >= cut]


def _entropy(examples: Sequence[Example]) -> Decimal:
    total = _weight(examples)
    entropy = Decimal(0)
    for label in {each.label for each in examples}:
        share = _weight([each for each in examples if each.label == label]) / total
        entropy -= Decimal(share.numerator) / Decimal(share.denominator) * _log2(share)
    return entropy


def _weight(examples: Sequence[Example]) -> Fraction:
    return sum((each.weight for each in examples), Fraction(0))


def _count(examples: Sequence[Example]) -> Decimal:
    weight = _weight(examples)
    return Decimal(weight.numerator) / Decimal(weight.denominator)


@cache
def _log2(number: Fraction) -> Decimal:
    with localcontext() as context:
        context.prec = _DIGITS
        return (Decimal(number.numerator) / Decimal(number.denominator)).ln() / Decimal(2).ln()
