"""The control channel: clients that ask for operations, one command after the other.

Who waits for whom: a connection's commands are carried out in their order, each after the answer to the one before, and
while one is under way, or the client does not read its answers, nothing is read from that client. So a connection holds
no more than one read, one unfinished line and the answers that are on their way, and a command that takes minutes holds
up its own connection only.

A command begins in a turn of its own, never while the reactor reads: a rollback that closed a model then would take it
away from lines that wait for the end of the turn (see `Turn`).

A command that has begun is finished, whatever becomes of its client. One that has not is dropped with the connection:
nobody would see what came of it.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from vwserve.daemon.protocol import Stream
from vwserve.errors import RequestError, VwserveError
from vwserve.lines import lines_of, shown
from vwserve.wire.control import Answer, Command, Operations, answer_line, error_answer, parse_command
from vwserve.wire.framing import LineFramer, TooLong

LINE_BYTES = 1 << 14
"""The longest command."""

MOST_CONNECTIONS = 64
"""Far more than the people and programs that look after one daemon, far less than its descriptors."""

_SHOWN_CHARACTERS = 200


@implementer(IHalfCloseableProtocol, IPushProducer)
class ControlProtocol(Protocol):
    """One client; `gone` is called once when the connection is no more."""

    log = Logger()

    def __init__(
        self,
        operations: Operations,
        clock: IReactorTime,
        unix_time: Callable[[], float],
        gone: Callable[[ControlProtocol], None],
    ) -> None:
        self._operations = operations
        self._clock = clock
        self._unix_time = unix_time
        self._gone = gone
        self._framer = LineFramer(LINE_BYTES)
        self._lines: deque[bytes | TooLong] = deque()  # commands that were not begun
        self._beginning: IDelayedCall | None = None
        self._busy = False  # a command was begun and is not answered
        self._paused = False
        self._ended = False  # the client has sent everything
        self._draining = False  # no further command is begun
        self._closing = False
        self._lost = False

    def connectionMade(self) -> None:
        """Let the transport throttle us, and notice a client whose machine is gone."""
        self._stream.registerProducer(self, True)
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpKeepAlive(True)

    def dataReceived(self, data: bytes) -> None:
        """Take commands."""
        if not self._draining:
            self._framer.feed(data)
            self._go_on()

    def readConnectionLost(self) -> None:
        """The client has sent everything: carry it out, then close."""
        self._ended = True
        if not self._draining:
            self._framer.finish()
        self._go_on()

    def writeConnectionLost(self) -> None:
        """We close both sides at once: there is nothing to do between."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Begin no further command."""
        self._lost = self._closing = True
        if self._beginning is not None:
            self._beginning.cancel()
        self._gone(self)

    def pauseProducing(self) -> None:
        """The client does not read: begin no further command."""
        self._paused = True
        self._stream.pauseProducing()

    def resumeProducing(self) -> None:
        """The client reads again."""
        self._paused = False
        self._go_on()

    def stopProducing(self) -> None:
        """The connection is going away; connectionLost follows."""

    def drain(self) -> None:
        """Close once the command under way is answered."""
        self._draining = True
        self._framer.chunks.clear()
        self._lines.clear()
        if self._beginning is not None:
            self._beginning.cancel()
            self._beginning = None
        self._go_on()

    def abort(self) -> None:
        """Close now."""
        self._closing = True
        self._stream.abortConnection()

    @property
    def _stream(self) -> Stream:
        return cast(Stream, self.transport)

    def _go_on(self) -> None:
        """Begin the next command, or read on, or close, whichever is due."""
        if self._busy or self._closing or self._beginning is not None:
            return
        if self._draining or (self._ended and not self._waiting()):
            self._close()
        elif self._paused:
            return
        elif self._waiting():
            self._stream.pauseProducing()
            self._beginning = self._clock.callLater(0, self._begin)
        else:
            self._stream.resumeProducing()

    def _waiting(self) -> bool:
        """Whether there is a command to begin."""
        chunks = self._framer.chunks
        while chunks and not self._lines:
            chunk = chunks.popleft()
            self._lines += [chunk] if isinstance(chunk, TooLong) else [line for line in lines_of(chunk) if line.strip()]
        return bool(self._lines)

    def _begin(self) -> None:
        self._beginning = None
        self._busy = True
        Deferred.fromCoroutine(self._carry_out(self._lines.popleft())).addErrback(self._report)

    async def _carry_out(self, line: bytes | TooLong) -> None:
        answer = await self._answer(line)
        self._busy = False
        if self._lost:
            return
        if not self._closing:
            self._stream.write(answer)
        self._go_on()

    async def _answer(self, line: bytes | TooLong) -> bytes:
        try:
            if isinstance(line, TooLong):
                raise RequestError("too-long", f"the command is longer than {LINE_BYTES} bytes")
            command = parse_command(line, self._unix_time())
            if command.changes:
                return answer_line(await self._change(command, shown(line, _SHOWN_CHARACTERS)))
            return answer_line(await self._ask(command))
        except VwserveError as error:
            return error_answer(error)
        except Exception:
            self.log.failure("a fault of vwserve in a control command")
            return error_answer(RequestError("internal", "a fault of vwserve; its log says more"))

    async def _ask(self, command: Command) -> Answer:
        answer = command.perform(self._operations)
        return await answer if inspect.isawaitable(answer) else answer

    async def _change(self, command: Command, text: str) -> Answer:
        """Carry out a command that the log is to know of."""
        self.log.info("control: {command} begins", command=text)
        try:
            answer = await self._ask(command)
        except Exception as error:
            self.log.warn("control: {command} failed: {error}", command=text, error=error)
            raise
        self.log.info("control: {command} is done", command=text)
        return answer

    def _report(self, failure: Failure) -> None:
        """Tell of a fault in this module itself, and cut the connection, which would hang."""
        self.log.failure("a fault of vwserve in the control channel", failure)
        if not self._lost:
            self.abort()

    def _close(self) -> None:
        self._closing = True
        self._stream.unregisterProducer()
        self._stream.loseConnection()


class Control(Factory):
    """Makes the protocol of each connection to the control endpoint.

    `unix_time` is what `now` means in a command.
    """

    noisy = False

    def __init__(self, operations: Operations, clock: IReactorTime, unix_time: Callable[[], float]) -> None:
        self._operations = operations
        self._clock = clock
        self._unix_time = unix_time
        self._open: set[ControlProtocol] = set()
        self._empty: Deferred[None] | None = None
        self._deadline: IDelayedCall | None = None

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Accept a client, or tell one too many."""
        if len(self._open) >= MOST_CONNECTIONS:
            return _Refusal()
        protocol = ControlProtocol(self._operations, self._clock, self._unix_time, self._forget)
        self._open.add(protocol)
        return protocol

    def drain(self, within_s: float) -> Deferred[None]:
        """Begin no further command, and close each connection once the one under way is answered.

        Fires when the last connection is gone; those that are left after `within_s` seconds are cut, and their commands
        are whoever's who carries them out.
        """
        done = self._empty = Deferred()
        self._deadline = self._clock.callLater(within_s, self._abort)
        for protocol in list(self._open):
            protocol.drain()
        self._tell_if_empty()
        return done

    def _abort(self) -> None:
        for protocol in list(self._open):
            protocol.abort()

    def _forget(self, protocol: ControlProtocol) -> None:
        self._open.discard(protocol)
        self._tell_if_empty()

    def _tell_if_empty(self) -> None:
        if self._empty is not None and not self._open:
            done, self._empty = self._empty, None
            if self._deadline is not None and self._deadline.active():
                self._deadline.cancel()
            done.callback(None)


class _Refusal(Protocol):
    """Tells a client too many so, and closes."""

    def connectionMade(self) -> None:
        """Answer before any command."""
        stream = cast(Stream, self.transport)
        text = f"all {MOST_CONNECTIONS} control connections are in use; close one, or try again later"
        stream.write(error_answer(RequestError("busy", text)))
        stream.loseConnection()
