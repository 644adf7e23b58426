"""Lone requests of many clients that are ready in one turn of the reactor, answered as one chunk.

A line by itself costs three times what it costs among others, and the sooner the last of many clients has its answer,
the sooner it sends again. So while a turn has several clients to read from, a read that is nothing but one plain line
waits until all are read; then the lines for one model go to it together, and each client gets its line of the answers.
With 64 clients that send one line at a time this answers half as many again, the slowest of them sooner. Where a turn
has just one client nothing waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.logger import Logger

from vwserve.daemon.commit import GroupCommit
from vwserve.lines import CHUNK_LINES
from vwserve.wire import Model


class Client(Protocol):
    """A connection with a lone request."""

    def answer(self, data: bytes) -> None:
        """Answer what it read, by itself."""

    def deliver(self, text: bytes) -> None:
        """Send the answer that was made for it."""

    def hold(self, text: bytes, appended: int) -> None:
        """Send the answer once what was appended since is on the disk; see `GroupCommit.hold`."""

    def fail(self) -> None:
        """Tell of a fault of ours, and close."""


class Turn:
    """One turn of the reactor after the other; `gathering` tells whether lone requests wait for its end.

    `commit` is set where answers may have to be held: the one that the clients have.
    """

    log = Logger()

    def __init__(self) -> None:
        self.gathering = False
        self.commit: GroupCommit | None = None
        self._waiting: dict[Model, list[tuple[Client, bytes]]] = {}

    def begin(self, clients: int) -> None:
        """A turn with so many descriptors to see to begins."""
        self.gathering = clients > 1

    def add(self, model: Model, client: Client, data: bytes) -> None:
        """Let a line, with its newline, wait for the others."""
        self._waiting.setdefault(model, []).append((client, data))

    def end(self) -> None:
        """Everybody was read from: answer those who wait."""
        self.gathering = False
        waiting, self._waiting = self._waiting, {}
        for model, requests in waiting.items():
            for start in range(0, len(requests), CHUNK_LINES):
                self._answer(model, requests[start : start + CHUNK_LINES])

    def _answer(self, model: Model, requests: Sequence[tuple[Client, bytes]]) -> None:
        text, commit = None, self.commit
        appended = 0 if commit is None else commit.appended
        if len(requests) > 1:
            try:
                text = model.answer_ordinary(b"".join([data for _, data in requests]))
            except Exception:
                self.log.failure("a fault of vwserve; closing {clients} connections", clients=len(requests))
                for client, _ in requests:
                    client.fail()
                return
        if text is None:
            for client, data in requests:
                client.answer(data)
            return
        answers = text.split(b"\n")[:-1]
        each = len(answers) // len(requests)  # some learners end theirs with an empty line
        held = commit is not None and commit.appended != appended
        for place, (client, _) in enumerate(requests):
            answer = b"\n".join([*answers[place * each : (place + 1) * each], b""])
            if held:
                client.hold(answer, appended)
            else:
                client.deliver(answer)
