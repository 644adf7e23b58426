"""Snapshots of all models: those that are due, and those that somebody asks for, one at a time.

One at a time, because each takes its child's memory and the disk's time, and a hundred models that were loaded together
are due together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vwserve.daemon.watching import Watch
from vwserve.durability.durable import Durable
from vwserve.durability.snapshot import Snapshot, SnapshotError


@dataclass(slots=True)
class _Wanted:
    durable: Durable
    answers: list[Deferred[Snapshot]] = field(default_factory=list)


class Snapshotting:
    """Takes the snapshots of durable models on a reactor."""

    log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._wanted: deque[_Wanted] = deque()
        self._current: tuple[_Wanted, Watch] | None = None

    def take(self, durable: Durable) -> Deferred[Snapshot]:
        """Take a snapshot of a model as it is in its turn; fires once it is on disk, fails with a SnapshotError."""
        answer: Deferred[Snapshot] = Deferred()
        wanted = next((each for each in self._wanted if each.durable is durable), None)
        if wanted is None:
            wanted = _Wanted(durable)
            self._wanted.append(wanted)
        wanted.answers.append(answer)
        self._go_on()
        return answer

    def take_due(self, durables: Iterable[Durable], now_s: float) -> None:
        """Have those take one that are due and have changed since the last one."""
        waiting = {id(each.durable) for each in self._wanted}
        for durable in durables:
            if durable.due_s > now_s or durable.taking or id(durable) in waiting or durable.unready:
                continue
            if durable.changed:
                self.take(durable).addErrback(lambda _: None)  # the log has it
            else:
                durable.put_off()

    def leave(self, durable: Durable) -> None:
        """Have nothing to do with a model any more: it is going to be closed."""
        gone = [each for each in self._wanted if each.durable is durable]
        self._wanted = deque(each for each in self._wanted if each.durable is not durable)
        if self._current is not None and self._current[0].durable is durable:
            (wanted, watch), self._current = self._current, None
            watch.stop()
            self._finish(wanted)
        for each in gone:
            self._answer(each, SnapshotError("the model was closed before its snapshot was taken"))
        self._go_on()

    def _go_on(self) -> None:
        while self._current is None and self._wanted:
            wanted = self._wanted.popleft()
            try:
                taking = wanted.durable.take()
            except SnapshotError as error:
                self._answer(wanted, error)
                continue
            watch = Watch(self._reactor, taking)
            self._current = wanted, watch
            watch.ended.addCallback(lambda _: self._ended())

    def _ended(self) -> None:
        if self._current is not None:
            (wanted, _), self._current = self._current, None
            self._finish(wanted)
            self._go_on()

    def _finish(self, wanted: _Wanted) -> None:
        try:
            self._answer(wanted, wanted.durable.finish())
        except SnapshotError as error:
            self._answer(wanted, error)

    def _answer(self, wanted: _Wanted, outcome: Snapshot | SnapshotError) -> None:
        if isinstance(outcome, SnapshotError):
            self.log.error("{model}: {error}", model=wanted.durable.servable.name, error=outcome)
        for answer in wanted.answers:
            if isinstance(outcome, SnapshotError):
                answer.errback(outcome)
            else:
                answer.callback(outcome)
