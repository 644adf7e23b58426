"""A process's hold on a journal: the lock, what was found there, and the segment that is appended to."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vwserve.durability.disk import Disk, write_all
from vwserve.durability.errors import JournalError
from vwserve.durability.growing import GrowingSegment
from vwserve.durability.lock import Lock
from vwserve.durability.opening import Found, Gap, Opening, put_in_order
from vwserve.durability.segments import NEXT, PLAIN, TRIAL, path_of

_TRIAL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Hold:
    """A journal that was put in order and is this process's until its `lock` is released.

    It holds examples up to `last`, or the model has come so far by other means; `active` takes those that follow.
    `closed` are the plain segments before it, by their first number, with how many examples each holds. The times tell
    of the example `timed` as the last one, and `last` was learned by `written_s`, in Unix seconds.
    """

    lock: Lock
    opening: Opening
    last: int
    active: GrowingSegment
    closed: tuple[tuple[int, int], ...]
    timed: int
    written_s: float

    @classmethod
    def take(
        cls, disk: Disk, folder: Path, *, multiline: bool, after: int, now_s: float, until: int | None = None
    ) -> Hold:
        """Take the journal in `folder` to append what comes after the example `after`, at the Unix time `now_s`.

        It may not have examples after `until`. Raises JournalError, and OSError where the disk refuses.
        """
        lock = Lock(folder)
        try:
            found = put_in_order(disk, folder, multiline=multiline)
            if until is not None and found.opening.last > until:
                raise JournalError(
                    f"{folder} has examples up to {found.opening.last}, and this model learned {until}; restart, to "
                    "learn them, too"
                )
            return cls._of(found, lock, disk, folder, after, now_s)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _of(cls, found: Found, lock: Lock, disk: Disk, folder: Path, after: int, now_s: float) -> Hold:
        opening, last = found.opening, max(found.opening.last, after)
        closed = [(segment.first, examples) for segment, examples in found.closed]
        active: GrowingSegment | None = None
        written_s, timed = now_s, last
        if found.open is not None:
            first, timed = found.open.first, found.timed
            written_s = min(now_s, found.open.path.stat().st_mtime)
            active = GrowingSegment.reopen(disk, folder, first, found.sizes, now_s)
            if opening.last < after:
                active.close()
                if active.data.size:
                    closed.append((first, opening.last - first + 1))
                else:
                    disk.unlink(active.path)
                    disk.unlink(active.times.path)
                active = None
        if active is None:
            active = GrowingSegment.create(disk, folder, last + 1, PLAIN, now_s)
            timed = last
        if opening.last < after:
            missing = Gap(active.path, opening.last, active.first)
            opening, written_s = replace(opening, gaps=(*opening.gaps, missing)), now_s
        return cls(lock, opening, last, active, tuple(closed), timed, written_s)


def in_place(segment: GrowingSegment) -> bool:
    """Whether the file that is appended to is still the one in its folder."""
    for ending in (NEXT, PLAIN):  # in this order, because a sync may give it its lasting name between
        path = path_of(segment.folder, segment.first, ending)
        with suppress(OSError):  # whatever the reason, it cannot be found there
            if os.path.samestat(path.stat(), os.fstat(segment.data.fd)):
                return True
    return False


def try_disk(disk: Disk, folder: Path) -> None:
    """Write a file and sync it, and remove it again; raises OSError while the disk refuses."""
    trial = folder / TRIAL
    disk.unlink(trial)
    fd = disk.create(trial)
    try:
        write_all(disk, fd, bytes(_TRIAL_BYTES))
        disk.sync(fd)
    finally:
        disk.close(fd)
        disk.unlink(trial)
