"""Watches a folder of files that people and programs drop, and says when to read it again.

Events of inotify say when to look, and looks say what came of it (look.py, settling.py); so an event too many is a look
in vain, and an event that nobody sent is made up for by the next slow look. Looks wait for the disk, or for a file
server that is gone, in another thread.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from vwserve.daemon.apart import apart
from vwserve.daemon.inotify import (
    CLOSE_WRITE,
    CREATE,
    DELETE,
    DELETE_SELF,
    DONT_FOLLOW,
    IGNORED,
    MASK_ADD,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
    OVERFLOW,
    Event,
    Inotify,
)
from vwserve.daemon.look import Look, Wanted, look
from vwserve.daemon.settling import Settling

_QUIET_S = 0.05  # without an event, after which a look is worth it: an editor's save is several
_LATEST_S = 0.5  # after an event, even where there is always another
_APART_S = 0.25  # between two calls
_LOOK_S = 2.0  # between looks where events do not tell all, or a file is unfinished
_SAFETY_S = 10.0  # between looks otherwise
_MOST_READS = 64  # in a row; a queue of the usual 16,384 events is a dozen
_MOST_LOOKS = 4  # in a row, each for what the one before it had watched
# What stands at the path now, if anything does, is not what was watched there.
_ELSE = CREATE | DELETE | DELETE_SELF | IGNORED | MOVE_SELF | MOVED_FROM | MOVED_TO
_LIMITS = {
    errno.EMFILE: "the limit of inotify instances (sysctl fs.inotify.max_user_instances) or of open files is reached",
    errno.ENOSPC: "the limit of inotify watches (sysctl fs.inotify.max_user_watches) is reached",
}


class FolderWatch:
    """Calls `changed` once something in a folder has changed and is finished; never more often than every 0.25 s.

    From `start` on, which is to come before the folder is read for the first time: nothing that changes is missed, and
    what is there counts as finished. What changes while others are being written is told of without waiting for those;
    whoever reads leaves out what is `unfinished`, and is told of it later.

    A file is told of 50 ms after it was closed or renamed into place. Where events do not tell, it is 2 to 4 s after
    the last change; a file that its writer never closes is told of after 10 s without any. What nobody reads (hidden
    files, what editors leave behind) is not told of, and all other files are, whatever they are called.

    All methods are for the reactor's thread. `inotify` makes what tells of events, and raises OSError where it cannot.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        folder: Path,
        changed: Callable[[], None],
        executor: Executor,
        inotify: Callable[[], Inotify] = Inotify,
    ) -> None:
        self._reactor = reactor
        self._folder = os.path.abspath(folder)
        self._changed = changed
        self._executor = executor
        self._make_inotify = inotify
        self._run: _Run | None = None

    def start(self) -> None:
        """Watch from now on. Takes the first look itself, so that it has seen the folder when it returns."""
        if self._run is None:
            self._run = _Run(self._reactor, self._folder, self._changed, self._executor, self._make_inotify)

    def stop(self) -> None:
        """Watch no more; `changed` is not called again."""
        if self._run is not None:
            self._run.end()
            self._run = None

    def follow(self, folder: Path) -> None:
        """Watch another folder from now on; as with `start`, it is to be read for the first time after that."""
        if os.path.abspath(folder) != self._folder:
            running = self._run is not None
            self.stop()
            self._folder = os.path.abspath(folder)
            if running:
                self.start()

    def unfinished(self, file: Path) -> bool:
        """Whether somebody is writing this file of the folder as of now, so that its content means nothing.

        Asked after the file was read, it tells whether what was read can be trusted.
        """
        folder, name = os.path.split(os.path.abspath(file))
        return self._run is not None and folder == self._folder and self._run.unfinished(name)


class _Run:
    """A watch of one folder, from start to end."""

    log = FolderWatch.log

    def __init__(
        self,
        reactor: Any,
        folder: str,
        changed: Callable[[], None],
        executor: Executor,
        make_inotify: Callable[[], Inotify],
    ) -> None:
        self._reactor = reactor
        self._folder = folder
        self._changed = changed
        self._executor = executor
        self._make_inotify = make_inotify
        self._ear: _Ear | None = None
        self._watches: dict[str, tuple[int, Wanted]] = {}  # by path, its number first
        self._paths: dict[int, set[str]] = {}  # by its number; hard links share a watch
        self._deaf = True  # to something that it should hear
        self._complaint: str | None = None
        self._settle: Any = None  # the delayed call of a look that events asked for
        self._poll: Any = None  # the delayed call of a look for its own sake
        self._looking = False
        self._again = False
        self._ended = False
        self._first_s = self._last_s = 0.0  # the events that a look is due for
        self._called_s = -_APART_S
        for _ in range(_MOST_LOOKS):
            self._found = look(folder)
            if not self._rewatch(self._found):
                break
        self._settling = Settling(self._found.files)
        self._wait()

    def end(self) -> None:
        """Have nothing to do with the reactor any more."""
        self._ended = True
        for call in (self._settle, self._poll):
            if call is not None and call.active():
                call.cancel()
        if self._ear is not None:
            self._ear.stop()

    def unfinished(self, name: str) -> bool:
        """Whether the file of this name is."""
        self._hear()
        return self._settling.unfinished(name)

    def _hear(self, most_reads: int = _MOST_READS) -> None:
        """Take in all events that there are, or those of so many reads."""
        if self._ear is None:
            return
        for _ in range(most_reads):
            events = self._ear.inotify.read()
            if not events:
                return
            now_s = self._reactor.seconds()
            if any([self._take(event, now_s) for event in events]):
                self._stir(now_s)

    def _take(self, event: Event, now_s: float) -> bool:
        """Take in one event; returns whether to look."""
        if event.mask & OVERFLOW:
            self._settling.lose(now_s)
            return True
        worth = False
        root = self._found.files[""].path
        for at in list(self._paths.get(event.watch, ())):
            path = os.path.join(at, event.name) if event.name else at
            # Other folders than ours are watched for some of their names only.
            if event.name and at != root and path not in self._found.steps:
                continue
            worth |= self._settling.hear(path, event.mask, event.cookie, now_s)
            if event.mask & _ELSE and path in self._watches:
                self._unwatch(path)
        return worth

    def _stir(self, now_s: float) -> None:
        """Look soon."""
        self._last_s = now_s
        if self._settle is None:
            self._first_s = now_s
            self._settle = self._reactor.callLater(_QUIET_S, self._settled)

    def _settled(self) -> None:
        now_s = self._reactor.seconds()
        due_s = max(min(self._last_s + _QUIET_S, self._first_s + _LATEST_S), self._called_s + _APART_S)
        if due_s > now_s:
            self._settle = self._reactor.callLater(due_s - now_s, self._settled)
        else:
            self._settle = None
            self._look()

    def _look(self, looks: int = 1) -> None:
        if self._looking:
            self._again = True
            return
        if self._poll is not None and self._poll.active():
            self._poll.cancel()
        self._looking = True
        looked = apart(self._reactor, self._executor, partial(look, self._folder))
        looked.addCallback(self._looked, looks)
        looked.addErrback(self._failed)

    def _looked(self, found: Look, looks: int) -> None:
        if self._ended:
            return
        self._looking = False
        # What was written before the look is known to be written.
        self._hear()
        self._found = found
        if self._rewatch(found) and looks < _MOST_LOOKS:
            self._look(looks + 1)  # at what changed before it was watched
            return
        changed = self._settling.judge(found.files, not self._deaf, self._reactor.seconds())
        self._wait()
        if changed:
            self._called_s = self._reactor.seconds()
            self._changed()

    def _failed(self, failure: Failure) -> None:
        self.log.failure("a fault of vwserve while it looked at {folder}", failure, folder=self._folder)
        if not self._ended:
            self._looking = False
            self._wait()

    def _wait(self) -> None:
        """For the next look."""
        often = self._deaf or self._settling.waiting or not self._settling.trusted
        if self._poll is None or not self._poll.active():
            self._poll = self._reactor.callLater(_LOOK_S if often else _SAFETY_S, self._look)
        if self._again:
            self._again = False
            self._stir(self._reactor.seconds())

    def _rewatch(self, found: Look) -> bool:
        """Watch what is to be watched, and nothing else; returns whether there was anything new."""
        complaint = None
        new = False
        try:
            if self._ear is None:
                self._ear = _Ear(self._reactor, self._make_inotify(), partial(self._hear, 1))
        except OSError as error:
            complaint = _told(error)
        else:
            for path in list(self._watches):
                _, before = self._watches[path]
                wanted = found.wanted.get(path)
                if wanted is None or wanted[:2] != before[:2]:
                    self._unwatch(path)
            for path, wanted in found.wanted.items():
                if path in self._watches and wanted.mask & ~self._watches[path][1].mask == 0:
                    continue
                try:
                    self._watch(self._ear.inotify, path, wanted)
                    new = True
                except (FileNotFoundError, NotADirectoryError):
                    new = True  # it has changed since the look
                except OSError as error:
                    # Of what lies on the way to a file a slow look is enough.
                    if wanted.mask & CLOSE_WRITE:
                        complaint = f"{path}: {_told(error)}"
        self._deaf = complaint is not None
        if complaint != self._complaint:
            self._complaint = complaint
            if complaint is not None:
                text = "{folder}: looking every {interval_s:g} s for what changes, since nothing tells: {complaint}"
                self.log.warn(text, folder=self._folder, interval_s=_LOOK_S, complaint=complaint)
            else:
                self.log.info("{folder}: being told again of what changes", folder=self._folder)
        return new

    def _watch(self, inotify: Inotify, path: str, wanted: Wanted) -> None:
        watch = inotify.add(path, wanted.mask | DONT_FOLLOW | MASK_ADD)
        if path in self._watches and self._watches[path][0] != watch:
            self._unwatch(path)  # something else stands there since the look
        self._watches[path] = watch, wanted
        self._paths.setdefault(watch, set()).add(path)

    def _unwatch(self, path: str) -> None:
        watch, _ = self._watches.pop(path)
        self._paths[watch].discard(path)
        if not self._paths[watch] and self._ear is not None:
            del self._paths[watch]
            self._ear.inotify.remove(watch)


@implementer(IReadDescriptor)
class _Ear:
    """Has the reactor call `hear` as long as there are events."""

    def __init__(self, reactor: Any, inotify: Inotify, hear: Callable[[], None]) -> None:
        self.inotify = inotify
        self._reactor = reactor
        self._hear = hear
        reactor.addReader(self)

    def fileno(self) -> int:
        """What the reactor waits for."""
        return self.inotify.fileno()

    def doRead(self) -> None:
        """There are events."""
        self._hear()

    def stop(self) -> None:
        """Hear no more."""
        self._reactor.removeReader(self)
        self.inotify.close()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has lost it, as it does with all at its end."""

    def logPrefix(self) -> str:
        """How it is called in Twisted's log."""
        return "folder"


def _told(error: OSError) -> str:
    return _LIMITS.get(error.errno or 0, error.strerror or str(error))
