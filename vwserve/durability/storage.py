"""What one model has on disk, and this process's hold on it: the lock, the snapshots, the journal, the lineage.

Whatever the disk refuses is not raised but told to `fail`: the model predicts all the same. What cannot be read, or is
another process's, is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vwserve.durability.disk import make_folders
from vwserve.durability.errors import JournalError
from vwserve.durability.journal import Journal
from vwserve.durability.lineage import Lineage
from vwserve.durability.lock import Lock
from vwserve.durability.opening import Opening
from vwserve.durability.recovery import Kept
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.snapshots import Snapshots
from vwserve.durability.surroundings import Surroundings
from vwserve.errors import StateError
from vwserve.model.policy import Policy


class Look(NamedTuple):
    """What is on a disk: the lineage, the number of the newest snapshot, the last example of the journal."""

    lineage: Lineage | None = None
    newest: int = 0
    last: int = 0


class Storage:
    """What is in `folder`, which is this process's between `hold` and `release`.

    `passed` is the last sequence number that was given, as long as no journal is open.
    """

    def __init__(self, folder: Path, around: Surroundings, fail: Callable[[str], None]) -> None:
        self.folder = folder
        self.journal_folder = folder / "journal"
        self.snapshots_folder = folder / "snapshots"
        self.journal: Journal | None = None
        self.snapshots: Snapshots | None = None
        self.passed = 0
        self._around = around
        self._fail = fail
        self._lock: Lock | None = None
        self._settled: Lineage | None = None  # what lineage.json is known to say
        self._multiline = False  # as the journal is that is open

    @property
    def held(self) -> bool:
        """Whether it is this process's, to write in."""
        return self._lock is not None and self.snapshots is not None

    @property
    def position(self) -> int:
        """The last sequence number that was given."""
        return self.passed if self.journal is None else self.journal.last

    def hold(self) -> None:
        """Make it this process's, if the disk lets it; raises StateError where another process has it."""
        disk = self._around.disk
        self.release()
        try:
            make_folders(disk, self.folder)
            self._lock = Lock(self.folder)
            self.snapshots = Snapshots(self.snapshots_folder, disk)
        except OSError as error:
            self._fail(f"cannot use {error.filename or self.folder}: {error.strerror or error}")
        except StateError as error:
            if self._lock is None:
                raise  # another process has it
            self._fail(str(error))

    def release(self) -> None:
        """Let others have it."""
        self.close_journal()
        if self._lock is not None:
            self._lock.release()
        self._lock = self.snapshots = None

    # -- the journal ---------------------------------------------------------------------------------------------------

    def open_journal(self, policy: Policy, multiline: bool) -> Opening | None:
        """Have a journal of examples of one line or several, in place of any that is open, if the disk lets it.

        What was found there is reported, and returned.
        """
        around = self._around
        self.close_journal()
        self._multiline = multiline
        try:
            self.journal = Journal(
                self.journal_folder,
                multiline=multiline,
                sync=policy.sync,
                keep_s=policy.journal_keep_s,
                clock=around.clock,
                executor=around.executor,
                after=self.passed,
                disk=around.disk,
                sync_executor=around.sync_executor,
            )
        except JournalError as error:
            self._fail(str(error))
            return None
        for remark in self.journal.opening.remarks:
            around.report(remark)
        return self.journal.opening

    def suit_journal(self, policy: Policy, multiline: bool) -> None:
        """Have the journal that is open, in which nothing is, be one of this kind of examples."""
        if self.journal is not None and self._multiline != multiline:
            self.open_journal(policy, multiline)

    def close_journal(self) -> None:
        """Go on without a journal."""
        journal, self.journal = self.journal, None
        if journal is not None:
            self.passed = journal.last
            try:
                journal.close()
            except JournalError as error:
                self._around.report(str(error))

    # -- the lineage ---------------------------------------------------------------------------------------------------

    def read_lineage(self) -> Lineage | None:
        """What lineage.json says, None where it is not there; raises StateError."""
        self._settled = None
        self._settled = Lineage.read(self.folder)
        return self._settled

    def settle(self, lineage: Lineage, *, anew: bool = False) -> None:
        """Have lineage.json say this, if the disk lets it; `anew` although it was known to."""
        if self._settled == lineage and not anew:
            return
        try:
            self.write_lineage(lineage)
        except OSError as error:
            self._fail(f"cannot write in {self.folder}: {error.strerror or error}")

    def write_lineage(self, lineage: Lineage) -> None:
        """Have lineage.json say this; raises OSError, and then it is not known what it says."""
        self._settled = None
        lineage.write(self._around.disk, self.folder)
        self._settled = lineage

    # -- what there is -------------------------------------------------------------------------------------------------

    def kept(self, multiline: bool) -> Kept:
        """What there is to recover from; raises StateError."""
        snapshots = self.snapshots or self.read_snapshots()
        if self.journal is None:
            return Kept.read(snapshots, self.journal_folder, multiline=multiline, passed=self.passed)
        return Kept(snapshots, self.journal_folder, self.journal.extent, self.journal.last)

    def look(self, multiline: bool) -> Look:
        """What is on the disk now; examples are `multiline` where no lineage tells. Raises StateError."""
        lineage = self.read_lineage()
        multiline = lineage.multiline if lineage is not None else multiline
        opening = Kept.read(None, self.journal_folder, multiline=multiline).opening
        newest = next(self.newest(), None)
        return Look(lineage, newest.number if newest is not None else 0, opening.last)

    def read_snapshots(self) -> Snapshots | None:
        """The snapshots, for any thread to read; None where there is no folder of them. Raises SnapshotError."""
        return Snapshots(self.snapshots_folder, reading=True) if self.snapshots_folder.is_dir() else None

    def newest(self, wanted: Callable[[Snapshot], bool] = lambda _: True) -> Iterator[Snapshot]:
        """The snapshots that are wanted, the newest first; raises SnapshotError."""
        snapshots = self.snapshots or self.read_snapshots()
        return snapshots.newest(wanted) if snapshots is not None else iter(())

    def foremost(self, wanted: Callable[[Snapshot], bool]) -> Sequence[Snapshot]:
        """The snapshots that are wanted, that which has learned the most first; raises SnapshotError."""
        snapshots = self.snapshots or self.read_snapshots()
        return snapshots.foremost(wanted) if snapshots is not None else ()

    def make_snapshots_folder(self) -> bool:
        """Make the folder of snapshots where it is not there any more; whether it is there now."""
        try:
            if not self.snapshots_folder.is_dir():
                self._around.disk.make_folder(self.snapshots_folder)
        except OSError as error:
            self._fail(f"cannot make {self.snapshots_folder}: {error.strerror or error}")
            return False
        return True
