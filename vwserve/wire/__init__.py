"""The line protocol: framing, addressing, queries and the state of a connection, all without a socket."""

from vwserve.wire.models import Model, Models, Reply
from vwserve.wire.session import Session

__all__ = ["Model", "Models", "Reply", "Session"]
