"""Starting and ending the daemons."""

import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vwserve.bench.servers import DaemonProcess, free_port, vw_daemon, vwserve_daemon
from vwserve.bench.workloads import WORKLOADS, BenchError, Group
from vwserve.daemon.settings import read_settings
from vwserve.model.drop_folder import read_drops

# Forks a child that outlives it and is deaf to SIGTERM, as a stuck daemon might be; then serves one connection.
STUBBORN = """
import os, signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if child := os.fork():
    connection, _ = listener.accept()
    connection.sendall(b"%d\\n" % child)
    sys.exit()
signal.pause()
"""


def test_a_daemon_is_gone_with_all_that_it_forked(tmp_path: Path) -> None:
    port = free_port()
    with DaemonProcess("stubborn", [sys.executable, "-c", STUBBORN, str(port)], port, tmp_path / "log") as daemon:
        with daemon.connect() as connection, connection.makefile("rb") as lines:
            child = int(lines.readline())
        handle = os.pidfd_open(child)
    ended, _, _ = select.select([handle], [], [], 10)
    os.close(handle)
    assert ended


def test_a_daemon_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such thing as a free port')"]
    text = r"broken ended with status 1(.|\n)*no such thing as a free port"
    daemon = DaemonProcess("broken", command, free_port(), tmp_path / "log")
    with daemon, pytest.raises(BenchError, match=text):
        daemon.connect()


def test_a_daemon_is_ended_by_an_interrupt(tmp_path: Path) -> None:
    port = free_port()
    process = DaemonProcess("sleeper", [sys.executable, "-c", "import signal; signal.pause()"], port, tmp_path / "log")
    with pytest.raises(KeyboardInterrupt), process:
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("learn", [True, False])
def test_our_daemon_is_configured_as_it_reads_it(learn: bool, tmp_path: Path) -> None:
    initial = tmp_path / "trained.vw"
    initial.touch()
    vwserve_daemon(tmp_path, Group(WORKLOADS[0], learn, 1), None if learn else initial)
    settings = read_settings(tmp_path / "vwserve.yaml")
    assert [listen.model for listen in settings.listen] == ["bench"]
    drops, problems = read_drops(settings.models)
    assert not problems
    (drop,) = drops
    assert (drop.name, drop.vw, drop.learn) == ("bench", "--loss_function logistic -q ua", learn)
    assert drop.initial == (None if learn else initial)


@pytest.mark.e2e
@pytest.mark.parametrize("daemon", [vwserve_daemon, vw_daemon])
def test_both_daemons_learn(daemon: Callable[[Path, Group, None], DaemonProcess], tmp_path: Path) -> None:
    with (
        daemon(tmp_path, Group(WORKLOADS[0], True, 1), None) as process,
        process.connect() as connection,
        connection.makefile("rb") as answers,
    ):
        connection.sendall(b"1 |u a\n1 |u a\n")
        first, second = answers.readline(), answers.readline()
    assert first == b"0\n"
    assert float(second) > 0
