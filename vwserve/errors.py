"""The errors that a user can mend; everything else is a fault of the program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ErrorCode = Literal[
    "bad-example", "bad-request", "no-model", "too-long", "too-many-features", "busy", "not-ready", "internal"
]


class VwserveError(Exception):
    """An error that the user can mend; its text says what, where and what to do."""


class ArgumentsError(VwserveError):
    """VW arguments that cannot be served; whoever knows where they stand says so."""


class ModelError(VwserveError):
    """A model that cannot be built, read or written."""


class StateError(VwserveError):
    """What a model keeps on disk cannot be read or written, or is not this model's."""


class RequestError(VwserveError):
    """A request that cannot be served: the wire's `!error CODE text`."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code: ErrorCode = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a configuration: a file, or a folder, and the line if one is to blame."""

    file: Path
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else str(self.file)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration: where (`models.d/ctr.yaml:7`), at which key, and what to do."""

    place: Place
    key: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), self.key, self.text) if part)


class ConfigurationError(VwserveError):
    """Everything that is wrong with a configuration, a line a problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
