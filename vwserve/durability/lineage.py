"""The lineage of a model: what it is made from, and which examples of its journal make it what it is.

It changes when somebody intervenes: a return to an older snapshot, a journal replayed without a stretch of it, another
configuration. `lineage.json` beside the journal and the snapshots is written anew then, and that moment is the switch:
what a restart finds there is what it goes on from, whatever else was under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vwserve.durability.checked import from_text, write_in_place
from vwserve.durability.disk import Disk
from vwserve.durability.provenance import Provenance
from vwserve.durability.snapshot import Moment, Snapshot
from vwserve.durability.stretches import Stretches
from vwserve.errors import StateError
from vwserve.model.policy import OnChange

FORMAT = 1
_FILE = "lineage.json"


@dataclass(frozen=True, slots=True)
class Lineage:
    """The `number` counts interventions; `examples` are those that the model has learned or is going to.

    `multiline` tells whether an example is several lines. What it has learned up to the example `founded` it learned
    while it was made otherwise, so that only a snapshot leads there, and not the journal; 0 where there is no such.
    """

    number: int
    provenance: Provenance
    examples: Stretches
    multiline: bool
    founded: int = 0

    @property
    def passed(self) -> int:
        """The sequence number after which it learns all that comes; what comes next has a greater one."""
        first, last = self.examples.ranges[-1] if self.examples else (1, 0)
        return first - 1 if last is None else last

    def minus(self, lost: Stretches) -> Lineage:
        """The one that goes on without some examples."""
        return replace(self, number=self.number + 1, examples=self.examples.minus(lost))

    def moment(self, journal: int) -> Moment:
        """Where a model stands that has learned all its examples while the journal ended at `journal`."""
        return Moment(self.number, self.examples.upto(journal), journal, self.founded)

    def holds(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot is one of this model on its way."""
        moment = snapshot.moment
        # One from before may be made as this one is now, where a change was undone: what came between is not so.
        return (
            moment.journal >= self.founded
            and not snapshot.provenance.changes(self.provenance)
            and moment.learned.begins(self.examples)
        )

    def kept(self, provenance: Provenance, on_change: OnChange, passed: int) -> bool:
        """Whether a model that is made otherwise now, as `provenance` says, goes on with what it has learned.

        Who says by `on_change` that it is to learn again or to begin anew is taken at his word.
        """
        learned = self.examples.upto(passed)
        return (
            bool(learned)
            and on_change == "refuse"
            and bool(self.provenance.changes(provenance))
            and self.provenance.kept_by(provenance)
        )

    def aspired(self, provenance: Provenance, on_change: OnChange, passed: int) -> Lineage:
        """The one to follow, now that the model is made as `provenance` says and the journal has `passed` so many.

        Where it is `kept`, a snapshot of the model as it is then is what that one begins with. Raises StateError where
        the model is made otherwise than it was, and the operator has to choose.
        """
        changes = self.provenance.changes(provenance)
        if not changes:
            return self
        if self.kept(provenance, on_change, passed):
            return replace(self, number=self.number + 1, provenance=provenance, founded=passed)
        number, learned = self.number + 1, self.examples.upto(passed)
        if learned and on_change == "refuse":
            raise self.refused(changes, passed)
        if learned and on_change == "replay":
            return replace(self, number=number, provenance=provenance, founded=0)
        return Lineage(number, provenance, Stretches(((passed + 1, None),)), self.multiline)

    def refused(self, changes: Sequence[str], passed: int) -> StateError:
        """Why a model that has learned what it has of `passed` examples is not served with these changes."""
        learned = self.examples.examples_upto(passed)
        return StateError(
            f"this model learned {learned:,} examples otherwise: {'; '.join(changes)}. Undo "
            "the change, or say `on_change: replay` to have it learn them again this way, or `on_change: fresh` to "
            "begin anew"
        )

    def without_foundation(self, on_change: OnChange, passed: int, folder: Path) -> Lineage:
        """The one to follow where no snapshot in `folder` leads to this one, which can be had from none but a snapshot.

        Raises StateError where the operator has to choose.
        """
        if on_change == "refuse":
            raise StateError(
                f"no snapshot in {folder} that is good has what this model had learned up to example {self.founded}, "
                "and the journal alone does not lead there, since the model was made otherwise then. Restore one, or "
                "say `on_change: replay` to have it learn all examples the way it is made now, or `on_change: fresh` "
                "to begin anew"
            )
        number = self.number + 1
        if on_change == "replay":
            return replace(self, number=number, founded=0)
        return Lineage(number, self.provenance, Stretches(((passed + 1, None),)), self.multiline)

    def write(self, disk: Disk, folder: Path) -> None:
        """Have it count from now on, in place of the one there is; raises OSError."""
        content = {
            "format": FORMAT,
            "lineage": self.number,
            "multiline": self.multiline,
            "learned_from_journal": self.examples.ranges,
            "founded": self.founded,
            **self.provenance.content,
        }
        write_in_place(disk, folder / _FILE, content)

    @classmethod
    def read(cls, folder: Path) -> Lineage | None:
        """The one that counts; None where there is none yet. Raises StateError where it cannot be read."""
        file = folder / _FILE
        try:
            content = from_text(file.read_bytes(), FORMAT)
            examples = Stretches.parse(content["learned_from_journal"])
            founded = int(content.get("founded", 0))
            return cls(content["lineage"], Provenance.parse(content), examples, content["multiline"], founded)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"cannot read {file}: {error.strerror}; look at its disk and its rights") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StateError(
                f"{file} is not as it was written ({error}), and says what this model has learned; restore it, or "
                f"remove it to go on from the newest snapshot"
            ) from error
