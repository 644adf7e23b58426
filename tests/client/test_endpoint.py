"""Endpoints as clients write them."""

import socket
from pathlib import Path

import pytest

from vwserve.client.endpoint import Endpoint, EndpointError, parse_endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp:127.0.0.1:26542", Endpoint("tcp", "127.0.0.1", 26542)),
        ("tcp:[::1]:26542", Endpoint("tcp", "::1", 26542)),
        ("unix:run/a:b.sock", Endpoint("unix", "run/a:b.sock")),
        ("tls:models.example:443", Endpoint("tls", "models.example", 443)),
        ("tls:models.example:443:ca.pem", Endpoint("tls", "models.example", 443, Path("ca.pem"))),
    ],
)
def test_reads_an_endpoint(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tcp",
        "tcp:",
        "tcp:host",
        "tcp:host:",
        "tcp:host:0",
        "tcp:host:65536",
        "tcp:host:x",
        "tcp:host:²",
        "tcp::1",
        "unix:",
        "udp:host:1",
        "host:1",
        "tcp:host:1:ca.pem",
    ],
)
def test_refuses_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(EndpointError, match="tcp:HOST:PORT"):
        parse_endpoint(text)


@pytest.mark.parametrize("text", ["tcp:127.0.0.1:26542", "tcp:[::1]:1", "unix:a/b", "tls:host:2"])
def test_prints_as_it_is_written(text: str) -> None:
    assert str(parse_endpoint(text)) == text


def test_says_where_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match=f"cannot connect to unix:{tmp_path}/none: No such file"):
        parse_endpoint(f"unix:{tmp_path}/none").connect(1.0)


def test_connects(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        with parse_endpoint(f"unix:{tmp_path}/socket").connect(1.0) as connection:
            assert connection.gettimeout() is None
