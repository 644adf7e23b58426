"""Where a daemon listens, as a client writes it: `tcp:127.0.0.1:26542`, `unix:run/vwserve.sock`, `tls:host:port`."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vwserve.errors import VwserveError

_FORMS = "an endpoint is tcp:HOST:PORT, unix:PATH or tls:HOST:PORT[:CA.pem]"


class EndpointError(VwserveError):
    """An endpoint that is none, or at which nobody answers."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint; for `unix` the address is a path and the port 0, `authority` is a file of trusted certificates."""

    kind: Literal["tcp", "unix", "tls"]
    address: str
    port: int = 0
    authority: Path | None = None

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"unix:{self.address}" if self.kind == "unix" else f"{self.kind}:{host}:{self.port}"

    def connect(self, within_s: float) -> socket.socket:
        """A connection that blocks; raises EndpointError where none is made within `within_s` seconds."""
        try:
            connection = self._connect(within_s)
        except OSError as error:  # ssl.SSLError and timeouts are among these
            raise EndpointError(f"cannot connect to {self}: {error.strerror or error}") from error
        connection.settimeout(None)
        return connection

    def _connect(self, within_s: float) -> socket.socket:
        if self.kind == "unix":
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(within_s)
            try:
                connection.connect(self.address)
            except OSError:
                connection.close()
                raise
            return connection
        context = self._trust() if self.kind == "tls" else None
        connection = socket.create_connection((self.address, self.port), within_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            return connection
        return context.wrap_socket(connection, server_hostname=self.address)

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.authority)
        except OSError as error:
            raise EndpointError(f"cannot read certificates from {self.authority}: {error.strerror or error}") from error


def parse_endpoint(text: str) -> Endpoint:
    """Read an endpoint; an IPv6 address stands in brackets, `tcp:[::1]:26542`. Raises EndpointError."""
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest:
        return Endpoint("unix", rest)
    if kind not in ("tcp", "tls"):
        raise EndpointError(f"{text!r}: {_FORMS}")
    if rest.startswith("["):
        host, _, rest = rest[1:].partition("]")
        rest = rest.removeprefix(":")
    else:
        host, _, rest = rest.partition(":")
    port, _, authority = rest.partition(":")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise EndpointError(f"{text!r}: {_FORMS}")
    if authority and kind == "tcp":
        raise EndpointError(f"{text!r}: only tls takes a file of certificates; {_FORMS}")
    return Endpoint("tls" if kind == "tls" else "tcp", host, int(port), Path(authority) if authority else None)
