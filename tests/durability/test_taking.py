"""A snapshot is taken by a child while the model goes on; whatever happens to the child, it is whole or not there."""

from __future__ import annotations

import errno
import os
import random
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.durability.test_snapshot import PROVENANCE
from tests.learner import lines
from tests.learner.reference import vw
from vwserve.durability.disk import Disk
from vwserve.durability.forking import fork_apart
from vwserve.durability.snapshot import Moment, Snapshot, SnapshotError
from vwserve.durability.snapshots import Snapshots
from vwserve.durability.stretches import Stretches
from vwserve.durability.taking import Taking, make_apart
from vwserve.errors import StateError
from vwserve.learner import Learner
from vwserve.model.servable import Servable
from vwserve.model.state import EMPTY

CLICKS = "--loss_function logistic --link logistic -b 12 -q fg"
NOW_S = 1.7e9
REPOSITORY = Path(__file__).resolve().parents[2]
MOMENT = Moment(1, Stretches(((1, 5),)), 5)


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    """Every test has waited for all children that it made."""
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the snapshots go."""
    return tmp_path / "snapshots"


def trained(arguments: str = CLICKS, count: int = 200) -> Servable:
    """A servable that has learned."""
    servable = Servable("m", arguments)
    servable.learn(lines.stream(lines.binary, count))
    return servable


def begin(snapshots: Snapshots, servable: Servable, within_s: float = 60.0) -> Taking:
    """Begin to take one."""
    provenance = replace(PROVENANCE, arguments=servable.arguments)
    return snapshots.take(servable, provenance, MOMENT, now_s=NOW_S, within_s=within_s)


def taken(snapshots: Snapshots, servable: Servable) -> Snapshot:
    """Take one, and wait for it."""
    begin(snapshots, servable)
    return snapshots.finish()


def files(folder: Path) -> list[str]:
    """What is in the folder."""
    return sorted(os.listdir(folder))


# -- what is taken ---------------------------------------------------------------------------------------------------

CASES: list[tuple[str, Callable[[random.Random], bytes]]] = [
    (CLICKS, lines.binary),
    ("", lines.simple),
    ("--ftrl --loss_function logistic", lines.binary),
    ("--coin", lines.simple),
    ("--oaa 5", lines.multiclass),
    ("--oaa 5", lines.zero_based),
    ("--oaa 5 --indexing 1", lines.multiclass),
    ("--oaa 5 --probabilities --loss_function logistic", lines.multiclass),
    ("--csoaa 5", lines.costs),
    ("--nn 3", lines.binary),
    ("--bootstrap 3", lines.simple),
    ("--cb 5 --cb_type dr", lines.bandit),
    ("--cb_explore 5 --bag 3", lines.bandit),
    ("-t", lines.simple),
]


def check_resumed(arguments: str, parts: Sequence[Sequence[bytes]], folder: Path) -> None:
    """Part by part, one servable goes on; another is snapshotted and restored after each, and ends the same."""
    snapshots, whole = Snapshots(folder), Servable("m", arguments)
    parted = Servable("m", arguments)
    for part in parts:
        assert parted.learn(part) == whole.learn(part)
        snapshot = taken(snapshots, parted)
        assert snapshot.exact
        parted.close()
        parted = Servable("m", arguments, resumed=snapshots.resumed(snapshots.good(snapshot.number)))
        assert parted.statistics() == whole.statistics()
        assert parted.state() == whole.state()
    for servable in (parted, whole):
        servable.close()


@pytest.mark.parametrize(("arguments", "form"), CASES)
def test_what_goes_on_from_a_snapshot_is_as_if_it_had_not_stopped(
    arguments: str, form: Callable[[random.Random], bytes], folder: Path
) -> None:
    examples = [*lines.stream(form, 300), b"no example"]
    check_resumed(arguments, [examples[start : start + 101] for start in range(0, 301, 101)], folder)


@pytest.mark.parametrize("arguments", ["--cb_adf", "--cb_explore_adf --cover 3", "--cb_explore_adf --cb_type dr"])
def test_likewise_with_multi_line_examples(arguments: str, folder: Path) -> None:
    groups = lines.groups(lines.bandit_actions, 60)
    parts = [[line for group in groups[start : start + 20] for line in [*group, b""]] for start in (0, 20, 40)]
    check_resumed(arguments, parts, folder)


def test_saving_changes_no_later_prediction(folder: Path) -> None:
    """What VowpalWabbit issue #641 tells of: a daemon that was told to save answered otherwise afterwards."""
    snapshots, saving, quiet = Snapshots(folder), trained(), trained()
    for part in range(5):
        examples = lines.stream(lines.binary, 50, seed=part)
        begin(snapshots, saving)
        assert saving.learn(examples) == quiet.learn(examples)
        snapshots.finish()
    assert saving.statistics() == quiet.statistics()


def test_what_is_learned_meanwhile_is_not_in_it(folder: Path) -> None:
    snapshots, servable = Snapshots(folder), trained()
    before = servable.predict(["|f a |g b"])
    begin(snapshots, servable)
    servable.learn(["1 |f a |g b"] * 50)
    restored = Servable("m", CLICKS, resumed=snapshots.resumed(snapshots.finish()))
    assert restored.predict(["|f a |g b"]) == before != servable.predict(["|f a |g b"])


def test_vw_reads_it_and_predicts_the_same(folder: Path, tmp_path: Path) -> None:
    snapshots, servable = Snapshots(folder), trained()
    snapshot = taken(snapshots, servable)
    examples = lines.stream(lines.binary, 50, seed=9)
    file = folder / f"{snapshot.number}.vw"
    printed = vw(f"-i {file} -t {snapshot.arguments}", b"\n".join(examples) + b"\n", tmp_path)
    assert printed.decode().splitlines() == servable.predict(examples)


def test_vw_goes_on_with_classes_as_they_were_settled(folder: Path, tmp_path: Path) -> None:
    snapshots, servable = Snapshots(folder), Servable("m", "--oaa 3")
    servable.learn([b"0 |f a", b"1 |f b", b"2 |f c"])
    snapshot = taken(snapshots, servable)
    assert snapshot.arguments == "--oaa 3 --indexing 0"
    printed = vw(f"-i {folder / '1.vw'} -t {snapshot.arguments}", b"|f a\n|f b\n|f c\n", tmp_path)
    assert printed.decode().splitlines() == servable.predict(["|f a", "|f b", "|f c"])


def test_a_static_model_is_saved_as_what_it_came_from(folder: Path, tmp_path: Path) -> None:
    trained().save(tmp_path / "seed.vw")
    content = (tmp_path / "seed.vw").read_bytes()
    static = Servable("m", CLICKS, learn=False, initial=tmp_path / "seed.vw")
    (tmp_path / "seed.vw").unlink()
    taken(Snapshots(folder), static)
    assert (folder / "1.vw").read_bytes() == content


def test_a_model_of_which_vw_does_not_save_all_is_marked(folder: Path) -> None:
    assert not taken(Snapshots(folder), trained("--replay_b 5 --loss_function logistic")).exact


def test_the_file_is_the_one_that_vw_saves(folder: Path, tmp_path: Path) -> None:
    servable = trained()
    snapshot = taken(Snapshots(folder), servable)
    servable.save(tmp_path / "m.vw")
    assert (folder / "1.vw").read_bytes() == (tmp_path / "m.vw").read_bytes()
    assert snapshot.size_bytes == (tmp_path / "m.vw").stat().st_size
    assert files(folder) == ["1.json", "1.vw"]


# -- while it is taken -----------------------------------------------------------------------------------------------


def test_only_one_is_taken_at_a_time(folder: Path) -> None:
    snapshots, servable = Snapshots(folder), trained()
    begin(snapshots, servable)
    with pytest.raises(SnapshotError, match="snapshot 1 of m is being taken"):
        begin(snapshots, servable)
    assert snapshots.finish().number == 1
    assert taken(snapshots, servable).number == 2


def test_its_end_can_be_watched_for(folder: Path) -> None:
    snapshots = Snapshots(folder)
    taking = begin(snapshots, trained())
    assert snapshots.taking is taking
    assert taking.fileno() >= 0
    assert taking.wait(60.0)
    assert snapshots.finish().number == taking.number == 1
    assert snapshots.taking is None


def test_its_last_word_is_not_its_end(folder: Path) -> None:
    (hear, say), (goes, go) = os.pipe(), os.pipe()

    def linger() -> int:  # as the system does that takes a large model's memory apart
        os.write(say, b'{"sha256": "0f", "bytes": 7}\n')
        os.read(goes, 1)
        return 0

    child = fork_apart(linger, [say, goes], 60.0)
    os.close(say)
    snapshot = Snapshot(1, NOW_S, PROVENANCE, EMPTY, MOMENT, exact=True)
    taking = Taking(folder, Disk(), snapshot, 60.0, hear, child)
    assert select.select([hear], [], [], 60.0)[0]
    assert not taking.wait(0.0)
    os.write(go, b"\n")
    assert taking.wait(60.0)
    assert taking.finish() == replace(snapshot, sha256="0f", size_bytes=7)
    os.close(goes)
    os.close(go)


def test_one_that_is_stopped_leaves_nothing(folder: Path) -> None:
    snapshots = Snapshots(folder)
    taking = begin(snapshots, trained("-b 22", 2000))
    taking.stop()
    with pytest.raises(SnapshotError, match="SIGKILL"):
        snapshots.finish()
    assert files(folder) == []


def test_one_that_takes_too_long_is_stopped_and_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forever(disk: Disk, path: Path) -> int:
        while True:
            signal.pause()

    monkeypatch.setattr(Disk, "create", forever)
    snapshots = Snapshots(folder)
    begin(snapshots, trained(), within_s=0.05)
    with pytest.raises(SnapshotError, match=r"more than 0\.05 s"):
        snapshots.finish()
    assert files(folder) == []


def test_a_connection_ends_although_the_child_lives(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, create = tmp_path / "gate", Disk.create
    os.mkfifo(gate)

    def once_the_gate_is_open(disk: Disk, path: Path) -> int:
        if path.suffixes[0] == ".vw":
            gate.read_bytes()
        return create(disk, path)

    monkeypatch.setattr(Disk, "create", once_the_gate_is_open)
    ours, theirs = socket.socketpair()
    snapshots = Snapshots(folder)
    taking = begin(snapshots, trained(), within_s=20.0)
    ours.close()
    theirs.settimeout(10.0)
    assert theirs.recv(1) == b""
    assert not taking.wait(0.0)
    gate.write_bytes(b"")
    assert snapshots.finish().number == 1
    theirs.close()


def test_the_child_leaves_signals_to_the_daemon(folder: Path) -> None:
    snapshots = Snapshots(folder)
    taking = begin(snapshots, trained("-b 20", 500))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(taking._child, number)
    assert snapshots.finish().number == 1


def test_threads_that_hold_locks_do_not_hold_up_the_child(folder: Path) -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=lambda: stop.wait(60.0)) for _ in range(4)]
    for thread in threads:
        thread.start()
    snapshots, servable = Snapshots(folder), trained()
    for number in range(1, 11):
        assert taken(snapshots, servable).number == number
    stop.set()
    for thread in threads:
        thread.join()


def test_the_journal_is_on_the_disk_before_the_snapshot_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"

    def told(name: str) -> Callable[..., object]:
        call = getattr(Disk, name)

        def step(disk: Disk, *arguments: object) -> object:
            with calls.open("a") as file:
                file.write(f"{name} {arguments[0]}\n")
            return call(disk, *arguments)

        return step

    for name in ("sync", "create"):
        monkeypatch.setattr(Disk, name, told(name))
    snapshots = Snapshots(folder)
    with (tmp_path / "1.dat").open("wb") as first, (tmp_path / "2.dat").open("wb") as second:
        journal = [first.fileno(), second.fileno()]
        snapshots.take(trained(), PROVENANCE, MOMENT, now_s=NOW_S, sync_first=journal)
        snapshots.finish()
    made = calls.read_text().splitlines()
    assert made[:3] == [*(f"sync {fd}" for fd in journal), f"create {folder / '.1.vw.part'}"]


def test_where_the_journal_cannot_be_synced_there_is_no_snapshot(folder: Path, tmp_path: Path) -> None:
    class Broken(Disk):
        def sync(self, fd: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    snapshots = Snapshots(folder, Broken())
    with (tmp_path / "1.dat").open("wb") as journal:
        snapshots.take(trained(), PROVENANCE, MOMENT, now_s=NOW_S, sync_first=[journal.fileno()])
        with pytest.raises(SnapshotError, match="Input/output error"):
            snapshots.finish()
    assert files(folder) == []


# -- what a child makes itself ---------------------------------------------------------------------------------------


def apart(make: Callable[[], tuple[Snapshot, Learner]], folder: Path) -> Taking:
    """Begin to make snapshot 1 in a child."""
    folder.mkdir(exist_ok=True)
    draft = Snapshot(1, NOW_S, PROVENANCE, EMPTY, MOMENT, exact=True)
    return make_apart(make, draft, folder, Disk(), within_s=60.0)


def test_what_a_child_makes_and_says_of_it_is_in_the_folder(folder: Path, tmp_path: Path) -> None:
    def make() -> tuple[Snapshot, Learner]:
        servable = trained()
        return Snapshot(1, NOW_S, PROVENANCE, servable.state(), MOMENT, exact=False), servable.learner

    apart(make, folder).finish()
    stored, here = Snapshots(folder).good(1), trained()
    assert (stored.state, stored.exact) == (here.state(), False)
    here.save(tmp_path / "here.vw")
    assert (folder / "1.vw").read_bytes() == (tmp_path / "here.vw").read_bytes()
    here.close()


def test_what_a_child_cannot_make_is_reported_and_nothing_is_left(folder: Path) -> None:
    def make() -> tuple[Snapshot, Learner]:
        raise StateError("no snapshot leads there")

    with pytest.raises(SnapshotError, match="no snapshot leads there"):
        apart(make, folder).finish()
    assert files(folder) == []


def test_a_child_that_is_stopped_while_it_makes_leaves_nothing(folder: Path) -> None:
    def make() -> tuple[Snapshot, Learner]:
        while True:
            signal.pause()

    taking = apart(make, folder)
    assert not taking.wait(0.0)
    taking.stop()
    with pytest.raises(SnapshotError, match="SIGKILL"):
        taking.finish()
    assert files(folder) == []


@pytest.mark.usefixtures("no_fork")
def test_nothing_is_made_where_the_system_makes_no_child(folder: Path) -> None:
    with pytest.raises(SnapshotError, match="Cannot allocate memory"):
        apart(lambda: pytest.fail("it was made in the process itself"), folder)


# -- what goes wrong -------------------------------------------------------------------------------------------------

STEPS = ("create", "write", "sync", "rename", "sync_folder")


class Step:
    """Does something instead of the call number `number` to the disk, counted in whoever calls."""

    def __init__(self, number: int, instead: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = number
        for name in STEPS:
            monkeypatch.setattr(Disk, name, self._replaced(getattr(Disk, name), instead))

    def _replaced(self, call: Callable[..., object], instead: Callable[[], object]) -> Callable[..., object]:
        def step(*arguments: object) -> object:
            self.left -= 1
            if self.left == 0:
                instead()
            return call(*arguments)

        return step


def killed() -> None:
    """kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def full() -> None:
    """What a full disk answers."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


STEPS_OF_ONE = 9  # create, write, sync, rename, folder, for the model; create, write, sync, rename for the description


@pytest.mark.parametrize("number", range(1, STEPS_OF_ONE + 2))
def test_a_child_that_is_killed_at_any_step_leaves_the_snapshot_before(
    number: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots, servable = Snapshots(folder), trained()
    first = taken(snapshots, servable)
    with monkeypatch.context() as context:
        Step(number, killed, context)
        begin(snapshots, servable)
        with pytest.raises(SnapshotError, match="SIGKILL"):
            snapshots.finish()
    assert files(folder) == ["1.json", "1.vw"]
    assert Snapshots(folder).newest_good().snapshot == first
    assert taken(snapshots, servable).number == 3


@pytest.mark.parametrize("number", range(1, STEPS_OF_ONE + 2))
def test_a_daemon_that_is_killed_at_any_step_finds_the_snapshot_before_or_a_whole_one(
    number: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots, servable = Snapshots(folder), trained()
    first = taken(snapshots, servable)
    with monkeypatch.context() as context:
        Step(number, killed, context)
        taking = begin(snapshots, servable)
        assert taking.wait(60.0)
        os.waitpid(taking._child, 0)  # and nobody cleans up
    found = Snapshots(folder).newest_good()
    assert found.corrupt == ()
    assert found.snapshot is not None
    assert found.snapshot.number == (2 if number > STEPS_OF_ONE else 1)
    assert files(folder) == ["1.json", "1.vw", "2.json", "2.vw"][: 4 if number > STEPS_OF_ONE else 2]
    assert found.snapshot.state == first.state


@pytest.mark.parametrize("number", range(1, STEPS_OF_ONE + 2))
def test_a_disk_that_fails_at_any_step_is_reported_and_nothing_is_left(
    number: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots, servable = Snapshots(folder), trained()
    with monkeypatch.context() as context:
        Step(number, full, context)
        begin(snapshots, servable)
        with pytest.raises(SnapshotError, match="No space left"):
            snapshots.finish()
    assert files(folder) == []
    assert taken(snapshots, servable).number == 2


def test_a_file_that_may_not_grow_so_large_is_reported_and_nothing_is_left(folder: Path) -> None:
    """VW itself would leave out what does not fit, and say nothing."""
    snapshots, servable = Snapshots(folder), trained()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        begin(snapshots, servable)
        with pytest.raises(SnapshotError, match="File too large"):
            snapshots.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files(folder) == []
    assert taken(snapshots, servable).size_bytes > 1000


def test_a_folder_that_vanished_is_reported(folder: Path) -> None:
    snapshots, servable = Snapshots(folder), trained()
    folder.rmdir()
    begin(snapshots, servable)
    with pytest.raises(SnapshotError, match="No such file"):
        snapshots.finish()


@pytest.mark.parametrize("broken", [OSError(errno.EIO, "Input/output error"), RuntimeError("VW says no")])
def test_vw_that_cannot_save_is_reported(broken: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pour(learner: Learner, pipe: int, links: Path) -> None:
        os.write(pipe, b"a part")
        raise broken

    monkeypatch.setattr(Learner, "pour", pour)
    snapshots = Snapshots(folder)
    begin(snapshots, trained())
    with pytest.raises(SnapshotError, match=r"VW cannot save: .*(Input/output error|VW says no)"):
        snapshots.finish()
    assert files(folder) == []


def test_vw_that_dies_while_it_saves_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pour(learner: Learner, pipe: int, links: Path) -> None:
        os.write(pipe, b"a part")
        killed()

    monkeypatch.setattr(Learner, "pour", pour)
    snapshots = Snapshots(folder)
    begin(snapshots, trained())
    with pytest.raises(SnapshotError, match="in which VW saved ended with -9"):
        snapshots.finish()
    assert files(folder) == []


# -- without a child -------------------------------------------------------------------------------------------------


@pytest.fixture
def no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that makes no processes."""

    def fork() -> int:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(os, "fork", fork)


@pytest.mark.usefixtures("no_fork")
def test_a_small_model_is_saved_in_the_process_where_the_system_makes_no_other(folder: Path) -> None:
    snapshots, servable = Snapshots(folder), trained()
    snapshot = taken(snapshots, servable)
    assert snapshots.good(1) == snapshot
    assert files(folder) == ["1.json", "1.vw"]


@pytest.mark.usefixtures("no_fork")
def test_a_large_model_is_not(folder: Path) -> None:
    snapshots, servable = Snapshots(folder), trained("-b 24")
    with pytest.raises(SnapshotError, match=r"Cannot allocate memory.*16,777,216 weights"):
        begin(snapshots, servable)
    assert snapshots.taking is None
    assert files(folder) == []


@pytest.mark.usefixtures("no_fork")
def test_nor_is_any_where_the_disk_may_not_take_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots, usage = Snapshots(folder), shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=1000))
    begin(snapshots, trained())
    with pytest.raises(SnapshotError, match="are free"):
        snapshots.finish()
    assert files(folder) == []


# -- the life of the child -------------------------------------------------------------------------------------------

ORPHAN = """
import os, signal, sys
from pathlib import Path
from tests.durability.test_snapshot import SNAPSHOT
from vwserve.durability.disk import Disk
from vwserve.durability.forking import fork_apart
from vwserve.durability.snapshots import Snapshots
from vwserve.model.servable import Servable

def wait(disk, path):
    os.kill(os.getppid(), signal.SIGKILL)
    while True:
        signal.pause()

Disk.create = wait
servable = Servable("m", "-b 10")
Snapshots(Path(sys.argv[1])).take(servable, SNAPSHOT.provenance, SNAPSHOT.moment, now_s=0.0)
signal.pause()
"""


def test_the_child_does_not_outlive_the_daemon(folder: Path) -> None:
    """Standard output ends only once no process has it open any more."""
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(folder)], cwd=REPOSITORY, capture_output=True, timeout=60.0, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert files(folder) != []
    Snapshots(folder)
    assert files(folder) == []


def test_the_number_is_that_of_the_file(folder: Path) -> None:
    snapshots, servable = Snapshots(folder), trained()
    snapshot = replace(taken(snapshots, servable), number=9)
    (folder / "1.json").write_bytes(snapshot.text())
    with pytest.raises(SnapshotError, match="describes the snapshot 9"):
        snapshots.good(1)
