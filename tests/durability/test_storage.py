"""What a model has on disk: held by one process, read by any, and nothing raised where the disk fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.durability.power import Clock, Inline, example, examples
from tests.durability.states import FaultyDisk
from tests.durability.test_lineage import LINEAGE
from tests.durability.test_snapshot import SNAPSHOT
from vwserve.durability.disk import Disk
from vwserve.durability.snapshot import SnapshotError
from vwserve.durability.storage import Look, Storage
from vwserve.durability.storing import store
from vwserve.durability.stretches import Stretches
from vwserve.durability.surroundings import Surroundings
from vwserve.errors import StateError
from vwserve.model.policy import Policy

POLICY = Policy()


class Tried(Storage):
    """A storage, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.disk, self.clock = FaultyDisk(), Clock()
        self.said: list[str] = []
        self.failed: list[str] = []
        super().__init__(
            folder, Surroundings(self.clock, Inline(), self.said.append, disk=self.disk), self.failed.append
        )


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Tried]:
    """A storage that nobody holds yet."""
    storage = Tried(tmp_path / "deep" / "state")
    yield storage
    storage.release()


def put(storage: Storage, number: int) -> None:
    """A snapshot."""
    snapshot = replace(SNAPSHOT, number=number)
    store(Disk(), storage.snapshots_folder, snapshot, iter([b"a model", b""]).__next__)


def test_nothing_is_made_before_it_is_held(storage: Tried) -> None:
    assert (storage.read_lineage(), list(storage.newest()), storage.read_snapshots()) == (None, [], None)
    assert storage.look(multiline=False) == Look()
    assert (storage.kept(multiline=False).upto, storage.held, storage.folder.exists()) == (0, False, False)


def test_it_is_one_process_that_holds_it(storage: Tried) -> None:
    storage.hold()
    assert storage.held
    assert sorted(os.listdir(storage.folder)) == ["lock", "snapshots"]
    other = Tried(storage.folder)
    with pytest.raises(StateError, match="is in use by process"):
        other.hold()
    assert not other.held
    storage.release()
    other.hold()
    assert (other.held, storage.snapshots) == (True, None)
    other.release()
    for _ in range(2):  # whoever holds it may hold it again
        storage.hold()
        assert storage.snapshots is not None


def test_where_the_disk_does_not_let_it_that_is_told(storage: Tried) -> None:
    storage.disk.full()
    storage.hold()
    assert not storage.held
    assert storage.failed == [f"cannot use {storage.folder.parent}: No space left on device"]
    storage.disk.works()
    storage.hold()
    assert storage.held


def test_where_the_snapshots_cannot_be_used_that_is_told(storage: Tried) -> None:
    storage.folder.mkdir(parents=True)
    storage.snapshots_folder.touch()
    storage.hold()
    assert not storage.held
    assert "cannot use the folder of snapshots" in storage.failed[0]
    with pytest.raises(StateError, match="is in use"):
        Tried(storage.folder).hold()  # the lock is had all the same


def test_numbers_go_on_with_a_journal_and_without(storage: Tried) -> None:
    storage.hold()
    storage.passed = 4
    storage.open_journal(POLICY, multiline=False)
    assert storage.journal is not None
    assert storage.journal.append(examples(5, 7), 3) == storage.position == 7
    storage.close_journal()
    assert storage.position == 7
    storage.passed += 2
    storage.open_journal(POLICY, multiline=False)
    assert storage.position == 9
    assert any("examples 8 to 9, which come before it, are missing" in each for each in storage.said)


def test_a_journal_that_cannot_be_opened_is_told(storage: Tried) -> None:
    storage.hold()
    storage.disk.fails = lambda call, path: errno.EROFS if call == "create" else 0
    storage.passed = 4
    storage.open_journal(POLICY, multiline=False)
    assert (storage.journal, storage.position) == (None, 4)
    assert "Read-only file system" in storage.failed[0]


def test_an_empty_journal_may_become_one_of_another_kind(storage: Tried) -> None:
    storage.hold()
    storage.open_journal(POLICY, multiline=False)
    journal = storage.journal
    storage.suit_journal(POLICY, multiline=False)
    assert storage.journal is journal
    storage.suit_journal(POLICY, multiline=True)
    assert storage.journal is not None
    storage.journal.append(example(1, multiline=True), 1)
    with pytest.raises(ValueError, match="not 1 whole examples"):
        storage.journal.append(example(2), 1)


def test_without_a_journal_open_there_is_what_can_be_read_and_what_is_known_to_have_passed(storage: Tried) -> None:
    storage.hold()
    storage.open_journal(POLICY, multiline=False)
    assert storage.journal is not None
    storage.journal.append(examples(1, 7), 7)
    assert (storage.kept(multiline=False).opening.last, storage.kept(multiline=False).upto) == (7, 7)
    storage.release()
    for passed, upto in ((0, 7), (7, 7), (9, 9)):
        storage.passed = passed
        kept = storage.kept(multiline=False)
        assert (kept.opening.last, kept.upto, kept.snapshots is not None) == (7, upto, True)


def test_what_has_gone_from_a_journal_that_is_open_is_there_no_more(
    storage: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.hold()
    storage.open_journal(POLICY, multiline=False)
    assert storage.journal is not None
    monkeypatch.setattr(storage.journal, "_segment_bytes", 60)
    for number in range(1, 21):
        storage.journal.append(example(number), 1)
    storage.journal.sync_now()
    assert not storage.kept(multiline=False).lacking(Stretches(((1, 20),)))
    storage.clock.now += POLICY.journal_keep_s + 1.0
    storage.journal.tick()
    assert storage.journal.keep(needed_from=15) > 0
    for _ in range(20):
        storage.clock.now += 61.0
        storage.journal.tick()
    first = storage.kept(multiline=False).opening.first
    assert 1 < first <= 15
    assert storage.kept(multiline=False).lacking(Stretches(((1, 20),))) == Stretches(((1, first - 1),))


def test_the_lineage_is_written_once(storage: Tried) -> None:
    storage.hold()
    written: list[Path | None] = []

    def counted(call: str, path: Path | None) -> int:
        written.extend([path] if call == "rename" else [])
        return 0

    storage.disk.fails = counted
    storage.settle(LINEAGE)
    storage.settle(LINEAGE)
    assert len(written) == 1
    assert storage.read_lineage() == LINEAGE
    storage.settle(LINEAGE)
    assert len(written) == 1
    storage.settle(LINEAGE, anew=True)
    storage.settle(replace(LINEAGE, number=9))
    assert len(written) == 3
    assert storage.read_lineage() == replace(LINEAGE, number=9)


def test_a_lineage_that_cannot_be_written_is_told_and_written_later(storage: Tried) -> None:
    storage.hold()
    storage.settle(LINEAGE)
    other = replace(LINEAGE, number=9)
    storage.disk.full()
    storage.settle(other)
    assert storage.failed == [f"cannot write in {storage.folder}: No space left on device"]
    storage.disk.fails = lambda call, path: errno.EIO if call == "sync_folder" else 0
    with pytest.raises(OSError, match="Input/output error"):
        storage.write_lineage(other)
    storage.disk.works()
    storage.settle(LINEAGE)  # nobody knew what was there
    assert storage.read_lineage() == LINEAGE


def test_a_look_changes_nothing(storage: Tried) -> None:
    storage.hold()
    storage.open_journal(POLICY, multiline=False)
    assert storage.journal is not None
    storage.journal.append(examples(1, 7), 7)
    storage.settle(LINEAGE)
    put(storage, 1)
    put(storage, 2)
    storage.release()
    segment = storage.journal_folder / f"{1:020}.dat"
    segment.write_bytes(segment.read_bytes() + b"1 |f tor")
    before = {path: path.read_bytes() for path in storage.folder.rglob("*") if path.is_file()}
    assert storage.look(multiline=True) == Look(LINEAGE, 2, 7)  # whose examples are of one line
    assert {path: path.read_bytes() for path in storage.folder.rglob("*") if path.is_file()} == before


def test_snapshots_are_read_by_whoever_wants_to(storage: Tried) -> None:
    storage.hold()
    put(storage, 1)
    put(storage, 2)
    reading = storage.read_snapshots()
    assert reading is not None and reading is not storage.snapshots
    assert [each.number for each in reading.list()] == [2, 1]
    assert [each.number for each in storage.newest(lambda each: each.number < 2)] == [1]
    storage.release()
    assert [each.number for each in storage.newest()] == [2, 1]


def test_a_folder_of_snapshots_that_is_gone_is_made_again(storage: Tried) -> None:
    storage.hold()
    storage.snapshots_folder.rmdir()
    with pytest.raises(SnapshotError, match="cannot read"):
        next(storage.newest(), None)
    storage.disk.full()
    assert not storage.make_snapshots_folder()
    assert storage.failed == [f"cannot make {storage.snapshots_folder}: No space left on device"]
    storage.disk.works()
    assert storage.make_snapshots_folder()
    assert next(storage.newest(), None) is None
