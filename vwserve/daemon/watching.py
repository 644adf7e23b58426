"""A child process that saves or rebuilds a model, watched by the reactor."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from vwserve.durability.taking import Taking


@implementer(IReadDescriptor)
class Watch:
    """`ended` fires once a taking would not be waited for any more; after `stop` it does not."""

    def __init__(self, reactor: Any, taking: Taking) -> None:
        self.ended: Deferred[None] = Deferred()
        self._reactor = reactor
        self._taking = taking
        self._telling: IDelayedCall | None = None
        reactor.addReader(self)

    def fileno(self) -> int:
        """What the reactor waits for."""
        return self._taking.fileno()

    def doRead(self) -> None:
        """The child has said how it ended."""
        self._reactor.removeReader(self)
        # In a turn of its own: what follows may close a model that lines gathered in this one still wait for.
        self._telling = self._reactor.callLater(0, self.ended.callback, None)

    def connectionLost(self, reason: Failure) -> None:
        """The child ended without a word, as where it was killed: to Twisted that is the end of a connection."""
        self.doRead()

    def stop(self) -> None:
        """Watch no more."""
        if self._telling is None:
            self._reactor.removeReader(self)
        elif self._telling.active():
            self._telling.cancel()

    def logPrefix(self) -> str:
        """How it is called in Twisted's log."""
        return "snapshot"
