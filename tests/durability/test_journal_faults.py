"""A disk that is full, read-only, broken or gone: nothing half-written stays, and the journal resumes by itself."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.durability.power import Clock, Held, QuickDisk, example, examples, journal, opened
from vwserve.durability import JournalError
from vwserve.durability.disk import Disk

NOBODY = 65534
REPOSITORY = Path(__file__).resolve().parents[2]


class FailingDisk(QuickDisk):
    """Fails the calls that are named in `broken`, by that error; a failing write writes `torn_bytes` first."""

    def __init__(self) -> None:
        self.broken: dict[str, int] = {}
        self.torn_bytes = 0

    def fail(self, call: str) -> None:
        """Raise, if the call is to fail."""
        if code := self.broken.get(call):
            raise OSError(code, os.strerror(code))

    def create(self, path: Path) -> int:
        self.fail("create")
        return super().create(path)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        if "write" in self.broken and (torn := self.torn_bytes):
            self.torn_bytes = 0
            return super().write(fd, data[:torn])
        self.fail("write")
        return super().write(fd, data)

    def truncate(self, fd: int, size: int) -> None:
        self.fail("truncate")
        super().truncate(fd, size)

    def sync(self, fd: int) -> None:
        self.fail("sync")

    def rename(self, path: Path, to: Path) -> None:
        self.fail("rename")
        super().rename(path, to)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("torn_bytes", [0, 1, 20])
@pytest.mark.parametrize("truncates", [True, False])
def test_a_failed_write_leaves_nothing_and_the_journal_resumes_once_probed(
    tmp_path: Path, code: int, torn_bytes: int, truncates: bool
) -> None:
    disk = FailingDisk()
    held = journal(tmp_path, disk=disk)
    held.append(examples(1, 2), 2)
    disk.broken = {"write": code} if truncates else {"write": code, "truncate": code}
    disk.torn_bytes = torn_bytes
    with pytest.raises(
        JournalError, match=rf"cannot append to .*0001\.dat: {os.strerror(code)}; the model learns again"
    ):
        held.append(examples(3, 5), 3)
    assert held.last == 2
    assert "the model learns again" in str(held.failed)
    if truncates:
        assert (tmp_path / "00000000000000000001.dat").read_bytes() == examples(1, 2)
    assert not held.probe()
    with pytest.raises(JournalError, match=os.strerror(code)):
        held.append(examples(3, 5), 3)
    disk.broken = {}
    with pytest.raises(JournalError):
        held.append(examples(3, 5), 3)  # only a probe finds out
    assert held.probe()
    assert held.failed is None
    assert held.append(examples(3, 5), 3) == 5
    assert b"".join(held.read()) == examples(1, 5)
    held.close()


calls = st.sampled_from(["create", "write", "truncate", "sync", "rename"])
acts = st.lists(
    st.one_of(st.integers(1, 4), st.sets(calls), st.sampled_from(["tick", "probe", "sync", "begin"])), max_size=25
)


@given(acts=acts, torn_bytes=st.integers(0, 9))
def test_whatever_fails_whenever_the_journal_holds_what_it_said_that_it_took(
    tmp_path_factory: pytest.TempPathFactory, acts: list[int | set[str] | str], torn_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    disk, clock = FailingDisk(), Clock()
    held = journal(folder, disk=disk, segment_bytes=60, clock=clock)
    for act in acts:
        clock.now += 0.5
        if isinstance(act, set):
            disk.broken = dict.fromkeys(act, errno.EIO)
            disk.torn_bytes = torn_bytes
        elif act == "tick":
            held.tick()
        elif act == "probe":
            held.probe()
        else:
            before = held.last
            try:
                if isinstance(act, int):
                    held.append(examples(before + 1, before + act), act)
                elif act == "begin":
                    held.begin_sync(lambda: None)
                    held.settle()
                    assert not held.dirty or held.failed is not None
                else:
                    held.sync_now()
                    assert not held.dirty
            except JournalError:
                assert held.last == before and held.failed is not None
    disk.broken = {}
    assert held.probe()
    assert b"".join(held.read()) == examples(1, held.last)
    held.append(example(held.last + 1), 1)
    last = held.last
    held.close()
    with opened(folder) as again:
        assert (again.last, again.opening.remarks) == (last, [])
        assert b"".join(again.read()) == examples(1, last)
    shutil.rmtree(folder)


def test_an_error_of_the_background_sync_is_raised_by_the_next_append(tmp_path: Path) -> None:
    disk, executor = FailingDisk(), Held()
    held = journal(tmp_path, disk=disk, executor=executor)
    held.append(example(1), 1)
    held.tick()
    disk.broken = {"sync": errno.EIO}
    executor.run()
    with pytest.raises(JournalError, match=r"cannot sync .*: Input/output error"):
        held.append(example(2), 1)
    assert (held.last, held.synced) == (1, 0)


def test_sync_now_tells_of_an_error_of_the_sync_under_way(tmp_path: Path) -> None:
    disk, executor = FailingDisk(), Held()
    held = journal(tmp_path, disk=disk, executor=executor)
    held.append(example(1), 1)
    held.tick()
    disk.broken = {"sync": errno.EIO}
    executor.run()
    disk.broken = {}
    with pytest.raises(JournalError, match="Input/output error"):
        held.sync_now()


def test_after_a_failed_sync_what_it_may_have_lost_is_written_again(tmp_path: Path) -> None:
    written: list[tuple[bytes, int]] = []

    class Disk(FailingDisk):
        def rewrite(self, fd: int, data: bytes, offset: int) -> None:
            written.append((data, offset))
            super().rewrite(fd, data, offset)

    disk = Disk()
    held = journal(tmp_path, sync="always", disk=disk)
    held.append(examples(1, 2), 2)
    held.sync_now()
    held.append(examples(3, 4), 2)
    disk.broken = {"sync": errno.EIO}
    with pytest.raises(JournalError):
        held.sync_now()
    disk.broken = {}
    assert held.probe()
    assert written == [(examples(3, 4), len(examples(1, 2)))]
    held.sync_now()
    assert held.synced == 4
    assert b"".join(held.read()) == examples(1, 4)


@pytest.mark.parametrize("call", ["write", "create"])
def test_a_full_disk_takes_nothing_from_what_was_appended_before(tmp_path: Path, call: str) -> None:
    disk, executor = FailingDisk(), Held()
    held = journal(tmp_path, sync="always", disk=disk, executor=executor, segment_bytes=30)
    held.append(examples(1, 2), 2)
    disk.broken = {call: errno.ENOSPC}
    with pytest.raises(JournalError):
        held.append(example(3), 1)
    held.begin_sync(lambda: None)
    assert not held.probe()  # nothing is repaired as long as it is synced
    assert len(executor.jobs) == 1
    executor.run()
    held.settle()
    assert (held.synced, held.dirty) == (2, False)
    assert held.failed is not None
    assert not held.probe()
    with pytest.raises(JournalError, match="No space left on device"):
        held.begin_sync(lambda: None)  # while it is repaired


def test_what_a_failed_sync_may_have_lost_is_never_said_to_be_synced_unless_repaired(tmp_path: Path) -> None:
    disk, executor, ended = FailingDisk(), Held(), list[str]()
    held = journal(tmp_path, sync="always", disk=disk, executor=executor)
    held.append(example(1), 1)
    held.begin_sync(lambda: ended.append("failed"))
    disk.broken = {"sync": errno.EIO}
    executor.run()
    disk.broken = {}
    held.settle()
    assert ended == ["failed"]
    assert "cannot sync" in str(held.failed)
    with pytest.raises(JournalError, match=r"cannot sync .*: Input/output error"):
        held.begin_sync(lambda: ended.append("never"))
    assert not held.probe()
    with pytest.raises(JournalError, match="Input/output error"):
        held.begin_sync(lambda: ended.append("never"))  # while it is repaired
    executor.run()
    assert held.probe()
    held.begin_sync(lambda: ended.append("synced"))
    executor.run()
    held.settle()
    assert (ended, held.synced) == (["failed", "synced"], 1)


def test_a_repair_whose_own_sync_fails_writes_again_what_that_may_have_lost(tmp_path: Path) -> None:
    written: list[bytes] = []

    class Disk(FailingDisk):
        def rewrite(self, fd: int, data: bytes, offset: int) -> None:
            written.append(data)
            super().rewrite(fd, data, offset)

    disk = Disk()
    held = journal(tmp_path, disk=disk)
    held.append(examples(1, 2), 2)
    disk.broken = {"write": errno.ENOSPC}
    with pytest.raises(JournalError):
        held.append(example(3), 1)
    disk.broken = {"sync": errno.EIO}
    assert not held.probe()
    disk.broken = {}
    assert held.probe()
    assert written == [examples(1, 2)]


def test_a_probe_runs_in_the_background_and_never_twice_at_once(tmp_path: Path) -> None:
    disk, executor = FailingDisk(), Held()
    held = journal(tmp_path, disk=disk, executor=executor)
    disk.broken = {"write": errno.ENOSPC}
    with pytest.raises(JournalError):
        held.append(example(1), 1)
    disk.broken = {}
    assert not held.probe() and not held.probe()
    assert len(executor.jobs) == 1
    executor.run()
    held.tick()
    assert held.failed is None


def vanish(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def come_back(folder: Path) -> None:
    folder.with_name("elsewhere").rename(folder)


def come_back_empty(folder: Path) -> None:
    folder.mkdir()


@pytest.mark.parametrize(("back", "kept"), [(come_back, True), (come_back_empty, False)])
def test_a_folder_that_vanishes_is_noticed_and_the_journal_resumes_where_it_is_back(
    tmp_path: Path, back: Callable[[Path], None], kept: bool
) -> None:
    folder = tmp_path / "journal"
    held = journal(folder)
    held.append(examples(1, 3), 3)
    held.tick()
    vanish(folder)
    held.tick()
    with pytest.raises(JournalError, match=r"has vanished; bring .*journal back"):
        held.append(example(4), 1)
    assert not held.probe()
    assert held.failed is not None and "is not there" in str(held.failed)
    assert not folder.exists()  # an empty mount point is no place for it
    back(folder)
    assert held.probe()
    assert held.append(example(4), 1) == 4
    if kept:
        assert b"".join(held.read()) == examples(1, 4)
    else:
        assert b"".join(held.read(3)) == example(4)
        assert "examples 1 to 3, which come before it, are missing" in held.opening.remarks[0]
    held.close()


def test_a_folder_that_vanishes_is_noticed_while_it_is_synced(tmp_path: Path) -> None:
    folder, executor = tmp_path / "journal", Held()
    held = journal(folder, sync="always", executor=executor, segment_bytes=40)
    held.append(examples(1, 2), 2)
    held.begin_sync(lambda: None)
    held.append(examples(3, 4), 2)  # the next segment, which has not its lasting name yet
    held.tick()
    assert held.failed is None
    vanish(folder)
    held.tick()
    assert "has vanished" in str(held.failed)
    with pytest.raises(JournalError, match="has vanished"):
        held.begin_sync(lambda: None)


def test_what_a_repair_had_to_open_again_is_told_until_somebody_took_notice(tmp_path: Path) -> None:
    folder, executor = tmp_path / "journal", Held()
    held = journal(folder, executor=executor)
    held.append(examples(1, 3), 3)
    assert (held.reopened, len(held.descriptors)) == (None, 1)
    vanish(folder)
    held.tick()
    come_back_empty(folder)
    assert not held.probe()
    assert (held.repairing, held.descriptors) == (True, [])
    executor.run()
    assert held.descriptors == []  # as long as the owner does not know how it went
    assert held.probe()
    assert (held.repairing, len(held.descriptors)) == (False, 1)
    assert held.reopened == held.opening and [gap.first for gap in held.opening.gaps] == [4]
    held.close()
    assert held.descriptors == []


def test_a_folder_that_comes_back_with_more_than_was_learned_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    held = journal(folder)
    held.append(examples(1, 3), 3)
    vanish(folder)
    held.tick()
    folder.mkdir()
    (folder / "00000000000000000001.dat").write_bytes(examples(1, 5))
    assert not held.probe() and not held.probe()
    assert "has examples up to 5, and this model learned 3; restart" in str(held.failed)


def test_a_folder_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    disk = FailingDisk()
    disk.broken = {"create": errno.EROFS}
    with pytest.raises(JournalError, match=f"cannot open the journal in {tmp_path}: Read-only file system"):
        journal(tmp_path, disk=disk)
    disk.broken = {}
    journal(tmp_path, disk=disk).close()  # the lock is free


def test_a_file_in_place_of_the_folder_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "journal").touch()
    with pytest.raises(JournalError, match=r"cannot open the journal in .*journal: "):
        journal(tmp_path / "journal")


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder of one's own, and not root's, to whom nothing is read-only."""
    was = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        if was == 0:
            os.chown(name, NOBODY, -1)
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            os.seteuid(was)


def test_a_read_only_folder_stops_learning_at_the_next_segment_until_it_is_writable(own_folder: Path) -> None:
    held = journal(own_folder, segment_bytes=40)
    held.append(examples(1, 2), 2)
    own_folder.chmod(0o500)
    with pytest.raises(JournalError, match="Permission denied"):
        held.append(examples(3, 5), 3)
    assert not held.probe()
    own_folder.chmod(0o700)
    assert held.probe()
    assert held.append(examples(3, 5), 3) == 5
    held.close()


FILE_SIZE_LIMITED = """
import resource, sys
from pathlib import Path
from tests.durability.power import examples, journal
from vwserve.durability import JournalError
from vwserve.durability.disk import Disk

held = journal(Path(sys.argv[1]), disk=Disk())
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
refused = 0
while not refused:
    try:
        held.append(examples(held.last + 1, held.last + 250), 250)
    except JournalError as error:
        refused = held.last + 1
        print(error)
size = sum(path.stat().st_size for path in Path(sys.argv[1]).glob("*.dat"))
assert size == len(examples(1, held.last)), size
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert held.probe()
held.append(examples(refused, refused + 249), 250)
held.close()
"""


def test_a_write_that_the_system_itself_cuts_short_is_cut_back(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILE_SIZE_LIMITED, str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout
    with opened(tmp_path) as held:
        assert held.opening.remarks == []
        assert b"".join(held.read()) == examples(1, held.last)
        assert held.last % 250 == 0 and held.last > 2000


def test_a_device_that_is_always_full_takes_nothing(tmp_path: Path) -> None:
    class FullDisk(Disk):
        def create(self, path: Path) -> int:
            fd = super().create(path)
            if path.suffix == ".dat":
                os.close(fd)
                return os.open("/dev/full", os.O_RDWR)
            return fd

        def truncate(self, fd: int, size: int) -> None:
            if size:
                super().truncate(fd, size)

    held = journal(tmp_path, disk=FullDisk())
    with pytest.raises(JournalError, match="No space left on device"):
        held.append(example(1), 1)
    assert held.last == 0
