"""The composition root: what a configuration describes, built, started, reloaded and stopped."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure

from vwserve.daemon.endpoints import for_opening, socket_folder
from vwserve.daemon.listener import Connections, Listener
from vwserve.daemon.served import ServedModels
from vwserve.daemon.settings import Listen, Settings
from vwserve.daemon.turn import Turn
from vwserve.errors import ConfigurationError, Problem
from vwserve.model.drop import read_drops
from vwserve.model.registry import Registry
from vwserve.transforms.plugins import PluginFinder

_DRAIN_S = 10.0
_SPARE_DESCRIPTORS = 256  # for models, logs and listeners beside the connections


class Daemon:
    """The daemon that the settings from `read` describe, on `reactor` (of no one type: it has many interfaces).

    `turn` is told by that reactor of its turns, if it does so. Raises ConfigurationError where the settings are wrong.
    A model that cannot be served is the log's, not an error: the others are served.
    """

    log = Logger()

    def __init__(self, reactor: Any, read: Callable[[], Settings], turn: Turn | None = None) -> None:
        self._reactor = reactor
        self._read = read
        self._settings = read()
        self._registry = Registry(self._settings.limits.bounds, self._settings.state)
        self._plugins = PluginFinder()
        self._models = ServedModels(self._registry)
        self._connections = Connections(reactor, self._settings.limits, turn)
        self._listeners: dict[str, Listener] = {}
        self._ports: dict[str, IListeningPort] = {}

    @property
    def addresses(self) -> Sequence[str]:
        """The endpoints that are open, as the configuration writes them."""
        return list(self._ports)

    def load(self) -> None:
        """Serve the models of the drops; what is wrong with one goes to the log."""
        plugins = self._plugins.find(self._settings.plugins)
        drops, problems = read_drops(self._settings.models, plugins.kinds)
        problems = [*plugins.problems, *problems, *self._registry.apply(drops, problems)]
        for key in self._settings.without_effect:
            self.log.warn("{key}: has no effect in this release", key=key)
        for drop in drops:
            for key in drop.without_effect:
                self.log.warn("{file}: {key} has no effect in this release", file=drop.path, key=key)
            for key in drop.idle:
                self.log.warn("{file}: {key} has no effect on a static model", file=drop.path, key=key)
            served = self._registry.get(drop.name)
            for remark in served.remarks if served is not None else ():
                self.log.warn("{file}: {remark}", file=drop.path, remark=remark)
        for problem in problems:
            self.log.error("{problem}", problem=problem)
        for listen in self._settings.listen:
            if self._models.get(listen.model or "") is None:
                self.log.warn("{problem}", problem=_without_model(listen))
        self.log.info("serving {models}", models=" ".join(self._registry.names()) or "no model")

    async def listen(self) -> None:
        """Open the listeners; raises ConfigurationError where one cannot be opened, and then leaves none open."""
        _allow_descriptors(self._settings.limits.connections + _SPARE_DESCRIPTORS)
        self._connections.start()
        problems = [problem for listen in self._settings.listen if (problem := await self._open(listen))]
        if problems:
            await self.stop()
            raise ConfigurationError(problems)

    async def reload(self) -> None:
        """Read the configuration again: changed models are replaced, listeners opened, changed and closed.

        Where the settings are wrong, everything stays as it is.
        """
        try:
            self._settings = self._read()
        except ConfigurationError as error:
            for problem in error.problems:
                self.log.error("{problem}", problem=problem)
            self.log.error("the configuration is wrong; nothing was reloaded")
            return
        self._connections.limit(self._settings.limits)
        self._registry.configure(self._settings.limits.bounds, self._settings.state)
        self.load()
        for endpoint in self._ports.keys() - {listen.endpoint for listen in self._settings.listen}:
            self.log.info("closing {endpoint}", endpoint=endpoint)
            self._listeners.pop(endpoint)
            await maybeDeferred(self._ports.pop(endpoint).stopListening)
        for listen in self._settings.listen:
            if listen.endpoint in self._listeners:
                self._listeners[listen.endpoint].configure(listen)
            elif failure := await self._open(listen):
                self.log.error("{problem}", problem=failure)

    async def stop(self) -> None:
        """Accept no more, answer what was accepted, free the models."""
        self.log.info("draining {connections} connections", connections=len(self._connections))
        ports = [self._ports.popitem()[1] for _ in list(self._ports)]
        closing: list[Deferred[object]] = [maybeDeferred(port.stopListening) for port in ports]
        await DeferredList(closing, consumeErrors=True)
        await self._connections.drain(_DRAIN_S)
        self._registry.close()
        self.log.info("stopped")

    async def _open(self, listen: Listen) -> Problem | None:
        listener = Listener(listen, self._models, self._connections)
        try:
            if (folder := socket_folder(listen.endpoint)) is not None:
                folder.mkdir(parents=True, exist_ok=True)
            port = await serverFromString(self._reactor, for_opening(listen.endpoint)).listen(listener)
        except Exception as error:  # whatever a kind of endpoint raises: the user sees which listener and why
            self.log.debug("{failure}", failure=Failure())
            return Problem(listen.place, "listen", f"cannot open {listen.endpoint}: {error}")
        self._listeners[listen.endpoint] = listener
        self._ports[listen.endpoint] = port
        self.log.info("listening on {endpoint}", endpoint=listen.endpoint)
        return None


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
