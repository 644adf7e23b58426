"""Files of examples: plain or compressed, from the disk or standard input, read in pieces."""

import gzip
import hashlib
import io
from pathlib import Path

import pytest

from vwserve.errors import VwserveError
from vwserve.model.data_file import READ_BYTES, DataFile

TEXT = b"1 |u a\n" * 100_000


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    (tmp_path / "data.vw").write_bytes(TEXT)
    return tmp_path / "data.vw"


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    (tmp_path / "data.bin").write_bytes(gzip.compress(TEXT[:350_000]) + gzip.compress(TEXT[350_000:]))
    return tmp_path / "data.bin"


def test_reads_in_bounded_pieces(plain: Path) -> None:
    pieces = list(DataFile(plain).chunks())
    assert b"".join(pieces) == TEXT
    assert max(map(len, pieces)) <= READ_BYTES


def test_reads_gzip_whatever_the_file_is_called(packed: Path) -> None:
    pieces = list(DataFile(packed).chunks())
    assert b"".join(pieces) == TEXT
    assert max(map(len, pieces)) <= READ_BYTES


def test_a_file_may_be_read_again(packed: Path) -> None:
    file = DataFile(packed)
    assert file.rereadable
    assert [b"".join(file.chunks()) for _ in range(2)] == [TEXT, TEXT]


def test_tells_the_digest_of_the_file_as_it_lies_on_the_disk(plain: Path, packed: Path) -> None:
    for path in (plain, packed):
        file = DataFile(path)
        for _ in file.chunks():
            continue
        unhashed = file.sha256
        for _ in file.chunks(hashing=True):
            continue
        assert unhashed is None
        assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert file.size_bytes == file.read_bytes == path.stat().st_size


def test_standard_input_may_be_read_once(packed: Path) -> None:
    file = DataFile(Path("-"), io.BytesIO(packed.read_bytes()))
    assert not file.rereadable
    assert file.size_bytes is None
    assert b"".join(file.chunks(hashing=True)) == TEXT
    assert file.sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()
    with pytest.raises(VwserveError, match="standard input can be read only once"):
        next(file.chunks())


@pytest.mark.parametrize("size_bytes", [3, 1000])
def test_a_truncated_or_spoilt_gzip_is_an_error(packed: Path, size_bytes: int) -> None:
    whole = packed.read_bytes()
    packed.write_bytes(whole[:size_bytes])
    with pytest.raises(VwserveError, match=r"cannot read .*data\.bin: "):
        list(DataFile(packed).chunks())
    packed.write_bytes(whole[:20] + b"\0" * 50 + whole[70:])
    with pytest.raises(VwserveError, match=r"cannot read .*data\.bin: "):
        list(DataFile(packed).chunks())


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VwserveError, match=r"cannot read .*none: No such file"):
        DataFile(tmp_path / "none")
    with pytest.raises(VwserveError, match=r"cannot read .*: Is a directory"):
        DataFile(tmp_path)


def test_an_empty_file_has_no_pieces(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert list(DataFile(tmp_path / "empty").chunks()) == []
