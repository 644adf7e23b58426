"""One look at a folder: its files, where their links lead, and what has to be watched to hear when that changes.

A file that a folder shows may live elsewhere. `models.d/ctr.yaml` may be a link to `..data/ctr.yaml`, `..data` a link
to the folder of today's version (so Kubernetes swaps all files of a config map at once), and `models.d` itself a link
to a release. So a path is followed step by step, and what stands at each step is watched as itself: a link or a folder
on the way says only that it was moved or removed, which costs nothing however busy the folder is that it lies in. Only
where a file lies, or is to appear, is a folder watched for what happens in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from vwserve.daemon.inotify import (
    ATTRIB,
    CLOSE_WRITE,
    CREATE,
    DELETE,
    DELETE_SELF,
    EXCLUDE_UNLINKED,
    MODIFY,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
)

# Somebody who writes to a file that was unlinked is not writing the one that took its name.
_NAMES = CREATE | DELETE | MOVED_FROM | MOVED_TO | EXCLUDE_UNLINKED
_GONE = DELETE_SELF | MOVE_SELF
_FOLDER = _NAMES | MODIFY | CLOSE_WRITE | ATTRIB | _GONE
_FILE = MODIFY | CLOSE_WRITE | ATTRIB | _GONE
_LINK = ATTRIB | _GONE

_MOST_LINKS = 40  # as the kernel has it: MAXSYMLINKS


class Status(NamedTuple):
    """What changes when a file does, or whether it can be read; of what is no regular file, the kind."""

    device: int
    inode: int
    mode: int
    owner: int
    group: int
    size_bytes: int = 0
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """Where a name leads (`path`, free of links) and what is there, if anything is; `links` are its names."""

    path: str
    status: Status | None
    links: int = field(default=1, compare=False)


class Wanted(NamedTuple):
    """What is to be watched at a path without links, and for which events of inotify."""

    device: int
    inode: int
    mask: int


@dataclass(frozen=True, slots=True)
class Look:
    """A folder at one moment.

    `files` by name; the folder itself goes by the empty name, and leads to nothing where it cannot be read. `steps` are
    all paths on the way to them, also those where nothing is. `wanted` is by path what to watch.
    """

    files: dict[str, File]
    steps: frozenset[str]
    wanted: dict[str, Wanted]


def counts(name: str) -> bool:
    """Whether a file of that name is for us, and none that is hidden or that an editor leaves behind."""
    return not name.startswith((".", "#")) and not name.endswith("~")


def look(folder: str) -> Look:
    """What a folder, by its absolute path, holds; what cannot be read is not there. Waits for the disk."""
    trail = _Trail()
    root = trail.follow(folder)
    files = {}
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if counts(entry.name) and trail.lstat(entry.path) is not None:
                    files[entry.name] = _file(trail, root, entry.name)
        files[""] = File(root, trail.status(root))
    except OSError:
        files = {"": File(root, None)}
    ends = frozenset(file.path for file in files.values())
    return Look(files, frozenset(trail.found), trail.wanted(root, ends))


def _file(trail: _Trail, root: str, name: str) -> File:
    end = trail.follow(name, root)
    found = trail.found.get(end)
    return File(end, trail.status(end), 1 if found is None else found.st_nlink)


class _Trail:
    """Follows paths; each place is looked at once, for all paths that lead through it."""

    def __init__(self) -> None:
        self.found: dict[str, os.stat_result | None] = {"/": os.lstat("/")}

    def lstat(self, path: str) -> os.stat_result | None:
        """What stands at a path; None where nothing can be seen."""
        if path not in self.found:
            try:
                self.found[path] = os.lstat(path)
            except OSError:
                self.found[path] = None
        return self.found[path]

    def status(self, path: str) -> Status | None:
        """What stands at the end of a path that was followed."""
        found = self.found.get(path)
        return None if found is None or stat.S_ISLNK(found.st_mode) else _status(found)

    def follow(self, path: str, at: str = "/") -> str:
        """Where a path leads from a folder, both free of links then; also where nothing is there."""
        ahead = path.split("/")[::-1]
        links = 0
        while ahead:
            part = ahead.pop()
            if part == "..":
                at = os.path.dirname(at)
            elif part not in {"", "."}:
                step = os.path.join(at, part)
                found = self.lstat(step)
                if found is None:
                    return os.path.join(step, *reversed(ahead))
                if not stat.S_ISLNK(found.st_mode):
                    at = step
                    continue
                links += 1
                target = _target(step) if links <= _MOST_LINKS else None
                if target is None:
                    return os.path.join(step, *reversed(ahead))
                at = "/" if target.startswith("/") else at
                ahead += target.split("/")[::-1]
        return at

    def wanted(self, root: str, ends: frozenset[str]) -> dict[str, Wanted]:
        """What to watch where the folder is at `root`, and its names lead to `ends`."""
        masks: dict[str, int] = {}
        for path, mask in self._masks(root, ends):
            masks[path] = masks.get(path, 0) | mask
        there = ((path, found, mask) for path, mask in masks.items() if (found := self.found.get(path)) is not None)
        return {path: Wanted(found.st_dev, found.st_ino, mask) for path, found, mask in there}

    def _masks(self, root: str, ends: frozenset[str]) -> Iterator[tuple[str, int]]:
        yield root, _FOLDER
        # A removed folder that is somebody's working directory says so only when they leave it.
        yield os.path.dirname(root), _NAMES
        for path, found in self.found.items():
            folder = os.path.dirname(path)
            if found is None:
                yield folder, _FOLDER if path in ends else _NAMES
            elif stat.S_ISREG(found.st_mode):
                yield folder, _FOLDER
                # A folder hears of what is written by the name that it has there, not by others.
                if found.st_nlink > 1:
                    yield path, _FILE
            elif folder != root:
                yield path, _LINK if stat.S_ISLNK(found.st_mode) else _GONE


def _status(found: os.stat_result) -> Status:
    kind = Status(found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid)
    if not stat.S_ISREG(found.st_mode):
        return kind
    return kind._replace(size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)


def _target(link: str) -> str | None:
    try:
        return os.readlink(link)
    except OSError:
        return None
