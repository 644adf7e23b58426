"""Reading a journal, also while another process appends to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from vwserve.durability.compression import pieces_of
from vwserve.durability.errors import JournalError, disk_error
from vwserve.durability.segments import (
    COMPRESSED,
    NEXT,
    PLAIN,
    READ_BYTES,
    Segment,
    end_of,
    examples_in,
    path_of,
    steady_segments_in,
    whole_blocks,
)
from vwserve.lines import CHUNK_LINES

_NAMES = 3  # renamed between the look and the use, a segment is there under its next name


class _Part(NamedTuple):
    segment: Segment
    size: int | None
    """How much of the file to read: in the last one, what was there at the start."""


def read_journal(
    folder: Path, *, multiline: bool, after: int = 0, until: int | None = None, lines: int = CHUNK_LINES
) -> Iterator[bytes]:
    """Blocks of whole examples: those after the sequence number `after` up to `until`, else to the last there is now.

    A block has at most `lines` lines, if one example has not more, and about 64 KiB. Raises JournalError where examples
    in between are missing.
    """
    parts = _parts(folder, after)
    return iter(()) if until is not None and until <= after else _read(parts, multiline, after, until, lines)


def _parts(folder: Path, after: int) -> list[_Part]:
    try:
        segments = {segment.first: segment for segment in reversed(steady_segments_in(folder))}
        ordered = [segments[first] for first in sorted(segments)]
        size = _size_now(ordered[-1]) if ordered else None
    except OSError as error:
        raise disk_error("read the journal in", folder, error, "check the folder and its permissions") from error
    if ordered and ordered[0].first > after + 1:
        raise JournalError(
            f"the journal in {folder} begins at example {ordered[0].first}, and example {after + 1} is wanted; "
            f"restore its older files, or begin with a snapshot from example {ordered[0].first - 1} on"
        )
    parts = [_Part(segment, size if segment is ordered[-1] else None) for segment in ordered]
    begun = sum(segment.first <= after + 1 for segment in ordered)
    return parts[max(0, begun - 1) :]


def _path_now(segment: Segment) -> Path:
    """Where a segment is by now: it may have been renamed, or compressed; raises FileNotFoundError."""
    for ending in (segment.ending, NEXT, PLAIN, COMPRESSED):
        path = path_of(segment.folder, segment.first, ending)
        if path.exists():
            return path
    raise FileNotFoundError(2, os.strerror(2))


def _size_now(segment: Segment) -> int | None:
    """How large a plain segment is by now; raises OSError."""
    for _ in range(_NAMES):
        path = _path_now(segment)
        try:
            return None if path.name.endswith(COMPRESSED) else path.stat().st_size
        except FileNotFoundError:
            continue
    raise FileNotFoundError(2, os.strerror(2))


def _read(parts: list[_Part], multiline: bool, after: int, until: int | None, lines: int) -> Iterator[bytes]:
    position = parts[0].segment.first - 1 if parts else 0
    for segment, size in parts:
        if until is not None and position >= until:
            return
        if segment.first != position + 1:
            if segment.ending == NEXT:  # what a power cut took from the file before it was not promised, nor was this
                return
            raise _gap(segment, position)
        for block in whole_blocks(_pieces(segment, size), multiline):
            begin, position = position, position + examples_in(block, multiline)
            if position <= after:
                continue
            skipped = max(0, after - begin)
            kept = (position if until is None else min(until, position)) - begin
            partly = skipped or begin + kept < position
            yield from _cut(_examples(block, multiline, skipped, kept) if partly else block, multiline, lines)
            if until is not None and position >= until:
                return


def _gap(segment: Segment, position: int) -> JournalError:
    if segment.first <= position:
        return JournalError(
            f"{segment.path} begins at example {segment.first}, and the file before it goes up to {position}; move "
            "away the one that does not belong there, or give it its own name back"
        )
    return JournalError(
        f"{segment.path} begins at example {segment.first}, and the file before it ends at {position}; restore what is "
        f"missing, or begin with a snapshot from example {segment.first - 1} on"
    )


def _pieces(segment: Segment, size: int | None) -> Iterator[bytes]:
    """The text of a segment, or its first `size` bytes, in pieces."""
    try:
        file, compressed = _opened(segment)
        with file:
            if compressed:
                yield from pieces_of(file, segment.path)
                return
            left = size
            while piece := file.read(READ_BYTES if left is None else min(READ_BYTES, left)):
                left = None if left is None else left - len(piece)
                yield piece
    except OSError as error:
        raise disk_error("read", segment.path, error, "check the file; was it removed meanwhile?") from error


def _opened(segment: Segment) -> tuple[BinaryIO, bool]:
    for _ in range(_NAMES):
        path = _path_now(segment)
        try:
            return path.open("rb", buffering=0), path.name.endswith(COMPRESSED)
        except FileNotFoundError:
            continue
    raise FileNotFoundError(2, os.strerror(2))


def _examples(block: bytes, multiline: bool, begin: int, end: int) -> bytes:
    """Some of the examples of a block, counted from 0."""
    mark = end_of(multiline)
    return b"".join([text + mark for text in block.split(mark)[begin:end]])


def _cut(block: bytes, multiline: bool, lines: int) -> Iterator[bytes]:
    """Cut a block into blocks of at most `lines` lines, or of one example."""
    if block.count(b"\n") <= lines:
        yield block
        return
    mark = end_of(multiline)
    texts = block.split(mark)[:-1]
    if not multiline:
        for start in range(0, len(texts), lines):
            yield b"\n".join(texts[start : start + lines]) + b"\n"
        return
    run: list[bytes] = []
    held = 0
    for text in texts:
        height = text.count(b"\n") + 2
        if run and held + height > lines:
            yield b"".join(run)
            run, held = [], 0
        run.append(text + mark)
        held += height
    yield b"".join(run)
