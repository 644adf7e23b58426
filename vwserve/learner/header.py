"""What stands at the start of a model file: the range of labels that the model has met, and the options that it keeps.

VW keeps predictions within that range, so that it bounds how wrong one can be; the binding does not tell it. The layout
is that of `save_load_header` (parse_regressor.cc): a version and an identifier, each after its length of four bytes,
the letter m, and the lowest and the highest label in single precision. The number of bits and one of an old option
follow, n-grams and skips, each list after its length, and the options as text.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

_LENGTH = struct.Struct("<I")
_RANGE = struct.Struct("<cff")
_LONGEST = 4096  # of the texts together
_LONGEST_OPTIONS = 1 << 20
_ENTRY_BYTES = 3  # of an n-gram or a skip


def largest_label(path: Path) -> float:
    """The largest absolute value of a label or cost that the model in a file has met; 0 where the file does not say."""
    with path.open("rb") as file:
        head = file.read(_LONGEST)
    try:
        (version_bytes,) = _LENGTH.unpack_from(head)
        place = _LENGTH.size + version_bytes
        if head[place : place + 1] != b"m":  # VW before 7.6 wrote no identifier
            place += _LENGTH.size + _LENGTH.unpack_from(head, place)[0]
        letter, lowest, highest = _RANGE.unpack_from(head, place)
    except struct.error:
        return 0.0
    largest = max(abs(lowest), abs(highest))
    return largest if letter == b"m" and math.isfinite(largest) else 0.0


def kept_options(path: Path) -> str:
    """The options that VW kept in a model file, as an argument line; empty where the file has none."""
    with path.open("rb") as file:
        # VW adds the n-grams that it is given to those that it read, so that they grow with every start.
        head = file.read(_LONGEST_OPTIONS)
        try:
            place = _LENGTH.size + _LENGTH.unpack_from(head)[0]
            place += _LENGTH.size + _LENGTH.unpack_from(head, place)[0]
            place += _RANGE.size + 2 * _LENGTH.size
            for _ in range(2):
                place += _LENGTH.size + _ENTRY_BYTES * _LENGTH.unpack_from(head, place)[0]
            (length,) = _LENGTH.unpack_from(head, place)
        except struct.error:
            return ""
        file.seek(place + _LENGTH.size)
        return file.read(min(length, _LONGEST_OPTIONS)).rstrip(b"\0").decode("utf-8", "replace")
