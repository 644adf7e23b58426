"""The drivers, against a server in a thread that answers each line with its length."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread

import pytest

from vwserve.bench import load
from vwserve.bench.load import Load, dealt, many_one_at_a_time, one_at_a_time, pipelined
from vwserve.bench.workloads import BenchError

Answer = Callable[[bytes], bytes]


def length(line: bytes) -> bytes:
    return b"%d\n" % len(line)


def serve(connection: socket.socket, answer: Answer) -> None:
    """Answer lines until the client closes, or until `answer` says b"close"."""
    with suppress(BrokenPipeError, ConnectionResetError), connection, connection.makefile("rb") as lines:
        for line in lines:
            text = answer(line)
            if text == b"close":
                return
            for part in (text[:1], text[1:]):  # an answer may come in pieces
                connection.sendall(part)


@contextmanager
def server(connections: int, answer: Answer = length) -> Iterator[list[socket.socket]]:
    """Connections to a server, each answered by a thread."""
    pairs = [socket.socketpair() for _ in range(connections)]
    threads = [Thread(target=serve, args=(theirs, answer)) for _, theirs in pairs]
    for thread in threads:
        thread.start()
    try:
        with ExitStack() as stack:
            yield [stack.enter_context(ours) for ours, _ in pairs]
    finally:
        for thread in threads:
            thread.join()


LINES = [b"x" * (number % 97) + b"\n" for number in range(5000)]
Driver = Callable[[Sequence[socket.socket], Sequence[Sequence[bytes]]], Load]


def alone(connections: Sequence[socket.socket], shares: Sequence[Sequence[bytes]]) -> Load:
    return one_at_a_time(connections[0], shares[0])


def gathering(connections: Sequence[socket.socket], shares: Sequence[Sequence[bytes]]) -> Load:
    return pipelined(connections, shares, gather_bytes=4096)


@pytest.mark.parametrize(
    ("driver", "connections"),
    [(pipelined, 1), (pipelined, 5), (gathering, 1), (gathering, 3), (alone, 1), (many_one_at_a_time, 7)],
)
def test_every_line_is_answered_in_order_on_its_connection(driver: Driver, connections: int) -> None:
    shares = dealt(LINES[:1000], connections)
    with server(connections) as ours:
        for _ in range(2):  # a connection may be used again
            measured = driver(ours, shares)
            assert list(measured.answers) == [b"".join(map(length, share)) for share in shares]
            assert measured.lines == 1000
            assert measured.elapsed_s > 0
            assert measured.busy >= 0


@pytest.mark.parametrize(("driver", "connections"), [(alone, 1), (many_one_at_a_time, 4)])
def test_each_request_has_a_latency(driver: Driver, connections: int) -> None:
    with server(connections) as ours:
        measured = driver(ours, dealt(LINES[:100], connections))
    assert len(measured.latencies_ns) == 100
    # One at a time on each connection: all of them together cannot take longer than the run on all connections.
    assert 0 < sum(measured.latencies_ns) <= measured.elapsed_s * 1e9 * connections


def test_a_pipeline_deeper_than_all_buffers_does_not_block() -> None:
    lines = [b"y" * 4000 + b"\n"] * 2000
    with server(1, lambda line: line) as ours:
        assert pipelined(ours, [lines]).answers == [b"".join(lines)]


@pytest.mark.parametrize("driver", [pipelined, alone, many_one_at_a_time])
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda line: b"1\n2\n", "answered by"),
        (lambda line: b"!error bad-example no bar\n", "a line was refused:  bad-example no bar"),
    ],
)
def test_wrong_answers_are_no_measurement(driver: Driver, answer: Answer, text: str) -> None:
    with server(1, answer) as ours, pytest.raises(BenchError, match=text):
        for _ in range(2):  # what came too late for the first is found by the second
            driver(ours, [LINES[:50]])


@pytest.mark.parametrize("driver", [pipelined, alone, many_one_at_a_time])
def test_a_server_that_goes_away_is_no_measurement(driver: Driver) -> None:
    with (
        server(1, lambda line: b"close" if len(line) == 30 else length(line)) as ours,
        pytest.raises(BenchError, match="closed a connection"),
    ):
        driver(ours, [LINES[:60]])


@pytest.mark.parametrize("driver", [pipelined, many_one_at_a_time])
def test_a_server_that_falls_silent_is_no_measurement(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_STALL_S", 0.1)
    with (
        server(1, lambda line: b"" if len(line) > 30 else length(line)) as ours,
        pytest.raises(BenchError, match=r"no answer for 0\.1 s, after 30 of (31|60)"),
    ):
        driver(ours, [LINES[:60]])


def test_lines_are_dealt_in_stretches() -> None:
    assert dealt([b"a", b"b", b"c", b"d", b"e"], 2) == [[b"a", b"b"], [b"c", b"d", b"e"]]
    with pytest.raises(BenchError, match="1 lines do not suffice for 2 connections"):
        dealt([b"a"], 2)
