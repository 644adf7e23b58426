"""Another lineage, learned by a child process while the model goes on: a snapshot of just what was wanted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.states import Around, FaultyDisk, assert_same, blueprint, flip, kill, learn, take
from vwserve.durability.durable import Durable
from vwserve.durability.lineage import Lineage
from vwserve.durability.snapshot import SnapshotError
from vwserve.errors import StateError
from vwserve.model.blueprint import Blueprint

LINES = [b"%d |f a%d b%d" % (n % 3, n % 7, n) for n in range(1, 101)]


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    """Every test has waited for all children that it made."""
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture
def made(tmp_path: Path) -> Blueprint:
    """A model."""
    return blueprint(tmp_path)


@pytest.fixture
def durable(made: Blueprint, tmp_path: Path) -> Iterator[Durable]:
    """It, with thirty examples learned."""
    durable = Around(disk=FaultyDisk()).open(made, tmp_path / "state")
    learn(durable, LINES[:30])
    yield durable
    kill(durable, tmp_path / "state")


def rebuilt(durable: Durable, lineage: Lineage, made: Blueprint | None = None) -> int:
    """The number of what a child made."""
    taking = durable.rebuild(lineage, made)
    taking.finish()
    return taking.number


def switch(durable: Durable, lineage: Lineage, number: int, made: Blueprint | None = None) -> int:
    """Have a model be what a child made and what came since; how many examples that were."""
    successor = durable.successor(durable.planned_from(number, lineage), made)
    caught_up = sum(durable.catch_up(successor))
    durable.adopt(successor).close()
    return caught_up


def test_what_a_child_learns_is_what_was_wanted(durable: Durable, made: Blueprint) -> None:
    lineage = durable.intervened(None, until=20, skip=[(5, 9)])
    number = rebuilt(durable, lineage)
    snapshot = durable.described(number)
    assert (str(snapshot.moment.learned), snapshot.moment.journal, snapshot.moment.lineage) == ("1-4, 10-20", 30, 2)
    assert snapshot.state.counts.learned == 15
    assert durable.verified(lineage) == (snapshot, ())
    assert durable.plan(lineage).replayed == 0
    assert switch(durable, lineage, number) == 0
    assert_same(durable.servable, made, [*LINES[:4], *LINES[9:20]])
    assert durable.newest == snapshot


def test_the_model_goes_on_meanwhile_and_what_comes_is_learned_by_both(durable: Durable, made: Blueprint) -> None:
    lineage = durable.intervened(None, until=20)
    taking = durable.rebuild(lineage)
    learn(durable, LINES[30:40])
    taking.finish()
    assert durable.described(taking.number).moment.journal == 30
    assert durable.plan(lineage).replayed == 10
    assert_same(durable.servable, made, LINES[:40])
    assert switch(durable, lineage, taking.number) == 10
    assert_same(durable.servable, made, [*LINES[:20], *LINES[30:40]])


def test_it_begins_with_the_newest_snapshot_on_the_way(durable: Durable, made: Blueprint, tmp_path: Path) -> None:
    take(durable)
    learn(durable, LINES[30:40])
    second = take(durable)
    learn(durable, LINES[40:50])
    flip(tmp_path / "state" / "snapshots" / f"{second.number}.vw")  # the child sees that, too
    lineage = durable.intervened(durable.described(1), until=45)
    assert switch(durable, lineage, rebuilt(durable, lineage)) == 0
    assert_same(durable.servable, made, LINES[:45])


def test_a_snapshot_may_be_taken_meanwhile(durable: Durable, made: Blueprint) -> None:
    lineage = durable.intervened(None, until=20)
    taking = durable.rebuild(lineage)
    snapshot = take(durable)
    taking.finish()
    assert sorted(each.number for each in durable.snapshots()) == [taking.number, snapshot.number]
    switch(durable, lineage, taking.number)
    assert_same(durable.servable, made, LINES[:20])


def test_another_configuration_learns_the_journal_again(durable: Durable, tmp_path: Path) -> None:
    other = blueprint(tmp_path, "vw: -b 10 --oaa 3 --indexing 0\non_change: replay\n")
    lineage = durable.replaced(other)
    number = rebuilt(durable, lineage, other)
    assert durable.described(number).provenance == lineage.provenance
    switch(durable, lineage, number, other)
    assert_same(durable.servable, other, LINES[:30])
    assert durable.blueprint is other


def test_what_a_child_made_for_nothing_is_never_taken_for_the_model(
    durable: Durable, made: Blueprint, tmp_path: Path
) -> None:
    rebuilt(durable, durable.intervened(None, until=20, skip=[(3, 4)]))
    learn(durable, LINES[30:40])
    kill(durable, tmp_path / "state")
    again = Around().open(made, tmp_path / "state")
    assert_same(again.servable, made, LINES[:40])
    kill(again, tmp_path / "state")


def test_what_stops_short_of_the_rest_is_on_the_way_all_the_same(
    durable: Durable, made: Blueprint, tmp_path: Path
) -> None:
    """It had learned up to 20 when the journal was at 30: what it needs from there is not let go."""
    number = rebuilt(durable, durable.intervened(None, until=20))
    kill(durable, tmp_path / "state")
    again = Around().open(made, tmp_path / "state")
    assert again.newest is not None and again.newest.number == number
    assert_same(again.servable, made, LINES[:30])
    kill(again, tmp_path / "state")


def test_a_child_that_finds_no_way_says_why(durable: Durable, tmp_path: Path) -> None:
    lineage = durable.intervened(None, until=20)
    (tmp_path / "state" / "journal" / "00000000000000000001.dat").rename(tmp_path / "away")
    taking = durable.rebuild(lineage)
    with pytest.raises(SnapshotError, match=r"no snapshot 1 in .*: .*journal"):
        taking.finish()
    assert durable.snapshots() == []
    (tmp_path / "away").rename(tmp_path / "state" / "journal" / "00000000000000000001.dat")
    assert rebuilt(durable, lineage) == 2


def test_a_child_leaves_nothing_out_unasked(durable: Durable, made: Blueprint, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    kill(durable, folder)
    (folder / "journal" / f"{1:020}.dat").write_bytes(b"".join(line + b"\n" for line in LINES[:10]))
    (folder / "journal" / f"{21:020}.dat").write_bytes(b"".join(line + b"\n" for line in LINES[20:30]))
    again = Around().open(made, folder)
    assert str(again.lineage.examples) == "1-10, 21-"
    taking = again.rebuild(again.intervened(None, until=25))
    with pytest.raises(SnapshotError, match=r"does not have the examples 11-20, .*\(skip 11\.\.20\)"):
        taking.finish()
    number = rebuilt(again, lineage := again.intervened(None, until=25, skip=[(11, 20)]))
    switch(again, lineage, number)
    assert_same(again.servable, made, [*LINES[:10], *LINES[20:25]])
    kill(again, folder)


def test_a_child_learns_what_the_journal_still_has_and_its_snapshot_says_so(durable: Durable, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    take(durable)
    kill(durable, folder)
    for path in (folder / "journal").iterdir():
        path.unlink()
    (folder / "journal" / f"{21:020}.dat").write_bytes(b"".join(line + b"\n" for line in LINES[20:30]))
    again = Around().open(durable.blueprint, folder)
    other = blueprint(tmp_path, "vw: -b 11\non_change: replay\n")
    planned = again.plan(again.replaced(other), blueprint=other)
    number = rebuilt(again, planned.lineage, other)
    snapshot = again.described(number)
    assert (str(snapshot.moment.learned), snapshot.state.counts.learned) == ("21-30", 10)
    switch(again, planned.lineage, number, other)
    assert_same(again.servable, other, LINES[20:30])
    kill(again, folder)


def test_a_child_whose_disk_is_full_leaves_nothing(durable: Durable, tmp_path: Path) -> None:
    disk = durable._around.disk
    assert isinstance(disk, FaultyDisk)
    disk.full()
    taking = durable.rebuild(durable.intervened(None, until=20))
    with pytest.raises(SnapshotError, match="No space left on device"):
        taking.finish()
    assert os.listdir(tmp_path / "state" / "snapshots") == []


def test_one_that_is_stopped_leaves_nothing(durable: Durable, tmp_path: Path) -> None:
    taking = durable.rebuild(durable.intervened(None, until=20))
    taking.stop()
    try:
        taking.finish()
    except SnapshotError as error:
        assert "SIGKILL" in str(error)
        assert os.listdir(tmp_path / "state" / "snapshots") == []


def test_without_a_folder_to_store_it_in_nothing_is_begun(made: Blueprint, tmp_path: Path) -> None:
    around = Around(disk=FaultyDisk())
    assert isinstance(around.disk, FaultyDisk)
    around.disk.full()
    durable = around.open(made, tmp_path / "other")
    with pytest.raises(SnapshotError, match="nothing can be stored: cannot use"):
        durable.rebuild(durable.lineage)
    with pytest.raises(StateError):
        durable.intervened(None, until=0)
    kill(durable, tmp_path / "other")
