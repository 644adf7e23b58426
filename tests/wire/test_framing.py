"""However bytes arrive, the same lines come out, in chunks, and no more is held than the limit allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.lines import CHUNK_LINES
from vwserve.wire.framing import Chunk, LineFramer, TooLong

MARK = b"\xef\xbb\xbf"
PIECES = st.sampled_from([b"\n", b"\r", b"\r\n", MARK, MARK[:2], b"a", b"bc", b"|f x y", b"\0", b"\xff"])
STREAMS = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=60).map(b"".join))


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    """The pieces of data between the cuts."""
    ends = sorted(cut % (len(data) + 1) for cut in cuts)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)])]


def framed(pieces: list[bytes], line_bytes: int = 1 << 20) -> list[Chunk]:
    """What comes out for reads of these pieces and the end of the stream."""
    framer = LineFramer(line_bytes)
    for piece in pieces:
        framer.feed(piece)
    framer.finish()
    return list(framer.chunks)


def lines_of(chunks: list[Chunk]) -> list[bytes | None]:
    """The lines of chunks, None for one that is too long."""
    lines: list[bytes | None] = []
    for chunk in chunks:
        if isinstance(chunk, TooLong):
            lines.append(None)
        else:
            assert chunk.endswith(b"\n")
            lines += chunk.split(b"\n")[:-1]
    return lines


def expected_lines(data: bytes, line_bytes: int = 1 << 20) -> list[bytes | None]:
    """The lines of a stream, the plain way."""
    lines = data.split(b"\n")
    last = lines.pop()
    ended = [line.removesuffix(b"\r") for line in lines] + ([last.removesuffix(b"\r")] if last else [])
    bare = [line.removeprefix(MARK) for line in ended]
    return [line if len(line) <= line_bytes else None for line in bare]


@given(STREAMS, st.lists(st.integers(0, 1000), max_size=12))
def test_any_split_of_any_bytes_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    assert lines_of(framed(split_at(data, cuts))) == expected_lines(data)


@given(STREAMS, st.lists(st.integers(0, 1000), max_size=12), st.integers(1, 12))
def test_any_split_gives_the_same_lines_and_too_long_ones_under_a_limit(
    data: bytes, cuts: list[int], line_bytes: int
) -> None:
    assert lines_of(framed(split_at(data, cuts), line_bytes)) == expected_lines(data, line_bytes)


@given(st.integers(0, 1200), st.integers(1, 3), st.sampled_from([64, 1 << 20]))
def test_chunks_are_whole_lines_and_few_enough(count: int, width: int, line_bytes: int) -> None:
    data = (b"x" * width + b"\n") * count
    chunks = framed([data], line_bytes)
    assert b"".join(chunk for chunk in chunks if isinstance(chunk, bytes)) == data
    assert all(isinstance(chunk, bytes) and 0 < chunk.count(b"\n") <= CHUNK_LINES for chunk in chunks)
    assert len(chunks) == -(-count // CHUNK_LINES)


def test_one_read_of_whole_lines_is_one_chunk() -> None:
    assert framed([b"|f a\n|f b\n"]) == [b"|f a\n|f b\n"]


def test_one_byte_at_a_time() -> None:
    data = b"1 |f a\r\n\r\n|f b"
    assert lines_of(framed([data[i : i + 1] for i in range(len(data))])) == [b"1 |f a", b"", b"|f b"]


def test_a_last_line_needs_no_newline() -> None:
    framer = LineFramer(100)
    framer.feed(b"|f a\n|f b")
    assert list(framer.chunks) == [b"|f a\n"]
    framer.finish()
    assert list(framer.chunks) == [b"|f a\n", b"|f b\n"]


def test_a_carriage_return_in_a_line_stays() -> None:
    assert lines_of(framed([b"|f a\rb\r\n"])) == [b"|f a\rb"]


@pytest.mark.parametrize("line", [b"x" * 16, b"x" * 16 + b"\r", MARK + b"x" * 16, MARK + b"x" * 16 + b"\r"])
def test_a_line_at_the_limit_passes(line: bytes) -> None:
    assert lines_of(framed([line + b"\n"], 16)) == [b"x" * 16]
    assert lines_of(framed([line[:9], line[9:]], 16)) == [b"x" * 16]


@pytest.mark.parametrize("reads", [1, 7, 100_000])
def test_a_line_over_the_limit_is_one_too_long_with_its_head(reads: int) -> None:
    data = b"@ctr batch " + b"x" * 50_000 + b"\n|f a\n"
    pieces = [data[start : start + reads] for start in range(0, len(data), reads)]
    first, *rest = framed(pieces, 4096)
    assert isinstance(first, TooLong)
    assert first.head == data[:1024]
    assert lines_of(rest) == [b"|f a"]


def test_lines_around_too_long_ones_stay_together() -> None:
    short, long = b"|f a\n" * 50, b"y" * 65 + b"\n"
    chunks = framed([short + long + short + long + long + short], 64)
    assert [chunk if isinstance(chunk, bytes) else None for chunk in chunks] == [short, None, short, None, None, short]


def test_the_bytes_of_a_too_long_line_are_dropped_as_they_come() -> None:
    framer = LineFramer(1000)
    for _ in range(100):
        framer.feed(b"x" * 999)
        held = [value for value in vars(framer).values() if isinstance(value, bytes | bytearray)]
        assert held
        assert sum(map(len, held)) <= 1000
    assert not framer.chunks


def test_a_too_long_line_that_the_stream_ends_in_is_told() -> None:
    assert lines_of(framed([b"x" * 50, b"y" * 50], 64)) == [None]


def test_after_a_too_long_line_the_next_is_whole() -> None:
    assert lines_of(framed([b"x" * 80, b"x\n|f a", b" b\n"], 64)) == [None, b"|f a b"]
