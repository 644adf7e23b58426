"""Numbers in example lines: what VW reads as one, and which of them a model may learn from."""

from __future__ import annotations

import math
import re

# `parse_float` (parse_primitives.h) keeps the exponent in eight bits and the digits in single precision, so that
# 1e-200 would be read as 1e56: longer forms are refused.
_DECIMAL = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_LONGEST = 38
# What `parse_float` takes for its own, also where there is no digit in it, and what it hands to strtof otherwise.
_TAKEN = re.compile(rb"-?[0-9]*(?:\.[0-9]*)?(?:[eE]-?[0-9]*)?")
_STRTOF = re.compile(rb"[+-]?(?:inf|nan|0x[0-9a-f]|[0-9]|\.[0-9])", re.IGNORECASE)


def ordinary_number(magnitude: float, sign: bytes = rb"-?") -> bytes:
    """A pattern of the usual decimal forms whose absolute value is below `magnitude` by their count of digits."""
    digits = max(1, math.floor(math.log10(magnitude)))
    mantissa = rb"(?:[0-9]{1,%d}(?:\.[0-9]{0,16})?|\.[0-9]{1,16})" % min(digits, 18)
    return rb"(?:" + sign + mantissa + rb"(?:[eE]-[0-9]{1,2})?)"


def number_fault(word: bytes, magnitude: float) -> str | None:
    """Say why `word` is not a finite decimal number within ±magnitude; None where it is one."""
    if not _DECIMAL.fullmatch(word):
        return f"{show(word)} is not a number"
    if len(word) > _LONGEST:
        return f"{show(word)} has more digits than VW can read"
    if not abs(float(word)) <= magnitude:
        return f"{show(word)} is beyond ±{magnitude:g}"
    return None


def value_fault(value: bytes, magnitude: float) -> str | None:
    """Say why a feature's value, the text after its colon, is neither a good number nor plainly a word."""
    fault = number_fault(value, magnitude)
    if fault is None:
        return None
    if value and _TAKEN.fullmatch(value) is None and _STRTOF.match(value) is None:
        return None  # VW hashes it with the name: `city:berlin`
    return fault


def show(text: bytes) -> str:
    """A piece of a client's line, quoted and shortened, fit for an error message of one line."""
    short = text if len(text) <= 40 else text[:37] + b"..."
    return repr(short.decode("utf-8", "replace")).replace("\n", " ")
