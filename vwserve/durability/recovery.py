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
from vwserve.durability.stretches import Stretches
from vwserve.errors import StateError
from vwserve.learner import Bounds
from vwserve.lines import lines_of
from vwserve.model.blueprint import Blueprint
from vwserve.model.policy import OnChange
from vwserve.model.servable import Servable

WIDEST = Bounds(importance=1e30, magnitude=1e30, features=100_000_000, lines=1_000_000)
"""The widest limits that a configuration may give."""

REPLAYED_FOR_EXACTNESS = 1_000_000
"""The most examples that are learned again from the first one on, where a snapshot does not hold all of a model."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A servable as it stood, the snapshot that it went on from, how many examples of the journal it then learned.

    `lineage` is the one that it was to be, without examples that are lost. `remarks` are what was wrong, a line each.
    """

    servable: Servable
    lineage: Lineage
    snapshot: Snapshot | None
    replayed: int
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is to recover from: snapshots, if any, and what a journal in `folder` has.

    A model is recovered up to the example `upto`, which may be after the last one that the journal has.
    """

    snapshots: Snapshots | None
    folder: Path
    opening: Opening
    upto: int

    @classmethod
    def read(cls, snapshots: Snapshots | None, folder: Path, *, multiline: bool, passed: int = 0) -> Kept:
        """What there is, without a journal open; the model is known to have `passed` so many. Raises JournalError."""
        opening = Opening(1, 0)
        if folder.is_dir():
            try:
                opening = look_through(folder, multiline=multiline)
            except OSError as error:
                raise disk_error("read", folder, error, "check the folder and its permissions") from error
        return cls(snapshots, folder, opening, max(opening.last, passed))

    def lacking(self, wanted: Stretches) -> Stretches:
        """Those of the wanted examples that the journal does not have."""
        had = wanted.after(self.opening.first - 1).upto(self.opening.last)
        for gap in self.opening.gaps:
            had = had.without(gap.after + 1, gap.first - 1)
        return wanted.minus(had)


def passed_by(lineage: Lineage, newest: Snapshot | None) -> int:
    """The last sequence number that anything but the journal tells of: the lineage, or the newest snapshot."""
    return max(lineage.passed, newest.moment.journal if newest is not None else 0)


def recover(
    blueprint: Blueprint,
    lineage: Lineage,
    kept: Kept,
    verified: Collection[int] = (),
    on_change: OnChange = "refuse",
    *,
    whole: bool = False,
) -> Recovered:
    """The model of this lineage, learning; snapshots `verified` just now are not verified again.

    It goes on without examples that neither a snapshot nor the journal has. Raises StateError where those are the first
    ones, so that there is nothing to go on from, or where the `whole` is asked for, and what building it raises. Where
    the lineage was founded on a snapshot and there is none that leads to it, `on_change` says what becomes of it.
    """
    remarks: list[str] = []
    snapshots = kept.snapshots
    snapshot, corrupt = snapshots.newest_good(lineage.holds, verified) if snapshots is not None else (None, ())
    remarks += map(str, corrupt)
    if snapshot is None and lineage.founded:
        lineage = lineage.without_foundation(on_change, kept.upto, kept.folder.with_name("snapshots"))
    if snapshot is not None and not snapshot.exact:
        if _can_begin_anew(blueprint, lineage, kept):
            snapshot = None
        else:
            remarks.append(
                f"it goes on from snapshot {snapshot.number}, in which VW does not save all that such a model goes by: "
                "its weights are those that it had, and what it learns from now on may differ in the last digits"
            )
    learned = snapshot.moment.learned.end if snapshot is not None else 0
    missing = lineage.examples.after(learned).upto(kept.upto)
    if lost := kept.lacking(missing):
        if not learned and lost.ranges[0][0] == missing.ranges[0][0]:
            begins = f"begins at example {kept.opening.first}" if kept.opening.last else "has no examples"
            raise StateError(
                f"{kept.folder} {begins}, and this model needs those from {missing.ranges[0][0]} on, since no snapshot "
                f"that has them is good; restore older files, or move {kept.folder.parent} away to begin anew"
            )
        if whole:
            raise not_journaled(kept.folder, lost)
        remarks.append(f"it goes on without the examples {lost}: neither a good snapshot nor {kept.folder} has them")
        missing, lineage = missing.minus(lost), lineage.minus(lost)
    resumed = snapshots.resumed(snapshot) if snapshots is not None and snapshot is not None else None
    servable = blueprint.build(WIDEST, lineage.number, learn=True, resumed=resumed)
    try:
        if missing and servable.multiline != lineage.multiline:
            raise other_kind(kept.folder, lineage.multiline)
        refused = servable.totals().refused
        replayed = sum(replay(servable, kept.folder, missing))
        if refused := servable.totals().refused - refused:
            remarks.append(f"{refused} of {replayed} examples of the journal were refused when they were learned again")
    except BaseException:
        servable.close()
        raise
    return Recovered(servable, lineage, snapshot, replayed, tuple(remarks))


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


def not_journaled(folder: Path, lost: Stretches) -> StateError:
    """A journal lacks what somebody asked for to be learned again."""
    skips = " ".join(f"skip {first}..{last}" for first, last in lost)
    return StateError(
        f"{folder} does not have the examples {lost}, which are to be learned again; go on from a snapshot that has "
        f"learned them, or leave them out ({skips})"
    )


def other_kind(folder: Path, multiline: bool) -> StateError:
    """A journal has examples of another kind than the model reads."""
    return StateError(
        f"{folder} has examples of {'several lines' if multiline else 'one line'}, which this model does not read; "
        f"move {folder.parent} away to begin anew"
    )


def _can_begin_anew(blueprint: Blueprint, lineage: Lineage, kept: Kept) -> bool:
    """Whether the journal has all of a model, and that is not much, and makes it again."""
    wanted = lineage.examples.upto(kept.upto)
    if lineage.founded:
        return False
    if wanted.examples_upto(kept.upto) > REPLAYED_FOR_EXACTNESS or kept.lacking(wanted):
        return False
    servable = blueprint.build(WIDEST, learn=True)
    servable.close()
    return servable.learner.replays_exactly
