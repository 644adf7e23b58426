"""One line on a terminal that says how far examples have been read; nothing where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TextIO

_INTERVAL_S = 0.1
_CELLS = 20


class Reading(Protocol):
    """What is being read: how much of it has been, and how much there is, None where that is not known."""

    @property
    def read_bytes(self) -> int:
        """Those of the pass under way."""

    @property
    def size_bytes(self) -> int | None:
        """All there are."""


class Meter:
    """Shows rows, megabytes and rows a second of the pass over `file` under way, at most ten times a second.

    How far it is, it shows by the `rows` that there are, where that is known, else by the size of the file.
    """

    def __init__(
        self,
        file: Reading,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        rows: int | None = None,
    ) -> None:
        self._file = file
        self._all_rows = rows
        self._stream = stream
        self._clock = clock
        self._terminal = stream.isatty()
        self._what = ""
        self._rows = 0
        self._began_s = self._shown_s = clock()

    def show(self, what: str, rows: int) -> None:
        """So many rows have been read for `what`; fewer than before begin another pass."""
        now = self._clock()
        if what != self._what or rows < self._rows:
            self._what, self._began_s = what, now
        self._rows = rows
        if self._terminal and now - self._shown_s >= _INTERVAL_S:
            self._shown_s = now
            self._stream.write("\r\x1b[K" + self._line(now))
            self._stream.flush()

    def clear(self) -> None:
        """Take the line away, so that others can write."""
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _line(self, now: float) -> str:
        rate = self._rows / max(now - self._began_s, 1e-9)
        read, size = self._file.read_bytes, self._file.size_bytes
        figures = f"{self._rows:,} rows  {read / 1e6:,.1f} MB  {rate:,.0f} rows/s"
        done, of = (read, size) if self._all_rows is None else (self._rows, self._all_rows)
        if not of:
            return f"{self._what}  {figures}"
        share = min(done / of, 1.0)
        cells = round(share * _CELLS)
        return f"{self._what}  [{'#' * cells}{'.' * (_CELLS - cells)}] {share:4.0%}  {figures}"
