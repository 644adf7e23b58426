"""A model that outlives its process: what it learns is in its journal first, and snapshots of it are taken.

    state/ctr/lineage.json       what it is made from, which examples of the journal it has learned
    state/ctr/journal/           every labelled example, before it is learned
    state/ctr/snapshots/         the model now and then

No trouble with the disk stops it from predicting. Where the journal cannot take an example, that example is not
learned, and its client is told so; `unready` says why, and every `tick` sees whether it works again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from vwserve.durability.errors import JournalError
from vwserve.durability.founding import former, found
from vwserve.durability.intervention import gone_back
from vwserve.durability.journal import Journal
from vwserve.durability.keeping import Keeping
from vwserve.durability.lineage import Lineage
from vwserve.durability.opening import Opening
from vwserve.durability.provenance import Provenance, provenance_of
from vwserve.durability.rebuilding import rebuild
from vwserve.durability.recovery import Plan, passed_by, plan
from vwserve.durability.snapshot import Snapshot, SnapshotError
from vwserve.durability.snapshots import Newest, Snapshots, rank, snapshots_in
from vwserve.durability.storage import Look, Storage
from vwserve.durability.storing import model_file
from vwserve.durability.successor import Successor, catch_up, prepare, resurrect
from vwserve.durability.surroundings import Surroundings
from vwserve.durability.taking import Taking
from vwserve.errors import RequestError, StateError, VwserveError
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.servable import Servable

_RETRY_S = 5.0
_KEEP_S = 60.0
_NOT_NOW = RequestError("not-ready", "the model predicts, but cannot keep what it would learn now; try again later")

_TwoNewest = tuple["Snapshot | None", "Snapshot | None"]


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
        self.newest: Snapshot | None = None
        """The snapshot that a restart would go on from: of those of its lineage, the one that has learned the most."""
        self._former: Blueprint | None = None
        self._before: Snapshot | None = None  # the one before it
        self._pinned: list[int] = []
        self._bounds = bounds
        self._around = around
        self._suspended = False
        self._storage = Storage(folder, around, self._stop_learning)
        self._seen = Look()  # what was on the disk at the start
        self._current = False  # whether the model that is served is the one on the disk
        self._remark: str | None = None
        self._reported = ""
        self._retry_from_s = self._keep_from_s = 0.0
        self.due_s = around.elapsed_s() + blueprint.drop.policy.snapshot_every_s
        """When the next snapshot is due, by the timer of its surroundings."""
        try:
            self._storage.hold()
            self._start()
        except BaseException:
            self._storage.release()
            raise

    @property
    def position(self) -> int:
        """The sequence number of the last example that came, learned or left out."""
        return self._storage.position

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
        newest, journal = self.newest, self._storage.journal
        age = {"number": newest.number, "age": self._around.clock() - newest.time_s} if newest is not None else None
        return {
            "snapshot": age,
            "journal": journal.last if journal is not None else None,
            "lineage": self.lineage.number,
            "not_ready": self.unready or None,
        }

    def _start(self) -> None:
        """Recover the model, and have what it learns from now on kept."""
        storage, policy = self._storage, self.blueprint.drop.policy
        provenance = provenance_of(self.blueprint)
        settled, newest = storage.read_lineage(), next(storage.newest(), None)
        lineage = settled or found(self.folder, self.blueprint, provenance, newest, self._around.report)
        storage.passed = passed_by(lineage, newest)
        if storage.held and policy.journal:
            storage.open_journal(policy, lineage.multiline)
        kept = storage.kept(lineage.multiline)
        storage.passed = kept.upto
        if lineage.kept(provenance, policy.on_change, kept.upto):
            self._former = self.blueprint = former(self.blueprint, lineage, kept.upto)
            aspired = lineage
        else:
            aspired = lineage.aspired(provenance, policy.on_change, kept.upto)
        again = policy.on_change == "replay" and aspired is not lineage
        successor = resurrect(self.blueprint, aspired, storage, kept, again=again)
        try:
            two_newest = self._two_newest(successor)
        except BaseException:
            successor.close()
            raise
        self._seen = Look(settled, newest.number if newest is not None else 0, kept.opening.last)
        self._current = storage.held and (storage.journal is not None or not policy.journal)
        if storage.held:
            storage.settle(successor.lineage)
        self._succeed(successor, two_newest)

    # -- learning ------------------------------------------------------------------------------------------------------

    def _keep(self, text: bytes, examples: int) -> RequestError | None:
        """Take what is about to be learned; see vwserve.model.recording.Keep."""
        journal = self._storage.journal
        if self.unready:
            return _NOT_NOW
        if journal is None:
            self._storage.passed += examples
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
        self.due_s = min(self.due_s, self._around.elapsed_s() + policy.snapshot_every_s)
        self.blueprint = blueprint
        if self._storage.journal is not None:
            self._storage.journal.configure(sync=policy.sync, keep_s=policy.journal_keep_s)

    # -- about once a second -------------------------------------------------------------------------------------------

    def tick(self) -> bool:
        """See to the journal, and try whether what failed works again; whether another servable is in place."""
        if self._suspended:
            return False
        now_s = self._around.elapsed_s()
        journal = self._storage.journal
        if journal is not None:
            self._see_to(journal, now_s)
        if not self.unready or now_s < self._retry_from_s or (journal is not None and journal.failed):
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
        if journal.reopened is not None:
            for remark in journal.reopened.remarks:
                self._around.report(remark)
            self._make_up_for(journal.reopened)
            journal.reopened = None
        if journal.remark != self._remark:
            self._remark = journal.remark
            if journal.remark:
                self._around.report(journal.remark)
        if now_s >= self._keep_from_s:
            self._keep_from_s = now_s + _KEEP_S
            self._let_go(journal)

    def _make_up_for(self, opening: Opening | None) -> None:
        """Have a snapshot taken at once where a journal came back without examples: else no restart leads past them."""
        if opening is not None and opening.gaps:
            self.due_s = self._around.clock()

    def _try_again(self) -> bool:
        """Have what failed work again; where it fails again, the model goes on as it is."""
        storage, before = self._storage, self.servable
        position, self.unready = storage.position, ""
        try:
            if self._current:
                self._resume()
            else:
                self._open_again()
        except VwserveError as error:
            storage.close_journal()
            storage.passed = position
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
        if not self._storage.held:
            self._storage.hold()
        if not self._storage.held:
            return
        if self._storage.look(self.lineage.multiline) in (self._seen, Look()):
            self._current = True
            self._resume()
        else:
            self._start()

    def _resume(self) -> None:
        """Go on with a state that is this process's, though it may have come back without what was in it."""
        storage, policy = self._storage, self.blueprint.drop.policy
        if not storage.make_snapshots_folder():
            return
        if storage.journal is None and policy.journal:
            self._make_up_for(storage.open_journal(policy, self.lineage.multiline))
        storage.settle(self.lineage, anew=True)
        self.newest = next(iter(storage.foremost(self.lineage.holds)), None)
        self._before = self._one_before(self.newest, self.lineage)

    def _let_go(self, journal: Journal) -> None:
        """Remove from the journal what is old and neither of the two newest snapshots needs."""
        if self.newest is None:
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
        return Snapshots(self._storage.snapshots_folder, reading=True).described(number)

    @property
    def taking(self) -> bool:
        """Whether a snapshot is being taken."""
        snapshots = self._storage.snapshots
        return snapshots is not None and snapshots.taking is not None

    def take(self, for_client: bool = False) -> Taking:
        """Begin to take a snapshot of the model as it is now; `finish` it once it is readable. Raises SnapshotError.

        One `for_client` does not count among those that are kept.
        """
        snapshots, journal = self._storage.snapshots, self._storage.journal
        if snapshots is None or (journal is not None and journal.repairing):
            raise SnapshotError(f"no snapshot can be taken: {self.unready}")
        policy = self.blueprint.drop.policy
        self.put_off()
        return snapshots.take(
            self.servable,
            self.lineage.provenance,
            self.lineage.moment(self.position),
            now_s=self._around.clock(),
            sync_first=journal.descriptors if journal is not None else (),
            names_first=journal.folder if journal is not None else None,
            keeping=Keeping(policy.snapshots, policy.hourly, policy.daily),
            # What the journal is kept for is the newest and the one before, which the newest will be.
            pinned=[*self._pinned, *([self.newest.number] if self.newest and self.newest.for_client else [])],
            for_client=for_client,
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
        self.due_s = self._around.elapsed_s() + self.blueprint.drop.policy.snapshot_every_s

    def finish(self) -> Snapshot:
        """The snapshot that was being taken; raises SnapshotError where none came about."""
        snapshots = self._storage.snapshots
        assert snapshots is not None, "one is being taken"
        taking = snapshots.taking
        snapshot = snapshots.finish()
        if taking is not None and taking.remark:
            self._around.report(taking.remark)
        # One that was begun before a switch may be a step behind what the model went back to.
        if self.lineage.holds(snapshot) and (self.newest is None or rank(snapshot) > rank(self.newest)):
            self._before, self.newest = self.newest, snapshot
        return snapshot

    def model_file(self, snapshot: Snapshot) -> Path:
        """The file of a snapshot, as `vw -i` reads it."""
        return model_file(self._storage.snapshots_folder, snapshot.number)

    def _two_newest(self, successor: Successor) -> _TwoNewest:
        """The newest snapshot of a successor, and the one before it; raises SnapshotError."""
        newest = successor.recovered.snapshot
        return newest, self._one_before(newest, successor.lineage)

    def _one_before(self, newest: Snapshot | None, lineage: Lineage) -> Snapshot | None:
        if newest is None:
            return None
        return next((each for each in self._storage.foremost(lineage.holds) if rank(each) < rank(newest)), None)

    # -- successors ----------------------------------------------------------------------------------------------------

    def intervened(
        self, snapshot: Snapshot | None, until: int | None = None, skip: Collection[tuple[int, int]] = ()
    ) -> Lineage:
        """The lineage of a return to a snapshot, or to the beginning; see `intervene`.

        Raises StateError where there is no way to it.
        """
        if not self._current:
            raise StateError(f"{self.servable.name} cannot go back as long as it does not learn: {self.unready}")
        if (until is not None or skip) and self._storage.journal is None:
            raise StateError("there is no journal to learn again from; return to a snapshot alone")
        return gone_back(self.lineage, self.position, snapshot, until, skip)

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
        if self._storage.snapshots is None:
            raise SnapshotError(f"nothing can be stored: {self.unready}")
        moment = lineage.moment(snapshot.moment.journal)
        number = self._storage.snapshots.reserve()
        return partial(self._storage.snapshots.take_again, snapshot, lineage.provenance, moment, number)

    def discard(self, number: int) -> None:
        """Remove a snapshot that came to nothing, in any thread; what keeps it from going is reported."""
        try:
            if self._storage.snapshots is not None:
                self._storage.snapshots.discard(number)
        except SnapshotError as error:
            self._around.report(str(error))

    def sequence_at(self, unix_s: float) -> int:
        """The last example known to have been learned by a time; reads the disk. Raises JournalError."""
        journal = self._storage.journal
        return journal.sequence_at(unix_s) if journal is not None else self.position

    def verified(self, lineage: Lineage) -> Newest:
        """The snapshot that a lineage goes on from, if any; reads all of it, in any thread. Raises SnapshotError."""
        snapshots = self._storage.read_snapshots()
        return snapshots.newest_good(lineage.holds) if snapshots is not None else Newest()

    def plan(self, lineage: Lineage, verified: Newest | None = None, blueprint: Blueprint | None = None) -> Plan:
        """How a lineage is to be made from the snapshot that was `verified` for it, or is now; nothing of it is lost.

        Made by another blueprint that has it learn its journal again, it goes as far back as that does, and the lineage
        of the plan is without what was before. Raises StateError where more is lost.
        """
        found = self.verified(lineage) if verified is None else verified
        planned = plan(lineage, self._storage.kept(lineage.multiline), found).founded("refuse")
        if blueprint is not None and blueprint.drop.policy.on_change == "replay":
            planned = planned.as_far_back()
        return planned.whole()

    def planned_from(self, number: int, lineage: Lineage, remarks: Iterable[str] = ()) -> Plan:
        """How a lineage is to be made from a snapshot that was made for it just now; `remarks` are what to report.

        To be called in any thread. Raises SnapshotError where its description cannot be read.
        """
        return plan(lineage, self._storage.kept(lineage.multiline), Newest(self.described(number)), remarks)

    def rebuild(self, lineage: Lineage, blueprint: Blueprint | None = None) -> Taking:
        """Begin to learn a lineage in a child, up to now, which makes a snapshot of it; raises SnapshotError."""
        snapshots, journal = self._storage.snapshots, self._storage.journal
        if snapshots is None or (journal is not None and journal.repairing):
            raise SnapshotError(f"nothing can be stored: {self.unready}")
        return rebuild(
            blueprint or self.blueprint,
            lineage,
            self._storage.kept(lineage.multiline),
            self._storage.snapshots_folder,
            self._around.disk,
            number=snapshots.reserve(),
            now_s=self._around.clock(),
            sync_first=journal.descriptors if journal is not None else (),
            names_first=journal.folder if journal is not None else None,
        )

    def successor(self, plan: Plan, blueprint: Blueprint | None = None) -> Successor:
        """A model of another lineage, as a snapshot has it; `catch_up` learns the rest. Raises as `carry_out` does."""
        return prepare(blueprint or self.blueprint, plan, self._storage)

    def catch_up(self, successor: Successor) -> Iterator[int]:
        """Have a successor learn what it has not yet, block by block; ends once nothing is left. Raises StateError."""
        return catch_up(successor, self._storage)

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
        newest = self._two_newest(successor)
        if self._current:
            try:
                self._storage.write_lineage(successor.lineage)
            except OSError as error:
                self._put_back()
                raise StateError(
                    f"cannot write in {self.folder}: {error.strerror or error}; nothing was switched"
                ) from error
        self._succeed(successor, newest)
        if successor.missed:
            missed = f"{successor.missed} examples that came while it was made"
            self._around.report(f"it goes on without {missed}: it keeps no journal to learn them from")
        return before

    def _put_back(self) -> None:
        """Have lineage.json say what it said: the disk may have failed after the new one was in its place."""
        with suppress(StateError):  # it is written anew then
            self._storage.read_lineage()
        self._storage.settle(self.lineage)

    def _succeed(self, successor: Successor, newest: _TwoNewest) -> None:
        recovered = successor.recovered
        self.blueprint, self.lineage = successor.blueprint, successor.lineage
        self.newest, self._before = newest
        self._storage.suit_journal(self.blueprint.drop.policy, self.lineage.multiline)
        for remark in recovered.remarks:
            self._around.report(remark)
        recovered.servable.limit(self._bounds)
        recovered.servable.record(self._keep)
        self.servable = recovered.servable

    # -- ending --------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take a last snapshot if there is something new, and let others have the state."""
        if self.taking:
            self._finish_last()
        if self.changed and not self.unready:
            self._finish_last(self.take)
        self.free()

    @property
    def unsaved(self) -> bool:
        """Whether a last snapshot would have what no other has."""
        return self.changed and (self._suspended or not self.unready)

    def free(self) -> None:
        """Let others have the state, and take no snapshot any more; in any thread, once nobody else uses this."""
        self.give_up()
        self.servable.close()
        self._storage.release()

    def give_up(self) -> None:
        """Have no snapshot be taken any more, without waiting for it."""
        if self._storage.snapshots is not None:
            self._storage.snapshots.give_up()

    def suspend(self, reason: str) -> None:
        """Learn nothing any more, and predict until `free`; after it `release` lets others have the state."""
        self.unready = reason
        self._suspended, self._current = True, False

    def release(self) -> None:
        """Let others have the state of a model that was suspended; waits for the disk, in any thread."""
        self.give_up()
        self._storage.release()

    def begin_sync(self, done: Callable[[], object]) -> bool:
        """Begin to sync what may not be on the disk, see Journal.begin_sync; whether there is anything that can be."""
        journal = self._storage.journal
        if journal is None:
            return False
        journal.settle()
        if journal.dirty:
            with suppress(JournalError):  # who closes it is told
                journal.begin_sync(done)
                return True
        return False

    def _finish_last(self, begin: Callable[[], object] = lambda: None) -> None:
        try:
            begin()
            self.finish()
        except SnapshotError as error:
            self._around.report(str(error))
