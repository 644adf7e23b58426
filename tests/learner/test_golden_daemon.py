"""The answers of the real `vw --daemon` over a socket, byte for byte: what an existing client is used to."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.learner import lines
from tests.learner.reference import PATIENCE_S, joined, joined_groups
from vwserve.learner import Learner
from vwserve.wire.framing import LineFramer

pytestmark = pytest.mark.e2e


@contextmanager
def daemon(arguments: str) -> Iterator[socket.socket]:
    """A connection to `vw --daemon`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = f"-m vowpalwabbit --daemon --foreground --num_children 1 --port {port} --passes 1 --quiet {arguments}"
    process = subprocess.Popen([sys.executable, *command.split()], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield connected(process, port)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE_S)
        assert b"Traceback" not in said


def connected(process: subprocess.Popen[bytes], port: int) -> socket.socket:
    """A connection as soon as the daemon listens."""
    while process.poll() is None:
        connection = socket.socket()
        connection.settimeout(PATIENCE_S)
        if connection.connect_ex(("127.0.0.1", port)) == 0:
            return connection
        connection.close()
    raise AssertionError("vw has ended")


def answered(arguments: str, data: bytes) -> bytes:
    """All that the daemon answers."""
    received = []
    with daemon(arguments) as connection, connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(1 << 16):
            received.append(piece)
    return b"".join(received)


SINGLE: list[tuple[str, Callable[[random.Random], bytes]]] = [
    ("-q fg", lines.simple),
    ("--loss_function logistic --link logistic", lines.binary),
    ("--oaa 5", lines.multiclass),
    ("--oaa 5 --probabilities --loss_function logistic", lines.multiclass),
    ("--csoaa 5", lines.costs),
    ("--multilabel_oaa 5", lines.multilabel),
    ("--cb 5", lines.bandit),
    ("--cb_explore 5", lines.bandit),
    ("--cats_pdf 4 --bandwidth 3 --min_value 0 --max_value 32", lines.continuous),
]


@pytest.mark.parametrize(("arguments", "form"), SINGLE)
def test_single_line_examples(arguments: str, form: Callable[[random.Random], bytes]) -> None:
    data = joined(lines.stream(form, 150))
    learner = Learner(arguments)
    assert learner.answer(data) == answered(arguments, data)
    learner.close()


@pytest.mark.parametrize(
    ("arguments", "form"),
    [
        ("--csoaa_ldf m", lines.costed_actions),
        ("--cb_adf", lines.bandit_actions),
        ("--cb_explore_adf --softmax", lines.bandit_actions),
        ("--ccb_explore_adf", lines.slots),
        ("--slates", lines.slates),
    ],
)
def test_multi_line_examples(arguments: str, form: Callable[[random.Random], list[bytes]]) -> None:
    groups = lines.groups(form, 60)
    learner = Learner(arguments)
    assert b"".join(learner.answer_groups(groups)) == answered(arguments, joined_groups(groups))
    learner.close()


def test_a_byte_order_mark_and_windows_line_ends() -> None:
    learner = Learner()
    sent = b"\xef\xbb\xbf1 |f a\r\n\xef\xbb\xbf|f a\r\n\xef\xbb\xbf't |f a b\r\n"
    framer = LineFramer(line_bytes=1000)
    framer.feed(sent)
    assert [learner.answer(chunk) for chunk in framer.chunks if isinstance(chunk, bytes)] == [answered("", sent)]
    learner.close()


def test_a_static_model() -> None:
    data = joined(lines.stream(lines.simple, 100))
    learner = Learner("--random_weights", learn=False)
    assert learner.answer(data) == answered("-t --random_weights", data)
    learner.close()
