"""What would become of a model if it were made as its drop says, told from its state without touching it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vwserve.durability.lineage import Lineage
from vwserve.durability.provenance import Provenance
from vwserve.durability.recovery import Kept, passed_by
from vwserve.durability.snapshots import Snapshots
from vwserve.errors import StateError
from vwserve.model.policy import OnChange

Course = Literal["alike", "keep", "replay", "fresh", "refuse"]
"""Goes on as it is; goes on made otherwise; learns its journal again; begins anew; is not served so."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The course that a model would take; `examples` are those that it has learned from its journal so far.

    With `replay` those are what it learns again. `lineage` is the one that it leaves, and `why` says why it is refused.
    """

    course: Course
    examples: int
    lineage: int
    why: str = ""


def outlook(
    lineage: Lineage, provenance: Provenance, on_change: OnChange, passed: int, kept: Callable[[], Kept]
) -> Outlook:
    """That of a model of this lineage which is to be made as `provenance` says, its journal having `passed` so many.

    `kept` reads what there is to learn again, where that matters.
    """
    examples, number = lineage.examples.examples_upto(passed), lineage.number
    if not lineage.provenance.changes(provenance):
        return Outlook("alike", examples, number)
    if lineage.kept(provenance, on_change, passed):
        return Outlook("keep", examples, number)
    try:
        aspired = lineage.aspired(provenance, on_change, passed)
    except StateError as error:
        return Outlook("refuse", examples, number, str(error))
    wanted = aspired.examples.upto(passed)
    if not wanted:
        return Outlook("fresh", examples, number)
    there = kept()
    if lost := there.lacking(wanted.after(there.opening.first - 1)):  # it goes as far back as the journal does
        why = f"its journal does not have the examples {lost}, which it would have to learn again"
        return Outlook("refuse", examples, number, why)
    return Outlook("replay", examples, number)


def outlook_of_state(folder: Path, provenance: Provenance, on_change: OnChange) -> Outlook | None:
    """That of a model that nobody serves, by its state in `folder`; None where it has none.

    Raises StateError where its state cannot be read.
    """
    lineage = Lineage.read(folder)
    if lineage is None:
        return None
    snapshots = Snapshots(folder / "snapshots", reading=True) if (folder / "snapshots").is_dir() else None
    newest = next(snapshots.newest(lambda _: True), None) if snapshots is not None else None
    passed = passed_by(lineage, newest)
    kept = Kept.read(snapshots, folder / "journal", multiline=lineage.multiline, passed=passed)
    return outlook(lineage, provenance, on_change, kept.upto, lambda: kept)
