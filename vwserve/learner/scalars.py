"""Predictions as VW prints them: `print_result_by_ref` of global_data.cc, for a whole chunk at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

_Fours = npt.NDArray[np.uint32]  # four characters each
_FEW = 8  # below this many values numpy's cost a call is more than it saves
_INFINITIES = (float("inf"), float("-inf"))
_ROUNDS_TO_THOUSAND = 1000.0 - 0.5e-6


def _fours(texts: Iterable[bytes]) -> _Fours:
    """Texts of at most four characters, filled up with NUL, which marks a place that is left out."""
    return np.frombuffer(b"".join([text.rjust(4, b"\0") for text in texts]), np.uint32)


_WHOLE = _fours([*(b"%d" % number for number in range(1000)), *(b"-%d" % number for number in range(1000))])
_NEGATIVE = 1000  # where the signed ones begin
_HIGH = _fours(b".%03d" % number for number in range(1000))
_LOW = _fours(b"%03d\n" % number for number in range(1000))
_NO_HIGH, _NO_LOW = _fours([b"", b"\n"])


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
    size = np.abs(exact)
    if not size.max() < _ROUNDS_TO_THOUSAND:  # large, infinite or not a number
        return b"".join([format_scalar(value) + b"\n" for value in values])
    # A single-precision number has 24 significant bits and 10**6 has 20, so the product is exact in double precision
    # and rounding it half to even is the very rounding that printf does on the decimals.
    thousandths, low = np.divmod(np.rint(size * 1e6).astype(np.int32), 1000)
    whole, high = np.divmod(thousandths, 1000)
    text = np.empty((len(exact), 3), np.uint32)
    text[:, 0] = _WHOLE[whole + _NEGATIVE * np.signbit(exact)]
    text[:, 1] = _HIGH[high]
    text[:, 2] = _LOW[low]
    integral = exact == np.rint(exact)
    if integral.any():
        text[integral, 1] = _NO_HIGH
        text[integral, 2] = _NO_LOW
    return text.tobytes().translate(None, b"\0")
