"""A child process that saves or rebuilds a model, watched by the reactor."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
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
        reactor.addReader(self)

    def fileno(self) -> int:
        """What the reactor waits for."""
        return self._taking.fileno()

    def doRead(self) -> None:
        """The child has said how it ended."""
        self.stop()
        # In a turn of its own: what follows may close a model that lines gathered in this one still wait for.
        self._reactor.callLater(0, self.ended.callback, None)

    def stop(self) -> None:
        """Watch no more."""
        self._reactor.removeReader(self)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has lost it, as it does with all at its end."""

    def logPrefix(self) -> str:
        """How it is called in Twisted's log."""
        return "snapshot"
