"""`vwserve send`: examples in, predictions out, pipelined."""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from vwserve.client import exchange, parse_endpoint
from vwserve.errors import VwserveError

NAME = "send"
HELP = "send examples to a daemon and print its answers"
EXAMPLE = "vwserve send --model ctr examples.vw > predictions.txt"

_DEFAULT = "tcp:127.0.0.1:26542"
_READ_BYTES = 1 << 16


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--to", metavar="ENDPOINT", default=_DEFAULT, help="tcp:HOST:PORT, unix:PATH or tls:HOST:PORT[:CA.pem]"
    )
    parser.add_argument("--model", metavar="NAME", help="address every example to this model")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=10.0, help="for the connection to be made")
    parser.add_argument(
        "file", metavar="FILE", nargs="?", type=Path, help="examples as VW text; default: standard input"
    )


def run(arguments: argparse.Namespace) -> int:
    """Send all, print the answers in order; 1 where some of them are errors."""
    endpoint = parse_endpoint(arguments.to)
    with _open(arguments.file) as file, endpoint.connect(arguments.timeout) as connection:
        chunks = _chunks(file)
        if arguments.model is not None:
            chunks = _addressed(chunks, arguments.model, multiline=_is_multiline(connection, arguments.model))
        errors = 0

        def take(answers: bytes) -> None:
            nonlocal errors
            sys.stdout.buffer.write(answers)
            sys.stdout.buffer.flush()
            if b"!error " in answers:
                errors += answers.startswith(b"!error ") + answers.count(b"\n!error ")

        exchange(connection, chunks, take)
    if errors:
        print(f"vwserve send: {errors} of the answers are errors", file=sys.stderr)
    return 1 if errors else 0


def _open(file: Path | None) -> BinaryIO:
    if file is None:
        return sys.stdin.buffer
    try:
        return file.open("rb")
    except OSError as error:
        raise VwserveError(f"cannot read {file}: {error.strerror}") from error


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """What there is to read, as soon as it is there."""
    while chunk := file.raw.read(_READ_BYTES) if hasattr(file, "raw") else file.read(_READ_BYTES):
        yield chunk


def _is_multiline(connection: socket.socket, model: str) -> bool:
    """Ask the daemon whether an example of the model is several lines; raises VwserveError where it has none."""
    connection.sendall(b"!stats %s\n" % model.encode())
    answer = b""
    while not answer.endswith(b"\n"):
        data = connection.recv(_READ_BYTES)
        if not data:
            raise VwserveError("the daemon closed the connection")
        answer += data
    text = answer.decode().strip()
    if text.startswith("!error "):
        raise VwserveError(text.removeprefix("!error "))
    return bool(json.loads(text)["multiline"])


def _addressed(chunks: Iterable[bytes], model: str, *, multiline: bool) -> Iterator[bytes]:
    """The same examples, each with the model's address; of a multi-line one the first line carries it."""
    address = b"@%s " % model.encode()
    rest, opening = b"", True
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield b"".join(_lines(lines, address, multiline, opening))
        opening = _opens(lines[-1]) if lines else opening
    if rest:
        yield b"".join(_lines([rest], address, multiline, opening))


def _lines(lines: Iterable[bytes], address: bytes, multiline: bool, opening: bool) -> Iterator[bytes]:
    for line in lines:
        blank = _opens(line)
        if not blank and (opening or not multiline):
            yield address
        yield line + b"\n"
        opening = blank


def _opens(line: bytes) -> bool:
    """Whether the line after this one begins an example of several lines."""
    return line in (b"", b"\r")
