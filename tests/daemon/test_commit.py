"""Answers that wait for the disk: none before its sync, all in order, one sync for all that came together."""

from __future__ import annotations

import errno
import os
import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.interfaces import IProtocol, ITransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent

from tests.daemon.test_protocol import Descriptor
from tests.durability.power import Held, QuickDisk, journal
from tests.wire.conftest import RealModels
from vwserve.daemon.commit import GroupCommit
from vwserve.daemon.listener import Connections
from vwserve.daemon.protocol import TURN_CHUNKS, LineProtocol
from vwserve.daemon.turn import Turn
from vwserve.durability import Journal, JournalError, Sync
from vwserve.errors import RequestError
from vwserve.guard.limits import Limits
from vwserve.model.servable import Servable
from vwserve.wire import Session

CHUNK = b"1 |u a\n" * 250


class Reactor(Clock):
    """A clock that is also told of what other threads want done."""

    def callFromThread(self, function: Callable[..., object], *arguments: object) -> None:
        """Call it in the next turn."""
        self.callLater(0, function, *arguments)

    def turn(self) -> None:
        """The end of a turn and all that it leads to."""
        self.advance(0)


class Disk(QuickDisk):
    """Knows of each file what a power cut would leave, and fails the calls in `broken`."""

    def __init__(self) -> None:
        self.broken: dict[str, int] = {}
        self.syncs = 0
        self._safe: dict[int, bytes] = {}

    @property
    def safe(self) -> bytes:
        """What all files would have after a power cut."""
        return b"".join(self._safe.values())

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self._fail("write")
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._fail("sync")
        self.syncs += 1
        self._safe[os.fstat(fd).st_ino] = os.pread(fd, os.fstat(fd).st_size, 0)

    def _fail(self, call: str) -> None:
        if code := self.broken.get(call):
            raise OSError(code, os.strerror(code))


class Client:
    """A connection over a socket."""

    def __init__(self, protocol: LineProtocol) -> None:
        self.protocol = protocol
        self.socket = Descriptor()
        self.socket.protocol = protocol
        cast(IProtocol, protocol).makeConnection(cast(ITransport, self.socket))

    @property
    def answers(self) -> bytes:
        """What it was sent."""
        return self.socket.sent

    def reading(self) -> bool:
        """Whether the reactor watches for what it sends."""
        return self.socket.reading

    def sends(self, data: bytes) -> None:
        """What it sends is read."""
        self.protocol.dataReceived(data)


class World:
    """Models with journals on a disk that a test runs by hand, and their clients."""

    def __init__(self, folder: Path, journals: dict[str, Sync], executor: Executor | None = None) -> None:
        self.reactor = Reactor()
        self.executor = Held()
        self.disk = Disk()
        self.turn = Turn()
        self.commit = GroupCommit(self.reactor)
        self.connections = Connections(self.reactor, Limits(idle_s=80.0), self.turn, self.commit)
        self.models = RealModels(journals)
        self.journals: dict[str, Journal] = {}
        for name, sync in journals.items():
            self.journals[name] = journal(
                folder / name, sync=sync, executor=executor or self.executor, disk=self.disk, segment_bytes=20_000
            )
            self.models.servables[name].record(self._keep(self.journals[name], sync))

    def _keep(self, held: Journal, sync: Sync) -> Callable[[bytes, int], RequestError | None]:
        def keep(text: bytes, examples: int) -> RequestError | None:
            try:
                held.append(text, examples)
            except JournalError as error:
                return RequestError("not-ready", str(error))
            if sync == "always":
                self.commit.owe(held)
            return None

        return keep

    def protocol(self, own: str = "ctr") -> LineProtocol:
        """Of a new client, whose plain lines are for a model."""
        return self.connections.add(Session(self.models, own, line_bytes=1 << 16, request_bytes=1 << 16))

    def client(self, own: str = "ctr") -> Client:
        """A new client."""
        return Client(self.protocol(own))

    def clients(self, count: int, own: str = "ctr") -> list[Client]:
        """Some of them."""
        return [self.client(own) for _ in range(count)]

    def send(self, clients: Sequence[Client], *reads: bytes) -> None:
        """One turn of the reactor, in which each client sends something."""
        self.turn.begin(len(reads))
        for client, read in zip(clients, reads, strict=True):
            client.sends(read)
        if self.turn.gathering:
            self.turn.end()
        self.reactor.turn()

    def sync(self) -> None:
        """The syncs that were begun end, and the reactor hears of it."""
        self.executor.run()
        self.reactor.turn()

    def finish(self) -> int:
        """As many syncs as it takes until nobody waits; how many."""
        count = 0
        while self.executor.jobs:
            self.sync()
            count += 1
        assert not [call for call in self.reactor.getDelayedCalls() if call.getTime() <= self.reactor.seconds()]
        return count

    @property
    def ctr(self) -> Servable:
        """The model."""
        return self.models.servables["ctr"]

    def close(self) -> None:
        """Free what the models hold."""
        for model in self.models.servables.values():
            model.close()


Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[World] = []

    def make(**journals: Sync) -> World:
        made.append(World(tmp_path / str(len(made)), journals or {"ctr": "always"}))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make: Make) -> World:
    """One model whose journal is synced always."""
    return make()


# -- when ----------------------------------------------------------------------------------------------------------


def test_a_learned_line_is_answered_once_it_is_on_the_disk(world: World) -> None:
    client = world.client()
    world.send([client], b"1 |u a\n")
    assert world.ctr.examples == 1
    assert client.answers == b""
    world.executor.run()
    assert client.answers == b""  # the reactor has not heard of it
    assert world.disk.safe.endswith(b"1 |u a\n")
    world.reactor.turn()
    assert client.answers == b"0.500000\n"
    assert not world.reactor.getDelayedCalls()


def test_a_prediction_waits_for_nothing(world: World) -> None:
    learning, asking = world.clients(2)
    learning.sends(b"1 |u a\n1 |u a\n")
    asking.sends(b"|u b\n|u b\n")
    assert learning.answers == b""
    assert asking.answers.count(b"\n") == 2


@pytest.mark.parametrize("sync", ["everysec", "os"])
def test_a_journal_that_promises_less_makes_nobody_wait(make: Make, sync: Sync) -> None:
    world = make(ctr="always", cvr=sync)
    always, other = world.client("ctr"), world.client("cvr")
    always.sends(b"1 |u a\n1 |u a\n")
    other.sends(b"1 |u a\n1 |u a\n")
    assert always.answers == b""
    assert other.answers.count(b"\n") == 2


def test_without_group_commit_nobody_waits(world: World) -> None:
    session = Session(world.models, "ctr", line_bytes=100, request_bytes=100)
    client = Client(LineProtocol(session, world.reactor, lambda _: None))
    client.sends(b"1 |u a\n")
    assert client.answers == b"0.500000\n"


def test_all_that_came_in_one_turn_share_one_sync(world: World) -> None:
    clients, alone = world.clients(20), world.client()
    world.send([*clients, alone], *[b"1 |u a\n1 |u b\n"] * 20, b"1 |u c\n")
    assert (len(world.executor.jobs), world.disk.syncs) == (1, 0)
    world.sync()
    assert world.disk.syncs == 1
    assert [client.answers.count(b"\n") for client in [*clients, alone]] == [2] * 20 + [1]
    assert world.executor.jobs == []


def test_what_comes_during_a_sync_is_for_the_next_one(world: World) -> None:
    first, second, third = world.clients(3)
    world.send([first], b"1 |u a\n")
    world.send([second], b"1 |u a\n")
    world.send([third], b"1 |u a\n")
    assert len(world.executor.jobs) == 1
    world.executor.run()
    # The lines of all were there to be synced, but only of the first is that known.
    world.reactor.turn()
    assert [len(each.answers) > 0 for each in (first, second, third)] == [True, False, False]
    assert len(world.executor.jobs) == 1
    world.sync()
    assert all(each.answers for each in (second, third))
    assert world.executor.jobs == []


def test_what_comes_as_a_sync_ends_is_synced_once(world: World) -> None:
    first, second, third = world.clients(3)
    world.send([first], b"1 |u a\n")
    second.sends(b"1 |u a\n")
    world.executor.run()
    third.sends(b"1 |u a\n")
    world.reactor.turn()
    assert (first.answers != b"", second.answers, third.answers) == (True, b"", b"")
    assert world.finish() == 1
    assert second.answers and third.answers


def test_a_sync_that_somebody_else_made_will_do(world: World) -> None:
    client = world.client()
    client.sends(b"1 |u a\n")
    world.journals["ctr"].sync_now()
    world.reactor.turn()
    assert client.answers == b"0.500000\n"
    assert world.executor.jobs == []


def test_so_does_that_of_a_journal_that_is_closed(world: World) -> None:
    client = world.client()
    client.sends(b"1 |u a\n")
    world.journals["ctr"].close()
    world.reactor.turn()
    assert client.answers == b"0.500000\n"


def test_a_segment_that_is_being_closed_delays_and_does_not_confuse(world: World) -> None:
    client = world.client()
    world.send([client], CHUNK * TURN_CHUNKS)
    assert len(list(world.journals["ctr"].folder.glob("*.dat*"))) > 1
    world.journals["ctr"].tick()
    world.finish()
    assert client.answers.count(b"\n") == 250 * TURN_CHUNKS
    assert not list(world.journals["ctr"].folder.glob("*.next"))


def test_a_journal_that_is_owed_nothing_is_forgotten(world: World) -> None:
    client = world.client()
    world.send([client], b"1 |u a\n")
    world.finish()
    world.ctr.record(lambda _text, _examples: None)
    reference = weakref.ref(world.journals.pop("ctr"))
    assert reference() is None


# -- one connection ------------------------------------------------------------------------------------------------


def test_answers_keep_their_order_and_nothing_is_answered_meanwhile(world: World, make: Make) -> None:
    client, other = world.client(), make(ctr="os").client()
    lines = [b"1 'a |u a\n|u a\n!ping\n", b"|u a\n", b"-1 'b |u a\n", b"!ping\n|u a"]
    for line in lines:
        other.sends(line)
        world.send([client], line)
    assert client.answers == b""
    assert world.ctr.examples == 2  # those of the first read
    world.finish()
    assert client.answers == other.answers
    assert client.answers.count(b"\n") == 6


def test_a_client_that_waits_for_the_disk_is_read_until_it_sends_something(world: World) -> None:
    client = world.client()
    world.send([client], b"1 |u a\n")
    assert client.reading()
    world.send([client], b"|u a\n")
    assert not client.reading()
    world.sync()
    assert client.answers.count(b"\n") == 2
    assert client.reading()


def test_a_read_of_many_chunks_takes_a_sync_a_turn(world: World, make: Make) -> None:
    unheld = make(ctr="os")
    client, other = world.client(), unheld.client()
    data = b"".join([b"%d 't%d |u f%d\n" % (number % 2, number, number % 9) for number in range(9000)])
    other.sends(data)
    unheld.reactor.pump([0.0] * 3)
    world.send([client], data)
    assert world.ctr.examples == 250 * TURN_CHUNKS
    assert not client.reading()
    assert world.finish() == 3
    assert client.answers == other.answers
    assert client.reading()


def test_a_client_that_does_not_read_when_its_answers_are_there_gets_them_later(world: World) -> None:
    client = world.client()
    client.socket.room = 10
    world.send([client], b"1 |u a\n1 |u a\n")
    world.send([client], b"1 |u a\n")
    world.sync()
    assert client.answers == b"0.500000\n0"
    assert (world.ctr.examples, client.reading()) == (2, False)
    client.socket.client_reads()
    world.reactor.turn()
    assert client.answers.count(b"\n") == 2
    world.finish()
    assert client.answers.count(b"\n") == 3
    assert client.reading()


def test_a_transport_that_wants_more_meanwhile_gets_nothing_early(world: World) -> None:
    protocol, transport = world.protocol(), StringTransport()
    cast(IProtocol, protocol).makeConnection(cast(ITransport, transport))
    protocol.dataReceived(b"1 |u a\n")
    protocol.pauseProducing()
    protocol.resumeProducing()
    protocol.dataReceived(b"|u b\n")
    world.reactor.turn()
    assert transport.value() == b""
    assert transport.producerState == "paused"
    world.sync()
    assert transport.value().count(b"\n") == 2
    assert transport.producerState == "producing"


def test_waiting_for_the_disk_is_no_idleness(world: World) -> None:
    client = world.client()
    world.send([client], b"1 |u a\n")
    world.reactor.advance(50)
    world.sync()
    assert client.protocol.active_at == 50


def test_a_fault_of_ours_after_lines_that_were_learned_is_told_after_their_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol, transport = world.protocol(), StringTransport()
    cast(IProtocol, protocol).makeConnection(cast(ITransport, transport))
    answer = Servable.answer_ordinary

    def fault(self: Servable, chunk: bytes) -> bytes | None:
        if b"|fault" in chunk:
            raise ZeroDivisionError
        return answer(self, chunk)

    monkeypatch.setattr(Servable, "answer_ordinary", fault)
    with capturedLogs() as events:
        protocol.dataReceived(CHUNK + b"|fault a\n")
    assert len(events) == 1
    protocol.dataReceived(b"1 |u a\n")
    world.reactor.turn()
    assert (transport.value(), transport.disconnecting) == (b"", False)
    world.finish()
    assert transport.value().count(b"\n") == 251
    assert transport.value().endswith(b"!error internal a fault of vwserve; its log says more\n")
    assert transport.disconnecting
    assert world.ctr.examples == 250


# -- how a connection ends -----------------------------------------------------------------------------------------


def test_a_client_that_shuts_down_its_side_is_answered_to_the_end_and_closed(world: World) -> None:
    client = world.client()
    world.send([client], b"1 |u a\n")
    client.sends(b"|u a\n1 |u b")
    client.protocol.readConnectionLost()
    world.reactor.turn()
    assert (client.answers, client.socket.closed) == (b"", False)
    world.sync()
    client.socket.client_reads()
    assert (client.answers, client.socket.closed) == (b"0.500000\n", False)
    assert world.finish() == 1  # the rest has learned as well
    client.socket.client_reads()
    assert client.answers.count(b"\n") == 3
    assert client.socket.closed


def test_a_drain_waits_for_the_disk_and_then_closes_our_side(world: World) -> None:
    client = world.client()
    world.send([client], b"1 |u a\n")
    client.sends(b"1 |u b\n|unfinished")
    done: list[None] = []
    world.connections.drain(10.0).addCallback(done.append)
    client.sends(b"|u c\n")
    client.protocol.release()
    assert (client.answers, client.socket.ended) == (b"", False)
    world.finish()
    assert client.answers.count(b"\n") == 2
    client.socket.client_reads()
    assert client.socket.ended
    assert client.reading()  # for the end of what the client sends
    assert done == []
    client.protocol.connectionLost()
    assert done == [None]


def test_a_drain_does_not_wait_for_a_disk_that_hangs(world: World) -> None:
    client = world.client()
    world.send([client], b"1 |u a\n")
    world.connections.drain(10.0)
    world.reactor.advance(11)
    assert client.socket.aborted
    world.finish()
    assert client.answers == b""


def test_nor_does_an_idle_time(world: World) -> None:
    client = world.client()
    world.connections.start()
    world.send([client], b"1 |u a\n")
    world.reactor.pump([10.0] * 10)
    assert client.socket.aborted


def test_a_client_that_is_gone_is_not_answered_and_what_it_sent_is_synced(world: World) -> None:
    gone, stays = world.clients(2)
    world.send([gone, stays], b"1 |u a\n1 |u a\n", b"1 |u b\n")
    gone.protocol.connectionLost()
    assert len(world.connections) == 1
    world.finish()
    assert (gone.answers, stays.answers.count(b"\n")) == (b"", 1)
    assert world.disk.safe.count(b"\n1 |u a\n") >= 1


def test_a_client_that_is_gone_before_the_end_of_its_turn_leaves_nothing_undone(world: World) -> None:
    client = world.client()
    client.sends(b"1 |u a\n")
    client.protocol.connectionLost()
    world.reactor.turn()
    world.finish()
    assert world.disk.safe.endswith(b"1 |u a\n")


# -- lone requests of many clients ---------------------------------------------------------------------------------


def test_lone_lines_that_were_answered_together_wait_together(world: World, make: Make) -> None:
    clients = world.clients(5)
    lines = [b"1 |u a\n", b"-1 't |u a\n", b"|u a\n", b"1 |u b\n", b"|u b\n"]
    for _ in range(3):
        world.send(clients, *lines)
        assert world.finish() == 1
    unheld = make(ctr="os")
    others = unheld.clients(5)
    for _ in range(3):
        unheld.send(others, *lines)
    assert [client.answers for client in clients] == [client.answers for client in others]
    assert all(client.reading() for client in clients)


def test_none_of_them_is_answered_before(world: World) -> None:
    clients = world.clients(3)
    world.send(clients, b"1 |u a\n", b"1 |u a\n", b"|u b\n")
    assert [client.answers for client in clients] == [b""] * 3
    assert len(world.executor.jobs) == 1


def test_lone_predictions_of_many_do_not_wait(world: World) -> None:
    learning, *clients = world.clients(4)
    world.send([learning, *clients], b"1 |u a\n1 |u a\n", *[b"|u b\n"] * 3)
    assert [client.answers.count(b"\n") for client in clients] == [1] * 3
    assert learning.answers == b""


def test_lone_lines_that_cannot_be_answered_together_wait_each_for_itself(world: World) -> None:
    clients = world.clients(3)
    world.send(clients, b"1 |u a\n", b"garbage\n", b"|u b\n")
    assert clients[0].answers == b""
    assert clients[1].answers.startswith(b"!error bad-example ")
    assert clients[2].answers.count(b"\n") == 1
    world.finish()
    assert clients[0].answers == b"0.500000\n"


def test_lone_lines_to_a_journal_that_promises_less_do_not_wait_for_another(make: Make) -> None:
    world = make(ctr="always", cvr="everysec")
    always, other = world.clients(2, "ctr"), world.clients(2, "cvr")
    world.send([*always, *other], *[b"1 |u a\n"] * 4)
    assert [client.answers for client in always] == [b"", b""]
    assert all(client.answers for client in other)


def test_one_of_them_that_went_meanwhile_is_not_answered(world: World) -> None:
    clients = world.clients(3)
    world.turn.begin(3)
    for client in clients:
        client.sends(b"1 |u a\n")
    clients[1].protocol.abort()
    world.turn.end()
    world.reactor.turn()
    clients[2].protocol.abort()
    world.finish()
    assert [client.answers for client in clients] == [b"0.500000\n", b"", b""]


# -- several journals ----------------------------------------------------------------------------------------------


def test_an_answer_of_several_models_waits_for_all_their_journals(make: Make) -> None:
    world = make(ctr="always", cvr="always", kind="os")
    client = world.client()
    world.send([client], b"@ctr,cvr,kind 1 |u a\n")
    first, second = world.executor.jobs
    world.executor.jobs = [second]
    world.sync()
    assert client.answers == b""
    world.executor.jobs = [first]
    world.sync()
    assert client.answers == b"0.500000\t0\t1\n"


def test_journals_do_not_wait_for_each_other(make: Make) -> None:
    world = make(ctr="always", cvr="always")
    clients = world.client("ctr"), world.client("cvr")
    world.send(clients, b"1 |u a\n", b"1 |u a\n")
    world.executor.jobs.pop(0)
    world.sync()
    assert [client.answers for client in clients] == [b"", b"0\n"]


# -- a disk that fails ---------------------------------------------------------------------------------------------


def test_where_the_sync_fails_no_answer_is_given_and_the_log_says_why_once(make: Make) -> None:
    world = make(ctr="always", cvr="always", kind="everysec")
    clients, later, spared, other = world.clients(3), world.client(), world.client("cvr"), world.client("kind")
    world.send([*clients, spared, other], *[b"1 |u a\n1 |u a\n"] * 5)
    later.sends(b"1 |u a\n")
    jobs = world.executor.jobs
    world.executor.jobs = jobs[1:]
    world.sync()
    assert spared.answers.count(b"\n") == other.answers.count(b"\n") == 2
    world.executor.jobs = jobs[:1]
    world.disk.broken = {"sync": errno.EIO}
    with capturedLogs() as events:
        world.sync()
        world.reactor.advance(1)
    assert [client.answers for client in [*clients, later]] == [b""] * 4
    assert all(client.socket.aborted for client in [*clients, later])
    assert not spared.socket.aborted and not other.socket.aborted
    (event,) = events
    assert re.search(r"cannot sync .*ctr.*: Input/output error; .*closing 4 connections unanswered", formatEvent(event))


def test_after_that_lines_are_refused_at_once_until_it_works_again(world: World) -> None:
    world.disk.broken = {"sync": errno.EIO}
    world.send([world.client()], b"1 |u a\n")
    world.finish()
    client = world.client()
    world.send([client], b"1 |u a\n|u a\n")
    assert client.answers.startswith(b"!error not-ready cannot sync ")
    assert client.answers.count(b"\n") == 2
    world.disk.broken = {}
    world.journals["ctr"].probe()
    world.executor.run()
    assert world.journals["ctr"].probe()
    again = world.client()
    world.send([again], b"1 |u a\n")
    assert again.answers == b""
    world.finish()
    assert again.answers.count(b"\n") == 1


def test_a_failure_that_a_later_line_meets_first_aborts_the_earlier_ones(world: World) -> None:
    first, second = world.clients(2)
    world.send([first], b"1 |u a\n")
    world.disk.broken = {"sync": errno.EIO}
    world.executor.run()
    second.sends(b"1 |u b\n")
    assert second.answers.startswith(b"!error not-ready ")
    world.reactor.turn()
    assert first.socket.aborted and not second.socket.aborted


def test_a_disk_that_fills_up_takes_nothing_from_lines_that_were_learned(world: World) -> None:
    client, other = world.clients(2)
    other.sends(b"1 |u a\n")
    keep = world.journals["ctr"].append

    def fills_up(text: bytes, examples: int) -> int:
        last = keep(text, examples)
        world.disk.broken = {"write": errno.ENOSPC}
        return last

    world.journals["ctr"].append = fills_up  # type: ignore[method-assign]
    world.send([client], CHUNK + CHUNK)
    assert (client.answers, other.answers) == (b"", b"")
    world.finish()
    answers = client.answers.splitlines()
    assert [answer.startswith(b"!error not-ready cannot append to ") for answer in answers] == [False] * 250 + [
        True
    ] * 250
    assert other.answers == b"0.500000\n"
    assert not client.socket.aborted


def test_an_answer_of_several_models_is_given_only_if_no_sync_failed(make: Make) -> None:
    world = make(ctr="always", cvr="always")
    client = world.client()
    world.send([client], b"@ctr,cvr 1 |u a\n")
    good, bad = world.executor.jobs
    world.disk.broken = {"sync": errno.EIO}
    world.executor.jobs = [bad]
    world.sync()
    assert client.socket.aborted
    world.disk.broken = {}
    world.executor.jobs = [good]
    world.sync()
    world.finish()
    assert client.answers == b""


class Told:
    """Writes down what it is told; to be committed may be a fault."""

    def __init__(self, fault: bool = False) -> None:
        self.told: list[str] = []
        self.fault = fault

    def committed(self, text: bytes) -> None:
        self.told.append("committed")
        if self.fault:
            raise ZeroDivisionError

    def abandon(self) -> None:
        self.told.append("abandoned")

    def waits_for(self, world: World, *names: str) -> None:
        """Hold it until something appended to these journals is synced."""
        appended = world.commit.appended
        for name in names:
            world.journals[name].append(b"1 |u a\n", 1)
            world.commit.owe(world.journals[name])
        world.commit.hold(self, b"", appended)


@pytest.mark.parametrize("second", ["works", "fails"])
def test_once_a_sync_has_failed_nothing_else_counts(make: Make, second: str) -> None:
    world, told = make(ctr="always", cvr="always"), Told()
    told.waits_for(world, "ctr", "cvr")
    world.reactor.turn()
    bad, other = world.executor.jobs
    world.executor.jobs = [bad]
    world.disk.broken = {"sync": errno.EIO}
    with capturedLogs() as events:
        world.sync()
        if second == "works":
            world.disk.broken = {}
        world.executor.jobs = [other]
        world.sync()
    assert told.told == ["abandoned"]
    assert len(events) == 1


def test_a_failure_that_concerns_nobody_any_more_is_not_told(world: World) -> None:
    clients = world.clients(2)
    world.turn.begin(2)
    for client in clients:
        client.sends(b"1 |u a\n")
        client.protocol.abort()
    world.turn.end()
    world.disk.broken = {"sync": errno.EIO}
    world.reactor.turn()
    with capturedLogs() as events:
        world.finish()
    assert events == []
    assert world.journals["ctr"].failed is not None


def test_a_client_that_cannot_be_told_does_not_keep_the_others_from_it(world: World) -> None:
    client, faulty = world.client(), Told(fault=True)
    faulty.waits_for(world, "ctr")
    world.send([client], b"1 |u a\n")
    with capturedLogs() as events:
        world.finish()
    assert client.answers == b"0.500000\n"
    assert faulty.told == ["committed", "abandoned"]
    assert [event["log_failure"].type for event in events] == [ZeroDivisionError]


# -- whatever happens when -----------------------------------------------------------------------------------------

TAG = re.compile(rb"'(t[0-9]+) ")

acts = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 3), st.integers(1, 6)),
        st.tuples(st.sampled_from(["reads little", "reads", "ends", "goes"]), st.integers(0, 3), st.just(0)),
        st.tuples(st.sampled_from(["turn", "disk", "tick"]), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=80)
@given(acts=acts)
def test_whoever_is_answered_has_its_line_on_the_disk_and_answers_in_order(
    acts: list[tuple[str, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = World(tmp_path_factory.mktemp("world"), {"ctr": "always", "cvr": "always", "kind": "os"})
    try:
        clients = [world.client("ctr"), world.client("ctr"), world.client("cvr"), world.client("kind")]
        asked: list[list[bytes]] = [[] for _ in clients]
        silent: set[int] = set()
        count = 0
        for act, place, lines in acts:
            client = clients[place]
            if act == "send" and place not in silent and client.reading():
                tags = [b"t%d" % number for number in range(count, count + lines)]
                count += lines
                asked[place] += tags
                # Some are not learned; some are for several models.
                forms = (b"1 '%b |u a\n", b"'%b |u a\n", b"@cvr,ctr 1 '%b |u a\n", b"1 '%b |u a\n")
                client.sends(b"".join([forms[int(tag[1:]) % 4] % tag for tag in tags]))
            elif act == "reads little":
                client.socket.room = 3
            elif act == "reads":
                client.socket.client_reads()
            elif act in ("ends", "goes") and place not in silent:
                silent.add(place)
                if act == "ends":
                    client.protocol.readConnectionLost()
                else:
                    client.protocol.connectionLost()
            elif act == "turn":
                world.reactor.turn()
            elif act == "disk":
                world.executor.run()
            elif act == "tick":
                for held in world.journals.values():
                    held.tick()
            check(world, clients, asked)
        gone = [client.protocol not in world.connections._open for client in clients]
        for client in clients:
            client.socket.client_reads()
        for _ in range(200):
            world.reactor.turn()
            world.sync()
            for client in clients:
                client.socket.client_reads()
        check(world, clients, asked)
        for client, tags, left in zip(clients, asked, gone):
            assert left or client.answers.count(b"\n") == len(tags)
    finally:
        for held in world.journals.values():
            held.close()
        world.close()


def check(world: World, clients: Sequence[Client], asked: Sequence[Sequence[bytes]]) -> None:
    """Each client has its answers in order, and what was learned for one of them is safe."""
    safe = set(TAG.findall(world.disk.safe))
    unsafe = {tag for each in world.journals.values() for tag in TAG.findall(b"".join(each.read()))} - safe
    of_os = set(TAG.findall(b"".join(world.journals["kind"].read())))
    for client, tags in zip(clients, asked):
        told = [answer.rpartition(b" ")[2] for answer in client.answers.split(b"\n")[:-1]]
        assert told == list(tags[: len(told)])
        assert not (set(told) & unsafe) - of_os


def test_with_real_threads_nobody_is_told_early_and_everybody_in_the_end(tmp_path: Path) -> None:
    calls: SimpleQueue[tuple[Callable[..., object], tuple[object, ...]]] = SimpleQueue()

    class Threaded(Reactor):
        def callFromThread(self, function: Callable[..., object], *arguments: object) -> None:
            calls.put((function, arguments))

    class Waiting:
        def __init__(self, last: int) -> None:
            self.last = last

        def committed(self, text: bytes) -> None:
            told.append((self.last, held.synced, text))

        def abandon(self) -> None:
            raise AssertionError

    told: list[tuple[int, int, bytes]] = []
    reactor = Threaded()
    commit = GroupCommit(reactor)
    with ThreadPoolExecutor(2) as executor:
        held = journal(tmp_path, sync="always", executor=executor, segment_bytes=2000)
        for number in range(1, 501):
            appended = commit.appended
            last = held.append(b"1 |f a%d\n" % number, 1)
            commit.owe(held)
            commit.hold(Waiting(last), b"%d" % number, appended)
            if number % 3 == 0:
                reactor.turn()
            if number % 50 == 0:
                held.tick()
            while not calls.empty():
                function, arguments = calls.get()
                function(*arguments)
        reactor.turn()
        while len(told) < 500:
            function, arguments = calls.get(timeout=30)
            function(*arguments)
            reactor.turn()
        held.close()
    assert [text for _, _, text in told] == [b"%d" % number for number in range(1, 501)]
    assert all(last <= synced for last, synced, _ in told)
