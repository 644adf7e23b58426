"""What a servable is about to learn, as its clients sent it, handed on before it is learned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import compress

from vwserve.errors import RequestError
from vwserve.lines import block_of, lines_of

Keep = Callable[[bytes, int], "RequestError | None"]
"""Takes whole examples as text and how many they are; returns why they must not be learned, or None.

A line is an example; of a multi-line model its lines and a blank one are."""


class Recording:
    """Hands what a learner is about to learn to `keep`; `original` gives lines as they were before transforms."""

    def __init__(self, keep: Keep, original: Callable[[Iterable[bytes]], Sequence[bytes]] | None = None) -> None:
        self._keep = keep
        self._original = original

    def chunk(self, chunk: bytes, observed: Sequence[bool] | None) -> RequestError | None:
        """Take a chunk of lines; unless all of them are to be learned, `observed` tells which."""
        if observed is None and self._original is None:
            return self._keep(chunk, chunk.count(b"\n"))
        lines: Iterable[bytes] = lines_of(chunk)
        lines = list(lines if observed is None else compress(lines, observed))
        return self._keep(block_of(self._original(lines) if self._original else lines), len(lines))

    def groups(self, groups: Sequence[Sequence[bytes]]) -> RequestError | None:
        """Take multi-line examples."""
        original = self._original or list
        return self._keep(b"".join([block_of(original(group)) + b"\n" for group in groups]), len(groups))
