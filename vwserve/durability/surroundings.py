"""What a durable model works with, and does not make itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from vwserve.durability.disk import Disk
from vwserve.durability.journal import Journal


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a durable model works with: the Unix time in seconds, threads for what waits for the disk, and the log.

    `timer` counts seconds that nobody sets back or forth; without it the clock is one of that kind. The threads of
    `sync_executor` do nothing but sync, since clients wait for that; without it the others do. `owe` is told of each
    append to a journal whose examples are answered only once they are synced.
    """

    clock: Callable[[], float]
    executor: Executor
    report: Callable[[str], None]
    owe: Callable[[Journal], None] = lambda _: None
    disk: Disk = field(default_factory=Disk)
    timer: Callable[[], float] | None = None
    sync_executor: Executor | None = None

    def elapsed_s(self) -> float:
        """Seconds since some moment, by which to tell how much time has passed."""
        return (self.timer or self.clock)()
