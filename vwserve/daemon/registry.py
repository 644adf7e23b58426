"""The models that are served, kept equal to the drops that describe them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vwserve.durability.durable import Durable, Surroundings
from vwserve.durability.static import build_static
from vwserve.errors import Problem, VwserveError
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint, fault
from vwserve.model.drop import ModelDrop
from vwserve.model.servable import Servable
from vwserve.transforms.errors import told
from vwserve.transforms.pipeline import TransformPool


@dataclass(slots=True)
class Served:
    """A model, its drop and what it was made from; one that learns is kept on disk by `durable`."""

    drop: ModelDrop
    identity: tuple[object, ...]
    servable: Servable
    durable: Durable | None

    def close(self) -> None:
        """Free it; what it learned is on disk."""
        (self.servable if self.durable is None else self.durable).close()


class Registry:
    """Models by name, each with its state in a folder of that name in `state`.

    `around` gives what a model of a name works with. `leaving` is called with a durable model before it closes. A drop
    that cannot be served changes nothing: what ran under its name goes on, or nothing does.
    """

    def __init__(
        self,
        bounds: Bounds,
        state: Path,
        around: Callable[[str], Surroundings],
        leaving: Callable[[Durable], None] = lambda _: None,
    ) -> None:
        self._bounds = bounds
        self._state = state
        self._around = around
        self._leaving = leaving
        self._pool = TransformPool()
        self._served: dict[str, Served] = {}
        self._by_name: dict[str, Servable] = {}
        self._versions: dict[str, int] = {}  # of static models

    def get(self, name: str) -> Servable | None:
        """The servable of this name; of the empty name, the only one while there is just one."""
        return self._by_name.get(name)

    def names(self) -> Sequence[str]:
        """The names of all models, in order."""
        return sorted(self._served)

    def served(self, name: str) -> Served | None:
        """All there is to a model, by its name as `get` takes it."""
        servable = self._by_name.get(name)
        return None if servable is None else self._served.get(servable.name)

    def durables(self) -> Iterator[Durable]:
        """The models that are kept on disk."""
        return (served.durable for served in self._served.values() if served.durable is not None)

    def statistics(self, name: str) -> dict[str, object] | None:
        """What `!stats` tells of a model; None where there is none of this name."""
        served = self.served(name)
        if served is None:
            return None
        kept = served.durable.statistics() if served.durable is not None else {}
        return {**served.servable.statistics(), **kept}

    def limit(self, bounds: Bounds) -> None:
        """Hold all models to other bounds."""
        self._bounds = bounds
        for served in self._served.values():
            if served.durable is not None:
                served.durable.limit(bounds)
            else:
                served.servable.limit(bounds)

    def apply(self, drops: Iterable[ModelDrop], unread: Iterable[Problem] = ()) -> list[Problem]:
        """Serve exactly what `drops` describe; those that did not change keep what they have learned.

        What came of a file, or of a whole folder, that `unread` could not make drops of stays as it is, too. Returns
        what is wrong with drops that cannot be served.
        """
        problems = []
        wanted = set()
        for drop in drops:
            wanted.add(drop.name)
            try:
                self._serve(drop)
            except VwserveError as error:
                problems.append(fault(drop, error))
            except (Exception, SystemExit) as error:  # a fault of the program or a plugin: the other models go on
                problems.append(drop.problem("", f"cannot be served: {told(error)}"))
        unknown = {problem.place.file for problem in unread}
        for name, served in list(self._served.items()):
            if name not in wanted and unknown.isdisjoint((served.drop.path, served.drop.path.parent)):
                del self._served[name]
                self._close(served)
        self.refresh()
        return problems

    def refresh(self) -> None:
        """Have every model served by the servable that it has now."""
        for served in self._served.values():
            if served.durable is not None:
                served.servable = served.durable.servable
        self._by_name = {name: served.servable for name, served in self._served.items()}
        if len(self._by_name) == 1:
            self._by_name[""] = next(iter(self._by_name.values()))

    def tick(self) -> None:
        """About once a second: see to what is on disk."""
        if any([durable.tick() for durable in self.durables()]):
            self.refresh()

    def close(self) -> None:
        """Free all models; those that learned something since the newest snapshot take a last one."""
        self._by_name = {}
        while self._served:
            self._close(self._served.popitem()[1])

    def _close(self, served: Served) -> None:
        if served.durable is not None:
            self._leaving(served.durable)
        served.close()

    def _serve(self, drop: ModelDrop) -> None:
        identity = _identity(drop)
        before = self._served.get(drop.name)
        if before is not None and before.drop == drop and before.identity == identity:
            return
        blueprint = Blueprint.of(drop, self._pool)
        if before is None:
            self._served[drop.name] = self._open(blueprint, identity)
        elif before.durable is not None and blueprint.learns and drop.policy.journal == before.drop.policy.journal:
            _replace(before.durable, blueprint)
            before.drop, before.identity = drop, identity
        elif before.identity != identity or before.durable is not None:
            self._served[drop.name] = self._reopened(before, blueprint, identity)

    def _open(self, blueprint: Blueprint, identity: tuple[object, ...]) -> Served:
        name = blueprint.drop.name
        folder = self._state / name
        if blueprint.learns:
            durable = Durable(blueprint, folder, self._bounds, self._around(name))
            return Served(blueprint.drop, identity, durable.servable, durable)
        version = self._versions.get(name, 0) + 1
        servable = build_static(blueprint, folder, self._bounds, version, self._around(name).report)
        self._versions[name] = version
        return Served(blueprint.drop, identity, servable, None)

    def _reopened(self, before: Served, blueprint: Blueprint, identity: tuple[object, ...]) -> Served:
        """Open it otherwise than it was; as it was, where that cannot be done."""
        if before.durable is None:
            served = self._open(blueprint, identity)
            before.close()
            return served
        self._close(before)  # only one can have the state
        try:
            return self._open(blueprint, identity)
        except BaseException:
            del self._served[before.drop.name]
            with suppress(VwserveError):  # what is wrong with the new one is told
                self._served[before.drop.name] = self._open(before.durable.blueprint, before.identity)
            raise


def _replace(durable: Durable, blueprint: Blueprint) -> None:
    """Have a durable model be what another blueprint describes, or raise and leave it as it is."""
    lineage = durable.replaced(blueprint)
    if lineage == durable.lineage:
        durable.configure(blueprint)
        return
    successor = durable.successor(lineage, durable.verified(lineage), blueprint)
    try:
        for _ in durable.catch_up(successor):
            pass
        before = durable.adopt(successor)
    except BaseException:
        successor.close()
        raise
    before.close()


def _identity(drop: ModelDrop) -> tuple[object, ...]:
    """What a servable was made from: two drops of the same identity describe the same one."""
    return (drop.digest, *(_state(file) for file in drop.files), *(each.declaration.type for each in drop.transforms))


def _state(file: Path) -> object:
    """What changes when a file does; None where it cannot be read, which whoever reads it will say."""
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
