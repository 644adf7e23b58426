"""A folder that is watched, on real files and real inotify, with a clock that the test moves."""

import os
import select
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import Clock

from vwserve.daemon.folder import FolderWatch
from vwserve.daemon.inotify import Inotify
from vwserve.daemon.look import counts


class HandMoved(Clock):
    """A reactor that reads what is there to be read whenever its time is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[IReadDescriptor] = []

    def addReader(self, reader: IReadDescriptor) -> None:
        """As the reactor has it."""
        self.readers.append(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """As the reactor has it."""
        self.readers.remove(reader)

    def callFromThread(self, function: Callable[..., object], *arguments: object) -> None:
        """Call it in the next turn."""
        self.callLater(0, function, *arguments)

    def read(self) -> None:
        """Have all readers read all there is."""
        while ready := [each for each in self.readers if select.select([each], [], [], 0)[0]]:
            for each in ready:
                each.doRead()

    def wait(self, duration_s: float) -> None:
        """Let time pass."""
        self.read()
        for _ in range(round(duration_s / 0.01)):
            self.advance(0.01)
            self.read()


class AtOnce(Executor):
    """Does work when it is asked to."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Watched:
    """A folder that is watched, and a reader as careful as the daemon.

    `texts` is what it has read of the files of the folder; `calls` when it was told to.
    """

    def __init__(self, folder: Path, inotify: Callable[[], Inotify] = Inotify) -> None:
        self.folder = folder
        self.reactor = HandMoved()
        self.calls: list[float] = []
        self.texts: dict[str, str] = {}
        self.watch = FolderWatch(self.reactor, folder, self._changed, AtOnce(), inotify)

    def start(self) -> "Watched":
        """Watch, and read for the first time."""
        self.watch.start()
        self._read()
        return self

    def _changed(self) -> None:
        self.calls.append(self.reactor.seconds())
        self._read()

    def _read(self) -> None:
        if not self.folder.is_dir():
            return  # as the daemon does, which keeps what it has
        files = {file.name: file for file in self.folder.iterdir() if counts(file.name)}
        self.texts = {name: text for name, text in self.texts.items() if name in files}
        for name, file in files.items():
            if not self.watch.unfinished(file):
                text = file.read_text() if file.exists() else "nothing"
                if not self.watch.unfinished(file):
                    self.texts[name] = text

    def wait(self, duration_s: float = 0.3) -> int:
        """Let time pass, by default as long as it takes to be told of what is heard; how often it was."""
        before = len(self.calls)
        self.reactor.wait(duration_s)
        return len(self.calls) - before

    def actual(self) -> dict[str, str]:
        """What the files really hold."""
        return {
            name: (self.folder / name).read_text() if (self.folder / name).exists() else "nothing"
            for name in os.listdir(self.folder)
            if counts(name)
        }
