"""Points of a journal: every form is read as it is meant, and nothing else is read at all."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.errors import RequestError
from vwserve.wire.points import AtNumber, AtTime, Point, Skip, parse_skip, parse_until

NOW_S = 1_800_000_000.25
TEN = AtTime(1_795_600_800.0)


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("2026-11-25T10:00:00Z", TEN),
        ("2026-11-25T10:00:00", TEN),
        ("2026-11-25T10:00", TEN),
        ("2026-11-25T10:00Z", TEN),
        ("2026-11-25T12:00:00+02:00", TEN),
        ("2026-11-25T05:30:00-0430", TEN),
        ("2026-11-26T00:00+14:00", TEN),
        ("2026-11-25T10:00:00.5Z", AtTime(1_795_600_800.5)),
        ("2026-11-25T10:00:00.000250", AtTime(1_795_600_800.00025)),
        ("1795600800", TEN),
        ("1795600800.5", AtTime(1_795_600_800.5)),
        ("@1795600800", TEN),
        ("@0", AtTime(0.0)),
        ("now", AtTime(NOW_S)),
        ("#1234", AtNumber(1234)),
        ("#0", AtNumber(0)),
    ],
)
def test_reads_a_time_or_a_number_to_replay_until(text: str, point: Point) -> None:
    assert parse_until(text, NOW_S) == point


WRONG = [
    "",
    "yesterday",
    "Now",
    "10:00",
    "2026-11-25 10:00",
    "20261125T100000Z",
    "2026-13-01T00:00Z",
    "2026-02-30T00:00Z",
    "2026-11-25T24:00Z",
    "2026-11-25T10:00:60Z",
    "2026-11-25T10:00:00+0275",
    "2026-11-25T10:00:00+99:00",
    "2026-11-25T10:00:00z",
    "2026-11-25T10:00:00.Z",
    "2026-11-25T10:00.5Z",
    "0000-01-01T00:00Z",
    "1795600800000",
    "-5",
    "+5",
    "1e9",
    "1_000",
    "٣",
    "#",
    "#-1",
    "#1.5",
    "##1",
    "@",
    "@now",
    "@-1",
    "nan",
    "inf",
    "2026-11-25T10:00:00Z ",
    "2026-11-25T10:00:00Z\n",
]


@pytest.mark.parametrize("text", WRONG)
def test_an_error_shows_how_a_time_is_written(text: str) -> None:
    with pytest.raises(RequestError, match="is no time; write it like 2026-11-25T10:00:00Z, @1795600800") as raised:
        parse_until(text, NOW_S)
    assert raised.value.code == "bad-request"
    assert "\n" not in raised.value.text


def test_a_day_is_no_time() -> None:
    with pytest.raises(RequestError, match="'2026-11-25' is no time of day; add one, as in 2026-11-25T00:00Z"):
        parse_until("2026-11-25", NOW_S)
    with pytest.raises(RequestError, match="add one, as in 2026-11-25T00:00Z"):
        parse_skip("2026-11-25..now", NOW_S)


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1)),
    st.none() | st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_reads_what_python_writes(moment: datetime, zone: timezone | None) -> None:
    aware = moment.replace(tzinfo=zone or timezone.utc)
    point = parse_until(moment.replace(tzinfo=zone).isoformat(), NOW_S)
    assert isinstance(point, AtTime)
    assert point.unix_s == pytest.approx(aware.timestamp(), abs=1e-6, rel=0)


@pytest.mark.parametrize(
    ("text", "skip"),
    [
        ("1200..1300", Skip(AtNumber(1200), AtNumber(1300))),
        ("#1200..1300", Skip(AtNumber(1200), AtNumber(1300))),
        ("7..7", Skip(AtNumber(7), AtNumber(7))),
        ("..1300", Skip(None, AtNumber(1300))),
        ("1200..", Skip(AtNumber(1200), None)),
        ("2026-11-25T10:00Z..now", Skip(TEN, AtTime(NOW_S))),
        ("@1795600800..@1795600800.5", Skip(TEN, AtTime(1_795_600_800.5))),
        ("1200..2026-11-25T10:00Z", Skip(AtNumber(1200), TEN)),
    ],
)
def test_reads_a_stretch_to_skip(text: str, skip: Skip) -> None:
    assert parse_skip(text, NOW_S) == skip


@pytest.mark.parametrize("text", ["", "..", "1200", "1200-1300", "1200.1300", "1200:1300"])
def test_what_is_no_stretch_is_told_with_examples(text: str) -> None:
    with pytest.raises(RequestError, match=r"is no stretch FROM\.\.TO, as in 1200\.\.1300, .* or \.\.1300"):
        parse_skip(text, NOW_S)


@pytest.mark.parametrize("text", ["1...2", "1..2..3", "1 ..2", "a..b", "1.5..2", "1..1795600800.5", "1..10:00"])
def test_an_end_that_is_none_is_told_with_examples(text: str) -> None:
    with pytest.raises(RequestError, match=r"is neither a sequence number nor a time; write it like .*@1795600800"):
        parse_skip(text, NOW_S)


@pytest.mark.parametrize("text", ["1300..1200", "2026-11-25T10:00Z..@0", "now..2026-11-25T10:00Z"])
def test_a_stretch_that_ends_before_it_begins_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="ends before it begins"):
        parse_skip(text, NOW_S)


@given(st.text(alphabet="0123456789-:.TZ+@#now", max_size=30) | st.text(max_size=30))
def test_anything_is_read_or_refused(text: str) -> None:
    for parse in (parse_until, parse_skip):
        try:
            parse(text, NOW_S)
        except RequestError as error:
            assert error.code == "bad-request"
