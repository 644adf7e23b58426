"""The queries of the line protocol: `!ping`, `!models`, `!help`, `!stats MODEL`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping

from vwserve.errors import RequestError
from vwserve.wire.addressing import error_line, unknown_model
from vwserve.wire.models import Models
from vwserve.wire.requests import shown_name

HELP = (
    "an example is [label [importance [initial]]] ['tag]|namespace feature:value ...; @MODEL[,MODEL...] EXAMPLE asks "
    "named models; @MODEL batch [SHARED FEATURES], candidates on the lines that follow, a blank line; "
    "queries: !ping !models !stats MODEL !help"
)

_WITHOUT_ARGUMENT: Mapping[str, Callable[[Models], str]] = {
    "!ping": lambda _: "pong",
    "!models": lambda models: " ".join(models.names()),
    "!help": lambda _: HELP,
}


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
    if query not in _WITHOUT_ARGUMENT:
        raise RequestError("bad-request", f"unknown query {shown_name(query)}; !help lists them")
    if argument:
        raise RequestError("bad-request", f"{query} takes no argument")
    return _WITHOUT_ARGUMENT[query](models)


def _statistics(name: str, models: Models) -> str:
    if not name:
        raise RequestError("bad-request", "!stats names a model: !stats MODEL")
    statistics = models.statistics(name)
    if statistics is None:
        raise unknown_model(name)
    return json.dumps({key: _finite(value) for key, value in statistics.items()}, allow_nan=False)


def _finite(value: object) -> object:
    """The value, or None where it is a number that JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
