"""The models that are served, kept equal to the drops that describe them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vwserve.durability.durable import Durable
from vwserve.durability.provenance import provenance_of
from vwserve.durability.static import build_static
from vwserve.durability.surroundings import Surroundings
from vwserve.errors import Problem, VwserveError
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint, fault
from vwserve.model.drop import ModelDrop
from vwserve.model.servable import Servable
from vwserve.transforms.errors import told
from vwserve.transforms.pipeline import TransformPool

REPLAYED_IN_A_TURN = 5_000
"""The most examples that a changed model learns again at once, which takes some 25 ms."""


@dataclass(slots=True)
class Served:
    """A model, its drop and what it was made from; one that learns is kept on disk by `durable`.

    `give_up` ends what is under way to make of it what its drop describes.
    """

    drop: ModelDrop
    identity: tuple[object, ...]
    servable: Servable
    durable: Durable | None
    give_up: Callable[[], None] | None = None

    def close(self) -> None:
        """Free it; what it learned is on disk."""
        (self.servable if self.durable is None else self.durable).close()


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that should describe a model that is served, and does not: the model's name, and what is wrong.

    Where the file could not be read, the name is the file's own.
    """

    name: str
    file: Path
    problem: str


class Registry:
    """Models by name, each with its state in a folder of that name in `state`.

    `around` gives what a model of a name works with. A drop that cannot be served changes nothing: what ran under its
    name goes on, or nothing does. `failed` are those.

    `leaving` is called with a durable model before it is closed. `replay` is called with one that has more to learn
    again than a turn has time for, and with what it is to be then; it returns what gives that up. Until it has come to
    its end, the model is as it was.
    """

    def __init__(
        self,
        bounds: Bounds,
        state: Path,
        around: Callable[[str], Surroundings],
        leaving: Callable[[Durable], None],
        replay: Callable[[Durable, Blueprint], Callable[[], None]],
    ) -> None:
        self._bounds = bounds
        self._state = state
        self._around = around
        self._leaving = leaving
        self._replay = replay
        self._pool = TransformPool()
        self._served: dict[str, Served] = {}
        self._by_name: dict[str, Servable] = {}
        self._versions: dict[str, int] = {}  # of static models
        self.failed: list[Failed] = []

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

    def apply(self, drops: Iterable[ModelDrop], unread: Sequence[Problem] = ()) -> list[Problem]:
        """Serve exactly what `drops` describe; those that did not change keep what they have learned.

        What came of a file, or of a whole folder, that `unread` could not make drops of stays as it is, too. Returns
        what is wrong with drops that cannot be served.
        """
        problems = []
        wanted = set()
        self.failed = list(_unread(unread))
        unknown = {problem.place.file for problem in unread}
        for drop in drops:
            wanted.add(drop.name)
            try:
                self._serve(drop)
            except VwserveError as error:
                problems.append(self.fail(drop, fault(drop, error)))
            except (Exception, SystemExit) as error:  # a fault of the program or a plugin: the other models go on
                problems.append(self.fail(drop, drop.problem("", f"cannot be served: {told(error)}")))
        for name, served in list(self._served.items()):
            if name not in wanted and unknown.isdisjoint((served.drop.path, served.drop.path.parent)):
                del self._served[name]
                self._close(served)
        self.refresh()
        return problems

    def fail(self, drop: ModelDrop, problem: Problem) -> Problem:
        """Take note that a drop cannot be served, though it may be once it is applied again."""
        self.failed.append(Failed(drop.name, drop.path, str(problem)))
        served = self._served.get(drop.name)
        if served is not None and served.drop is drop:
            served.identity, served.give_up = (), None
        return problem

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
        for durable in list(self.durables()):
            try:
                if durable.tick():
                    self.refresh()
            except Exception as error:  # of one model: the journals of the others are to be synced all the same
                self._around(durable.servable.name).report(f"a fault of vwserve: {told(error)}")

    def close(self) -> None:
        """Free all models; those that learned something since the newest snapshot take a last one."""
        self._by_name = {}
        while self._served:
            self._close(self._served.popitem()[1])

    def _close(self, served: Served) -> None:
        try:
            if served.durable is not None:
                self._leaving(served.durable)
            served.close()
        except Exception as error:  # likewise
            self._around(served.drop.name).report(f"a fault of vwserve while it was closed: {told(error)}")

    def _serve(self, drop: ModelDrop) -> None:
        identity = _identity(drop)
        before = self._served.get(drop.name)
        if before is not None and before.drop == drop and before.identity == identity:
            return
        blueprint = Blueprint.of(drop, self._pool)
        if before is None:
            self._served[drop.name] = self._open(blueprint, identity)
            return
        if before.give_up is not None:
            before.give_up()
            before.identity, before.give_up = (), None
        if before.durable is not None and _continues(before.durable, blueprint):
            before.give_up = self._change(before.durable, blueprint)
        elif before.durable is not None or before.identity != identity:
            self._served[drop.name] = self._reopened(before, blueprint, identity)
            return
        before.drop, before.identity = drop, identity

    def _change(self, durable: Durable, blueprint: Blueprint) -> Callable[[], None] | None:
        """Have a durable model be what another blueprint describes, or raise and leave it as it is.

        Returns what gives that up again, where it takes longer.
        """
        lineage = durable.replaced(blueprint)
        if lineage == durable.lineage:
            durable.configure(blueprint)
            return None
        verified = durable.verified(lineage)
        if durable.to_replay(lineage, verified) > REPLAYED_IN_A_TURN:
            return self._replay(durable, blueprint)
        successor = durable.successor(lineage, verified, blueprint)
        try:
            for _ in durable.catch_up(successor):
                pass
            before = durable.adopt(successor)
        except BaseException:
            successor.close()
            raise
        durable.configure(blueprint)
        before.close()
        return None

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
        before.durable.replaced(blueprint)  # where that is refused, nothing has to be closed for it
        self._close(before)  # only one can have the state
        try:
            return self._open(blueprint, identity)
        except BaseException:
            del self._served[before.drop.name]
            with suppress(VwserveError):  # what is wrong with the new one is told
                self._served[before.drop.name] = self._open(before.durable.blueprint, before.identity)
            raise


def _continues(durable: Durable, blueprint: Blueprint) -> bool:
    """Whether a model goes on in its files, open as they are, where it becomes what a blueprint describes."""
    now, then = durable.blueprint, blueprint
    if not then.learns or then.drop.policy.journal != now.drop.policy.journal:
        return False
    # The code of a plugin that changed makes other steps, though it may not be told from what they state.
    return then.pipeline.steps == now.pipeline.steps or bool(provenance_of(then).changes(durable.lineage.provenance))


def _unread(problems: Sequence[Problem]) -> Iterator[Failed]:
    """The files that could not be read, each once."""
    texts: dict[Path, list[str]] = {}
    for problem in problems:
        texts.setdefault(problem.place.file, []).append(str(problem))
    return (Failed(file.stem, file, "; ".join(each)) for file, each in texts.items() if file.is_file())


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
