"""Lone requests of many clients in one turn of the reactor: answered together, each to its own."""

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import pytest
from twisted.internet.interfaces import IProtocol, ITransport
from twisted.internet.task import Clock

from tests.daemon.test_protocol import Descriptor
from tests.wire.conftest import RealModels
from vwserve.daemon.protocol import LineProtocol
from vwserve.daemon.turn import Turn
from vwserve.model.servable import Servable
from vwserve.wire import Session


class Clients:
    """Some connections to one daemon, whose turns the test makes."""

    def __init__(self, names: Sequence[str], own: str, count: int) -> None:
        self.models = RealModels(names)
        self.turn = Turn()
        clock = Clock()
        self.sockets = [Descriptor() for _ in range(count)]
        self.protocols = []
        for socket in self.sockets:
            session = Session(self.models, own, line_bytes=1000, request_bytes=1000)
            protocol = LineProtocol(session, clock, lambda _: None, self.turn)
            socket.protocol = protocol
            cast(IProtocol, protocol).makeConnection(cast(ITransport, socket))
            self.protocols.append(protocol)

    def send(self, *reads: bytes) -> list[bytes]:
        """What the first clients are answered that send these in one turn."""
        for socket in self.sockets:
            socket.sent = b""
        self.turn.begin(len(reads))
        for protocol, read in zip(self.protocols, reads):
            protocol.dataReceived(read)
        if self.turn.gathering:
            self.turn.end()
        return [socket.sent for socket in self.sockets[: len(reads)]]


Make = Callable[..., Clients]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Clients] = []

    def make(*names: str, own: str = "ctr", count: int = 5) -> Clients:
        made.append(Clients(names or ("ctr",), own, count))
        return made[-1]

    yield make
    for clients in made:
        for model in clients.models.servables.values():
            model.close()


def alone(model: Servable, *lines: bytes) -> list[bytes]:
    """What a model of its own answers to one line after the other."""
    return [model.answer(line) for line in lines]


def test_each_client_gets_its_answer(make: Make) -> None:
    clients, other = make(), make()
    lines = [b"1 |u a\n", b"|u a\n", b"-1 't |u b\n", b"|u b\n", b"'x |u a\n"]
    for _ in range(3):
        assert clients.send(*lines) == alone(other.models.servables["ctr"], *lines)


def test_they_are_answered_as_one_chunk(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = make()
    chunks: list[bytes] = []
    answer = Servable.answer_ordinary

    def noted(self: Servable, chunk: bytes) -> bytes | None:
        chunks.append(chunk)
        return answer(self, chunk)

    monkeypatch.setattr(Servable, "answer_ordinary", noted)
    clients.send(b"|u a\n", b"|u b\n", b"|u c\n")
    assert chunks == [b"|u a\n|u b\n|u c\n"]


def test_a_single_client_does_not_wait(make: Make) -> None:
    clients = make()
    clients.turn.begin(1)
    clients.protocols[0].dataReceived(b"|u a\n")
    assert clients.sockets[0].sent == b"0.500000\n"
    assert not clients.turn.gathering


@pytest.mark.parametrize("odd", [b"garbage\n", b"1e30 |u a\n", b"nan |u a\n"])
def test_a_line_that_is_no_example_costs_only_itself(make: Make, odd: bytes) -> None:
    first, second, third = make().send(b"|u a\n", odd, b"|u b\n")
    assert (first, third) == (b"0.500000\n", b"0.500000\n")
    assert second.startswith(b"!error bad-example ")


@pytest.mark.parametrize(
    "read",
    [
        b"!ping\n",
        b"@ctr |u a\n",
        b"\n",
        b"|u a\n|u b\n",
        b"|u a\n|u b",
        b"|u a\r\n",
        b"\xef\xbb\xbf|u a\n",
        b"|u " + b"a" * 2000 + b"\n",
        b"save\n",
        b"@ctr batch\n",
    ],
)
def test_any_other_read_is_answered_as_ever(make: Make, read: bytes) -> None:
    clients, other = make(), make()
    expected = other.send(read)[0]
    assert clients.send(b"|u a\n", read, b"|u a\n") == [b"0.500000\n", expected, b"0.500000\n"]


def test_what_came_before_is_answered_first(make: Make) -> None:
    clients = make()
    clients.send(b"|u a", b"@ctr batch\n")
    first, second, third = clients.send(b" b\n", b"|u c\n", b"|u a\n")
    assert (first, second, third) == (b"0.500000\n", b"", b"0.500000\n")
    assert clients.send(b"|u a\n", b"\n") == [b"0.500000\n", b"0.500000\n"]


def test_learners_that_end_an_answer_with_an_empty_line(make: Make) -> None:
    clients, other = make("chances", own="chances"), make("chances", own="chances")
    lines = [b"1:0:0.5 |u a\n", b"|u a\n", b"|u b\n"]
    assert clients.send(*lines) == alone(other.models.servables["chances"], *lines)


def test_multi_line_models_do_not_wait(make: Make) -> None:
    clients = make("adf", own="adf")
    clients.send(b"|a x\n", b"|a x\n")
    assert clients.send(b"\n", b"\n") == [b"0:1\n\n", b"0:1\n\n"]


def test_more_clients_than_a_chunk_has_lines(make: Make) -> None:
    clients = make(count=600)
    assert clients.send(*[b"|u a\n"] * 600) == [b"0.500000\n"] * 600


def test_a_client_that_went_meanwhile_is_not_answered_and_the_others_are(make: Make) -> None:
    clients = make()
    clients.turn.begin(2)
    for protocol in clients.protocols[:2]:
        protocol.dataReceived(b"|u a\n")
    clients.protocols[0].abort()
    clients.turn.end()
    assert [socket.sent for socket in clients.sockets[:2]] == [b"", b"0.500000\n"]


def test_a_fault_of_ours_is_told_to_all_whom_it_concerns(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = make()

    def fault(_self: Servable, _chunk: bytes) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(Servable, "answer_ordinary", fault)
    clients.send(b"|u a\n", b"|u b\n")
    for socket in clients.sockets[:2]:
        socket.client_reads()
        assert socket.sent.startswith(b"!error internal ")
        assert socket.closed
