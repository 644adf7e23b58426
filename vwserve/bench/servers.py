"""The two daemons, each a process of its own on a loopback port: ours, and the one in C++ from VW's wheel."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from vwserve.bench.workloads import BenchError, Group

_START_S = 30.0
_RETRY_S = 0.02
_STOP_S = 5.0
_LOG_BYTES = 2000


class DaemonProcess:
    """A daemon that is started on entering and gone, with all that it forked, on leaving; its log goes to a file."""

    def __init__(self, name: str, command: Sequence[str], port: int, log: Path) -> None:
        self.name = name
        self._command = command
        self._port = port
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DaemonProcess:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group of its own: what it forks can be ended with it, and Ctrl-C reaches only the load generator.
                start_new_session=True,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, where: TracebackType | None) -> None:
        assert self._process is not None
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def connect(self) -> socket.socket:
        """A connection, waited for while the daemon starts; raises BenchError where it does not."""
        deadline = time.monotonic() + _START_S
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", self._port), timeout=_START_S)
            except ConnectionRefusedError:
                self._check(deadline)
                time.sleep(_RETRY_S)
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection

    def kill(self) -> None:
        """End it now, with all that it forked, as a crash would."""
        assert self._process is not None
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _check(self, deadline: float) -> None:
        assert self._process is not None
        status = self._process.poll()
        if status is None and time.monotonic() < deadline:
            return
        how = f"does not listen after {_START_S:g} s" if status is None else f"ended with status {status}"
        log = self._log.read_bytes()[-_LOG_BYTES:].decode("utf-8", "replace").strip()
        raise BenchError(f"{self.name} {how}; its last words:\n{log or '(none)'}")

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        # The group lives on while a child of the daemon does, and is gone otherwise.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def vwserve_daemon(folder: Path, group: Group, initial: Path | None) -> DaemonProcess:
    """Our daemon, with one model that begins at `initial`, or at zero; its files lie in `folder`."""
    drop = [
        f"vw: {' '.join(group.workload.arguments)}",
        f"learn: {str(group.learn).lower()}",
        *([f"initial: {initial}"] if initial else []),
        "",
    ]
    return serving(folder, "bench", {"bench": "\n".join(drop)})


def serving(folder: Path, model: str, drops: Mapping[str, str], *, control: bool = False) -> DaemonProcess:
    """Our daemon with these drops, by name; unaddressed lines go to `model`. Its files lie in `folder`.

    With `control` it takes commands at `control.sock` there.
    """
    port = free_port()
    configuration = folder / "vwserve.yaml"
    configuration.write_text(
        "\n".join(
            (
                "listen:",
                f"  - endpoint: tcp:{port}:interface=127.0.0.1",
                f"    model: {model}",
                "models: models.d",
                "state: state",
                *(["control: unix:control.sock:mode=600"] if control else []),
                "",
            )
        )
    )
    (folder / "models.d").mkdir(exist_ok=True)
    for name, drop in drops.items():
        (folder / "models.d" / f"{name}.yaml").write_text(drop)
    command = [sys.executable, "-m", "vwserve", "serve", "-c", str(configuration)]
    return DaemonProcess("vwserve", command, port, folder / "vwserve.log")


def vw_daemon(folder: Path, group: Group, initial: Path | None) -> DaemonProcess:
    """VW's own daemon.

    Each of its children serves one connection at a time, so there are as many as connections: with fewer, some
    connections would wait for others to end, with more, it would not be faster.
    """
    port = free_port()
    command = [sys.executable, "-m", "vowpalwabbit", "--daemon", "--foreground", "--port", str(port), "--quiet"]
    command += ["--num_children", str(group.connections)]
    command += ["--passes", "1"]  # without it the module never starts its parser
    command += [*group.workload.arguments, *([] if group.learn else ["-t"])]
    command += ["-i", str(initial)] if initial else []
    return DaemonProcess("C++ vw", command, port, folder / "vw.log")


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
