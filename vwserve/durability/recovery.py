"""A model from its state on disk: the newest good snapshot of its lineage, and the journal after it.

What was learned live is learned again from the journal, line by line in the same order and by the same code, so the
model is the very same, bit for bit. Limits that were narrowed since do not hold for it: what was learned was within
those of its time.

Deciding and doing are apart: `plan` says which snapshot there is to go on from and what the journal lacks after it, and
who asked judges that. At a start what is lost is forgiven, and reported; where somebody asks for a model while another
one is served, it is refused. What carries a plan out decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from vwserve.durability.errors import disk_error
from vwserve.durability.lineage import Lineage
from vwserve.durability.opening import Opening, look_through
from vwserve.durability.reading import read_journal
from vwserve.durability.segments import examples_in
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.snapshots import Newest, Snapshots
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


@dataclass(frozen=True, slots=True)
class Plan:
    """How a lineage is to be made of what is kept: from the snapshot `base`, or as it begins, and from the journal.

    `missing` are the examples to be learned after that, and `lost` those of them that the journal does not have.
    `remarks` are what was wrong, a line each. Whoever made it judges it; nothing is learned until it is carried out.
    """

    lineage: Lineage
    kept: Kept
    base: Snapshot | None
    missing: Stretches
    lost: Stretches
    remarks: tuple[str, ...] = ()

    @property
    def learned(self) -> int:
        """The last example that its base has learned, 0 without one."""
        return self.base.moment.learned.end if self.base is not None else 0

    @property
    def replayed(self) -> int:
        """How many examples are to be learned again."""
        return self.missing.examples_upto(self.kept.upto)

    def founded(self, on_change: OnChange) -> Plan:
        """Where there is no snapshot that its lineage needs, for it was founded on one: what `on_change` says.

        Raises StateError where that refuses.
        """
        if self.base is not None or not self.lineage.founded:
            return self
        folder = self.kept.folder.with_name("snapshots")
        lineage = self.lineage.without_foundation(on_change, self.kept.upto, folder)
        return _plan(lineage, self.kept, None, self.remarks).as_far_back()

    def as_far_back(self) -> Plan:
        """The one that learns again what the journal still has: without what it had before its first example."""
        opening = self.kept.opening
        first = opening.first if opening.first <= opening.last else self.kept.upto + 1
        gone = self.lost.upto(first - 1)
        if not gone:
            return self
        lineage = replace(self.lineage, examples=self.lineage.examples.minus(gone))
        remark = f"it learns again without the examples {gone}: {self.kept.folder} does not have them any more"
        return _plan(lineage, self.kept, self.base, (*self.remarks, remark))

    def forgiven(self) -> Plan:
        """The one that goes on without what is lost.

        Raises StateError where those are the first examples, so that there is nothing to go on from.
        """
        if not self.lost:
            return self
        folder, opening, first = self.kept.folder, self.kept.opening, self.missing.ranges[0][0]
        if not self.learned and self.lost.ranges[0][0] == first:
            begins = f"begins at example {opening.first}" if opening.last else "has no examples"
            raise StateError(
                f"{folder} {begins}, and this model needs those from {first} on, since no snapshot that has them is "
                f"good; restore older files, or move {folder.parent} away to begin anew"
            )
        remark = f"it goes on without the examples {self.lost}: neither a good snapshot nor {folder} has them"
        return _plan(self.lineage.minus(self.lost), self.kept, self.base, (*self.remarks, remark))

    def whole(self) -> Plan:
        """This one, where nothing is lost; else raises StateError, which says what is and what can be done."""
        if self.lost:
            raise not_journaled(self.kept.folder, self.lost, self.remarks)
        return self

    def without_base(self) -> Plan:
        """The one that learns all of the journal."""
        return _plan(self.lineage, self.kept, None, self.remarks)

    def to_base(self) -> Plan:
        """The one that learns nothing after its base."""
        return _plan(self.lineage, replace(self.kept, upto=self.learned), self.base, self.remarks)


def plan(lineage: Lineage, kept: Kept, found: Newest | None = None, remarks: Iterable[str] = ()) -> Plan:
    """How a lineage is to be made as far as `kept` goes: from the snapshot that was `found` good, or is found now.

    `remarks` are what else was wrong.
    """
    if found is None:
        found = kept.snapshots.newest_good(lineage.holds) if kept.snapshots is not None else Newest()
    # The lineage may have become another while the snapshots of the one that was expected were looked at.
    base = found.snapshot if found.snapshot is not None and lineage.holds(found.snapshot) else None
    return _plan(lineage, kept, base, (*map(str, found.corrupt), *remarks))


def _plan(lineage: Lineage, kept: Kept, base: Snapshot | None, remarks: tuple[str, ...]) -> Plan:
    learned = base.moment.learned.end if base is not None else 0
    missing = lineage.examples.after(learned).upto(kept.upto)
    return Plan(lineage, kept, base, missing, kept.lacking(missing), remarks)


def start(blueprint: Blueprint, plan: Plan, on_change: OnChange = "refuse", *, again: bool = False) -> Recovered:
    """The model of a plan where it is to be served whatever is lost: at a start.

    It goes on without what is lost, and learns all of the journal where a snapshot does not hold all of it. Where it is
    made otherwise now and learns its journal `again`, it goes as far back as that does. Raises StateError where there
    is nothing to go on from, or `on_change` refuses what was founded on a snapshot that is lost; and as `carry_out`.
    """
    plan = plan.founded(on_change)
    if again:
        plan = plan.as_far_back()
    if _can_begin_anew(blueprint, plan):
        plan = plan.without_base()
    return carry_out(blueprint, plan.forgiven())


def carry_out(blueprint: Blueprint, plan: Plan) -> Recovered:
    """The model of a plan, learning; raises what building it raises, and StateError where it cannot read the journal.

    All that is missing is learned before it returns. JournalError is raised where some of that is lost.
    """
    lineage, kept, base, remarks = plan.lineage, plan.kept, plan.base, list(plan.remarks)
    if base is not None and not base.exact:
        remarks.append(
            f"it goes on from snapshot {base.number}, in which VW does not save all that such a model goes by: its "
            "weights are those that it had, and what it learns from now on may differ in the last digits"
        )
    resumed = kept.snapshots.resumed(base) if kept.snapshots is not None and base is not None else None
    servable = blueprint.build(WIDEST, lineage.number, learn=True, resumed=resumed)
    try:
        if plan.missing and servable.multiline != lineage.multiline:
            raise other_kind(kept.folder, lineage.multiline)
        refused = servable.totals().refused
        replayed = sum(replay(servable, kept.folder, plan.missing))
        if refused := servable.totals().refused - refused:
            remarks.append(f"{refused} of {replayed} examples of the journal were refused when they were learned again")
    except BaseException:
        servable.close()
        raise
    return Recovered(servable, lineage, base, replayed, tuple(remarks))


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


def not_journaled(folder: Path, lost: Stretches, remarks: Iterable[str] = ()) -> StateError:
    """A journal lacks what somebody asked for to be learned again; `remarks` are what else is wrong."""
    skips = " ".join(f"skip {first}..{last}" for first, last in lost)
    text = (
        f"{folder} does not have the examples {lost}, which are to be learned again; go on from a snapshot that has "
        f"learned them, or have a rollback leave them out ({skips})"
    )
    return StateError(". ".join([text, *remarks]))


def other_kind(folder: Path, multiline: bool) -> StateError:
    """A journal has examples of another kind than the model reads."""
    return StateError(
        f"{folder} has examples of {'several lines' if multiline else 'one line'}, which this model does not read; "
        f"move {folder.parent} away to begin anew"
    )


def _can_begin_anew(blueprint: Blueprint, plan: Plan) -> bool:
    """Whether its base does not hold all of a model, and the journal does, and that is not much, and makes it again."""
    if plan.base is None or plan.base.exact or plan.lineage.founded:
        return False
    anew = plan.without_base()
    if anew.replayed > REPLAYED_FOR_EXACTNESS or anew.lost:
        return False
    servable = blueprint.build(WIDEST, learn=True)
    servable.close()
    return servable.learner.replays_exactly
