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

    `owe` is told of each append to a journal whose examples are answered only once they are synced.
    """

    clock: Callable[[], float]
    executor: Executor
    report: Callable[[str], None]
    owe: Callable[[Journal], None] = lambda _: None
    disk: Disk = field(default_factory=Disk)
