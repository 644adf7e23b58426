"""How lines are cut, joined and shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.lines import CHUNK_LINES, block_of, chunks_of, lines_of, one_line, shown, split_head, tag_of

LINES = st.lists(st.binary(max_size=5).map(lambda text: text.replace(b"\n", b"")), max_size=600)


@given(LINES)
def test_a_block_is_its_lines(lines: list[bytes]) -> None:
    block = block_of(lines)
    assert lines_of(block) == lines
    chunks = list(chunks_of(block))
    assert b"".join(chunks) == block
    assert max(map(len, map(lines_of, chunks))) <= CHUNK_LINES


@pytest.mark.parametrize(
    ("head", "words", "tag"),
    [
        (b"", [], b""),
        (b"1", [], b"1"),
        (b"1 ", [b"1"], b""),
        (b"1 2 'a b' ", [b"1", b"2", b"'a", b"b'"], b""),
        (b"1 't ", [b"1"], b"t"),
        (b"'x", [], b"x"),
        (b"1 x", [b"1"], b"x"),
        (b"shared 'q7 ", [b"shared"], b"q7"),
    ],
)
def test_a_head_is_a_label_and_a_tag(head: bytes, words: list[bytes], tag: bytes) -> None:
    assert split_head(head) == (words, tag)
    assert tag_of(head + b"|f 'a b|g") == tag


def test_an_answer_of_several_lines_becomes_one() -> None:
    assert one_line(b"1:0.5,2:0.5 t\n\n") == b"1:0.5,2:0.5 t"
    assert one_line(b"1 2 1 \n\n") == b"1 2 1"
    assert one_line(b" \n") == b""
    assert one_line(b"1 a\n0 b\n\n") == b"1 a 0 b"


@given(st.one_of(st.text(), st.binary()))
def test_what_is_shown_is_one_short_line(text: str | bytes) -> None:
    assert len(shown(text).splitlines()) == 1
    assert len(shown(text, 12)) <= 12 * len("\\U0010ffff") + 2


def test_bytes_are_shown_as_text_with_what_cannot_be_printed_escaped() -> None:
    assert shown(b"a\nb") == "'a\\nb'"
    assert shown(b"x" * 1000) == repr("x" * 37 + "...")
