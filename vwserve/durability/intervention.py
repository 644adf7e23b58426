"""What a model is to have learned after somebody intervened: an older snapshot, and which examples after it."""

from __future__ import annotations

from collections.abc import Iterable

from vwserve.durability.stretches import Stretches

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
