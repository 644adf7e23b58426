"""Models with their state on disk, as tests open, kill, harm and compare them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.durability.power import Clock, Inline, QuickDisk
from tests.transforms.samples import KINDS
from vwserve.durability.disk import Disk
from vwserve.durability.durable import Durable
from vwserve.durability.recovery import WIDEST
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.surroundings import Surroundings
from vwserve.learner import Bounds
from vwserve.learner.header import kept_options
from vwserve.lines import block_of
from vwserve.model.blueprint import Blueprint
from vwserve.model.drop import read_drop
from vwserve.model.servable import Servable
from vwserve.model.state import State
from vwserve.transforms.pipeline import TransformPool
from vwserve.transforms.plugins import TransformType

_NOBODY = 65534
PROBES = [b"|f a b", b"|f c:2 d |g e", b"|g e f", b"|h new"]


def blueprint(folder: Path, text: str = "vw: -b 10\n", kinds: Mapping[str, TransformType] = KINDS) -> Blueprint:
    """What the drop m.yaml in a folder describes, which is written first."""
    file = folder / "m.yaml"
    file.write_text(text)
    return Blueprint.of(read_drop(file, kinds), TransformPool())


class FaultyDisk(QuickDisk):
    """Fails calls by the error that `fails` gives for their name and, where they have one, their path; 0 is none."""

    def __init__(self) -> None:
        self.fails: Callable[[str, Path | None], int] = lambda call, path: 0

    def works(self) -> None:
        """Fail nothing any more."""
        self.fails = lambda call, path: 0

    def full(self) -> None:
        """Take nothing more."""
        self.fails = lambda call, path: errno.ENOSPC if call in ("create", "write", "make_folder") else 0

    def _call(self, call: str, path: Path | None = None) -> None:
        if code := self.fails(call, path):
            raise OSError(code, os.strerror(code), *([] if path is None else [str(path)]))

    def create(self, path: Path) -> int:
        self._call("create", path)
        return super().create(path)

    def open(self, path: Path) -> int:
        self._call("open", path)
        return super().open(path)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self._call("write")
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._call("sync")

    def make_folder(self, path: Path) -> None:
        self._call("make_folder", path)
        super().make_folder(path)

    def sync_folder(self, path: Path) -> None:
        self._call("sync_folder", path)

    def rename(self, path: Path, to: Path) -> None:
        self._call("rename", to)
        super().rename(path, to)


@dataclass
class Around:
    """The surroundings of a model in a test, and what it reported in them."""

    clock: Clock = field(default_factory=Clock)
    disk: Disk = field(default_factory=QuickDisk)
    said: list[str] = field(default_factory=list)
    owed: list[int] = field(default_factory=list)

    def open(self, made: Blueprint, folder: Path, bounds: Bounds | None = None) -> Durable:
        """The model of a blueprint, with its state in a folder."""
        around = Surroundings(
            self.clock, Inline(), self.said.append, owe=lambda each: self.owed.append(each.last), disk=self.disk
        )
        return Durable(made, folder, bounds or Bounds(), around)


@contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder of one's own, and not root's, to whom nothing is read-only."""
    was = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        if was == 0:
            os.chown(name, _NOBODY, -1)
            os.seteuid(_NOBODY)
        try:
            yield Path(name)
        finally:
            os.seteuid(was)


def learn(durable: Durable, lines: Sequence[bytes]) -> bytes:
    """Have a model learn lines; multi-line examples end at blank ones."""
    if durable.servable.multiline:
        groups = [each.split(b"\n") for each in block_of(lines).strip(b"\n").split(b"\n\n")]
        return b"".join(durable.servable.answer_groups(groups))
    return durable.servable.answer(block_of(lines))


def take(durable: Durable) -> Snapshot:
    """Take a snapshot, and wait for it."""
    durable.take()
    return durable.finish()


def roll_back(
    durable: Durable, to: Snapshot | None, until: int | None = None, skip: Collection[tuple[int, int]] = ()
) -> None:
    """Go back to a snapshot, or to the beginning, as the daemon does."""
    lineage = durable.intervened(to, until, skip)
    successor = durable.successor(durable.plan(lineage))
    try:
        for _ in durable.catch_up(successor):
            continue
        before = durable.adopt(successor)
    except BaseException:
        successor.close()
        raise
    before.close()


def kill(durable: Durable, folder: Path) -> None:
    """What `kill -9` leaves: nothing is done, and the system closes the files, which frees the locks."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            path = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # that of the listing itself
        if path.startswith(f"{folder}/"):
            os.close(fd)
    durable.servable.close()


def saved(servable: Servable) -> tuple[bytes, int]:
    """The model file of a servable, and how many bytes of it are options, some of which labels may have settled."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "m.vw")
        servable.save(file)
        return file.read_bytes(), len(kept_options(file).encode())


def fresh(made: Blueprint, lines: Iterable[bytes] = ()) -> Servable:
    """A model that was never on a disk, and has learned these lines one by one."""
    servable = made.build(WIDEST, learn=True)
    if servable.multiline:
        servable.learn(list(lines))
    else:
        for line in lines:
            servable.learn([line])
    return servable


def without_requests(state: State) -> State:
    """A state but for the numbers of requests: those that were not labelled are in no journal."""
    return replace(state, counts=state.counts._replace(examples=0, refused=0))


def assert_same(found: Servable, made: Blueprint, lines: Sequence[bytes], probes: Sequence[bytes] = PROBES) -> None:
    """Whether a servable is bit for bit the one that learned just these lines in this order."""
    untrained, expected = fresh(made), fresh(made, lines)
    try:
        assert without_requests(found.state()) == without_requests(expected.state())
        assert found.predict(probes) == expected.predict(probes)  # which makes some of --nn's weights
        head, options_bytes = saved(untrained)  # where VW has its own counters, of predictions, too
        head_bytes = len(head) - options_bytes
        weights, wanted = (text[head_bytes + length :] for text, length in map(saved, (found, expected)))
        assert weights == wanted
    finally:
        untrained.close()
        expected.close()


def flip(path: Path) -> None:
    """Change a bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
