"""The reactor of the daemon: Twisted's epoll reactor without a log context around each event.

Twisted sets up a context for every event so that a log record made inside names the connection. Ours name it
themselves, and the context costs a lone request a tenth of its time. Where there is no epoll, Twisted's default reactor
serves.

Its timers count seconds that nobody sets: with Twisted's, which go by the Unix time, nothing periodic would happen for
an hour once the clock is set back by one. So `seconds` is no Unix time; whoever means one takes it as an argument.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import Any

from vwserve.daemon.turn import Turn


def install_reactor(turn: Turn) -> Any:
    """Install the reactor, once in a process and before anything imports `twisted.internet.reactor`; return it.

    It tells `turn` when it begins to see to descriptors, and when it has seen to all that were ready.
    """
    try:
        from twisted.internet.epollreactor import EPollReactor
    except ImportError:
        from twisted.internet import reactor

        other: Any = reactor
        other.seconds = time.monotonic
        return other
    from twisted.internet.main import installReactor

    class Reactor(EPollReactor):
        """Overrides the clock of the timers, and the one method that waits for events and hands them on."""

        seconds = staticmethod(time.monotonic)

        def doPoll(self, timeout: float | None) -> None:
            """Wait for events, at most `timeout` seconds, and let each descriptor read or write."""
            try:
                events = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
            except OSError as error:
                if error.errno == errno.EINTR:
                    return
                raise
            act: Callable[[object, int, int], None] = self._doReadOrWrite
            turn.begin(len(events))
            for descriptor, event in events:
                selectable = self._selectables.get(descriptor)
                if selectable is not None:  # an event before it may have closed it
                    act(selectable, descriptor, event)
            if turn.gathering:
                turn.end()

        doIteration = doPoll

    make: Callable[[], Any] = Reactor
    ours = make()
    installReactor(ours)
    return ours
