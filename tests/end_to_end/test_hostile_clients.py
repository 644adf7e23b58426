"""Clients that do not behave cost the others nothing, and the daemon no memory."""

import json
import select
import socket
import struct
from collections.abc import Callable

import pytest

from tests.end_to_end.conftest import Client, Daemon, StartDaemon

pytestmark = [pytest.mark.e2e, pytest.mark.fault]

FLAT_KIB = 16 * 1024
QUIET_S = 0.5  # a socket that takes nothing for so long is blocked


def flood(client: Client, data: bytes) -> int:
    """Send without reading until nothing more is taken; how many bytes were."""
    client.socket.setblocking(False)
    sent = 0
    while select.select([], [client.socket], [], QUIET_S)[1]:
        sent += client.socket.send(data[sent % len(data) :])
    return sent


def reset(client: Client) -> None:
    """Leave without a word: the other side sees a connection reset."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_a_client_that_never_reads_is_not_read_and_others_go_on(daemon: Daemon) -> None:
    polite = daemon.connect()
    polite.send(b"|u a\n" * 1000)
    polite.lines(1000)
    before = daemon.memory_kib()
    deaf = [daemon.connect() for _ in range(5)]
    for client in deaf:
        assert flood(client, b"'a_tag_that_comes_back|\n" * 1000) > 0
    polite.send(b"|u a\n")
    assert polite.line() == b"0.500000"
    assert daemon.memory_kib() < before + FLAT_KIB


def test_a_client_that_reads_late_has_lost_nothing(daemon: Daemon) -> None:
    client, data = daemon.connect(), b"'t|u a\n" * 1000
    sent = flood(client, data)
    client.socket.setblocking(True)
    client.end()
    whole, part = divmod(sent, len(b"'t|u a\n"))
    answers = client.rest().split(b"\n")[:-1]
    assert answers[:whole] == [b"0.500000 t"] * whole
    assert len(answers) == whole + (part > 0)


@pytest.mark.parametrize("leave", [Client.close, reset])
def test_a_batch_whose_client_leaves_is_served_whole_or_not_at_all(
    leave: Callable[[Client], None], daemon: Daemon
) -> None:
    client = daemon.connect()
    client.send(b"!ping\n@ctr batch |u a\n1 |a x\n1 |a")
    assert client.line() == b"pong"
    leave(client)
    # The end of the stream finishes a batch, and it looks the same whether the client still reads or not.
    found = json.loads(daemon.ask(b"!stats ctr\n"))
    assert found["errors"] == 0
    assert found["learned"] in (0, 2)
    assert daemon.ask(b"!ping\n") == b"pong\n"


def test_clients_that_reset_in_the_middle_of_a_pipeline(daemon: Daemon) -> None:
    for _ in range(50):
        client = daemon.connect()
        client.send(b"1 |u a\n" * 2000)
        reset(client)
    assert daemon.ask(b"!ping\n") == b"pong\n"
    assert not any("Traceback" in line or "Error" in line for line in daemon.log)


def test_a_line_without_an_end_leaves_no_memory_behind(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings="limits: {line_bytes: 64KiB, request_bytes: 64KiB}\n")
    client = daemon.connect()
    before = daemon.memory_kib()
    for _ in range(1000):
        client.send(b"x" * 65536)
    client.send(b"\n!ping\n")
    assert client.lines(2) == [b"!error too-long the line is longer than 65536 bytes", b"pong"]
    assert daemon.memory_kib() < before + FLAT_KIB


def test_a_batch_without_an_end_leaves_no_memory_behind(daemon: Daemon) -> None:
    client = daemon.connect()
    before = daemon.memory_kib()
    client.send(b"@ctr batch |u a\n")
    for _ in range(500):
        client.send(b"|a x\n" * 10_000)
    client.send(b"\n!ping\n")
    assert client.lines(2) == [b"!error too-long the request is longer than 1048576 bytes", b"pong"]
    assert daemon.memory_kib() < before + FLAT_KIB


def test_a_flood_of_garbage_lets_others_through(daemon: Daemon) -> None:
    noisy, polite = daemon.connect(), daemon.connect()
    noisy.send(b"?\n" * 10_000)
    polite.send(b"|u a\n")
    assert polite.line() == b"0.500000"
    answers = noisy.lines(10_000)
    assert all(answer.startswith(b"!error bad-example ") for answer in answers)


def test_bytes_that_are_no_text_are_refused_line_by_line(daemon: Daemon) -> None:
    garbage = [bytes([byte, 255 - byte]) + b"\0|\xff" for byte in range(256) if 10 not in (byte, 255 - byte)]
    answers = daemon.ask(b"\n".join([*garbage, b"!ping"])).split(b"\n")[:-1]
    assert len(answers) == len(garbage) + 1
    assert all(answer.startswith(b"!error ") for answer in answers[:-1])
    assert answers[-1] == b"pong"


def test_clients_beyond_the_limit_are_told_so_and_there_is_room_again(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings="limits: {connections: 5}\n")
    clients = [daemon.connect() for _ in range(5)]
    for client in clients:
        client.send(b"!ping\n")
        assert client.line() == b"pong"
    assert daemon.connect().rest() == b"!error busy too many connections; try again later\n"
    daemon.wait_for("limits.connections")
    clients[0].end()
    assert clients[0].rest() == b""
    assert daemon.ask(b"!ping\n") == b"pong\n"


def test_an_idle_client_is_closed(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings="limits: {idle: 1s}\n")
    client = daemon.connect()
    client.send(b"|u a\n")
    assert client.line() == b"0.500000"
    assert client.rest() == b""
