"""Brings what is served to what the drops describe: each model by itself, beside what serves meanwhile.

A model is built in a thread, where VW reads a file without holding up the reactor's thread, and takes its place between
two chunks. What its drop says by then counts: one that changed again while it was built is built again. Models are
built one after the other; and none while a child is forked, which would have a copy of a half-built one and of locks
that nobody in it gives back. For all who fork `building` is the lock that says so.

A drop that cannot be served changes nothing: what ran under its name goes on, or nothing does. It is tried again once
it changes, or a file that it names does.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredLock, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from vwserve.daemon.apart import built
from vwserve.daemon.registry import Failed, Registry, Served
from vwserve.daemon.snapshotting import Snapshotting
from vwserve.daemon.switching import GivenUp, Switching
from vwserve.durability.durable import Durable
from vwserve.durability.forgetting import forget
from vwserve.durability.provenance import Provenance, provenance_of
from vwserve.durability.static import build_pinned, build_static
from vwserve.durability.surroundings import Surroundings
from vwserve.errors import Problem, RequestError, VwserveError
from vwserve.lines import shown
from vwserve.model.blueprint import Blueprint, fault
from vwserve.model.drop import ModelDrop, is_model_name
from vwserve.transforms.errors import told
from vwserve.transforms.pipeline import TransformPool

_STOP_S = 30.0  # that a daemon which stops waits for what is under way

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Aim:
    """What a model is to be: what a drop describes, made from its files as they are; or not there at all."""

    drop: ModelDrop | None
    identity: tuple[object, ...] = ()

    @classmethod
    def at(cls, drop: ModelDrop | None) -> _Aim:
        """That of a drop as of now."""
        return cls(drop) if drop is None else cls(drop, _identity(drop))


@dataclass(slots=True)
class _Work:
    """What is under way with a model: its aim, the `next` one if that has changed, and those who wait for either.

    `changing` may be given up where another aim comes; nobody waits for what is `slow`. `ended` is the end of it all.
    """

    aim: _Aim
    next: _Aim | None = None
    waiting: list[Deferred[None]] = field(default_factory=list)
    changing: Deferred[None] | None = None
    slow: bool = False
    ended: Deferred[None] = field(default_factory=Deferred)

    def wait(self) -> Deferred[None]:
        """Fires once the model is what it is to be, or has failed, or nobody is to wait for that."""
        done: Deferred[None] = Deferred()
        self.waiting.append(done)
        if self.slow and self.next is None:
            self.let_go()
        return done

    def let_go(self) -> None:
        """Have nobody wait any longer."""
        waiting, self.waiting = self.waiting, []
        for done in waiting:
            done.callback(None)

    def slow_down(self) -> None:
        """Have nobody wait for this aim."""
        self.slow = True
        if self.next is None:
            self.let_go()


class Loading:
    """Loads models into a registry, each with its state in a folder of its name in `state`.

    `around` gives what a model of a name works with; `settled` is called whenever it is known what a drop came to.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        executor: Executor,
        registry: Registry,
        snapshotting: Snapshotting,
        switching: Switching,
        building: DeferredLock,
        state: Path,
        around: Callable[[str], Surroundings],
        settled: Callable[[], object] = lambda: None,
    ) -> None:
        self._reactor = reactor
        self._executor = executor
        self._registry = registry
        self._snapshotting = snapshotting
        self._switching = switching
        self._building = building
        self._state = state
        self._around = around
        self._settled = settled
        self._pool = TransformPool()
        self._versions: dict[str, int] = {}  # of static models
        self._under_way: dict[str, _Work] = {}
        self._failed: dict[str, tuple[_Aim, ModelDrop, Problem]] = {}
        self._unread: Sequence[Failed] = ()
        self._stopping = False

    def apply(
        self, drops: Iterable[ModelDrop], unread: Sequence[Problem] = (), unfinished: Iterable[Path] = ()
    ) -> Deferred[None]:
        """Serve exactly what `drops` describe; those that did not change keep what they have learned.

        What came of a file, or of a whole folder, that `unread` could not make drops of stays as it is, too, and so
        does what came of `unfinished` files. Fires once all is as far as it comes, but for what a child has to learn
        again, or waits for the end of a rollback; the registry has what is wrong.
        """
        described = list(drops)
        unknown = {problem.place.file for problem in unread} | set(unfinished)
        self._registry.divide((drop for drop in described if drop.split is not None), unknown)
        wanted = {drop.name: drop for drop in described if drop.split is None}
        gone = {name for name, file in self._files() if name not in wanted and unknown.isdisjoint((file, file.parent))}
        self._unread = _unread(unread)
        wrong = {each.file for each in self._unread}
        for name, (_, drop, _) in list(self._failed.items()):
            if name in gone or drop.path in wrong:
                del self._failed[name]
        self._tell()
        done = DeferredList([self._aspire(name, wanted.get(name)) for name in [*wanted, *sorted(gone)]])
        return done.addCallback(lambda _: None)

    def forget_failures(self) -> None:
        """Try again, the next time, what failed, though nothing of it may have changed."""
        self._failed.clear()

    async def forget(self, name: str) -> int:
        """Remove the state of a model that is not served; how many bytes that were.

        Raises RequestError where there is none or it is served, StateError where the disk refuses.
        """
        folder = self._state / name
        if name in self._under_way or (name and self._registry.served(name) is not None):
            remedy = "remove its file from the folder of models first, and wait until it is gone"
            raise RequestError("bad-request", f"{name} is served, or about to be; {remedy}")
        if not is_model_name(name) or not folder.is_dir():
            raise RequestError("no-model", f"{self._state} has nothing of a model called {shown(name)}")
        size = await self._build(lambda: forget(folder))
        if self._failed.pop(name, None) is not None:  # it may have failed for what it had learned
            self._tell()
        return size

    def build(self, work: Callable[[], Result]) -> Deferred[Result]:
        """Do in the thread that makes models what makes one, and nothing of it is served."""
        return built(self._reactor, self._executor, self._building, work)

    def end(self) -> None:
        """Begin nothing any more, and give up what can be; `stop` waits for the rest."""
        self._stopping = True
        for work in self._under_way.values():
            work.next = None
            self._give_up(work)

    async def stop(self) -> None:
        """Begin nothing any more; ends once nothing is under way."""
        self.end()
        ended = DeferredList([work.ended for work in self._under_way.values()])
        await ended.addTimeout(_STOP_S, self._reactor)

    def _files(self) -> Iterator[tuple[str, Path]]:
        """The models that there are or are to be, and the files that say so."""
        for name in self._registry.names():
            if (served := self._registry.served(name)) is not None:
                yield name, served.drop.path
        for name, work in self._under_way.items():
            drop = (work.next or work.aim).drop
            if drop is not None:
                yield name, drop.path
        yield from ((name, drop.path) for name, (_, drop, _) in self._failed.items())

    def _tell(self) -> None:
        failed = [Failed(drop.name, drop.path, (problem,)) for _, drop, problem in self._failed.values()]
        self._registry.failed = [*self._unread, *failed]
        self._settled()

    # -- one model -----------------------------------------------------------------------------------------------------

    def _aspire(self, name: str, drop: ModelDrop | None) -> Deferred[None]:
        """Have a model be what a drop describes, or not be; fires once it is, or has failed."""
        if self._stopping:
            return succeed(None)
        aim = _Aim.at(drop)
        work = self._under_way.get(name)
        if work is None:
            work = self._under_way[name] = _Work(aim)
            done = work.wait()
            Deferred.fromCoroutine(self._work(name, work)).addErrback(self._report)
            return done
        changed = (work.next or work.aim) != aim
        if changed:
            work.next = aim
        done = work.wait()
        if changed:
            self._give_up(work)  # which may be the end of it all
        return done

    def _report(self, failure: Failure) -> None:
        self.log.failure("a fault of vwserve after it loaded a model", failure)

    def _give_up(self, work: _Work) -> None:
        if work.changing is not None:
            work.changing.cancel()

    async def _work(self, name: str, work: _Work) -> None:
        try:
            await self._reach(name, work)
            while work.next is not None:
                work.aim, work.next, work.slow = work.next, None, False
                await self._reach(name, work)
        except Exception:
            self.log.failure("a fault of vwserve while it loaded {model}", model=name)
        finally:
            del self._under_way[name]
            self._tell()
            work.let_go()
            work.ended.callback(None)

    async def _reach(self, name: str, work: _Work) -> None:
        drop = work.aim.drop
        if drop is None:
            await self._unload(name, work)
            return
        before = self._failed.get(name)
        if before is not None and before[0] == work.aim:
            return
        try:
            await self._bring(drop, work)
        except GivenUp:
            return  # another drop is aspired to
        except VwserveError as error:
            problem = fault(drop, error)
        except (Exception, SystemExit) as error:  # a fault of the program or a plugin: the other models go on
            problem = drop.problem("", f"cannot be served: {told(error)}")
        else:
            self._failed.pop(name, None)
            return
        self._failed[name] = work.aim, drop, problem

    async def _unload(self, name: str, work: _Work) -> None:
        served = self._registry.served(name)
        if served is not None:
            self._registry.remove(name)
            work.slow_down()  # whoever reloads does not wait for a last snapshot
            await self._retire(served)

    async def _bring(self, drop: ModelDrop, work: _Work) -> None:
        """Have a model be what a drop describes, or raise and leave it as it is."""
        before, identity = self._registry.served(drop.name), work.aim.identity
        if before is not None and before.drop == drop and before.identity == identity and not _outdated(before):
            return
        blueprint = await self._build(lambda: Blueprint.of(drop, self._pool))
        if before is None:
            before = await self._build(lambda: self._open(blueprint, identity))
            self._registry.put(before)
            if _outdated(before):
                await self._continue(before, blueprint, identity, work)
        elif before.durable is not None:
            await self._continue(before, blueprint, identity, work)
        elif blueprint.learns or before.identity != identity:
            self._registry.put(await self._build(lambda: self._open(blueprint, identity)))
            await self._retire(before)
        else:
            before.drop = drop

    async def _continue(self, before: Served, blueprint: Blueprint, identity: tuple[object, ...], work: _Work) -> None:
        """Have a model that is kept on disk be what a blueprint describes."""
        durable = before.durable
        assert durable is not None, "it is kept"
        if blueprint.drop.pin is not None:
            # What is learned until it is served is in the journal, and in the last snapshot.
            with durable.pinning(blueprint.drop.pin):
                self._registry.put(await self._build(lambda: self._open(blueprint, identity)))
                work.slow_down()
                await self._retire(before)
            return
        provenance = await self._build(lambda: provenance_of(blueprint))
        if not _in_place(durable, blueprint, provenance):
            durable.replaced(blueprint, provenance)  # where that is refused, nothing is to be closed for it
            await self._until_changed(work, self._switching.idle(durable, work.slow_down))
            if durable.unsaved or durable.taking:
                work.slow_down()  # whoever reloads does not wait for a snapshot
            await self._reopen(before, blueprint, identity)
            return
        if durable.lineage.provenance.changes(provenance):
            await self._change(durable, blueprint, provenance, work)
        else:
            durable.configure(blueprint)
        before.drop, before.identity = blueprint.drop, identity

    async def _change(self, durable: Durable, blueprint: Blueprint, provenance: Provenance, work: _Work) -> None:
        name, file = durable.servable.name, blueprint.drop.path
        durable.replaced(blueprint, provenance)  # where that is refused, nothing is to be waited for
        self.log.info("{model}: becomes what {file} says now", model=name, file=file)
        become = self._switching.become(durable, blueprint, provenance, work.slow_down)
        await self._until_changed(work, become)
        self.log.info("{model}: is what {file} says", model=name, file=file)

    async def _until_changed(self, work: _Work, doing: Coroutine[Deferred[Any], Any, None]) -> None:
        """Wait for the end of something that is given up where another aim comes; raises GivenUp then."""
        work.changing = Deferred.fromCoroutine(doing)
        try:
            if work.next is not None:
                self._give_up(work)
            await work.changing
        except CancelledError as error:
            raise GivenUp("the model is to be another by now") from error
        finally:
            work.changing = None

    def _open(self, blueprint: Blueprint, identity: tuple[object, ...]) -> Served:
        """Runs in a thread."""
        name = blueprint.drop.name
        folder, bounds = self._state / name, self._registry.bounds
        if blueprint.learns:
            durable = Durable(blueprint, folder, bounds, self._around(name))
            served = Served(blueprint.drop, identity, durable.servable, durable)
        elif blueprint.drop.pin is not None:
            pinned = build_pinned(blueprint, blueprint.drop.pin, folder, bounds, self._around(name).clock)
            served = Served(blueprint.drop, identity, pinned.servable, pinned=pinned)
        else:
            version = self._versions.get(name, 0) + 1
            servable = build_static(blueprint, folder, bounds, version, self._around(name).report)
            self._versions[name] = version
            served = Served(blueprint.drop, identity, servable)
        served.servable.warm()
        return served

    async def _reopen(self, before: Served, blueprint: Blueprint, identity: tuple[object, ...]) -> None:
        """Open the files of a durable model otherwise than they are, or as they were where that cannot be done.

        Only one can have them open: meanwhile what serves goes on to predict, and learns nothing.
        """
        durable = before.durable
        assert durable is not None, "only such a one has files"
        why = "its files are being opened otherwise, as its drop has it"
        if not durable.blueprint.drop.policy.journal:
            durable.suspend(why)  # what it would learn after its last snapshot would be lost
        await self._take_last(durable)
        durable.suspend(why)
        await self._synced(durable)

        def reopen() -> tuple[Served | None, BaseException | None]:
            durable.release()
            try:
                return self._open(blueprint, identity), None
            except BaseException as error:
                with suppress(VwserveError):  # what is wrong with the new one is told
                    return self._open(durable.blueprint, before.identity), error
                return None, error

        served, error = await self._build(reopen)
        if served is not None:
            self._registry.put(served)
        else:
            self._registry.remove(before.drop.name)
        await self._close(before)
        if error is not None:
            raise error

    # -- models that serve no more -------------------------------------------------------------------------------------

    async def _retire(self, served: Served) -> None:
        """Free a model that serves no more; a last snapshot of it is taken beside what is served."""
        if served.durable is not None:
            await self._take_last(served.durable)
            await self._synced(served.durable)
        await self._close(served)

    async def _take_last(self, durable: Durable) -> None:
        """Have a model that is going to be closed take a last snapshot, and all that is asked of it be answered."""
        why = f"{durable.servable.name} was removed or changed meanwhile"
        self._switching.leave(durable, why)
        await self._snapshotting.take_last([durable], why)

    async def _synced(self, durable: Durable) -> None:
        """Wait until the disk has all that a model learned: clients may be answered only then."""
        while True:
            synced: Deferred[None] = Deferred()
            if not durable.begin_sync(partial(self._reactor.callFromThread, synced.callback, None)):
                return
            await synced

    def _close(self, served: Served) -> Deferred[None]:
        return built(self._reactor, self._executor, self._building, served.close)

    async def _build(self, work: Callable[[], Result]) -> Result:
        """Do in a thread what makes a workspace of VW's or reads files, while nobody forks."""
        if self._stopping:
            raise GivenUp("the daemon is stopping")
        return await built(self._reactor, self._executor, self._building, work)


def _outdated(served: Served) -> bool:
    return served.durable is not None and served.durable.outdated


def _in_place(durable: Durable, blueprint: Blueprint, provenance: Provenance) -> bool:
    """Whether a model goes on in its files, open as they are, where it becomes what a blueprint describes."""
    now, then = durable.blueprint, blueprint
    if not then.learns or then.drop.policy.journal != now.drop.policy.journal:
        return False
    # The code of a plugin that changed makes other steps, though it may not be told from what they state.
    return then.pipeline.steps == now.pipeline.steps or bool(durable.lineage.provenance.changes(provenance))


def _unread(problems: Iterable[Problem]) -> list[Failed]:
    """The files that could not be read; the folder itself is the log's."""
    wrong: dict[Path, list[Problem]] = {}
    for problem in problems:
        wrong.setdefault(problem.place.file, []).append(problem)
    return [Failed(file.stem, file, tuple(each)) for file, each in wrong.items() if file.is_file()]


def _identity(drop: ModelDrop) -> tuple[object, ...]:
    """What a servable was made from: two drops of the same identity describe the same one."""
    types = (each.declaration.type for each in drop.transforms)
    return (drop.digest, drop.pin, *(_state(file) for file in drop.files), *types)


def _state(file: Path) -> object:
    """What changes when a file does; None where it cannot be read, which whoever reads it will say."""
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
