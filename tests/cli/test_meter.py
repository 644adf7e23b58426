"""The line on a terminal that tells how far a file has been read."""

import io
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from vwserve.cli.meter import Meter
from vwserve.model.data_file import DataFile


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def file(tmp_path: Path) -> DataFile:
    (tmp_path / "data.vw").write_bytes(b"x" * 4_000_000)
    return DataFile(tmp_path / "data.vw")


def test_shows_share_rows_megabytes_and_rate(file: DataFile) -> None:
    clock, terminal = Clock(), Terminal()
    meter = Meter(file, terminal, clock.seconds)
    meter.show("mdl", 0)
    clock.advance(2)
    file.read_bytes = 1_000_000
    meter.show("mdl", 50_000)
    assert terminal.getvalue() == "\r\x1b[Kmdl  [#####...............]  25%  50,000 rows  1.0 MB  25,000 rows/s"


def test_of_a_stream_no_share_is_known() -> None:
    clock, terminal = Clock(), Terminal()
    file = DataFile(Path("-"), io.BytesIO())
    meter = Meter(file, terminal, clock.seconds)
    meter.show("m", 1)
    clock.advance(1)
    file.read_bytes = 2_500_000
    meter.show("m", 10)
    assert terminal.getvalue() == "\r\x1b[Km  10 rows  2.5 MB  10 rows/s"


def test_where_the_rows_are_known_their_share_is_shown() -> None:
    clock, terminal = Clock(), Terminal()
    file = DataFile(Path("-"), io.BytesIO())
    meter = Meter(file, terminal, clock.seconds, rows=40)
    meter.show("m", 1)
    clock.advance(1)
    file.read_bytes = 2_500_000
    meter.show("m", 10)
    assert terminal.getvalue() == "\r\x1b[Km  [#####...............]  25%  10 rows  2.5 MB  10 rows/s"


def test_another_pass_starts_its_own_clock(file: DataFile) -> None:
    clock, terminal = Clock(), Terminal()
    meter = Meter(file, terminal, clock.seconds)
    clock.advance(100)
    meter.show("mdl", 1000)
    clock.advance(1)
    meter.show("mdl", 10)
    clock.advance(1)
    meter.show("mdl", 30)
    assert terminal.getvalue().endswith("  30 rows/s")


def test_shows_ten_times_a_second_at_most(file: DataFile) -> None:
    clock, terminal = Clock(), Terminal()
    meter = Meter(file, terminal, clock.seconds)
    for rows in range(100):
        clock.advance(0.01)
        meter.show("m", rows)
    assert 9 <= terminal.getvalue().count("\r") <= 10


def test_takes_its_line_away(file: DataFile) -> None:
    terminal = Terminal()
    Meter(file, terminal).clear()
    assert terminal.getvalue() == "\r\x1b[K"


def test_is_silent_where_there_is_no_terminal(file: DataFile) -> None:
    clock, stream = Clock(), io.StringIO()
    meter = Meter(file, stream, clock.seconds)
    clock.advance(10)
    meter.show("m", 1)
    meter.clear()
    assert stream.getvalue() == ""
