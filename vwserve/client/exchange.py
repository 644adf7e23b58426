"""A stream of examples against the stream of their answers, both at once, however long they are."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable
from threading import Event, Thread

from vwserve.client.endpoint import EndpointError

_READ_BYTES = 1 << 18
# What ends an open group, and a query: its answer comes last and proves that everything before was answered.
_LAST = b"\n\n!ping\n"
_LAST_ANSWER = b"\npong\n"


def exchange(connection: socket.socket, chunks: Iterable[bytes], take: Callable[[bytes], object]) -> None:
    """Send `chunks`, whole lines or parts of lines, while handing the answers to `take`, until all is answered.

    `take` gets whole lines. Raises EndpointError where the connection breaks before; what the iterable raises is raised
    here.
    """
    faults: list[Exception] = []
    sent = Event()
    sender = Thread(target=_send, args=(connection, chunks, sent, faults), daemon=True)
    sender.start()
    try:
        complete = _receive(connection, take, sent)
    except OSError as error:
        raise EndpointError(f"the connection broke: {error.strerror or error}") from error
    if sent.is_set():
        sender.join()
    if faults and not isinstance(faults[0], OSError):
        raise faults[0]
    if not complete:
        raise EndpointError("the daemon closed the connection before it had answered everything")


def _send(connection: socket.socket, chunks: Iterable[bytes], sent: Event, faults: list[Exception]) -> None:
    try:
        for chunk in chunks:
            connection.sendall(chunk)
        connection.sendall(_LAST)
    except Exception as error:  # raised again in the thread that waits for the answers
        faults.append(error)
    sent.set()
    if faults or not isinstance(connection, ssl.SSLSocket):  # TLS has no half-close
        _end(connection, socket.SHUT_RDWR if faults else socket.SHUT_WR)


def _end(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError:
        return  # the daemon has closed it already, which the receiving side reports


def _receive(connection: socket.socket, take: Callable[[bytes], object], sent: Event) -> bool:
    """Hand on all answers; False where the stream ended without the last one."""
    half_closed = not isinstance(connection, ssl.SSLSocket)
    held = b"\n"  # an end that may be the last answer; the newline stands before the first line
    while data := connection.recv(_READ_BYTES):
        held += data
        if not half_closed and sent.is_set() and held.endswith(_LAST_ANSWER):
            break
        whole = held.rfind(b"\n", 0, -len(_LAST_ANSWER) + 1)
        if whole > 0:
            take(held[1 : whole + 1])
            held = held[whole:]
    complete = held.endswith(_LAST_ANSWER)
    rest = held[1 : -len(_LAST_ANSWER) + 1] if complete else held[1:]
    if rest:
        take(rest)
    return complete
