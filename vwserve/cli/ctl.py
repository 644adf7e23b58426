"""`vwserve ctl`: asks a running daemon for operations, over its control channel.

One command, one line of words, one line of JSON back. Which commands there are, and what they take, is known from the
channel's own table, so that one that is added there is here, too; whether the words are right is the daemon's to judge.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vwserve.cli.answers import key_lines, models_table, snapshots_table
from vwserve.cli.channel import connected, one_word, raise_error
from vwserve.cli.serve import configuration_file
from vwserve.client import Endpoint, parse_endpoint
from vwserve.errors import VwserveError
from vwserve.wire.control import FORMS

if TYPE_CHECKING:
    from vwserve.daemon.endpoints import Endpoint as ServerEndpoint

NAME = "ctl"
HELP = "ask a running daemon for operations: snapshots, rollback, reload"
EXAMPLE = "vwserve ctl snapshots ctr"

_FILE = "FILE"  # what stands for the path of one among a command's arguments
_WRONG = ("problems", "reasons")  # keys of answers under which there are texts of what is wrong
_SOMEWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # where one that listens everywhere is reached


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments, and the daemon's commands with theirs."""
    _add_general(parser, None, False)
    commands = parser.add_subparsers(dest="operation", required=True, metavar="COMMAND")
    for name, form in FORMS.items():
        does = f"{form.does[0].upper()}{form.does[1:]}."
        words = commands.add_parser(
            name, help=form.does, description=does, epilog=f"example: {_as_options(form.example, form.options)}"
        )
        # Also behind the command, where what stands before it is not to be overwritten by a default.
        _add_general(words, argparse.SUPPRESS, argparse.SUPPRESS)
        for argument in form.arguments:
            words.add_argument(argument.lower(), metavar=argument)
        for word, option in form.options.items():
            words.add_argument(f"--{word}", metavar=option.value, action="append", default=[], help=option.does)
        if form.options:
            words.add_argument("words", metavar="WORD", nargs="*", help="the options again, as words without dashes")


def run(arguments: argparse.Namespace) -> int:
    """Send one command, wait for its answer however long that takes, and print it; 1 where it is an error."""
    endpoint = parse_endpoint(arguments.to) if arguments.to else _configured(arguments.configuration)
    command = _line(arguments)
    with connected(endpoint) as channel:
        line = channel.ask(command)
    answer = channel.parse(line)
    if arguments.json:
        print(line)
    raise_error(answer)
    problems = [each for key in _WRONG for each in answer.pop(key, [])] if isinstance(answer, dict) else []
    if not arguments.json:
        for text in _readable(arguments.operation, answer):
            print(text)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _add_general(parser: argparse.ArgumentParser, default: Any, flag: Any) -> None:
    parser.add_argument(
        "--to",
        metavar="ENDPOINT",
        default=default,
        help="tcp:HOST:PORT, unix:PATH or tls:HOST:PORT[:CA.pem]; default: the one under control: in the configuration",
    )
    parser.add_argument(
        "-c",
        "--configuration",
        metavar="FILE",
        type=Path,
        default=default,
        help="the daemon's configuration; default: conf/vwserve.yaml here",
    )
    parser.add_argument("--json", action="store_true", default=flag, help="print the daemon's own line of JSON")


def _as_options(example: str, options: Collection[str]) -> str:
    return "vwserve ctl " + " ".join(f"--{word}" if word in options else word for word in example.split())


def _line(arguments: argparse.Namespace) -> str:
    """The command as it is sent."""
    form, given = FORMS[arguments.operation], vars(arguments)
    # The daemon's current folder is another one.
    texts = [_absolute(given[each.lower()]) if each == _FILE else given[each.lower()] for each in form.arguments]
    words = [arguments.operation, *texts, *given.get("words", [])]
    for option in form.options:
        for value in given[option.replace("-", "_")]:
            words += [option, value]
    return " ".join(map(one_word, words))


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else path


def _configured(named: Path | None) -> Endpoint:
    """The control endpoint of a configuration, of which nothing else needs to be right."""
    from vwserve.configuration import load
    from vwserve.daemon.endpoints import endpoint

    file, demonstration = configuration_file(named)
    remedy = "say where the daemon listens with --to, as in --to unix:run/control.sock"
    if demonstration:
        raise VwserveError(f"there is no conf/vwserve.yaml here; name the daemon's configuration with -c, or {remedy}")
    control = dict(load(file).entries).get("control")
    if control is None:
        key = "control: unix:run/control.sock:mode=660"
        raise VwserveError(f"{file} has no key control:; give the daemon one, as in `{key}`, or {remedy}")
    found = _reached(endpoint(control))
    if found is None:
        raise control.error(f"does not say how a client reaches it; {remedy}")
    return found


def _reached(server: ServerEndpoint) -> Endpoint | None:
    """How a client on this machine reaches a server's endpoint; None where that is not known from it."""
    given = dict(server.arguments or ())
    if server.kind == "unix":
        return Endpoint("unix", given["address"])
    if server.kind not in ("tcp", "tcp6") or given["port"] == "0":
        return None
    interface = given.get("interface", "::" if server.kind == "tcp6" else "")
    return Endpoint("tcp", _SOMEWHERE.get(interface, interface), int(given["port"]))


def _readable(operation: str, answer: Any) -> Iterator[str]:
    if operation == "models":
        return models_table(answer)
    if operation == "snapshots":
        return snapshots_table(answer, time.time())
    return key_lines(answer)
