"""Follows the folder of drops: reads it when it changes, has what it describes served, and tells the log what is wrong.

Nothing waits for a model that takes long to load: what changes in the folder meanwhile is read, and what it says of
other models is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from vwserve.daemon.apart import apart, held
from vwserve.daemon.folder import FolderWatch
from vwserve.daemon.loading import Loading
from vwserve.daemon.registry import Registry
from vwserve.errors import Problem
from vwserve.model.drop import ModelDrop
from vwserve.model.drop_folder import DropFolder
from vwserve.transforms.plugins import PluginFinder, Plugins


class Following:
    """Has a registry's models be what the drops in `folder` describe, with the transforms of a folder of `plugins`.

    Threads of `executor` read the files.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        executor: Executor,
        loading: Loading,
        registry: Registry,
        folder: Path,
        plugins: Path | None,
    ) -> None:
        self._reactor = reactor
        self._executor = executor
        self._loading = loading
        self._registry = registry
        self._folder = folder
        self._plugin_folder = plugins
        self._plugins = PluginFinder()
        self._drops = DropFolder()
        self._watch = FolderWatch(reactor, folder, self._changed, executor)
        self._reading = DeferredLock()
        self._behind = self._catching_up = self._stopping = False
        self._unread: Sequence[Problem] = ()
        self._together: Sequence[Problem] = ()
        self._read: Sequence[ModelDrop] = ()
        self._told: set[str] = set()
        self._names: Sequence[str] | None = None

    def follow(self, folder: Path, plugins: Path | None) -> None:
        """Read other folders from now on."""
        self._folder, self._plugin_folder = folder, plugins
        self._watch.follow(folder)

    async def read(self) -> list[str]:
        """Have all that the folder describes served, also what has failed before, and what changes from now on.

        Returns what is wrong, which the log has, too. Ends once all is as far as it comes; see `Loading.apply`.
        """
        self._watch.start()
        self._loading.forget_failures()
        await (await self._begin())
        return self._arrived()

    def stop(self) -> None:
        """Follow the folder no more."""
        self._stopping = True
        self._watch.stop()

    async def plugins(self) -> Plugins:
        """The transforms that there are."""
        async with held(self._reading):
            return await apart(self._reactor, self._executor, lambda: self._plugins.find(self._plugin_folder))

    def tell(self) -> list[str]:
        """Tell the log what is wrong, as far as it was not told; returns all of it."""
        remarks = list(self._remarks(self._read))
        found = [
            *self._unread,
            *(problem for each in self._registry.failed for problem in each.problems),
            *self._together,
        ]
        wrong = {str(problem): None for problem in found}
        self._say(remarks, self.log.warn)
        self._say(wrong, self.log.error)
        self._told = {*wrong, *remarks}
        return list(wrong)

    def _arrived(self) -> list[str]:
        if (names := self._registry.names()) != self._names:
            self._names = names
            self.log.info("serving {models}", models=" ".join(names) or "no model")
        self._together = self._registry.traffic.problems  # while models are loaded, those that are to come are missed
        return self.tell()

    def _say(self, texts: Iterable[str], log: Callable[..., None]) -> None:
        for text in texts:
            if text not in self._told:
                log("{text}", text=text)

    def _remarks(self, drops: Iterable[ModelDrop]) -> Iterator[str]:
        for drop in drops:
            yield from (f"{drop.path}: {key} has no effect in this release" for key in drop.without_effect)
            yield from (f"{drop.path}: {key} has no effect on a static model" for key in drop.idle)
            served = self._registry.served(drop.name)
            yield from (f"{drop.path}: {remark}" for remark in (served.servable.remarks if served is not None else ()))

    async def _begin(self) -> Deferred[None]:
        """Read the folder, and have loaded what it describes; returns what fires at the end of that."""
        async with held(self._reading):
            plugins, drops, problems = await apart(self._reactor, self._executor, self._look)
            # Asked after the files were read: what somebody writes by now may have been read half.
            unfinished = {drop.path for drop in drops if self._watch.unfinished(drop.path)}
            unfinished |= {problem.place.file for problem in problems if self._watch.unfinished(problem.place.file)}
            problems = [problem for problem in problems if problem.place.file not in unfinished]
            self._read = [drop for drop in drops if drop.path not in unfinished]
            self._unread = [*plugins.problems, *problems]
            return self._loading.apply(self._read, problems, unfinished)

    def _look(self) -> tuple[Plugins, list[ModelDrop], list[Problem]]:
        """In a thread."""
        plugins = self._plugins.find(self._plugin_folder)
        return plugins, *self._drops.read(self._folder, plugins.kinds)

    def _changed(self) -> None:
        """Something in the folder has."""
        self._behind = True
        if not self._catching_up:
            self._catching_up = True
            Deferred.fromCoroutine(self._catch_up()).addErrback(
                lambda failure: self.log.failure("a fault of vwserve while it followed its drops", failure)
            )

    async def _catch_up(self) -> None:
        try:
            while self._behind and not self._stopping:
                self._behind = False
                done = await self._begin()
                done.addCallback(lambda _: self._arrived())
        finally:
            self._catching_up = False
