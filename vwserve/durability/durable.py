"""A model that outlives its process: what it learns is in its journal first, and snapshots of it are taken.

    state/ctr/lineage.json       what it is made from, which examples of the journal it has learned
    state/ctr/journal/           every labelled example, before it is learned
    state/ctr/snapshots/         the model now and then

No trouble with the disk stops it from predicting. Where the journal cannot take an example, that example is not
learned, and its client is told so; `unready` says why, and every `tick` sees whether it works again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from vwserve.durability.disk import Disk
from vwserve.durability.errors import JournalError
from vwserve.durability.founding import found
from vwserve.durability.intervention import NOTHING, intervene
from vwserve.durability.journal import Journal
from vwserve.durability.keeping import Keeping
from vwserve.durability.lineage import Lineage
from vwserve.durability.lock import Lock
from vwserve.durability.provenance import Provenance
from vwserve.durability.rebuilding import rebuild
from vwserve.durability.recovery import Kept, Recovered, other_kind, passed_by, recover, replay
from vwserve.durability.snapshot import Snapshot, SnapshotError
from vwserve.durability.snapshots import Snapshots, snapshots_in
from vwserve.durability.storing import model_file
from vwserve.durability.stretches import Stretches
from vwserve.durability.taking import Taking
from vwserve.errors import RequestError, StateError, VwserveError
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.servable import Servable

_RETRY_S = 5.0
_KEEP_S = 60.0
_NOT_NOW = RequestError("not-ready", "the model predicts, but cannot keep what it would learn now; try again later")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a durable model works with: the Unix time in seconds, threads for what waits for the disk, and the log.

    `owe` is told of each append to a journal whose examples are answered only once they are synced.
    """

    clock: Callable[[], float]
    executor: Executor
    report: Callable[[str], None]
    owe: Callable[[Journal], None] = lambda _: None
    disk: Disk = field(default_factory=Disk)


@dataclass(slots=True)
class Successor:
    """A model of another lineage, on its way to take the place of the one that is served."""

    lineage: Lineage
    blueprint: Blueprint
    recovered: Recovered
    learned_upto: int
    missed: int = 0
    """How many examples came meanwhile that it cannot learn, since there is no journal."""

    def close(self) -> None:
        """Give it up."""
        self.recovered.servable.close()


class Durable:
    """The model that a blueprint describes, with its state in `folder`, which belongs to this process until `close`.

    `servable` serves it; another one does once `tick` has returned true, or a successor was adopted. Raises StateError
    where the state cannot be read or is another model's, and what building the model raises.
    """

    servable: Servable
    lineage: Lineage

    def __init__(self, blueprint: Blueprint, folder: Path, bounds: Bounds, around: Surroundings) -> None:
        self.folder = folder
        self.blueprint = blueprint
        self.unready = ""
        """Why it does not learn now; empty where it does."""
        self._bounds = bounds
        self._around = around
        self._lock: Lock | None = None
        self._journal: Journal | None = None
        self._snapshots: Snapshots | None = None
        self._passed = 0  # the last sequence number, as long as no journal is open
        self.newest: Snapshot | None = None
        """The newest snapshot that a restart would go on from."""
        self._former: Blueprint | None = None
        self._pinned: list[int] = []
        self._before: Snapshot | None = None  # the one before it
        self._multiline = False  # as the journal that is open is
        self._settled: Lineage | None = None  # what lineage.json is known to say
        self._seen: _Look = (None, 0, 0)  # what was on the disk at the start
        self._current = False  # whether the model that is served is the one on the disk
        self._remark: str | None = None
        self._reported = ""
        self._retry_from_s = self._keep_from_s = 0.0
        self.due_s = around.clock() + blueprint.drop.policy.snapshot_every_s
        """When the next snapshot is due."""
        try:
            self._hold()
            self._start()
        except BaseException:
            self._release()
            raise

    @property
    def position(self) -> int:
        """The sequence number of the last example that came, learned or left out."""
        return self._passed if self._journal is None else self._journal.last

    @property
    def outdated(self) -> bool:
        """Whether it goes on as it was made before its drop changed; `kept` then says that it can become what it says.

        It is so where that was found out when the model was opened: the journal may have to be learned the old way.
        """
        return self._former is not None and self.blueprint is self._former

    @property
    def changed(self) -> bool:
        """Whether it is not what its newest snapshot is."""
        moment = self.lineage.moment(self.position)
        return moment != self.newest.moment if self.newest is not None else len(moment.learned) > 0

    def statistics(self) -> dict[str, object]:
        """What there is to tell of its state on disk."""
        newest = self.newest
        age = {"number": newest.number, "age": self._around.clock() - newest.time_s} if newest is not None else None
        return {
            "snapshot": age,
            "journal": self._journal.last if self._journal is not None else None,
            "lineage": self.lineage.number,
            "not_ready": self.unready or None,
        }

    # -- starting ------------------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        """Make the state this process's, if the disk lets it."""
        disk = self._around.disk
        try:
            for path in reversed([path for path in (self.folder, *self.folder.parents) if not path.is_dir()]):
                disk.make_folder(path)
                disk.sync_folder(path.parent)
            self._lock = Lock(self.folder)
            self._snapshots = Snapshots(self._snapshots_folder, disk)
        except OSError as error:
            self._stop_learning(f"cannot use {error.filename or self.folder}: {error.strerror or error}")
        except StateError as error:
            if self._lock is None:
                raise  # another process has it
            self._stop_learning(str(error))

    def _start(self) -> None:
        """Recover the model, and have what it learns from now on kept."""
        snapshots = self._snapshots or self._readable_snapshots()
        provenance = provenance_of(self.blueprint)
        settled = Lineage.read(self.folder)
        lineage = settled or found(self.folder, self.blueprint, provenance, snapshots, self._around.report)
        self._passed = passed_by(lineage, snapshots)
        if self._held and self.blueprint.drop.policy.journal:
            self._open_journal(lineage.multiline)
        kept = self._kept(lineage.multiline)
        self._passed = kept.upto
        seen = settled, _number(next(_newest(snapshots), None)), kept.opening.last
        on_change = self.blueprint.drop.policy.on_change
        if lineage.kept(provenance, on_change, kept.upto):
            self._former = self.blueprint = former(self.blueprint, lineage, kept.upto)
            aspired = lineage
        else:
            aspired = lineage.aspired(provenance, on_change, kept.upto)
        recovered = recover(self.blueprint, aspired, kept, on_change=on_change)
        try:
            lineage = self._of_kind(recovered)
            newest = self._two_newest(lineage, recovered.snapshot)
        except BaseException:
            recovered.servable.close()
            raise
        self._settled, self._seen = settled, seen
        self._current = self._held and (self._journal is not None or not self.blueprint.drop.policy.journal)
        if self._held:
            self._settle(lineage)
        self._succeed(Successor(lineage, self.blueprint, recovered, kept.upto), newest)

    @property
    def _held(self) -> bool:
        """Whether the state is this process's, to write in."""
        return self._lock is not None and self._snapshots is not None

    def _of_kind(self, recovered: Recovered) -> Lineage:
        """The lineage of what was recovered; raises StateError where that cannot read what the journal has."""
        lineage, multiline = recovered.lineage, recovered.servable.multiline
        if multiline != lineage.multiline and self.position:
            raise other_kind(self._journal_folder, lineage.multiline)
        return replace(lineage, multiline=multiline)

    def _open_journal(self, multiline: bool) -> None:
        policy, around = self.blueprint.drop.policy, self._around
        self._close_journal()
        self._multiline = multiline
        try:
            self._journal = Journal(
                self._journal_folder,
                multiline=multiline,
                sync=policy.sync,
                keep_s=policy.journal_keep_s,
                clock=around.clock,
                executor=around.executor,
                after=self._passed,
                disk=around.disk,
            )
        except JournalError as error:
            self._stop_learning(str(error))
            return
        for remark in self._journal.opening.remarks:
            around.report(remark)

    def _close_journal(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            self._passed = journal.last
            try:
                journal.close()
            except JournalError as error:
                self._around.report(str(error))

    def _settle(self, lineage: Lineage) -> None:
        """Have this lineage count from now on, if it is not known to do, and the disk lets it."""
        if self._settled == lineage:
            return
        self._settled = None
        try:
            lineage.write(self._around.disk, self.folder)
        except OSError as error:
            self._stop_learning(f"cannot write in {self.folder}: {error.strerror or error}")
        else:
            self._settled = lineage

    def _kept(self, multiline: bool) -> Kept:
        """What there is to recover from; raises JournalError."""
        snapshots = self._snapshots or self._readable_snapshots()
        if self._journal is None:
            return Kept.read(snapshots, self._journal_folder, multiline=multiline, passed=self._passed)
        return Kept(snapshots, self._journal_folder, self._journal.extent, self._journal.last)

    def _readable_snapshots(self) -> Snapshots | None:
        return Snapshots(self._snapshots_folder, reading=True) if self._snapshots_folder.is_dir() else None

    @property
    def _journal_folder(self) -> Path:
        return self.folder / "journal"

    @property
    def _snapshots_folder(self) -> Path:
        return self.folder / "snapshots"

    # -- learning ------------------------------------------------------------------------------------------------------

    def _keep(self, text: bytes, examples: int) -> RequestError | None:
        """Take what is about to be learned; see vwserve.model.recording.Keep."""
        journal = self._journal
        if self.unready:
            return _NOT_NOW
        if journal is None:
            self._passed += examples
            return None
        try:
            journal.append(text, examples)
        except JournalError as error:
            self._stop_learning(str(error))
            return _NOT_NOW
        if self.blueprint.drop.policy.sync == "always":
            self._around.owe(journal)
        return None

    def _stop_learning(self, reason: str) -> None:
        if reason != self._reported:
            self._around.report(f"it predicts, and does not learn: {reason}")
        self.unready = self._reported = reason

    def limit(self, bounds: Bounds) -> None:
        """Take from now on only examples within `bounds`."""
        self._bounds = bounds
        self.servable.limit(bounds)

    def configure(self, blueprint: Blueprint) -> None:
        """Keep it from now on as this blueprint's drop says, which is of the same model."""
        policy = blueprint.drop.policy
        self.due_s = min(self.due_s, self._around.clock() + policy.snapshot_every_s)
        self.blueprint = blueprint
        if self._journal is not None:
            self._journal.configure(sync=policy.sync, keep_s=policy.journal_keep_s)

    # -- about once a second -------------------------------------------------------------------------------------------

    def tick(self) -> bool:
        """See to the journal, and try whether what failed works again; whether another servable is in place."""
        now_s = self._around.clock()
        if self._journal is not None:
            self._see_to(self._journal, now_s)
        if not self.unready or now_s < self._retry_from_s or (self._journal is not None and self._journal.failed):
            return False
        switched = self._try_again()
        self._retry_from_s = now_s + _RETRY_S if self.unready else 0.0
        return switched

    def _see_to(self, journal: Journal, now_s: float) -> None:
        journal.tick()
        if journal.failed is not None:
            self._stop_learning(str(journal.failed))
            if not journal.probe():
                return
            self._settled = None  # whatever became of the disk meanwhile
        if journal.remark != self._remark:
            self._remark = journal.remark
            if journal.remark:
                self._around.report(journal.remark)
        if now_s >= self._keep_from_s:
            self._keep_from_s = now_s + _KEEP_S
            self._let_go(journal)

    def _try_again(self) -> bool:
        """Have what failed work again; where it fails again, the model goes on as it is."""
        before, position, self.unready = self.servable, self.position, ""
        try:
            if self._current:
                self._resume()
            else:
                self._open_again()
        except VwserveError as error:
            self._close_journal()
            self._passed = position
            self._stop_learning(str(error))
        if not self.unready:
            self._reported = ""
            self._around.report("it learns again")
        if self.servable is before:
            return False
        before.close()
        return True

    def _open_again(self) -> None:
        """Open what could not be opened at the start; the disk may have more now than could be read then."""
        if not self._held:
            self._release()
            self._hold()
        if not self._held:
            return
        look = self._look()
        if look in (self._seen, (None, 0, 0)):
            self._current, self._settled = True, look[0]
            self._resume()
        else:
            self._start()

    def _look(self) -> _Look:
        """What is on the disk: the lineage, the number of the newest snapshot, the last example of the journal."""
        lineage = Lineage.read(self.folder)
        multiline = (lineage or self.lineage).multiline
        journal = Kept.read(None, self._journal_folder, multiline=multiline).opening
        return lineage, _number(next(_newest(self._snapshots), None)), journal.last

    def _resume(self) -> None:
        """Go on with a state that is this process's, though it may have come back without what was in it."""
        try:
            if not self._snapshots_folder.is_dir():
                self._around.disk.make_folder(self._snapshots_folder)
        except OSError as error:
            self._stop_learning(f"cannot make {self._snapshots_folder}: {error.strerror or error}")
            return
        if self._journal is None and self.blueprint.drop.policy.journal:
            self._open_journal(self.lineage.multiline)
        self._settle(self.lineage)
        newest = next(_newest(self._snapshots, self.lineage.holds), None)
        self.newest, self._before = self._two_newest(self.lineage, newest)

    def _let_go(self, journal: Journal) -> None:
        """Remove from the journal what is old and neither of the two newest snapshots needs."""
        if self.newest is None or self._snapshots is None:
            return
        needed = self.lineage.examples.after((self._before or self.newest).moment.learned.end)
        with suppress(JournalError):  # what it says, a failed tick says, too
            journal.keep(needed.ranges[0][0])

    # -- snapshots -----------------------------------------------------------------------------------------------------

    def snapshots(self) -> list[Snapshot]:
        """Those there are, the newest first; reads the disk, and may be called in any thread. Raises SnapshotError."""
        return snapshots_in(self.folder)

    def described(self, number: int) -> Snapshot:
        """One of them; reads the disk, and may be called in any thread. Raises SnapshotError."""
        return Snapshots(self._snapshots_folder, reading=True).described(number)

    @property
    def taking(self) -> bool:
        """Whether a snapshot is being taken."""
        return self._snapshots is not None and self._snapshots.taking is not None

    def take(self) -> Taking:
        """Begin to take a snapshot of the model as it is now; `finish` it once it is readable. Raises SnapshotError."""
        if self._snapshots is None:
            raise SnapshotError(f"no snapshot can be taken: {self.unready}")
        policy = self.blueprint.drop.policy
        self.put_off()
        return self._snapshots.take(
            self.servable,
            self.lineage.provenance,
            self.lineage.moment(self.position),
            now_s=self._around.clock(),
            sync_first=self._journal.descriptors if self._journal is not None else (),
            names_first=self._journal.folder if self._journal is not None else None,
            keeping=Keeping(policy.snapshots, policy.hourly, policy.daily),
            pinned=self._pinned,
        )

    @contextmanager
    def pinning(self, number: int) -> Iterator[None]:
        """Meanwhile, do not have a snapshot removed for those that are taken."""
        self._pinned.append(number)
        try:
            yield
        finally:
            self._pinned.remove(number)

    def put_off(self) -> None:
        """There is nothing new to take a snapshot of; the next one is due an interval from now."""
        self.due_s = self._around.clock() + self.blueprint.drop.policy.snapshot_every_s

    def finish(self) -> Snapshot:
        """The snapshot that was being taken; raises SnapshotError where none came about."""
        assert self._snapshots is not None, "one is being taken"
        taking = self._snapshots.taking
        snapshot = self._snapshots.finish()
        if taking is not None and taking.remark:
            self._around.report(taking.remark)
        if self.lineage.holds(snapshot):
            self._before, self.newest = self.newest, snapshot
        return snapshot

    def _two_newest(self, lineage: Lineage, newest: Snapshot | None) -> _Newest:
        """The newest snapshot of a lineage, which is given, and the one before it; raises SnapshotError."""
        older = _newest(self._snapshots, lambda each: newest is not None and each.number < newest.number)
        return newest, next((each for each in older if lineage.holds(each)), None)

    def model_file(self, snapshot: Snapshot) -> Path:
        """The file of a snapshot, as `vw -i` reads it."""
        return model_file(self._snapshots_folder, snapshot.number)

    # -- successors ----------------------------------------------------------------------------------------------------

    def intervened(
        self, snapshot: Snapshot | None, until: int | None = None, skip: Collection[tuple[int, int]] = ()
    ) -> Lineage:
        """The lineage of a return to a snapshot, or to the beginning; see `intervene`.

        Raises StateError where that was learned by a model that is made otherwise than this one.
        """
        if not self._current:
            raise StateError(f"{self.servable.name} cannot go back as long as it does not learn: {self.unready}")
        base, passed = NOTHING, 0
        if snapshot is not None:
            base, passed = snapshot.moment.learned, snapshot.moment.journal
            if changes := snapshot.provenance.changes(self.lineage.provenance):
                raise StateError(f"snapshot {snapshot.number} is of a model made otherwise: {'; '.join(changes)}")
        founded = self.lineage.founded
        before = passed < founded and (snapshot is not None or until is not None or bool(skip))
        if before or any(first <= founded for first, _ in skip):
            raise StateError(
                f"what this model learned up to example {founded} it learned before its drop changed, and cannot learn "
                "again as it is made now; return to a snapshot that was taken since, or to 0 without a replay"
            )
        if until is not None and until < passed:
            raise StateError(
                f"a snapshot that was taken after example {passed} is no way to a model that learned up to {until}; "
                "return to an older one"
            )
        if (until is not None or skip) and self._journal is None:
            raise StateError("there is no journal to learn again from; return to a snapshot alone")
        examples = intervene(self.position, base=base, passed=passed, until=until, skip=skip)
        number, founded = self.lineage.number + 1, founded if snapshot is not None else 0
        return replace(self.lineage, number=number, examples=examples, founded=founded)

    def replaced(self, blueprint: Blueprint, provenance: Provenance | None = None) -> Lineage:
        """The lineage of a model that is made otherwise, as its policy has it; raises StateError where that refuses.

        The `provenance` is the blueprint's; without it, the files are read that the model is made from.
        """
        provenance = provenance or provenance_of(blueprint)
        return self.lineage.aspired(provenance, blueprint.drop.policy.on_change, self.position)

    def kept(self, blueprint: Blueprint, provenance: Provenance) -> bool:
        """Whether it goes on with what it has learned where it is made otherwise, from a snapshot that is `refounded`.

        The `provenance` is the blueprint's.
        """
        return self.lineage.kept(provenance, blueprint.drop.policy.on_change, self.position)

    def refounded(self, snapshot: Snapshot, lineage: Lineage) -> Callable[[], Snapshot]:
        """What makes a snapshot of this lineage that of another, too, which begins with it; to be called in any thread.

        It returns the snapshot of that one, and raises SnapshotError.
        """
        if self._snapshots is None:
            raise SnapshotError(f"nothing can be stored: {self.unready}")
        moment = lineage.moment(snapshot.moment.journal)
        number = self._snapshots.reserve()
        return partial(self._snapshots.take_again, snapshot, lineage.provenance, moment, number)

    def discard(self, number: int) -> None:
        """Remove a snapshot that came to nothing, in any thread; what keeps it from going is reported."""
        try:
            if self._snapshots is not None:
                self._snapshots.discard(number)
        except SnapshotError as error:
            self._around.report(str(error))

    def sequence_at(self, unix_s: float) -> int:
        """The last example known to have been learned by a time; reads the disk. Raises JournalError."""
        return self._journal.sequence_at(unix_s) if self._journal is not None else self._passed

    def verified(self, lineage: Lineage) -> list[int]:
        """The number of the snapshot that a lineage goes on from, if any; reads all of it, in any thread."""
        snapshots = self._readable_snapshots()
        newest = snapshots.newest_good(lineage.holds).snapshot if snapshots is not None else None
        return [newest.number] if newest is not None else []

    def to_replay(self, lineage: Lineage, verified: Collection[int]) -> int:
        """How many examples there are to learn again for a lineage that goes on from a verified snapshot."""
        newest = self._described(verified)
        learned = newest.moment.learned.end if newest is not None else 0
        return lineage.examples.after(learned).examples_upto(self.position)

    def rebuild(self, lineage: Lineage, blueprint: Blueprint | None = None) -> Taking:
        """Begin to learn a lineage in a child, up to now; `rebuilt` once it is readable. Raises SnapshotError."""
        if self._snapshots is None:
            raise SnapshotError(f"nothing can be stored: {self.unready}")
        return rebuild(
            blueprint or self.blueprint,
            lineage,
            self._kept(lineage.multiline),
            self._snapshots_folder,
            self._around.disk,
            number=self._snapshots.reserve(),
            now_s=self._around.clock(),
            sync_first=self._journal.descriptors if self._journal is not None else (),
            names_first=self._journal.folder if self._journal is not None else None,
        )

    def successor(
        self, lineage: Lineage, verified: Collection[int] = (), blueprint: Blueprint | None = None
    ) -> Successor:
        """A model of another lineage, as a snapshot has it; `catch_up` learns the rest. Raises as `recover` does."""
        blueprint = blueprint or self.blueprint
        newest = self._described(verified)
        upto = newest.moment.learned.end if newest is not None else 0
        kept = replace(self._kept(lineage.multiline), upto=upto)
        recovered = recover(blueprint, lineage, kept, verified)
        try:
            lineage = self._of_kind(recovered)
        except BaseException:
            recovered.servable.close()
            raise
        learned = recovered.snapshot.moment.learned.end if recovered.snapshot is not None else upto
        return Successor(lineage, blueprint, recovered, learned)

    def catch_up(self, successor: Successor) -> Iterator[int]:
        """Have a successor learn what it has not yet, block by block; ends once nothing is left.

        Raises StateError where the journal does not have it. Without a journal it goes on without what came meanwhile.
        """
        while successor.learned_upto < (position := self.position):
            missing = successor.lineage.examples.after(successor.learned_upto).upto(position)
            if missing and not self.blueprint.drop.policy.journal:
                successor.lineage = replace(successor.lineage, examples=successor.lineage.examples.minus(missing))
                successor.missed += missing.examples_upto(position)
            elif missing:
                self._check_journaled(missing, successor.lineage)
                yield from replay(successor.recovered.servable, self._journal_folder, missing)
            successor.learned_upto = position

    def _check_journaled(self, wanted: Stretches, lineage: Lineage) -> None:
        """Raise StateError where the journal lacks some of what is to be learned again."""
        if lost := self._kept(lineage.multiline).lacking(wanted):
            skips = " ".join(f"skip {first}..{last}" for first, last in lost)
            raise StateError(
                f"{self._journal_folder} does not have the examples {lost}, which are to be learned again; go on from "
                f"a snapshot that has learned them, or leave them out ({skips})"
            )

    def adopt(self, successor: Successor) -> Servable:
        """Have a successor that has caught up serve from now on; the servable that did, which is to be closed.

        Raises StateError where that cannot be written down: then everything stays as it is. Where the state on disk
        could not be opened yet, nothing of it is written over, and the next start that can counts.
        """
        before = self.servable
        if successor.lineage.number != self.lineage.number + 1:
            raise StateError(f"{before.name} was made another meanwhile; nothing was switched")
        if successor.learned_upto < self.position:
            raise StateError(f"{before.name} learned more meanwhile; nothing was switched")
        newest = self._two_newest(successor.lineage, successor.recovered.snapshot)
        if self._current:
            try:
                successor.lineage.write(self._around.disk, self.folder)
            except OSError as error:
                self._put_back()
                raise StateError(
                    f"cannot write in {self.folder}: {error.strerror or error}; nothing was switched"
                ) from error
            self._settled = successor.lineage
        self._succeed(successor, newest)
        if successor.missed:
            missed = f"{successor.missed} examples that came while it was made"
            self._around.report(f"it goes on without {missed}: it keeps no journal to learn them from")
        return before

    def _put_back(self) -> None:
        """Have lineage.json say what it said: the disk may have failed after the new one was in its place."""
        try:
            self._settled = Lineage.read(self.folder)
        except StateError:
            self._settled = None
        self._settle(self.lineage)

    def _succeed(self, successor: Successor, newest: _Newest) -> None:
        recovered = successor.recovered
        self.blueprint, self.lineage = successor.blueprint, successor.lineage
        self.newest, self._before = newest
        if self._journal is not None and self._multiline != self.lineage.multiline:
            self._open_journal(self.lineage.multiline)  # it is empty
        for remark in recovered.remarks:
            self._around.report(remark)
        recovered.servable.limit(self._bounds)
        recovered.servable.record(self._keep)
        self.servable = recovered.servable

    def _described(self, verified: Collection[int]) -> Snapshot | None:
        snapshots = self._readable_snapshots()
        return snapshots.described(max(verified)) if snapshots is not None and verified else None

    # -- ending --------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take a last snapshot if there is something new, and let others have the state."""
        if self.taking:
            self._finish_last()
        if self.changed and not self.unready:
            self._finish_last(self.take)
        self.servable.close()
        self._release()

    def _finish_last(self, begin: Callable[[], object] = lambda: None) -> None:
        try:
            begin()
            self.finish()
        except SnapshotError as error:
            self._around.report(str(error))

    def _release(self) -> None:
        self._close_journal()
        if self._lock is not None:
            self._lock.release()
        self._lock = self._snapshots = None


_Look = tuple[Lineage | None, int, int]
_Newest = tuple[Snapshot | None, Snapshot | None]


def provenance_of(blueprint: Blueprint) -> Provenance:
    """What a model is made from; raises StateError where a file of it cannot be read."""
    try:
        return Provenance.of(blueprint)
    except OSError as error:
        raise StateError(f"cannot read {error.filename}: {error.strerror}") from error


def former(blueprint: Blueprint, lineage: Lineage, passed: int) -> Blueprint:
    """The blueprint of a model as it was made before its drop changed, of which everything is `kept`."""
    provenance = lineage.provenance
    former = blueprint.former(provenance.arguments, len(provenance.transforms))
    if former is None:
        raise lineage.refused(provenance.changes(provenance_of(blueprint)), passed)
    return former


def _number(snapshot: Snapshot | None) -> int:
    return snapshot.number if snapshot is not None else 0


def _newest(snapshots: Snapshots | None, wanted: Callable[[Snapshot], bool] = lambda _: True) -> Iterator[Snapshot]:
    return snapshots.newest(wanted) if snapshots is not None else iter(())
