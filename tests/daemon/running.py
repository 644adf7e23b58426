"""A daemon on a reactor in memory, its configuration in a folder, and its clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import StringTransport
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from tests.daemon.memory import Reactor, Waiting, result_of
from tests.durability.power import Held, Inline
from vwserve.daemon.service import Daemon
from vwserve.daemon.settings import read_settings

CONFIGURATION = "listen: [{endpoint: 'tcp:1001:interface=127.0.0.1', model: ctr}]\ncontrol: unix:run/c.sock"


class Client:
    """A connection without a socket."""

    def __init__(self, protocol: IProtocol) -> None:
        self.protocol = protocol
        self.transport = StringTransport()
        protocol.makeConnection(self.transport)

    def ask(self, text: bytes) -> bytes:
        """What is answered to `text` at once."""
        self.transport.clear()
        self.protocol.dataReceived(text)
        return self.answered()

    def answered(self) -> bytes:
        """What was answered, since it was last cleared."""
        answer: bytes = self.transport.value()
        return answer

    def closed(self) -> bool:
        """Whether the daemon closes once everything is sent."""
        closing: bool = self.transport.disconnecting
        return closing

    def leave(self) -> None:
        """The connection is no more."""
        self.protocol.connectionLost(connectionDone)


class Command:
    """A command on the control channel, and what became of it."""

    def __init__(self, reactor: Reactor, client: Client, line: str) -> None:
        self._reactor = reactor
        self._client = client
        client.ask(line.encode() + b"\n")
        reactor.turn()

    @property
    def done(self) -> bool:
        """Whether it is answered."""
        return self._client.answered().endswith(b"\n")

    @property
    def answer(self) -> Any:
        """The answer, once all is done that there is to do."""
        self._reactor.settle()
        return json.loads(self._client.answered())

    def leave(self) -> None:
        """Whoever asked is gone."""
        self._client.leave()


class Ran:
    """A daemon; `logged` is what it has logged."""

    def __init__(self, folder: Path, logged: list[str], configuration: str = CONFIGURATION) -> None:
        self.logged = logged
        self.folder = folder
        self.reactor = Reactor()
        self.ahead_s = 0.0  # of the reactor's timers, which the clock was set
        self.executor: Executor = Inline()
        self.syncer: Executor = Inline()
        (folder / "models.d").mkdir()
        self.drop("ctr", "--loss_function logistic --link logistic -b 10")
        self.configure(configuration)
        self.daemon = self.make()
        self._commands: list[Command] = []

    def make(self) -> Daemon:
        """A daemon of the configuration as it is now."""
        read = partial(read_settings, self.folder / "vwserve.yaml")
        reactor = self.reactor
        return Daemon(
            reactor,
            read,
            lambda: reactor.seconds() + self.ahead_s,
            executor=self.executor,
            syncer=self.syncer,
            loader=Inline(),
        )

    def configure(self, text: str) -> None:
        """Write the configuration."""
        (self.folder / "vwserve.yaml").write_text(text + "\n")

    def drop(self, name: str, arguments: str) -> None:
        """Write a drop, of VW's arguments and whatever lines follow."""
        (self.folder / "models.d" / f"{name}.yaml").write_text(f"vw: {arguments}\n")

    def start(self) -> None:
        """Load and listen."""
        loading = Waiting(self.daemon.load())
        self.reactor.settle()
        while not loading.done:
            assert isinstance(self.executor, Held), "it waits for nothing that a test holds"
            self.executor.run()
            self.reactor.settle()
        result_of(self.daemon.listen())

    def reload(self) -> list[str]:
        """Have the configuration read again, and all done that it says; what is wrong."""
        reloading = Waiting(self.daemon.reload())
        self.reactor.settle()
        problems: list[str] = reloading.result
        return problems

    def stop(self) -> None:
        """Stop, where no client is left but those of the control channel, which leave then."""
        while self._commands:
            self._commands.pop().leave()
        stopping = Waiting(self.daemon.stop())
        self.reactor.settle()
        assert stopping.result is None

    @property
    def stopped(self) -> bool:
        """Whether it has stopped."""
        return self.logged[-1:] == ["stopped"]

    def forget(self) -> None:
        """Whoever asked on the control channel has left already."""
        self._commands.clear()

    def restart(self) -> None:
        """Stop, if it has not stopped, and start another daemon over what this one leaves."""
        if not self.stopped:
            self.stop()
        self.reactor = Reactor()
        self.daemon = self.make()
        self.start()

    def ports(self) -> list[int]:
        """The ports that were opened, in the order in which they were."""
        return [server[0] for server in self.reactor.tcpServers]

    def connect(self, listener: int = 0) -> Client:
        """A new client of a listener."""
        protocol = self.reactor.tcpServers[listener][1].buildProtocol(IPv4Address("TCP", "127.0.0.1", 50000))
        assert protocol is not None
        return Client(protocol)

    def ask(self, text: bytes, listener: int = 0) -> bytes:
        """What a new client is answered, which leaves then."""
        client = self.connect(listener)
        answer = client.ask(text)
        client.leave()
        return answer

    def stats(self, name: str = "ctr") -> dict[str, Any]:
        """What `!stats` tells."""
        told: dict[str, Any] = json.loads(self.ask(b"!stats " + name.encode() + b"\n"))
        return told

    def command(self, line: str) -> Command:
        """Begin a command on the control channel."""
        protocol = self.reactor.unixServers[-1][1].buildProtocol(UNIXAddress(b""))
        assert protocol is not None
        self._commands.append(Command(self.reactor, Client(protocol), line))
        return self._commands[-1]

    def ctl(self, line: str) -> Any:
        """The answer to a command, once all is done that there is to do."""
        return self.command(line).answer

    def snapshots(self, name: str = "ctr") -> list[str]:
        """The files of a model's snapshots."""
        return sorted(path.name for path in (self.folder / "state" / name / "snapshots").iterdir())


@contextmanager
def recording() -> Iterator[list[str]]:
    """What is logged meanwhile, as text."""
    lines: list[str] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)
