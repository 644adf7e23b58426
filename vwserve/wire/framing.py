"""Bytes in, chunks of whole lines out, without looking at any line by itself."""

from __future__ import annotations

from collections import deque

import numpy as np

CHUNK_LINES = 250
"""The most lines in a chunk; beyond it VW's pool of examples outgrows the processor's caches."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NEWLINE = ord("\n")
_FEW_BYTES = 4096  # what is shorter is not worth an array


class TooLong:
    """Stands in the place of a line longer than the limit, whose bytes were thrown away."""


TOO_LONG = TooLong()
Chunk = bytes | TooLong


class LineFramer:
    """Cuts a stream into chunks: whole lines, each ended by a newline, at most CHUNK_LINES of them.

    `chunks` are those that were not taken yet. Besides, it keeps what is not yet a line, at most `line_bytes` of it; the
    bytes of an over-long line are dropped as they come. `\r\n` becomes `\n`, and a byte order mark before a line goes, as in VW.
    """

    def __init__(self, line_bytes: int) -> None:
        self._line_bytes = line_bytes
        self._rest = b""
        self._overlong = False
        self.chunks: deque[Chunk] = deque()

    def feed(self, data: bytes) -> None:
        """Take what arrived in one read."""
        if not self._rest and not self._overlong and data.endswith(b"\n"):
            self._cut(data)
            return
        end = data.rfind(b"\n") + 1
        if end == 0:
            self._keep(data)
            return
        start = 0
        if self._overlong:
            start = data.index(b"\n") + 1
            self._overlong = False
            self.chunks.append(TOO_LONG)
        lines = self._rest + data[start:end]
        self._rest = b""
        if lines:
            self._cut(lines)
        if end < len(data):
            self._keep(data[end:])

    def finish(self) -> None:
        """The stream has ended: a last line without a newline is a line."""
        if self._overlong:
            self.chunks.append(TOO_LONG)
        elif self._rest:
            self._cut(self._rest + b"\n")
        self._overlong, self._rest = False, b""

    def _keep(self, rest: bytes) -> None:
        if self._overlong:
            return
        self._rest += rest
        # One byte more than the limit may be the carriage return of a line that keeps within it.
        if len(self._rest) > self._line_bytes + 1:
            self._overlong, self._rest = True, b""

    def _cut(self, lines: bytes) -> None:
        if b"\r" in lines:
            lines = lines.replace(b"\r\n", b"\n")
        # Looking for one byte is many times faster than looking for three.
        if _BYTE_ORDER_MARK[:1] in lines and _BYTE_ORDER_MARK in lines:
            lines = (b"\n" + lines).replace(b"\n" + _BYTE_ORDER_MARK, b"\n")[1:]
        if len(lines) <= _FEW_BYTES and len(lines) <= self._line_bytes and lines.count(b"\n") <= CHUNK_LINES:
            self.chunks.append(lines)
            return
        ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == _NEWLINE) + 1
        if len(lines) > self._line_bytes and np.diff(ends, prepend=0).max() - 1 > self._line_bytes:
            self._cut_around_overlong(lines)
            return
        start = 0
        for end in [*ends[CHUNK_LINES - 1 :: CHUNK_LINES].tolist(), len(lines)]:
            if end > start:
                self.chunks.append(lines[start:end])
            start = end

    def _cut_around_overlong(self, lines: bytes) -> None:
        for line in lines.split(b"\n")[:-1]:
            self.chunks.append(line + b"\n" if len(line) <= self._line_bytes else TOO_LONG)
