"""Brings what is served to what the drops describe: each model by itself, beside what serves meanwhile.

A model is built in a thread, where VW reads a file without holding up the reactor's thread, and takes its place between
two chunks. What its drop says by then counts: one that changed again while it was built is built again. Models are
built one after the other; and none while a child is forked, which would have a copy of a half-built one and of locks
that nobody in it gives back. For all who fork `apart` is the lock that says so.

A drop that cannot be served changes nothing: what ran under its name goes on, or nothing does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList, DeferredLock, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from vwserve.daemon.apart import apart, held
from vwserve.daemon.registry import Failed, Registry, Served
from vwserve.daemon.switching import GivenUp, Switching
from vwserve.durability.durable import Durable, Surroundings, provenance_of
from vwserve.durability.static import build_static
from vwserve.errors import Problem, VwserveError
from vwserve.model.blueprint import Blueprint, fault
from vwserve.model.drop import ModelDrop
from vwserve.transforms.errors import told
from vwserve.transforms.pipeline import TransformPool

Result = TypeVar("Result")


class Loading:
    """Loads models into a registry, each with its state in a folder of its name in `state`.

    `around` gives what a model of a name works with, `retire` sees to one that is served no more before it is closed.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        executor: Executor,
        registry: Registry,
        switching: Switching,
        building: DeferredLock,
        state: Path,
        around: Callable[[str], Surroundings],
        retire: Callable[[Durable], Awaitable[None]],
    ) -> None:
        self._reactor = reactor
        self._executor = executor
        self._registry = registry
        self._switching = switching
        self._building = building
        self._state = state
        self._around = around
        self._retire = retire
        self._pool = TransformPool()
        self._versions: dict[str, int] = {}  # of static models
        self._aspired: dict[str, ModelDrop | None] = {}  # what is not begun yet
        self._working: dict[str, list[Deferred[None]]] = {}  # with those who wait for its end
        self._begun: dict[str, ModelDrop | None] = {}
        self._failed: dict[str, tuple[ModelDrop, object, Problem]] = {}
        self._unread: Sequence[Failed] = ()
        self._stopping = False

    async def apply(
        self, drops: Iterable[ModelDrop], unread: Sequence[Problem] = (), unfinished: Iterable[Path] = ()
    ) -> None:
        """Serve exactly what `drops` describe; those that did not change keep what they have learned.

        What came of a file, or of a whole folder, that `unread` could not make drops of stays as it is, too, and so
        does what came of `unfinished` files. Ends once all is as far as it comes; the registry has what is wrong.
        """
        wanted = {drop.name: drop for drop in drops}
        unknown = {problem.place.file for problem in unread} | set(unfinished)
        gone = {name for name, file in self._files() if name not in wanted and unknown.isdisjoint((file, file.parent))}
        for name in gone:
            self._failed.pop(name, None)
        self._unread = _unread(unread)
        await DeferredList([self._aspire(name, wanted.get(name)) for name in [*wanted, *sorted(gone)]])
        self._tell()

    def forget_failures(self) -> None:
        """Try again, the next time, what failed, though nothing of it may have changed."""
        self._failed.clear()

    async def stop(self) -> None:
        """Begin nothing any more; ends once nothing is under way."""
        self._stopping = True
        self._aspired.clear()
        for name in list(self._working):
            self._give_up(name)
        await DeferredList([self._wait(name) for name in self._working])

    def _files(self) -> Iterator[tuple[str, Path]]:
        """The models that there are or are to be, and the files that say so."""
        for name in self._registry.names():
            if (served := self._registry.served(name)) is not None:
                yield name, served.drop.path
        for drops in (self._begun, self._aspired):
            yield from ((name, drop.path) for name, drop in drops.items() if drop is not None)
        yield from ((name, drop.path) for name, (drop, _, _) in self._failed.items())

    def _tell(self) -> None:
        failed = [Failed(drop.name, drop.path, problem) for drop, _, problem in self._failed.values()]
        self._registry.failed = [*self._unread, *failed]

    # -- one model -----------------------------------------------------------------------------------------------------

    def _aspire(self, name: str, drop: ModelDrop | None) -> Deferred[None]:
        """Have a model be what a drop describes, or not be; fires once it is, or has failed."""
        if self._stopping:
            return succeed(None)
        if name in self._working:
            if self._begun.get(name) != drop:
                self._aspired[name] = drop
                self._give_up(name)
            return self._wait(name)
        self._aspired[name] = drop
        self._working[name] = []
        done = self._wait(name)
        Deferred.fromCoroutine(self._work(name)).addErrback(self._report)
        return done

    def _wait(self, name: str) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._working[name].append(done)
        return done

    def _report(self, failure: Failure) -> None:
        self.log.failure("a fault of vwserve after it loaded a model", failure)

    def _give_up(self, name: str) -> None:
        served = self._registry.served(name)
        if served is not None and served.durable is not None:
            self._switching.leave(served.durable)

    async def _work(self, name: str) -> None:
        try:
            while name in self._aspired:
                drop = self._begun[name] = self._aspired.pop(name)
                if drop is None:
                    await self._unload(name)
                else:
                    await self._load(drop)
        except Exception:
            self.log.failure("a fault of vwserve while it loaded {model}", model=name)
        finally:
            self._begun.pop(name, None)
            for done in self._working.pop(name):
                done.callback(None)

    async def _unload(self, name: str) -> None:
        served = self._registry.served(name)
        if served is None:
            return
        self._registry.remove(name)
        if served.durable is not None:
            await self._retire(served.durable)
        async with held(self._building):
            served.close()

    async def _load(self, drop: ModelDrop) -> None:
        identity = _identity(drop)
        before = self._failed.get(drop.name)
        if before is not None and before[:2] == (drop, identity):
            return
        try:
            await self._bring(drop, identity)
        except GivenUp:
            return  # another drop is aspired to
        except VwserveError as error:
            self._fail(drop, identity, fault(drop, error))
        except (Exception, SystemExit) as error:  # a fault of the program or a plugin: the other models go on
            self._fail(drop, identity, drop.problem("", f"cannot be served: {told(error)}"))
        else:
            self._failed.pop(drop.name, None)

    def _fail(self, drop: ModelDrop, identity: object, problem: Problem) -> None:
        self._failed[drop.name] = drop, identity, problem

    async def _bring(self, drop: ModelDrop, identity: tuple[object, ...]) -> None:
        """Have a model be what a drop describes, or raise and leave it as it is."""
        before = self._registry.served(drop.name)
        if before is not None and before.drop == drop and before.identity == identity:
            return
        blueprint = await self._build(lambda: Blueprint.of(drop, self._pool))
        if before is None:
            self._registry.put(await self._build(lambda: self._open(blueprint, identity)))
        elif before.durable is None:
            if blueprint.learns or before.identity != identity:
                self._registry.put(await self._build(lambda: self._open(blueprint, identity)))
                await self._build(before.close)
            else:
                before.drop = drop
        elif await self._build(partial(_continues, before.durable, blueprint)):
            await self._change(before.durable, blueprint)
            before.drop, before.identity = drop, identity
        else:
            await self._reopen(before, blueprint, identity)

    async def _change(self, durable: Durable, blueprint: Blueprint) -> None:
        lineage = await self._build(lambda: durable.replaced(blueprint))
        if lineage.number != durable.lineage.number:
            name = durable.servable.name
            self.log.info("{model}: becomes what {file} says now", model=name, file=blueprint.drop.path)
            await self._switching.become(durable, blueprint)
            self.log.info("{model}: is what {file} says", model=name, file=blueprint.drop.path)
        durable.configure(blueprint)

    def _open(self, blueprint: Blueprint, identity: tuple[object, ...]) -> Served:
        """Runs in a thread."""
        name = blueprint.drop.name
        folder, bounds = self._state / name, self._registry.bounds
        if blueprint.learns:
            durable = Durable(blueprint, folder, bounds, self._around(name))
            served = Served(blueprint.drop, identity, durable.servable, durable)
        else:
            version = self._versions.get(name, 0) + 1
            servable = build_static(blueprint, folder, bounds, version, self._around(name).report)
            self._versions[name] = version
            served = Served(blueprint.drop, identity, servable, None)
        served.servable.warm()
        return served

    async def _reopen(self, before: Served, blueprint: Blueprint, identity: tuple[object, ...]) -> None:
        """Open the files of a durable model otherwise than they are, or as they were where that cannot be done.

        Only one can have them open, so this holds up the reactor for as long as it takes.
        """
        assert before.durable is not None, "only such a one has files"
        durable = before.durable
        await self._build(lambda: durable.replaced(blueprint))  # where that is refused, nothing is to be closed for it
        await self._retire(durable)
        async with held(self._building):
            before.close()
            try:
                served = self._open(blueprint, identity)
            except BaseException:
                self._registry.remove(before.drop.name)
                with suppress(VwserveError):  # what is wrong with the new one is told
                    self._registry.put(self._open(durable.blueprint, before.identity))
                raise
            self._registry.put(served)

    async def _build(self, work: Callable[[], Result]) -> Result:
        """Do in a thread what may make or close a workspace of VW's, while nobody forks."""
        async with held(self._building):
            return await apart(self._reactor, self._executor, work)


def _continues(durable: Durable, blueprint: Blueprint) -> bool:
    """Whether a model goes on in its files, open as they are, where it becomes what a blueprint describes."""
    now, then = durable.blueprint, blueprint
    if not then.learns or then.drop.policy.journal != now.drop.policy.journal:
        return False
    # The code of a plugin that changed makes other steps, though it may not be told from what they state.
    return then.pipeline.steps == now.pipeline.steps or bool(provenance_of(then).changes(durable.lineage.provenance))


def _unread(problems: Sequence[Problem]) -> list[Failed]:
    """The files that could not be read; the folder itself is the log's."""
    return [
        Failed(problem.place.file.stem, problem.place.file, problem)
        for problem in problems
        if problem.place.file.is_file()
    ]


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
