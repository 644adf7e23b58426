"""The journal of one model: what it learned, in that order, as VW text, so that nothing learned is lost.

The owner appends a chunk's accepted labelled lines, then learns them, then answers. What `append` returned survives the
end of the process; what has been synced survives that of the machine. No error of the disk stops anything but learning:
`append` raises, `failed` says why, and `probe` tries whether it works again.

One thread calls everything here. The executors' threads sync, compress and repair files of which the owner's thread
keeps off meanwhile, or only appends to.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from vwserve.durability.compression import compress
from vwserve.durability.disk import Disk, write_all
from vwserve.durability.errors import JournalError, disk_error
from vwserve.durability.growing import GrowingSegment
from vwserve.durability.lock import Lock
from vwserve.durability.opening import Gap, Opening, put_in_order
from vwserve.durability.reading import read_journal
from vwserve.durability.segments import (
    COMPRESSED,
    NEXT,
    PLAIN,
    TIMES,
    TRIAL,
    asides_of,
    end_of,
    examples_in,
    path_of,
    steady_segments_in,
)
from vwserve.durability.times import Moment, ended_at, sequence_at
from vwserve.lines import CHUNK_LINES

Sync = Literal["always", "everysec", "os"]

SEGMENT_BYTES = 64 << 20
_MOMENT_S = 1.0
_CHORE_RETRY_S = 60.0
_TRIAL_BYTES = 1 << 16
_REMEDY = "the model learns again once this is mended"


class _Chore(NamedTuple):
    path: Path
    work: Callable[[], None]


class Journal:
    """The journal in `folder`, which is made if it is missing and belongs to this process until `close`.

    `after` is the sequence number that the model has come to by other means, such as a snapshot: what is appended gets
    numbers after it, also where the journal ends before. `sync` says who puts it on the disk: with `always` its owner,
    by `begin_sync`, and answers once `synced` has come so far; with `everysec` `tick`; with `os` the system. `clock` is
    the Unix time in seconds. `last` is the last sequence number, `synced` the one up to which all is synced.
    The threads of `sync_executor` sync, where those of `executor` may be long at other work: clients wait for a sync.
    Raises JournalError where the journal cannot be opened; `opening` tells what was found.
    """

    def __init__(
        self,
        folder: Path,
        *,
        multiline: bool,
        sync: Sync,
        keep_s: float,
        clock: Callable[[], float],
        executor: Executor,
        segment_bytes: int = SEGMENT_BYTES,
        after: int = 0,
        disk: Disk | None = None,
        sync_executor: Executor | None = None,
    ) -> None:
        self.folder = folder
        self.failed: JournalError | None = None
        self.remark: str | None = None
        """Why a closed segment could not be compressed or removed yet; it is tried again."""
        self._multiline = multiline
        self._end = end_of(multiline)
        self._sync = sync
        self._keep_s = keep_s
        self._clock = clock
        self._executor = executor
        self._sync_executor = sync_executor or executor
        self._segment_bytes = segment_bytes
        self._disk = disk or Disk()
        self._closing: list[GrowingSegment] = []
        self._syncing: tuple[Future[None], int, int] | None = None  # with its `last`, and how many segments it closes
        self._repairing: Future[None] | None = None
        self._in_doubt = False  # whether what was appended may never come to the disk
        self._chores: deque[_Chore] = deque()
        self._chore: tuple[Future[None], _Chore] | None = None
        self._chores_from_s = 0.0
        self._lock: Lock | None = None
        self._active: GrowingSegment
        self.opening: Opening
        self.last: int
        self.synced: int
        self._noted: int  # the last example of which `times` tells
        self._noted_s: float  # when it was last seen to
        self._appended_s: float  # when `last` was
        try:
            self._make_folder()
            self._open(after)
        except OSError as error:
            raise disk_error("open the journal in", folder, error, "check the folder and its permissions") from error

    # -- what it holds -------------------------------------------------------------------------------------------------

    @property
    def unsynced(self) -> int:
        """How many examples a power cut could take."""
        return self.last - self.synced

    @property
    def dirty(self) -> bool:
        """Whether a power cut could take any example."""
        return self.last > self.synced

    @property
    def extent(self) -> Opening:
        """All that was found and has come since, but for old segments that are gone; raises JournalError."""
        try:
            first = min((segment.first for segment in steady_segments_in(self.folder)), default=self.last + 1)
        except OSError as error:
            raise disk_error("read", self.folder, error, "check the folder and its permissions") from error
        return replace(self.opening, first=first, last=self.last)

    @property
    def descriptors(self) -> list[int]:
        """The files whose syncing brings all that was appended to the disk."""
        return [segment.data.fd for segment in (*self._closing, self._active)]

    def read(self, after: int = 0, until: int | None = None, lines: int = CHUNK_LINES) -> Iterator[bytes]:
        """Blocks of the examples after a sequence number, up to `until` or those there are now; see `read_journal`."""
        return read_journal(self.folder, multiline=self._multiline, after=after, until=until, lines=lines)

    def sequence_at(self, unix_s: float) -> int:
        """The last example known to have been learned by a time; see `vwserve.durability.times`."""
        known = sequence_at(self.folder, unix_s)
        return self.last if known >= self._noted and self._appended_s <= unix_s else known

    # -- appending -----------------------------------------------------------------------------------------------------

    def append(self, text: bytes, examples: int) -> int:
        """Append whole examples, so many of them, and return the sequence number of the last.

        Raises JournalError where they cannot be kept: then none of them is, and the model must not learn them.
        """
        if self._syncing is not None:
            self.settle()
        if self.failed is not None:
            raise JournalError(str(self.failed))
        if not text.endswith(self._end) or examples_in(text, self._multiline) != examples:
            raise ValueError(f"not {examples} whole examples: {text[-40:]!r}")
        now = self._clock()
        active = self._active
        try:
            if active.data.size + len(text) > self._segment_bytes and active.data.size:
                active = self._rotate()
            if not 0 <= now - self._noted_s < _MOMENT_S:
                self._note(now)
            active.data.append(text)
        except OSError as error:
            raise self._fail("append to", error, in_doubt=False) from error
        self.last += examples
        self._appended_s = now
        return self.last

    def _rotate(self) -> GrowingSegment:
        self._note(self._clock())
        following = GrowingSegment.create(self._disk, self.folder, self.last + 1, NEXT, self._clock())
        self._closing.append(self._active)
        self._active = following
        return following

    def _note(self, now: float) -> None:
        """Write down by when the examples up to now were learned."""
        if self.last > self._noted:
            self._active.times.append(Moment(self.last, self._appended_s).line())
            self._noted = self.last
        self._noted_s = now

    # -- syncing -------------------------------------------------------------------------------------------------------

    def sync_now(self) -> None:
        """Wait until all that was appended is on the disk; raises JournalError where it may not be."""
        if self._syncing is not None:
            wait([self._syncing[0]])
            self.settle()
        if self.failed is not None:
            raise JournalError(str(self.failed))
        if not self.dirty and not self._closing:
            return
        try:
            _sync_files(tuple(self._closing), self._active)
        except OSError as error:
            raise self._fail("sync", error) from error
        self._synced_up_to(self.last, len(self._closing))

    def begin_sync(self, done: Callable[[], object]) -> None:
        """Sync in the background; `done` is called, by any thread, when that is over, and `settle` tells how it went.

        Where a sync is under way, its end is what is told of: it may not cover what was appended last. An `append` that
        failed is no hindrance. Raises JournalError where what was appended may never come to the disk.
        """
        self.settle()
        if self._in_doubt or self._repairing is not None or self._lock is None:
            raise JournalError(str(self.failed or f"the journal in {self.folder} is closed"))
        future = self._start_sync() if self._syncing is None else self._syncing[0]
        future.add_done_callback(lambda _: done())

    def settle(self) -> None:
        """Take notice of a sync in the background that is over: `synced` or `failed` tells how it went."""
        if self._syncing is None or not self._syncing[0].done():
            return
        (future, last, closed), self._syncing = self._syncing, None
        try:
            future.result()
        except OSError as error:
            self._fail("sync", error)
            return
        self._synced_up_to(last, closed)

    def _start_sync(self) -> Future[None]:
        closing = tuple(self._closing)
        future = self._sync_executor.submit(_sync_files, closing, self._active)
        self._syncing = future, self.last, len(closing)
        return future

    def tick(self) -> None:
        """About once a second: sync in the background as configured, and see to what else is due."""
        self.settle()
        self._harvest_repair()
        if self.failed is None and not self._intact():
            self._fail_with(
                JournalError(f"{self._active.path} has vanished; bring {self.folder} back, and the model learns again")
            )
        if self.failed is not None:
            return
        try:
            self._note(self._clock())
        except OSError as error:
            self._fail("append to", error, in_doubt=False)
            return
        if self._syncing is None and (self._closing or (self._sync == "everysec" and self.dirty)):
            self._start_sync()
            self.settle()
        self._see_to_chores()

    def _synced_up_to(self, last: int, closed: int) -> None:
        self.synced = max(self.synced, last)
        done, self._closing = self._closing[:closed], self._closing[closed:]
        following = [*done[1:], *self._closing, self._active]
        for segment, after in zip(done, following):
            segment.close()
            self._add_compression(segment.first, after.first - segment.first)

    # -- failing and recovering ----------------------------------------------------------------------------------------

    def _fail(self, doing: str, error: OSError, in_doubt: bool = True) -> JournalError:
        return self._fail_with(disk_error(doing, self._active.path, error, _REMEDY), in_doubt)

    def _fail_with(self, failure: JournalError, in_doubt: bool = True) -> JournalError:
        self.failed = failure
        self._in_doubt = self._in_doubt or in_doubt
        return failure

    def probe(self) -> bool:
        """Try whether a failed journal works again, in the background; whether it does by now.

        Until it does, call it again from time to time; `tick` takes notice of the result, too. The folder is not made
        anew: where it vanished, it has to come back.
        """
        self.settle()
        self._harvest_repair()
        if self.failed is not None and self._repairing is None and self._syncing is None:
            self._repairing = self._executor.submit(self._repair)
            self._harvest_repair()
        return self.failed is None

    def _harvest_repair(self) -> None:
        if self._repairing is None or not self._repairing.done():
            return
        future, self._repairing = self._repairing, None
        try:
            future.result()
        except OSError as error:
            self._fail("write", error)
        except JournalError as error:
            self._fail_with(error)
        else:
            self.failed = None
            self._in_doubt = False

    def _repair(self) -> None:
        """In the background, while nothing is appended."""
        if not self._intact():
            if not self.folder.is_dir():
                raise JournalError(f"{self.folder} is not there; bring it back, and the model learns again")
            self._release()
            self._open(self.last, until=self.last)
        for segment in (*self._closing, self._active):
            segment.repair()
        trial = self.folder / TRIAL
        self._disk.unlink(trial)
        fd = self._disk.create(trial)
        try:
            write_all(self._disk, fd, bytes(_TRIAL_BYTES))
            self._disk.sync(fd)
        finally:
            self._disk.close(fd)
            self._disk.unlink(trial)

    def _intact(self) -> bool:
        """Whether the file that is appended to is still the one in the folder."""
        if self._lock is None:
            return False
        for ending in (NEXT, PLAIN):  # in this order, because a sync may give it its lasting name between
            path = path_of(self.folder, self._active.first, ending)
            with suppress(OSError):  # whatever the reason, it cannot be found there
                if os.path.samestat(path.stat(), os.fstat(self._active.data.fd)):
                    return True
        return False

    # -- opening and closing -------------------------------------------------------------------------------------------

    def _make_folder(self) -> None:
        missing = [path for path in (self.folder, *self.folder.parents) if not path.is_dir()]
        for path in reversed(missing):
            self._disk.make_folder(path)
            self._disk.sync_folder(path.parent)

    def _open(self, after: int, until: int | None = None) -> None:
        """Open what is there; it may not have examples after `until`."""
        self._lock = Lock(self.folder)
        try:
            self._open_locked(after, until)
        except BaseException:
            self._lock.release()
            self._lock = None
            raise

    def _open_locked(self, after: int, until: int | None) -> None:
        found = put_in_order(self._disk, self.folder, multiline=self._multiline)
        last = found.opening.last
        if until is not None and last > until:
            raise JournalError(
                f"{self.folder} has examples up to {last}, and this model learned {until}; restart, to learn them, too"
            )
        self.opening = found.opening
        now = self._clock()
        written_s = now
        self._chores.clear()
        for closed, examples in found.closed:
            self._add_compression(closed.first, examples)
        active: GrowingSegment | None = None
        if found.open is not None:
            written_s = min(now, found.open.path.stat().st_mtime)
            active = GrowingSegment.reopen(self._disk, self.folder, found.open.first, found.sizes, now)
        if active is not None and last < after:
            active.close()
            if active.data.size:
                self._add_compression(active.first, last - active.first + 1)
            else:
                self._disk.unlink(active.path)
            active, written_s = None, now
        self.last = max(last, after)
        if active is None:
            active = GrowingSegment.create(self._disk, self.folder, self.last + 1, PLAIN, now)
        if last < after:
            missing = Gap(active.path, last, active.first)
            self.opening = replace(self.opening, gaps=(*self.opening.gaps, missing))
        self._closing = []
        self._active = active
        self.synced = self.last
        self._appended_s, self._noted_s = written_s, now
        self._noted = found.timed if found.open is not None else active.first - 1
        self._note(now)

    def _release(self) -> None:
        for segment in (*self._closing, self._active) if self._lock is not None else ():
            segment.close()
        self._closing = []
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def close(self) -> None:
        """Sync, and let others have the journal; raises JournalError where it may not all be on the disk."""
        if self._chore is not None and not self._chore[0].cancel():
            wait([self._chore[0]])
        if self._repairing is not None:
            wait([self._repairing])
            self._harvest_repair()
        try:
            if self.failed is None:
                with suppress(OSError):  # times may be lost
                    self._note(self._clock())
            self.sync_now()
        finally:
            self._release()

    def configure(self, sync: Sync, keep_s: float) -> None:
        """Sync and keep from now on otherwise."""
        self._sync, self._keep_s = sync, keep_s

    # -- closed segments -----------------------------------------------------------------------------------------------

    def keep(self, needed_from: int) -> int:
        """Remove closed segments older than `keep_s` with no example from `needed_from` on; how many they are.

        `needed_from` is the first example after the oldest snapshot that is kept. Raises JournalError.
        """
        oldest_open = (*self._closing, self._active)[0].first
        until_s = self._clock() - self._keep_s
        leaving = 0
        try:
            segments = {segment.first: segment for segment in steady_segments_in(self.folder)}
            firsts = sorted(segments)
            for first, following in pairwise(firsts):
                if first >= oldest_open or following > needed_from:
                    break
                if ended_at(segments[first], following - 1) > until_s:
                    break
                self._chores.append(_Chore(segments[first].path, partial(self._remove, first)))
                leaving += 1
        except OSError as error:
            raise disk_error("look through", self.folder, error, "check the folder and its permissions") from error
        self._see_to_chores()
        return leaving

    def _remove(self, first: int) -> None:
        # The examples go before what tells of them, and each segment before the next: no crash leaves a gap.
        for ending in (PLAIN, COMPRESSED, TIMES):
            self._disk.unlink(path_of(self.folder, first, ending))
        for path in asides_of(self.folder, first):
            self._disk.unlink(path)
        self._disk.sync_folder(self.folder)

    def _add_compression(self, first: int, examples: int) -> None:
        work = partial(compress, self._disk, self.folder, first, examples)
        self._chores.append(_Chore(path_of(self.folder, first, PLAIN), work))

    def _see_to_chores(self) -> None:
        """One at a time, in the background; one that fails is tried again."""
        now = self._clock()
        while True:
            if self._chore is not None:
                if not self._chore[0].done():
                    return
                (future, chore), self._chore = self._chore, None
                try:
                    future.result()
                    self.remark = None
                except OSError as error:
                    self.remark = str(disk_error("compress or remove", chore.path, error, "it is tried again"))
                    self._chores.appendleft(chore)
                    self._chores_from_s = now + _CHORE_RETRY_S
            if not self._chores or now < self._chores_from_s:
                return
            chore = self._chores.popleft()
            self._chore = self._executor.submit(chore.work), chore


def _sync_files(closing: Sequence[GrowingSegment], active: GrowingSegment) -> None:
    """In the background: each segment to its end before the one that follows it gets its lasting name."""
    for segment in closing:
        segment.sync_all()
    active.sync()
