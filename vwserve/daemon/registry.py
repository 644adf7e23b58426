"""The models that are served, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vwserve.durability.durable import Durable
from vwserve.durability.static import Pinned
from vwserve.errors import Problem
from vwserve.learner import Bounds
from vwserve.model.drop import ModelDrop
from vwserve.model.servable import Servable
from vwserve.transforms.errors import told


@dataclass(slots=True)
class Served:
    """A model, its drop and what it was made from; one that learns is kept on disk by `durable`.

    Of one that serves a snapshot that is pinned, `pinned` tells which.
    """

    drop: ModelDrop
    identity: tuple[object, ...]
    servable: Servable
    durable: Durable | None = None
    pinned: Pinned | None = None

    def close(self) -> None:
        """Free it, without a last snapshot."""
        (self.servable.close if self.durable is None else self.durable.free)()


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that should describe a model that is served, and does not: the model's name, and what is wrong.

    Where the file could not be read, the name is the file's own.
    """

    name: str
    file: Path
    problem: Problem


class Registry:
    """Models by name; `failed` are those that could not be served as their drops have it.

    `report` takes a model's name and what went wrong with it.
    """

    def __init__(self, bounds: Bounds, report: Callable[[str, str], None]) -> None:
        self.bounds = bounds
        self._report = report
        self._served: dict[str, Served] = {}
        self._by_name: dict[str, Servable] = {}
        self.failed: Sequence[Failed] = ()

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
        kept = served.durable or served.pinned
        return {**served.servable.statistics(), **(kept.statistics() if kept is not None else {})}

    @property
    def not_ready(self) -> list[str]:
        """Why models are not served, or do not learn as they should; a text each."""
        reasons = [
            f"{each.name} is not served: {each.problem}" for each in self.failed if each.name not in self._served
        ]
        for name in self.names():
            durable = self._served[name].durable
            if durable is not None and durable.unready:
                reasons.append(f"{name} predicts, and does not learn: {durable.unready}")
        return reasons or ([] if self._served else ["no model is served"])

    # -- changing ------------------------------------------------------------------------------------------------------

    def put(self, served: Served) -> None:
        """Serve a model from now on, in place of one of the same name, which is the caller's to close."""
        self._served[served.drop.name] = served
        self.refresh()

    def remove(self, name: str) -> None:
        """Serve no model of this name any more; it is the caller's to close."""
        self._served.pop(name, None)
        self.refresh()

    def refresh(self) -> None:
        """Have every model served by the servable that it has now."""
        for served in self._served.values():
            if served.durable is not None:
                served.servable = served.durable.servable
        self._by_name = {name: served.servable for name, served in self._served.items()}
        if len(self._by_name) == 1:
            self._by_name[""] = next(iter(self._by_name.values()))

    def limit(self, bounds: Bounds) -> None:
        """Hold all models to other bounds."""
        self.bounds = bounds
        for served in self._served.values():
            (served.servable if served.durable is None else served.durable).limit(bounds)

    def tick(self) -> None:
        """About once a second: see to what is on disk."""
        for durable in list(self.durables()):
            try:
                if durable.tick():
                    self.refresh()
            except Exception as error:  # of one model: the journals of the others are to be synced all the same
                self._report(durable.servable.name, f"a fault of vwserve: {told(error)}")

    def close(self) -> None:
        """Free all models, without a last snapshot."""
        self._by_name = {}
        while self._served:
            served = self._served.popitem()[1]
            try:
                served.close()
            except Exception as error:  # likewise
                self._report(served.drop.name, f"a fault of vwserve while it was closed: {told(error)}")
