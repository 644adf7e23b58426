"""Numbers in example lines: what VW reads as one, and which of them a model may learn from."""

from __future__ import annotations

import math
import re

from vwserve.lines import shown

# `parse_float` (parse_primitives.h) keeps the digits in single precision and the exponent, less the decimals, in eight
# bits, so that 1e-200 would be read as 1e56, and 0e60 as infinity times zero: such forms are refused.
_DECIMAL = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE](?P<exponent>[+-]?[0-9]+))?")
_LONGEST = 38
_EXPONENTS = range(-64, 39)  # with 38 digits before it, and within the powers of ten that single precision has
# What `parse_float` takes for its own, also where there is no digit in it, and what it hands to strtof otherwise.
_TAKEN = re.compile(rb"-?[0-9]*(?:\.[0-9]*)?(?:[eE]-?[0-9]*)?")
_STRTOF = re.compile(rb"[+-]?(?:inf|nan|0x[0-9a-f]|[0-9]|\.[0-9])", re.IGNORECASE)


def ordinary_number(magnitude: float, sign: bytes = rb"-?", smallest: float = 0.0) -> bytes:
    """A pattern of the usual decimal forms that, by their count of digits, are within ±magnitude.

    None but zero is closer to it than `smallest`.
    """
    places, exponent = 16, rb"(?:[eE]-[0-5]?[0-9])?"
    if smallest:
        places, exponent = max(0, math.floor(-math.log10(smallest))), b""
    decimals = rb"(?:\.[0-9]{0,%d})?" % places
    bare = rb"|\.[0-9]{1,%d}" % places if places else b""
    if magnitude < 10:
        whole = math.floor(magnitude)
        mantissa = rb"%d(?:\.0{0,16})?" % whole
        if whole:
            mantissa += rb"|[0-%d]" % (whole - 1) + decimals + bare
    else:
        mantissa = rb"[0-9]{1,%d}" % min(math.floor(math.log10(magnitude)), 18) + decimals + bare
    return rb"(?:" + sign + rb"(?:" + mantissa + rb")" + exponent + rb")"


def number_fault(word: bytes, magnitude: float, smallest: float = 0.0) -> str | None:
    """Say why `word` is not a finite decimal number within ±magnitude; None where it is one.

    None but zero may be closer to it than `smallest`.
    """
    found = _DECIMAL.fullmatch(word)
    if found is None:
        return f"{shown(word)} is not a number"
    if len(word) > _LONGEST or int(found["exponent"] or 0) not in _EXPONENTS:
        return f"{shown(word)} has more digits than VW can read"
    if not abs(float(word)) <= magnitude:
        return f"{shown(word)} is beyond ±{magnitude:g}"
    if smallest and 0.0 < abs(float(word)) < smallest:
        return f"{shown(word)} is closer to 0 than {smallest:g}, which is too small for this learner"
    return None


def value_fault(value: bytes, magnitude: float, smallest: float = 0.0) -> str | None:
    """Say why a feature's value, the text after its colon, is neither a good number nor plainly a word."""
    fault = number_fault(value, magnitude, smallest)
    if fault is None:
        return None
    if value and _TAKEN.fullmatch(value) is None and _STRTOF.match(value) is None:
        return None  # VW hashes it with the name: `city:berlin`
    return fault
