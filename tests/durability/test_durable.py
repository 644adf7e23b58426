"""A durable model: it starts where it stood, learns only what is kept, goes back and on, and outlives its disk."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.states import (
    Around,
    FaultyDisk,
    as_nobody,
    assert_same,
    blueprint,
    flip,
    kill,
    learn,
    roll_back,
    take,
)
from vwserve.durability.durable import Durable
from vwserve.durability.lineage import Lineage
from vwserve.durability.snapshot import SnapshotError
from vwserve.durability.snapshots import Snapshots
from vwserve.durability.stretches import Stretches
from vwserve.errors import ArgumentsError, StateError
from vwserve.model.blueprint import Blueprint

LINES = [b"%d |f a%d b%d" % (n % 3, n % 7, n) for n in range(1, 201)]
NOT_READY = b"!error not-ready the model predicts, but cannot keep what it would learn now; try again later\n"
SEGMENT = "00000000000000000001.dat"


@pytest.fixture
def around() -> Around:
    """Surroundings with a disk that can be made to fail."""
    return Around(disk=FaultyDisk())


@pytest.fixture
def disk(around: Around) -> FaultyDisk:
    """That disk."""
    assert isinstance(around.disk, FaultyDisk)
    return around.disk


@pytest.fixture
def made(tmp_path: Path) -> Blueprint:
    """A model."""
    return blueprint(tmp_path)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where its state is to be."""
    return tmp_path / "state" / "m"


@pytest.fixture
def durable(around: Around, made: Blueprint, state: Path) -> Iterator[Durable]:
    """A model that has learned nothing yet."""
    durable = around.open(made, state)
    yield durable
    kill(durable, state)


def files(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(os.listdir(folder))


def reopened(durable: Durable, around: Around, made: Blueprint, state: Path) -> Durable:
    """Another process after this one was killed."""
    kill(durable, state)
    return around.open(made, state)


def wait(around: Around, durable: Durable, seconds: float = 6.0) -> bool:
    """Let time pass."""
    around.clock.now += seconds
    return durable.tick()


def upto(number: int) -> list[bytes]:
    """The first lines."""
    return LINES[:number]


# -- starting ---------------------------------------------------------------------------------------------------------


def test_a_new_model_makes_its_folders_and_says_what_it_is(durable: Durable, state: Path) -> None:
    assert files(state) == ["journal", "lineage.json", "lock", "snapshots"]
    assert durable.lineage == Lineage.read(state)
    assert (durable.lineage.number, durable.lineage.examples, durable.position) == (1, Stretches(), 0)
    assert durable.statistics() == {"snapshot": None, "journal": 0, "lineage": 1, "not_ready": None}
    assert not durable.changed


def test_what_it_learns_is_in_its_journal_as_it_was_sent(durable: Durable, state: Path) -> None:
    answer = learn(durable, [b"1 |f a", b"|f a", b"garbage", b"-1 2 'tag |f b"])
    assert answer.startswith(b"0\n0.") and b"!error bad-example" in answer
    assert (state / "journal" / SEGMENT).read_bytes() == b"1 |f a\n-1 2 'tag |f b\n"
    assert (durable.position, durable.changed, durable.statistics()["journal"]) == (2, True, 2)


def test_it_is_in_the_journal_before_it_is_learned(
    durable: Durable, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    workspace = type(durable.servable.learner._engine.workspace)
    through = workspace.learn

    def spied(*arguments: object) -> object:
        seen.append((state / "journal" / SEGMENT).read_bytes())
        return through(*arguments)  # type: ignore[arg-type]  # whatever they are

    monkeypatch.setattr(workspace, "learn", spied)
    learn(durable, [b"1 |f a"])
    assert seen == [b"1 |f a\n"]


def test_what_is_answered_only_once_it_is_synced_is_owed(tmp_path: Path, around: Around, state: Path) -> None:
    durable = around.open(blueprint(tmp_path, "vw: -b 10\njournal: {sync: always}"), state)
    learn(durable, [b"1 |f a", b"|f b", b"1 |f c"])
    learn(durable, [b"|f b"])
    assert around.owed == [2]
    kill(durable, state)


def test_it_is_the_same_after_it_was_killed(durable: Durable, around: Around, made: Blueprint, state: Path) -> None:
    learn(durable, upto(50))
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(50))
    learn(durable, LINES[50:60])
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(60))
    assert around.said == []
    kill(durable, state)


def test_it_is_closed_with_a_last_snapshot(durable: Durable, around: Around, made: Blueprint, state: Path) -> None:
    learn(durable, upto(50))
    durable.close()
    assert files(state / "snapshots") == ["1.json", "1.vw"]
    shutil.rmtree(state / "journal")  # as if none of it could be read
    durable = around.open(made, state)
    assert_same(durable.servable, made, upto(50))
    assert not durable.changed
    durable.close()
    assert files(state / "snapshots") == ["1.json", "1.vw"]  # nothing was new
    kill(around.open(made, state), state)


def test_one_that_learned_nothing_is_closed_without_one(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, [b"|f a"])
    durable.close()
    assert files(state / "snapshots") == []
    kill(around.open(made, state), state)


def test_only_one_process_has_the_state(durable: Durable, around: Around, made: Blueprint, state: Path) -> None:
    with pytest.raises(StateError, match=rf"{state} is in use by process {os.getpid()} .*a `state` of its own"):
        around.open(made, state)
    learn(durable, [b"1 |f a"])  # it was not disturbed


def test_one_that_cannot_be_started_leaves_the_state_to_others(around: Around, tmp_path: Path, state: Path) -> None:
    open_files = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ArgumentsError):
        around.open(blueprint(tmp_path, "vw: --no_such_option"), state)
    (state / "lineage.json").write_text("{}")
    with pytest.raises(StateError):
        around.open(blueprint(tmp_path), state)
    assert len(os.listdir("/proc/self/fd")) == open_files
    (state / "lineage.json").unlink()
    kill(around.open(blueprint(tmp_path), state), state)


def test_what_a_power_cut_took_from_the_end_takes_no_number_that_was_given_out(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    """Or what came under it next would be taken for what an intervention has left out."""
    learn(durable, upto(30))
    roll_back(durable, None, until=10)
    kill(durable, state)
    with (state / "journal" / SEGMENT).open("r+b") as journal:
        journal.truncate(len(b"\n".join(upto(20))) + 1)
    durable = around.open(made, state)
    learn(durable, LINES[30:40])
    assert durable.position == 40
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, [*upto(10), *LINES[30:40]])
    kill(durable, state)


# -- snapshots --------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_what_it_goes_on_from(durable: Durable, around: Around, made: Blueprint, state: Path) -> None:
    learn(durable, upto(20))
    first = take(durable)
    assert (first.number, first.moment.journal, durable.newest, durable.changed) == (1, 20, first, False)
    learn(durable, LINES[20:30])
    assert durable.changed
    assert durable.statistics()["snapshot"] == {"number": 1, "age": 0.0}
    durable = reopened(durable, around, made, state)
    assert durable.newest == first
    assert_same(durable.servable, made, upto(30))
    kill(durable, state)


def test_what_is_learned_while_one_is_taken_is_not_in_it(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(20))
    durable.take()
    assert durable.taking
    learn(durable, LINES[20:30])
    snapshot = durable.finish()
    assert (snapshot.moment.journal, durable.changed, durable.taking) == (20, True, False)
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(30))
    kill(durable, state)


def test_the_journal_of_what_a_snapshot_holds_is_to_be_on_the_disk_first(
    durable: Durable, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}

    def take_spied(snapshots: Snapshots, *arguments: object, **named: object) -> None:
        given.update(named)

    learn(durable, upto(5))
    journal = durable._storage.journal
    assert journal is not None
    with monkeypatch.context() as context:
        context.setattr(Snapshots, "take", take_spied)
        durable.take()
    assert (given["sync_first"], given["names_first"]) == (journal.descriptors, journal.folder)


def test_the_next_one_is_due_an_interval_after_the_last(durable: Durable, around: Around, tmp_path: Path) -> None:
    assert durable.due_s == 1300.0
    around.clock.now = 1200.0
    durable.put_off()
    assert durable.due_s == 1500.0
    take(durable)
    assert durable.due_s == 1500.0
    durable.configure(blueprint(tmp_path, "vw: -b 10\nsnapshot: {every: 10s}"))
    assert durable.due_s == 1210.0


def test_old_ones_go_but_for_those_that_somebody_holds(tmp_path: Path, around: Around, state: Path) -> None:
    durable = around.open(blueprint(tmp_path, "vw: -b 10\nsnapshot: {keep: 2}"), state)
    take(durable)
    with durable.pinning(1):
        for _ in range(3):
            take(durable)
        assert [each.number for each in durable.snapshots()] == [4, 3, 1]
    take(durable)
    assert [each.number for each in durable.snapshots()] == [5, 4]
    assert durable.described(5).number == 5
    with pytest.raises(SnapshotError, match="no snapshot 1; the newest are 5, 4"):
        durable.described(1)
    assert durable.model_file(durable.described(5)).exists()
    kill(durable, state)


def test_one_that_could_not_be_taken_is_no_newest(durable: Durable, disk: FaultyDisk) -> None:
    learn(durable, upto(5))
    disk.full()
    durable.take()
    with pytest.raises(SnapshotError, match="No space left"):
        durable.finish()
    assert durable.newest is None and durable.changed and not durable.taking
    disk.works()
    assert take(durable).number == 2


def test_one_that_is_being_taken_at_the_end_is_finished_and_what_came_since_is_not_lost(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(20))
    durable.take()
    learn(durable, LINES[20:30])
    durable.close()
    assert files(state / "snapshots") == ["1.json", "1.vw", "2.json", "2.vw"]
    kill(around.open(made, state), state)


def test_one_that_fails_at_the_end_does_not_keep_the_last_one_from_being_taken(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(20))
    durable.take().stop()
    durable.close()
    assert files(state / "snapshots") == ["2.json", "2.vw"]
    assert any("SIGKILL" in each for each in around.said)
    kill(around.open(made, state), state)


def test_what_no_snapshot_needs_goes_from_the_journal(
    durable: Durable, around: Around, made: Blueprint, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vwserve.durability.journal.SEGMENT_BYTES", 100)
    durable._storage.journal._segment_bytes = 100  # type: ignore[union-attr]  # it is open
    for number in range(0, 60, 10):
        learn(durable, LINES[number : number + 10])
        if number in (20, 40):
            take(durable)
    around.clock.now += 8 * 86_400.0
    durable.tick()
    around.clock.now += 61.0
    durable.tick()
    firsts = [int(name.partition(".")[0]) for name in files(state / "journal") if ".dat" in name]
    assert 1 < min(firsts) <= 31  # what the one before the newest needs is there
    flip(state / "snapshots" / "2.vw")
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(60))
    kill(durable, state)


# -- what lineage.json says -------------------------------------------------------------------------------------------


def test_without_lineage_json_it_goes_on_from_the_newest_snapshot(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(30))
    roll_back(durable, None, until=10)
    learn(durable, LINES[30:40])
    take(durable)
    learn(durable, LINES[40:50])
    kill(durable, state)
    (state / "lineage.json").unlink()
    durable = around.open(made, state)
    assert around.said == [f"{state} has no lineage.json; it goes on from its newest snapshot, 1"]
    assert_same(durable.servable, made, [*upto(10), *LINES[30:50]])
    assert str(durable.lineage.examples) == "1-10, 31-"
    assert Lineage.read(state) == durable.lineage
    kill(durable, state)


def test_without_a_snapshot_either_it_learns_all_of_its_journal_and_says_so(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(30))
    kill(durable, state)
    (state / "lineage.json").unlink()
    durable = around.open(made, state)
    assert "it learns all 30 examples of its journal" in around.said[0]
    assert_same(durable.servable, made, upto(30))
    kill(durable, state)


def test_a_spoilt_lineage_json_is_no_reason_to_begin_anew(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(30))
    kill(durable, state)
    flip(state / "lineage.json")
    with pytest.raises(StateError, match=r"lineage\.json is not as it was written .*restore it, or remove it"):
        around.open(made, state)
    assert (state / "journal" / SEGMENT).read_bytes().count(b"\n") == 30


# -- another configuration --------------------------------------------------------------------------------------------

OTHER = "vw: -b 10 --noconstant\n"


def test_a_model_that_is_made_otherwise_is_refused(
    durable: Durable, around: Around, tmp_path: Path, state: Path
) -> None:
    learn(durable, upto(30))
    kill(durable, state)
    with pytest.raises(StateError, match="learned 30 examples otherwise: VW's arguments were '-b 10' and are"):
        around.open(blueprint(tmp_path, OTHER), state)
    durable = around.open(blueprint(tmp_path), state)  # as it was
    assert_same(durable.servable, durable.blueprint, upto(30))
    kill(durable, state)


@pytest.mark.parametrize(("on_change", "learned", "number"), [("replay", 30, 2), ("fresh", 0, 2)])
def test_a_model_that_is_made_otherwise_learns_again_or_begins_anew(
    durable: Durable, around: Around, tmp_path: Path, state: Path, on_change: str, learned: int, number: int
) -> None:
    learn(durable, upto(20))
    take(durable)
    learn(durable, LINES[20:30])
    kill(durable, state)
    other = blueprint(tmp_path, f"{OTHER}on_change: {on_change}\n")
    durable = around.open(other, state)
    assert_same(durable.servable, other, upto(learned))
    assert (durable.lineage.number, durable.servable.version, durable.newest) == (number, number, None)
    learn(durable, LINES[30:40])
    durable = reopened(durable, around, other, state)
    assert_same(durable.servable, other, [*upto(learned), *LINES[30:40]])
    assert durable.lineage.number == number  # once is enough
    kill(durable, state)


def test_a_change_while_it_runs_is_refused_learned_again_or_begun_anew(durable: Durable, tmp_path: Path) -> None:
    learn(durable, upto(30))
    with pytest.raises(StateError, match="learned 30 examples otherwise"):
        durable.replaced(blueprint(tmp_path, OTHER))
    assert durable.replaced(blueprint(tmp_path, "vw: '-b 10'\non_change: fresh")) == durable.lineage
    for text, learned in ((f"{OTHER}on_change: replay\n", upto(30)), ("vw: -b 11\non_change: fresh\n", [])):
        other = blueprint(tmp_path, text)
        lineage = durable.replaced(other)
        successor = durable.successor(durable.plan(lineage, blueprint=other), other)
        assert sum(durable.catch_up(successor)) == len(learned)
        durable.adopt(successor).close()
        assert_same(durable.servable, other, learned)
        assert durable.blueprint is other


def test_a_model_of_another_kind_is_refused_whatever_is_asked_for(
    durable: Durable, around: Around, tmp_path: Path, state: Path
) -> None:
    learn(durable, upto(3))
    kill(durable, state)
    for on_change in ("replay", "fresh"):
        multiline = blueprint(tmp_path, f"vw: -b 10 --cb_adf\non_change: {on_change}\n")
        with pytest.raises(StateError, match=rf"of one line, which this model does not read; move {state} away"):
            around.open(multiline, state)
    (state / "lineage.json").unlink()
    with pytest.raises(StateError, match="examples of one line, which this model does not read"):
        around.open(blueprint(tmp_path, "vw: -b 10 --cb_adf"), state)
    assert (state / "journal" / SEGMENT).read_bytes() == b"\n".join([*upto(3), b""])


def test_before_it_has_learned_it_may_become_a_model_of_another_kind(
    durable: Durable, around: Around, tmp_path: Path, state: Path
) -> None:
    multiline = blueprint(tmp_path, "vw: -b 10 --cb_adf")
    durable = reopened(durable, around, multiline, state)
    group = [b"shared |s a", b"0:1:0.5 |a b", b"|a c", b""]
    learn(durable, group)
    durable = reopened(durable, around, multiline, state)
    assert_same(durable.servable, multiline, group, [])
    assert durable.lineage.multiline
    kill(durable, state)


def test_before_it_has_learned_it_may_become_one_while_it_runs(
    durable: Durable, around: Around, tmp_path: Path, state: Path
) -> None:
    multiline = blueprint(tmp_path, "vw: -b 10 --cb_adf")
    lineage = durable.replaced(multiline)
    durable.adopt(durable.successor(durable.plan(lineage, blueprint=multiline), multiline)).close()
    group = [b"shared |s a", b"0:1:0.5 |a b", b"|a c", b""]
    assert not learn(durable, group).startswith(b"!error")
    durable = reopened(durable, around, multiline, state)
    assert_same(durable.servable, multiline, group, [])
    kill(durable, state)


# -- without a journal ------------------------------------------------------------------------------------------------

UNJOURNALED = "vw: -b 10\njournal: false\n"


def test_without_a_journal_it_is_what_its_newest_snapshot_is(around: Around, tmp_path: Path, state: Path) -> None:
    made = blueprint(tmp_path, UNJOURNALED)
    durable = around.open(made, state)
    learn(durable, upto(20))
    take(durable)
    learn(durable, LINES[20:30])
    assert (durable.position, durable.statistics()["journal"], durable.changed) == (30, None, True)
    assert not (state / "journal").exists()
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(20))
    assert durable.position == 20
    durable.close()
    assert around.said == []


def test_without_a_journal_only_a_snapshot_can_be_gone_back_to(around: Around, tmp_path: Path, state: Path) -> None:
    made = blueprint(tmp_path, UNJOURNALED)
    durable = around.open(made, state)
    learn(durable, upto(20))
    snapshot = take(durable)
    learn(durable, LINES[20:30])
    with pytest.raises(StateError, match="there is no journal to learn again from"):
        durable.intervened(snapshot, until=25)
    roll_back(durable, snapshot)
    learn(durable, LINES[30:40])
    assert_same(durable.servable, made, [*upto(20), *LINES[30:40]])
    durable.close()
    durable = around.open(made, state)
    assert_same(durable.servable, made, [*upto(20), *LINES[30:40]])
    kill(durable, state)


def test_a_journal_that_is_no_longer_kept_still_counts(
    durable: Durable, around: Around, tmp_path: Path, state: Path
) -> None:
    learn(durable, upto(20))
    made = blueprint(tmp_path, UNJOURNALED)
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(20))
    learn(durable, LINES[20:30])
    take(durable)
    learn(durable, LINES[30:40])
    durable = reopened(durable, around, blueprint(tmp_path), state)
    learn(durable, LINES[40:50])
    assert durable.position == 40  # the numbers of those that were lost
    durable = reopened(durable, around, blueprint(tmp_path), state)
    assert_same(durable.servable, made, [*upto(30), *LINES[40:50]])
    kill(durable, state)


def test_what_was_lost_is_said_once_and_then_stays_left_out(around: Around, tmp_path: Path, state: Path) -> None:
    made = blueprint(tmp_path, UNJOURNALED)
    durable = around.open(made, state)
    for number in (20, 30):
        learn(durable, LINES[durable.position : number])
        take(durable)
    flip(state / "snapshots" / "2.vw")
    durable = reopened(durable, around, made, state)
    assert any("it goes on without the examples 21-30" in each for each in around.said)
    assert (str(durable.lineage.examples), durable.lineage.number) == ("1-20, 31-", 2)
    learn(durable, LINES[30:40])
    durable.close()
    around.said.clear()
    durable = around.open(made, state)
    assert around.said == []
    assert_same(durable.servable, made, [*upto(20), *LINES[30:40]])
    kill(durable, state)


def test_a_model_that_vw_does_not_save_whole_goes_on_without_a_journal_too(
    around: Around, tmp_path: Path, state: Path
) -> None:
    made = blueprint(tmp_path, "vw: -b 10 --replay_b 5\njournal: false\n")
    durable = around.open(made, state)
    learn(durable, upto(40))
    before = durable.servable.predict([b"|f a1 b40"])
    durable.close()
    durable = around.open(made, state)
    assert durable.servable.predict([b"|f a1 b40"]) == before != ["0"]
    assert any("does not save all that such a model goes by" in each for each in around.said)
    kill(durable, state)


# -- interventions ----------------------------------------------------------------------------------------------------


def test_a_rollback_is_undone_by_going_back_to_what_was_before(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(20))
    first = take(durable)
    learn(durable, LINES[20:30])
    undo = take(durable)
    roll_back(durable, first)
    assert_same(durable.servable, made, upto(20))
    assert (durable.newest, durable.changed, str(durable.lineage.examples)) == (first, True, "1-20, 31-")
    learn(durable, LINES[30:35])
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, [*upto(20), *LINES[30:35]])
    roll_back(durable, undo)
    assert_same(durable.servable, made, upto(30))
    assert durable.newest == undo
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(30))
    kill(durable, state)


def test_what_comes_while_a_successor_is_made_is_learned_by_both(durable: Durable, made: Blueprint) -> None:
    learn(durable, upto(20))
    first = take(durable)
    learn(durable, LINES[20:30])
    lineage = durable.intervened(first)
    verified = durable.verified(lineage)
    assert (verified, durable.plan(lineage, verified).replayed) == ((first, ()), 0)
    learn(durable, LINES[30:33])
    assert durable.plan(lineage, verified).replayed == 3
    successor = durable.successor(durable.plan(lineage, verified))
    learn(durable, LINES[33:35])
    blocks = durable.catch_up(successor)
    assert next(blocks) == 5
    learn(durable, LINES[35:36])
    assert list(blocks) == [1]
    before = durable.adopt(successor)
    assert_same(before, made, upto(36))
    before.close()
    assert_same(durable.servable, made, [*upto(20), *LINES[30:36]])
    learn(durable, LINES[36:37])
    assert durable.position == 37


def test_one_that_was_given_up_leaves_everything_as_it_is(durable: Durable, made: Blueprint, state: Path) -> None:
    learn(durable, upto(20))
    lineage = durable.intervened(None, until=10)
    durable.successor(durable.plan(lineage)).close()
    learn(durable, LINES[20:30])
    assert_same(durable.servable, made, upto(30))
    assert Lineage.read(state) == durable.lineage


def test_one_of_a_model_that_became_another_meanwhile_is_not_adopted(durable: Durable, made: Blueprint) -> None:
    learn(durable, upto(20))
    lineage = durable.intervened(None, until=10)
    successor = durable.successor(durable.plan(lineage))
    for _ in durable.catch_up(successor):
        pass
    roll_back(durable, None, until=5)
    with pytest.raises(StateError, match="m was made another meanwhile; nothing was switched"):
        durable.adopt(successor)
    successor.close()
    assert_same(durable.servable, made, upto(5))


def test_one_that_has_not_caught_up_is_not_adopted(durable: Durable, made: Blueprint) -> None:
    learn(durable, upto(20))
    lineage = durable.intervened(None, until=10)
    successor = durable.successor(durable.plan(lineage))
    for _ in durable.catch_up(successor):
        pass
    learn(durable, LINES[20:21])
    with pytest.raises(StateError, match="m learned more meanwhile; nothing was switched"):
        durable.adopt(successor)
    for _ in durable.catch_up(successor):
        pass
    durable.adopt(successor).close()
    assert_same(durable.servable, made, [*upto(10), LINES[20]])


def test_where_the_snapshots_cannot_be_read_nothing_is_switched(durable: Durable, made: Blueprint, state: Path) -> None:
    learn(durable, upto(20))
    first = take(durable)
    learn(durable, LINES[20:30])
    successor = durable.successor(durable.plan(durable.intervened(first)))
    for _ in durable.catch_up(successor):
        pass
    (state / "snapshots").rename(state / "away")
    with pytest.raises(SnapshotError, match="cannot read"):
        durable.adopt(successor)
    successor.close()
    (state / "away").rename(state / "snapshots")
    assert Lineage.read(state) == durable.lineage
    learn(durable, LINES[30:40])
    assert_same(durable.servable, made, upto(40))


def test_a_snapshot_of_a_model_that_was_made_otherwise_is_none_to_go_back_to(
    durable: Durable, around: Around, tmp_path: Path, state: Path
) -> None:
    learn(durable, upto(20))
    snapshot = take(durable)
    durable = reopened(durable, around, blueprint(tmp_path, f"{OTHER}on_change: fresh"), state)
    with pytest.raises(StateError, match="snapshot 1 is of a model made otherwise: VW's arguments"):
        durable.intervened(snapshot)
    kill(durable, state)


def test_what_comes_before_a_snapshot_is_not_learned_after_it(durable: Durable) -> None:
    learn(durable, upto(20))
    snapshot = take(durable)
    learn(durable, LINES[20:30])
    with pytest.raises(StateError, match="taken after example 20 is no way to a model that learned up to 15"):
        durable.intervened(snapshot, until=15)
    assert str(durable.intervened(snapshot, until=20).examples) == "1-20, 31-"


def test_what_a_snapshot_had_learned_can_be_skipped_all_the_same(durable: Durable, made: Blueprint) -> None:
    learn(durable, upto(20))
    first = take(durable)
    learn(durable, LINES[20:30])
    second = take(durable)
    roll_back(durable, second, skip=[(25, 27)])
    assert durable.newest == first
    assert_same(durable.servable, made, [*upto(24), *LINES[27:30]])


def test_a_spoilt_snapshot_is_gone_round(durable: Durable, made: Blueprint, state: Path) -> None:
    learn(durable, upto(20))
    first = take(durable)
    learn(durable, LINES[20:30])
    second = take(durable)
    learn(durable, LINES[30:40])
    flip(state / "snapshots" / "2.vw")
    roll_back(durable, second)
    assert durable.newest == first
    assert_same(durable.servable, made, upto(30))


def test_what_the_journal_does_not_have_is_not_left_out_unasked(
    durable: Durable, around: Around, tmp_path: Path, state: Path
) -> None:
    learn(durable, upto(20))
    first = take(durable)
    durable = reopened(durable, around, blueprint(tmp_path, UNJOURNALED), state)
    learn(durable, LINES[20:30])
    durable.close()
    durable = around.open(blueprint(tmp_path), state)
    learn(durable, LINES[30:40])
    flip(state / "snapshots" / "2.vw")
    with pytest.raises(StateError, match=r"does not have the examples 21-30, .*leave them out \(skip 21\.\.30\)"):
        roll_back(durable, first, until=35)
    roll_back(durable, first, until=35, skip=[(21, 30)])
    assert_same(durable.servable, durable.blueprint, [*upto(20), *LINES[30:35]])
    kill(durable, state)


def with_segments(durable: Durable, around: Around, made: Blueprint, state: Path, *firsts: int) -> Durable:
    """Another process, which finds of the journal only the segments of these first examples, of ten each."""
    kill(durable, state)
    shutil.rmtree(state / "journal")
    (state / "journal").mkdir()
    for first in firsts:
        text = b"".join(line + b"\n" for line in LINES[first - 1 : first + 9])
        (state / "journal" / f"{first:020}.dat").write_bytes(text)
    return around.open(made, state)


def test_to_undo_a_rollback_neither_the_journal_is_needed_nor_an_older_snapshot_taken_for_the_model(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(10))
    first = take(durable)
    learn(durable, LINES[10:30])
    before = take(durable)
    roll_back(durable, first)
    learned_less = take(durable)
    assert learned_less.moment.learned.end < before.moment.learned.end
    (state / "journal" / SEGMENT).rename(state / "away")
    undone = durable.intervened(before)
    planned = durable.plan(undone)
    assert (planned.base, planned.replayed, planned.remarks) == (before, 0, ())
    (state / "away").rename(state / "journal" / SEGMENT)
    roll_back(durable, before)
    assert durable.newest == before
    assert_same(durable.servable, made, upto(30))
    learn(durable, LINES[30:40])
    durable = with_segments(durable, around, made, state, 31)  # the only one that is not to be let go
    assert durable.newest == before
    assert_same(durable.servable, made, upto(40))
    assert around.said == []
    kill(durable, state)


def test_without_a_journal_a_rollback_is_undone_too(around: Around, tmp_path: Path, state: Path) -> None:
    made = blueprint(tmp_path, UNJOURNALED)
    durable = around.open(made, state)
    learn(durable, upto(10))
    first = take(durable)
    learn(durable, LINES[10:30])
    before = take(durable)
    roll_back(durable, first)
    take(durable)
    roll_back(durable, before)
    assert_same(durable.servable, made, upto(30))
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(30))
    kill(durable, state)


def test_without_a_journal_a_spoilt_snapshot_is_no_way_back_and_that_is_said(
    around: Around, tmp_path: Path, state: Path
) -> None:
    made = blueprint(tmp_path, UNJOURNALED)
    durable = around.open(made, state)
    learn(durable, upto(10))
    take(durable)
    learn(durable, LINES[10:20])
    second = take(durable)
    learn(durable, LINES[20:30])
    flip(state / "snapshots" / "2.vw")
    with pytest.raises(StateError, match=r"does not have the examples 11-20, .*2\.vw is not as it was taken"):
        durable.plan(durable.intervened(second))
    assert_same(durable.servable, made, upto(30))
    kill(durable, state)


def test_that_a_spoilt_snapshot_was_gone_round_is_said(durable: Durable, around: Around, state: Path) -> None:
    learn(durable, upto(20))
    first = take(durable)
    flip(state / "snapshots" / "1.vw")
    roll_back(durable, first)
    (said,) = around.said
    assert "1.vw is not as it was taken" in said
    assert_same(durable.servable, durable.blueprint, upto(20))


def test_a_snapshot_that_was_begun_before_its_rollback_was_undone_is_not_what_a_restart_goes_on_from(
    durable: Durable, made: Blueprint
) -> None:
    learn(durable, upto(10))
    first = take(durable)
    learn(durable, LINES[10:30])
    before = take(durable)
    roll_back(durable, first)
    durable.take()
    roll_back(durable, before)
    assert durable.finish().number == 3
    assert durable.newest == before
    assert_same(durable.servable, made, upto(30))


@pytest.mark.parametrize("running", [True, False])
def test_to_be_learned_again_is_what_the_journal_still_has(
    running: bool, durable: Durable, around: Around, made: Blueprint, tmp_path: Path, state: Path
) -> None:
    learn(durable, upto(30))
    take(durable)
    learn(durable, LINES[30:40])
    again = "vw: -b 11\non_change: replay\n"
    if running:
        durable = with_segments(durable, around, made, state, 21, 31)
        other = blueprint(tmp_path, again)
        planned = durable.plan(durable.replaced(other), blueprint=other)
        successor = durable.successor(planned, other)
        assert sum(durable.catch_up(successor)) == planned.replayed == 20
        durable.adopt(successor).close()
    else:
        other = blueprint(tmp_path, again)
        durable = with_segments(durable, around, other, state, 21, 31)
    assert_same(durable.servable, other, LINES[20:40])
    assert (durable.lineage.number, str(durable.lineage.examples)) == (2, "21-")
    (said,) = around.said
    assert said == f"it learns again without the examples 1-20: {state / 'journal'} does not have them any more"
    durable = reopened(durable, around, other, state)
    assert_same(durable.servable, other, LINES[20:40])
    assert len(around.said) == 1  # once is enough
    kill(durable, state)


def test_where_the_journal_has_nothing_any_more_learning_it_again_is_beginning_anew(
    durable: Durable, around: Around, tmp_path: Path, state: Path
) -> None:
    learn(durable, upto(30))
    take(durable)
    other = blueprint(tmp_path, "vw: -b 11\non_change: replay\n")
    durable = with_segments(durable, around, other, state)
    assert any("without the examples 1-30" in each for each in around.said)
    learn(durable, LINES[30:40])
    assert_same(durable.servable, other, LINES[30:40])
    assert durable.position == 40
    kill(durable, state)


def test_what_is_missing_in_the_midst_of_what_is_to_be_learned_again_is_refused_while_it_runs(
    durable: Durable, around: Around, made: Blueprint, tmp_path: Path, state: Path
) -> None:
    learn(durable, upto(30))
    take(durable)
    learn(durable, LINES[30:40])
    durable = with_segments(durable, around, made, state, 11, 31)
    other = blueprint(tmp_path, "vw: -b 11\non_change: replay\n")
    with pytest.raises(StateError, match=r"does not have the examples 21-30, .*leave them out \(skip 21\.\.30\)"):
        durable.plan(durable.replaced(other), blueprint=other)
    kill(durable, state)


def test_no_rollback_leaves_out_unasked_what_neither_a_snapshot_nor_the_journal_has(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(30))
    take(durable)
    durable = with_segments(durable, around, made, state, 1, 21)
    with pytest.raises(StateError, match=r"does not have the examples 11-20"):
        durable.plan(durable.intervened(None, until=25))
    roll_back(durable, None, until=25, skip=[(11, 20)])
    assert_same(durable.servable, made, [*upto(10), *LINES[20:25]])
    kill(durable, state)


def test_what_vw_does_not_save_whole_goes_back_to_the_snapshot_and_only_a_start_learns_it_all_again(
    around: Around, tmp_path: Path, state: Path
) -> None:
    made = blueprint(tmp_path, "vw: -b 10 --replay_b 5\n")
    durable = around.open(made, state)
    learn(durable, upto(20))
    first = take(durable)
    learn(durable, LINES[20:30])
    successor = durable.successor(durable.plan(durable.intervened(first)))
    assert (successor.recovered.snapshot, successor.recovered.replayed) == (first, 0)
    assert sum(durable.catch_up(successor)) == 0
    durable.adopt(successor).close()
    (said,) = around.said
    assert said.startswith("it goes on from snapshot 1, in which VW does not save all")
    around.said.clear()
    durable = reopened(durable, around, made, state)
    assert around.said == []
    assert_same(durable.servable, made, upto(20))
    kill(durable, state)


def test_an_example_is_found_by_its_time(durable: Durable, around: Around) -> None:
    for seconds in range(5):
        around.clock.now = 1000.0 + 2.0 * seconds
        learn(durable, LINES[10 * seconds : 10 * seconds + 10])
    assert durable.sequence_at(999.0) == 0
    assert durable.sequence_at(1005.0) in (20, 30)
    assert durable.sequence_at(2000.0) == 50


# -- a disk that fails ------------------------------------------------------------------------------------------------


def test_on_a_full_disk_it_predicts_and_learns_nothing_until_there_is_room(
    durable: Durable, around: Around, disk: FaultyDisk, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(20))
    disk.full()
    answers = learn(durable, [LINES[20], b"|f a1", LINES[21]]).splitlines(keepends=True)
    assert (answers[0], answers[2]) == (NOT_READY, NOT_READY) and not answers[1].startswith(b"!error")
    assert "No space left on device" in durable.unready
    assert durable.statistics()["not_ready"] == durable.unready
    for _ in range(3):
        assert not wait(around, durable)
        assert learn(durable, [LINES[20]]) == NOT_READY
    assert_same(durable.servable, made, upto(20))
    disk.works()
    assert not wait(around, durable)
    assert durable.unready == ""
    learn(durable, LINES[20:30])
    assert [each.partition(" /")[0] for each in around.said] == [
        "it predicts, and does not learn: cannot append to",
        "it predicts, and does not learn: cannot write",
        "it learns again",
    ]
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(30))
    kill(durable, state)


@pytest.mark.parametrize("text", ["vw: -b 10\n", UNJOURNALED])
def test_on_a_disk_that_is_full_at_the_start_it_begins_to_learn_once_there_is_room(
    around: Around, disk: FaultyDisk, tmp_path: Path, state: Path, text: str
) -> None:
    made = blueprint(tmp_path, text)
    disk.full()
    durable = around.open(made, state)
    assert "No space left on device" in durable.unready
    assert learn(durable, [b"1 |f a", b"|f a"]) == NOT_READY + b"0\n"
    with pytest.raises(SnapshotError, match="no snapshot can be taken: cannot use"):
        durable.take()
    assert not wait(around, durable)
    assert durable.unready
    disk.works()
    assert not wait(around, durable)
    assert (durable.unready, around.said[-1], Lineage.read(state)) == ("", "it learns again", durable.lineage)
    learn(durable, upto(10))
    first = take(durable)
    learn(durable, LINES[10:20])
    roll_back(durable, first)  # it is as any other by now
    durable.close()
    durable = around.open(made, state)
    assert_same(durable.servable, made, upto(10))
    kill(durable, state)


@pytest.mark.parametrize("text", ["vw: -b 10\n", UNJOURNALED])
def test_what_it_had_learned_is_served_from_a_disk_that_is_full(
    around: Around, disk: FaultyDisk, tmp_path: Path, state: Path, text: str
) -> None:
    made = blueprint(tmp_path, text)
    durable = around.open(made, state)
    learn(durable, upto(20))
    durable.close()
    disk.fails = lambda call, path: errno.ENOSPC if call in ("create", "write", "rename", "open") else 0
    around.said.clear()
    durable = around.open(made, state)
    assert_same(durable.servable, made, upto(20))
    if durable.unready:  # without a journal nothing had to be written
        assert learn(durable, [b"1 |f a"]) == NOT_READY
        disk.works()
        assert not wait(around, durable)
    assert durable.unready == ""
    disk.works()
    learn(durable, LINES[20:30])
    durable.close()
    durable = around.open(made, state)
    assert_same(durable.servable, made, upto(30))
    kill(durable, state)


def test_nothing_is_learned_as_long_as_nothing_says_what_the_model_is(
    durable: Durable, around: Around, disk: FaultyDisk, tmp_path: Path, state: Path
) -> None:
    """Or another start would begin anew once more, without what was learned meanwhile."""
    learn(durable, upto(20))
    kill(durable, state)
    disk.fails = lambda call, path: errno.EIO if path == state / "lineage.json" else 0
    other = blueprint(tmp_path, f"{OTHER}on_change: fresh")
    durable = around.open(other, state)
    assert durable.unready == f"cannot write in {state}: Input/output error"
    assert learn(durable, [LINES[20]]) == NOT_READY
    for _ in range(2):
        assert not wait(around, durable)
        assert durable.unready
    disk.works()
    assert not wait(around, durable)
    assert durable.unready == ""
    learn(durable, LINES[20:30])
    durable = reopened(durable, around, other, state)
    assert_same(durable.servable, other, LINES[20:30])
    kill(durable, state)


@pytest.mark.parametrize("call", ["create", "write", "sync", "rename", "sync_folder"])
def test_where_a_rollback_cannot_be_written_down_nothing_is_switched(
    durable: Durable, around: Around, disk: FaultyDisk, made: Blueprint, state: Path, call: str
) -> None:
    learn(durable, upto(20))
    first = take(durable)
    learn(durable, LINES[20:30])
    lineage, servable = durable.lineage, durable.servable
    code = errno.EROFS if call == "create" else errno.EIO
    disk.fails = lambda each, path: code if each == call else 0
    with pytest.raises(StateError, match=f"cannot write in {state}: .*; nothing was switched"):
        roll_back(durable, first)
    assert (durable.lineage, durable.servable) == (lineage, servable)
    if call == "sync_folder":  # the new one is in its place, and may not be
        assert learn(durable, [LINES[30]]) == NOT_READY
    disk.works()
    wait(around, durable)
    assert durable.unready == ""
    assert Lineage.read(state) == lineage
    learn(durable, LINES[30:35])
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(35))
    roll_back(durable, first)
    assert_same(durable.servable, made, upto(20))
    kill(durable, state)


def test_a_folder_that_vanishes_stops_learning_until_it_is_back(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(20))
    take(durable)
    wait(around, durable)
    state.rename(state.with_name("elsewhere"))
    wait(around, durable)
    assert "has vanished; bring" in durable.unready
    assert learn(durable, [LINES[20]]) == NOT_READY
    assert not state.exists()
    with pytest.raises(StateError):
        roll_back(durable, durable.newest)
    with pytest.raises(SnapshotError, match="No such file"):
        durable.take()
    state.with_name("elsewhere").rename(state)
    wait(around, durable)
    assert durable.unready == ""
    learn(durable, LINES[20:30])
    assert take(durable).number == 3  # 2 was given to the one that failed
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(30))
    kill(durable, state)


def test_a_folder_that_comes_back_empty_gets_all_that_a_restart_needs(
    durable: Durable, around: Around, made: Blueprint, state: Path
) -> None:
    learn(durable, upto(20))
    take(durable)
    shutil.rmtree(state)
    wait(around, durable)
    assert durable.unready
    (state / "journal").mkdir(parents=True)
    wait(around, durable)
    assert durable.unready == ""
    assert durable.changed and durable.newest is None  # the disk has no snapshot of it
    assert Lineage.read(state) == durable.lineage
    learn(durable, LINES[20:30])
    take(durable)
    durable = reopened(durable, around, made, state)
    assert_same(durable.servable, made, upto(30))
    kill(durable, state)


@pytest.fixture
def own_state() -> Iterator[Path]:
    """A state that can be made read-only."""
    with as_nobody() as folder:
        yield folder / "state" / "m"


def all_in(folder: Path) -> Iterator[Path]:
    """A folder and all in it."""
    yield folder
    yield from folder.rglob("*")


def test_a_read_only_state_is_served_as_it_is_and_learns_once_it_can_be_written(own_state: Path) -> None:
    around, made = Around(), blueprint(own_state.parents[1])
    durable = around.open(made, own_state)
    learn(durable, upto(20))
    take(durable)
    learn(durable, LINES[20:30])
    kill(durable, own_state)
    for path in all_in(own_state):
        path.chmod(0o500 if path.is_dir() else 0o400)
    durable = around.open(made, own_state)
    assert "Permission denied" in durable.unready
    assert_same(durable.servable, made, upto(30))
    assert (durable.position, [each.number for each in durable.snapshots()]) == (30, [1])
    wait(around, durable)
    assert learn(durable, [LINES[30]]) == NOT_READY
    for path in all_in(own_state):
        path.chmod(0o700)
    servable = durable.servable
    assert not wait(around, durable)  # it is the very model
    assert (durable.unready, durable.servable) == ("", servable)
    learn(durable, LINES[30:40])
    durable = reopened(durable, around, made, own_state)
    assert_same(durable.servable, made, upto(40))
    durable.close()


@pytest.mark.parametrize("text", ["vw: -b 10\n", UNJOURNALED])
def test_a_disk_that_comes_back_with_more_than_could_be_read_at_the_start_takes_over(
    around: Around, disk: FaultyDisk, tmp_path: Path, state: Path, text: str
) -> None:
    made = blueprint(tmp_path, text)
    durable = around.open(made, state)
    learn(durable, upto(20))
    take(durable)
    learn(durable, LINES[20:30])
    durable.close()
    away = state.with_name("away")
    state.rename(away)  # as where the disk is not there yet
    disk.full()
    durable = around.open(made, state)
    before = durable.servable
    assert durable.unready and durable.position == 0
    disk.works()
    away.rename(state)
    assert wait(around, durable)
    assert durable.servable is not before
    assert (durable.unready, around.said[-1]) == ("", "it learns again")
    assert_same(durable.servable, made, upto(30))
    learn(durable, LINES[30:40])
    durable.close()
    durable = around.open(made, state)
    assert_same(durable.servable, made, upto(40))
    kill(durable, state)


def test_a_disk_that_comes_back_with_what_cannot_be_gone_on_with_is_left_as_it_is(
    durable: Durable, around: Around, disk: FaultyDisk, tmp_path: Path, state: Path
) -> None:
    learn(durable, upto(20))
    kill(durable, state)
    away = state.with_name("away")
    state.rename(away)
    disk.full()
    other = blueprint(tmp_path, OTHER)
    durable = around.open(other, state)
    disk.works()
    away.rename(state)
    before = durable.servable
    for _ in range(3):
        assert not wait(around, durable)
        assert "learned 20 examples otherwise" in durable.unready
        assert learn(durable, [b"1 |f a", b"|f a"]) == NOT_READY + b"0\n"
    assert durable.servable is before
    assert durable.position == 0
    assert str(Lineage.read(state).examples) == "1-"  # type: ignore[union-attr]  # it is there
    durable = reopened(durable, around, blueprint(tmp_path), state)
    assert_same(durable.servable, durable.blueprint, upto(20))
    kill(durable, state)


def test_what_was_changed_meanwhile_is_not_written_over_a_state_that_was_not_opened(
    durable: Durable, around: Around, disk: FaultyDisk, tmp_path: Path, state: Path
) -> None:
    learn(durable, upto(20))
    roll_back(durable, None, until=10)
    take(durable)
    kill(durable, state)
    away = state.with_name("away")
    state.rename(away)
    disk.full()
    durable = around.open(blueprint(tmp_path, OTHER), state)
    disk.works()
    away.rename(state)
    before = (state / "lineage.json").read_bytes()
    with pytest.raises(StateError, match="m cannot go back as long as it does not learn: cannot use"):
        durable.intervened(None)
    again = blueprint(tmp_path)
    lineage = durable.replaced(again)
    successor = durable.successor(durable.plan(lineage, blueprint=again), again)
    for _ in durable.catch_up(successor):
        pass
    durable.adopt(successor).close()
    assert (state / "lineage.json").read_bytes() == before
    assert learn(durable, [LINES[20]]) == NOT_READY
    assert wait(around, durable)
    assert_same(durable.servable, again, upto(10))
    learn(durable, LINES[20:30])
    durable = reopened(durable, around, again, state)
    assert_same(durable.servable, again, [*upto(10), *LINES[20:30]])
    kill(durable, state)


def test_a_disk_that_comes_back_with_examples_of_another_kind_is_left_as_it_is(
    durable: Durable, around: Around, disk: FaultyDisk, tmp_path: Path, state: Path
) -> None:
    learn(durable, upto(20))
    kill(durable, state)
    away = state.with_name("away")
    state.rename(away)
    disk.full()
    durable = around.open(blueprint(tmp_path, "vw: -b 10 --cb_adf\non_change: replay"), state)
    disk.works()
    away.rename(state)
    assert not wait(around, durable)
    assert "examples of one line, which this model does not read" in durable.unready
    assert (state / "journal" / SEGMENT).read_bytes().count(b"\n") == 20
    kill(durable, state)


def test_a_state_that_another_process_took_meanwhile_is_left_to_it(
    around: Around, disk: FaultyDisk, made: Blueprint, state: Path
) -> None:
    disk.full()
    durable = around.open(made, state)
    disk.works()
    other = Around().open(made, state)
    for _ in range(3):
        assert not wait(around, durable)
        assert f"in use by process {os.getpid()}" in durable.unready
        assert learn(durable, [b"1 |f a"]) == NOT_READY
    learn(other, upto(20))
    other.close()
    assert wait(around, durable)  # what the other learned counts
    assert durable.unready == ""
    assert_same(durable.servable, made, upto(20))
    kill(durable, state)


def test_a_reason_is_told_once(around: Around, disk: FaultyDisk, made: Blueprint, state: Path) -> None:
    disk.full()
    durable = around.open(made, state)
    for _ in range(5):
        wait(around, durable)
    assert len(around.said) == 1
    kill(durable, state)


def test_what_cannot_be_opened_is_tried_again_every_few_seconds_only(
    around: Around, disk: FaultyDisk, made: Blueprint, state: Path
) -> None:
    tried: list[Path | None] = []

    def fails(call: str, path: Path | None) -> int:
        tried.append(path)
        return errno.ENOSPC

    disk.fails = fails
    durable = around.open(made, state)
    wait(around, durable, 1.0)
    begun = len(tried)
    for _ in range(4):
        wait(around, durable, 1.0)
    assert len(tried) == begun
    wait(around, durable, 1.0)
    assert len(tried) > begun
    kill(durable, state)
