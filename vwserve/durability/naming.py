"""Whether the segments of a journal still have the names that they were given: their numbers are those of the examples.

A file that was renamed, or comes from another journal, would give examples other numbers, and a model that goes on from
a snapshot would learn some twice and others never. So each segment says its first number once more: in the first line
of its times, and in its header once it is compressed. Where that is lost, neighbours still tell: two segments do not
hold the same number, and times whose examples are gone belong to a segment that has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from vwserve.durability.compression import first_of
from vwserve.durability.errors import JournalError
from vwserve.durability.segments import COMPRESSED, TIMES, Segment, numbers_in, path_of
from vwserve.durability.times import begins_after, ends_at


def check_names(folder: Path, ends: Sequence[tuple[Segment, int]]) -> None:
    """Refuse segments, each with the number of its last example, that are not what their names say.

    They are in order, and all of the journal's. Raises JournalError and OSError.
    """
    for segment, _ in ends:
        _check_first(segment)
    for (one, last), (other, _) in pairwise(ends):
        if other.first <= last:
            raise JournalError(
                f"{other.path} begins at example {other.first}, and {one.path} goes up to {last}: both cannot be of "
                "this journal under these names; move away the one that does not belong there, or give it its own "
                "name back"
            )
    timed = numbers_in(folder, TIMES)
    abandoned = sorted(timed - {segment.first for segment, _ in ends})
    for segment, last in ends:
        if segment.first not in timed:
            _check_alone(segment, last, abandoned, [other.first for other, _ in ends])


def _check_first(segment: Segment) -> None:
    """Refuse a segment that says itself that it is another."""
    times = path_of(segment.folder, segment.first, TIMES)
    before = begins_after(times)
    if before is not None and before != segment.first - 1:
        name = path_of(segment.folder, before + 1, segment.ending).name
        raise JournalError(
            f"{segment.path} was renamed: {times.name} says that it begins at example {before + 1}. Give both that "
            f"number back ({name}), or move them away; remove {times.name} alone if that is what is wrong"
        )
    first = first_of(segment.path) if segment.ending == COMPRESSED else None
    if first is not None and first != segment.first:
        name = path_of(segment.folder, first, segment.ending).name
        raise JournalError(f"{segment.path} was renamed: it begins at example {first}. Call it {name}, or move it away")


def _check_alone(segment: Segment, last: int, abandoned: Sequence[int], firsts: Sequence[int]) -> None:
    """Refuse a segment without times where there are times without a segment that may be its own."""
    before = max((first for first in firsts if first < segment.first), default=0)
    for first in abandoned:
        if not before < first <= last:
            continue
        times = path_of(segment.folder, first, TIMES)
        end = ends_at(times)
        # A removal that was cut short leaves times, too: of a segment that ended where this one begins.
        if end is None or end == segment.first - 1:
            continue
        name = path_of(segment.folder, first, segment.ending).name
        raise JournalError(
            f"{segment.path} has no times, and {times.name} has no examples: if the one was renamed, call it {name} "
            f"again; if it is not of this journal, move it away; if it is as it was, remove {times.name}"
        )
