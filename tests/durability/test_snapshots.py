"""The snapshots of a model: the newest good one is found past corrupt ones, and never removed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.durability.test_snapshot import PROVENANCE, SNAPSHOT
from vwserve.durability.disk import Disk
from vwserve.durability.keeping import Keeping
from vwserve.durability.snapshot import Moment, Snapshot, SnapshotError
from vwserve.durability.snapshots import Snapshots
from vwserve.durability.storing import store
from vwserve.durability.stretches import Stretches
from vwserve.model.servable import Servable

MOMENT = Moment(1, Stretches(()), 0)


def put(folder: Path, number: int, time_s: float = 0.0, content: bytes = b"a model", learned: int = 0) -> Snapshot:
    """Write a snapshot as a child does; what its model is does not matter here."""
    folder.mkdir(exist_ok=True)
    pieces = [content, b""]
    moment = Moment(1, Stretches(((1, learned),)), 100) if learned else SNAPSHOT.moment
    snapshot = replace(SNAPSHOT, number=number, time_s=time_s, moment=moment)
    return store(Disk(), folder, snapshot, lambda: pieces.pop(0))


def cut(path: Path) -> None:
    """Leave half of a file."""
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    """Change a bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty(path: Path) -> None:
    """Leave nothing in a file."""
    os.truncate(path, 0)


def files(folder: Path) -> list[str]:
    """What is in the folder."""
    return sorted(os.listdir(folder))


def test_there_are_none_in_a_new_folder(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "state" / "m" / "snapshots")
    assert snapshots.list() == []
    assert snapshots.newest_good().snapshot is None
    assert snapshots.next_number() == 1


def test_they_are_listed_newest_first_with_their_loss(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        put(tmp_path, number)
    assert [(each.number, each.loss) for each in Snapshots(tmp_path).list()] == [(10, 0.5), (2, 0.5), (1, 0.5)]


def test_what_else_is_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    put(tmp_path, 1)
    for name in ("notes.txt", "1.vw.bak", "01.json", "x.json", ".hidden"):
        (tmp_path / name).write_text("mine")
    snapshots = Snapshots(tmp_path)
    assert [each.number for each in snapshots.list()] == [1]
    snapshots.prune(Keeping(1))
    assert {"notes.txt", "1.vw.bak", "01.json", "x.json", ".hidden"} <= set(files(tmp_path))


@pytest.mark.parametrize("harm", [cut, flip, empty, Path.unlink])
def test_a_harmed_model_file_falls_back_to_the_one_before(harm: Callable[[Path], None], tmp_path: Path) -> None:
    before = put(tmp_path, 1)
    put(tmp_path, 2)
    harm(tmp_path / "2.vw")
    found = Snapshots(tmp_path).newest_good()
    assert found.snapshot == before
    (corrupt,) = found.corrupt
    assert str(tmp_path / "2.vw") in str(corrupt)


@pytest.mark.parametrize("harm", [cut, flip, empty])
def test_a_harmed_description_falls_back_to_the_one_before(harm: Callable[[Path], None], tmp_path: Path) -> None:
    before = put(tmp_path, 1)
    put(tmp_path, 2)
    harm(tmp_path / "2.json")
    found = Snapshots(tmp_path).newest_good()
    assert found.snapshot == before
    (corrupt,) = found.corrupt
    assert str(tmp_path / "2.json") in str(corrupt)


def test_each_corrupt_one_is_reported_and_left_for_whoever_wants_to_look(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        put(tmp_path, number)
        flip(tmp_path / f"{number}.vw")
    found = Snapshots(tmp_path).newest_good()
    assert found.snapshot is None
    assert len(found.corrupt) == 3
    assert len(files(tmp_path)) == 6


def test_one_that_is_not_there_is_an_error_that_names_those_that_are(tmp_path: Path) -> None:
    put(tmp_path, 1)
    with pytest.raises(SnapshotError, match="no snapshot 7; the newest are 1"):
        Snapshots(tmp_path).good(7)


def test_one_whose_description_says_another_number_is_not_taken_for_it(tmp_path: Path) -> None:
    put(tmp_path, 1)
    (tmp_path / "1.json").rename(tmp_path / "2.json")
    with pytest.raises(SnapshotError, match=r"2\.json describes the snapshot 1; was it renamed"):
        Snapshots(tmp_path).described(2)


def test_those_that_are_not_wanted_are_passed_over(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        put(tmp_path, number)
    snapshots = Snapshots(tmp_path)
    assert [each.number for each in snapshots.newest(lambda each: each.number != 2)] == [3, 1]
    newest = snapshots.newest_good(lambda each: each.number < 3)
    assert newest.snapshot is not None and newest.snapshot.number == 2


def test_the_foremost_has_learned_the_most_and_is_the_newest_of_those(tmp_path: Path) -> None:
    for number, learned in ((1, 10), (2, 30), (3, 30), (4, 20), (5, 10)):
        put(tmp_path, number, learned=learned)
    snapshots = Snapshots(tmp_path)
    assert [each.number for each in snapshots.foremost(lambda each: each.number != 1)] == [3, 2, 4, 5]
    for number, left in ((3, 2), (2, 4), (4, 5)):
        flip(tmp_path / f"{number}.vw")
        found = snapshots.newest_good()
        assert found.snapshot is not None and found.snapshot.number == left
    assert len(found.corrupt) == 3


def test_a_description_that_cannot_be_read_is_reported_where_it_may_be_of_the_foremost(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        put(tmp_path, number, learned=10)
    for number in (1, 3):
        empty(tmp_path / f"{number}.json")
    found = Snapshots(tmp_path).newest_good()
    assert found.snapshot is not None and found.snapshot.number == 2
    (error,) = found.corrupt
    assert "3.json" in str(error)


def test_the_wanted_ones_go_on_past_a_description_that_cannot_be_read(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        put(tmp_path, number)
    empty(tmp_path / "3.json")
    assert [each.number for each in Snapshots(tmp_path).newest(lambda _: True)] == [2, 1]


def test_whoever_reads_makes_and_removes_nothing(tmp_path: Path) -> None:
    put(tmp_path, 1)
    for name in ("2.vw", ".3.vw.part"):
        (tmp_path / name).write_bytes(b"half")
    before = files(tmp_path)
    assert [each.number for each in Snapshots(tmp_path, reading=True).list()] == [1]
    assert files(tmp_path) == before
    with pytest.raises(SnapshotError, match="No such file"):
        Snapshots(tmp_path / "missing", reading=True)
    assert not (tmp_path / "missing").exists()


def test_a_number_that_is_reserved_is_given_to_no_other(tmp_path: Path) -> None:
    put(tmp_path, 4)
    snapshots = Snapshots(tmp_path)
    assert (snapshots.reserve(), snapshots.reserve(), snapshots.next_number()) == (5, 6, 7)


def test_what_a_crash_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    put(tmp_path, 1)
    for name in ("2.vw", ".3.vw.part", ".4.json.part", "4.vw"):
        (tmp_path / name).write_bytes(b"half")
    links = tmp_path / ".5.links.part"
    links.mkdir()
    (links / "model").symlink_to("/proc/self/fd/9")
    snapshots = Snapshots(tmp_path)
    assert files(tmp_path) == ["1.json", "1.vw"]
    assert snapshots.next_number() == 2


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SnapshotError, match="Not a directory"):
        Snapshots(tmp_path / "file" / "snapshots")


def test_nothing_is_finished_that_was_not_begun(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="no snapshot is being taken"):
        Snapshots(tmp_path).finish()


# -- keeping -----------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    st.dictionaries(st.integers(1, 30), st.floats(0.0, 1e6), min_size=1, max_size=12),
    st.builds(Keeping, st.integers(1, 4), st.integers(0, 4), st.integers(0, 3)),
    st.sets(st.integers(1, 30)),
    st.sets(st.integers(1, 30), max_size=3),
)
def test_neither_the_newest_good_one_nor_a_pinned_one_is_ever_removed(
    times_s: dict[int, float], keeping: Keeping, corrupt: set[int], pinned: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, time_s in times_s.items():
            put(folder, number, time_s)
            if number in corrupt:
                flip(folder / f"{number}.vw")
        snapshots = Snapshots(folder)
        removed = snapshots.prune(keeping, pinned)
        there = {each.number for each in snapshots.list()}
        assert there == times_s.keys() - removed
        assert pinned.isdisjoint(removed)
        good = times_s.keys() - corrupt
        newest = Snapshots(folder).newest_good().snapshot
        assert (newest.number if newest else None) == max(good, default=None)


def test_taking_one_removes_those_that_are_superseded(tmp_path: Path) -> None:
    snapshots, servable = Snapshots(tmp_path), Servable("m", "-b 10")
    for time_s in range(6):
        snapshots.take(servable, PROVENANCE, MOMENT, now_s=time_s, keeping=Keeping(2), pinned=[1])
        snapshots.finish()
    assert [each.number for each in snapshots.list()] == [6, 5, 1]
    servable.close()


def test_one_that_was_taken_stands_although_an_old_one_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlink(disk: Disk, path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    put(tmp_path, 1)
    snapshots, servable = Snapshots(tmp_path), Servable("m", "-b 10")
    with monkeypatch.context() as context:
        context.setattr(Disk, "unlink", unlink)
        taking = snapshots.take(servable, PROVENANCE, MOMENT, now_s=1.0, keeping=Keeping(1))
        assert snapshots.finish().number == 2
        assert "Permission denied" in taking.remark
        with pytest.raises(SnapshotError, match="cannot remove old snapshots"):
            snapshots.prune(Keeping(1))
    assert snapshots.prune(Keeping(1)) == [1]
    assert files(tmp_path) == ["2.json", "2.vw"]


def test_the_description_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []

    def unlink(disk: Disk, path: Path) -> None:
        if path.exists():
            removed.append(path.name)
            path.unlink()

    for number in (1, 2):
        put(tmp_path, number)
    monkeypatch.setattr(Disk, "unlink", unlink)
    Snapshots(tmp_path).prune(Keeping(1))
    assert removed == ["1.json", "1.vw"]
