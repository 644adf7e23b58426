"""The models that are served, by their own names and by those that requests know."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vwserve.daemon.splitting import Split, View
from vwserve.daemon.traffic import Traffic
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
    """A file that should describe a model that is served, and does not: the model's name, and all that is wrong.

    Where the file could not be read, the name is the file's own.
    """

    name: str
    file: Path
    problems: tuple[Problem, ...]

    @property
    def problem(self) -> str:
        """What is wrong, in one line."""
        return "; ".join(map(str, self.problems))


class Registry:
    """Models by name; `failed` are those that could not be served as their drops have it.

    `traffic` tells who answers to which name. `report` takes a model's name and what went wrong with it.
    """

    def __init__(self, bounds: Bounds, traffic: Traffic, report: Callable[[str, str], None]) -> None:
        self.bounds = bounds
        self.traffic = traffic
        self._report = report
        self._served: dict[str, Served] = {}
        self._splits: dict[str, ModelDrop] = {}
        self.failed: Sequence[Failed] = ()

    def get(self, name: str) -> View | Split | None:
        """What answers to this name; to the empty name, the only model while there is just one."""
        return self.traffic.models.get(name)

    def names(self) -> Sequence[str]:
        """The names that are answered, in order."""
        return self.traffic.names()

    def served(self, name: str) -> Served | None:
        """All there is to the model of this name."""
        return self._served.get(name)

    def durables(self) -> Iterator[Durable]:
        """The models that are kept on disk."""
        return (served.durable for served in self._served.values() if served.durable is not None)

    def statistics(self, name: str) -> dict[str, object] | None:
        """What `!stats` tells of a model; None where there is none of this name."""
        served, told = self.served(name), self.traffic.statistics(name)
        if served is None:
            return told or None
        kept = served.durable or served.pinned
        return {**served.servable.statistics(), **(kept.statistics() if kept is not None else {}), **told}

    @property
    def not_ready(self) -> list[str]:
        """Why models are not served, or do not learn as they should; a text each."""
        reasons = [
            f"{each.name} is not served: {each.problem}" for each in self.failed if each.name not in self._served
        ]
        for name in sorted(self._served):
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

    def divide(self, splits: Iterable[ModelDrop], unknown: Collection[Path]) -> None:
        """Have these splits, and of those before whose file, or its folder, is `unknown`."""
        kept = {
            name: drop for name, drop in self._splits.items() if drop.path in unknown or drop.path.parent in unknown
        }
        self._splits = kept | {drop.name: drop for drop in splits}
        self.refresh()

    def refresh(self) -> None:
        """Have every model served by the servable that it has now."""
        for served in self._served.values():
            if served.durable is not None:
                served.servable = served.durable.servable
        drops = [*(served.drop for served in self._served.values()), *self._splits.values()]
        self.traffic.arrange(drops, {name: served.servable for name, served in self._served.items()})

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
        self.traffic.shadowing.close()
        self.traffic.arrange([], {})
        while self._served:
            served = self._served.popitem()[1]
            try:
                served.close()
            except Exception as error:  # likewise
                self._report(served.drop.name, f"a fault of vwserve while it was closed: {told(error)}")
