"""What the last run left of a journal, put in order before anything is added to it.

A crash of the process loses nothing that was appended. One of the machine may take what was not synced: a torn end, or
one of bytes that are zero, which no example has. That is cut off the end, never out of the middle, is kept beside the
journal and reported. What no crash leaves (zeros with something after them, segments that hold the same examples or
were renamed) is refused before anything is changed: somebody has to say what is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from vwserve.durability import compression
from vwserve.durability.disk import Disk, write_all
from vwserve.durability.errors import JournalError
from vwserve.durability.naming import check_names
from vwserve.durability.segments import (
    COMPRESSED,
    DRAFT,
    NEXT,
    PLAIN,
    READ_BYTES,
    TIMES,
    TRIAL,
    Segment,
    aside_of,
    examples_in,
    foreign_in,
    path_of,
    segments_in,
    steady_segments_in,
    whole_blocks,
)
from vwserve.durability.times import good_bytes

_LOOKS = 4  # for files that get other names meanwhile, one after the other


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes at the end of a segment, from `offset` on, that were no whole example; they are now in `kept`."""

    path: Path
    offset: int
    size: int
    kept: Path

    def __str__(self) -> str:
        return f"{self.path}: the last {self.size} bytes were no whole example, and are now in {self.kept.name}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Examples that are missing: those after `after`, up to the first one of the segment at `path`."""

    path: Path
    after: int
    first: int

    def __str__(self) -> str:
        return f"{self.path}: examples {self.after + 1} to {self.first - 1}, which come before it, are missing"


@dataclass(frozen=True, slots=True)
class Opening:
    """What was found: the examples from `first` to `last` (`first - 1` where there are none), and what was wrong."""

    first: int
    last: int
    cuts: tuple[Cut, ...] = ()
    gaps: tuple[Gap, ...] = ()
    foreign: tuple[Path, ...] = ()

    @property
    def remarks(self) -> list[str]:
        """What was wrong, a line each."""
        foreign = [f"{path}: is no part of the journal, and is left alone" for path in self.foreign]
        return [*map(str, self.cuts), *map(str, self.gaps), *foreign]


@dataclass(frozen=True, slots=True)
class Found:
    """A journal in order: `closed` are its plain segments but the last, which is `open`, with good bytes of both files.

    `timed` is the last example of which `times` tells.
    """

    opening: Opening
    closed: tuple[tuple[Segment, int], ...]
    open: Segment | None
    sizes: tuple[int, int] = (0, 0)
    timed: int = 0


def look_through(folder: Path, *, multiline: bool) -> Opening:
    """What a journal has, without putting anything in order: while another writes, or the disk is read-only.

    Raises JournalError and OSError.
    """
    for _ in range(_LOOKS - 1):
        try:
            return _look_through(folder, multiline)
        except FileNotFoundError:  # renamed, compressed or removed between the look and the use
            continue
    return _look_through(folder, multiline)


def _look_through(folder: Path, multiline: bool) -> Opening:
    gaps: list[Gap] = []
    # A segment that is being compressed is there twice for a moment; the plain one, which comes first, counts.
    by_number = {segment.first: segment for segment in reversed(steady_segments_in(folder))}
    segments = [by_number[first] for first in sorted(by_number)]
    first = segments[0].first if segments else 1
    last = first - 1
    ends: list[tuple[Segment, int]] = []
    for segment in segments:
        if segment.first != last + 1:
            if segment.ending == NEXT:  # nothing in it was promised: `put_in_order` will cut it off
                break
            gaps.append(Gap(segment.path, last, segment.first))
        last = segment.first - 1 + _count(segment, multiline)[0]
        ends.append((segment, last))
    check_names(folder, ends)
    return Opening(first, last, gaps=tuple(gaps))


def put_in_order(disk: Disk, folder: Path, *, multiline: bool) -> Found:
    """Finish what was under way, and cut off what is torn; raises JournalError and OSError."""
    foreign = tuple(foreign_in(folder))
    _remove_duplicates(disk, folder, multiline)
    _remove_drafts(disk, folder)
    segments = segments_in(folder)
    lasting = [segment for segment in segments if segment.ending != NEXT]
    provisional = [segment for segment in segments if segment.ending == NEXT]
    gaps, cuts, closed, ends = [], [], [], []
    first = lasting[0].first if lasting else 1
    last, size = first - 1, 0
    end: Segment | None = None
    for segment in lasting:
        if end is not None and end.ending == PLAIN:
            closed.append((end, last - end.first + 1))
        if segment.first != last + 1:
            gaps.append(Gap(segment.path, last, segment.first))
        end = segment
        examples, size = _count(segment, multiline)
        last = segment.first - 1 + examples
        ends.append((segment, last))
    check_names(folder, ends)
    if end is not None and end.ending == PLAIN:
        cuts += _cut(disk, end, size)
    for segment in provisional:
        if end is None or segment.first != last + 1:  # nor was anything in it promised
            cuts += _cut(disk, segment, 0)
            disk.unlink(segment.path)
            disk.unlink(path_of(folder, segment.first, TIMES))
            continue
        if end.ending == PLAIN:
            closed.append((end, last - end.first + 1))
            _sync_file(disk, end)
        disk.rename(segment.path, path_of(folder, segment.first, PLAIN))
        end = Segment(segment.first, PLAIN, folder)
        examples, size = _count(end, multiline)
        last = end.first - 1 + examples
        cuts += _cut(disk, end, size)
    disk.sync_folder(folder)
    opening = Opening(first, last, tuple(cuts), tuple(gaps), foreign)
    if end is None or end.ending == COMPRESSED:
        return Found(opening, tuple(closed), None)
    path = path_of(folder, end.first, TIMES)
    times, timed = good_bytes(path.read_bytes() if path.exists() else b"", end.first, last)
    return Found(opening, tuple(closed), end, (size, times), timed)


def _remove_duplicates(disk: Disk, folder: Path, multiline: bool) -> None:
    """A crash between the appearance of a compressed file and the end of its plain one leaves both."""
    segments = segments_in(folder)
    for plain, other in pairwise(segments):
        if plain.first != other.first:
            continue
        whole = other.ending == COMPRESSED and compression.is_whole(other.path)
        if whole and compression.examples_of(other.path, multiline) >= _count(plain, multiline)[0]:
            disk.unlink(plain.path)
        elif other.ending == COMPRESSED:
            disk.unlink(other.path)
        else:
            raise JournalError(f"{other.path} and {plain.path} are one segment; move away the one that is wrong")


def _remove_drafts(disk: Disk, folder: Path) -> None:
    for path in folder.iterdir():
        if path.name.endswith(DRAFT) or path.name == TRIAL:
            disk.unlink(path)


def _count(segment: Segment, multiline: bool) -> tuple[int, int]:
    """How many whole examples a segment holds, and in how many bytes (0 for a compressed one)."""
    if segment.ending == COMPRESSED:
        return compression.examples_of(segment.path, multiline), 0
    examples = size = 0
    for block in whole_blocks(_sound_pieces(segment.path), multiline):
        if not multiline and (b"\n\n" in block or block.startswith(b"\n")):
            raise JournalError(
                f"{segment.path} has blank lines, as examples of several lines end, and this model's have one line; "
                f"move {segment.folder} away, or give the model back the arguments that it had"
            )
        examples += examples_in(block, multiline)
        size += len(block)
    return examples, size


def _sound_pieces(path: Path) -> Iterator[bytes]:
    """The text of a plain segment without the zeros at its end; raises JournalError where others stand before those."""
    size = 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(READ_BYTES):
            zero = piece.find(b"\0")
            if zero < 0:
                size += len(piece)
                yield piece
                continue
            yield piece[:zero]
            size += zero
            while piece:
                if piece[zero:].strip(b"\0"):
                    raise JournalError(
                        f"{path} has bytes that are zero from byte {size} on, and more after them, which no power cut "
                        f"leaves; restore it from a copy, or cut it there (truncate -s {size} {path}) to go on with "
                        "what it has before"
                    )
                piece, zero = file.read(READ_BYTES), 0
            return


def _cut(disk: Disk, segment: Segment, size: int) -> list[Cut]:
    """Keep what a segment has after its good bytes in another file, and cut it off."""
    fd = disk.open(segment.path)
    try:
        with segment.path.open("rb") as file:
            file.seek(size)
            torn = file.read()
        if not torn:
            return []
        kept = aside_of(segment.folder, segment.first, size)
        disk.unlink(kept)
        copy = disk.create(kept)
        try:
            write_all(disk, copy, torn)
            disk.sync(copy)
        finally:
            disk.close(copy)
        disk.truncate(fd, size)
        disk.sync(fd)
    finally:
        disk.close(fd)
    return [Cut(segment.path, size, len(torn), kept)]


def _sync_file(disk: Disk, segment: Segment) -> None:
    fd = disk.open(segment.path)
    try:
        disk.sync(fd)
    finally:
        disk.close(fd)
