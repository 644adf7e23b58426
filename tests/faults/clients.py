"""Clients that number what they send and remember what they were answered, also of a daemon that is killed meanwhile.

A request that is to be learned has a tag, `connection-number`, which stands in the journal as it does in the answer.
"""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

PATIENCE_S = 60.0  # after which a daemon that does not answer has failed
CHUNK_REQUESTS = 100
_READ_BYTES = 1 << 18
_LABELLED = 0.9  # of the requests

Make = Callable[[random.Random, bytes, bool], bytes]
"""An example, labelled or not, with a tag."""


class Request(NamedTuple):
    """What is sent, and its tag; empty where it is not to be learned."""

    text: bytes
    tag: bytes


def click(chance: random.Random, tag: bytes, labelled: bool) -> bytes:
    """A line with two namespaces, whose label depends on both together."""
    user, ad = chance.randrange(200), chance.randrange(50)
    label = 1 if (user * 7 + ad * 3) % 11 < 4 else -1
    return b"%s'%s |u u%d age%d |a ad%d cat%d\n" % (
        b"%d " % label if labelled else b"",
        tag,
        user,
        user % 40,
        ad,
        ad % 9,
    )


def numbers(chance: random.Random, tag: bytes, labelled: bool) -> bytes:
    """A line with numbers whose ranges matter, for transforms to find."""
    first, second = chance.uniform(0.0, 10.0), chance.randrange(100)
    label = 1 if (3.0 < first < 6.0) != (second > 70) else -1
    return b"%s'%s |n A:%.3f B:%d |c c%d\n" % (
        b"%d " % label if labelled else b"",
        tag,
        first,
        second,
        chance.randrange(30),
    )


def bandit(chance: random.Random, tag: bytes, labelled: bool) -> bytes:
    """Three actions, of which one was taken and had a cost."""
    taken = chance.randrange(3) if labelled else -1
    lines = [b"shared '%s |u u%d\n" % (tag, chance.randrange(50))]
    for place in range(3):
        label = b"0:%d:0.5 " % chance.randrange(2) if place == taken else b""
        lines.append(b"%s|a a%d\n" % (label, chance.randrange(20)))
    return b"".join([*lines, b"\n"])


@dataclass(frozen=True)
class Kind:
    """The requests for one model: how they are made, and what stands before each; their journals have it by tag."""

    model: str
    make: Make
    address: bytes = b""

    def requests(self, connection: str, seed: str) -> Iterator[Request]:
        """Requests without end, most of them labelled, by a client called `connection`."""
        chance = random.Random(f"{seed} {connection}")
        number = 0
        while True:
            if chance.random() < _LABELLED:
                number += 1
                tag = b"%s-%d" % (connection.encode(), number)
                yield Request(self.address + self.make(chance, tag, True), tag)
            else:
                yield Request(self.address + self.make(chance, b"asked", False), b"")


class Talker(Thread):
    """Sends requests, with at most `window` of them unanswered, until `enough` are sent or the daemon is gone.

    `sent` are those that the daemon may have got, the last of them in part. With `window` 1 it waits for each answer.
    """

    def __init__(self, connection: socket.socket, name: str, kind: Kind, seed: str, window: int) -> None:
        super().__init__(daemon=True)
        self.name = name
        self.kind = kind
        self.sent: list[Request] = []
        self.lost = False
        """Whether the daemon has closed the connection."""
        self.refused = False
        """Whether the last answer to a request that was to be learned is an error."""
        self._connection = connection
        self._requests = kind.requests(name, seed)
        self._window = window
        self._received: list[bytes] = []
        self._answered = 0
        self._partial = b""
        self._enough = Event()

    def run(self) -> None:
        """Talk."""
        self._connection.settimeout(PATIENCE_S)
        try:
            self._talk()
        except (BrokenPipeError, ConnectionResetError):
            self.lost = True
        finally:
            self._connection.close()

    def _talk(self) -> None:
        while True:
            room = self._window - (len(self.sent) - self._answered)
            if not self._enough.is_set() and room >= min(self._window, CHUNK_REQUESTS):
                requests = [next(self._requests) for _ in range(min(room, CHUNK_REQUESTS))]
                self.sent += requests
                self._connection.sendall(b"".join([request.text for request in requests]))
            elif self._answered < len(self.sent):
                data = self._connection.recv(_READ_BYTES)
                if not data:
                    self.lost = True
                    return
                self._take(data)
            elif self._enough.is_set():
                return

    def _take(self, data: bytes) -> None:
        self._received.append(data)
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._answered += len(lines)
        answered = self.sent[self._answered - len(lines) : self._answered]
        learned = [line for line, request in zip(lines, answered) if request.tag]
        if learned:
            self.refused = learned[-1].startswith(b"!error")

    def stop(self) -> None:
        """Send no more, and end once all is answered."""
        self._enough.set()

    @property
    def answered(self) -> int:
        """How many answers have come by now."""
        return self._answered

    @property
    def answers(self) -> Sequence[tuple[Request, bytes]]:
        """Each request that was answered, with its answer."""
        lines = b"".join(self._received).split(b"\n")[:-1]
        assert len(lines) <= len(self.sent), "more answers than requests"
        return list(zip(self.sent, lines))

    @property
    def learned(self) -> Sequence[bytes]:
        """The tags of the requests to be learned, in order, that the daemon may have got."""
        return [request.tag for request in self.sent if request.tag]


class Control:
    """A client of the control channel."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")

    def ask(self, command: str) -> Any:
        """The answer to a command; raises ConnectionError where the daemon is gone."""
        self._socket.sendall(command.encode() + b"\n")
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the daemon is gone")
        return json.loads(line)

    def close(self) -> None:
        """Leave."""
        self._file.close()
        self._socket.close()


class Operator(Thread):
    """Asks for a snapshot of one model after the other until the daemon is gone; `taken` are those that were."""

    def __init__(self, control: Control, models: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self.taken: list[tuple[str, int]] = []
        self._control = control
        self._models = models
        self._enough = Event()

    def run(self) -> None:
        """Ask."""
        try:
            while not self._enough.is_set():
                for model in self._models:
                    answer = self._control.ask(f"snapshot {model}")
                    assert "number" in answer, answer
                    self.taken.append((model, answer["number"]))
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self._control.close()

    def stop(self) -> None:
        """Ask no more."""
        self._enough.set()
