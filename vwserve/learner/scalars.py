"""Predictions as VW prints them: `print_result_by_ref` of global_data.cc, for a whole chunk at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_Bytes = npt.NDArray[np.uint8]
_FEW = 8  # below this many values numpy's cost a call is more than it saves
_INFINITIES = (float("inf"), float("-inf"))
_ROUNDS_TO_ONE = 1.0 - 0.5e-6
_ROUNDS_TO_THOUSAND = 1000.0 - 0.5e-6


def _table(form: bytes) -> _Bytes:
    """The texts of 0..999 in `form`, one a row; spaces become NUL, which marks a place that is left out."""
    texts = [form % number for number in range(1000)]
    return np.frombuffer(b"".join(texts).replace(b" ", b"\0"), np.uint8).reshape(1000, len(texts[0]))


_WHOLE = _table(b"%3d.")
_HIGH = _table(b"%03d")
_LOW = _table(b"%03d\n")
_FRACTION_HIGH = _table(b"0.%03d")


def format_scalar(value: float) -> bytes:
    """One prediction: no decimals where the value is integral, six otherwise."""
    return (b"%.0f" if value % 1.0 == 0.0 or value in _INFINITIES else b"%.6f") % value


def format_scalars(values: Sequence[float]) -> bytes:
    """Each single-precision prediction of `values` on a line of its own."""
    if len(values) == 1:
        return format_scalar(values[0]) + b"\n"
    if len(values) < _FEW:
        return b"".join([format_scalar(value) + b"\n" for value in values])
    exact = np.array(values, np.float64)
    # A single-precision number has 24 significant bits and 10**6 has 20, so the product is exact in double precision
    # and rounding it half to even is the very rounding that printf does on the decimals.
    lowest, highest = exact.min(), exact.max()
    if lowest > 0.0 and highest < _ROUNDS_TO_ONE:
        return _format_fractions(np.rint(exact * 1e6).astype(np.int64))
    if lowest > -_ROUNDS_TO_THOUSAND and highest < _ROUNDS_TO_THOUSAND:
        return _format_below_thousand(exact)
    return b"".join([format_scalar(value) + b"\n" for value in values])  # large, infinite or not a number


def _format_fractions(micros: npt.NDArray[np.int64]) -> bytes:
    """Numbers between 0 and 1, neither included, in millionths."""
    high, low = np.divmod(micros, 1000)
    text = np.empty((len(micros), 9), np.uint8)
    text[:, :5] = _FRACTION_HIGH[high]
    text[:, 5:] = _LOW[low]
    return text.tobytes()


def _format_below_thousand(exact: npt.NDArray[np.float64]) -> bytes:
    thousandths, low = np.divmod(np.rint(np.abs(exact) * 1e6).astype(np.int64), 1000)
    whole, high = np.divmod(thousandths, 1000)
    text = np.empty((len(exact), 12), np.uint8)
    text[:, 0] = np.where(np.signbit(exact), ord("-"), 0)
    text[:, 1:5] = _WHOLE[whole]
    text[:, 5:8] = _HIGH[high]
    text[:, 8:] = _LOW[low]
    text[exact == np.trunc(exact), 4:11] = 0
    return text.tobytes().translate(None, b"\0")
