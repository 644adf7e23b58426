"""Models whose drop changes so that what they learned is kept: what they are then, and what a restart makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.power import QuickDisk
from tests.durability.states import PROBES, Around, blueprint, flip, fresh, kill, learn, roll_back, take
from vwserve.durability.durable import Durable
from vwserve.durability.provenance import provenance_of
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.static import build_static
from vwserve.errors import StateError
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.servable import Servable
from vwserve.model.state import Resumed

FIRST = [b"%d |f a%d b |g e:%d" % (n % 2, n % 7, n % 3) for n in range(30)]
SECOND = [b"%d |f c%d a1 |g f:%d" % (n % 2, n % 5, n % 4) for n in range(20)]
THIRD = [b"1 |f a1 d |g e"] * 10
SLOW = "vw: -b 10 -l 0.1\n"
CROSSED = "vw: -b 10 -q fg\n"
UPPER = "vw: -b 10\ntransforms: [{kind: upper, input: f, output: u}]\n"
CHANGES = [SLOW, CROSSED, UPPER, UPPER.replace("-b 10", "-b 10 -q fg -l 0.2")]


@pytest.fixture
def around() -> Around:
    return Around()


@pytest.fixture
def durable(around: Around, tmp_path: Path) -> Iterator[Durable]:
    """A model that has learned the first lines."""
    durable = around.open(blueprint(tmp_path), tmp_path / "state")
    learn(durable, FIRST)
    yield durable
    if durable._storage.held:
        durable.close()


def end(durable: Durable, stop: bool) -> None:
    """Stop a model, or kill it."""
    if stop:
        durable.close()
    else:
        kill(durable, durable.folder)
        durable._storage.snapshots = None


def outdated(durable: Durable) -> bool:
    """Whether it goes on as it was made before its drop changed."""
    return durable.outdated


def go_on(durable: Durable, made: Blueprint, meanwhile: list[bytes] | None = None) -> Snapshot:
    """Have a model be made otherwise and keep what it has learned, as the daemon does; with which it begins."""
    snapshot = take(durable)
    assert durable.kept(made, provenance_of(made))
    lineage = durable.lineage.aspired(provenance_of(made), made.drop.policy.on_change, snapshot.moment.journal)
    base = durable.refounded(snapshot, lineage)()
    successor = durable.successor(durable.planned_from(base.number, lineage), made)
    if meanwhile:
        learn(durable, meanwhile)
    for _ in durable.catch_up(successor):
        continue
    durable.adopt(successor).close()
    durable.configure(made)
    return base


def changed(made: list[tuple[Blueprint, list[bytes]]], folder: Path) -> Servable:
    """A model that was no daemon's: it learned some lines under each blueprint, from the file of the one before."""
    servable = fresh(*made[0])
    for then, lines in made[1:]:
        servable.save(folder / "changed.vw")
        state = servable.state()
        servable.close()
        servable = then.build(Bounds(), learn=True, resumed=Resumed(folder / "changed.vw", state))
        for line in lines:
            servable.learn([line])
    return servable


def assert_predicts_like(found: Servable, expected: Servable) -> None:
    assert found.predict(PROBES) == expected.predict(PROBES)
    assert found.totals().labelled == expected.totals().labelled
    expected.close()


@pytest.mark.parametrize("text", CHANGES)
def test_it_goes_on_with_what_it_learned_and_learns_what_came_meanwhile_the_new_way(
    text: str, durable: Durable, tmp_path: Path
) -> None:
    before, made = durable.blueprint, blueprint(tmp_path, text)
    base = go_on(durable, made, meanwhile=SECOND)
    assert (durable.lineage.number, durable.lineage.founded, base.moment.journal) == (2, 30, 30)
    assert durable.newest == base
    learn(durable, THIRD)
    assert_predicts_like(durable.servable, changed([(before, FIRST), (made, SECOND + THIRD)], tmp_path))


@pytest.mark.parametrize("stop", [True, False])
@pytest.mark.parametrize("text", CHANGES)
def test_a_restart_finds_the_very_model(
    text: str, stop: bool, durable: Durable, around: Around, tmp_path: Path
) -> None:
    made = blueprint(tmp_path, text)
    go_on(durable, made, meanwhile=SECOND)
    learn(durable, THIRD)
    before = durable.servable.predict(PROBES)
    end(durable, stop)
    again = around.open(made, durable.folder)
    assert again.servable.predict(PROBES) == before
    assert again.lineage.founded == 30
    assert not outdated(again)
    again.close()


def test_a_model_that_has_learned_nothing_is_simply_another(around: Around, tmp_path: Path) -> None:
    durable = around.open(blueprint(tmp_path), tmp_path / "state")
    made = blueprint(tmp_path, SLOW)
    assert not durable.kept(made, provenance_of(made))
    assert durable.replaced(made).founded == 0
    durable.close()


@pytest.mark.parametrize("text", ["vw: -b 11\n", "vw: -b 10 --noconstant\n", SLOW + "on_change: replay\n"])
def test_what_changes_the_weights_or_is_asked_for_otherwise_is_not_kept(
    text: str, durable: Durable, tmp_path: Path
) -> None:
    made = blueprint(tmp_path, text)
    assert not durable.kept(made, provenance_of(made))


def test_a_change_may_follow_another_and_be_undone(durable: Durable, around: Around, tmp_path: Path) -> None:
    first, slow = durable.blueprint, blueprint(tmp_path, SLOW)
    again = blueprint(tmp_path, "vw: -b 10 -l 0.5\n")
    go_on(durable, slow)
    learn(durable, SECOND)
    go_on(durable, again)
    learn(durable, THIRD)
    go_on(durable, slow)
    learn(durable, THIRD)
    assert (durable.lineage.number, durable.lineage.founded) == (4, 60)
    expected = changed([(first, FIRST), (slow, SECOND), (again, THIRD), (slow, THIRD)], tmp_path)
    assert_predicts_like(durable.servable, expected)
    durable.close()
    # Nor is it taken for the one that a snapshot of the earlier slow one leads to.
    for number in (5, 6, 7):
        remove(durable.folder, number)
    with pytest.raises(StateError, match="no snapshot"):
        around.open(slow, durable.folder)


def remove(folder: Path, number: int) -> None:
    """Remove a snapshot by hand."""
    for ending in ("json", "vw"):
        (folder / "snapshots" / f"{number}.{ending}").unlink(missing_ok=True)


# -- without the snapshot that it begins with ------------------------------------------------------------------------


def without_snapshots(durable: Durable, made: Blueprint) -> Path:
    """Have a model go on, stop, and lose its snapshots; its state."""
    go_on(durable, made)
    learn(durable, SECOND)
    durable.close()
    for number in (1, 2, 3):
        remove(durable.folder, number)
    return durable.folder


def test_it_is_refused_with_what_can_be_done(durable: Durable, around: Around, tmp_path: Path) -> None:
    state = without_snapshots(durable, made := blueprint(tmp_path, SLOW))
    with pytest.raises(StateError, match=r"had learned up to example 30.*on_change: replay.*on_change: fresh"):
        around.open(made, state)
    with pytest.raises(StateError, match="had learned up to example 30"):
        build_static(blueprint(tmp_path, SLOW + "learn: false\n"), state, Bounds(), 1, around.said.append)


@pytest.mark.parametrize(("on_change", "lines"), [("replay", FIRST + SECOND), ("fresh", [])])
def test_it_learns_all_the_new_way_or_begins_anew_where_the_drop_says_so(
    on_change: str, lines: list[bytes], durable: Durable, around: Around, tmp_path: Path
) -> None:
    state = without_snapshots(durable, blueprint(tmp_path, SLOW))
    made = blueprint(tmp_path, f"{SLOW}on_change: {on_change}\n")
    again = around.open(made, state)
    assert (again.lineage.number, again.lineage.founded) == (3, 0)
    assert_predicts_like(again.servable, fresh(made, lines))
    learn(again, THIRD)
    again.close()
    again = around.open(blueprint(tmp_path, SLOW), state)
    assert_predicts_like(again.servable, fresh(made, lines + THIRD))
    again.close()


def test_a_damaged_snapshot_is_none(durable: Durable, around: Around, tmp_path: Path) -> None:
    made = blueprint(tmp_path, SLOW)
    go_on(durable, made)
    durable.close()
    flip(durable.folder / "snapshots" / "2.vw")
    with pytest.raises(StateError, match="no snapshot"):
        around.open(made, durable.folder)


def test_the_newest_snapshot_says_what_a_lost_lineage_said(durable: Durable, around: Around, tmp_path: Path) -> None:
    made = blueprint(tmp_path, SLOW)
    go_on(durable, made)
    learn(durable, SECOND)
    before = durable.servable.predict(PROBES)
    durable.close()
    (durable.folder / "lineage.json").unlink()
    again = around.open(made, durable.folder)
    assert again.lineage.founded == 30
    assert again.servable.predict(PROBES) == before
    again.close()


def test_a_snapshot_that_does_not_hold_all_is_still_what_it_begins_with(around: Around, tmp_path: Path) -> None:
    forgetful = "vw: -b 10 --rank 2 -q fg\n"
    durable = around.open(blueprint(tmp_path, forgetful), tmp_path / "state")
    learn(durable, FIRST)
    made = blueprint(tmp_path, forgetful.replace("-q", "-l 0.1 -q"))
    assert not go_on(durable, made).exact
    durable.close()
    again = around.open(made, durable.folder)
    assert again.lineage.founded == 30
    assert any("VW does not save all" in said for said in around.said)
    again.close()


# -- opened after the drop has changed -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", CHANGES)
@pytest.mark.parametrize("stop", [True, False])
def test_it_is_recovered_the_way_it_learned_and_can_go_on_the_new_way(
    stop: bool, text: str, durable: Durable, around: Around, tmp_path: Path
) -> None:
    first, made = durable.blueprint, blueprint(tmp_path, text)
    end(durable, stop)
    again = around.open(made, durable.folder)
    assert outdated(again)
    assert again.lineage.number == 1
    assert_predicts_like(again.servable, fresh(first, FIRST))
    learn(again, SECOND)
    go_on(again, made)
    assert not outdated(again)
    learn(again, THIRD)
    assert_predicts_like(again.servable, changed([(first, FIRST + SECOND), (made, THIRD)], tmp_path))
    again.close()


def test_a_rollback_leaves_it_as_it_was_made_until_it_goes_on(durable: Durable, around: Around, tmp_path: Path) -> None:
    first, made, snapshot = durable.blueprint, blueprint(tmp_path, CROSSED), take(durable)
    durable.close()
    again = around.open(made, durable.folder)
    learn(again, SECOND)
    roll_back(again, snapshot)
    assert outdated(again)
    assert_predicts_like(again.servable, fresh(first, FIRST))
    go_on(again, made)
    assert not outdated(again)
    again.close()


@pytest.mark.parametrize("text", [SLOW, CROSSED, UPPER])
@pytest.mark.parametrize("stop", [True, False])
def test_a_static_model_is_as_it_learned_with_what_was_added(
    stop: bool, text: str, durable: Durable, around: Around, tmp_path: Path
) -> None:
    before = durable.servable.predict(PROBES)
    made = blueprint(tmp_path, text + "learn: false\n")
    end(durable, stop)
    static = build_static(made, durable.folder, Bounds(), 1, around.said.append)
    if text == SLOW:
        assert static.predict(PROBES) == before
    assert static.predict([b"|f a1 |g"]) != ["0"]
    assert static.arguments == made.arguments
    static.close()


# -- going back ------------------------------------------------------------------------------------------------------


def test_it_cannot_go_back_to_what_it_learned_otherwise(durable: Durable, tmp_path: Path) -> None:
    old = take(durable)
    go_on(durable, blueprint(tmp_path, SLOW))
    go_on(durable, blueprint(tmp_path, "vw: -b 10 -l 0.2\n"))
    learn(durable, SECOND)
    with pytest.raises(StateError, match="snapshot 1 is of a model made otherwise"):
        durable.intervened(old)
    reason = "what this model learned up to example 30 it learned before its drop changed"
    with pytest.raises(StateError, match=reason):
        durable.intervened(None, until=50)
    with pytest.raises(StateError, match=reason):
        durable.intervened(durable.newest, skip=[(7, 9)])


def test_it_cannot_go_back_to_what_was_made_alike_before_it_was_made_otherwise(
    durable: Durable, tmp_path: Path
) -> None:
    go_on(durable, blueprint(tmp_path, "vw: -b 10 -q fg\n"))
    learn(durable, SECOND)
    go_on(durable, blueprint(tmp_path, "vw: -b 10 -q fg -l 0.1\n"))
    learn(durable, SECOND)
    go_on(durable, blueprint(tmp_path, "vw: -b 10 -q fg -l 0.5\n"))
    go_on(durable, blueprint(tmp_path, "vw: -b 10 -q fg -l 0.1\n"))
    early = next(each for each in durable.snapshots() if each.moment.lineage == 3 and each.moment.journal == 50)
    with pytest.raises(StateError, match="up to example 70 it learned before its drop changed"):
        durable.intervened(early)


def test_it_goes_back_to_what_it_learned_since(durable: Durable, around: Around, tmp_path: Path) -> None:
    first, made = durable.blueprint, blueprint(tmp_path, CROSSED)
    base = go_on(durable, made)
    learn(durable, SECOND)
    roll_back(durable, base)
    assert (durable.lineage.founded, str(durable.lineage.examples)) == (30, "1-30, 51-")
    learn(durable, THIRD)
    expected = changed([(first, FIRST), (made, THIRD)], tmp_path)
    assert_predicts_like(durable.servable, expected)
    roll_back(durable, base, skip=[(31, 50)])
    assert_predicts_like(durable.servable, changed([(first, FIRST), (made, THIRD)], tmp_path))
    before = durable.servable.predict(PROBES)
    durable.close()
    again = around.open(made, durable.folder)
    assert again.servable.predict(PROBES) == before
    again.close()


def test_it_goes_back_to_the_very_beginning_where_nothing_is_learned_again(
    durable: Durable, around: Around, tmp_path: Path
) -> None:
    made = blueprint(tmp_path, CROSSED)
    go_on(durable, made)
    roll_back(durable, None)
    assert durable.lineage.founded == 0
    learn(durable, SECOND)
    assert_predicts_like(durable.servable, fresh(made, SECOND))
    durable.close()
    again = around.open(made, durable.folder)
    assert_predicts_like(again.servable, fresh(made, SECOND))
    again.close()


# -- without a journal -----------------------------------------------------------------------------------------------


def test_without_a_journal_it_goes_on_without_what_came_meanwhile_and_says_so(around: Around, tmp_path: Path) -> None:
    journal = "journal: false\n"
    first, made = blueprint(tmp_path, "vw: -b 10\n" + journal), blueprint(tmp_path, CROSSED + journal)
    durable = around.open(first, tmp_path / "state")
    learn(durable, FIRST)
    go_on(durable, made, meanwhile=SECOND)
    assert around.said[-1].startswith("it goes on without 20 examples that came while it was made")
    learn(durable, THIRD)
    expected = changed([(first, FIRST), (made, THIRD)], tmp_path)
    assert_predicts_like(durable.servable, expected)
    assert str(durable.lineage.examples) == "1-30, 51-"
    before = durable.servable.predict(PROBES)
    durable.close()
    again = around.open(made, durable.folder)
    assert again.servable.predict(PROBES) == before
    again.close()


# -- files -----------------------------------------------------------------------------------------------------------


def test_the_model_file_of_both_snapshots_is_one(durable: Durable, tmp_path: Path) -> None:
    go_on(durable, blueprint(tmp_path, SLOW))
    files = [durable.folder / "snapshots" / f"{number}.vw" for number in (1, 2)]
    assert files[0].stat().st_ino == files[1].stat().st_ino
    described = [json.loads(file.with_suffix(".json").read_text()) for file in files]
    assert [each["arguments"] for each in described] == ["-b 10", "-b 10 -l 0.1"]
    assert [each["founded"] for each in described] == [0, 30]


class WithoutLinks(QuickDisk):
    """A file system on which a file has one name."""

    def link(self, path: Path, to: Path) -> None:
        raise PermissionError(1, "Operation not permitted")


def test_where_a_file_can_have_but_one_name_it_is_copied(tmp_path: Path) -> None:
    around = Around(disk=WithoutLinks())
    durable = around.open(blueprint(tmp_path), tmp_path / "state")
    learn(durable, FIRST)
    made = blueprint(tmp_path, SLOW)
    go_on(durable, made)
    before = durable.servable.predict(PROBES)
    files = [durable.folder / "snapshots" / f"{number}.vw" for number in (1, 2)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].stat().st_ino != files[1].stat().st_ino
    durable.close()
    again = around.open(made, durable.folder)
    assert again.servable.predict(PROBES) == before
    again.close()


def test_what_came_to_nothing_is_removed(durable: Durable, tmp_path: Path) -> None:
    snapshot = take(durable)
    lineage = durable.replaced(blueprint(tmp_path, SLOW))
    base = durable.refounded(snapshot, lineage)()
    assert [each.number for each in durable.snapshots()] == [2, 1]
    durable.discard(base.number)
    assert [each.number for each in durable.snapshots()] == [1]
    assert (durable.folder / "snapshots" / "1.vw").exists()
