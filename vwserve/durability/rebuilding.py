"""Another lineage of a model, learned from the journal by a child process while the model goes on serving.

What comes of it is a snapshot; from that and the few examples that came meanwhile the daemon makes its model. As long
as the child has its copy of what the daemon serves, each page that the daemon writes to is copied once, so memory grows
by up to the size of the models that learn, and by that of the one that is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vwserve.durability.disk import Disk
from vwserve.durability.lineage import Lineage
from vwserve.durability.recovery import Kept, carry_out, plan
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.taking import Taking, make_apart
from vwserve.learner import Learner
from vwserve.model.blueprint import Blueprint
from vwserve.model.state import EMPTY

WITHIN_S = 86_400.0
"""How long a child may learn: seven days of 2,000 examples a second take two hours."""


def rebuild(
    blueprint: Blueprint,
    lineage: Lineage,
    kept: Kept,
    folder: Path,
    disk: Disk,
    *,
    number: int,
    now_s: float,
    sync_first: Sequence[int] = (),
    names_first: Path | None = None,
) -> Taking:
    """Begin to make the snapshot `number` in `folder`: the model of this lineage, as far as `kept` goes.

    The files open as `sync_first`, and the names in the folder `names_first`, are on disk before it is. It is to be
    read from there once the taking is finished; it comes to nothing where some of the lineage is lost. Raises
    SnapshotError where nothing can be begun.
    """
    draft = Snapshot(number, now_s, lineage.provenance, EMPTY, lineage.moment(kept.upto), exact=True)

    def make() -> tuple[Snapshot, Learner]:
        recovered = carry_out(blueprint, plan(lineage, kept).founded("refuse").whole())
        servable, learned = recovered.servable, recovered.lineage
        learner, moment = servable.learner, learned.moment(kept.upto)
        return Snapshot(number, now_s, learned.provenance, servable.state(), moment, exact=learner.tells_all), learner

    return make_apart(make, draft, folder, disk, sync_first=sync_first, names_first=names_first, within_s=WITHIN_S)
