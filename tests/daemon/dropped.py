"""A folder of drops, and of a daemon what loads and keeps its models, on a reactor in memory."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import DeferredLock

from tests.daemon.memory import Reactor, Waiting
from tests.durability.power import Held, Inline, QuickDisk
from vwserve.daemon.loading import Loading
from vwserve.daemon.registry import Registry
from vwserve.daemon.roles import Roles
from vwserve.daemon.shadowing import Shadowing
from vwserve.daemon.snapshotting import Snapshotting
from vwserve.daemon.switching import Switching
from vwserve.daemon.traffic import Traffic
from vwserve.durability.durable import Durable
from vwserve.durability.surroundings import Surroundings
from vwserve.learner import Bounds
from vwserve.model.drop_folder import read_drops
from vwserve.model.servable import Servable
from vwserve.transforms.plugins import TransformType


class Disk(QuickDisk):
    """One that may be read-only."""

    read_only = False

    def make_folder(self, path: Path) -> None:
        self._refuse(path)
        super().make_folder(path)

    def create(self, path: Path) -> int:
        self._refuse(path)
        return super().create(path)

    def _refuse(self, path: Path) -> None:
        if self.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(path))


class Daemon:
    """What of a daemon keeps models; what they report goes to `told`."""

    def __init__(self, root: Path, reactor: Reactor, executor: Executor, disk: Disk, told: list[str]) -> None:
        self.told = told
        self.reactor = reactor
        self.building = DeferredLock()
        traffic = Traffic(Shadowing(partial(reactor.callLater, 0), self._report), Roles())
        self.registry = Registry(Bounds(), traffic, self._report)
        self.snapshotting = Snapshotting(reactor, self.building)
        self.switching = Switching(reactor, executor, self.building, self.snapshotting, self.registry.refresh)
        self._disk = disk
        self._executor = executor
        self.settled = 0
        self.loading = Loading(
            reactor,
            executor,
            self.registry,
            self.snapshotting,
            self.switching,
            self.building,
            root / "state",
            self._around,
            self._count,
        )

    def _report(self, name: str, text: str) -> None:
        self.told.append(f"{name}: {text}")

    def _count(self) -> None:
        self.settled += 1

    def _around(self, name: str) -> Surroundings:
        def report(text: str) -> None:
            self.told.append(f"{name}: {text}")

        return Surroundings(self.reactor.seconds, Inline(), report, disk=self._disk)

    def stop(self) -> Waiting:
        """Stop, as a daemon does that has no connections."""
        return Waiting(self.loading.stop())

    def close(self) -> None:
        """Free all models, after a last snapshot."""
        durables = list(self.registry.durables())
        for durable in durables:
            self.switching.leave(durable, "the daemon is stopping")
        last = Waiting(self.snapshotting.take_last(durables, "the daemon is stopping"))
        self.reactor.settle()
        while not last.done:
            assert isinstance(self._executor, Held), "it waits for nothing that a test holds"
            self._executor.run()
            self.reactor.settle()
        self.registry.close()


class Folder:
    """A folder of drops and a daemon that is told of it; its threads do what they are given at once, or when told."""

    def __init__(self, root: Path, executor: Executor | None = None) -> None:
        self.root = root
        self.path = root / "models.d"
        self.path.mkdir()
        self.reactor = Reactor()
        self.executor = executor or Inline()
        self.disk = Disk()
        self.told: list[str] = []
        self.kinds: Mapping[str, TransformType] = {}
        self.daemon = self.open()

    def open(self) -> Daemon:
        """A daemon over the state that there is."""
        return Daemon(self.root, self.reactor, self.executor, self.disk, self.told)

    @property
    def registry(self) -> Registry:
        """The models."""
        return self.daemon.registry

    def reopen(self) -> None:
        """As a restart of the daemon does."""
        self.daemon.close()
        self.daemon = self.open()
        assert self.apply() == []

    def write(self, name: str, text: str) -> None:
        """Write a drop."""
        (self.path / f"{name}.yaml").write_text(text + "\n")

    def drop(self, **arguments: str) -> None:
        """Write a drop a keyword, with these VW arguments, and apply."""
        for name, text in arguments.items():
            self.write(name, f"vw: {text}")
        assert self.apply() == []

    def begin(self, unfinished: tuple[str, ...] = ()) -> Waiting:
        """Have the folder applied, but for unfinished files."""
        drops, problems = read_drops(self.path, self.kinds)
        files = {self.path / f"{name}.yaml" for name in unfinished}
        drops = [drop for drop in drops if drop.path not in files]
        problems = [problem for problem in problems if problem.place.file not in files]
        return Waiting(self.daemon.loading.apply(drops, problems, files))

    def apply(self) -> list[str]:
        """Apply the folder to the end, and return what is wrong with drops, in words, without the folder."""
        done = self.begin()
        self.reactor.settle()
        assert done.done
        return self.wrong()

    def reload(self) -> list[str]:
        """Apply the folder again, also what failed."""
        self.daemon.loading.forget_failures()
        return self.apply()

    def wrong(self) -> list[str]:
        """What is wrong with drops, in words, without the folder."""
        problems = [str(problem) for failed in self.registry.failed for problem in failed.problems]
        return [problem.replace(f"{self.path}/", "") for problem in problems]

    def model(self, name: str = "a") -> Servable:
        """A model that must be there."""
        model = self.registry.get(name)
        assert isinstance(model, Servable)
        return model

    def durable(self, name: str = "a") -> Durable:
        """How a model that must be there is kept."""
        served = self.registry.served(name)
        assert served is not None
        assert served.durable is not None
        return served.durable

    def predicts(self, name: str = "a") -> str:
        """The prediction that tells models apart."""
        return self.model(name).predict(["|u a"])[0]

    def figures(self, name: str = "a") -> dict[str, Any]:
        """What is told of a model."""
        statistics = self.registry.statistics(name)
        assert statistics is not None
        return statistics

    def gone(self) -> Callable[[], None]:
        """Close all models, and take away their state until what is returned is called."""
        self.daemon.close()
        state = self.root / "state"
        state.rename(self.root / "unmounted")
        self.disk.read_only = True

        def mount() -> None:
            (self.root / "unmounted").rename(state)
            self.disk.read_only = False

        self.daemon = self.open()
        return mount

    def tick(self, after_s: float = 10.0) -> None:
        """What is done once a second, when so much time has passed."""
        self.reactor.advance(after_s)
        self.registry.tick()


def learned(folder: Folder, count: int = 20) -> str:
    """Have the model `a` learn, and return what it predicts then."""
    folder.model().learn(["1 |u a"] * count)
    return folder.predicts()
