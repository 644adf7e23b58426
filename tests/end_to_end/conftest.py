"""A real daemon in a process of its own, and clients over real sockets."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

PATIENCE_S = 60.0  # after which a daemon that does not do what is waited for has failed

CTR = "vw: --loss_function logistic --link logistic -b 18\n"


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A process whose log lines can be waited for."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._popen = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.log: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._popen.pid

    def _read(self) -> None:
        assert self._popen.stderr is not None
        for line in self._popen.stderr:
            with self._news:
                self.log.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, text: str, times: int = 1) -> str:
        """The log line with `text`, as soon as it was logged so many times."""

        def found() -> list[str]:
            return [line for line in self.log if text in line]

        with self._news:
            self._news.wait_for(lambda: len(found()) >= times or self._ended, PATIENCE_S)
            assert len(found()) >= times, "\n".join([f"not in the log: {text}", *self.log])
            return found()[times - 1]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._popen.send_signal(number)

    def exit_code(self) -> int:
        """Its exit code, once it has ended."""
        code = self._popen.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def kill(self) -> None:
        """End it, and whatever it started."""
        if self._popen.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        if self._popen.stderr is not None:
            self._popen.stderr.close()

    def memory_kib(self) -> int:
        """The memory that it holds."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1])


class Client:
    """One connection, over whatever socket."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        self.socket = connection
        self._read = b""

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def line(self) -> bytes:
        """The next answer, without its newline."""
        return self.lines(1)[0]

    def lines(self, count: int) -> list[bytes]:
        """So many answers."""
        while self._read.count(b"\n") < count:
            data = self.socket.recv(1 << 16)
            assert data, f"the connection ended after {self._read!r}"
            self._read += data
        *lines, self._read = self._read.split(b"\n", count)
        return lines

    def rest(self) -> bytes:
        """Everything up to the end of the stream."""
        while data := self.socket.recv(1 << 16):
            self._read += data
        rest, self._read = self._read, b""
        return rest

    def ask(self, data: bytes) -> bytes:
        """What is answered to this, the client's last word."""
        self.send(data)
        self.end()
        return self.rest()

    def end(self) -> None:
        """Shut down the sending side."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Leave."""
        self.socket.close()


class Daemon(Process):
    """`vwserve serve` with a configuration in a folder of its own."""

    def __init__(self, folder: Path, port: int, *arguments: str) -> None:
        super().__init__([sys.executable, "-m", "vwserve", "serve", *arguments], folder)
        self.folder = folder
        self.port = port
        self._clients: list[Client] = []

    def connect(self, port: int | None = None) -> Client:
        """A new client over TCP."""
        return self.adopt(socket.create_connection(("127.0.0.1", port or self.port), PATIENCE_S))

    def adopt(self, connection: socket.socket) -> Client:
        """A client over this connection."""
        self._clients.append(Client(connection))
        return self._clients[-1]

    def ask(self, data: bytes) -> bytes:
        """What a new client is answered that sends this and shuts down its side."""
        return self.connect().ask(data)

    def terminate(self) -> int:
        """Ask it to stop; its exit code."""
        self.signal(signal.SIGTERM)
        return self.exit_code()

    def kill(self) -> None:
        """End it and its clients."""
        for client in self._clients:
            client.close()
        super().kill()


StartDaemon = Callable[..., Daemon]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for a UNIX socket."""
    with tempfile.TemporaryDirectory(prefix="vwserve-") as name:
        yield Path(name)


def write_models(folder: Path, models: Mapping[str, str]) -> None:
    """Write drops."""
    (folder / "models.d").mkdir(exist_ok=True)
    for name, text in models.items():
        (folder / "models.d" / f"{name}.yaml").write_text(text)


@pytest.fixture
def start_daemon(folder: Path) -> Iterator[StartDaemon]:
    """Starts a daemon and waits until it listens.

    `models` are the texts of drops; `settings` is what stands in vwserve.yaml beside its TCP listener, and `listener`
    beside that listener's endpoint and model.
    """
    daemons: list[Daemon] = []

    def start(models: Mapping[str, str] | None = None, settings: str = "", listener: str = "") -> Daemon:
        models = models or {"ctr": CTR}
        write_models(folder, models)
        port = free_port()
        own = next(iter(models))
        listen = f"listen:\n- {{endpoint: 'tcp:{port}:interface=127.0.0.1', model: {own}{listener}}}\n"
        (folder / "vwserve.yaml").write_text(listen + settings)
        daemons.append(Daemon(folder, port, "-c", "vwserve.yaml"))
        daemons[-1].wait_for("listening on tcp:")
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.kill()


@pytest.fixture
def daemon(start_daemon: StartDaemon) -> Daemon:
    """A daemon with one model, ctr."""
    return start_daemon()
