"""What a model is made from, so that a change of it is noticed before something learned otherwise goes on with it."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vwserve.errors import StateError
from vwserve.learner import continues
from vwserve.model.blueprint import Blueprint
from vwserve.transforms.stated import Fingerprint

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a model is made from.

    `arguments` are VW's, those of its transforms included; `drop` is the digest of its drop, `initial` the SHA-256 of
    the model file it started from.
    """

    model: str
    arguments: str
    transforms: tuple[Fingerprint, ...]
    drop: str
    initial: str | None

    @classmethod
    def of(cls, blueprint: Blueprint) -> Provenance:
        """That of what a blueprint builds; the files are read, so once for each is enough. Raises OSError."""
        drop = blueprint.drop
        initial = file_digest(drop.initial) if drop.initial is not None else None
        return cls(drop.name, blueprint.arguments, tuple(blueprint.pipeline.fingerprints), drop.digest, initial)

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Provenance:
        """From the keys of `content`; raises KeyError or TypeError where they are not there, or not so."""
        transforms = tuple(Fingerprint(**each) for each in content["transforms"])
        return cls(content["model"], content["arguments"], transforms, content["drop"], content["initial"])

    @property
    def content(self) -> dict[str, Any]:
        """As keys of JSON."""
        return asdict(self)

    def changes(self, now: Provenance) -> list[str]:
        """In words, what is made otherwise now, so that what was learned does not go on as it was."""
        changes = []
        if shlex.split(self.arguments) != shlex.split(now.arguments):
            changes.append(f"VW's arguments were {self.arguments!r} and are {now.arguments!r}")
        if self.initial != now.initial:
            changes.append("the model file under 'initial' is another one")
        before, after = ([each.kind for each in transforms] for transforms in (self.transforms, now.transforms))
        if before != after:
            changes.append(f"the transforms were {', '.join(before) or 'none'} and are {', '.join(after) or 'none'}")
        else:
            changes += [
                f"transform {old.kind} has other {', '.join(_differing(old, new))}"
                for old, new in zip(self.transforms, now.transforms)
                if old != new
            ]
        return changes

    def kept_by(self, now: Provenance) -> bool:
        """Whether what was learned goes on, with all that it was, in a model that is made as `now` says.

        That is so where only transforms were added after the others, interactions, or other rates of learning; see
        `vwserve.learner.continuing`. A transform adds namespaces, and arguments that are judged like all others.
        """
        alike = self.initial == now.initial and now.transforms[: len(self.transforms)] == self.transforms
        return alike and continues(self.arguments, now.arguments)


def provenance_of(blueprint: Blueprint) -> Provenance:
    """What a model is made from; raises StateError where a file of it cannot be read."""
    try:
        return Provenance.of(blueprint)
    except OSError as error:
        raise StateError(f"cannot read {error.filename}: {error.strerror}") from error


def file_digest(path: Path) -> str:
    """SHA-256 of a file; raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _differing(old: Fingerprint, new: Fingerprint) -> list[str]:
    before, after = asdict(old), asdict(new)
    return [key for key in before if before[key] != after[key]]
