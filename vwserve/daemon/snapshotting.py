"""Snapshots of all models: those that are due, and those that somebody asks for, one at a time.

One at a time, because each takes its child's memory and the disk's time, and a hundred models that were loaded together
are due together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from vwserve.daemon.watching import Watch
from vwserve.durability.durable import Durable
from vwserve.durability.snapshot import Snapshot, SnapshotError
from vwserve.durability.taking import Taking


@dataclass(slots=True)
class _Wanted:
    durable: Durable
    answers: list[Deferred[Snapshot]] = field(default_factory=list)


class Snapshotting:
    """Takes the snapshots of durable models on a reactor.

    `building` is held by whoever makes a model in a thread, and by this while it forks.
    """

    log = Logger()

    def __init__(self, reactor: Any, building: DeferredLock) -> None:
        self._reactor = reactor
        self._building = building
        self._beginning = False
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

    def idle(self, durable: Durable) -> Deferred[None]:
        """Fires once no snapshot of a model is being taken, whatever came of one that was."""
        ended: Deferred[None] = Deferred()
        if self._current is not None and self._current[0].durable is durable:
            answer: Deferred[Snapshot] = Deferred()
            answer.addBoth(lambda _: ended.callback(None))
            self._current[0].answers.append(answer)
        else:
            ended.callback(None)
        return ended

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
        """Finish, waiting for it, what is asked of a model that is going to be closed, and what is under way."""
        waiting = [each for each in self._wanted if each.durable is durable]
        self._wanted = deque(each for each in self._wanted if each.durable is not durable)
        if self._current is not None and self._current[0].durable is durable:
            (wanted, watch), self._current = self._current, None
            watch.stop()
            self._finish(wanted)
        for wanted in waiting:
            if self._begun(wanted) is not None:
                self._finish(wanted)
        self._go_on()

    def _go_on(self) -> None:
        if self._current is None and self._wanted and not self._beginning:
            self._beginning = True
            self._building.acquire().addCallback(self._begin)

    def _begin(self, building: DeferredLock) -> None:
        try:
            while self._current is None and self._wanted:
                wanted = self._wanted.popleft()
                taking = self._begun(wanted)
                if taking is not None:
                    watch = Watch(self._reactor, taking)
                    self._current = wanted, watch
                    watch.ended.addCallback(lambda _: self._ended())
                    watch.ended.addErrback(self._report)
        finally:
            self._beginning = False
            building.release()

    def _begun(self, wanted: _Wanted) -> Taking | None:
        """What is taken of a model in its turn; None where that cannot be begun, which is then answered."""
        try:
            return wanted.durable.take()
        except Exception as error:
            self._fail(wanted, error)
            return None

    def _ended(self) -> None:
        if self._current is not None:
            (wanted, _), self._current = self._current, None
            self._finish(wanted)
            self._go_on()

    def _finish(self, wanted: _Wanted) -> None:
        try:
            snapshot = wanted.durable.finish()
        except Exception as error:
            self._fail(wanted, error)
            return
        for answer in wanted.answers:
            answer.callback(snapshot)

    def _fail(self, wanted: _Wanted, error: Exception) -> None:
        if isinstance(error, SnapshotError):
            self.log.error("{model}: {error}", model=wanted.durable.servable.name, error=error)
        else:
            self.log.failure("a fault of vwserve while it took a snapshot", Failure(error))
        for answer in wanted.answers:
            answer.errback(error)

    def _report(self, failure: Failure) -> None:
        self.log.failure("a fault of vwserve after it took a snapshot", failure)
