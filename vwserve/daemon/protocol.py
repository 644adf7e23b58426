"""A connection: translates between Twisted's transport and a wire session, and nothing else.

Who throttles whom: Twisted reads at most 64 KiB at once, and answers are made a chunk of lines at a time. A client that
does not read fills the transport's buffer; Twisted then pauses us, we stop making answers and reading, and the rest of
what was read waits in the session. So a connection holds no more than one read, one unfinished request and one chunk of
answers beyond the transport's own 64 KiB, whatever the client does.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import (
    IHalfCloseableDescriptor,
    IHalfCloseableProtocol,
    IPushProducer,
    ITCPTransport,
    IWriteDescriptor,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from vwserve.wire import Session


@implementer(IHalfCloseableProtocol, IPushProducer)
class LineProtocol(Protocol):
    """One client; `clock` tells seconds, `gone` is called once when the connection is no more."""

    log = Logger()

    def __init__(self, session: Session, clock: Callable[[], float], gone: Callable[[LineProtocol], None]) -> None:
        self._session = session
        self._clock = clock
        self._gone = gone
        self._paused = False
        self._ended = False
        self._draining = False
        self._flush: Callable[[], object] | None = None
        self.active_at = clock()

    def connectionMade(self) -> None:
        """Let the transport throttle us, and send each answer at once."""
        assert self.transport is not None
        self.transport.registerProducer(self, True)
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        if IWriteDescriptor.providedBy(self.transport):
            # Left to itself the reactor writes a turn later, which costs a lone request a third of its time.
            self._flush = self.transport.doWrite

    def dataReceived(self, data: bytes) -> None:
        """Answer what arrived, unless the daemon is going down."""
        if self._draining:
            return
        self.active_at = self._clock()
        self._session.receive(data)
        self._answer()

    def readConnectionLost(self) -> None:
        """The client has sent everything: answer it, then close."""
        self._session.end()
        self._ended = True
        self._answer()

    def writeConnectionLost(self) -> None:
        """The client reads no more, so there is nothing left to do for it."""
        self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the client; a request that it had not finished is dropped."""
        self._gone(self)

    def pauseProducing(self) -> None:
        """The client does not read: stop answering and reading."""
        self._paused = True
        assert self.transport is not None
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """The client reads again."""
        self._paused = False
        self.active_at = self._clock()
        self._answer()
        if not self._paused and not self._ended:
            assert self.transport is not None
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The connection is going away; connectionLost follows."""

    def drain(self) -> None:
        """Take no more requests; send what was answered, then the end of the stream.

        Only our side is closed: closing both while unread bytes of the client lie here would make the system reset the
        connection, and the client could lose answers that it has not read yet.
        """
        self._draining = True
        if self._ended:
            return
        assert self.transport is not None
        if IHalfCloseableDescriptor.providedBy(self.transport):
            self.transport.unregisterProducer()
            self.transport.loseWriteConnection()
            self.transport.resumeProducing()
        else:
            self._close()

    def abort(self) -> None:
        """Close the connection now."""
        assert self.transport is not None
        self.transport.abortConnection()

    def _answer(self) -> None:
        assert self.transport is not None
        try:
            for text in self._session.answers():
                self.transport.write(text)
                if self._paused:
                    return
            if self._flush is not None:
                self._flush()
        except Exception:
            self.log.failure("a fault of vwserve; closing the connection from {peer}", peer=self.transport.getPeer())
            self.abort()
            return
        if self._ended:
            self._close()

    def _close(self) -> None:
        assert self.transport is not None
        self.transport.unregisterProducer()
        self.transport.loseConnection()
