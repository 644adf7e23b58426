"""The drivers: the same few lines of client for every server, which send examples and count what comes back.

A figure is worth something only if the client is not what is measured. So all bytes are made before the clock starts,
answers are only counted while it runs, and the time that this process was busy is told with the result.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

from vwserve.bench.workloads import BenchError

_SEND_BYTES = 256 << 10
_RECEIVE_BYTES = 1 << 20
_STALL_S = 30.0
_CLOSED = "the server closed a connection before it had answered every line"


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement: `answers` of each connection, `latencies_ns` of each request where they went one at a time.

    `begins_ns` tells when these were sent, by time.perf_counter_ns, where there was one connection.
    """

    lines: int
    elapsed_s: float
    busy_s: float
    answers: Sequence[bytes]
    latencies_ns: Sequence[int] = ()
    begins_ns: Sequence[int] = ()

    @property
    def lines_s(self) -> float:
        """Lines answered a second."""
        return self.lines / self.elapsed_s

    @property
    def busy(self) -> float:
        """The share of the time in which this process, the load generator, was running."""
        return self.busy_s / self.elapsed_s


@contextmanager
def _closing_told() -> Iterator[None]:
    """Turn what the system says about a connection that the server closed into a BenchError."""
    try:
        yield
    except (BrokenPipeError, ConnectionResetError) as error:
        raise BenchError(_CLOSED) from error


@_closing_told()
def pipelined(connections: Sequence[socket.socket], shares: Sequence[Sequence[bytes]], gather_bytes: int = 1) -> Load:
    """Send each connection its lines as fast as it takes them, and read answers as they come.

    `gather_bytes` is what the system collects before it says that there is something to read. Raises BenchError where
    answers stop coming or are too many.
    """
    blobs = [memoryview(b"".join(share)) for share in shares]
    expected = [len(share) for share in shares]
    sent = [0] * len(blobs)
    received: list[list[bytes]] = [[] for _ in blobs]
    counts = [0] * len(blobs)
    with select.epoll() as poll:
        places = {connection.fileno(): place for place, connection in enumerate(connections)}
        for connection in connections:
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, gather_bytes)
            poll.register(connection, select.EPOLLIN | select.EPOLLOUT)
        open_places = len(blobs)
        busy_s, start_s = -time.process_time(), time.perf_counter()
        while open_places:
            events = poll.poll(_STALL_S)
            if not events:
                raise BenchError(_stalled(sum(counts), sum(expected)))
            for descriptor, event in events:
                place = places[descriptor]
                connection = connections[place]
                if event & select.EPOLLIN:
                    received[place].append(_received(connection))
                    counts[place] += received[place][-1].count(b"\n")
                    missing = expected[place] - counts[place]
                    if missing <= 0:
                        poll.unregister(connection)
                        open_places -= 1
                    elif gather_bytes > 1 and missing <= gather_bytes:
                        # The last answers may be fewer bytes than would wake us; each has one at least.
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
                if event & select.EPOLLOUT and sent[place] < len(blobs[place]):
                    sent[place] += connection.send(blobs[place][sent[place] : sent[place] + _SEND_BYTES])
                    if sent[place] == len(blobs[place]):
                        poll.modify(connection, select.EPOLLIN)
        elapsed_s = time.perf_counter() - start_s
        busy_s += time.process_time()
    answers = [b"".join(texts) for texts in received]
    _check(connections, expected, answers)
    return Load(sum(expected), elapsed_s, busy_s, answers)


@_closing_told()
def one_at_a_time(connection: socket.socket, lines: Iterable[bytes]) -> Load:
    """Send a line, wait for its answer, send the next."""
    connection.setblocking(True)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(_STALL_S), 0))
    clock, send, receive = time.perf_counter_ns, connection.send, connection.recv
    answers: list[bytes] = []
    latencies_ns: list[int] = []
    begins_ns: list[int] = []
    busy_s, start_s = -time.process_time(), time.perf_counter()
    try:
        for line in lines:
            begin = clock()
            begins_ns.append(begin)
            send(line)
            answer = receive(4096)
            while answer[-1:] != b"\n":
                more = receive(4096)
                if not more:
                    raise BenchError(_CLOSED)
                answer += more
            latencies_ns.append(clock() - begin)
            answers.append(answer)
    except BlockingIOError as error:
        raise BenchError(_stalled(len(answers), len(begins_ns))) from error
    elapsed_s = time.perf_counter() - start_s
    busy_s += time.process_time()
    text = b"".join(answers)
    _check([connection], [len(begins_ns)], [text])
    return Load(len(begins_ns), elapsed_s, busy_s, [text], latencies_ns, begins_ns)


@_closing_told()
def many_one_at_a_time(connections: Sequence[socket.socket], shares: Sequence[Iterable[bytes]]) -> Load:
    """On every connection send a line, wait for its answer, send the next; each has one line at least."""
    clock = time.perf_counter_ns
    answers: dict[int, list[bytes]] = {}
    sent: dict[int, int] = {}
    latencies_ns: list[int] = []
    with select.epoll() as poll:
        pending: dict[int, tuple[socket.socket, Iterator[bytes]]] = {}
        for connection, share in zip(connections, shares, strict=True):
            connection.setblocking(False)
            poll.register(connection, select.EPOLLIN)
            answers[connection.fileno()] = []
            pending[connection.fileno()] = (connection, iter(share))
        begins: dict[int, int] = {}
        waiting = len(pending)
        busy_s, start_s = -time.process_time(), time.perf_counter()
        for descriptor, (connection, rest) in pending.items():
            begins[descriptor] = clock()
            sent[descriptor] = 1
            connection.send(next(rest))
        while waiting:
            events = poll.poll(_STALL_S)
            if not events:
                raise BenchError(_stalled(len(latencies_ns), sum(sent.values())))
            for descriptor, _ in events:
                connection, rest = pending[descriptor]
                answer = _received(connection)
                answers[descriptor].append(answer)
                if answer[-1:] != b"\n":
                    continue
                now = clock()
                latencies_ns.append(now - begins[descriptor])
                line = next(rest, None)
                if line is None:
                    waiting -= 1
                else:
                    begins[descriptor] = now
                    sent[descriptor] += 1
                    connection.send(line)
        elapsed_s = time.perf_counter() - start_s
        busy_s += time.process_time()
    texts = [b"".join(answers[connection.fileno()]) for connection in connections]
    _check(connections, list(sent.values()), texts)
    return Load(len(latencies_ns), elapsed_s, busy_s, texts, latencies_ns)


def dealt(lines: Sequence[bytes], connections: int) -> list[Sequence[bytes]]:
    """Each connection's share of the lines, in consecutive stretches; at least one line each."""
    if len(lines) < connections:
        raise BenchError(f"{len(lines)} lines do not suffice for {connections} connections")
    ends = [len(lines) * place // connections for place in range(connections + 1)]
    return [lines[start:end] for start, end in pairwise(ends)]


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(_RECEIVE_BYTES)
    if not data:
        raise BenchError(_CLOSED)
    return data


def _check(connections: Sequence[socket.socket], expected: Sequence[int], answers: Sequence[bytes]) -> None:
    """Refuse a measurement in which the server answered anything but each line once."""
    for connection, lines, text in zip(connections, expected, answers, strict=True):
        connection.setblocking(False)
        try:
            rest = connection.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            rest = b""
        if rest or text.count(b"\n") != lines or not text.endswith(b"\n"):
            answered = (text + rest).count(b"\n")
            raise BenchError(f"{lines} lines were answered by {answered} lines")
        _, refused, why = text.partition(b"!error")
        if refused:
            raise BenchError(f"a line was refused: {why.splitlines()[0].decode('utf-8', 'replace')}")


def _stalled(answered: int, sent: int) -> str:
    return f"no answer for {_STALL_S:g} s, after {answered} of {sent}"
