"""What is known of a snapshot: the description that stands beside its model file, as JSON with a checksum of its own.

    {"format": 1, "number": 7, "time": 1700000000.0, "model": "ctr", "examples": 12, "vw": "-b 22 --oaa 3", ...}

The description is what makes a snapshot of a model file: VW's own file has neither the whole argument line nor what
the daemon counts, and VW loads one that was cut short without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vwserve.durability.checked import from_text, to_text
from vwserve.durability.provenance import Provenance
from vwserve.durability.stretches import Stretches
from vwserve.errors import StateError
from vwserve.learner import Standing
from vwserve.model.progress import Pairs
from vwserve.model.state import Counts, State

FORMAT = 1


class SnapshotError(StateError):
    """A snapshot that cannot be taken, or is not as it was taken; its text names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a model stands: its lineage, the examples of the journal that it has learned, and where the journal ends.

    What comes in the journal after `journal` is what the model learns next. `founded` is that of its lineage.
    """

    lineage: int
    learned: Stretches
    journal: int
    founded: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model as it stood at `time_s` since the epoch, and where that was.

    `exact` says whether VW's file has all that the model goes on from (see Learner.tells_all). `sha256` and
    `size_bytes` are those of the model file. `for_client` is whether a client of the line protocol asked for it.
    """

    number: int
    time_s: float
    provenance: Provenance
    state: State
    moment: Moment
    exact: bool
    sha256: str = ""
    size_bytes: int = 0
    for_client: bool = False

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
        return to_text(_content(self))

    @classmethod
    def parse(cls, text: bytes) -> Snapshot:
        """The snapshot that a description is of; raises ValueError, whose text says what is wrong with it."""
        content = from_text(text, FORMAT)
        try:
            return _snapshot(content)
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is not as expected: {type(error).__name__} {error}") from error


def _content(snapshot: Snapshot) -> dict[str, Any]:
    provenance, state = snapshot.provenance, snapshot.state
    return {
        "format": FORMAT,
        "number": snapshot.number,
        "time": snapshot.time_s,
        "lineage": snapshot.moment.lineage,
        "vw": snapshot.arguments,
        "journal": snapshot.moment.journal,
        "learned_from_journal": snapshot.moment.learned.ranges,
        "founded": snapshot.moment.founded,
        "exact": snapshot.exact,
        "for_client": snapshot.for_client,
        "sha256": snapshot.sha256,
        "bytes": snapshot.size_bytes,
        **state.counts._asdict(),
        "loss": snapshot.loss,
        **provenance.content,
        "standing": asdict(state.standing),
        "pairs": asdict(state.pairs),
    }


def _snapshot(content: Mapping[str, Any]) -> Snapshot:
    pairs = content["pairs"]
    return Snapshot(
        number=content["number"],
        time_s=content["time"],
        provenance=Provenance.parse(content),
        state=State(
            Counts(*(content[field] for field in Counts._fields)),
            Pairs(**{**pairs, "negatives": tuple(pairs["negatives"]), "positives": tuple(pairs["positives"])}),
            Standing(**content["standing"]),
        ),
        moment=Moment(
            content["lineage"],
            Stretches.parse(content["learned_from_journal"]),
            content["journal"],
            content.get("founded", 0),
        ),
        exact=content["exact"],
        sha256=content["sha256"],
        size_bytes=content["bytes"],
        for_client=content.get("for_client", False),
    )
