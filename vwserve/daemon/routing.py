"""Which model of a split an example goes to: decided by a hash of a key that the example carries, and by nothing else.

So the same key goes to the same model in every process, on every machine and after every restart, and a labelled
example finds the model that made the prediction. The key is the example's tag, or the text of one of its namespaces. An
example without it goes by its features, so that its label, sent later with the same features, follows.

    u = BLAKE2b(name of the split, a zero byte, key), with a digest of 4 bytes, as a big-endian number / 2^32

The models share [0, 1) in the order in which the drop names them: with shares of 90 and 10 the first has u < 0.9. The
name of the split is hashed, too, so that two splits of the same users are independent of each other.

What moves when shares change: the keys between an old boundary and the new one. From {a: 90, b: 10} to {a: 80, b: 20}
these are a tenth of all, and all of them go from a to b, which is the least that can move. The same holds wherever
neighbours exchange shares; where others do, those between them are shifted, and more moves than need be. A new model
moves the least when it stands next to the one that it takes its share from.

BLAKE2b since it is specified to the bit (RFC 7693), comes with most languages and needs no seed of the process. It
costs some 0.7 µs a line, the search for a tag 0.4. A CRC is ten times cheaper, but linear: two splits would not be
independent.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from hashlib import blake2b
from itertools import accumulate

from vwserve.lines import tag_of
from vwserve.model.drop import BY_TAG

_HASH_BYTES = 4
_ALL = 1 << (8 * _HASH_BYTES)


class Router:
    """Routes by the shares of a split of this name; `by` is BY_TAG or the name of a namespace."""

    def __init__(self, name: str, shares: Sequence[float], by: str = BY_TAG) -> None:
        self._salt = name.encode() + b"\0"
        self._bounds = _bounds(shares)
        self._namespace = None if by == BY_TAG else _namespace(by.encode())

    def place(self, line: bytes) -> int:
        """The place of the model, in the order of the shares, that an example goes to which this line opens."""
        return bisect_right(self._bounds, blake2b(self._salt + self.key(line), digest_size=_HASH_BYTES).digest())

    def key(self, line: bytes) -> bytes:
        """What an example goes by, of which this is the only or the first line."""
        if self._namespace is None:
            key = b"" if line.startswith(b"|") else tag_of(line)
        else:
            found = self._namespace.search(line)
            key = b" ".join(found[1].split()) if found else b""
        return key or line.partition(b"|")[2].rstrip()


def _bounds(shares: Sequence[float]) -> list[bytes]:
    """Where the share of each but the last ends, as the bytes of a hash."""
    exact = [Fraction(repr(share)) for share in shares]  # as written: 0.9 and 0.1 are what 90 and 10 are
    ends = [round(end * _ALL / sum(exact)) for end in accumulate(exact)][:-1]
    return [min(end, _ALL - 1).to_bytes(_HASH_BYTES, "big") for end in ends]


def _namespace(name: bytes) -> re.Pattern[bytes]:
    """Finds a namespace, and its features as text."""
    return re.compile(rb"\|" + re.escape(name) + rb"(?::[^ \t|]*)?[ \t]([^|]*)")
