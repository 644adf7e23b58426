"""A model becomes another lineage of itself while it serves; where that comes to nothing, all is as it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import DeferredLock

from tests.daemon.kept import Models, learn, predicts
from tests.daemon.memory import Reactor, Waiting
from tests.durability.power import Held
from vwserve.daemon import switching
from vwserve.daemon.snapshotting import Snapshotting
from vwserve.daemon.switching import GivenUp, Switching
from vwserve.durability.durable import Durable
from vwserve.durability.lineage import Lineage
from vwserve.durability.snapshot import Snapshot
from vwserve.errors import StateError
from vwserve.model.blueprint import Blueprint
from vwserve.model.servable import Servable


class World:
    """A model on a reactor, and its switches."""

    def __init__(self, folder: Path, drop: str = "vw: -b 10") -> None:
        self.reactor = Reactor()
        self.executor = Held()
        self.models = Models(folder, self.reactor)
        self.drop = drop
        self.a = self.models.make("a", drop)
        self.refreshed: list[str] = []
        self.building = DeferredLock()
        self._locked = False
        snapshotting = Snapshotting(self.reactor, self.building)
        self.switching = Switching(self.reactor, self.executor, self.building, snapshotting, self._refresh)

    def _refresh(self) -> None:
        """Whoever looks now sees the new servable, and the old one answers still."""
        self.refreshed.append(predicts(self.a))

    def snapshot(self) -> Snapshot:
        """Take one."""
        self.a.take()
        return self.a.finish()

    def back(
        self, snapshot: Snapshot | None, until: int | None = None, skip: Collection[tuple[int, int]] = ()
    ) -> Waiting:
        """Begin to return to a snapshot."""
        return self.begin(lambda: self.a.intervened(snapshot, until, skip))

    def replace(self, drop: str) -> Waiting:
        """Begin to be what another drop describes."""
        blueprint = self.models.blueprint("a", drop)
        return self.begin(lambda: self.a.replaced(blueprint), blueprint)

    def begin(self, aspire: Callable[[], Lineage], blueprint: Blueprint | None = None) -> Waiting:
        """Begin a switch."""
        work = self.switching.carry_out(self.a, lambda: self.switching.switch(self.a, aspire, blueprint))
        return Waiting(work)

    def lock(self) -> None:
        """As where another model is built."""
        self.building.acquire()
        self._locked = True

    def unlock(self) -> None:
        """The other model is built, if one was."""
        if self._locked:
            self.building.release()

    def turn(self) -> None:
        """Have the threads do what they were given, and then a turn."""
        self.executor.run()
        self.reactor.turn()

    def finish(self) -> None:
        """Do all that there is to do."""
        self.reactor.settle()
        while self.executor.jobs:
            self.executor.run()
            self.reactor.settle()

    def reopened(self) -> Durable:
        """The model as a restart finds it."""
        self.models.close(self.a)
        self.a = self.models.make("a", self.drop)
        return self.a


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.models.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # no child is left


@pytest.fixture
def by_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be learned again is left to a child, however little it is."""
    monkeypatch.setattr(switching, "REPLAYED_IN_PLACE", 0)


def fresh(learned: Collection[tuple[int, str]], arguments: str = "-b 10") -> str:
    """What a model predicts that learned so many of these lines, and nothing else."""
    servable = Servable("fresh", arguments)
    for count, line in learned:
        servable.learn([line] * count)
    (prediction,) = servable.predict(["|u a"])
    servable.close()
    return prediction


# -- in place --------------------------------------------------------------------------------------------------------


def test_a_return_to_a_snapshot_leaves_out_what_came_after_it(world: World) -> None:
    before = learn(world.a)
    snapshot = world.snapshot()
    assert learn(world.a, 40, "-1 |u a") != before
    waiting = world.back(snapshot)
    world.finish()
    assert waiting.result.number == 2
    assert predicts(world.a) == before
    assert world.refreshed == [before]
    assert predicts(world.reopened()) == before


def test_what_comes_until_the_switch_is_left_out_with_what_came_before(world: World) -> None:
    learn(world.a)
    waiting = world.back(None)
    learn(world.a)
    world.finish()
    assert str(waiting.result.examples) == "41-"
    assert predicts(world.a) == "0"
    after = learn(world.a, 5)
    assert after == fresh([(5, "1 |u a")])
    assert predicts(world.reopened()) == after


def test_a_model_without_a_journal_returns_while_it_learns(tmp_path: Path) -> None:
    world = World(tmp_path, "vw: -b 10\njournal: false")
    before = learn(world.a)
    snapshot = world.snapshot()
    waiting = world.back(snapshot)
    learn(world.a)
    world.finish()
    assert waiting.result.number == 2
    assert predicts(world.a) == before
    world.models.close()


def test_what_is_learned_again_and_what_comes_meanwhile_are_all_learned(world: World) -> None:
    learn(world.a, 1000)
    learn(world.a, 500, "-1 |u a")
    learn(world.a, 2000)
    waiting = world.back(None, skip=[(1001, 1500)])
    came = 0
    while not waiting.done:
        learn(world.a, 7)
        came += 7
        world.turn()
    assert came > 14
    assert predicts(world.a) == fresh([(3000 + came, "1 |u a")])
    assert world.a.servable.totals().labelled == 3000 + came
    assert predicts(world.reopened()) == fresh([(3000 + came, "1 |u a")])


def test_it_comes_to_an_end_though_more_comes_each_turn_than_is_learned_in_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "_BLOCKS_A_TURN", 1)
    learn(world.a, 1000)
    waiting = world.back(None, until=1000)
    turns = 0
    while not waiting.done:
        learn(world.a, 750)
        turns += 1
        assert turns < 100
        world.turn()
    assert world.a.servable.totals().labelled == waiting.result.examples.examples_upto(world.a.position) > 1000


def test_between_the_turns_others_are_served(world: World) -> None:
    learn(world.a, 5000)
    waiting = world.back(None, until=5000)
    turns = 0
    while not waiting.done:
        turns += 1
        world.turn()
    assert turns >= 7


# -- by a child ------------------------------------------------------------------------------------------------------


def test_much_is_learned_again_by_a_child_and_what_comes_meanwhile_after_it(by_a_child: None, world: World) -> None:
    learn(world.a, 300)
    learn(world.a, 300, "-1 |u a")
    waiting = world.back(None, skip=[(301, 600)])
    world.executor.run()
    world.reactor.turn()
    learn(world.a, 50)
    assert not waiting.done
    world.finish()
    assert waiting.result.number == 2
    assert predicts(world.a) == fresh([(350, "1 |u a")])
    assert predicts(world.reopened()) == fresh([(350, "1 |u a")])


def test_the_snapshot_that_a_child_made_stays_until_it_is_used(by_a_child: None, tmp_path: Path) -> None:
    world = World(tmp_path, "vw: -b 10\nsnapshot: {keep: 1}")
    learn(world.a, 300)
    waiting = world.back(None, until=100)
    world.executor.run()
    world.reactor.turn()
    (watch,) = world.reactor.readers
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)  # it has made the snapshot, which nobody has noticed yet
    world.snapshot()
    world.finish()
    assert waiting.result.number == 2
    assert predicts(world.a) == fresh([(100, "1 |u a")])
    assert watch not in world.reactor.readers
    world.snapshot()
    assert [snapshot.number for snapshot in world.a.snapshots()] == [3]
    world.models.close()


def test_a_child_that_fails_leaves_all_as_it_was(by_a_child: None, world: World) -> None:
    before = learn(world.a, 300)
    waiting = world.back(None, until=100)
    world.executor.run()
    world.reactor.turn()
    (watch,) = world.reactor.readers
    watch._taking.stop()
    world.finish()
    world.reactor.settle()
    with pytest.raises(StateError, match=r"no snapshot 1 in .* was ended by SIGKILL"):
        assert waiting.result
    assert world.a.lineage.number == 1
    assert predicts(world.a) == before
    assert world.refreshed == []
    world.back(None, until=100)
    world.finish()
    assert predicts(world.a) == fresh([(100, "1 |u a")])


# -- other models ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("child", [False, True])
def test_a_changed_drop_is_what_the_model_is_and_how_it_is_kept(
    child: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if child:
        monkeypatch.setattr(switching, "REPLAYED_IN_PLACE", 0)
    learn(world.a, 300)
    world.drop = "vw: -b 11 -l 0.1\non_change: replay\nsnapshot: {every: 10s}"
    waiting = world.replace(world.drop)
    world.finish()
    assert waiting.result.number == 2
    expected = fresh([(300, "1 |u a")], "-b 11 -l 0.1")
    assert predicts(world.a) == expected
    assert world.a.due_s == world.reactor.seconds() + 10.0
    assert predicts(world.reopened()) == expected


def test_a_change_that_is_refused_leaves_all_as_it_was(world: World) -> None:
    before = learn(world.a)
    waiting = world.replace("vw: -b 11")
    with pytest.raises(StateError, match="learned 20 examples otherwise"):
        assert waiting.result
    assert predicts(world.a) == before


def test_how_a_model_is_kept_may_change_while_it_returns(world: World) -> None:
    learn(world.a, 3000)
    waiting = world.back(None, until=3000)
    world.turn()
    world.turn()
    assert not waiting.done
    world.a.configure(world.models.blueprint("a", "vw: -b 10\nsnapshot: {every: 10s}"))
    world.finish()
    assert waiting.result.number == 2
    assert world.a.blueprint.drop.policy.snapshot_every_s == 10.0


# -- giving up -------------------------------------------------------------------------------------------------------


def test_one_switch_at_a_time(world: World) -> None:
    learn(world.a)
    first, second = world.back(None), world.back(None)
    with pytest.raises(StateError, match=r"^a is being rolled back or learning its journal again; wait for the end"):
        assert second.result
    world.finish()
    assert first.result.number == 2
    third = world.back(None)
    world.finish()
    assert third.result.number == 3


def reach_the_disk(world: World) -> None:
    """It waits for a thread."""


def reach_the_child(world: World) -> None:
    """It waits for a child."""
    world.executor.run()
    world.reactor.turn()
    assert world.reactor.readers


def reach_the_end_of_the_child(world: World) -> None:
    """The child has spoken, and the turn in which that is told has not come."""
    reach_the_child(world)
    world.reactor.listen()


def reach_the_lock(world: World) -> None:
    """It waits for its turn to be built."""
    world.lock()
    world.turn()


def reach_the_thread(world: World) -> None:
    """It is being built."""
    world.turn()
    assert world.executor.jobs
    assert world.building.locked


def reach_the_turns(world: World) -> None:
    """It learns, a little each turn."""
    for _ in range(3):
        world.turn()
    assert not world.reactor.readers
    assert not world.building.locked


STAGES = [
    (reach_the_disk, False),
    (reach_the_child, True),
    (reach_the_end_of_the_child, True),
    (reach_the_lock, False),
    (reach_the_thread, False),
    (reach_the_turns, False),
]


@pytest.mark.parametrize(("reach", "child"), STAGES)
def test_a_model_may_leave_at_any_time_and_is_as_it_was(
    reach: Callable[[World], None], child: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if child:
        monkeypatch.setattr(switching, "REPLAYED_IN_PLACE", 0)
    before = learn(world.a, 5000)
    waiting = world.back(None, until=4000)
    reach(world)
    assert not waiting.done
    world.switching.leave(world.a, "a was removed or changed meanwhile")
    with pytest.raises(GivenUp, match=r"^a was removed or changed meanwhile; nothing was switched$"):
        assert waiting.result
    assert predicts(world.a) == before
    assert predicts(world.reopened()) == before
    world.unlock()
    world.finish()
    assert world.a.lineage.number == 1
    assert world.refreshed == []
    assert not world.reactor.getDelayedCalls()
    assert not world.building.locked


@pytest.mark.parametrize(("reach", "child"), STAGES)
def test_who_waits_for_it_may_give_it_up(
    reach: Callable[[World], None], child: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if child:
        monkeypatch.setattr(switching, "REPLAYED_IN_PLACE", 0)
    before = learn(world.a, 5000)
    waiting = world.back(None, until=4000)
    reach(world)
    waiting.deferred.cancel()
    with pytest.raises(GivenUp):
        assert waiting.result
    world.unlock()
    world.finish()
    assert predicts(world.a) == before
    again = world.back(None, until=4000)
    world.finish()
    assert again.result.number == 2


def test_leaving_without_a_switch_under_way_is_nothing(world: World) -> None:
    world.switching.leave(world.a, "a was removed or changed meanwhile")
    waiting = world.back(None)
    world.finish()
    world.switching.leave(world.a, "a was removed or changed meanwhile")
    assert waiting.result.number == 2


def test_a_fault_in_one_switch_does_not_keep_the_model_from_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = learn(world.a)

    def fail(durable: Durable, successor: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(Durable, "adopt", fail)
    waiting = world.back(None)
    world.finish()
    monkeypatch.undo()
    with pytest.raises(ZeroDivisionError):
        assert waiting.result
    assert predicts(world.a) == before
    again = world.back(None)
    world.finish()
    assert again.result.number == 2
