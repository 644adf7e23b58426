"""Examples to fit to: what the model accepts, in batches, with labels."""

import gzip
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.learner import Learner
from vwserve.model.data_file import DataFile
from vwserve.model.examples import BATCH_LINES, LINE_BYTES, FileExamples, Survey


@pytest.fixture(scope="module")
def learner() -> Iterator[Learner]:
    learner = Learner("--loss_function logistic -b 10")
    yield learner
    learner.close()


def examples(tmp_path: Path, learner: Learner, text: bytes, rows: int | None = None) -> FileExamples:
    (tmp_path / "data.vw").write_bytes(text)
    return FileExamples(DataFile(tmp_path / "data.vw"), learner, rows=rows)


def lines(found: FileExamples) -> list[bytes]:
    return [line for each in found for line in each.batch.lines]


def test_gives_lines_with_labels_and_importances(tmp_path: Path, learner: Learner) -> None:
    (only,) = examples(tmp_path, learner, b"1 |u a\n-1 2 't|u b\n|u c\n")
    assert only.batch.lines == (b"1 |u a", b"-1 2 't|u b", b"|u c")
    np.testing.assert_array_equal(only.labels, [1.0, -1.0, np.nan])
    np.testing.assert_array_equal(only.weights, [1.0, 2.0, 1.0])


def test_leaves_out_what_the_model_would_refuse(tmp_path: Path, learner: Learner) -> None:
    found = examples(tmp_path, learner, b"1 |u a\ngarbage\nnan |u a\n\n1 |u a:inf\n-1 |u b")
    assert lines(found) == [b"1 |u a", b"-1 |u b"]
    assert found.survey == Survey(rows=5, refused=3, labelled=2)


def test_takes_lines_however_they_end(tmp_path: Path, learner: Learner) -> None:
    found = examples(tmp_path, learner, b"\xef\xbb\xbf1 |u a\r\n\r\n\n-1 |u b")
    assert lines(found) == [b"1 |u a", b"-1 |u b"]


def test_goes_through_the_file_as_often_as_it_is_asked(tmp_path: Path, learner: Learner) -> None:
    found = examples(tmp_path, learner, b"1 |u a\n" * (2 * BATCH_LINES + 1))
    for _ in range(2):
        assert [len(each.batch) for each in found] == [BATCH_LINES, BATCH_LINES, 1]
    assert found.survey == Survey(rows=2 * BATCH_LINES + 1, labelled=2 * BATCH_LINES + 1)


def test_stops_after_so_many_rows_but_hashes_all(tmp_path: Path, learner: Learner) -> None:
    text = b"".join(b"1 |u a%d\n\n" % number for number in range(50_000))
    found, whole = examples(tmp_path, learner, text, rows=3), examples(tmp_path, learner, text)
    for _ in range(2):
        assert lines(found) == [b"1 |u a0", b"1 |u a1", b"1 |u a2"]
    assert len(lines(whole)) == 50_000
    assert found.file.sha256 == whole.file.sha256 is not None
    assert found.survey == Survey(rows=3, labelled=3)


def test_a_pass_that_was_left_early_surveys_nothing(tmp_path: Path, learner: Learner) -> None:
    found = examples(tmp_path, learner, b"1 |u a\n" * (2 * BATCH_LINES))
    next(iter(found))
    assert found.survey is None


def test_tells_how_far_it_is(tmp_path: Path, learner: Learner) -> None:
    (tmp_path / "data.vw").write_bytes(b"1 |u a\n" * (BATCH_LINES + 1))
    told: list[int] = []
    for _ in FileExamples(DataFile(tmp_path / "data.vw"), learner, watch=told.append):
        continue
    assert told == [BATCH_LINES, BATCH_LINES + 1]


def test_a_line_without_end_is_refused_in_bounded_memory(tmp_path: Path, learner: Learner) -> None:
    path = tmp_path / "long.vw.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"1 |u a\n1 |u ")
        for _ in range(64):
            file.write(b"x" * LINE_BYTES)
        file.write(b"\n-1 |u b\n")
    found = FileExamples(DataFile(path), learner)
    tracemalloc.start()
    assert lines(found) == [b"1 |u a", b"-1 |u b"]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 * LINE_BYTES
    assert found.survey == Survey(rows=3, refused=1, labelled=2)


@given(
    st.lists(
        st.sampled_from([b"1 |u a", b"|u b", b"garbage", b"", b"-1 3 |u c:2", b"\r", b" ", b"1 |u d\r"]), max_size=40
    ),
    st.booleans(),
)
def test_every_row_is_either_given_or_refused(rows: list[bytes], ended: bool) -> None:
    text = b"\n".join(rows) + (b"\n" if ended else b"")
    learner = Learner("-b 10")
    with tempfile.TemporaryDirectory() as folder:
        found = examples(Path(folder), learner, text)
        given_lines = lines(found)
    stripped = [row.rstrip(b"\r") for row in rows]
    assert given_lines == [row for row in stripped if row and learner.fault(row) is None]
    assert found.survey is not None
    assert found.survey.rows == sum(map(bool, stripped))
    assert found.survey.refused == found.survey.rows - len(given_lines)
    learner.close()
