"""A stream of examples against the stream of their answers, over a socket pair and a daemon played by a thread."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread

import pytest

from vwserve.client.endpoint import EndpointError
from vwserve.client.exchange import exchange

Play = Callable[[socket.socket], None]


def echo(connection: socket.socket) -> None:
    """Answer each line by itself, blank ones not at all and the query as a daemon does; the client may go first."""
    with connection, connection.makefile("rb") as lines, suppress(OSError):
        for line in lines:
            if line != b"\n":
                connection.sendall(b"pong\n" if line == b"!ping\n" else line)


def exchanged(play: Play, chunks: Iterator[bytes]) -> list[bytes]:
    """What `exchange` hands on."""
    ours, theirs = socket.socketpair()
    daemon = Thread(target=play, args=(theirs,))
    daemon.start()
    taken: list[bytes] = []
    try:
        with ours:
            exchange(ours, chunks, taken.append)
    finally:
        daemon.join()
    return taken


def test_hands_on_all_answers() -> None:
    lines = [b"%d |u a b c d e f g h i j\n" % number for number in range(50_000)]
    taken = exchanged(echo, (b"".join(lines[start : start + 1000]) for start in range(0, len(lines), 1000)))
    assert b"".join(taken) == b"".join(lines)
    assert all(piece.endswith(b"\n") for piece in taken)


def test_ends_a_last_line_without_newline() -> None:
    assert b"".join(exchanged(echo, iter([b"1 |u a\n", b"1 |u b"]))) == b"1 |u a\n1 |u b\n"


def test_nothing_sent_is_nothing_answered() -> None:
    assert exchanged(echo, iter([])) == []


def test_an_answer_like_the_last_one_is_kept() -> None:
    assert b"".join(exchanged(echo, iter([b"pong\n", b"pong\n"]))) == b"pong\npong\n"


def test_a_daemon_that_goes_early_is_an_error() -> None:
    def play(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"0.5\n")
            connection.recv(1)

    with pytest.raises(EndpointError, match=r"closed the connection|connection broke"):
        exchanged(play, iter([b"|u a\n"] * 10))


def test_what_the_examples_raise_is_raised() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"|u a\n"
        raise KeyError("a fault of the file")

    with pytest.raises(KeyError, match="a fault of the file"):
        exchanged(echo, chunks())
