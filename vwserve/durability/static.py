"""A model that does not learn, from what it learned when it did.

Nothing is written: the state on disk is read as the last process that learned has left it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from vwserve.durability.founding import found
from vwserve.durability.lineage import Lineage
from vwserve.durability.provenance import provenance_of
from vwserve.durability.recovery import Kept, Recovered, passed_by, recover
from vwserve.durability.snapshots import Snapshots
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.servable import Servable
from vwserve.model.state import Resumed


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
    lineage = lineage.aspired(provenance, blueprint.drop.policy.on_change, kept.upto)
    recovered = recover(blueprint, lineage, kept)
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
