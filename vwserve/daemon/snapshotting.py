"""Snapshots of all models: those that are due, and those that somebody asks for, one of each kind at a time.

One at a time, because each takes its child's memory and the disk's time, and a hundred models that were loaded together
are due together. But one that hangs holds up only its kind: who asks does not wait for those that are due, and least of
all the snapshot before a rollback, which is needed when something is wrong. Nothing here waits for a child.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, DeferredLock, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from vwserve.daemon.watching import Watch
from vwserve.durability.durable import Durable
from vwserve.durability.snapshot import Snapshot, SnapshotError
from vwserve.durability.taking import Taking

LAST_S = 20.0
"""How long a last snapshot is waited for; what it would have is in the journal, too, where there is one."""


CLIENTS_EVERY_S = 10.0
"""How often at most clients have one taken of a model; who asks meanwhile shares the next one."""


class Lane(Enum):
    """What snapshots are for: those of a kind wait for each other."""

    DUE = "due"
    ASKED = "asked for"
    CLIENT = "asked for by a client of the line protocol"
    UNDO = "before a switch"
    LAST = "of a model that is going to be closed"


@dataclass(eq=False, slots=True)
class _Wanted:
    durable: Durable
    answers: list[Deferred[Snapshot]] = field(default_factory=list)
    from_s: float = -inf  # by the reactor's timer, when it may begin
    copies: set[Path | None] = field(default_factory=set)  # that clients have asked for


@dataclass(slots=True)
class _Queue:
    waiting: list[_Wanted] = field(default_factory=list)
    current: tuple[_Wanted, Taking, Watch] | None = None

    def next(self, now_s: float) -> _Wanted | None:
        """What is to be begun now."""
        if self.current is not None:
            return None
        return next((each for each in self.waiting if each.from_s <= now_s and not each.durable.taking), None)

    def of(self, durable: Durable) -> list[_Wanted]:
        """What is asked of a model, begun or not."""
        current = [self.current[0]] if self.current is not None else []
        return [each for each in (*current, *self.waiting) if each.durable is durable]


class Snapshotting:
    """Takes the snapshots of durable models on a reactor.

    `building` is held by whoever makes a model in a thread, and by this while it forks.
    """

    log = Logger()

    def __init__(self, reactor: Any, building: DeferredLock) -> None:
        self._reactor = reactor
        self._building = building
        self._beginning = False
        self._queues = {lane: _Queue() for lane in Lane}
        self._clients_s: dict[Durable, float] = {}  # when clients had one begun

    def take(self, durable: Durable, lane: Lane = Lane.ASKED) -> Deferred[Snapshot]:
        """Take a snapshot of a model as it is in its turn; fires once it is on disk, fails with a SnapshotError."""
        return self._ask(self._wanted(durable, lane))

    def take_for_client(self, durable: Durable, copy: Path | None) -> Deferred[Snapshot] | None:
        """Take one that has at least all that a model has learned by now, in its turn; see CLIENTS_EVERY_S.

        It is the newest where nothing came since. None where somebody waits for the same one, to leave the same copy.
        """
        if not durable.changed and durable.newest is not None:
            return succeed(durable.newest)
        wanted = self._wanted(durable, Lane.CLIENT)
        if copy in wanted.copies:
            return None
        wanted.copies.add(copy)
        begun_s = self._clients_s.get(durable)
        if begun_s is not None and wanted.from_s < begun_s + CLIENTS_EVERY_S:
            wanted.from_s = begun_s + CLIENTS_EVERY_S
            self._reactor.callLater(max(wanted.from_s - self._reactor.seconds(), 0.0), self._go_on)
        return self._ask(wanted)

    def _wanted(self, durable: Durable, lane: Lane) -> _Wanted:
        """What waits for its turn."""
        waiting = self._queues[lane].waiting
        wanted = next((each for each in waiting if each.durable is durable), None)
        if wanted is None:
            wanted = _Wanted(durable)
            waiting.append(wanted)
        return wanted

    def _ask(self, wanted: _Wanted) -> Deferred[Snapshot]:
        answer: Deferred[Snapshot] = Deferred()
        wanted.answers.append(answer)
        self._go_on()
        return answer

    def take_due(self, durables: Iterable[Durable], now_s: float) -> None:
        """Have those take one that are due and have changed since the last one."""
        waiting = {id(each.durable) for queue in self._queues.values() for each in queue.waiting}
        for durable in durables:
            if durable.due_s > now_s or durable.taking or id(durable) in waiting or durable.unready:
                continue
            if durable.changed:
                self.take(durable, Lane.DUE).addErrback(lambda _: None)  # the log has it
            else:
                durable.put_off()

    async def take_last(self, durables: Sequence[Durable], why: str) -> None:
        """Have models take a last snapshot that are going to be closed, and give up what has not come about in LAST_S.

        All that is asked of them is answered then; where that is given up, by `why`.
        """
        until_s = self._reactor.seconds() + LAST_S
        await DeferredList([Deferred.fromCoroutine(self._take_last(each, why, until_s)) for each in durables])

    async def _take_last(self, durable: Durable, why: str, until_s: float) -> None:
        await self._answered(durable, until_s)
        if durable.unsaved:
            self.take(durable, Lane.LAST).addErrback(lambda _: None)  # the log has it
            await self._answered(durable, until_s)
        self.leave(durable, why)
        if durable.unsaved:
            text = "{model}: has no last snapshot; a restart goes on from {number} and its journal, if it has one"
            newest = durable.newest.number if durable.newest is not None else 0
            self.log.warn(text, model=durable.servable.name, number=newest)

    def _answered(self, durable: Durable, until_s: float) -> Deferred[Any]:
        """Fires once all has come about that is asked of a model, or at a time of the reactor's."""
        answers: list[Deferred[Snapshot]] = []
        for wanted in [each for queue in self._queues.values() for each in queue.of(durable)]:
            answer: Deferred[Snapshot] = Deferred()
            wanted.answers.append(answer)
            wanted.from_s = -inf
            answers.append(answer)
        self._go_on()
        done: Deferred[Any] = DeferredList(answers, consumeErrors=True)
        return done.addTimeout(max(until_s - self._reactor.seconds(), 0.0), self._reactor)

    def leave(self, durable: Durable, why: str, lanes: Iterable[Lane] = tuple(Lane)) -> None:
        """Give up what is still asked of a model, in these lanes; who asked is told why. Waits for nothing."""
        self._clients_s.pop(durable, None)
        for queue in [self._queues[lane] for lane in lanes]:
            left = [each for each in queue.waiting if each.durable is durable]
            queue.waiting = [each for each in queue.waiting if each.durable is not durable]
            if queue.current is not None and queue.current[0].durable is durable:
                (wanted, taking, watch), queue.current = queue.current, None
                watch.stop()
                if taking.wait(0.0):
                    self._finish(wanted)
                else:
                    durable.give_up()
                    left.append(wanted)
            for each in left:
                self._fail(each, SnapshotError(f"no snapshot was taken: {why}"))
        self._go_on()

    def _go_on(self) -> None:
        now_s = self._reactor.seconds()
        if not self._beginning and any(queue.next(now_s) is not None for queue in self._queues.values()):
            self._beginning = True
            self._building.acquire().addCallback(self._begin)

    def _begin(self, building: DeferredLock) -> None:
        try:
            now_s = self._reactor.seconds()
            for lane, queue in self._queues.items():
                while (wanted := queue.next(now_s)) is not None:
                    queue.waiting.remove(wanted)
                    self._begin_one(lane, wanted)
        finally:
            self._beginning = False
            building.release()

    def _begin_one(self, lane: Lane, wanted: _Wanted) -> None:
        queue, for_client = self._queues[lane], lane is Lane.CLIENT
        if for_client:
            self._clients_s[wanted.durable] = self._reactor.seconds()
        try:
            taking = wanted.durable.take(for_client)
        except Exception as error:
            self._fail(wanted, error)
            return
        watch = Watch(self._reactor, taking)
        queue.current = wanted, taking, watch
        watch.ended.addCallback(lambda _: self._ended(queue))
        watch.ended.addErrback(self._report)

    def _ended(self, queue: _Queue) -> None:
        if queue.current is not None:
            (wanted, _, _), queue.current = queue.current, None
            self._finish(wanted)
            self._go_on()

    def _finish(self, wanted: _Wanted) -> None:
        try:
            snapshot = wanted.durable.finish()
        except Exception as error:
            self._fail(wanted, error)
            return
        if snapshot.for_client:
            self.log.info("{model}: took snapshot {n}", model=wanted.durable.servable.name, n=snapshot.number)
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
