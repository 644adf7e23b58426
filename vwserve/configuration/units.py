"""Durations (`500ms 30s 5m 1h 7d`) and sizes (`64KiB 1MiB 100k`), read and written.

Both are decimal numbers with a unit. A size may stand without one; a duration may not, because nobody remembers whether
a bare number means seconds or milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

DURATIONS: Mapping[str, Fraction] = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86_400),
}
SIZES: Mapping[str, Fraction] = {
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "B": Fraction(1),
    "kB": Fraction(10**3),
    "MB": Fraction(10**6),
    "GB": Fraction(10**9),
    "KiB": Fraction(1 << 10),
    "MiB": Fraction(1 << 20),
    "GiB": Fraction(1 << 30),
}

# Fifteen digits are more than any duration or size here needs, and few enough that arithmetic stays cheap.
_QUANTITY = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,15})?) ?(?P<unit>[A-Za-zµ]*)")


def parse_duration(text: str) -> float:
    """Seconds; raises ValueError, whose text says what is wrong with `text`."""
    number, unit = _split(text, "duration", "500ms 30s 5m 1h 7d")
    if not unit:
        raise ValueError(f"{text!r} has no unit: write {text}s for seconds; units are {' '.join(DURATIONS)}")
    return float(number * _factor(text, unit, DURATIONS))


def parse_size(text: str) -> int:
    """A number of bytes, or of whatever is counted; raises ValueError, whose text says what is wrong with `text`."""
    number, unit = _split(text, "size", "1000 100k 64KiB 1MiB")
    size = number * _factor(text, unit, SIZES)
    if size.denominator != 1:
        raise ValueError(f"{text!r} is not a whole number")
    return int(size)


def format_duration(seconds: float) -> str:
    """The shortest duration that `parse_duration` reads as `seconds`, which must be a whole number of milliseconds."""
    return _format(Fraction(round(seconds * 1000), 1000), DURATIONS)


def format_size(size: int) -> str:
    """The shortest size that `parse_size` reads as `size`."""
    return _format(Fraction(size), SIZES)


def _split(text: str, kind: str, examples: str) -> tuple[Fraction, str]:
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a {kind}; it is written like {examples}")
    return Fraction(found["number"]), found["unit"]


def _factor(text: str, unit: str, factors: Mapping[str, Fraction]) -> Fraction:
    if unit in factors:
        return factors[unit]
    near = [known for known in factors if known.lower() in (unit.lower(), unit.lower().rstrip("s"))]
    known = ", ".join(filter(None, factors))
    raise ValueError(
        f"unknown unit {unit!r} in {text!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {known}")
    )


def _format(quantity: Fraction, factors: Mapping[str, Fraction]) -> str:
    whole = [(quantity / factor, factor, unit) for unit, factor in factors.items()]
    texts = [(f"{number}{unit}", factor) for number, factor, unit in whole if number.denominator == 1]
    return min(texts, key=lambda pair: (len(pair[0]), -pair[1]))[0]
