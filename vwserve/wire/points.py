"""Points of a journal as a person names them: by sequence number, or by when an example was learned.

    #1234                  the example with this sequence number
    2026-11-25T10:00:00Z   a time of ISO 8601, extended format; without an offset it is UTC
    @1795600800.5          seconds since 1970, as `date -d` takes them
    now                    when the command is begun

A bare number is what it most likely means: seconds where a time is asked for, a sequence number where a stretch of
examples is. No other leniency: what is read wrongly here rebuilds a model from the wrong examples.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TypeAlias

from vwserve.errors import RequestError
from vwserve.lines import shown

_NUMBER = re.compile(r"[0-9]{1,18}")
# Eleven digits reach beyond the year 5000, and leave out milliseconds, which have thirteen.
_SECONDS = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,9})?")
_ISO_8601 = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T(?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?P<fraction>\.[0-9]{1,9})?)?)"
    r"(?:Z|(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-5][0-9]))?)?"
)
_FORMS = "2026-11-25T10:00:00Z, @1795600800 (seconds since 1970), now, or #1234 (a sequence number)"


@dataclass(frozen=True, slots=True)
class AtTime:
    """The examples learned by this Unix time."""

    unix_s: float


@dataclass(frozen=True, slots=True)
class AtNumber:
    """The example with this sequence number."""

    sequence: int


Point: TypeAlias = AtTime | AtNumber


@dataclass(frozen=True, slots=True)
class Skip:
    """A stretch of the journal that is left out, both ends included; None is the journal's own beginning or end."""

    first: Point | None
    last: Point | None


def parse_until(text: str, now_s: float) -> Point:
    """The point up to which a journal is replayed, `now` being `now_s`; raises RequestError."""
    point = _point(text, now_s) or _seconds(text)
    if point is None:
        raise _error(f"{shown(text)} is no time", text)
    return point


def parse_skip(text: str, now_s: float) -> Skip:
    """A stretch `FROM..TO`, either of which may be empty, but not both, and `now` is `now_s`; raises RequestError."""
    first, dots, last = text.partition("..")
    if not dots or not (first or last):
        examples = "1200..1300, 2026-11-25T10:00Z..2026-11-25T10:30Z, or ..1300 for all up to that"
        raise RequestError("bad-request", f"{shown(text)} is no stretch FROM..TO, as in {examples}")
    skip = Skip(_end(first, text, now_s), _end(last, text, now_s))
    if _ordered_wrongly(skip.first, skip.last):
        raise RequestError("bad-request", f"{shown(text)} ends before it begins; write the earlier end first")
    return skip


def _end(text: str, stretch: str, now_s: float) -> Point | None:
    if not text:
        return None
    point = AtNumber(int(text)) if _NUMBER.fullmatch(text) else _point(text, now_s)
    if point is None:
        raise _error(f"{shown(stretch)}: {shown(text)} is neither a sequence number nor a time", text)
    return point


def _point(text: str, now_s: float) -> Point | None:
    """A point that is what it is wherever it stands; None for anything else."""
    if text == "now":
        return AtTime(now_s)
    if text.startswith("#") and _NUMBER.fullmatch(text, 1):
        return AtNumber(int(text[1:]))
    if text.startswith("@"):
        return _seconds(text[1:])
    return _iso_8601(text)


def _seconds(text: str) -> AtTime | None:
    return AtTime(float(text)) if _SECONDS.fullmatch(text) else None


def _iso_8601(text: str) -> AtTime | None:
    found = _ISO_8601.fullmatch(text)
    if found is None or found["time"] is None:
        return None
    offset = timedelta(hours=int(found["hours"] or 0), minutes=int(found["minutes"] or 0))
    try:
        zone = timezone(-offset if found["sign"] == "-" else offset)
        # Python 3.10 reads only three or six digits of a fraction.
        whole = datetime.fromisoformat(f"{found['date']}T{found['time'].partition('.')[0]}").replace(tzinfo=zone)
    except ValueError:
        return None  # the 30th of February, 25 o'clock
    return AtTime(whole.timestamp() + float(found["fraction"] or 0))


def _ordered_wrongly(first: Point | None, last: Point | None) -> bool:
    """Whether two ends can be compared, and the first is the later one."""
    if isinstance(first, AtNumber) and isinstance(last, AtNumber):
        return first.sequence > last.sequence
    return isinstance(first, AtTime) and isinstance(last, AtTime) and first.unix_s > last.unix_s


def _error(complaint: str, text: str) -> RequestError:
    if (found := _ISO_8601.fullmatch(text)) and found["time"] is None:
        complaint += f" of day; add one, as in {text}T00:00Z"
        return RequestError("bad-request", complaint)
    return RequestError("bad-request", f"{complaint}; write it like {_FORMS}")
