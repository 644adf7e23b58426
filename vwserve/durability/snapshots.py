"""The snapshots of one model: which there are, which are good, the next one, and those that are no longer needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from vwserve.durability.disk import Disk
from vwserve.durability.keeping import Keeping
from vwserve.durability.provenance import Provenance, file_digest
from vwserve.durability.snapshot import Moment, Snapshot, SnapshotError
from vwserve.durability.storing import (
    NUMBERED,
    UNFINISHED,
    description_file,
    model_file,
    remove,
    remove_unfinished,
    store_again,
)
from vwserve.durability.taking import WITHIN_S, Taking, take
from vwserve.model.servable import Servable
from vwserve.model.state import EMPTY, Resumed


class Newest(NamedTuple):
    """The foremost snapshot that is as it was taken, None where there is none; what is wrong with those ahead of it."""

    snapshot: Snapshot | None = None
    corrupt: tuple[SnapshotError, ...] = ()


def rank(snapshot: Snapshot) -> tuple[int, int]:
    """What the foremost of the snapshots of one lineage has most of: it has learned the most, then it is the newest.

    Numbers alone do not tell: the one that was taken before a rollback is undone has learned a part of what is wanted.
    """
    return snapshot.moment.learned.end, snapshot.number


class Snapshots:
    """The snapshots in `folder`, which is made if need be; one process writes there.

    What a crash has left over is removed. Others may read meanwhile: with `reading` nothing is made or removed. Raises
    SnapshotError where the folder cannot be read or made.
    """

    def __init__(self, folder: Path, disk: Disk | None = None, *, reading: bool = False) -> None:
        self._folder = folder
        self._disk = disk or Disk()
        self._taking: Taking | None = None
        self._known_good: int | None = None
        self._times_s: dict[int, float] = {}
        self._outlines: dict[int, tuple[tuple[int, int, int], Snapshot]] = {}
        self._for_clients: set[int] = set()
        try:
            if not reading:
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                self._remove_leftovers()
        except OSError as error:
            raise _error("use the folder of snapshots", folder, error) from error
        self._last = max(self._numbers(), default=0)

    # -- what there is -------------------------------------------------------------------------------------------------

    def list(self) -> list[Snapshot]:
        """Those whose description can be read, the newest first; their files have not been looked at."""
        return [each for each in map(self._described, self._numbers()) if isinstance(each, Snapshot)]

    def described(self, number: int) -> Snapshot:
        """The snapshot of this number, whose file was not looked at; raises SnapshotError where it is not described."""
        described = self._described(number)
        if isinstance(described, SnapshotError):
            raise described
        return described

    def good(self, number: int) -> Snapshot:
        """The snapshot of this number; raises SnapshotError where it is not there, or not as it was taken."""
        snapshot = self.described(number)
        file = model_file(self._folder, number)
        try:
            if (size := file.stat().st_size) != snapshot.size_bytes:
                raise SnapshotError(f"{file} has {size} bytes; it was taken with {snapshot.size_bytes}")
            if file_digest(file) != snapshot.sha256:
                raise SnapshotError(f"{file} is not as it was taken: its SHA-256 is another one")
        except OSError as error:
            raise _error("read", file, error) from error
        return snapshot

    def newest(self, wanted: Callable[[Snapshot], bool]) -> Iterator[Snapshot]:
        """Those that are wanted and whose description can be read, the newest first; each is looked up when asked."""
        for number in self._numbers():
            described = self._described(number)
            if isinstance(described, Snapshot) and wanted(described):
                yield described

    def foremost(self, wanted: Callable[[Snapshot], bool]) -> Sequence[Snapshot]:
        """Those that are wanted and whose description can be read, in the order of their `rank`, the greatest first.

        What is returned, and what `wanted` sees, has an empty state: hundreds of whole ones take too long to read where
        somebody waits.
        """
        outlines = filter(None, map(self._outline, self._numbers()))
        return sorted(filter(wanted, outlines), key=rank, reverse=True)

    def newest_good(self, wanted: Callable[[Snapshot], bool] = lambda _: True) -> Newest:
        """The foremost of the wanted ones that is as it was taken; those that are not are left, for whoever looks."""
        described = {number: self._described(number) for number in self._numbers()}
        unread = {number: each for number, each in described.items() if isinstance(each, SnapshotError)}
        there = [each for each in described.values() if isinstance(each, Snapshot) and wanted(each)]
        corrupt: list[SnapshotError] = []
        for snapshot in sorted(there, key=rank, reverse=True):
            try:
                self.good(snapshot.number)
            except SnapshotError as error:
                corrupt.append(error)
            else:
                self._known_good = snapshot.number
                newer = [error for number, error in unread.items() if number > snapshot.number]
                return Newest(snapshot, (*newer, *corrupt))
        return Newest(None, (*unread.values(), *corrupt))

    def resumed(self, snapshot: Snapshot) -> Resumed:
        """What a servable is to go on from."""
        return Resumed(model_file(self._folder, snapshot.number), snapshot.state)

    # -- taking --------------------------------------------------------------------------------------------------------

    def next_number(self) -> int:
        """The number of the next snapshot: greater than any that was ever given here, also to one that failed."""
        return self._last + 1

    def reserve(self) -> int:
        """A number for a snapshot that is stored here by other means."""
        self._last += 1
        return self._last

    @property
    def taking(self) -> Taking | None:
        """The one that is being taken."""
        return self._taking

    def take(
        self,
        servable: Servable,
        provenance: Provenance,
        moment: Moment,
        *,
        now_s: float,
        sync_first: Sequence[int] = (),
        names_first: Path | None = None,
        keeping: Keeping | None = None,
        pinned: Collection[int] = (),
        for_client: bool = False,
        within_s: float = WITHIN_S,
    ) -> Taking:
        """Begin to take a snapshot of the model as it is now, which is at `moment`.

        The files open as `sync_first`, those of the journal up to then, and the names in its folder `names_first` are
        on disk before the snapshot is. Once that is, too, those that `keeping` does not ask for are removed, but for
        `pinned` ones. It does not count those `for_client`, of which only the newest is kept: a client is not to have
        those removed that somebody may want to return to. The owner calls `finish` when the taking is readable. Raises
        SnapshotError where none can be begun, or one is being taken.
        """
        if self._taking is not None:
            raise SnapshotError(f"snapshot {self._taking.number} of {servable.name} is being taken; wait for its end")
        learner = servable.learner
        number = self.reserve()
        snapshot = Snapshot(
            number, now_s, provenance, servable.state(), moment, learner.tells_all, for_client=for_client
        )
        superseded = self._superseded(keeping, snapshot, pinned) if keeping else []
        self._taking = take(
            learner,
            snapshot,
            self._folder,
            self._disk,
            sync_first=sync_first,
            names_first=names_first,
            superseded=lambda: self._remove(superseded),
            within_s=within_s,
        )
        return self._taking

    def finish(self) -> Snapshot:
        """The snapshot that was being taken; waits where it is not at its end. Raises SnapshotError, see Taking."""
        if self._taking is None:
            raise SnapshotError("no snapshot is being taken")
        taking, self._taking = self._taking, None
        snapshot = taking.finish()
        self._known_good = snapshot.number
        self._know(snapshot)
        return snapshot

    def give_up(self) -> None:
        """Have none be taken any more, without waiting for a child or a disk that hangs."""
        taking, self._taking = self._taking, None
        if taking is not None:
            taking.end()

    def take_again(self, snapshot: Snapshot, provenance: Provenance, moment: Moment, number: int) -> Snapshot:
        """Have a snapshot be that of another moment, too, under a `number` that was reserved; in any thread.

        It is for a model that goes on as another, from what it has learned. Raises SnapshotError.
        """
        again = replace(snapshot, number=number, provenance=provenance, moment=moment, for_client=False)
        try:
            store_again(self._disk, self._folder, snapshot.number, again)
        except OSError as error:
            with suppress(OSError):  # the disk is in a bad way, which the error says
                remove(self._disk, self._folder, number)
            raise _error("write", model_file(self._folder, number), error) from error
        return again

    def discard(self, number: int) -> None:
        """Remove a snapshot that came to nothing; raises SnapshotError."""
        try:
            remove(self._disk, self._folder, number)
        except OSError as error:
            raise _error("remove", model_file(self._folder, number), error) from error

    # -- keeping -------------------------------------------------------------------------------------------------------

    def prune(self, keeping: Keeping, pinned: Collection[int] = ()) -> Sequence[int]:
        """Remove what `keeping` does not ask for, never pinned ones nor the newest good one; which were removed.

        Raises SnapshotError where one cannot be removed.
        """
        if self._known_good is None:
            self.newest_good()
        good = [] if self._known_good is None else [self._known_good]
        superseded = self._superseded(keeping, None, [*pinned, *good])
        try:
            self._remove(superseded)
        except OSError as error:
            raise _error("remove old snapshots in", self._folder, error) from error
        return superseded

    def _superseded(self, keeping: Keeping, following: Snapshot | None, pinned: Collection[int]) -> Sequence[int]:
        """Those that need not be kept once there is the one `following`."""
        numbers = set(self._numbers())
        self._outlines = {number: each for number, each in self._outlines.items() if number in numbers}
        there = {number: time_s for number in self._numbers() if (time_s := self._time_s(number)) is not None}
        self._times_s = dict(there)
        self._for_clients &= there.keys()
        for_clients = set(self._for_clients)
        if following is not None:
            there[following.number] = following.time_s
            for_clients |= {following.number} if following.for_client else set()
        counted = {number: time_s for number, time_s in there.items() if number not in for_clients}
        superseded = [*keeping.superseded(counted), *sorted(for_clients)[:-1]]
        return [number for number in superseded if number not in pinned]

    def _remove(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            remove(self._disk, self._folder, number)

    def _remove_leftovers(self) -> None:
        for name in os.listdir(self._folder):
            if found := UNFINISHED.fullmatch(name):
                remove_unfinished(self._disk, self._folder, int(found[1]))
            elif (found := NUMBERED.fullmatch(name)) and not description_file(self._folder, int(found[1])).exists():
                remove(self._disk, self._folder, int(found[1]))

    # -- descriptions --------------------------------------------------------------------------------------------------

    def _numbers(self) -> Sequence[int]:
        """The numbers of those that have a description, the greatest first."""
        try:
            names = os.listdir(self._folder)
        except OSError as error:
            raise _error("read", self._folder, error) from error
        found = filter(None, map(NUMBERED.fullmatch, names))
        return sorted((int(each[1]) for each in found if each[2] == "json"), reverse=True)

    def _described(self, number: int) -> Snapshot | SnapshotError:
        file = description_file(self._folder, number)
        try:
            snapshot = Snapshot.parse(file.read_bytes())
        except FileNotFoundError:
            known = ", ".join(map(str, self._numbers()[:5])) or "none"
            return SnapshotError(f"{self._folder} has no snapshot {number}; the newest are {known}")
        except OSError as error:
            return _error("read", file, error)
        except (ValueError, RecursionError) as error:
            return SnapshotError(f"{file} is not as it was written: {error}")
        if snapshot.number != number:
            return SnapshotError(f"{file} describes the snapshot {snapshot.number}; was it renamed?")
        self._know(snapshot)
        return snapshot

    def _outline(self, number: int) -> Snapshot | None:
        """A snapshot without its state, which is read again only where its file has changed."""
        try:
            status = os.stat(description_file(self._folder, number))
        except OSError:
            return None
        stamp = status.st_mtime_ns, status.st_size, status.st_ino
        known = self._outlines.get(number)
        if known is None or known[0] != stamp:
            described = self._described(number)
            if isinstance(described, SnapshotError):
                return None
            known = self._outlines[number] = stamp, replace(described, state=EMPTY)
        return known[1]

    def _know(self, snapshot: Snapshot) -> None:
        self._times_s[snapshot.number] = snapshot.time_s
        if snapshot.for_client:
            self._for_clients.add(snapshot.number)

    def _time_s(self, number: int) -> float | None:
        if number not in self._times_s:
            self._described(number)
        return self._times_s.get(number)


def snapshots_in(state: Path) -> list[Snapshot]:
    """The snapshots of the model whose state is in a folder, the newest first; raises SnapshotError."""
    folder = state / "snapshots"
    return Snapshots(folder, reading=True).list() if folder.is_dir() else []


def _error(doing: str, path: Path, error: OSError) -> SnapshotError:
    return SnapshotError(f"cannot {doing} {path}: {error.strerror or error}; look at its disk and its rights")
