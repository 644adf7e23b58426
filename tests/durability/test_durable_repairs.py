"""A model whose journal is repaired: what came back without its files is reported, and put into a snapshot at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.power import Clock, Held
from tests.durability.states import assert_same, blueprint, kill, learn, take
from vwserve.durability.durable import Durable
from vwserve.durability.snapshot import SnapshotError
from vwserve.durability.surroundings import Surroundings
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint

LINES = [b"%d |f a%d b:%d" % (number % 2 * 2 - 1, number % 7, number % 5 + 1) for number in range(60)]


class Repaired:
    """A model in `state` whose threads do nothing until they are let."""

    def __init__(self, made: Blueprint, state: Path) -> None:
        self.made, self.state, self.journal = made, state, state / "journal"
        self.clock, self.executor, self.said = Clock(), Held(), list[str]()
        self.durable = self.open()

    def open(self) -> Durable:
        self.executor = Held()
        return Durable(self.made, self.state, Bounds(), Surroundings(self.clock, self.executor, self.said.append))

    def tick(self) -> None:
        self.clock.now += 1.0
        self.durable.tick()

    def vanish(self) -> None:
        """The journal's folder goes away, which is noticed, and a repair begins."""
        self.executor.run()
        self.tick()
        self.executor.run()
        self.journal.rename(self.state / "gone")
        self.tick()
        assert "has vanished" in self.durable.unready
        self.executor.run()

    def repair(self) -> None:
        """The next repair does all that it has to."""
        self.tick()
        self.executor.run()
        for _ in range(6):
            self.tick()


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Repaired]:
    repaired = Repaired(blueprint(tmp_path), tmp_path / "state")
    yield repaired
    repaired.executor.run()
    kill(repaired.durable, repaired.state)


def test_a_journal_that_comes_back_empty_is_reported_and_a_snapshot_is_due_at_once(model: Repaired) -> None:
    learn(model.durable, LINES[:20])
    model.vanish()
    model.journal.mkdir()
    assert model.durable.due_s > model.clock.now
    model.repair()
    assert model.durable.unready == ""
    missing = [text for text in model.said if "examples 1 to 20, which come before it, are missing" in text]
    assert len(missing) == 1
    assert model.said.index(missing[0]) < model.said.index("it learns again")
    assert model.durable.due_s <= model.clock.now and model.durable.changed
    take(model.durable)
    learn(model.durable, LINES[20:30])
    for _ in range(5):
        model.tick()
        model.executor.run()
    assert model.durable.due_s > model.clock.now and model.said.count(missing[0]) == 1
    kill(model.durable, model.state)
    model.durable = model.open()
    assert_same(model.durable.servable, model.made, LINES[:30])


def test_one_that_comes_back_with_its_files_needs_no_snapshot(model: Repaired) -> None:
    learn(model.durable, LINES[:20])
    model.vanish()
    shutil.move(model.state / "gone", model.journal)
    due_s = model.durable.due_s
    model.repair()
    assert (model.durable.unready, model.durable.due_s) == ("", due_s)
    assert not [text for text in model.said if "missing" in text]


def test_what_was_torn_meanwhile_is_reported(model: Repaired) -> None:
    learn(model.durable, LINES[:20])
    model.vanish()
    shutil.copytree(model.state / "gone", model.journal)  # a copy of it, and of something else
    path = model.journal / "00000000000000000001.dat"
    path.write_bytes(path.read_bytes() + b"half a line")
    model.repair()
    assert model.durable.unready == ""
    assert [text for text in model.said if "the last 11 bytes were no whole example" in text]


def test_no_snapshot_is_taken_while_the_journal_is_repaired(model: Repaired) -> None:
    learn(model.durable, LINES[:20])
    model.vanish()
    model.journal.mkdir()
    model.tick()  # the repair is under way, and nobody can say which of its files are open
    with pytest.raises(SnapshotError, match=r"no snapshot can be taken: .*is not there; bring it back"):
        model.durable.take()
    with pytest.raises(SnapshotError, match=r"nothing can be stored: .*is not there; bring it back"):
        model.durable.rebuild(model.durable.lineage)
    assert not model.durable.taking
    model.executor.run()
    model.tick()
    take(model.durable)
