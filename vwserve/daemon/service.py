"""The composition root: what a configuration describes, built, started, reloaded and stopped."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, DeferredLock, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from vwserve.daemon.apart import held
from vwserve.daemon.commit import GroupCommit
from vwserve.daemon.control import Control
from vwserve.daemon.endpoints import for_opening, socket_path
from vwserve.daemon.following import Following
from vwserve.daemon.leftover import make_way
from vwserve.daemon.listener import Connections, Listener
from vwserve.daemon.loading import Loading
from vwserve.daemon.operations import ControlOperations
from vwserve.daemon.planning import Planning
from vwserve.daemon.registry import Registry
from vwserve.daemon.roles import Roles
from vwserve.daemon.served import ServedModels
from vwserve.daemon.settings import Listen, Settings
from vwserve.daemon.shadowing import Shadowing
from vwserve.daemon.snapshotting import Snapshotting
from vwserve.daemon.switching import Switching
from vwserve.daemon.traffic import Traffic
from vwserve.daemon.turn import Turn
from vwserve.durability.surroundings import Surroundings
from vwserve.errors import ConfigurationError, Place, Problem

_DRAIN_S = 10.0
_CLOSE_S = 1.0
_TICK_S = 1.0
_THREADS = 4  # that wait for the disk
_SYNC_THREADS = 4  # that do so for clients that wait for their answers
_SPARE_DESCRIPTORS = 256  # for models, logs and listeners beside the connections


class Daemon:
    """The daemon that the settings from `read` describe, on `reactor` (of no one type: it has many interfaces).

    `turn` is told by that reactor of its turns, if it does so. Raises ConfigurationError where the settings are wrong.
    A model that cannot be served is the log's, not an error: the others are served. `unix_time` is the time in seconds
    since 1970, which may be set; the reactor's timers go by another. The threads of `executor` wait for the disk, those
    of `syncer` for syncs, that of `loader` for VW; without them the daemon has its own.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        read: Callable[[], Settings],
        unix_time: Callable[[], float],
        turn: Turn | None = None,
        executor: Executor | None = None,
        syncer: Executor | None = None,
        loader: Executor | None = None,
    ) -> None:
        self._reactor = reactor
        self._read = read
        self._unix_time = unix_time
        self._settings = read()
        self._state = self._settings.state
        self._executor = executor or ThreadPoolExecutor(_THREADS, "vwserve-disk")
        self._syncer = syncer or ThreadPoolExecutor(_SYNC_THREADS, "vwserve-sync")
        self._commit = GroupCommit(reactor)
        self._loader = loader or ThreadPoolExecutor(1, "vwserve-load")
        building = DeferredLock()
        self._snapshotting = Snapshotting(reactor, building)
        traffic = Traffic(Shadowing(partial(reactor.callLater, 0), self._report), Roles.read(self._state))
        self._registry = Registry(self._settings.limits.bounds, traffic, self._report)
        self._switching = Switching(reactor, self._loader, building, self._snapshotting, self._registry.refresh)
        self._building = building
        self._loading = Loading(
            reactor,
            self._loader,
            self._registry,
            self._snapshotting,
            self._switching,
            building,
            self._state,
            self._around,
            self._settled,
        )
        folders = self._settings.models, self._settings.plugins
        self._following = Following(reactor, self._executor, self._loading, self._registry, *folders)
        self._models = ServedModels(reactor, self._registry, self._snapshotting, self._executor, self._exports)
        self._connections = Connections(reactor, self._settings.limits, turn, self._commit)
        operations = ControlOperations(
            reactor,
            self._registry,
            self._snapshotting,
            self._switching,
            self._loading,
            Planning(self._registry, self._state, self._following.plugins, self._loading.build),
            self._executor,
            self._state,
            self.reload,
            lambda: self.not_ready,
            unix_time,
        )
        self._control = Control(operations, reactor, unix_time)
        self._control_port: tuple[str, IListeningPort] | None = None
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = reactor
        self._listeners: dict[str, Listener] = {}
        self._ports: dict[str, IListeningPort] = {}
        self._changing = DeferredLock()  # of what is open: one reload at a time, and none while it stops
        self._stopping = False

    @property
    def addresses(self) -> Sequence[str]:
        """The endpoints that are open, as the configuration writes them."""
        return list(self._ports)

    @property
    def not_ready(self) -> list[str]:
        """Why not all is served and learned as the configuration says, a text each; none where it is ready."""
        return [*(["it is stopping"] if self._stopping else []), *self._registry.not_ready]

    async def load(self) -> list[str]:
        """Serve the models of the drops, and those that come; what is wrong goes to the log, and is returned."""
        problems = await self._following.read()
        for key in self._settings.without_effect:
            self.log.warn("{key}: has no effect in this release", key=key)
        for listen in self._settings.listen:
            if self._models.get(listen.model or "") is None:
                self.log.warn("{problem}", problem=_without_model(listen))
        return problems

    async def listen(self) -> None:
        """Open the listeners; raises ConfigurationError where one cannot be opened, and then leaves none open."""
        _allow_descriptors(self._settings.limits.connections + _SPARE_DESCRIPTORS)
        self._connections.start()
        self._ticking.start(_TICK_S, now=False)
        problems = [problem for listen in self._settings.listen if (problem := await self._open(listen))]
        problems += await self._open_control()
        if problems:
            await self.stop()
            raise ConfigurationError(problems)

    async def reload(self) -> list[str]:
        """Read the configuration again: changed models are replaced, listeners opened, changed and closed.

        Where the settings are wrong, everything stays as it is. Returns what is wrong, which the log has, too.
        """
        if not self._stopping:  # which would not go on before this has come to its end
            async with held(self._changing):
                if not self._stopping:
                    return await self._reload()
        return ["the daemon is stopping; nothing was reloaded"]

    async def _reload(self) -> list[str]:
        try:
            self._settings = self._read()
        except ConfigurationError as error:
            for problem in error.problems:
                self.log.error("{problem}", problem=problem)
            self.log.error("the configuration is wrong; nothing was reloaded")
            return list(map(str, error.problems))
        self._connections.limit(self._settings.limits)
        self._registry.limit(self._settings.limits.bounds)
        if self._settings.state != self._state:
            self.log.warn("state: {folder} is used from the next start on", folder=self._settings.state)
        self._following.follow(self._settings.models, self._settings.plugins)
        problems, failures = await self.load(), []
        for endpoint in self._ports.keys() - {listen.endpoint for listen in self._settings.listen}:
            self.log.info("closing {endpoint}", endpoint=endpoint)
            self._listeners.pop(endpoint)
            await self._closed(self._ports.pop(endpoint))
        for listen in self._settings.listen:
            if listen.endpoint in self._listeners:
                self._listeners[listen.endpoint].configure(listen)
            elif failure := await self._open(listen):
                failures.append(failure)
        for failure in [*failures, *await self._open_control()]:
            self.log.error("{problem}", problem=failure)
            problems.append(str(failure))
        return problems

    async def stop(self) -> None:
        """Accept no more, answer what was accepted, free the models."""
        self._stopping = True
        self._following.stop()
        self._loading.end()  # or a reload that waits for a model would be waited for
        async with held(self._changing):
            self.log.info("draining {connections} connections", connections=len(self._connections))
            ports = [self._ports.popitem()[1] for _ in list(self._ports)]
            if self._control_port is not None:
                ports.append(self._control_port[1])
            await DeferredList([self._closed(port) for port in ports])
            await DeferredList([self._connections.drain(_DRAIN_S), self._control.drain(_DRAIN_S)])
            if self._ticking.running:
                self._ticking.stop()
            await self._loading.stop()
            await self._take_last()
            async with held(self._building):
                self._registry.close()
            for executor in (self._loader, self._syncer, self._executor):
                executor.shutdown()
            self.log.info("stopped")

    def _closed(self, port: IListeningPort) -> Deferred[object]:
        """Close a port; fires when it is, or when it should have been.

        Twisted never comes to the end of that where somebody has removed the file of a UNIX socket.
        """
        closing: Deferred[object] = maybeDeferred(port.stopListening)
        closing.addTimeout(_CLOSE_S, self._reactor)
        return closing.addErrback(lambda failure: self.log.debug("{failure}", failure=failure))

    async def _take_last(self) -> None:
        """Have all models take a last snapshot, and give up what is under way with them."""
        why, durables = "the daemon is stopping", list(self._registry.durables())
        for durable in durables:
            self._switching.leave(durable, why)
        await self._snapshotting.take_last(durables, why)

    def _settled(self) -> None:
        self._following.tell()

    def _tick(self) -> None:
        try:
            self._registry.tick()
            self._snapshotting.take_due(self._registry.durables(), self._reactor.seconds())
        except Exception:
            self.log.failure("a fault of vwserve while it saw to its models")

    def _around(self, name: str) -> Surroundings:
        """What a model works with; what it reports goes to the log under its name."""
        return Surroundings(
            self._unix_time,
            self._executor,
            partial(self._report, name),
            owe=self._commit.owe,
            timer=self._reactor.seconds,
            sync_executor=self._syncer,
        )

    def _report(self, name: str, text: str) -> None:
        self.log.warn("{model}: {text}", model=name, text=text)

    def _exports(self, name: str) -> Path:
        return self._state / name / "exports"

    async def _open_control(self) -> list[Problem]:
        """Have the control endpoint open that is configured, and no other."""
        wanted = self._settings.control
        if self._control_port is not None:
            endpoint, port = self._control_port
            if endpoint == wanted:
                return []
            self._control_port = None
            self.log.info("closing {endpoint}", endpoint=endpoint)
            await self._closed(port)
        if wanted is None:
            return []
        opened = await self._opened(wanted, self._control)
        if isinstance(opened, str):
            return [Problem(Place(self._settings.file), "control", opened)]
        self._control_port = wanted, opened
        return []

    async def _open(self, listen: Listen) -> Problem | None:
        listener = Listener(listen, self._models, self._connections)
        opened = await self._opened(listen.endpoint, listener)
        if isinstance(opened, str):
            return Problem(listen.place, "listen", opened)
        self._listeners[listen.endpoint] = listener
        self._ports[listen.endpoint] = opened
        return None

    async def _opened(self, endpoint: str, factory: IProtocolFactory) -> IListeningPort | str:
        """The open port of an endpoint; in words, why it cannot be opened."""
        try:
            if (path := socket_path(endpoint)) is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                make_way(path)
            port: IListeningPort = await serverFromString(self._reactor, for_opening(endpoint)).listen(factory)
        except Exception as error:  # whatever a kind of endpoint raises: the user sees which one and why
            self.log.debug("{failure}", failure=Failure())
            return f"cannot open {endpoint}: {error}"
        self.log.info("listening on {endpoint}", endpoint=endpoint)
        return port


def _without_model(listen: Listen) -> Problem:
    if listen.model:
        text = f"no model is called {listen.model!r}; until one is, plain lines there are answered by an error"
        return Problem(listen.place, "model", text)
    text = f"{listen.endpoint} has no model of its own, and there is not just one; lines there need an address"
    return Problem(listen.place, "listen", text)


def _allow_descriptors(wanted: int) -> None:
    """Raise this process's limit of open files as far as the system lets it, where `wanted` asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        enough = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
