"""Which files of a folder are finished, and when something finished has changed: a state machine without a clock.

Half a YAML file is often a valid one, with half of the options. So a file must not be read while somebody writes it,
and nothing in the file says whether somebody does. Two things tell. The events of inotify: a file that was made or
written to is unfinished until its writer closes it, one that was renamed into its place is finished (so rsync, editors
and everybody careful do it). And looks: a change that no event told of, since it came over the network, with a mount,
while events were lost or where there is no inotify, counts once a second look finds the same.

A name may come without an event that would say that it is finished. A link is. A file that is made by link(2) is, too:
it has other names, or has bytes although nobody was heard to write any. Of a file that is renamed into the folder while
its writer has it open nobody can tell until more is written; then it is unfinished again, and is told of once more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vwserve.daemon.inotify import (
    CLOSE_WRITE,
    CREATE,
    DELETE,
    DELETE_SELF,
    IS_DIRECTORY,
    MODIFY,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
)
from vwserve.daemon.look import File

_SAME_S = 1.5  # between two looks, for what they find alike to count as finished
_ABANDONED_S = 10.0  # without a change, after which a file counts as finished although nobody closed it


@dataclass(slots=True)
class _Writer:
    last_s: float
    wrote: bool = False  # and did not just make the file


class Settling:
    """What is known of the files of a folder that looked like this at first; all of those are finished.

    `trusted` is whether events told of the last change that a look found; where they do not (some file systems take
    watches and never say a word), looks must be frequent. `waiting` is whether a file was unfinished at the last look.
    """

    def __init__(self, files: Mapping[str, File]) -> None:
        self.trusted = False
        self.waiting = False
        self._seen = files
        self._told = dict(files)  # as they were when last told of
        self._writers: dict[str, _Writer] = {}
        self._moving: tuple[int, _Writer] | None = None  # the first half of a rename
        self._unsure: dict[str, float] = {}  # by name, since when it looks as it does
        self._written: set[str] = set()  # since last told of; a coarse file system may show no difference
        self._heard: dict[str, int] = {}  # all events of a path since the last look
        self._heard_before: dict[str, int] = {}  # and since the one before it, up to that
        self._lost = False

    def hear(self, path: str, mask: int, cookie: int, now_s: float) -> bool:
        """An event of inotify about what is at a path; returns whether to look what came of it."""
        self._heard[path] = self._heard.get(path, 0) | mask
        if mask & IS_DIRECTORY:
            return True
        if mask & (CREATE | MODIFY | MOVED_TO):
            self._written.add(path)
        if mask & MODIFY:
            known = path in self._writers
            self._writers[path] = _Writer(now_s, wrote=True)
            return not known
        if mask & CREATE:
            self._writers[path] = _Writer(now_s)
        elif mask & (CLOSE_WRITE | DELETE):
            self._writers.pop(path, None)
        elif mask & MOVED_FROM:
            writer = self._writers.pop(path, None)
            if writer is not None:
                self._moving = cookie, writer
        elif mask & MOVED_TO:
            self._writers.pop(path, None)
            if self._moving is not None and self._moving[0] == cookie:
                self._writers[path] = self._moving[1]
        return True

    def lose(self, now_s: float) -> None:
        """Events were lost: whoever was writing may have closed the file, and what changed may not be finished."""
        self._unsure |= {name: now_s for name in self._seen if self.unfinished(name)}
        self._writers.clear()
        self._moving = None
        self._heard, self._heard_before = {}, {}
        self._lost = True

    def judge(self, files: Mapping[str, File], hearing: bool, now_s: float) -> bool:
        """Take in a look, and all events up to it; returns whether anything finished has changed.

        `hearing` is whether inotify watches all that it should.
        """
        self._compare(files, hearing and not self._lost, now_s)
        self._lost = False
        self._dismiss(files, now_s)
        self._seen = files
        # An event of what comes after the look may be heard before it is judged, and explains what the next one finds.
        self._heard_before, self._heard = self._heard, {}
        return self._tell()

    def unfinished(self, name: str) -> bool:
        """Whether somebody is writing the file of this name, as far as it is known."""
        if name in self._unsure:
            return True
        if not self._writers:
            return False
        if _own(self._seen, name) in self._writers:
            return True
        file = self._seen.get(name)
        return file is not None and file.path in self._writers

    def _compare(self, files: Mapping[str, File], told: bool, now_s: float) -> None:
        explained = []
        for name in {**self._seen, **files, **self._unsure}:
            before, after = self._seen.get(name), files.get(name)
            if before != after:
                for file in (before, after):
                    if file is not None and file.path in self._writers:
                        self._writers[file.path].last_s = now_s
                explained.append(told and self._explained(name, before, after))
                if explained[-1]:
                    self._unsure.pop(name, None)
                else:
                    self._unsure[name] = now_s
            elif name in self._unsure:
                finished = told and after is not None and self._events(after.path) & (CLOSE_WRITE | MOVED_TO)
                if finished or now_s - self._unsure[name] >= _SAME_S:
                    del self._unsure[name]
        if told and explained:
            # Of a link that leads elsewhere no event need be of that name; but then there was one of another.
            self.trusted = all(explained) and bool(self._heard or self._heard_before)

    def _explained(self, name: str, before: File | None, after: File | None) -> bool:
        """Whether events told what became of a file."""
        paths = {_own(self._seen, name), *(file.path for file in (before, after) if file is not None)}
        if any(self._events(path) for path in paths):
            return True
        if before is not None and after is not None and before.path != after.path:
            return True  # whoever has a name lead elsewhere has finished what it leads to
        gone = after is None or after.status is None
        return any(self._moved(folder, gone) for path in paths for folder in _above(path))

    def _events(self, path: str) -> int:
        return self._heard.get(path, 0) | self._heard_before.get(path, 0)

    def _moved(self, folder: str, gone: bool) -> bool:
        """Whether a folder went, or else came, with all that is in it; one that was made is filled only then."""
        events = self._events(folder)
        if gone:
            return events & (DELETE | DELETE_SELF | MOVED_FROM | MOVE_SELF) != 0
        return events & MOVED_TO != 0 and events & CREATE == 0

    def _dismiss(self, files: Mapping[str, File], now_s: float) -> None:
        """Forget writers that never were and those that are gone without a word."""
        if not self._writers:
            return
        for name, file in files.items():
            own = _own(files, name)
            if file.path != own or file.status is None:
                self._writers.pop(own, None)  # a link
            writer = self._writers.get(file.path)
            if writer is None or writer.wrote or file.status is None:
                continue
            if file.status.size_bytes > 0 or file.links > 1:
                del self._writers[file.path]
        # Where nothing leads to any more nobody is heard to close a file.
        heard = {os.path.dirname(file.path) for file in files.values()} | {files[""].path}
        self._writers = {
            path: writer
            for path, writer in self._writers.items()
            if now_s - writer.last_s < _ABANDONED_S and os.path.dirname(path) in heard
        }

    def _tell(self) -> bool:
        changed = self.waiting = False
        written = set()
        for name in {**self._told, **self._seen}:
            file = self._seen.get(name)
            path = self._told[name].path if file is None else file.path
            if self.unfinished(name):
                self.waiting = True
                written |= {path} & self._written
                continue
            if file != self._told.get(name) or path in self._written:
                changed = True
                if file is None:
                    del self._told[name]
                else:
                    self._told[name] = file
        self._written = written
        return changed


def _own(files: Mapping[str, File], name: str) -> str:
    """Where the name itself stands."""
    folder = files[""].path
    return os.path.join(folder, name) if name else folder


def _above(path: str) -> Iterator[str]:
    """The folders that a path lies in."""
    while (folder := os.path.dirname(path)) != path:
        yield folder
        path = folder
