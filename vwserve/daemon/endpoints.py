"""Twisted's server endpoint strings as a configuration has them: checked without opening, their paths resolved.

An endpoint is `kind:argument:name=value:...`; a backslash takes `:`, `=` or itself literally (`_tokenize` in Twisted's
endpoints.py). Twisted finds most faults only when it opens the endpoint, and then in words about its own functions. The
kinds that it has built in are checked here; those of its plugins are left to them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpointStringParser
from twisted.plugin import getPlugins

from vwserve.configuration import Node
from vwserve.configuration.document import shown
from vwserve.configuration.schema import known_names, text

# Clients that may wait to be accepted. With Twisted's own 50 a burst of a thousand takes ten seconds: the system drops
# the handshakes beyond it, and the clients try again later and later.
_BACKLOG = 1024
_UNLESS_SAID = {"backlog": _BACKLOG, "lockfile": 0}

_LONGEST_SOCKET_PATH = 107  # bytes; sun_path in struct sockaddr_un has 108 with its NUL

# A backslash takes the next character literally, so it separates nothing.
_PART = re.compile(r"(?:[^\\:]|\\.)*", re.DOTALL)
_NAME = re.compile(r"((?:[^\\=]|\\.)*)=", re.DOTALL)
_SPECIAL = re.compile(r"[\\:=]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of endpoint takes: its arguments in their order, those that it needs, and those that name files."""

    arguments: tuple[str, ...]
    required: tuple[str, ...]
    example: str
    files: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "tcp": Kind(("port", "interface", "backlog"), ("port",), "tcp:26542:interface=127.0.0.1"),
    "tcp6": Kind(("port", "backlog", "interface"), ("port",), "tcp6:26542:interface=\\:\\:1"),
    "unix": Kind(
        ("address", "mode", "backlog", "lockfile"), ("address",), "unix:run/vwserve.sock:mode=660", ("address",)
    ),
    "ssl": Kind(
        (
            "port",
            "privateKey",
            "certKey",
            "sslmethod",
            "interface",
            "backlog",
            "extraCertChain",
            "dhParameters",
        ),
        ("port", "privateKey"),
        "ssl:26542:privateKey=key.pem:certKey=cert.pem",
        ("privateKey", "certKey", "extraCertChain", "dhParameters"),
    ),
    "tls": Kind(("path", "port", "backlog", "interface"), ("path",), "tls:certificates:26542", ("path",)),
    "systemd": Kind(("domain", "index", "name"), ("domain",), "systemd:domain=INET:name=vwserve"),
}
_BUILT_IN = ("tcp", "unix", "ssl")  # Twisted finds all others among its plugins
_NUMBERS = {"port": 65_535, "backlog": 65_535, "index": 1023}
_OCTAL = re.compile(r"[0-7]{1,4}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as Twisted takes it, with its paths resolved.

    `arguments` are its names and values in order; None for a kind that only its plugin knows.
    """

    description: str
    kind: str
    arguments: tuple[tuple[str, str], ...] | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two spellings of the same endpoint."""
        return (self.description,) if self.arguments is None else (self.kind, *self.arguments)


def endpoint(node: Node) -> Endpoint:
    """Read an endpoint string; raises ConfigurationError with what is wrong with it."""
    description = text(node)
    try:
        kind, *parts = _parts(description)
    except ValueError as error:
        raise node.error(str(error)) from error
    known = [*_BUILT_IN, *_plugin_kinds()]
    if kind not in known:
        example = f"an endpoint is like {KINDS['tcp'].example}"
        raise node.error(f"unknown kind of endpoint {shown(kind)}; {known_names(kind, known)} ({example})")
    if kind not in KINDS:
        return Endpoint(description, kind)
    takes = KINDS[kind]
    given: dict[str, str] = {}
    described = [kind]
    for name, value, part in _arguments(node, kind, parts):
        if name in given:
            raise node.error(f"has {name} twice")
        given[name] = str(node.file.parent / value) if name in takes.files and value else value
        described.append(part if given[name] == value else _renamed(part, given[name]))
        _check(node, kind, name, value)
    for name in takes.required:
        if not given.get(name):
            raise node.error(f"{kind}: has no {name}; write it like {takes.example}")
    found = Endpoint(":".join(described), kind, tuple(sorted(given.items())))
    _CHECKS.get(kind, _no_check)(node, found.description, given)
    return found


def for_opening(description: str) -> str:
    """The endpoint as it is opened: with what it does not say itself.

    There is room for a burst of clients. And the socket of a UNIX endpoint gets no lock: Twisted's is a file with the
    number of its process, which counts as long as there is a process of that number. After a `kill -9` that may be
    another one, or in a container one that nobody waits for (see `vwserve.daemon.leftover`).
    """
    kind, given = _given(description)
    takes = KINDS[kind].arguments if kind in KINDS else ()
    unsaid = [f"{name}={value}" for name, value in _UNLESS_SAID.items() if name in takes and name not in given]
    return ":".join([description, *unsaid])


def socket_path(description: str) -> Path | None:
    """Where the socket of a `unix:` endpoint is, None for other kinds."""
    kind, given = _given(description)
    return Path(given["address"]) if kind == "unix" else None


def _given(description: str) -> tuple[str, dict[str, str]]:
    """The kind of an endpoint that was read, and its arguments by their names: none of one that only Twisted knows."""
    kind, *parts = _parts(description)
    if kind not in KINDS:
        return kind, {}
    return kind, {name: value for name, value, _ in _named(kind, parts) if name is not None}


def _parts(description: str) -> Iterator[str]:
    """The parts between colons, with their backslashes; raises ValueError where the last one takes nothing."""
    at = 0
    while True:
        found = _PART.match(description, at)
        assert found is not None
        yield found[0]
        at = found.end()
        if at == len(description):
            return
        if description[at] != ":":
            raise ValueError(r"ends in a backslash; a backslash takes the next character literally, \\ itself")
        at += 1


def _named(kind: str, parts: Iterable[str]) -> Iterator[tuple[str | None, str, str]]:
    """The arguments: name, or None for one too many, value, and the part as written."""
    positions = iter(KINDS[kind].arguments)  # a named argument takes no position
    for part in parts:
        named = _NAME.match(part)
        name = _literal(named[1]) if named else next(positions, None)
        yield name, _literal(part[named.end() :] if named else part), part


def _literal(part: str) -> str:
    return _ESCAPED.sub(r"\1", part)


def _arguments(node: Node, kind: str, parts: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """The arguments: name, value, and the part as written."""
    names = KINDS[kind].arguments
    for name, value, part in _named(kind, parts):
        if name is None:
            raise node.error(f"{shown(part)} is too much; {kind}: takes {', '.join(names)}")
        if name not in names:
            raise node.error(f"unknown argument {shown(name)} of {kind}:; {known_names(name, names)}")
        yield name, value, part


def _renamed(part: str, value: str) -> str:
    """The same part with another value."""
    named = _NAME.match(part)
    return (named[0] if named else "") + _SPECIAL.sub(r"\\\g<0>", value)


def _check(node: Node, kind: str, name: str, value: str) -> None:
    most = _NUMBERS.get(name)
    if most is not None and not (value.isdecimal() and value.isascii() and len(value) < 6 and int(value) <= most):
        raise node.error(f"{name} {shown(value)} is not a number in 0..{most}; write it like {KINDS[kind].example}")
    if name == "mode" and not _OCTAL.fullmatch(value):
        raise node.error(f"mode {shown(value)} is not an octal number like 660")
    if name == "lockfile" and value not in ("0", "1"):
        raise node.error(f"lockfile {shown(value)} is neither 0 nor 1")


def _no_check(node: Node, description: str, given: dict[str, str]) -> None:
    """Nothing to find out about these kinds but whether they can be opened."""


def _check_socket(node: Node, description: str, given: dict[str, str]) -> None:
    if len(os.fsencode(given["address"])) > _LONGEST_SOCKET_PATH:
        longest = f"longer than the path of a socket may be, {_LONGEST_SOCKET_PATH} bytes"
        raise node.error(f"{given['address']} is {longest}; put it in a folder nearer to the root")


def _check_descriptor(node: Node, description: str, given: dict[str, str]) -> None:
    if ("index" in given) == ("name" in given):
        example = KINDS["systemd"].example
        raise node.error(f"an endpoint systemd: needs a name, or an index, but not both, as in {example}")


def _check_certificate(node: Node, description: str, given: dict[str, str]) -> None:
    for name in KINDS["ssl"].files:
        if name not in given:
            continue
        try:
            Path(given[name]).read_bytes()
        except OSError as error:
            raise node.error(f"cannot read {name} {given[name]}: {error.strerror}") from error
    try:
        # This reads the files and asks nothing of the reactor, which is needed only to listen.
        serverFromString(None, description)
    except Exception as error:  # Twisted, pyOpenSSL and cryptography each raise errors of their own
        raise node.error(f"no key and certificate in PEM format that belong together: {error}") from error


def _check_folder(node: Node, description: str, given: dict[str, str]) -> None:
    if not os.path.isdir(given["path"]):
        raise node.error(f"{given['path']} is no folder of certificates, as in {KINDS['tls'].example}")


_CHECKS = {"unix": _check_socket, "tls": _check_folder, "systemd": _check_descriptor, "ssl": _check_certificate}


def _plugin_kinds() -> Iterator[str]:
    return (plugin.prefix for plugin in getPlugins(IStreamServerEndpointStringParser))
