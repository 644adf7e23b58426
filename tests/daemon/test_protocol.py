"""A connection: who waits for whom, and how it ends."""

from collections.abc import Callable, Sequence
from typing import cast

import pytest
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure

from vwserve.daemon.protocol import TURN_CHUNKS, LineProtocol
from vwserve.wire import Models, Session

CHUNK = b"|a\n" * 250


class Echo:
    """A model that answers each line by itself."""

    multiline = False
    spaceless = True

    def __init__(self) -> None:
        self.answered = 0

    def answer_ordinary(self, chunk: bytes) -> bytes | None:
        """The chunk, unless some line of it is unusual."""
        if b"!" in chunk:
            return None
        if b"fault" in chunk:
            raise ZeroDivisionError("a fault of the model")
        self.answered += chunk.count(b"\n")
        return chunk

    def answer(self, chunk: bytes) -> bytes:
        """The chunk."""
        return chunk


class OneModel:
    """Models that are all the same one."""

    def __init__(self, model: Echo) -> None:
        self._model = model

    def get(self, name: str) -> Echo:
        """The one."""
        return self._model

    def names(self) -> Sequence[str]:
        """Its name."""
        return ["echo"]


class Connection:
    """A protocol on a clock, and what it told its owner."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.model = Echo()
        self.gone: list[LineProtocol] = []
        session = Session(cast(Models, OneModel(self.model)), "echo", line_bytes=1 << 16, request_bytes=1 << 16)
        self.protocol = LineProtocol(session, self.clock, self.gone.append)


class Stream(Connection):
    """A connection over a transport that is no socket, as TLS is none."""

    def __init__(self) -> None:
        super().__init__()
        self.transport = StringTransport()
        self.protocol.transport = self.transport
        self.protocol.connectionMade()

    def reading(self) -> bool:
        """Whether the transport reads."""
        return self.transport.producerState == "producing"

    def closing(self) -> bool:
        """Whether the transport closes once everything is sent."""
        return self.transport.disconnecting


class Descriptor(FileDescriptor):
    """A socket whose client reads `room` bytes, with a reactor that notes whom it watches."""

    def __init__(self) -> None:
        super().__init__(cast(IReactorFDSet, self))
        self.connected = 1
        self.room = 1 << 30
        self.sent = b""
        self.reading, self.writing = True, False
        self.ended = self.closed = self.aborted = False

    def addReader(self, reader: object) -> None:
        """Watch for input."""
        self.reading = True

    def removeReader(self, reader: object) -> None:
        """Watch no more."""
        self.reading = False

    def addWriter(self, writer: object) -> None:
        """Watch for room."""
        self.writing = True

    def removeWriter(self, writer: object) -> None:
        """Watch no more."""
        self.writing = False

    def writeSomeData(self, data: bytes) -> int:
        """Take what there is room for."""
        taken = bytes(data[: self.room])
        self.sent += taken
        self.room -= len(taken)
        return len(taken)

    def getHandle(self) -> "Descriptor":
        """The socket."""
        return self

    def send(self, data: bytes) -> int:
        """Take what there is room for, as a socket."""
        taken = self.writeSomeData(data)
        if not taken:
            raise BlockingIOError
        return taken

    def client_reads(self, room: int = 1 << 30) -> None:
        """There is room again, and the reactor says so."""
        self.room = room
        while self.writing and self.room and not self.closed:
            self.closed = cast(Callable[[], object], self.doWrite)() is not None

    def connectionLost(self, reason: object) -> None:
        """The connection is closed."""
        self.closed = True
        self.connected = 0

    def _closeWriteConnection(self) -> None:
        self.ended = True
        self.protocol.writeConnectionLost()

    def abortConnection(self) -> None:
        """Closed at once."""
        self.aborted = True

    protocol: LineProtocol


class Socket(Connection):
    """A connection over a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptor = Descriptor()
        self.descriptor.protocol = self.protocol
        self.protocol.transport = self.descriptor
        self.protocol.connectionMade()

    def reading(self) -> bool:
        """Whether the reactor watches for input."""
        return self.descriptor.reading

    def ended(self) -> bool:
        """Whether our side is closed."""
        return self.descriptor.ended

    def closed(self) -> bool:
        """Whether both sides are."""
        return self.descriptor.closed


@pytest.fixture
def stream() -> Stream:
    """A connection over a transport that is no socket."""
    return Stream()


@pytest.fixture
def socket() -> Socket:
    """A connection over a socket."""
    return Socket()


# -- any transport -------------------------------------------------------------------------------------------------


def test_what_arrives_is_answered_in_order(stream: Stream) -> None:
    stream.protocol.dataReceived(b"|a\n|b")
    stream.protocol.dataReceived(b"\n|c\n!ping\n")
    assert stream.transport.value() == b"|a\n|b\n|c\npong\n"
    assert stream.transport.streaming
    assert stream.transport.producer is not None


def test_a_paused_connection_neither_answers_nor_reads(stream: Stream) -> None:
    stream.protocol.pauseProducing()
    assert not stream.reading()
    stream.protocol.dataReceived(b"|a\n")  # TLS may have decrypted more than was taken
    assert stream.model.answered == 0
    stream.protocol.resumeProducing()
    assert stream.reading()
    assert stream.transport.value() == b"|a\n"


def test_a_client_that_shuts_down_its_side_is_answered_and_then_closed(stream: Stream) -> None:
    stream.protocol.dataReceived(b"|a\n|b")
    assert not stream.closing()
    stream.protocol.readConnectionLost()
    assert stream.transport.value() == b"|a\n|b\n"
    assert stream.closing()
    assert stream.transport.producer is None


def test_a_paused_client_that_shuts_down_its_side_is_answered_when_it_reads(stream: Stream) -> None:
    stream.protocol.pauseProducing()
    stream.protocol.dataReceived(b"|a\n|b")
    stream.protocol.readConnectionLost()
    assert not stream.closing()
    stream.protocol.resumeProducing()
    assert stream.transport.value() == b"|a\n|b\n"
    assert stream.closing()


def test_a_turn_answers_so_much_and_then_others_have_theirs(stream: Stream) -> None:
    stream.protocol.dataReceived(CHUNK * (2 * TURN_CHUNKS + 1))
    assert stream.model.answered == 250 * TURN_CHUNKS
    assert not stream.reading()
    stream.clock.advance(0)
    assert stream.transport.value() == CHUNK * (2 * TURN_CHUNKS + 1)
    assert stream.reading()
    assert not stream.clock.getDelayedCalls()


def test_between_turns_a_client_may_stop_reading(stream: Stream) -> None:
    stream.protocol.dataReceived(CHUNK * (TURN_CHUNKS + 1))
    stream.protocol.pauseProducing()
    stream.clock.advance(0)
    assert stream.model.answered == 250 * TURN_CHUNKS
    stream.protocol.resumeProducing()
    assert stream.transport.value() == CHUNK * (TURN_CHUNKS + 1)
    assert stream.reading()


def test_between_turns_a_client_may_shut_down_its_side(stream: Stream) -> None:
    stream.protocol.dataReceived(CHUNK * (TURN_CHUNKS + 1) + b"|z")
    stream.protocol.readConnectionLost()
    assert not stream.closing()
    stream.clock.advance(0)
    assert stream.transport.value() == CHUNK * (TURN_CHUNKS + 1) + b"|z\n"
    assert stream.closing()


def test_a_client_that_is_gone_has_no_more_turns(stream: Stream) -> None:
    stream.protocol.dataReceived(CHUNK * (TURN_CHUNKS + 1))
    stream.protocol.connectionLost()
    assert stream.gone == [stream.protocol]
    assert not stream.clock.getDelayedCalls()
    assert stream.model.answered == 250 * TURN_CHUNKS


def test_an_unfinished_request_of_a_client_that_is_gone_is_not_served(stream: Stream) -> None:
    stream.protocol.dataReceived(b"@echo batch\n|a\n|b")
    stream.protocol.connectionLost(Failure(ConnectionLost()))
    assert stream.model.answered == 0


def test_a_fault_of_ours_is_logged_and_told_after_the_answers_before_it(stream: Stream) -> None:
    with capturedLogs() as events:
        stream.protocol.dataReceived(CHUNK + b"|fault\n")
    assert stream.transport.value() == CHUNK + b"!error internal a fault of vwserve; its log says more\n"
    assert stream.closing()
    assert [(event["log_level"], event["log_failure"].type) for event in events] == [
        (LogLevel.critical, ZeroDivisionError)
    ]
    stream.protocol.dataReceived(b"|a\n")
    assert stream.model.answered == 250


def test_a_drain_answers_what_was_read_and_takes_no_more(stream: Stream) -> None:
    stream.protocol.pauseProducing()
    stream.protocol.dataReceived(b"|a\n|unfinished")
    stream.protocol.drain()
    assert not stream.closing()
    stream.protocol.dataReceived(b"|b\n")
    stream.protocol.resumeProducing()
    assert stream.transport.value() == b"|a\n"
    assert stream.closing()


def test_an_idle_connection_is_closed_and_one_that_does_not_read_is_cut(stream: Stream) -> None:
    stream.protocol.expire()
    assert stream.closing()
    assert not stream.transport.disconnected
    stream.protocol.expire()
    assert stream.transport.disconnected


def test_sending_and_reading_count_as_activity(stream: Stream) -> None:
    stream.clock.advance(5)
    assert stream.protocol.active_at == 0
    stream.protocol.dataReceived(b"|")
    assert stream.protocol.active_at == 5
    stream.protocol.pauseProducing()
    stream.clock.advance(5)
    stream.protocol.resumeProducing()
    assert stream.protocol.active_at == 10


# -- sockets -------------------------------------------------------------------------------------------------------


def test_answers_are_sent_at_once(socket: Socket) -> None:
    socket.protocol.dataReceived(b"|a\n")
    assert socket.descriptor.sent == b"|a\n"
    assert not socket.descriptor.writing
    assert socket.reading()


def test_a_client_that_does_not_read_is_neither_answered_nor_read(socket: Socket) -> None:
    socket.descriptor.room = 100
    data = CHUNK * 3
    socket.protocol.dataReceived(data)
    assert socket.descriptor.sent == data[:100]
    assert not socket.reading()
    assert socket.descriptor.writing
    socket.descriptor.client_reads(200)
    assert socket.descriptor.sent == data[:300]
    assert not socket.reading()
    socket.descriptor.client_reads()
    assert socket.descriptor.sent == data
    assert socket.reading()
    socket.protocol.dataReceived(b"|b\n")
    assert socket.descriptor.sent == data + b"|b\n"


def test_answers_wait_for_a_client_that_does_not_read_uncomputed(socket: Socket) -> None:
    socket.descriptor.room = 0
    socket.protocol.dataReceived(CHUNK * (TURN_CHUNKS + 2))
    assert socket.model.answered == TURN_CHUNKS * 250
    socket.descriptor.client_reads()
    socket.clock.advance(0)
    assert socket.descriptor.sent == CHUNK * (TURN_CHUNKS + 2)


def test_a_half_closed_client_that_reads_late_has_everything_before_the_end(socket: Socket) -> None:
    socket.descriptor.room = 0
    socket.protocol.dataReceived(CHUNK * 2 + b"|z")
    socket.protocol.readConnectionLost()
    assert not socket.closed()
    socket.descriptor.client_reads()
    assert socket.descriptor.sent == CHUNK * 2 + b"|z\n"
    assert socket.closed()


def test_a_drain_closes_our_side_and_lets_the_client_close_its_own(socket: Socket) -> None:
    socket.protocol.dataReceived(b"|a\n|unfinished")
    socket.protocol.drain()
    socket.descriptor.client_reads()
    assert socket.ended()
    assert not socket.closed()
    assert socket.reading()
    socket.protocol.dataReceived(b"|b\n")
    assert socket.descriptor.sent == b"|a\n"
    socket.protocol.readConnectionLost()
    assert socket.closed()


def test_a_drain_waits_until_a_slow_client_has_its_answers(socket: Socket) -> None:
    socket.descriptor.room = 10
    socket.protocol.dataReceived(CHUNK)
    socket.protocol.drain()
    assert not socket.ended()
    socket.protocol.release()
    assert not socket.closed()
    socket.descriptor.client_reads()
    assert socket.descriptor.sent == CHUNK
    assert socket.ended()


def test_a_drained_client_that_holds_on_is_released(socket: Socket) -> None:
    socket.protocol.drain()
    socket.descriptor.client_reads()
    assert socket.ended()
    assert not socket.closed()
    socket.protocol.release()
    assert socket.closed()


def test_a_client_that_half_closed_before_a_drain_is_answered_and_closed(socket: Socket) -> None:
    socket.descriptor.room = 0
    socket.protocol.dataReceived(b"|a\n|b")
    socket.protocol.readConnectionLost()
    socket.protocol.drain()
    socket.descriptor.client_reads()
    assert socket.descriptor.sent == b"|a\n|b\n"
    assert socket.closed()


def test_abort_is_at_once(socket: Socket) -> None:
    socket.descriptor.room = 0
    socket.protocol.dataReceived(CHUNK)
    socket.protocol.abort()
    assert socket.descriptor.aborted
