"""When examples were learned: `<first>.times` beside each segment, so that a model can be rebuilt up to a time.

A line of it, `sequence time`, says that all examples up to that sequence number had been learned by that Unix time.
One is written about once a second. Each holds by itself: where some are lost, a time leads to an earlier example, never
to one that was learned after it. The first line is written with the file and names the example before the segment's
first, so that a segment says itself where it begins, whatever it is called.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vwserve.durability.errors import disk_error
from vwserve.durability.segments import TIMES, Segment, path_of, segments_in

_LINE = re.compile(rb"([0-9]{1,20}) ([0-9]{1,12}(?:\.[0-9]{1,12})?)\n")
_LINE_BYTES = 64
_TAIL_BYTES = 4096


class Moment(NamedTuple):
    """All examples up to `sequence` were learned by `unix_s`."""

    sequence: int
    unix_s: float

    def line(self) -> bytes:
        """As it stands in the file; the time is rounded up to a microsecond."""
        return b"%d %.6f\n" % (self.sequence, self.unix_s + 5e-7)


def moments_in(text: bytes) -> Iterator[tuple[Moment, int]]:
    """The moments at the start of a file's text, each with the offset of its end; they end where a line is not one."""
    end = 0
    while match := _LINE.match(text, end):
        end = match.end()
        yield Moment(int(match[1]), float(match[2])), end


def good_bytes(text: bytes, first: int, last: int) -> tuple[int, int]:
    """How many bytes of a file are about the examples from `first` to `last` in order, and the last that they name.

    What stands after that is torn, or about examples that a power cut took, whose numbers others have now.
    """
    good, known = 0, first - 1
    for moment, end in moments_in(text):
        if not known <= moment.sequence <= last:
            break
        good, known = end, moment.sequence
    return good, known


def begins_after(path: Path) -> int | None:
    """The example before the first one of the segment of these times, None where they do not tell; raises OSError."""
    try:
        with path.open("rb") as file:
            match = _LINE.match(file.read(_LINE_BYTES))
    except FileNotFoundError:
        return None
    return int(match[1]) if match else None


def ends_at(path: Path) -> int | None:
    """The last example that these times name, None where they do not tell; raises OSError."""
    moment = _last_in(path)
    return moment.sequence if moment is not None else None


def ended_at(segment: Segment, last: int) -> float:
    """The Unix time by which the last example of a closed segment was learned; raises OSError.

    Where that is lost, it is the time at which its file was written.
    """
    moment = _last_in(path_of(segment.folder, segment.first, TIMES))
    return moment.unix_s if moment is not None and moment.sequence == last else segment.path.stat().st_mtime


def _last_in(path: Path) -> Moment | None:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return None
    match = _LINE.fullmatch(tail[tail.rfind(b"\n", 0, -1) + 1 :])
    return Moment(int(match[1]), float(match[2])) if match else None


def sequence_at(folder: Path, unix_s: float) -> int:
    """The last example of the journal in `folder` that is known to have been learned by `unix_s`.

    It is at most about a second short. Where the clock was set back, the first time that it showed `unix_s` counts.
    Before the first example there is it is that one's number less one. Raises JournalError.
    """
    try:
        segments = segments_in(folder)
        known = segments[0].first - 1 if segments else 0
        for segment in segments:
            path = path_of(folder, segment.first, TIMES)
            text = path.read_bytes() if path.exists() else b""
            for moment, _ in moments_in(text):
                if moment.unix_s > unix_s:
                    return known
                known = moment.sequence
    except OSError as error:
        raise disk_error("read the journal in", folder, error, "check the folder and its permissions") from error
    return known
