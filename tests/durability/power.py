"""A disk whose power can be cut between any two system calls, executors that a test runs by hand, and their journal.

What a cut leaves: of the changes of names those before the last sync of the folder and any of those after; of each file
what was synced and any part of what came after, the end of which may read as zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from vwserve.durability import Journal, Sync
from vwserve.durability.disk import Disk

P = ParamSpec("P")
T = TypeVar("T")


class QuickDisk(Disk):
    """Syncs nothing: for tests that do not cut the power."""

    def sync(self, fd: int) -> None:
        pass

    def sync_folder(self, path: Path) -> None:
        pass


@dataclass
class Contents:
    """What the disk would have at one moment: `safe` whatever happens, the rest perhaps."""

    now: dict[int, bytes] = field(default_factory=dict)
    safe: dict[int, bytes] = field(default_factory=dict)
    names: list[tuple[str, Path, Path | int]] = field(default_factory=list)
    safe_names: int = 0

    def create(self, path: Path, number: int) -> None:
        """A new file, which is empty."""
        self.names.append(("create", path, number))
        self.now[number] = self.safe[number] = b""

    def now_is(self, number: int, text: bytes) -> None:
        """A file has another content."""
        self.now[number] = text

    def sync(self, number: int) -> None:
        """What a file has is safe."""
        self.safe[number] = self.now[number]

    def sync_names(self) -> None:
        """The names that there are are safe."""
        self.safe_names = len(self.names)

    def named(self, kept: Callable[[str], bool]) -> dict[Path, int]:
        """The files, if of the changes of names that are not safe those are `kept`."""
        files: dict[Path, int] = {}
        for index, (change, path, what) in enumerate(self.names):
            if index >= self.safe_names and not kept(change):
                continue
            if change == "create":
                assert isinstance(what, int)
                files[path] = what
            elif change == "rename":
                assert isinstance(what, Path)
                if path in files:
                    files[what] = files.pop(path)
            else:
                files.pop(path, None)
        return files


class RecordingDisk(QuickDisk):
    """Writes down every change, so that `contents` can tell how things stood after any number of them."""

    def __init__(self, folder: Path) -> None:
        self.changes: list[Callable[[Contents], object]] = []
        self._files: dict[Path, int] = {}
        self._open: dict[int, int] = {}
        self._count = 0
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            number = self._new(path)
            self._record(partial(Contents.now_is, number=number, text=path.read_bytes()))
            self._record(partial(Contents.sync, number=number))
        self._record(Contents.sync_names)
        self.start = len(self.changes)

    def contents(self, changes: int) -> Contents:
        """How things stood after so many changes."""
        contents = Contents()
        for change in self.changes[:changes]:
            change(contents)
        return contents

    def _record(self, change: Callable[[Contents], object]) -> None:
        self.changes.append(change)

    def _new(self, path: Path) -> int:
        self._count += 1
        number = self._files[path] = self._count
        self._record(lambda c: c.create(path, number))
        return number

    def create(self, path: Path) -> int:
        fd = super().create(path)
        self._open[fd] = self._new(path)
        return fd

    def open(self, path: Path) -> int:
        fd = super().open(path)
        self._open[fd] = self._files[path]
        return fd

    def write(self, fd: int, data: bytes | memoryview) -> int:
        written = super().write(fd, data)
        number, text = self._open[fd], bytes(data[:written])
        self._record(lambda c: c.now.update({number: c.now[number] + text}))
        return written

    def rewrite(self, fd: int, data: bytes, offset: int) -> None:
        super().rewrite(fd, data, offset)
        number = self._open[fd]
        self._record(
            lambda c: c.now.update({number: c.now[number][:offset] + data + c.now[number][offset + len(data) :]})
        )

    def truncate(self, fd: int, size: int) -> None:
        super().truncate(fd, size)
        number = self._open[fd]
        self._record(lambda c: c.now.update({number: c.now[number][:size]}))

    def sync(self, fd: int) -> None:
        number = self._open[fd]
        self._record(lambda c: c.sync(number))

    def rename(self, path: Path, to: Path) -> None:
        super().rename(path, to)
        self._files[to] = self._files.pop(path)
        self._record(lambda c: c.names.append(("rename", path, to)))

    def link(self, path: Path, to: Path) -> None:
        super().link(path, to)
        number = self._files[to] = self._files[path]
        self._record(lambda c: c.names.append(("create", to, number)))

    def unlink(self, path: Path) -> None:
        there = path.exists()
        super().unlink(path)
        if there:
            self._files.pop(path, None)
            self._record(lambda c: c.names.append(("unlink", path, 0)))

    def sync_folder(self, path: Path) -> None:
        self._record(Contents.sync_names)


class Inline(Executor):
    """Does what it is given at once."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class Held(Executor):
    """Does nothing until `run`."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        self.jobs.append(job)
        return future

    def run(self) -> None:
        """Do what was given up to now."""
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job()


class Clock:
    """Unix time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def journal(
    folder: Path,
    *,
    multiline: bool = False,
    sync: Sync = "everysec",
    keep_s: float = 3600.0,
    clock: Callable[[], float] | None = None,
    executor: Executor | None = None,
    segment_bytes: int = 1 << 20,
    after: int = 0,
    disk: Disk | None = None,
    sync_executor: Executor | None = None,
) -> Journal:
    """A journal in `folder`."""
    return Journal(
        folder,
        multiline=multiline,
        sync=sync,
        keep_s=keep_s,
        clock=clock or Clock(),
        executor=executor or Inline(),
        segment_bytes=segment_bytes,
        after=after,
        disk=disk or QuickDisk(),
        sync_executor=sync_executor,
    )


@contextmanager
def opened(folder: Path, *, multiline: bool = False, after: int = 0, segment_bytes: int = 1 << 20) -> Iterator[Journal]:
    """A journal that is closed at the end."""
    held = journal(folder, multiline=multiline, after=after, segment_bytes=segment_bytes)
    try:
        yield held
    finally:
        held.close()


def example(number: int, multiline: bool = False) -> bytes:
    """An example that no other number has; their sizes differ."""
    body = b"x" * (number * 7 % 11)
    if not multiline:
        return b"1 |f e%d %s\n" % (number, body)
    return b"shared |s e%d\n" % number + b"".join(b"0:1:0.5 |a %s\n" % body for _ in range(number % 3 + 1)) + b"\n"


def examples(first: int, last: int, multiline: bool = False) -> bytes:
    """The examples of these numbers."""
    return b"".join(example(number, multiline) for number in range(first, last + 1))


def names(folder: Path) -> list[str]:
    """The endings of the files in a journal's folder, with the numbers that they begin with."""
    return sorted(
        f"{int(first)}.{rest}" for first, dot, rest in (p.name.partition(".") for p in folder.iterdir()) if dot
    )
