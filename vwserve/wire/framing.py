"""Bytes in, chunks of whole lines out, without looking at any line by itself."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from vwserve.lines import BYTE_ORDER_MARK, CHUNK_LINES

_MARK_BEGINS = BYTE_ORDER_MARK[:1]
_NEWLINE = b"\n"
_MANY_BYTES = 8192  # from here on numpy counts faster
_HEAD_BYTES = 1024  # enough of an over-long line to read its address


@dataclass(frozen=True, slots=True)
class TooLong:
    """Stands in the place of a line longer than the limit, of which only the first bytes were kept."""

    head: bytes


Chunk = bytes | TooLong


class LineFramer:
    r"""Cuts a stream into chunks: whole lines, each ended by a newline, at most CHUNK_LINES of them.

    `chunks` are those that were not taken yet. Besides, it keeps what is not yet a line, at most `line_bytes` of it and
    a carriage return; of an over-long line it keeps the head, and drops the other bytes as they come. `\r\n` becomes
    `\n`, and a byte order mark before a line goes, as in VW.
    """

    def __init__(self, line_bytes: int) -> None:
        self._line_bytes = line_bytes
        self._rest = bytearray()  # grows by appending: a line may arrive one byte at a time
        self._overlong: TooLong | None = None
        self.chunks: deque[Chunk] = deque()

    @property
    def empty(self) -> bool:
        """Whether nothing of the stream is held, neither chunks nor part of a line."""
        return not self.chunks and not self._rest and self._overlong is None

    def feed(self, data: bytes) -> None:
        """Take what arrived in one read."""
        if not self._rest and self._overlong is None and data.endswith(b"\n"):
            self._cut(data)
            return
        end = data.rfind(b"\n") + 1
        if end == 0:
            self._keep(data)
            return
        start = 0
        if self._overlong is not None:
            start = data.index(b"\n") + 1
            self.chunks.append(self._overlong)
            self._overlong = None
        lines = bytes(self._rest) + data[start:end]
        self._rest.clear()
        if lines:
            self._cut(lines)
        if end < len(data):
            self._keep(data[end:])

    def finish(self) -> None:
        """The stream has ended: a last line without a newline is a line."""
        if self._overlong is not None:
            self.chunks.append(self._overlong)
        elif self._rest:
            self._cut(bytes(self._rest) + b"\n")
        self._overlong = None
        self._rest.clear()

    def _keep(self, rest: bytes) -> None:
        if self._overlong is not None:
            return
        self._rest += rest
        # Beyond the limit there may yet be a carriage return, and before it a byte order mark, that do not count.
        if len(self._rest) > self._line_bytes + len(BYTE_ORDER_MARK) + 1:
            self._overlong = _too_long(bytes(self._rest[: _HEAD_BYTES + len(BYTE_ORDER_MARK)]))
            self._rest.clear()

    def _cut(self, lines: bytes) -> None:
        if b"\r" in lines:
            lines = lines.replace(b"\r\n", b"\n")
        # Looking for one byte is many times faster than looking for three.
        if _MARK_BEGINS in lines and BYTE_ORDER_MARK in lines:
            lines = (b"\n" + lines).replace(b"\n" + BYTE_ORDER_MARK, b"\n")[1:]
        if len(lines) <= self._line_bytes and _count_newlines(lines) <= CHUNK_LINES:
            self.chunks.append(lines)
            return
        ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == _NEWLINE[0]) + 1
        cuts = {*ends[CHUNK_LINES - 1 :: CHUNK_LINES].tolist(), len(lines)}
        overlong: set[int] = set()  # where such lines end
        if len(lines) > self._line_bytes:
            starts = np.append(0, ends[:-1])
            long = ends - starts - 1 > self._line_bytes
            overlong.update(ends[long].tolist())
            cuts |= overlong.union(starts[long].tolist())
        start = 0
        for end in sorted(cuts - {0}):
            piece = lines[start:end]
            self.chunks.append(_too_long(piece[:-1]) if end in overlong else piece)
            start = end


def _count_newlines(lines: bytes) -> int:
    if len(lines) < _MANY_BYTES:
        return lines.count(_NEWLINE)
    return int(np.count_nonzero(np.frombuffer(lines, np.uint8) == _NEWLINE[0]))


def _too_long(line: bytes) -> TooLong:
    return TooLong(line.removeprefix(BYTE_ORDER_MARK)[:_HEAD_BYTES])
