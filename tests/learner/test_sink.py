"""VW's own prediction text, caught in memory and given back to the system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vwserve.learner.sink import PredictionSink


def test_what_was_printed_is_taken_once() -> None:
    sink = PredictionSink()
    with Path(sink.path).open("wb", buffering=0) as printer:
        assert sink.take() == b""
        printer.write(b"one\n")
        assert sink.take() == b"one\n"
        assert sink.take() == b""
        printer.write(b"two\nthree\n")
        printer.write(b"\n")
        assert sink.take() == b"two\nthree\n\n"
    sink.close()


def test_its_memory_does_not_grow_with_what_was_printed() -> None:
    sink = PredictionSink()
    with Path(sink.path).open("wb", buffering=0) as printer:
        for number in range(50):
            text = b"%d\n" % number * 40_000
            printer.write(text)
            assert sink.take() == text
            assert os.stat(sink.path).st_blocks * 512 < 4 << 20
        assert os.stat(sink.path).st_size > 3 << 20  # the printer keeps its place
    sink.close()


def test_it_is_closed_once_and_for_all() -> None:
    sink = PredictionSink()
    path = sink.path
    sink.close()
    assert not Path(path).exists()
    with pytest.raises(OSError, match="Bad file descriptor"):
        sink.take()


def test_a_child_that_the_process_starts_does_not_inherit_it() -> None:
    sink = PredictionSink()
    descriptor = int(sink.path.rpartition("/")[2])
    assert not os.get_inheritable(descriptor)
    sink.close()
