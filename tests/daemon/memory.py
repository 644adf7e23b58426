"""A reactor in memory that does what is to be done when it is told to: turns, what threads and children have to say.

Children are real: whoever waits for one waits for as long as it takes.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from vwserve.daemon.watching import Watch

PATIENCE_S = 60.0
NOW_S = 1.7e9  # the Unix time at which each test begins

Result = TypeVar("Result")


class Reactor(MemoryReactorClock):
    """Its clock shows Unix time, and stands still unless a test advances it."""

    rightNow = NOW_S

    def __init__(self) -> None:
        MemoryReactorClock.__init__(self)

    def callFromThread(self, function: Callable[..., object], *arguments: object) -> None:
        """Call it in the next turn."""
        self.callLater(0, function, *arguments)

    def turn(self) -> bool:
        """One turn, if there is anything to do now; whether there was. What that leads to is for the next one."""
        due: list[Any] = [call for call in self.getDelayedCalls() if call.getTime() <= self.seconds()]
        for call in due:
            if call.active():
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)
        return bool(due)

    @property
    def children(self) -> list[Watch]:
        """Those that are watched."""
        return [reader for reader in self.readers if isinstance(reader, Watch)]

    def listen(self) -> None:
        """Hear one of the children out, or several."""
        ready, _, _ = select.select(self.children, [], [], PATIENCE_S)
        assert ready, "no child has said anything"
        for reader in ready:
            reader.doRead()

    def hear(self) -> None:
        """Take what there is to be read, but of children."""
        ready, _, _ = select.select(self.readers - set(self.children), [], [], 0)
        for reader in ready:
            reader.doRead()

    def settle(self) -> None:
        """Do all that is to be done now, and all that this leads to."""
        while self.turn() or self.children:
            while self.turn():
                pass
            if self.children:
                self.listen()


class Waiting:
    """What a Deferred or a coroutine came to, once it has."""

    def __init__(self, work: Coroutine[Deferred[Any], Any, Any] | Deferred[Any]) -> None:
        self.results: list[Any] = []
        self.deferred = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        self.deferred.addBoth(self.results.append)

    @property
    def done(self) -> bool:
        """Whether it has come to an end."""
        return bool(self.results)

    @property
    def result(self) -> Any:
        """What it returned; what it raised is raised."""
        assert self.results, "it waits for something"
        if isinstance(self.results[0], Failure):
            self.results[0].raiseException()
        return self.results[0]


def result_of(work: Coroutine[Deferred[Any], Any, Result]) -> Result:
    """Run to the end what needs no time."""
    result: Result = Waiting(work).result
    return result
