"""Durations and sizes: what is read, what is refused and how, and that what is written is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.configuration.units import (
    DURATIONS,
    SIZES,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("7d", 604_800.0), ("1.5h", 5400.0), ("0s", 0.0)],
)
def test_reads_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1000", 1000),
        ("100k", 100_000),
        ("64KiB", 65_536),
        ("1MiB", 1 << 20),
        ("1.5KiB", 1536),
        ("2 MB", 2_000_000),
    ],
)
def test_reads_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("30", "no unit: write 30s"),
        ("5:30", "is not a duration; it is written like 500ms 30s 5m 1h 7d"),
        ("1e3s", "is not a duration"),
        ("-1s", "is not a duration"),
        ("", "is not a duration"),
        ("1h30m", "is not a duration"),
        ("٣s", "is not a duration"),
        ("5min", "unknown unit 'min' in '5min'; known: ms, s, m, h, d"),
        ("5M", "unknown unit 'M' in '5M'; did you mean 'm'?"),
        ("inf", "is not a duration"),
    ],
)
def test_refuses_what_is_no_duration_and_says_why(text: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_duration(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1e6", "is not a size; it is written like 1000 100k 64KiB 1MiB"),
        ("0x10", "is not a size"),
        ("1_000", "is not a size"),
        ("-1", "is not a size"),
        ("1.5", "not a whole number"),
        ("1kb", "unknown unit 'kb' in '1kb'; did you mean 'kB'?"),
        ("1K", "did you mean 'k'?"),
        ("3 apples", "known: k, M, G, B, kB"),
        ("9" * 16, "is not a size"),
    ],
)
def test_refuses_what_is_no_size_and_says_why(text: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_size(text)
    assert words in str(caught.value)


@given(st.integers(0, 10**15 - 1))
def test_a_size_that_is_written_is_read_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 10**12))
def test_a_duration_that_is_written_is_read_back(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(0, 10**6), st.sampled_from(sorted(SIZES)))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str) -> None:
    assert parse_size(f"{number}{unit}") == number * SIZES[unit]


@given(st.integers(0, 10**6), st.sampled_from(sorted(DURATIONS)))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: str) -> None:
    assert parse_duration(f"{number}{unit}") == float(number * DURATIONS[unit])


@pytest.mark.parametrize(("size", "text"), [(65_536, "64KiB"), (100_000, "100k"), (1 << 20, "1MiB"), (17, "17")])
def test_writes_sizes_the_short_way(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.text(max_size=20))
def test_any_other_text_is_refused_with_value_error_only(text: str) -> None:
    for parse in (parse_duration, parse_size):
        try:
            assert parse(text) >= 0
        except ValueError as error:
            assert str(error)
