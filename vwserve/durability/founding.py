"""The lineage of a state that does not say which it has: that of a new model, nearly always.

Else somebody removed `lineage.json`, as who runs the daemon is told to where it was spoilt. Then the newest snapshot
tells, and where there is none, the model learns all that is in its journal.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vwserve.durability.lineage import Lineage
from vwserve.durability.provenance import Provenance, provenance_of
from vwserve.durability.recovery import Kept, other_kind
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.stretches import Stretches
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint


def found(
    folder: Path,
    blueprint: Blueprint,
    provenance: Provenance,
    newest: Snapshot | None,
    report: Callable[[str], None],
) -> Lineage:
    """The lineage to go on with in `folder`, which has no `lineage.json` but perhaps a `newest` snapshot.

    `report` is told what it goes on from, if from anything.

    Raises StateError where its journal has examples of another kind, and what building the model raises.
    """
    servable = blueprint.build(Bounds())
    servable.close()
    multiline = servable.multiline
    journal = folder / "journal"
    here = Kept.read(None, journal, multiline=multiline).opening.last
    if multiline and not here and Kept.read(None, journal, multiline=False).opening.last:
        raise other_kind(journal, multiline=False)
    if newest is not None:
        report(f"{folder} has no lineage.json; it goes on from its newest snapshot, {newest.number}")
        moment = newest.moment
        examples = moment.learned.then(moment.journal + 1)
        return Lineage(moment.lineage, newest.provenance, examples, multiline, moment.founded)
    if here:
        report(f"{folder} has neither lineage.json nor a snapshot; it learns all {here} examples of its journal")
    return Lineage(1, provenance, Stretches(), multiline)


def former(blueprint: Blueprint, lineage: Lineage, passed: int) -> Blueprint:
    """The blueprint of a model as it was made before its drop changed, of which everything is `kept`."""
    provenance = lineage.provenance
    former = blueprint.former(provenance.arguments, len(provenance.transforms))
    if former is None:
        raise lineage.refused(provenance.changes(provenance_of(blueprint)), passed)
    return former
