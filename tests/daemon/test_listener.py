"""Accepting connections within limits, closing idle ones, and draining them all."""

from typing import cast

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from vwserve.daemon.listener import Connections, Listener
from vwserve.daemon.protocol import LineProtocol
from vwserve.daemon.settings import Listen
from vwserve.guard.limits import Limits
from vwserve.wire import Models

PEER = IPv4Address("TCP", "192.0.2.1", 1234)
REFUSED = b"!error busy too many connections; try again later\n"


class Client:
    """A client, as our transport to it; it closes its side once we have closed ours, unless it `holds` on."""

    def __init__(self, protocol: Protocol, holds: bool) -> None:
        self.protocol = protocol
        self.holds = holds
        self.received = b""
        self.cut = False
        self.told_the_end = False
        self._left = False
        protocol.transport = cast(ITransport, self)
        protocol.connectionMade()

    def gone(self) -> bool:
        """Whether the connection is no more."""
        return self._left

    def getPeer(self) -> IPv4Address:
        """Who it is."""
        return PEER

    def write(self, data: bytes) -> None:
        """Read an answer."""
        self.received += data

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Be asked to pause it."""

    def unregisterProducer(self) -> None:
        """Be asked no more."""

    def pauseProducing(self) -> None:
        """Send no more."""

    def resumeProducing(self) -> None:
        """Send again."""

    def loseConnection(self) -> None:
        """Our side closes."""
        self.told_the_end = True
        if not self.holds:
            self.leave()

    def abortConnection(self) -> None:
        """Our side closes both."""
        self.cut = True
        self.leave()

    def leave(self) -> None:
        """The connection is no more."""
        if not self._left:
            self._left = True
            self.protocol.connectionLost()

    @property
    def line_protocol(self) -> LineProtocol:
        """The other side."""
        assert isinstance(self.protocol, LineProtocol)
        return self.protocol

    def answers(self, data: bytes) -> bytes:
        """What the client is answered."""
        self.received = b""
        self.protocol.dataReceived(data)
        return self.received


class NoModels:
    """Serves none."""

    def get(self, name: str) -> None:
        """None."""

    def names(self) -> list[str]:
        """None."""
        return []


class World:
    """Connections and a listener, on a clock; no models, so that every example is answered by an error."""

    def __init__(self, idle_s: float = 80.0) -> None:
        self.limits = Limits(connections=3, line_bytes=64, idle_s=idle_s)
        self.clock = Clock()
        self.connections = Connections(self.clock, self.limits)
        self.connections.start()
        self.listener = Listener(Listen("tcp:0", "ctr"), cast(Models, NoModels()), self.connections)

    def connect(self, holds: bool = False) -> Client:
        """A new client."""
        return Client(self.listener.buildProtocol(PEER), holds)

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.pump([1.0] * int(seconds))


@pytest.fixture
def world() -> World:
    """At most 3 connections, idle for at most 80 seconds."""
    return World()


# -- accepting -----------------------------------------------------------------------------------------------------


def test_plain_lines_go_to_the_model_of_the_listener(world: World) -> None:
    assert world.connect().answers(b"|u a\n") == b"!error no-model no model is called 'ctr'; !models lists them\n"
    world.listener.configure(Listen("tcp:0", "cvr"))
    assert b"'cvr'" in world.connect().answers(b"|u a\n")


def test_a_listener_may_refuse_saves(world: World) -> None:
    world.listener.configure(Listen("tcp:0", "ctr", saves=False))
    assert b"takes no save commands" in world.connect().answers(b"save\n")


def test_lines_are_held_to_the_limit(world: World) -> None:
    assert world.connect().answers(b"x" * 65 + b"\n").startswith(b"!error too-long ")
    world.connections.limit(Limits(line_bytes=128))
    assert world.connect().answers(b"x" * 65 + b"\n").startswith(b"!error no-model ")


def test_a_client_beyond_the_limit_is_told_so_and_closed(world: World) -> None:
    accepted = [world.connect() for _ in range(3)]
    refused = world.connect()
    assert refused.received == REFUSED
    assert refused.gone()
    assert not any(client.gone() for client in accepted)
    assert len(world.connections) == 3


def test_a_client_that_leaves_makes_room(world: World) -> None:
    clients = [world.connect() for _ in range(3)]
    clients[1].leave()
    assert world.connect().answers(b"!ping\n") == b"pong\n"
    assert world.connect().received == REFUSED


def test_a_refused_client_that_holds_on_is_cut(world: World) -> None:
    for _ in range(3):
        world.connect()
    refused = world.connect(holds=True)
    assert not refused.gone()
    world.wait(2)
    assert refused.cut


def test_a_refused_client_that_closes_leaves_nothing_behind(world: World) -> None:
    clients = [world.connect() for _ in range(3)]
    before = world.clock.getDelayedCalls()
    world.connect()
    assert world.clock.getDelayedCalls() == before
    assert not any(client.gone() for client in clients)


def test_a_row_of_refusals_is_told_to_the_log_once(world: World) -> None:
    clients = [world.connect() for _ in range(3)]
    with capturedLogs() as events:
        for _ in range(5):
            world.connect()
    assert len(events) == 1
    assert "limits.connections" in str(events[0]["log_format"])
    clients.pop().leave()
    world.connect()
    with capturedLogs() as events:
        world.connect()
    assert len(events) == 1


# -- idle clients --------------------------------------------------------------------------------------------------


def test_a_client_that_sends_nothing_is_closed(world: World) -> None:
    client = world.connect()
    world.wait(79)
    assert not client.gone()
    world.wait(12)
    assert client.gone()
    assert not client.cut
    assert len(world.connections) == 0


def test_a_client_that_sends_now_and_then_stays(world: World) -> None:
    client = world.connect()
    for _ in range(10):
        world.wait(60)
        assert client.answers(b"!ping\n") == b"pong\n"


def test_an_idle_client_that_holds_on_is_cut(world: World) -> None:
    client = world.connect(holds=True)
    world.wait(85)
    assert client.told_the_end
    assert not client.gone()
    world.wait(10)
    assert client.cut


def test_an_idle_client_that_does_not_read_is_cut(world: World) -> None:
    client = world.connect(holds=True)
    client.protocol.dataReceived(b"!ping\n")
    client.line_protocol.pauseProducing()
    world.wait(91)
    assert client.cut


def test_another_idle_time_holds_for_all_clients(world: World) -> None:
    client = world.connect()
    world.connections.limit(Limits(idle_s=10.0))
    world.wait(12)
    assert client.gone()


def test_a_long_idle_time_is_looked_at_every_minute() -> None:
    world = World(3600.0)
    client = world.connect()
    world.wait(3590)
    assert not client.gone()
    world.wait(70)
    assert client.gone()


# -- draining ------------------------------------------------------------------------------------------------------


def test_a_drain_without_clients_is_over_at_once(world: World) -> None:
    done: list[None] = []
    world.connections.drain(10.0).addCallback(done.append)
    assert done == [None]
    assert not world.clock.getDelayedCalls()


def test_a_drain_is_over_when_the_last_client_is_gone(world: World) -> None:
    quick, slow = world.connect(), world.connect(holds=True)
    done: list[None] = []
    world.connections.drain(10.0).addCallback(done.append)
    assert quick.gone()
    assert not slow.gone()
    world.wait(3)
    assert not done
    slow.leave()
    assert done == [None]
    assert not world.clock.getDelayedCalls()


def test_a_drain_has_a_deadline(world: World) -> None:
    slow = world.connect(holds=True)
    done: list[None] = []
    world.connections.drain(10.0).addCallback(done.append)
    world.wait(9)
    assert not slow.gone()
    world.wait(2)
    assert slow.cut
    assert done == [None]


def test_a_drain_answers_what_was_read_from_a_client_that_does_not_read(world: World) -> None:
    client = world.connect()
    client.line_protocol.pauseProducing()
    client.protocol.dataReceived(b"!ping\n")
    world.connections.drain(10.0)
    assert not client.gone()
    client.line_protocol.resumeProducing()
    assert client.received == b"pong\n"
    assert client.gone()
