"""Lines of text as VW has them, which all layers cut and join alike.

A block is whole lines, each ended by a newline. VW keeps parsed examples in a pool; past a few hundred they fall
out of the processor's caches and cost several times more a line. So what is handed on at once is a chunk: a block of at
most CHUNK_LINES lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

CHUNK_LINES = 250
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""VW takes one off every line that it reads; here it goes where lines come in, so that no model ever sees one."""

_SHOWN_CHARACTERS = 40


def lines_of(block: bytes) -> list[bytes]:
    """The lines of a block, without their newlines."""
    return block.split(b"\n")[:-1]


def block_of(lines: Iterable[bytes]) -> bytes:
    """A block of these lines."""
    return b"".join([line + b"\n" for line in lines])


def chunks_of(block: bytes) -> Iterator[bytes]:
    """Cut a block into chunks."""
    if block.count(b"\n") <= CHUNK_LINES:
        yield block
        return
    lines = lines_of(block)
    for start in range(0, len(lines), CHUNK_LINES):
        yield block_of(lines[start : start + CHUNK_LINES])


def one_line(answer: bytes) -> bytes:
    """VW's answer, which may be several lines with an empty one at the end, as one line without its newline.

    Some learners put a space behind each word: the last one goes.
    """
    return answer.strip(b"\n").replace(b"\n", b" ").rstrip(b" ")


def split_head(head: bytes) -> tuple[list[bytes], bytes]:
    """The label's words and the tag of what stands before the first `|` (`substring_to_example`)."""
    words = head.split()
    if not words or not (words[-1].startswith(b"'") or not head.endswith(b" ")):
        return words, b""
    return words[:-1], words[-1].removeprefix(b"'")


def tag_of(line: bytes) -> bytes:
    """The tag of an example, empty where it has none: the last word before the features, quoted or right at the bar."""
    return split_head(line.partition(b"|")[0])[1]


def shown(text: str | bytes, characters: int = _SHOWN_CHARACTERS) -> str:
    """What a client sent, quoted and shortened, fit for an error of one line."""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return repr(text if len(text) <= characters else text[: characters - 3] + "...")
