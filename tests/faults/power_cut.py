"""A power cut: the state folder as a disk may have it that did only what it had to.

While `lying_disk` writes down what the daemon does, every file that it makes has a second name by its inode's number,
and the log says up to where each was synced, and which changes of names came before a sync of their folder. A cut takes
any of the rest: changes of names, and the ends of files, which may also read as zeros.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Fate(Protocol):
    """Chooses what a cut leaves of what it may take."""

    def keeps_name(self) -> bool:
        """Whether a change of a name that was not synced is there."""

    def size(self, safe: int, written: int) -> tuple[int, int]:
        """How much of a file is there, and how many bytes at the end of that are zeros; none of its `safe` ones are."""


class Least:
    """Nothing that was not synced is left."""

    def keeps_name(self) -> bool:
        return False

    def size(self, safe: int, written: int) -> tuple[int, int]:
        return safe, 0


class Chance:
    """Anything may be left, by a seed."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)

    def keeps_name(self) -> bool:
        return self._chance.random() < 0.5

    def size(self, safe: int, written: int) -> tuple[int, int]:
        kept = self._chance.choice([safe, written, self._chance.randint(safe, written)])
        return kept, self._chance.choice([0, 0, self._chance.randint(0, kept - safe)])


@dataclass(frozen=True)
class _Change:
    """A change of names in a folder, and where the log tells of it."""

    words: list[str]
    offset: int

    @property
    def folder(self) -> str:
        return os.path.dirname(self.words[1])


class Recorded:
    """What a daemon does from now on with `home/state`, which is safe as it is."""

    def __init__(self, home: Path) -> None:
        self.state = home / "state"
        self._kept = home / "kept"
        self._log = home / "log"
        shutil.rmtree(self._kept, ignore_errors=True)
        self._kept.mkdir()
        self._log.write_bytes(b"")
        self.state.mkdir(exist_ok=True)
        self._names: dict[str, int] = {}
        self._safe_bytes: dict[int, int] = {}
        for path in _files(self.state):
            status = path.stat()
            os.link(path, self._kept / str(status.st_ino))
            self._names[str(path)] = status.st_ino
            self._safe_bytes[status.st_ino] = status.st_size
        self._folders = {str(path) for path in (self.state, *self.state.rglob("*")) if path.is_dir()}

    def unsafe_bytes(self, journal: Path) -> int:
        """How much a power cut could take from a journal now; none of a file is safe that waits for the one before it.

        A journal whose files are just being renamed is not all safe.
        """
        safe = self._synced()[0]
        try:
            plain = [path.stat() for path in journal.glob("*.dat")]
            waiting = [path.stat() for path in journal.glob("*.dat.next")]
        except FileNotFoundError:
            return 1
        return sum(each.st_size - safe.get(each.st_ino, 0) for each in plain) + sum(each.st_size for each in waiting)

    def cut(self, fate: Fate) -> None:
        """Leave in the state folder, which nobody writes any more, what is safe, and what else `fate` keeps."""
        safe, named = self._synced()
        names, folders = dict(self._names), set(self._folders)
        for change in self._changes():
            if change.offset >= named.get(change.folder, 0) and not fate.keeps_name():
                continue
            match change.words:
                case ["create", path, inode]:
                    names[path] = int(inode)
                case ["rename", path, to] if path in names:
                    names[to] = names.pop(path)
                case ["unlink", path]:
                    names.pop(path, None)
                case ["mkdir", path]:
                    folders.add(path)
        shutil.rmtree(self.state)
        for folder in sorted(folders):
            if os.path.dirname(folder) in folders or folder == str(self.state):
                os.mkdir(folder)
        for path, number in names.items():
            if not os.path.isdir(os.path.dirname(path)):
                continue  # its folder is gone
            written = (self._kept / str(number)).read_bytes()
            size, zeros = fate.size(min(safe.get(number, 0), len(written)), len(written))
            Path(path).write_bytes(written[: size - zeros] + bytes(zeros))

    def _synced(self) -> tuple[dict[int, int], dict[str, int]]:
        """How much of each file is safe, by its number; up to where of the log the names in each folder are."""
        safe, named = dict(self._safe_bytes), dict[str, int]()
        for words, _ in self._records():
            if words[0] == "sync":
                _, path, number, size, logged = words
                named[path] = max(named.get(path, 0), int(logged))
                safe[int(number)] = max(safe.get(int(number), 0), int(size))
        return safe, named

    def _changes(self) -> Iterator[_Change]:
        return (_Change(words, offset) for words, offset in self._records() if words[0] != "sync")

    def _records(self) -> Iterator[tuple[list[str], int]]:
        offset = 0
        for line in self._log.read_text().splitlines(keepends=True):
            yield line.rstrip("\n").split("\t"), offset
            offset += len(line.encode())


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
