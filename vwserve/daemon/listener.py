"""A listener: accepts connections within limits, closes idle ones, and drains them all at the end."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from vwserve.daemon.commit import GroupCommit
from vwserve.daemon.protocol import LineProtocol, Stream
from vwserve.daemon.settings import Listen
from vwserve.daemon.turn import Turn
from vwserve.errors import RequestError
from vwserve.guard.limits import Limits
from vwserve.wire import Models, Session
from vwserve.wire.addressing import error_line

_SWEEPS_PER_IDLE_TIME = 8
_LONGEST_SWEEP_S = 60.0
_LINGER_S = 1.0  # how long a client may take to close its side once it has been told the end


class Connections:
    """All connections of the daemon, whichever listener accepted them; `commit` holds answers of theirs."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, limits: Limits, turn: Turn | None = None, commit: GroupCommit | None = None
    ) -> None:
        self._clock = clock
        self._turn = turn
        self._commit = commit
        if turn is not None:
            turn.commit = commit
        self.limits = limits
        self._open: set[LineProtocol] = set()
        self._empty: Deferred[None] | None = None
        self._refusing = False
        self._timers: list[IDelayedCall] = []
        self._sweep = LoopingCall(self._close_idle)
        self._sweep.clock = clock

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        """Whether the limit of connections is reached."""
        return len(self._open) >= self.limits.connections

    def limit(self, limits: Limits) -> None:
        """Hold connections that are accepted from now on to other limits, and all to another idle time."""
        self.limits = limits
        if self._sweep.running:
            self._sweep.stop()
            self.start()

    def start(self) -> None:
        """Begin to look for idle connections."""
        self._sweep.start(min(self.limits.idle_s / _SWEEPS_PER_IDLE_TIME, _LONGEST_SWEEP_S), now=False)

    def add(self, session: Session) -> LineProtocol:
        """A protocol for a new connection."""
        protocol = LineProtocol(session, self._clock, self._forget, self._turn, self._commit)
        self._open.add(protocol)
        self._refusing = False
        return protocol

    def refuse(self, peer: IAddress | None) -> Refusal:
        """A protocol for a connection beyond the limit; the first of a row of them is told to the log."""
        if not self._refusing:
            self.log.warn(
                "limits.connections: all {limit} are in use; refusing clients, first {peer}",
                limit=self.limits.connections,
                peer=peer,
            )
        self._refusing = True
        return Refusal(self._clock)

    def drain(self, within_s: float) -> Deferred[None]:
        """Finish all connections; fires when the last one is gone, at the latest after `within_s` seconds."""
        if self._sweep.running:
            self._sweep.stop()
        done = self._empty = Deferred()
        self._timers = [self._clock.callLater(within_s, self._abort), self._clock.callLater(_LINGER_S, self._release)]
        for protocol in list(self._open):
            protocol.drain()
        self._tell_if_empty()
        return done

    def _release(self) -> None:
        """Close connections whose client holds them open although it has been told the end of the stream."""
        for protocol in list(self._open):
            protocol.release()

    def _abort(self) -> None:
        for protocol in list(self._open):
            protocol.abort()

    def _forget(self, protocol: LineProtocol) -> None:
        self._open.discard(protocol)
        self._tell_if_empty()

    def _tell_if_empty(self) -> None:
        if self._empty is not None and not self._open:
            done, self._empty = self._empty, None
            for timer in self._timers:
                if timer.active():
                    timer.cancel()
            done.callback(None)

    def _close_idle(self) -> None:
        latest = self._clock.seconds() - self.limits.idle_s
        for protocol in [each for each in self._open if each.active_at <= latest]:
            protocol.expire()


class Refusal(Protocol):
    """Tells a client beyond the limit of connections so, and closes."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Answer before any request."""
        stream = cast(Stream, self.transport)
        # A TLS client can only be told after its handshake, which may never come.
        self._deadline = self._clock.callLater(_LINGER_S, stream.abortConnection)
        stream.write(error_line(RequestError("busy", "too many connections; try again later")))
        stream.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """There is nothing left to wait for."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()


class Listener(Factory):
    """Makes the protocol of each connection to one endpoint."""

    noisy = False

    def __init__(self, listen: Listen, models: Models, connections: Connections) -> None:
        self._listen = listen
        self._models = models
        self._connections = connections

    def configure(self, listen: Listen) -> None:
        """Give connections that are accepted from now on another model or other permissions."""
        self._listen = listen

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Accept a client, or refuse it politely."""
        if self._connections.full:
            return self._connections.refuse(addr)
        session = Session(
            self._models,
            self._listen.model or "",
            line_bytes=self._connections.limits.line_bytes,
            request_bytes=self._connections.limits.request_bytes,
            saves=self._listen.saves,
        )
        return self._connections.add(session)
