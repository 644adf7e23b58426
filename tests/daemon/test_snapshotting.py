"""Snapshots of many models: one at a time, each no older than whoever asks for it, none forgotten at the end."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import DeferredLock
from twisted.logger import LogLevel, capturedLogs, formatEvent

from tests.daemon.kept import Models, learn
from tests.daemon.memory import Reactor, Waiting
from tests.durability.power import QuickDisk
from vwserve.daemon.snapshotting import LAST_S, Lane, Snapshotting
from vwserve.durability.durable import Durable
from vwserve.durability.snapshot import Snapshot, SnapshotError


class FullDisk(QuickDisk):
    """Takes no new file once it is full."""

    full = False

    def create(self, path: Path) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
        return super().create(path)


class World:
    """Models on a reactor, and their snapshots."""

    def __init__(self, folder: Path) -> None:
        self.reactor = Reactor()
        self.models = Models(folder, self.reactor)
        self.snapshotting = Snapshotting(self.reactor, DeferredLock())

    def take(self, durable: Durable) -> Waiting:
        """Ask for a snapshot."""
        return Waiting(self.snapshotting.take(durable))

    def taking(self, *durables: Durable) -> list[bool]:
        """Of which of these one is being taken."""
        return [durable.taking for durable in durables]

    def numbers(self, durable: Durable) -> list[int]:
        """The snapshots that there are."""
        return [snapshot.number for snapshot in durable.snapshots()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.models.close()


@pytest.fixture
def a(world: World) -> Durable:
    return world.models.make("a")


@pytest.fixture
def b(world: World) -> Durable:
    return world.models.make("b")


def journal(waiting: Waiting) -> int:
    """The last example that a snapshot holds."""
    snapshot = waiting.result
    assert isinstance(snapshot, Snapshot)
    return snapshot.moment.journal


# -- who asks --------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_on_disk_when_it_is_answered(world: World, a: Durable) -> None:
    learn(a)
    waiting = world.take(a)
    assert not waiting.done
    world.reactor.settle()
    assert (waiting.result.number, journal(waiting)) == (1, 20)
    assert world.numbers(a) == [1]
    assert a.newest == waiting.result


def test_it_is_of_the_model_as_it_was_when_its_turn_came(world: World, a: Durable, b: Durable) -> None:
    learn(a)
    first, second = world.take(a), world.take(b)
    learn(a)
    learn(b)
    world.reactor.settle()
    assert (journal(first), journal(second)) == (20, 20)


def test_one_is_taken_at_a_time_in_the_order_in_which_they_were_asked_for(world: World, a: Durable, b: Durable) -> None:
    c = world.models.make("c")
    waiting = [world.take(durable) for durable in (b, c, a)]
    seen = []
    while world.reactor.readers:
        seen.append(world.taking(a, b, c))
        world.reactor.listen()
        world.reactor.turn()
    assert seen == [[False, True, False], [False, False, True], [True, False, False]]
    assert all(each.done for each in waiting)


def test_who_asks_for_one_that_waits_for_its_turn_shares_it(world: World, a: Durable, b: Durable) -> None:
    world.take(b)
    first = world.take(a)
    learn(a)
    second = world.take(a)
    world.reactor.settle()
    assert first.result == second.result
    assert journal(second) == 20
    assert world.numbers(a) == [1]


def test_who_asks_while_one_is_being_taken_gets_a_newer_one(world: World, a: Durable) -> None:
    first = world.take(a)
    learn(a)
    second, third = world.take(a), world.take(a)
    world.reactor.settle()
    assert (journal(first), journal(second)) == (0, 20)
    assert second.result == third.result
    assert world.numbers(a) == [2, 1]


def test_whoever_is_answered_may_ask_again_at_once(world: World, a: Durable, b: Durable) -> None:
    again: list[Waiting] = []
    answer = world.snapshotting.take(a)
    answer.addCallback(lambda _: again.append(world.take(a)))
    other = world.take(b)
    world.reactor.settle()
    assert (again[0].result.number, other.result.number) == (2, 1)


# -- when they are due -----------------------------------------------------------------------------------------------


def due(world: World, *durables: Durable) -> list[bool]:
    """Have those that are due take one; of which it is under way now or waits."""
    before = [world.numbers(durable) for durable in durables]
    world.snapshotting.take_due(durables, world.reactor.seconds())
    world.reactor.settle()
    return [world.numbers(durable) != earlier for durable, earlier in zip(durables, before)]


def test_a_model_that_learned_something_takes_one_every_interval(world: World, a: Durable) -> None:
    b = world.models.make("b", "vw: -b 10\nsnapshot: {every: 30s}")
    learn(a)
    learn(b)
    assert due(world, a, b) == [False, False]
    world.reactor.advance(30.0)
    assert due(world, a, b) == [False, True]
    learn(b)
    assert due(world, a, b) == [False, False]
    world.reactor.advance(270.0)
    assert due(world, a, b) == [True, True]


def test_a_model_that_learned_nothing_takes_none_and_is_not_due_before_the_next_interval(
    world: World, a: Durable
) -> None:
    world.reactor.advance(300.0)
    assert due(world, a) == [False]
    learn(a)
    world.reactor.advance(299.0)
    assert due(world, a) == [False]
    world.reactor.advance(1.0)
    assert due(world, a) == [True]


def test_one_that_is_under_way_or_waits_is_not_taken_twice(world: World, a: Durable, b: Durable) -> None:
    for durable in (a, b):
        learn(durable)
    world.reactor.advance(300.0)
    for _ in range(3):
        world.snapshotting.take_due([a, b], world.reactor.seconds())
        learn(a)
        learn(b)
    world.reactor.settle()
    assert (world.numbers(a), world.numbers(b)) == ([1], [1])


def test_a_model_that_does_not_learn_for_its_disk_takes_none(world: World) -> None:
    disk = FullDisk()
    a = world.models.make("a", disk=disk)
    learn(a)
    world.reactor.advance(300.0)
    a.unready = "the disk is full"
    assert due(world, a) == [False]
    a.unready = ""
    assert due(world, a) == [True]


# -- failures --------------------------------------------------------------------------------------------------------


def test_one_that_fails_is_answered_and_logged_and_the_next_is_taken(world: World, b: Durable) -> None:
    disk = FullDisk()
    a = world.models.make("a", disk=disk)
    learn(a)
    disk.full = True
    failing, next_one = world.take(a), world.take(b)
    with capturedLogs() as events:
        world.reactor.settle()
    with pytest.raises(SnapshotError, match=r"no snapshot 1 in .*/a/snapshots: .*No space left on device"):
        assert failing.result
    assert next_one.result.number == 1
    (event,) = [event for event in events if event["log_level"] is LogLevel.error]
    assert formatEvent(event).startswith("a: no snapshot 1 in ")
    disk.full = False


def test_one_whose_child_is_killed_is_answered_and_the_next_is_taken(world: World, a: Durable, b: Durable) -> None:
    learn(a)
    killed, next_one = world.take(a), world.take(b)
    assert a._storage.snapshots is not None
    assert a._storage.snapshots.taking is not None
    a._storage.snapshots.taking.stop()
    world.reactor.settle()
    with pytest.raises(SnapshotError, match="was ended by SIGKILL; is the memory full"):
        assert killed.result
    assert next_one.result.number == 1
    assert world.numbers(a) == []


def test_one_that_cannot_be_begun_is_answered_and_the_next_is_taken(
    world: World, a: Durable, b: Durable, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Durable.take

    def refuse(durable: Durable, for_client: bool) -> object:
        if durable is b:
            raise SnapshotError("no snapshot can be taken")
        return whole(durable, for_client)

    monkeypatch.setattr(Durable, "take", refuse)
    c = world.models.make("c")
    waiting = [world.take(durable) for durable in (a, b, c)]
    world.reactor.settle()
    assert [isinstance(each.results[0], Snapshot) for each in waiting] == [True, False, True]


@pytest.mark.parametrize("step", ["take", "finish"])
def test_a_fault_of_the_program_is_logged_and_answered_and_the_next_is_taken(
    step: str, world: World, a: Durable, b: Durable, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = getattr(Durable, step)

    def fail(durable: Durable, *arguments: bool) -> object:
        made = whole(durable) if step == "finish" else None
        if durable is a:
            raise ZeroDivisionError("a fault")
        return made or whole(durable, *arguments)

    monkeypatch.setattr(Durable, step, fail)
    with capturedLogs() as events:
        failing, next_one = world.take(a), world.take(b)
        world.reactor.settle()
    monkeypatch.undo()
    with pytest.raises(ZeroDivisionError):
        assert failing.result
    assert next_one.result.number == 1
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError]


# -- what hangs ------------------------------------------------------------------------------------------------------


def hang(world: World, *durables: Durable) -> None:
    """The children that save these models do nothing from now on, as on a disk that does not answer."""
    hanging = []
    for durable in durables:
        assert durable._storage.snapshots is not None
        taking = durable._storage.snapshots.taking
        assert taking is not None
        os.kill(taking._child, signal.SIGSTOP)
        hanging += [watch for watch in world.reactor.children if watch._taking is taking]
    for watch in hanging:
        watch.stop()  # or whoever settles would wait for them


def test_one_that_hangs_holds_up_only_those_of_its_kind(world: World, a: Durable, b: Durable) -> None:
    learn(a)
    world.take(a)
    hang(world, a)
    asked, undo = world.take(b), Waiting(world.snapshotting.take(b, Lane.UNDO))
    world.reactor.settle()
    assert not asked.done
    assert undo.result.number == 1
    world.snapshotting.leave(a, "a was removed")
    world.reactor.settle()
    assert asked.result.number == 2


def test_one_model_takes_one_at_a_time_whatever_it_is_for(world: World, a: Durable) -> None:
    first, undo = world.take(a), Waiting(world.snapshotting.take(a, Lane.UNDO))
    assert not undo.done
    world.reactor.settle()
    assert (first.result.number, undo.result.number) == (1, 2)


# -- models that leave -----------------------------------------------------------------------------------------------


def last(world: World, *durables: Durable) -> Waiting:
    """Have models take a last snapshot."""
    return Waiting(world.snapshotting.take_last(durables, "the daemon is stopping"))


def test_a_model_that_leaves_waits_for_nothing_and_who_asked_is_told_why(world: World, a: Durable, b: Durable) -> None:
    first = world.take(a)
    other, second = world.take(b), world.take(a)
    learn(a)
    hang(world, a)
    world.snapshotting.leave(a, "a was removed")
    for waiting in (first, second):
        with pytest.raises(SnapshotError, match=r"^no snapshot was taken: a was removed$"):
            assert waiting.result
    assert not a.taking
    world.reactor.settle()
    assert other.result.number == 1
    assert world.numbers(a) == []
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # no child is left


def test_what_is_asked_of_models_and_what_they_learned_since_is_taken_at_last(
    world: World, a: Durable, b: Durable
) -> None:
    waiting = world.take(a)
    learn(a)
    learn(b)
    leaving = last(world, a, b)
    assert not leaving.done
    world.reactor.settle()
    assert leaving.result is None
    assert journal(waiting) == 0
    assert (a.changed, b.changed) == (False, False)
    assert (world.numbers(a), world.numbers(b)) == ([2, 1], [1])


def test_last_snapshots_are_waited_for_only_so_long_all_together(world: World, a: Durable, b: Durable) -> None:
    learn(a)
    learn(b)
    with capturedLogs() as events:
        leaving = last(world, a, b)
        hang(world, a)
        world.reactor.advance(LAST_S - 0.1)
        assert not leaving.done
        world.reactor.advance(0.1)
        assert leaving.result is None
    assert [formatEvent(event) for event in events if event["log_level"] is LogLevel.warn] == [
        f"{name}: has no last snapshot; a restart goes on from 0 and its journal, if it has one" for name in "ab"
    ]
    assert (a.taking, b.taking) == (False, False)
    assert (world.numbers(a), world.numbers(b)) == ([], [])


def test_one_that_hangs_keeps_no_other_model_from_its_last(world: World, a: Durable, b: Durable) -> None:
    world.take(a)
    hang(world, a)
    learn(b)
    leaving = last(world, a, b)
    world.reactor.settle()
    assert not b.changed
    assert not leaving.done
    world.reactor.advance(LAST_S)
    assert leaving.result is None


def test_a_model_that_leaves_when_its_child_has_spoken_has_its_snapshot(world: World, a: Durable, b: Durable) -> None:
    first, second = world.take(a), world.take(b)
    world.reactor.listen()
    world.snapshotting.leave(a, "a was removed")
    assert first.result.number == 1
    assert world.taking(b) == [True]
    world.reactor.turn()
    assert world.taking(b) == [True]  # nobody waits for it
    assert not second.done
    world.reactor.settle()
    assert second.result.number == 1


def test_a_model_of_which_nothing_is_wanted_leaves_without_more_ado(world: World, a: Durable, b: Durable) -> None:
    other = world.take(b)
    world.snapshotting.leave(a, "a was removed")
    assert last(world, a).result is None
    assert world.numbers(a) == []
    assert not other.done
    world.reactor.settle()
