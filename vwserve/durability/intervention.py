"""What a model is to have learned after somebody intervened: an older snapshot, and which examples after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from vwserve.durability.lineage import Lineage
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.stretches import Stretches
from vwserve.errors import StateError

NOTHING = Stretches(())


def intervene(
    at: int,
    *,
    base: Stretches,
    passed: int,
    until: int | None = None,
    skip: Iterable[tuple[int, int]] = (),
) -> Stretches:
    """The examples that a model is to have learned that stands at the sequence number `at`, and those to come.

    It returns to where it had learned the examples `base` and the journal had `passed` so many. With `until`, or a
    stretch to `skip`, it learns what came after that, up to `until` and without the stretches; else nothing of it.
    """
    skipped = list(skip)
    examples = base
    if until is None:
        until = at if skipped else passed
    if passed < min(until, at):
        examples = examples.then(passed + 1, min(until, at))
    for first, last in skipped:
        examples = examples.without(first, min(last, at)) if first <= at else examples
    return examples.then(at + 1)


def gone_back(
    lineage: Lineage,
    at: int,
    snapshot: Snapshot | None,
    until: int | None = None,
    skip: Collection[tuple[int, int]] = (),
) -> Lineage:
    """The lineage that follows a return from `at` to a snapshot, or to the beginning; see `intervene`.

    Raises StateError where that was learned by a model that was made otherwise, or is of after `until`.
    """
    base, passed = NOTHING, 0
    if snapshot is not None:
        base, passed = snapshot.moment.learned, snapshot.moment.journal
        if changes := snapshot.provenance.changes(lineage.provenance):
            raise StateError(f"snapshot {snapshot.number} is of a model made otherwise: {'; '.join(changes)}")
    founded = lineage.founded
    learns_again = snapshot is not None or until is not None or bool(skip)
    if (learns_again and passed < founded) or any(first <= founded for first, _ in skip):
        raise StateError(
            f"what this model learned up to example {founded} it learned before its drop changed, and cannot learn "
            "again as it is made now; return to a snapshot that was taken since, or to 0 without a replay"
        )
    if until is not None and until < passed:
        raise StateError(
            f"a snapshot that was taken after example {passed} is no way to a model that learned up to {until}; return "
            "to an older one"
        )
    examples = intervene(at, base=base, passed=passed, until=until, skip=skip)
    founded = founded if snapshot is not None else 0
    return replace(lineage, number=lineage.number + 1, examples=examples, founded=founded)
