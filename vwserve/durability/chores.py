"""What becomes of the closed segments of a journal: they are compressed, and removed once they are old."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vwserve.durability.compression import compress
from vwserve.durability.disk import Disk
from vwserve.durability.errors import disk_error
from vwserve.durability.segments import COMPRESSED, PLAIN, TIMES, asides_of, path_of

_RETRY_S = 60.0


class _Chore(NamedTuple):
    path: Path
    work: Callable[[], None]


class Chores:
    """Work on closed segments in `folder`, one at a time by a thread of the executor; what fails is tried again.

    `clock` is the Unix time in seconds. One thread calls everything here.
    """

    def __init__(self, disk: Disk, folder: Path, clock: Callable[[], float], executor: Executor) -> None:
        self.remark: str | None = None
        """Why the one that is due could not be done yet."""
        self._disk = disk
        self._folder = folder
        self._clock = clock
        self._executor = executor
        self._due: deque[_Chore] = deque()
        self._under_way: tuple[Future[None], _Chore] | None = None
        self._from_s = 0.0

    def compress(self, first: int, examples: int) -> None:
        """Have the segment from `first` on compressed, which holds so many examples."""
        work = partial(compress, self._disk, self._folder, first, examples)
        self._due.append(_Chore(path_of(self._folder, first, PLAIN), work))

    def remove(self, path: Path, first: int) -> None:
        """Have the segment from `first` on removed, which is at `path`, with all that belongs to it."""
        self._due.append(_Chore(path, partial(self._remove, first)))

    def forget(self) -> None:
        """Leave what is not under way."""
        self._due.clear()

    def see_to(self) -> None:
        """Take notice of the one that is over, and begin with the next one."""
        now_s = self._clock()
        while True:
            if self._under_way is not None:
                if not self._under_way[0].done():
                    return
                (future, chore), self._under_way = self._under_way, None
                try:
                    future.result()
                    self.remark = None
                except OSError as error:
                    self.remark = str(disk_error("compress or remove", chore.path, error, "it is tried again"))
                    self._due.appendleft(chore)
                    self._from_s = now_s + _RETRY_S
            if not self._due or now_s < self._from_s:
                return
            chore = self._due.popleft()
            self._under_way = self._executor.submit(chore.work), chore

    def end(self) -> None:
        """Begin with no other, and wait for the one that is under way."""
        if self._under_way is not None and not self._under_way[0].cancel():
            wait([self._under_way[0]])

    def _remove(self, first: int) -> None:
        # The examples go before what tells of them, and each segment before the next: no crash leaves a gap.
        for ending in (PLAIN, COMPRESSED, TIMES):
            self._disk.unlink(path_of(self._folder, first, ending))
        for path in asides_of(self._folder, first):
            self._disk.unlink(path)
        self._disk.sync_folder(self._folder)
