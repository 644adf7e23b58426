"""What is known of a snapshot: the description that stands beside its model file, as JSON with a checksum of its own.

    {"format": 1, "number": 7, "time": 1700000000.0, "model": "ctr", "examples": 12, "vw": "-b 22 --oaa 3", ...}

The description is what makes a snapshot of a model file: VW's own file has neither the whole argument line nor what
the daemon counts, and VW loads one that was cut short without a word.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vwserve.errors import VwserveError
from vwserve.learner import Standing
from vwserve.model.progress import Pairs
from vwserve.model.servable import Servable
from vwserve.model.state import Counts, State
from vwserve.transforms.stated import Fingerprint

FORMAT = 1


class SnapshotError(VwserveError):
    """A snapshot that cannot be taken, or is not as it was taken; its text names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a model is made from.

    `arguments` are VW's, those of its transforms included; `drop` is the digest of its drop, `initial` that of the
    model file it started from. `lineage` counts how often it went back to an older snapshot.
    """

    model: str
    version: int
    lineage: int
    arguments: str
    transforms: tuple[Fingerprint, ...]
    drop: str
    initial: str | None

    @classmethod
    def of(cls, servable: Servable, drop: str, initial: str | None = None, lineage: int = 1) -> Provenance:
        """That of a servable; digests of artifacts are computed, so once for each servable is enough."""
        transforms = tuple(servable.fingerprints)
        return cls(servable.name, servable.version, lineage, servable.arguments, transforms, drop, initial)

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model as it stood at `time_s` since the epoch, after what the journal has up to the sequence number `journal`.

    `exact` says whether VW's file has all that the model goes on from (see Learner.tells_all). `sha256` and
    `size_bytes` are those of the model file.
    """

    number: int
    time_s: float
    provenance: Provenance
    state: State
    journal: int | None
    exact: bool
    sha256: str = ""
    size_bytes: int = 0

    @property
    def arguments(self) -> str:
        """The arguments with which `vw -i` goes on from the file, what labels have settled included."""
        return " ".join([self.provenance.arguments, *self.state.standing.arguments]).strip()

    @property
    def loss(self) -> float | None:
        """The mean progressive loss up to then; None before any label."""
        counts = self.state.counts
        return counts.sum_loss / counts.weight if counts.weight else None

    def text(self) -> bytes:
        """The description, a key a line."""
        content = _content(self)
        keys = {**content, "checksum": _checksum(content)}
        return ("{\n" + ",\n".join(f" {json.dumps(key)}: {json.dumps(keys[key])}" for key in keys) + "\n}\n").encode()

    @classmethod
    def parse(cls, text: bytes) -> Snapshot:
        """The snapshot that a description is of; raises ValueError, whose text says what is wrong with it."""
        content = json.loads(text)
        if not isinstance(content, dict) or "checksum" not in content:
            raise ValueError("it has no checksum")
        if content.pop("checksum") != _checksum(content):
            raise ValueError("its checksum is wrong")
        if content.get("format") != FORMAT:
            raise ValueError(f"it is of format {content.get('format')!r}, which this version does not read")
        try:
            return _snapshot(content)
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is not as expected: {type(error).__name__} {error}") from error


def _differing(old: Fingerprint, new: Fingerprint) -> list[str]:
    before, after = asdict(old), asdict(new)
    return [key for key in before if before[key] != after[key]]


def _content(snapshot: Snapshot) -> dict[str, Any]:
    provenance, state = snapshot.provenance, snapshot.state
    return {
        "format": FORMAT,
        "number": snapshot.number,
        "time": snapshot.time_s,
        "model": provenance.model,
        "version": provenance.version,
        "lineage": provenance.lineage,
        "vw": snapshot.arguments,
        "journal": snapshot.journal,
        "exact": snapshot.exact,
        "sha256": snapshot.sha256,
        "bytes": snapshot.size_bytes,
        **state.counts._asdict(),
        "loss": snapshot.loss,
        "arguments": provenance.arguments,
        "standing": asdict(state.standing),
        "drop": provenance.drop,
        "initial": provenance.initial,
        "transforms": list(map(asdict, provenance.transforms)),
        "pairs": asdict(state.pairs),
    }


def _snapshot(content: Mapping[str, Any]) -> Snapshot:
    pairs = content["pairs"]
    return Snapshot(
        number=content["number"],
        time_s=content["time"],
        provenance=Provenance(
            content["model"],
            content["version"],
            content["lineage"],
            content["arguments"],
            tuple(Fingerprint(**each) for each in content["transforms"]),
            content["drop"],
            content["initial"],
        ),
        state=State(
            Counts(*(content[field] for field in Counts._fields)),
            Pairs(**{**pairs, "negatives": tuple(pairs["negatives"]), "positives": tuple(pairs["positives"])}),
            Standing(**content["standing"]),
        ),
        journal=content["journal"],
        exact=content["exact"],
        sha256=content["sha256"],
        size_bytes=content["bytes"],
    )


def _checksum(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
