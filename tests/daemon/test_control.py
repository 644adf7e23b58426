"""The control channel: who waits for whom, what outlives its client, and how a connection ends."""

import json
from collections.abc import Iterator, Sequence
from typing import cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import ITransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure

from vwserve.daemon.control import LINE_BYTES, MOST_CONNECTIONS, Control, ControlProtocol
from vwserve.errors import ModelError, RequestError
from vwserve.wire.control import Answer
from vwserve.wire.points import Point, Skip


class Work:
    """Operations: reading ones are done at once; those that take time end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[object] = []
        self.under_way: dict[str, Deferred[Answer]] = {}

    def models(self) -> Answer:
        """One."""
        self.begun.append("models")
        return [{"model": "ctr"}]

    def ready(self) -> Answer:
        """It is."""
        return {"ready": True, "reasons": []}

    def stats(self, model: str) -> Answer:
        """Of one model only; another is none, and a third is our fault."""
        self.begun.append(("stats", model))
        if model == "faulty":
            raise ZeroDivisionError("a fault of the operations")
        if model != "ctr":
            raise RequestError("no-model", f"no model is called {model!r}")
        return {"model": model, "loss": float("nan")}

    async def snapshot(self, model: str) -> Answer:
        """Takes until `under_way` of the model has a result."""
        self.begun.append(("snapshot", model))
        self.under_way[model] = Deferred()
        return await self.under_way[model]

    def snapshots(self, model: str) -> Answer:
        """None."""
        self.begun.append(("snapshots", model))
        return []

    def rollback(self, model: str, snapshot: int, until: Point | None, skip: Sequence[Skip]) -> Deferred[Answer]:
        """Takes until `under_way` of the model has a result."""
        self.begun.append(("rollback", model, snapshot, until, tuple(skip)))
        self.under_way[model] = Deferred()
        return self.under_way[model]

    def promote(self, model: str) -> Answer:
        """Nobody."""
        self.begun.append(("promote", model))
        return {"promoted": model}

    def reload(self) -> Answer:
        """Nothing."""
        self.begun.append("reload")
        return {"models": ["ctr"], "problems": []}

    def plan(self, file: str) -> Answer:
        """None."""
        return {"plan": "nothing"}

    def forget(self, model: str) -> Answer:
        """Nothing."""
        return {"model": model}


class Client:
    """A client, as our transport to it."""

    def __init__(self, world: "World") -> None:
        self.clock = world.clock
        self.protocol = world.control.buildProtocol(None)
        self.transport = StringTransport()
        self.protocol.transport = cast(ITransport, self.transport)
        self.protocol.connectionMade()

    @property
    def control(self) -> ControlProtocol:
        """The other side."""
        assert isinstance(self.protocol, ControlProtocol)
        return self.protocol

    def send(self, data: bytes) -> None:
        """Send this."""
        self.protocol.dataReceived(data)

    def end(self) -> None:
        """Shut down the sending side."""
        self.control.readConnectionLost()

    def leave(self) -> None:
        """The connection is no more."""
        self.protocol.connectionLost(Failure(ConnectionLost()))

    def answers(self) -> list[object]:
        """What it was answered since it last asked, after all turns that this takes."""
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)
        lines = self.transport.value().split(b"\n")
        self.transport.clear()
        assert lines.pop() == b""
        return [json.loads(line) for line in lines]

    def reading(self) -> bool:
        """Whether we read from it."""
        return self.transport.producerState == "producing"

    def closed(self) -> bool:
        """Whether we close once everything is sent."""
        return self.transport.disconnecting


class World:
    """A control channel on a clock, which is also the clock of the world."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.work = Work()
        self.control = Control(self.work, self.clock, self.clock.seconds)

    def connect(self) -> Client:
        """A new client."""
        return Client(self)


@pytest.fixture
def world() -> World:
    """An idle channel."""
    return World()


@pytest.fixture
def client(world: World) -> Client:
    """A client of it."""
    return world.connect()


# -- commands ------------------------------------------------------------------------------------------------------


def test_each_command_is_answered_by_one_line_in_order(client: Client) -> None:
    client.send(b"models\nstats ctr\r\nsnap")
    client.send(b"shots ctr\n")
    assert client.answers() == [[{"model": "ctr"}], {"model": "ctr", "loss": None}, []]
    assert client.reading()
    client.send(b"models\n")
    assert client.answers() == [[{"model": "ctr"}]]


def test_no_command_begins_while_the_reactor_reads(world: World, client: Client) -> None:
    client.send(b"reload\nmodels\n")
    assert world.work.begun == []
    assert not client.reading()
    world.clock.advance(0)
    assert world.work.begun == ["reload", "models"]


def test_a_command_that_takes_time_holds_back_only_its_own_connection(world: World, client: Client) -> None:
    client.send(b"snapshot ctr\nmodels\n")
    assert client.answers() == []
    assert not client.reading()
    other = world.connect()
    other.send(b"models\n")
    assert other.answers() == [[{"model": "ctr"}]]
    world.work.under_way["ctr"].callback({"number": 7})
    assert world.work.begun == [("snapshot", "ctr"), "models"]
    assert client.answers() == [{"number": 7}, [{"model": "ctr"}]]
    assert client.reading()


def test_the_next_command_begins_in_a_later_turn_than_the_answer_before_it(world: World, client: Client) -> None:
    client.send(b"snapshot ctr\nmodels\n")
    world.clock.advance(0)
    # As where the end of a snapshot is read from a pipe, among lines that others sent.
    world.work.under_way["ctr"].callback({"number": 7})
    assert client.transport.value() == b'{"number": 7}\n'
    assert world.work.begun == [("snapshot", "ctr")]


def test_deferreds_and_coroutines_are_both_waited_for(world: World, client: Client) -> None:
    client.send(b"rollback ctr 17\n")
    assert client.answers() == []
    world.work.under_way["ctr"].callback({"snapshot": 17})
    assert client.answers() == [{"snapshot": 17}]


def test_now_is_when_the_command_begins(world: World, client: Client) -> None:
    client.send(b"snapshot cvr\nrollback ctr 17 replay-until now\n")
    world.clock.advance(5)
    world.work.under_way["cvr"].callback({})
    world.clock.advance(2.5)
    assert "AtTime(unix_s=7.5)" in str(world.work.begun[-1])


def test_empty_lines_have_no_answer(client: Client) -> None:
    client.send(b"\n\r\n  \n\t\nmodels\n\n")
    assert client.answers() == [[{"model": "ctr"}]]
    assert client.reading()


def test_many_commands_in_one_read_are_all_carried_out(client: Client) -> None:
    client.send(b"models\n" * 1000)
    assert client.answers() == [[{"model": "ctr"}]] * 1000


# -- errors --------------------------------------------------------------------------------------------------------


def test_an_error_is_answered_in_its_place_and_the_connection_goes_on(client: Client) -> None:
    client.send(b"stats nobody\nfreez ctr\nmodels\n")
    no_model, unknown, models = client.answers()
    assert no_model == {"error": "no-model", "text": "no model is called 'nobody'"}
    assert isinstance(unknown, dict)
    assert unknown["error"] == "bad-request"
    assert unknown["text"].startswith("unknown command 'freez'; ")
    assert models == [{"model": "ctr"}]


def test_what_fails_later_is_answered_by_its_error(world: World, client: Client) -> None:
    client.send(b"snapshot ctr\nmodels\n")
    world.clock.advance(0)
    world.work.under_way["ctr"].errback(ModelError("the disk is full"))
    assert client.answers() == [{"error": "failed", "text": "the disk is full"}, [{"model": "ctr"}]]


def test_a_line_that_is_too_long_is_answered_by_an_error(client: Client) -> None:
    client.send(b"x" * (LINE_BYTES + 1) + b"\nmodels\n")
    too_long, models = client.answers()
    assert too_long == {"error": "too-long", "text": f"the command is longer than {LINE_BYTES} bytes"}
    assert models == [{"model": "ctr"}]


def test_a_fault_of_ours_is_logged_and_told_and_the_connection_goes_on(client: Client) -> None:
    client.send(b"stats faulty\nmodels\n")
    with capturedLogs() as events:
        answers = client.answers()
    assert answers == [
        {"error": "internal", "text": "a fault of vwserve; its log says more"},
        [{"model": "ctr"}],
    ]
    assert [event["log_failure"].type for event in events if event["log_level"] is LogLevel.critical] == [
        ZeroDivisionError
    ]


class Unanswerable(Work):
    """Operations whose answer is no JSON."""

    def models(self) -> Answer:
        """Nothing that could be written down."""
        return {"model": object()}


def test_an_answer_that_cannot_be_written_down_is_a_fault_of_ours(world: World) -> None:
    world.control = Control(Unanswerable(), world.clock, world.clock.seconds)
    client = world.connect()
    client.send(b"models\nreload\n")
    with capturedLogs() as events:
        internal, reloaded = client.answers()
    assert cast(dict[str, str], internal)["error"] == "internal"
    assert reloaded == {"models": ["ctr"], "problems": []}
    assert any("log_failure" in event for event in events)


# -- the log -------------------------------------------------------------------------------------------------------


def logged(events: Sequence[dict[str, object]]) -> Iterator[str]:
    """What the events say."""
    return (str(event["log_format"]).format(**event) for event in events)


def test_the_log_has_what_changes_something_and_how_it_ended(world: World, client: Client) -> None:
    client.send(b"models\nstats nobody\nreload\nrollback ctr 17\n")
    with capturedLogs() as events:
        client.answers()
        world.work.under_way["ctr"].errback(ModelError("there is no snapshot 17"))
    assert list(logged(events)) == [
        "control: 'reload' begins",
        "control: 'reload' is done",
        "control: 'rollback ctr 17' begins",
        "control: 'rollback ctr 17' failed: there is no snapshot 17",
    ]


# -- clients that do not read --------------------------------------------------------------------------------------


def test_for_a_client_that_does_not_read_no_command_is_begun(world: World, client: Client) -> None:
    client.control.pauseProducing()
    assert not client.reading()
    client.send(b"models\n")  # TLS may have decrypted more than was taken
    assert client.answers() == []
    client.control.resumeProducing()
    assert client.answers() == [[{"model": "ctr"}]]
    assert client.reading()


def test_a_client_that_stops_reading_while_its_command_is_under_way_is_not_read_after_it(
    world: World, client: Client
) -> None:
    client.send(b"snapshot ctr\nmodels\n")
    world.clock.advance(0)
    client.control.pauseProducing()
    world.work.under_way["ctr"].callback({})
    assert client.answers() == [{}]
    assert not client.reading()
    client.control.resumeProducing()
    assert client.answers() == [[{"model": "ctr"}]]
    assert client.reading()


# -- the end of a connection ---------------------------------------------------------------------------------------


def test_a_client_that_shuts_down_its_side_is_answered_and_then_closed(client: Client) -> None:
    client.send(b"models\nstats ctr")
    client.end()
    assert not client.closed()
    assert client.answers() == [[{"model": "ctr"}], {"model": "ctr", "loss": None}]
    assert client.closed()
    assert client.transport.producer is None


def test_a_client_that_shuts_down_its_side_during_a_command_is_answered_and_then_closed(
    world: World, client: Client
) -> None:
    client.send(b"snapshot ctr\n")
    world.clock.advance(0)
    client.end()
    assert not client.closed()
    world.work.under_way["ctr"].callback({})
    assert client.answers() == [{}]
    assert client.closed()


def test_a_client_without_a_command_is_closed_when_it_shuts_down_its_side(client: Client) -> None:
    client.send(b" \n")
    client.end()
    assert client.answers() == []
    assert client.closed()


def test_a_command_outlives_its_client(world: World, client: Client) -> None:
    client.send(b"snapshot ctr\nreload\n")
    world.clock.advance(0)
    client.leave()
    with capturedLogs() as events:
        world.work.under_way["ctr"].callback({"number": 7})
    assert client.answers() == []
    assert list(logged(events)) == ["control: 'snapshot ctr' is done"]
    assert world.work.begun == [("snapshot", "ctr")]
    assert not world.clock.getDelayedCalls()


def test_a_command_that_fails_after_its_client_is_gone_is_in_the_log(world: World, client: Client) -> None:
    client.send(b"snapshot ctr\n")
    world.clock.advance(0)
    client.leave()
    with capturedLogs() as events:
        world.work.under_way["ctr"].errback(ZeroDivisionError())
    assert any(event["log_level"] is LogLevel.critical for event in events)


def test_a_command_that_was_not_begun_goes_with_its_client(world: World, client: Client) -> None:
    client.send(b"reload\n")
    client.leave()
    world.clock.advance(0)
    assert world.work.begun == []


# -- the channel as a whole ----------------------------------------------------------------------------------------


def test_a_client_too_many_is_told_so_and_closed(world: World) -> None:
    clients = [world.connect() for _ in range(MOST_CONNECTIONS)]
    refused = world.connect()
    (answer,) = refused.answers()
    assert cast(dict[str, str], answer)["error"] == "busy"
    assert refused.closed()
    clients[3].leave()
    accepted = world.connect()
    accepted.send(b"models\n")
    assert accepted.answers() == [[{"model": "ctr"}]]


def test_a_drain_without_clients_is_over_at_once(world: World) -> None:
    done: list[None] = []
    world.control.drain(10.0).addCallback(done.append)
    assert done == [None]
    assert not world.clock.getDelayedCalls()


def test_a_drain_closes_idle_clients_and_drops_what_was_not_begun(world: World) -> None:
    idle, waiting = world.connect(), world.connect()
    waiting.send(b"reload\n")
    world.control.drain(10.0)
    assert idle.closed()
    assert waiting.closed()
    waiting.send(b"reload\n")
    assert waiting.answers() == []
    assert world.work.begun == []


def test_a_drain_waits_for_the_command_under_way_and_begins_no_other(world: World, client: Client) -> None:
    client.send(b"snapshot ctr\nreload\n")
    world.clock.advance(0)
    done: list[None] = []
    world.control.drain(10.0).addCallback(done.append)
    assert not client.closed()
    client.send(b"models\n")
    world.work.under_way["ctr"].callback({"number": 7})
    assert client.answers() == [{"number": 7}]
    assert client.closed()
    assert not done
    client.leave()
    assert done == [None]
    assert world.work.begun == [("snapshot", "ctr")]
    assert not world.clock.getDelayedCalls()


def test_a_drain_has_a_deadline(world: World, client: Client) -> None:
    client.send(b"snapshot ctr\n")
    world.clock.advance(0)
    world.control.drain(10.0)
    world.clock.advance(9)
    assert not client.closed()
    world.clock.advance(2)
    assert client.transport.disconnected
    client.leave()
    world.work.under_way["ctr"].callback({"number": 7})
    assert client.answers() == []
