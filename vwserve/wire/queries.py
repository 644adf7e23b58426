"""The queries of the line protocol: `!ping`, `!models`, `!help`, `!stats MODEL`."""

from __future__ import annotations

import json

from vwserve.errors import RequestError
from vwserve.wire.addressing import error_line
from vwserve.wire.models import Models

HELP = (
    "an example is [label [importance [initial]]] ['tag]|namespace feature:value ...; @MODEL[,MODEL...] EXAMPLE asks "
    "named models; @MODEL batch [SHARED FEATURES], candidates on the lines that follow, a blank line; "
    "queries: !ping !models !stats MODEL !help"
)


def answer_query(line: bytes, models: Models) -> bytes:
    """The one line that answers a query, a line that begins with `!`."""
    query, _, argument = line.decode("utf-8", "replace").strip().partition(" ")
    try:
        return _answer(query, argument.strip(), models).encode() + b"\n"
    except RequestError as error:
        return error_line(error)


def _answer(query: str, argument: str, models: Models) -> str:
    if query == "!stats":
        return _statistics(argument, models)
    if argument:
        raise RequestError("bad-request", f"{query} takes no argument")
    if query == "!ping":
        return "pong"
    if query == "!models":
        return " ".join(models.names())
    if query == "!help":
        return HELP
    raise RequestError("bad-request", f"unknown query {query[:40]!r}; !help lists them")


def _statistics(name: str, models: Models) -> str:
    if not name:
        raise RequestError("bad-request", "!stats names a model: !stats MODEL")
    model = models.get(name)
    if model is None:
        raise RequestError("no-model", f"no model is called {name[:80]!r}; !models lists them")
    return json.dumps(dict(model.statistics()), allow_nan=False)
