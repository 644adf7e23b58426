"""A connection: translates between Twisted's transport and a wire session, and nothing else.

Who throttles whom: at most 64 KiB are read at once, or 256 KiB from a client whose lines are long. What the system does
not take of the answers pauses us: we stop answering and reading until the client has read, and the rest of what was
read waits in the session. So a connection holds no more than one read, one unfinished request and the answers of one
turn, whatever the client does.

Who waits for whom: one turn of the reactor answers at most TURN_CHUNKS chunks of one connection. A read of many tiny
lines takes several turns, and the other connections have theirs between.

Who waits for the disk: an answer to a line that was learned and must survive a power cut is held until it does (see
`GroupCommit`). Until then we do not answer what else comes, and once something has come, we do not read either.

How a connection ends: whoever is through first closes its own direction, and the other follows. A client that shuts
down its sending side is answered to the end, then we close. When the daemon drains, we answer what was read and shut
down our sending side; the client reads the end of the stream and closes. Closing both directions at once while bytes of
the client lie here unread would make the system reset the connection, and the client could lose answers.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from socket import socket
from typing import Protocol as Interface
from typing import cast

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from vwserve.daemon.commit import GroupCommit
from vwserve.daemon.turn import Turn
from vwserve.errors import RequestError
from vwserve.wire import Session
from vwserve.wire.addressing import error_line

READ_BYTES = FileDescriptor.bufferSize
"""The most that is read at once, as long as lines are short."""
FEW_LINES = 125
"""A read of fewer lines than this costs more for its system calls than for its lines, so larger ones are made."""
LONG_LINES_READ_BYTES = 4 * READ_BYTES

_FAULT = RequestError("internal", "a fault of vwserve; its log says more")

TURN_CHUNKS = 16
"""The most chunks of one connection that are answered before the others have their turn: at 250 lines, some 10 ms."""


class Stream(Interface):
    """What Twisted's stream transports have in common, plain or TLS, though no interface of its says so."""

    def write(self, data: bytes) -> None:
        """Send, or buffer what the client does not read."""

    def getPeer(self) -> IAddress:
        """Who the client is."""

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Have `producer` paused while too much is buffered."""

    def unregisterProducer(self) -> None:
        """Pause nobody any more."""

    def pauseProducing(self) -> None:
        """Read no more."""

    def resumeProducing(self) -> None:
        """Read again."""

    def loseConnection(self) -> None:
        """Close once everything is sent."""

    def abortConnection(self) -> None:
        """Close now."""


class HasSocket(Interface):
    """A transport that is a socket itself."""

    def getHandle(self) -> socket:
        """The socket."""


@implementer(IHalfCloseableProtocol, IPushProducer)
class LineProtocol(Protocol):
    """One client; `gone` is called once when the connection is no more.

    `active_at` is when the client last sent something or read what it had left lying.
    """

    log = Logger()

    def __init__(
        self,
        session: Session,
        clock: IReactorTime,
        gone: Callable[[LineProtocol], None],
        turn: Turn | None = None,
        commit: GroupCommit | None = None,
    ) -> None:
        self._session = session
        self._clock = clock
        self._gone = gone
        self._turn = turn
        self._commit = commit
        self._paused = False
        self._uncommitted = False  # answers are held
        self._faulty = False  # what is held ends by telling of a fault of ours
        self._ended = False  # the client has sent everything
        self._draining = False  # whatever the client sends now is not taken
        self._closing = False
        self._released = False  # our side is closed
        self._next_turn: IDelayedCall | None = None
        self._socket: FileDescriptor | None = None  # the transport where it is a socket itself; TLS wraps one
        self.active_at = clock.seconds()

    def connectionMade(self) -> None:
        """Let the transport throttle us, and send each answer at once."""
        self._stream.registerProducer(self, True)
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        transport: object = self.transport
        if isinstance(transport, FileDescriptor):
            self._socket = transport

    def dataReceived(self, data: bytes) -> None:
        """Answer what arrived, unless the daemon is going down."""
        if self._draining or self._closing:
            return
        self.active_at = self._clock.seconds()
        turn = self._turn
        if turn is not None and turn.gathering and self._socket is not None and not self._held():
            model = self._session.lone_request(data)
            if model is not None:
                turn.add(model, self, data)
                return
        self.answer(data)

    def answer(self, data: bytes) -> None:
        """Answer what was read."""
        self._session.receive(data)
        self._answer()
        if self._uncommitted and not self._session.idle:
            self._stream.pauseProducing()
        if len(data) == READ_BYTES and self._socket is not None and data.count(b"\n") < FEW_LINES:
            self._socket.bufferSize = LONG_LINES_READ_BYTES

    def deliver(self, text: bytes) -> None:
        """Send what was answered for us among others; see `Turn`."""
        if not self._closing:
            self._send(text)

    def hold(self, text: bytes, appended: int) -> None:
        """Send what was answered once all that was appended since is on the disk; see `GroupCommit.hold`."""
        if not self._closing and self._commit is not None:
            self._uncommitted = True
            self._commit.hold(self, text, appended)

    def committed(self, text: bytes) -> None:
        """What the answers that were held rest on is on the disk: send them, and go on."""
        self._uncommitted = False
        if self._closing:
            return
        self.active_at = self._clock.seconds()
        self._send(text)
        if self._faulty:
            self._close()
        else:
            self._go_on()

    def abandon(self) -> None:
        """The answers that were held can never be given: close now, as if we had crashed."""
        if not self._closing:
            self.abort()

    def fail(self) -> None:
        """Tell the client of a fault of ours, and close."""
        if not self._closing:
            self._stream.write(error_line(_FAULT))
            self._close()

    def readConnectionLost(self) -> None:
        """The client has sent everything: answer it, then close."""
        self._ended = True
        if not self._draining:
            self._session.end()
        self._answer()

    def writeConnectionLost(self) -> None:
        """The client was sent all its answers and the end of the stream: now it is its turn to close."""
        self._released = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the client; a request that it had not finished is dropped."""
        self._closing = True
        if self._next_turn is not None:
            self._next_turn.cancel()
        self._gone(self)

    def pauseProducing(self) -> None:
        """The client does not read: stop answering and reading."""
        self._paused = True
        self._stream.pauseProducing()

    def resumeProducing(self) -> None:
        """The client reads again."""
        self._paused = False
        self.active_at = self._clock.seconds()
        self._go_on()

    def stopProducing(self) -> None:
        """The connection is going away; connectionLost follows."""

    def drain(self) -> None:
        """Take no more requests; answer those that were taken, then end the stream."""
        self._draining = True
        self._answer()

    def release(self) -> None:
        """Close a drained connection that its client holds open."""
        transport: object = self.transport
        if self._released:
            self._close()
        elif self._closing and isinstance(transport, ProtocolWrapper):
            # TLS waits for the farewell of the client as well; the socket below it need not.
            cast(Stream, transport.transport).loseConnection()

    def expire(self) -> None:
        """Close a connection on which nothing has happened for too long; one that does not even take that, now."""
        if self._held():
            self.abort()
        else:
            self._close()

    def abort(self) -> None:
        """Close the connection now."""
        self._closing = True
        self._stream.abortConnection()

    @property
    def _stream(self) -> Stream:
        return cast(Stream, self.transport)

    def _held(self) -> bool:
        return self._paused or self._closing or self._uncommitted or self._next_turn is not None

    def _go_on(self) -> None:
        self._answer()
        if not self._held() and not self._ended:
            self._stream.resumeProducing()

    def _take_turn(self) -> None:
        self._next_turn = None
        self._go_on()

    def _answer(self) -> None:
        """Answer as much of what was received as the client reads; once that is all, finish what is to be finished."""
        if self._held():
            return
        commit = self._commit
        appended = 0 if commit is None else commit.appended
        answers: list[bytes] = []
        try:
            for answer in islice(self._session.answers(), TURN_CHUNKS):
                answers.append(answer)
        except Exception:
            self.log.failure("a fault of vwserve; closing the connection from {peer}", peer=self._stream.getPeer())
            self._faulty = True
            answers.append(error_line(_FAULT))
        text = b"".join(answers)
        if commit is not None and commit.appended != appended:
            self.hold(text, appended)
            return
        if self._faulty:
            self._stream.write(text)
            self._close()
            return
        if text:
            self._send(text)
            if self._held():
                return
        if not self._session.idle:
            self._stream.pauseProducing()
            self._next_turn = self._clock.callLater(0, self._take_turn)
        elif self._ended:
            self._close()
        elif self._draining:
            self._end_stream()

    def _send(self, text: bytes) -> None:
        """Send at once what the system takes; as long as it does not take all, neither answer nor read.

        Left to itself the reactor would write in its next turn, after two more system calls: a third of a lone
        request's time.
        """
        if (descriptor := self._socket) is None:
            self._stream.write(text)
            return
        try:
            sent = cast(HasSocket, descriptor).getHandle().send(text)
        except OSError:
            sent = 0  # nothing fits, or the client is gone: the reactor finds out
        if sent != len(text):
            descriptor.write(text[sent:])
            descriptor.producerPaused = True
            self.pauseProducing()

    def _end_stream(self) -> None:
        if (descriptor := self._socket) is None:
            self._close()  # TLS has a farewell of its own
            return
        descriptor.unregisterProducer()
        descriptor.loseWriteConnection()
        descriptor.resumeProducing()

    def _close(self) -> None:
        self._closing = True
        self._stream.unregisterProducer()
        self._stream.loseConnection()
