"""A model that does not learn, from what it learned when it did: the newest there is, or a snapshot that is pinned.

Nothing is written: the state on disk is read as the last process that learned has left it. Nor is anything of it kept
from those who do write there: as long as nobody learns, nothing is removed; where somebody learns again, the snapshot
that was pinned counts among those of which only as many are kept as the drop says.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vwserve.durability.founding import former, found
from vwserve.durability.lineage import Lineage
from vwserve.durability.provenance import provenance_of
from vwserve.durability.recovery import Kept, Recovered, passed_by, plan, start
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.snapshots import Snapshots
from vwserve.errors import StateError
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.servable import Servable
from vwserve.model.state import Resumed


@dataclass(frozen=True, slots=True)
class Pinned:
    """A snapshot that is served as it is; `clock` shows Unix time."""

    servable: Servable
    snapshot: Snapshot
    clock: Callable[[], float]

    def statistics(self) -> dict[str, object]:
        """What there is to tell of it besides what the servable does."""
        snapshot = self.snapshot
        return {
            "snapshot": {"number": snapshot.number, "age": self.clock() - snapshot.time_s},
            "lineage": snapshot.moment.lineage,
            "pinned": snapshot.number,
        }


def build_pinned(blueprint: Blueprint, number: int, folder: Path, bounds: Bounds, clock: Callable[[], float]) -> Pinned:
    """The model as the snapshot of this number in its state has it.

    Raises StateError where there is none, it is not as it was taken, or is of a model that was made otherwise, and what
    building it raises.
    """
    snapshot = check_pinned(blueprint, number, folder)
    resumed = Snapshots(folder / "snapshots", reading=True).resumed(snapshot)
    return Pinned(blueprint.build(bounds, snapshot.moment.lineage, resumed=resumed), snapshot, clock)


def check_pinned(blueprint: Blueprint, number: int, folder: Path) -> Snapshot:
    """The snapshot that a blueprint pins, if it can be served so; raises StateError as `build_pinned` does."""
    there = folder / "snapshots"
    if not there.is_dir():
        raise StateError(f"{there} is not there, and so there is no version {number} to pin; let the model learn first")
    snapshot = Snapshots(there, reading=True).good(number)
    if changes := snapshot.provenance.changes(provenance_of(blueprint)):
        raise StateError(
            f"snapshot {number} is of a model made otherwise: {'; '.join(changes)}. Give the drop what it had then, or "
            "pin another version"
        )
    return snapshot


def build_static(
    blueprint: Blueprint, folder: Path, bounds: Bounds, version: int, report: Callable[[str], None]
) -> Servable:
    """The model that a blueprint describes, as its state in `folder` has it; as it began, where there is none.

    Raises StateError where that was learned by a model that was made otherwise, and what building it raises.
    """
    snapshots = folder / "snapshots"
    readable = Snapshots(snapshots, reading=True) if snapshots.is_dir() else None
    lineage = Lineage.read(folder)
    if lineage is None and readable is None and not (folder / "journal").is_dir():
        return blueprint.build(bounds, version)
    provenance = provenance_of(blueprint)
    newest = next(readable.newest(lambda _: True), None) if readable is not None else None
    if lineage is None:
        lineage = found(folder, blueprint, provenance, newest, report)
    kept = Kept.read(readable, folder / "journal", multiline=lineage.multiline, passed=passed_by(lineage, newest))
    on_change, learner, settled = blueprint.drop.policy.on_change, blueprint, lineage
    if lineage.kept(provenance, on_change, kept.upto):
        learner = former(blueprint, lineage, kept.upto)
    else:
        lineage = lineage.aspired(provenance, on_change, kept.upto)
    planned = plan(lineage, kept)
    if readable is not None and planned.base is not None and planned.base.exact and not planned.missing:
        for remark in planned.remarks:
            report(remark)
        return blueprint.build(bounds, lineage.number, resumed=readable.resumed(planned.base))
    recovered = start(learner, planned, on_change, again=on_change == "replay" and lineage is not settled)
    for remark in recovered.remarks:
        report(remark)
    return _settled(blueprint, recovered, bounds)


def _settled(blueprint: Blueprint, recovered: Recovered, bounds: Bounds) -> Servable:
    """The model as it was recovered, learning no more."""
    learning = recovered.servable
    try:
        with tempfile.TemporaryDirectory() as there:
            file = Path(there) / "model.vw"
            learning.save(file)
            resumed = Resumed(file, learning.state())
            return blueprint.build(bounds, learning.version, resumed=resumed)
    finally:
        learning.close()
