"""The registry as connections see it: with a model of their own where none is named, and with failures in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vwserve.daemon.apart import apart
from vwserve.daemon.exporting import export, export_copy, export_path
from vwserve.daemon.registry import Registry, Served
from vwserve.daemon.snapshotting import Snapshotting
from vwserve.daemon.splitting import Joint
from vwserve.durability.durable import Durable
from vwserve.errors import VwserveError
from vwserve.model.together import Together


class ServedModels:
    """What the line protocol asks of models, answered by a registry; `exports` is where copies of a model go."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        registry: Registry,
        snapshotting: Snapshotting,
        executor: Executor,
        exports: Callable[[str], Path],
    ) -> None:
        self._reactor = reactor
        self._registry = registry
        self._snapshotting = snapshotting
        self._executor = executor
        self._exports = exports
        self.get = registry.get  # asked once a read: a call less

    def together(self, names: Sequence[str], lines: Sequence[bytes]) -> Together | Joint:
        """The same lines for several models."""
        return self._registry.traffic.together(names, lines)

    def names(self) -> Sequence[str]:
        """The names of all models, in order."""
        return self._registry.names()

    def statistics(self, name: str) -> Mapping[str, object] | None:
        """What `!stats` tells of a model; None where there is none of this name."""
        return self._registry.statistics(name)

    def save(self, name: str, copy: str) -> None:
        """Take a snapshot of a model, and leave a copy of it among its exports unless `copy` is empty."""
        for model in self._registry.traffic.behind(name):
            self._save_model(model, copy)

    def _save_model(self, name: str, copy: str) -> None:
        served = self._registry.served(name)
        if served is None:
            self.log.error("{model}: not saved: no model is called so", model=name)
            return
        Deferred.fromCoroutine(self._save(served, copy)).addErrback(
            lambda failure: self.log.failure("a fault of vwserve while it saved a model", failure)
        )

    async def _save(self, served: Served, copy: str) -> None:
        name, durable = served.servable.name, served.durable
        try:
            path = export_path(self._exports(name), copy) if copy else None
            saved = path is not None
            if durable is not None:
                saved = await self._take(durable, path)
            elif path is not None:  # what does not learn is as it was, and needs no snapshot
                export(path, served.servable.save)
        except VwserveError as error:
            self.log.error("{model}: not saved: {error}", model=name, error=error)
        else:
            if saved:
                self.log.info("{model}: saved to {path}", model=name, path=path)

    async def _take(self, durable: Durable, path: Path | None) -> bool:
        """Whether it left a copy, and nobody else will."""
        taken = self._snapshotting.take_for_client(durable, path)
        if taken is None:
            return False
        snapshot = await taken
        if path is not None:
            with durable.pinning(snapshot.number):
                copying = partial(export_copy, path, durable.model_file(snapshot))
                await apart(self._reactor, self._executor, copying)
        return path is not None
