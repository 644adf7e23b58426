"""A listener: accepts connections within limits, closes idle ones, and drains them all at the end."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from vwserve.daemon.settings import Listen
from vwserve.guard.limits import Limits

from vwserve.daemon.protocol import LineProtocol
from vwserve.daemon.served import ServedModels
from vwserve.errors import RequestError
from vwserve.wire import Session
from vwserve.wire.addressing import error_line

_SWEEPS_PER_IDLE_TIME = 8
_LONGEST_SWEEP_S = 60.0


class Connections:
    """All connections of the daemon, whichever listener accepted them."""

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self._clock = clock
        self.limits = limits
        self._open: set[LineProtocol] = set()
        self._empty: Deferred[None] | None = None
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
        protocol = LineProtocol(session, self._clock.seconds, self._forget)
        self._open.add(protocol)
        return protocol

    def drain(self, within_s: float) -> Deferred[None]:
        """Finish all connections; fires when the last one is gone, at the latest after `within_s` seconds."""
        if self._sweep.running:
            self._sweep.stop()
        self._empty = Deferred()
        for protocol in list(self._open):
            protocol.drain()
        deadline = self._clock.callLater(within_s, self._abort)
        done = self._empty
        done.addBoth(lambda _: deadline.cancel() if deadline.active() else None)
        self._tell_if_empty()
        return done

    def _abort(self) -> None:
        for protocol in list(self._open):
            protocol.abort()

    def _forget(self, protocol: LineProtocol) -> None:
        self._open.discard(protocol)
        self._tell_if_empty()

    def _tell_if_empty(self) -> None:
        if self._empty is not None and not self._open:
            done, self._empty = self._empty, None
            done.callback(None)

    def _close_idle(self) -> None:
        latest = self._clock.seconds() - self.limits.idle_s
        for protocol in [each for each in self._open if each.active_at <= latest]:
            protocol.abort()


class Refusal(Protocol):
    """Tells a client beyond the limit of connections so, and closes."""

    def connectionMade(self) -> None:
        """Answer before any request."""
        assert self.transport is not None
        self.transport.write(error_line(RequestError("busy", "too many connections; try again later")))
        self.transport.loseConnection()


class Listener(Factory):
    """Makes the protocol of each connection to one endpoint."""

    noisy = False
    log = Logger()

    def __init__(self, listen: Listen, models: ServedModels, connections: Connections) -> None:
        self._listen = listen
        self._models = models
        self._connections = connections

    def configure(self, listen: Listen) -> None:
        """Give connections that are accepted from now on another model or other permissions."""
        self._listen = listen

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Accept a client, or refuse it politely."""
        if self._connections.full:
            self.log.warn("refused a connection from {peer}: the limit is reached", peer=addr)
            return Refusal()
        session = Session(
            self._models,
            self._listen.model or "",
            line_bytes=self._connections.limits.line_bytes,
            request_bytes=self._connections.limits.request_bytes,
            saves=self._listen.saves,
        )
        return self._connections.add(session)
