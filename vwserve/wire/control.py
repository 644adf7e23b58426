"""The commands of the control channel: what a line asks for, whom it asks, and how it is answered.

A command is one line of words, and its answer one line of JSON: what the operation gives, or `{"error": CODE, "text":
TEXT}`. CODE is one of the line protocol's, or `failed` where the command was right but could not be carried out.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Protocol, TypeAlias

from vwserve.errors import RequestError, VwserveError
from vwserve.lines import shown
from vwserve.wire.points import Point, Skip, parse_skip, parse_until

Answer: TypeAlias = Mapping[str, object] | Sequence[Mapping[str, object]]
"""What becomes a line of JSON."""

_NUMBER = re.compile(r"[0-9]{1,18}")


class Operations(Protocol):
    """What the commands ask of the daemon; each operation raises VwserveError where it cannot be done.

    Those that take time may return an awaitable of their answer.
    """

    def models(self) -> Answer | Awaitable[Answer]:
        """The models in the order of their names, those that cannot be served among them."""

    def ready(self) -> Answer | Awaitable[Answer]:
        """Whether the daemon is `ready`, and the `reasons` why not, as texts."""

    def stats(self, model: str) -> Answer | Awaitable[Answer]:
        """What `!stats` tells of a model."""

    def snapshot(self, model: str) -> Answer | Awaitable[Answer]:
        """Take a snapshot now; it is on disk when the answer comes."""

    def snapshots(self, model: str) -> Answer | Awaitable[Answer]:
        """The snapshots of a model, newest first."""

    def rollback(
        self, model: str, snapshot: int, until: Point | None, skip: Sequence[Skip]
    ) -> Answer | Awaitable[Answer]:
        """Go back to a snapshot, 0 being the model's very beginning.

        Without `until` and `skip` nothing is replayed. Else the journal after the snapshot is, up to `until`, or to its
        end where that is None, without the stretches to skip.
        """

    def promote(self, model: str) -> Answer | Awaitable[Answer]:
        """Put a shadow, or a model of a split, in the place of another; the answer has `undo`."""

    def reload(self) -> Answer | Awaitable[Answer]:
        """Read the configuration again; the answer has `models`, and `problems` as texts."""

    def plan(self, file: str) -> Answer | Awaitable[Answer]:
        """What would be done with a drop if it were dropped now: `plan` in a word, `text`, and `problems` as texts."""

    def forget(self, model: str) -> Answer | Awaitable[Answer]:
        """Remove from the disk all that a model has learned that is not served."""


class Command(Protocol):
    """A command with its arguments; `changes` says whether it does more than tell."""

    changes: ClassVar[bool]

    def perform(self, operations: Operations) -> Answer | Awaitable[Answer]:
        """Do it."""


@dataclass(frozen=True, slots=True)
class ListModels:
    """`models`."""

    changes: ClassVar[bool] = False

    def perform(self, operations: Operations) -> Answer | Awaitable[Answer]:
        """List them."""
        return operations.models()


@dataclass(frozen=True, slots=True)
class TellReadiness:
    """`ready`."""

    changes: ClassVar[bool] = False

    def perform(self, operations: Operations) -> Answer | Awaitable[Answer]:
        """Tell it."""
        return operations.ready()


@dataclass(frozen=True, slots=True)
class TellStatistics:
    """`stats MODEL`."""

    changes: ClassVar[bool] = False
    model: str

    def perform(self, operations: Operations) -> Answer | Awaitable[Answer]:
        """Tell them."""
        return operations.stats(self.model)


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """`snapshot MODEL`."""

    changes: ClassVar[bool] = True
    model: str

    def perform(self, operations: Operations) -> Answer | Awaitable[Answer]:
        """Take it."""
        return operations.snapshot(self.model)


@dataclass(frozen=True, slots=True)
class ListSnapshots:
    """`snapshots MODEL`."""

    changes: ClassVar[bool] = False
    model: str

    def perform(self, operations: Operations) -> Answer | Awaitable[Answer]:
        """List them."""
        return operations.snapshots(self.model)


@dataclass(frozen=True, slots=True)
class RollBack:
    """`rollback MODEL SNAPSHOT [replay-until TIME] [skip FROM..TO]...`."""

    changes: ClassVar[bool] = True
    model: str
    snapshot: int
    until: Point | None = None
    skip: tuple[Skip, ...] = ()

    def perform(self, operations: Operations) -> Answer | Awaitable[Answer]:
        """Go back."""
        return operations.rollback(self.model, self.snapshot, self.until, self.skip)


@dataclass(frozen=True, slots=True)
class Promote:
    """`promote MODEL`."""

    changes: ClassVar[bool] = True
    model: str

    def perform(self, operations: Operations) -> Answer | Awaitable[Answer]:
        """Promote it."""
        return operations.promote(self.model)


@dataclass(frozen=True, slots=True)
class Reload:
    """`reload`."""

    changes: ClassVar[bool] = True

    def perform(self, operations: Operations) -> Answer | Awaitable[Answer]:
        """Read the configuration again."""
        return operations.reload()


@dataclass(frozen=True, slots=True)
class PlanDrop:
    """`plan FILE`."""

    changes: ClassVar[bool] = False
    file: str

    def perform(self, operations: Operations) -> Answer | Awaitable[Answer]:
        """Tell it."""
        return operations.plan(self.file)


@dataclass(frozen=True, slots=True)
class Forget:
    """`forget MODEL`."""

    changes: ClassVar[bool] = True
    model: str

    def perform(self, operations: Operations) -> Answer | Awaitable[Answer]:
        """Forget it."""
        return operations.forget(self.model)


class Option(NamedTuple):
    """A word that may follow a command's arguments, with a value behind it."""

    value: str
    does: str


@dataclass(frozen=True, slots=True)
class Form:
    """How a command is written: the words that it needs, and the options that may follow.

    `read` gets the words after the command's name, as many as it needs at least, and the Unix time.
    """

    does: str
    example: str
    read: Callable[[Sequence[str], float], Command]
    arguments: tuple[str, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)


def _read_rollback(words: Sequence[str], now_s: float) -> RollBack:
    model, number, *options = words
    if not _NUMBER.fullmatch(number):
        remedy = "`snapshots MODEL` lists them, and 0 is the model's very beginning"
        raise RequestError("bad-request", f"{shown(number)} is no number of a snapshot; {remedy}")
    until: Point | None = None
    skip: list[Skip] = []
    while options:
        option, *options = options
        if option not in _ROLLBACK_OPTIONS:
            known = _known(option, _ROLLBACK_OPTIONS)
            raise RequestError("bad-request", f"unknown option {shown(option)} of rollback; {known}")
        if not options:
            takes = _ROLLBACK_OPTIONS[option].value
            raise RequestError("bad-request", f"{option} needs {takes}, as in `{_ROLLBACK_EXAMPLE}`")
        value, *options = options
        if option == "skip":
            skip.append(parse_skip(value, now_s))
        elif until is None:
            until = parse_until(value, now_s)
        else:
            raise RequestError("bad-request", f"{option} stands twice; leave one out")
    return RollBack(model, int(number), until, tuple(skip))


_MODEL = ("MODEL",)
_ROLLBACK_OPTIONS = {
    "replay-until": Option(
        "TIME",
        "replay what was learned after the snapshot up to then: 2026-11-25T10:00:00Z (without an offset UTC), "
        "1795600800 (seconds since 1970), now, or #1234 (a sequence number)",
    ),
    "skip": Option(
        "FROM..TO",
        "replay without these: each end, which may be missing, is a sequence number, 2026-11-25T10:00:00Z, @1795600800 "
        "or now; may be repeated; without replay-until all others are replayed",
    ),
}
_ROLLBACK_EXAMPLE = "rollback ctr 17 replay-until 2026-11-25T10:00:00Z skip 1200..1300"

FORMS: Mapping[str, Form] = {
    "models": Form("list the models, also those that cannot be served", "models", lambda words, now_s: ListModels()),
    "ready": Form(
        "tell whether all is served and learned as configured", "ready", lambda words, now_s: TellReadiness()
    ),
    "stats": Form("tell a model's figures", "stats ctr", lambda words, now_s: TellStatistics(*words), _MODEL),
    "snapshot": Form("take a snapshot now", "snapshot ctr", lambda words, now_s: TakeSnapshot(*words), _MODEL),
    "snapshots": Form(
        "list a model's snapshots, newest first",
        "snapshots ctr",
        lambda words, now_s: ListSnapshots(*words),
        _MODEL,
    ),
    "rollback": Form(
        "go back to a snapshot, and optionally replay what was learned after it, but for what spoilt the model",
        _ROLLBACK_EXAMPLE,
        _read_rollback,
        ("MODEL", "SNAPSHOT"),
        _ROLLBACK_OPTIONS,
    ),
    "promote": Form(
        "put a shadow, or a model of a split, in the place of another",
        "promote ctr-b",
        lambda words, now_s: Promote(*words),
        _MODEL,
    ),
    "reload": Form("read the configuration again", "reload", lambda words, now_s: Reload()),
    "plan": Form(
        "tell what would be done with a model's file if it were dropped now",
        "plan /etc/vwserve/models.d/ctr.yaml",
        lambda words, now_s: PlanDrop(*words),
        ("FILE",),
    ),
    "forget": Form(
        "remove all that a model has learned, which is not served any more",
        "forget ctr",
        lambda words, now_s: Forget(*words),
        _MODEL,
    ),
}
"""All commands, by their names."""


def parse_command(line: bytes, now_s: float) -> Command:
    """What a line that is not blank asks for, at the Unix time `now_s`; raises RequestError."""
    name, *words = [word.decode("utf-8", "replace") for word in line.split()]
    form = FORMS.get(name)
    if form is None:
        raise RequestError("bad-request", f"unknown command {shown(name)}; {_known(name, FORMS)}")
    needed = len(form.arguments)
    if len(words) < needed or (len(words) > needed and not form.options):
        takes = " and ".join(form.arguments) or "no argument"
        raise RequestError("bad-request", f"{name} takes {takes}, as in `{form.example}`")
    return form.read(words, now_s)


def answer_line(answer: Answer) -> bytes:
    """The line that answers a command that was done; numbers that JSON does not have are null."""
    return json.dumps(_finite(answer), allow_nan=False).encode() + b"\n"


def error_answer(error: VwserveError) -> bytes:
    """The line that answers a command that was not."""
    code, text = (error.code, error.text) if isinstance(error, RequestError) else ("failed", str(error))
    return answer_line({"error": code, "text": text})


def _known(wrong: str, names: Collection[str]) -> str:
    """What to say after an unknown name: the nearest known one, and all of them."""
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    return f"{f'did you mean {near[0]!r}? ' if near else ''}known: {', '.join(names)}"


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return list(map(_finite, value)) if isinstance(value, list | tuple) else value
