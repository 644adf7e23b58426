"""The composition root: what a configuration describes, built, started, reloaded and stopped."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.logger import Logger
from vwserve.daemon.settings import Listen, read_settings
from vwserve.model.drop import read_drops

from vwserve.daemon.listener import Connections, Listener
from vwserve.daemon.served import ServedModels
from vwserve.errors import ConfigurationError, Problem
from vwserve.model.registry import Registry

_DRAIN_S = 10.0
_SPARE_DESCRIPTORS = 256  # for models, logs and listeners beside the connections


class Daemon(Service):
    """The daemon that `configuration` describes, on `reactor`.

    Raises ConfigurationError where its settings are wrong. A model that cannot be served is the log's, not an error:
    the others are served.
    """

    log = Logger()

    def __init__(self, reactor: object, configuration: Path) -> None:
        self._reactor = reactor
        self._configuration = configuration
        self._settings = settings = read_settings(configuration)
        self._registry = Registry(settings.limits, settings.state)
        self._models = ServedModels(self._registry)
        self._connections = Connections(cast(IReactorTime, reactor), settings.limits)
        self._ports: dict[Listen, IListeningPort] = {}

    def load(self) -> list[Problem]:
        """Load the models, telling what is wrong with those that cannot be served."""
        drops, problems = read_drops(self._settings.models)
        problems += self._registry.apply(drops)
        for key in self._settings.without_effect:
            self.log.warn("{file}: {key} has no effect in this release", file=self._configuration, key=key)
        for drop in drops:
            for key in drop.without_effect:
                self.log.warn("{file}: {key} has no effect in this release", file=drop.path, key=key)
        for problem in problems:
            self.log.error("{problem}", problem=problem)
        self.log.info("serving {models}", models=" ".join(self._registry.names()) or "no model")
        return problems

    def listen(self) -> Deferred[None]:
        """Open the listeners; fails with ConfigurationError where one cannot be opened."""
        _allow_descriptors(self._settings.limits.connections + _SPARE_DESCRIPTORS)
        self._connections.start()
        opened = DeferredList([self._open(listen) for listen in self._settings.listen], consumeErrors=True)
        return opened.addCallback(self._raise_unopened)

    @property
    def addresses(self) -> Sequence[str]:
        """The endpoints that are open, as the configuration writes them."""
        return [listen.endpoint for listen in self._ports]

    def reload(self) -> None:
        """Read the configuration again: models that changed are replaced, listeners opened and closed.

        Where the settings are wrong, everything stays as it is.
        """
        try:
            self._settings = read_settings(self._configuration)
        except ConfigurationError as error:
            for problem in error.problems:
                self.log.error("{problem}", problem=problem)
            self.log.error("nothing was reloaded")
            return
        self.load()
        wanted = set(self._settings.listen)
        for listen in self._ports.keys() - wanted:
            self.log.info("closing {endpoint}", endpoint=listen.endpoint)
            self._ports.pop(listen).stopListening()
        for listen in self._settings.listen:
            if listen not in self._ports:
                self._open(listen).addErrback(lambda failure: self.log.error("{error}", error=failure.value))

    def stopService(self) -> Deferred[None]:
        """Accept no more, answer what was accepted, free the models."""
        super().stopService()
        self.log.info("draining {connections} connections", connections=len(self._connections))
        closing = DeferredList([maybeDeferred(port.stopListening) for port in self._ports.values()])
        self._ports.clear()
        drained = closing.addCallback(lambda _: self._connections.drain(_DRAIN_S))
        return drained.addCallback(lambda _: self._registry.close())

    def _open(self, listen: Listen) -> Deferred[None]:
        listener = Listener(listen, self._models, self._connections, self._settings.limits)

        def opened(port: IListeningPort) -> None:
            self._ports[listen] = port
            self.log.info("listening on {endpoint}", endpoint=listen.endpoint)

        def failed(failure: object) -> None:
            error = getattr(failure, "value", failure)
            problem = Problem(listen.place, "listen", f"cannot open {listen.endpoint}: {error}")
            raise ConfigurationError([problem])

        port = maybeDeferred(lambda: serverFromString(self._reactor, listen.endpoint).listen(listener))
        return port.addCallbacks(opened, failed)

    @staticmethod
    def _raise_unopened(results: list[tuple[bool, object]]) -> None:
        failures = [getattr(result, "value", result) for opened, result in results if not opened]
        problems = [
            problem for error in failures if isinstance(error, ConfigurationError) for problem in error.problems
        ]
        if problems:
            raise ConfigurationError(problems)


def _allow_descriptors(wanted: int) -> None:
    """Raise this process's limit of open files as far as the system lets it, where `wanted` asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        enough = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
