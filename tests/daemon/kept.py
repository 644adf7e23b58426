"""Durable models for tests, on the clock of a reactor."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path

from tests.daemon.memory import Reactor
from tests.durability.power import Inline, QuickDisk
from vwserve.durability.disk import Disk
from vwserve.durability.durable import Durable
from vwserve.durability.surroundings import Surroundings
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.drop import read_drop
from vwserve.transforms.pipeline import TransformPool


class Models:
    """Models that are kept in a folder; `told` is what they report."""

    def __init__(self, folder: Path, reactor: Reactor, executor: Executor | None = None) -> None:
        self.folder = folder
        self.reactor = reactor
        self.executor = executor or Inline()
        self.told: list[str] = []
        self._made: list[Durable] = []

    def make(self, name: str = "a", drop: str = "vw: -b 10", disk: Disk | None = None) -> Durable:
        """The model that a drop describes."""
        around = Surroundings(self.reactor.seconds, self.executor, self.told.append, disk=disk or QuickDisk())
        durable = Durable(self.blueprint(name, drop), self.folder / "state" / name, Bounds(), around)
        self._made.append(durable)
        return durable

    def blueprint(self, name: str, drop: str) -> Blueprint:
        """What a drop describes."""
        file = self.folder / f"{name}.yaml"
        file.write_text(drop + "\n")
        return Blueprint.of(read_drop(file), TransformPool())

    def close(self, *durables: Durable) -> None:
        """Close these, or all."""
        for durable in durables or [*self._made]:
            self._made.remove(durable)
            durable.close()


def learn(durable: Durable, count: int = 20, line: str = "1 |u a") -> str:
    """Have a model learn, and return what it predicts then."""
    durable.servable.learn([line] * count)
    return predicts(durable)


def predicts(durable: Durable) -> str:
    """The prediction that tells models apart."""
    return durable.servable.predict(["|u a"])[0]
