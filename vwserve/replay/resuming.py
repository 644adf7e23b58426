"""Going on from a snapshot, which is named by its model file."""

from __future__ import annotations

from pathlib import Path

from vwserve.durability.provenance import provenance_of
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.snapshots import Snapshots
from vwserve.durability.storing import NUMBERED
from vwserve.errors import StateError, VwserveError
from vwserve.model.blueprint import Blueprint
from vwserve.model.state import Resumed


def resume_from(file: Path, blueprint: Blueprint) -> tuple[Snapshot, Resumed]:
    """The snapshot whose model is `file`, and what a servable of this blueprint is to go on from.

    Raises VwserveError where it is none, is not as it was taken, or is of a model that is made otherwise.
    """
    found = NUMBERED.fullmatch(file.name)
    if found is None or found[2] != "vw":
        raise VwserveError(
            f"{file} is no snapshot: one is NUMBER.vw with NUMBER.json beside it, as in state/ctr/snapshots/17.vw. Any "
            "other model file can be the drop's `initial:`"
        )
    snapshots = Snapshots(file.parent, reading=True)
    snapshot = snapshots.good(int(found[1]))
    if changes := snapshot.provenance.changes(provenance_of(blueprint)):
        raise StateError(
            f"{file} was learned by a model made otherwise: {'; '.join(changes)}. Give a drop like the one that "
            "learned it, or replay the journal from its beginning"
        )
    return snapshot, snapshots.resumed(snapshot)
