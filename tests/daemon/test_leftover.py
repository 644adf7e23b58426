"""A socket that a daemon left behind is cleared away; nothing else ever is."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vwserve.daemon.leftover import make_way
from vwserve.errors import VwserveError


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for a UNIX socket."""
    with tempfile.TemporaryDirectory(prefix="vwserve-") as name:
        yield Path(name)


def bound(path: Path, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """A socket with this name."""
    made = socket.socket(socket.AF_UNIX, kind)
    made.bind(str(path))
    return made


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_whose_process_is_gone_is_removed(folder: Path, kind: int) -> None:
    bound(folder / "x", kind).close()
    make_way(folder / "x")
    assert list(folder.iterdir()) == []
    bound(folder / "x").close()


def test_where_nothing_is_nothing_is_done(folder: Path) -> None:
    make_way(folder / "x")
    make_way(folder / "nowhere" / "x")
    assert list(folder.iterdir()) == []


def test_a_socket_with_a_listener_is_in_use(folder: Path) -> None:
    with bound(folder / "x") as listener:
        listener.listen(5)
        with pytest.raises(VwserveError, match="x is in use: another process listens there; stop it, or name another"):
            make_way(folder / "x")
        assert (folder / "x").is_socket()


def test_a_listener_who_is_too_busy_to_accept_is_there_all_the_same(folder: Path) -> None:
    with bound(folder / "x") as listener:
        listener.listen(0)
        waiting = []
        while True:  # until nobody more may wait
            client = socket.socket(socket.AF_UNIX)
            waiting.append(client)
            client.setblocking(False)
            if client.connect_ex(str(folder / "x")):
                break
        with pytest.raises(VwserveError, match="in use"):
            make_way(folder / "x")
        for client in waiting:
            client.close()


def test_a_socket_of_another_kind_is_in_use(folder: Path) -> None:
    with bound(folder / "x", socket.SOCK_DGRAM), pytest.raises(VwserveError, match="in use"):
        make_way(folder / "x")


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo, lambda path: path.symlink_to("y")])
def test_what_is_no_socket_is_never_removed(folder: Path, make: object) -> None:
    assert callable(make)
    make(folder / "x")
    with pytest.raises(VwserveError, match="x is there and is no socket; move it away, or name another path"):
        make_way(folder / "x")
    assert os.path.lexists(folder / "x")


def test_a_link_to_a_socket_is_no_socket(folder: Path) -> None:
    bound(folder / "y").close()
    (folder / "x").symlink_to("y")
    with pytest.raises(VwserveError, match="no socket"):
        make_way(folder / "x")
    assert (folder / "y").is_socket()
