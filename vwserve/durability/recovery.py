"""A model from its state on disk: the newest good snapshot of its lineage, and the journal after it.

What was learned live is learned again from the journal, line by line in the same order and by the same code, so the
model is the very same, bit for bit. Limits that were narrowed since do not hold for it: what was learned was within
those of its time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vwserve.durability.errors import disk_error
from vwserve.durability.lineage import Lineage
from vwserve.durability.opening import Opening, look_through
from vwserve.durability.reading import read_journal
from vwserve.durability.segments import examples_in
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.snapshots import Snapshots
from vwserve.errors import StateError
from vwserve.learner import Bounds
from vwserve.lines import lines_of
from vwserve.model.blueprint import Blueprint
from vwserve.model.servable import Servable

WIDEST = Bounds(importance=1e30, magnitude=1e30, features=100_000_000, lines=1_000_000)
"""The widest limits that a configuration may give."""

REPLAYED_FOR_EXACTNESS = 1_000_000
"""The most examples that are learned again from the first one on, where a snapshot does not hold all of a model."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A servable as it stood, the snapshot that it went on from, how many examples of the journal it then learned.

    `remarks` are what was wrong, a line each.
    """

    servable: Servable
    snapshot: Snapshot | None
    replayed: int
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is to recover from: snapshots, if any, and what a journal in `folder` has.

    What that has after `upto` is not learned again yet.
    """

    snapshots: Snapshots | None
    folder: Path
    opening: Opening
    upto: int

    @property
    def passed(self) -> int:
        """The last sequence number that there is any trace of."""
        newest = next(self.snapshots.newest(lambda _: True), None) if self.snapshots is not None else None
        return max(self.opening.last, newest.moment.journal if newest is not None else 0)

    @classmethod
    def read(cls, snapshots: Snapshots | None, folder: Path, *, multiline: bool) -> Kept:
        """What there is, without a journal open; raises JournalError."""
        opening = Opening(1, 0)
        if folder.is_dir():
            try:
                opening = look_through(folder, multiline=multiline)
            except OSError as error:
                raise disk_error("read", folder, error, "check the folder and its permissions") from error
        return cls(snapshots, folder, opening, opening.last)


def recover(blueprint: Blueprint, lineage: Lineage, kept: Kept, verified: Collection[int] = ()) -> Recovered:
    """The model of this lineage, learning; snapshots `verified` just now are not verified again.

    Raises StateError where neither a snapshot nor the journal leads to it, and what building it raises.
    """
    remarks: list[str] = []
    snapshots, opening = kept.snapshots, kept.opening
    snapshot, corrupt = snapshots.newest_good(lineage.holds, verified) if snapshots is not None else (None, ())
    remarks += map(str, corrupt)
    if snapshot is not None and not snapshot.exact:
        if _short_enough(lineage, kept):
            snapshot = None
        else:
            remarks.append(
                f"it goes on from snapshot {snapshot.number}, in which VW does not save all that such a model goes by: "
                "its weights are those that it had, and what it learns from now on may differ in the last digits"
            )
    missing = lineage.examples.after(snapshot.moment.learned.end if snapshot is not None else 0).upto(kept.upto)
    if missing and missing.ranges[0][0] < opening.first:
        raise StateError(
            f"{kept.folder} begins at example {opening.first}, and this model needs those from {missing.ranges[0][0]} "
            "on, since no snapshot that has them is good; restore older files, or begin anew with `on_change: fresh`"
        )
    for gap in opening.gaps:
        lost = missing.after(gap.after).upto(gap.first - 1)
        if lost:
            remarks.append(f"it goes on without examples {lost}, which are missing in {kept.folder}")
            missing = missing.without(gap.after + 1, gap.first - 1)
    resumed = snapshots.resumed(snapshot) if snapshots is not None and snapshot is not None else None
    servable = blueprint.build(WIDEST, lineage.number, learn=True, resumed=resumed)
    try:
        refused = servable.totals().refused
        replayed = sum(replay(servable, kept.folder, missing))
        if refused := servable.totals().refused - refused:
            remarks.append(f"{refused} of {replayed} examples of the journal were refused when they were learned again")
    except BaseException:
        servable.close()
        raise
    return Recovered(servable, snapshot, replayed, tuple(remarks))


def replay(servable: Servable, folder: Path, examples: Iterable[tuple[int, int | None]]) -> Iterator[int]:
    """Have a model learn examples of the journal in `folder`, block by block; yields how many each block had.

    Raises JournalError where some are missing.
    """
    for first, last in examples:
        for block in read_journal(folder, multiline=servable.multiline, after=first - 1, until=last):
            if servable.multiline:
                servable.answer_groups([lines_of(group + b"\n") for group in block.split(b"\n\n")[:-1]])
            else:
                servable.answer(block)
            yield examples_in(block, servable.multiline)


def _short_enough(lineage: Lineage, kept: Kept) -> bool:
    wanted = lineage.examples.upto(kept.upto)
    if kept.opening.gaps or (wanted and wanted.ranges[0][0] < kept.opening.first):
        return False
    return wanted.examples_upto(kept.upto) <= min(REPLAYED_FOR_EXACTNESS, kept.opening.last)
