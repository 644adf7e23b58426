"""Which examples of a journal a replay learns.

By itself those that `lineage.json` beside the journal names: the model as it is, without what was rolled back. A
running daemon may append meanwhile: what counts is what was there at the start.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vwserve.durability.errors import JournalError, disk_error
from vwserve.durability.intervention import NOTHING
from vwserve.durability.lineage import Lineage
from vwserve.durability.opening import Opening
from vwserve.durability.reading import read_journal
from vwserve.durability.recovery import Kept
from vwserve.durability.segments import examples_in, segments_in
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.snapshots import Snapshots
from vwserve.durability.storing import model_file
from vwserve.durability.stretches import Stretches
from vwserve.durability.times import sequence_at
from vwserve.errors import VwserveError
from vwserve.wire.points import AtNumber, Point, Skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for of a journal.

    What comes after the snapshot `base`, up to the point `until` and without the stretches to `skip`. `everything`
    takes what the model of the lineage has left out, too.
    """

    base: Snapshot | None = None
    until: Point | None = None
    skip: Sequence[Skip] = ()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """The `examples` of the journal in `folder` that are to be learned, after those that are `learned` already.

    `lineage` is the one that stands beside the journal, None where none does.
    """

    folder: Path
    learned: Stretches
    examples: Stretches
    multiline: bool
    lineage: Lineage | None

    @property
    def count(self) -> int:
        """How many there are to learn."""
        return self.examples.examples_upto(self.examples.end)

    @property
    def outcome(self) -> Stretches:
        """All that a model has learned in the end."""
        outcome = self.learned
        for first, last in self.examples:
            outcome = outcome.then(first, last)
        return outcome

    def blocks(self) -> Iterator[bytes]:
        """The examples, in blocks of whole ones; raises JournalError where some cannot be read any more."""
        read = 0
        for first, last in self.examples:
            for block in read_journal(self.folder, multiline=self.multiline, after=first - 1, until=last):
                read += examples_in(block, self.multiline)
                yield block
        if read != self.count:
            raise JournalError(f"{self.folder}: only {read:,} of {self.count:,} examples were still there; try again")


def select(folder: Path, wanted: Wanted, *, multiline: bool) -> Selection:
    """What is wanted of the journal in `folder`, as a model reads it whose examples are `multiline`, or not.

    Raises VwserveError where some of it is missing, or does not fit together.
    """
    _check_folder(folder)
    lineage, kept = _found(folder, multiline)
    opening = kept.opening
    base = wanted.base
    learned = base.moment.learned if base is not None else NOTHING
    whole = _whole(lineage, base, wanted.everything)
    if base is not None and not learned.begins(whole):
        raise VwserveError(
            f"snapshot {base.number} has learned the examples {learned}, and the model {whole}: it was left by a "
            "return to an older one. Go on from another, or from this one with --all"
        )
    examples = whole.upto(max(opening.last, _known_end(whole)))
    if wanted.until is not None:
        examples = examples.upto(_until(folder, wanted.until, opening))
    for skip in wanted.skip:
        examples = examples.without(*_stretch(folder, skip, opening))
    if base is not None and not learned.begins(examples):
        raise VwserveError(
            f"snapshot {base.number} has learned the examples {learned} already; leave out or end before some of "
            "them from an older snapshot, or from the beginning"
        )
    examples = examples.after(learned.end)
    if lost := kept.lacking(examples):
        raise JournalError(_missing(folder, lost, whole))
    return Selection(folder, learned, examples, multiline, lineage)


def _check_folder(folder: Path) -> None:
    try:
        if segments_in(folder):
            return
    except OSError as error:
        raise disk_error("read the journal in", folder, error, "name the folder of its .dat files") from error
    inner = folder / "journal"
    remedy = f"did you mean {inner}?" if inner.is_dir() else "name the folder of its .dat files"
    raise VwserveError(f"{folder} has no journal; {remedy}")


def _found(folder: Path, multiline: bool) -> tuple[Lineage | None, Kept]:
    """The lineage beside a journal and what there is of the journal, both of one moment."""
    state = Path(os.path.abspath(folder)).parent  # of `.`, too
    lineage = Lineage.read(state)
    while True:
        if lineage is not None and lineage.multiline != multiline:
            kinds = ("several lines", "one line") if lineage.multiline else ("one line", "several lines")
            raise VwserveError(f"{folder} has examples of {kinds[0]}, and this model's have {kinds[1]}")
        kept = Kept.read(None, folder, multiline=multiline)
        again = Lineage.read(state)
        if again == lineage:
            return lineage, kept
        lineage = again


def _whole(lineage: Lineage | None, base: Snapshot | None, everything: bool) -> Stretches:
    """What the model is to have learned in the end, if the journal has it and nothing is left out."""
    if lineage is not None and not everything:
        return lineage.examples
    if base is None:
        return Stretches()
    return base.moment.learned.then(base.moment.journal + 1)


def _known_end(whole: Stretches) -> int:
    """The last example that a model is known to have learned, whatever the journal has."""
    return max((last for _, last in whole if last is not None), default=0)


def _until(folder: Path, until: Point, opening: Opening) -> int:
    sequence = _sequence(folder, until)
    if isinstance(until, AtNumber) and sequence > opening.last:
        raise VwserveError(f"there is no example {sequence}: {_ending(folder, opening)}")
    return sequence


def _stretch(folder: Path, skip: Skip, opening: Opening) -> tuple[int, int]:
    first, last = 1, opening.last
    if skip.first is not None:  # of a time, the one after those that had been learned by then
        first = _sequence(folder, skip.first) + (not isinstance(skip.first, AtNumber))
    if skip.last is not None:
        last = _sequence(folder, skip.last)
    if last < first:
        raise VwserveError(f"no example is from {first} to {last}: {_ending(folder, opening)}")
    return first, last


def _sequence(folder: Path, point: Point) -> int:
    return point.sequence if isinstance(point, AtNumber) else sequence_at(folder, point.unix_s)


def _ending(folder: Path, opening: Opening) -> str:
    return (
        f"{folder} ends at example {opening.last}. A number is a sequence number, and @NUMBER a time in seconds since "
        "1970"
    )


def _missing(folder: Path, lost: Stretches, whole: Stretches) -> str:
    skips = " ".join(f"--skip {first}..{last}" for first, last in lost)
    return (
        f"{folder} does not have the examples {lost}, which are to be learned. Restore the files that had them, go "
        f"on from a snapshot that has learned them (--from {_having(folder, lost.end, whole)}), or leave them out "
        f"({skips})"
    )


def _having(folder: Path, last: int, whole: Stretches) -> Path:
    """The oldest snapshot beside a journal that has learned all up to an example, and what the model has learned."""
    snapshots = Path(os.path.normpath(folder / ".." / "snapshots"))
    if not snapshots.is_dir():
        return Path("NUMBER.vw")
    numbers = [
        each.number
        for each in Snapshots(snapshots, reading=True).list()
        if each.moment.journal >= last and each.moment.learned.begins(whole)
    ]
    return model_file(snapshots, min(numbers)) if numbers else Path("NUMBER.vw")
