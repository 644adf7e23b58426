"""The control channel as a client has it: one command, one line of JSON back, however long that takes."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vwserve.client import Endpoint
from vwserve.errors import VwserveError

_CONNECT_S = 10.0
_READ_BYTES = 1 << 16


class Channel:
    """A connection to the control endpoint of a daemon; see `connected`."""

    def __init__(self, endpoint: Endpoint, connection: socket.socket) -> None:
        self._endpoint = endpoint
        self._connection = connection

    def ask(self, line: str) -> str:
        """The line that answers a command; raises VwserveError where none comes."""
        answer = bytearray()
        try:
            self._connection.sendall(os.fsencode(line) + b"\n")
            while not answer.endswith(b"\n"):
                data = self._connection.recv(_READ_BYTES)
                if not data:
                    raise VwserveError("the daemon closed the connection before it answered; its log may say why")
                answer += data
        except OSError as error:
            raise VwserveError(
                f"the connection broke: {error.strerror or error}; the daemon's log may say why"
            ) from error
        return answer.decode("utf-8", "replace").rstrip("\n")

    def parse(self, line: str) -> Any:
        """What such a line says; raises VwserveError where it is no answer."""
        try:
            return json.loads(line)
        except ValueError as error:
            what = f"{self._endpoint} is no control endpoint: it answered {line[:80]!r}"
            raise VwserveError(
                f"{what}; name the endpoint that stands under control: in the daemon's configuration"
            ) from error


def one_word(text: str) -> str:
    """A word of a command; raises VwserveError where a text is none."""
    if text.split() != [text]:
        raise VwserveError(f"{text!r} is empty or has a space in it; no word of a command may")
    return text


def raise_error(answer: Any) -> None:
    """Raise VwserveError where an answer is an error."""
    if isinstance(answer, dict) and "error" in answer:
        raise VwserveError(answer.get("text") or answer["error"])


@contextmanager
def connected(endpoint: Endpoint) -> Iterator[Channel]:
    """Meanwhile, a connection; raises VwserveError where none is made."""
    try:
        connection = endpoint.connect(_CONNECT_S)
    except VwserveError as error:
        raise VwserveError(f"{error}; is the daemon running, and is that its control endpoint?") from error
    with connection:
        yield Channel(endpoint, connection)
