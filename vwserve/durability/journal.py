"""The journal of one model: what it learned, in that order, as VW text, so that nothing learned is lost.

The owner appends a chunk's accepted labelled lines, then learns them, then answers. What `append` returned survives the
end of the process; what has been synced survives that of the machine. No error of the disk stops anything but learning:
`append` raises, `failed` says why, and `probe` tries whether it works again.

One thread calls everything here. The executors' threads sync, compress and repair files of which the owner's thread
keeps off meanwhile, or only appends to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from vwserve.durability.chores import Chores
from vwserve.durability.disk import Disk, make_folders
from vwserve.durability.errors import JournalError, disk_error
from vwserve.durability.growing import GrowingSegment
from vwserve.durability.holding import Hold, in_place, try_disk
from vwserve.durability.lock import Lock
from vwserve.durability.opening import Opening
from vwserve.durability.reading import read_journal
from vwserve.durability.segments import NEXT, end_of, examples_in, steady_segments_in
from vwserve.durability.times import Moment, ended_at, sequence_at
from vwserve.lines import CHUNK_LINES

Sync = Literal["always", "everysec", "os"]

SEGMENT_BYTES = 64 << 20
_MOMENT_S = 1.0
_REMEDY = "the model learns again once this is mended"


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
        self.reopened: Opening | None = None
        """What was found where a repair had to open it again; whoever takes notice of that sets it back to None."""
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
        self._chores = Chores(self._disk, folder, clock, executor)
        self._lock: Lock | None = None
        self._active: GrowingSegment
        self.opening: Opening
        self.last: int
        self.synced: int
        self._noted: int  # the last example of which `times` tells
        self._noted_s: float  # when it was last seen to
        self._appended_s: float  # when `last` was
        try:
            make_folders(self._disk, folder)
            self._open(after)
        except OSError as error:
            raise disk_error("open the journal in", folder, error, "check the folder and its permissions") from error

    # -- what it holds -------------------------------------------------------------------------------------------------

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
    def remark(self) -> str | None:
        """Why a closed segment could not be compressed or removed yet; it is tried again."""
        return self._chores.remark

    @property
    def repairing(self) -> bool:
        """Whether a thread repairs it, and may be opening and closing its files."""
        return self._repairing is not None

    @property
    def descriptors(self) -> list[int]:
        """The files whose syncing brings all that was appended to the disk.

        None while it is repaired or closed: then nobody can say what is on the disk.
        """
        if self.repairing or self._lock is None:
            return []
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
        if self.failed is None and not in_place(self._active):
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
        self._chores.see_to()

    def _synced_up_to(self, last: int, closed: int) -> None:
        self.synced = max(self.synced, last)
        done, self._closing = self._closing[:closed], self._closing[closed:]
        following = [*done[1:], *self._closing, self._active]
        for segment, after in zip(done, following):
            segment.close()
            self._chores.compress(segment.first, after.first - segment.first)

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
        if self._lock is None or not in_place(self._active):
            if not self.folder.is_dir():
                raise JournalError(f"{self.folder} is not there; bring it back, and the model learns again")
            self._release()
            self._open(self.last, until=self.last)
            self.reopened = self.opening
        for segment in (*self._closing, self._active):
            segment.repair()
        try_disk(self._disk, self.folder)

    # -- opening and closing -------------------------------------------------------------------------------------------

    def _open(self, after: int, until: int | None = None) -> None:
        """Open what is there; it may not have examples after `until`."""
        now_s = self._clock()
        hold = Hold.take(self._disk, self.folder, multiline=self._multiline, after=after, now_s=now_s, until=until)
        self._lock, self.opening, self._active, self._closing = hold.lock, hold.opening, hold.active, []
        self.last = self.synced = hold.last
        self._noted, self._noted_s, self._appended_s = hold.timed, now_s, hold.written_s
        self._chores.forget()
        for first, examples in hold.closed:
            self._chores.compress(first, examples)
        try:
            self._note(now_s)
        except OSError:
            self._release()
            raise

    def _release(self) -> None:
        for segment in (*self._closing, self._active) if self._lock is not None else ():
            segment.close()
        self._closing = []
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def close(self) -> None:
        """Sync, and let others have the journal; raises JournalError where it may not all be on the disk."""
        self._chores.end()
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
                self._chores.remove(segments[first].path, first)
                leaving += 1
        except OSError as error:
            raise disk_error("look through", self.folder, error, "check the folder and its permissions") from error
        self._chores.see_to()
        return leaving


def _sync_files(closing: Sequence[GrowingSegment], active: GrowingSegment) -> None:
    """In the background: each segment to its end before the one that follows it gets its lasting name."""
    for segment in closing:
        segment.sync_all()
    active.sync()
