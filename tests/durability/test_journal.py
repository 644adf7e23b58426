"""Appending to a journal: numbers, what is on the disk, rotation, compression, what is kept, who may write."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.durability.power import Clock, Held, QuickDisk, example, examples, journal, names, opened
from vwserve.durability import JournalError, read_journal
from vwserve.durability.disk import Disk

DAY_S = 86400.0
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("multiline", [False, True])
def test_examples_are_numbered_from_1_and_stand_in_the_file_as_they_came(tmp_path: Path, multiline: bool) -> None:
    with opened(tmp_path, multiline=multiline) as held:
        assert held.append(examples(1, 3, multiline), 3) == 3
        assert held.append(example(4, multiline), 1) == 4
        assert held.last == 4
        assert (tmp_path / "00000000000000000001.dat").read_bytes() == examples(1, 4, multiline)


class CountingDisk(QuickDisk):
    """Counts what is written to a journal's text."""

    def __init__(self, most_bytes: int) -> None:
        self.writes: list[int] = []
        self.most_bytes = most_bytes

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self.writes.append(len(data))
        return super().write(fd, data[: self.most_bytes])


def test_a_chunk_is_one_system_call(tmp_path: Path) -> None:
    disk = CountingDisk(1 << 20)
    held = journal(tmp_path, disk=disk)
    held.append(examples(1, 250), 250)
    assert disk.writes[1:] == [len(examples(1, 250))]  # the first was that of the times, when it was opened


def test_a_short_write_is_finished(tmp_path: Path) -> None:
    held = journal(tmp_path, disk=CountingDisk(7))
    assert held.append(examples(1, 5), 5) == 5
    assert b"".join(held.read()) == examples(1, 5)


@pytest.mark.parametrize(
    ("multiline", "text", "count"),
    [
        (False, b"1 |f a", 1),
        (False, b"1 |f a\n", 2),
        (False, b"1 |f a\n\n", 1),
        (True, b"0:1:1 |f a\n", 1),
        (False, b"", 0),
    ],
)
def test_what_is_not_that_many_whole_examples_is_a_fault_of_the_caller(
    tmp_path: Path, multiline: bool, text: bytes, count: int
) -> None:
    with opened(tmp_path, multiline=multiline) as held:
        with pytest.raises(ValueError, match="whole examples"):
            held.append(text, count)
        assert held.last == 0


def test_a_reopened_journal_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "ctr" / "journal"
    with opened(folder) as held:
        held.append(examples(1, 3), 3)
    with opened(folder) as held:
        assert (held.opening.first, held.opening.last, held.opening.remarks) == (1, 3, [])
        assert held.append(example(4), 1) == 4
    assert names(folder) == ["1.dat", "1.times"]


# -- what is on the disk ---------------------------------------------------------------------------------------------


def test_it_says_how_much_a_power_cut_could_take(tmp_path: Path) -> None:
    held = journal(tmp_path, sync="always")
    assert not held.dirty
    held.append(examples(1, 3), 3)
    assert (held.dirty, held.synced) == (True, 0)
    held.sync_now()
    assert (held.dirty, held.synced) == (False, 3)


def test_everysec_syncs_in_the_background_and_never_twice_at_once(tmp_path: Path) -> None:
    executor = Held()
    held = journal(tmp_path, executor=executor)
    held.tick()
    assert executor.jobs == []  # there is nothing to sync
    held.append(example(1), 1)
    held.tick()
    held.append(example(2), 1)
    held.tick()
    assert (len(executor.jobs), held.synced) == (1, 0)
    executor.run()
    held.tick()
    assert (len(executor.jobs), held.synced) == (1, 1)  # the next one
    executor.run()
    held.tick()
    assert (executor.jobs, held.synced) == ([], 2)


@pytest.mark.parametrize("sync", ["always", "os"])
def test_the_others_leave_it_to_the_owner_and_to_the_system(tmp_path: Path, sync: str) -> None:
    executor = Held()
    held = journal(tmp_path, sync="always" if sync == "always" else "os", executor=executor)
    held.append(example(1), 1)
    held.tick()
    assert executor.jobs == []


def test_what_is_appended_during_a_sync_is_for_the_next_one(tmp_path: Path) -> None:
    executor, ended = Held(), list[int]()
    held = journal(tmp_path, sync="always", executor=executor)
    held.append(examples(1, 2), 2)
    held.begin_sync(lambda: ended.append(1))
    held.append(example(3), 1)
    held.begin_sync(lambda: ended.append(2))  # of the one that is under way
    assert (len(executor.jobs), ended) == (1, [])
    executor.run()
    assert (ended, held.synced) == ([1, 2], 0)
    held.settle()
    assert (held.synced, held.dirty) == (2, True)
    held.begin_sync(lambda: ended.append(3))
    executor.run()
    held.settle()
    assert (ended, held.synced, held.dirty) == ([1, 2, 3], 3, False)


def test_a_sync_in_the_background_waits_for_the_one_that_closes_a_segment(tmp_path: Path) -> None:
    executor, ended = Held(), list[int]()
    held = journal(tmp_path, sync="always", segment_bytes=50, executor=executor)
    for number in range(1, 6):
        held.append(example(number), 1)
    held.tick()
    held.append(example(6), 1)
    held.begin_sync(lambda: ended.append(5))
    executor.run()
    held.settle()
    assert (ended, held.synced) == ([5], 5)
    assert not [name for name in names(tmp_path) if ".next" in name]


def test_a_sync_in_the_background_closes_segments_as_well(tmp_path: Path) -> None:
    executor = Held()
    held = journal(tmp_path, sync="always", segment_bytes=50, executor=executor)
    for number in range(1, 8):
        held.append(example(number), 1)
    held.begin_sync(lambda: None)
    executor.run()
    held.settle()
    assert held.synced == 7
    assert not [name for name in names(tmp_path) if ".next" in name]
    assert b"".join(held.read()) == examples(1, 7)


def test_no_sync_waits_for_a_thread_that_compresses(tmp_path: Path) -> None:
    executor, sync_executor, disk = Held(), Held(), QuickDisk()
    held = journal(tmp_path, segment_bytes=50, executor=executor, sync_executor=sync_executor, disk=disk)
    for number in range(1, 6):
        held.append(example(number), 1)
    held.tick()
    sync_executor.run()
    held.tick()
    assert (held.synced, len(executor.jobs)) == (5, 1)  # a segment was closed, and is to be compressed
    held.append(example(6), 1)
    held.begin_sync(lambda: None)
    sync_executor.run()
    held.settle()
    assert (held.synced, len(executor.jobs)) == (6, 1)


def test_closing_waits_for_the_sync_that_is_under_way(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        held = journal(tmp_path, sync="always", executor=executor, disk=Disk())
        held.append(example(1), 1)
        held.begin_sync(lambda: None)
        held.append(example(2), 1)
        held.close()
        assert (held.synced, held.failed) == (2, None)
    with pytest.raises(JournalError, match="is closed"):
        held.begin_sync(lambda: None)


# -- rotation and compression ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("multiline", [False, True])
def test_segments_are_closed_at_an_examples_end_and_compressed(tmp_path: Path, multiline: bool) -> None:
    with opened(tmp_path, multiline=multiline, segment_bytes=120) as held:
        for number in range(1, 31):
            held.append(example(number, multiline), 1)
            held.tick()
        held.tick()
        texts = {int(path.name.partition(".")[0]): path for path in tmp_path.glob("*.dat*")}
        firsts = sorted(texts)
        assert len(firsts) > 3
        assert [texts[first].suffix for first in firsts] == [".gz"] * (len(firsts) - 1) + [".dat"]
        for first, following in zip(firsts, [*firsts[1:], 31]):
            data = texts[first].read_bytes()
            text = gzip.decompress(data) if texts[first].suffix == ".gz" else data
            assert text == examples(first, following - 1, multiline)
            assert len(text) <= 120
        assert b"".join(held.read()) == examples(1, 30, multiline)
    with opened(tmp_path, multiline=multiline, segment_bytes=200) as held:
        assert (held.last, held.opening.gaps) == (30, ())


def test_a_new_segment_gets_its_name_once_the_one_before_it_is_on_the_disk(tmp_path: Path) -> None:
    executor = Held()
    held = journal(tmp_path, segment_bytes=50, executor=executor)
    for number in range(1, 8):
        held.append(examples(number, number), 1)
    assert [name for name in names(tmp_path) if ".dat" in name][:2] == ["1.dat", "4.dat.next"]
    assert b"".join(held.read()) == examples(1, 7)
    held.tick()
    executor.run()
    held.tick()
    assert not [name for name in names(tmp_path) if ".next" in name]
    assert held.synced == 7
    assert b"".join(held.read()) == examples(1, 7)


def test_a_segment_that_cannot_be_compressed_stays_and_is_tried_again(tmp_path: Path) -> None:
    class Disk(QuickDisk):
        broken = True

        def create(self, path: Path) -> int:
            if self.broken and path.name.endswith(".draft"):
                raise OSError(28, os.strerror(28))
            return super().create(path)

    disk, clock = Disk(), Clock()
    held = journal(tmp_path, segment_bytes=50, disk=disk, clock=clock)
    for number in range(1, 5):
        held.append(example(number), 1)
    held.tick()
    assert held.failed is None
    assert "cannot compress" in str(held.remark) and "No space left on device" in str(held.remark)
    disk.broken = False
    held.tick()
    assert (tmp_path / "00000000000000000001.dat").exists()  # not at once
    clock.now += 61
    held.tick()
    assert (tmp_path / "00000000000000000001.dat.gz").exists() and held.remark is None
    assert b"".join(held.read()) == examples(1, 4)


def test_a_segment_left_plain_by_the_last_run_is_compressed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 3))
    (tmp_path / "00000000000000000004.dat").write_bytes(examples(4, 5))
    (tmp_path / "00000000000000000001.dat.gz.draft").write_bytes(b"half")
    with opened(tmp_path) as held:
        held.tick()
        assert [name for name in names(tmp_path) if "dat" in name] == ["1.dat.gz", "4.dat"]
        assert b"".join(held.read()) == examples(1, 5)


@pytest.mark.parametrize("damage", ["none", "compressed", "plain"])
def test_of_a_segment_that_is_there_twice_the_whole_one_stays(tmp_path: Path, damage: str) -> None:
    plain, compressed = (tmp_path / f"00000000000000000001.dat{ending}" for ending in ("", ".gz"))
    plain.write_bytes(examples(1, 2 if damage == "plain" else 3))
    data = gzip.compress(examples(1, 3))
    compressed.write_bytes(data[:-9] if damage == "compressed" else data)
    (tmp_path / "00000000000000000004.dat").write_bytes(examples(4, 5))
    with opened(tmp_path) as held:
        assert plain.exists() == (damage == "compressed")
        assert (held.last, held.opening.remarks) == (5, [])
        assert b"".join(held.read()) == examples(1, 5)


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_old_segments_go_once_no_snapshot_needs_them(tmp_path: Path) -> None:
    clock = Clock()
    held = journal(tmp_path, segment_bytes=50, clock=clock, keep_s=6.5 * DAY_S)
    for number in range(1, 13):
        held.append(example(number), 1)
        clock.now += DAY_S
        held.tick()
    held.tick()
    assert sorted(int(name.partition(".")[0]) for name in names(tmp_path) if ".dat" in name) == [1, 4, 7, 10]
    assert held.keep(needed_from=3) == 0  # a snapshot holds 1 and 2, and the first segment has 3
    assert held.keep(needed_from=4) == 1
    assert held.keep(needed_from=13) == 1  # 6 is seven days old, 9 is not
    assert names(tmp_path) == ["10.dat", "10.times", "7.dat.gz", "7.times"]
    clock.now += 100 * DAY_S
    assert held.keep(needed_from=13) == 1  # the last one stays
    assert b"".join(held.read(9)) == examples(10, 12)
    with pytest.raises(JournalError, match=r"begins at example 10, and example 1 is wanted"):
        held.read()
    held.close()
    with opened(tmp_path) as again:
        assert (again.opening.first, again.last, again.opening.remarks) == (10, 12, [])


def test_where_times_are_lost_the_age_of_a_segment_is_that_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 3))
    (tmp_path / "00000000000000000004.dat").write_bytes(examples(4, 5))
    os.utime(tmp_path / "00000000000000000001.dat", (500, 500))
    clock = Clock()
    held = journal(tmp_path, clock=clock, keep_s=1000)
    held.tick()
    assert names(tmp_path)[0] == "1.dat.gz"
    assert held.keep(needed_from=6) == 0
    clock.now = 1501
    assert held.keep(needed_from=6) == 1


# -- what else may lie there -----------------------------------------------------------------------------------------


def test_a_gap_is_reported_and_reading_across_it_refused(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 3))
    (tmp_path / "00000000000000000006.dat").write_bytes(examples(6, 8))
    with opened(tmp_path) as held:
        (remark,) = held.opening.remarks
        assert "00000000000000000006.dat: examples 4 to 5, which come before it, are missing" in remark
        assert b"".join(held.read(5)) == examples(6, 8)
        for after in (0, 3, 4):
            with pytest.raises(JournalError, match=r"0006\.dat begins at example 6.*restore what is missing"):
                list(held.read(after))


def test_a_foreign_file_is_reported_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "1.dat").write_text("1 |f a\n")
    with opened(tmp_path) as held:
        assert [path.name for path in held.opening.foreign] == ["1.dat", "notes.txt"]
        assert "is no part of the journal" in held.opening.remarks[0]
        assert held.last == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_empty_segment_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 3))
    (tmp_path / "00000000000000000004.dat").touch()
    with opened(tmp_path) as held:
        assert (held.last, held.opening.remarks) == (3, [])
        held.append(example(4), 1)
        assert b"".join(held.read()) == examples(1, 4)


def test_examples_of_several_lines_are_not_taken_for_lines(tmp_path: Path) -> None:
    with opened(tmp_path, multiline=True) as held:
        held.append(examples(1, 3, multiline=True), 3)
    with pytest.raises(JournalError, match=r"move .* away, or give the model back the arguments"):
        journal(tmp_path, multiline=False)
    with opened(tmp_path, multiline=True) as held:
        assert held.last == 3


def test_lines_that_are_taken_for_a_torn_example_are_kept_beside_the_journal(tmp_path: Path) -> None:
    with opened(tmp_path) as held:
        held.append(examples(1, 3), 3)
    with opened(tmp_path, multiline=True) as held:
        assert held.last == 0
        assert held.opening.cuts[0].kept.read_bytes() == examples(1, 3)


def test_numbers_go_on_after_what_the_model_has_come_to_by_a_snapshot(tmp_path: Path) -> None:
    with opened(tmp_path / "lost", after=7) as held:
        assert held.append(example(8), 1) == 8
        assert "examples 1 to 7" in held.opening.remarks[0]
    with opened(tmp_path / "short") as held:
        held.append(examples(1, 3), 3)
    with opened(tmp_path / "short", after=7) as held:
        assert held.append(example(8), 1) == 8
        assert "examples 4 to 7" in held.opening.remarks[0]
        assert b"".join(held.read(7)) == example(8)
        with pytest.raises(JournalError, match="ends at 3"):
            list(held.read(2))
    with opened(tmp_path / "short", after=7) as held:
        assert held.last == 8


# -- who may write ---------------------------------------------------------------------------------------------------


def test_a_second_journal_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as held:
        held.append(example(1), 1)
        with pytest.raises(JournalError, match=rf"in use by process {os.getpid()} .*lock.* is locked.*stop that one"):
            journal(tmp_path)
        assert held.append(example(2), 1) == 2
    with opened(tmp_path) as again:
        assert again.last == 2


def test_so_is_one_of_another_process_until_that_has_ended(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.durability.power import journal, example\n"
        "held = journal(Path(sys.argv[1])); held.append(example(1), 1); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(JournalError, match=f"in use by process {other.pid} "):
            journal(tmp_path)
        other.kill()
    with opened(tmp_path) as held:
        assert b"".join(held.read()) == example(1)


# -- real threads, real ends -----------------------------------------------------------------------------------------


def test_it_is_read_and_compressed_by_other_threads_while_it_grows(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as executor:
        held = journal(tmp_path, executor=executor, segment_bytes=20_000, disk=Disk())
        readers = []
        for first in range(1, 20_000, 250):
            last = held.append(examples(first, first + 249), 250)
            held.tick()
            if first % 1000 == 1:
                text = read_journal(tmp_path, multiline=False, after=last // 2)
                readers.append((last, executor.submit(b"".join, text)))
        for last, reader in readers:
            assert reader.result() == examples(last // 2 + 1, last)
        held.close()
        assert held.remark is None
    with opened(tmp_path) as again:
        assert (again.last, again.opening.remarks) == (20_000, [])
        assert b"".join(again.read()) == examples(1, 20_000)


APPENDING = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tests.durability.power import examples, journal

held = journal(Path(sys.argv[1]), executor=ThreadPoolExecutor(2), segment_bytes=30_000)
while True:
    last = held.append(examples(held.last + 1, held.last + 50), 50)
    held.tick()
    print(last, flush=True)
"""


def test_no_end_of_the_process_loses_what_was_appended(tmp_path: Path) -> None:
    for lines in (1, 40, 137, 300):
        with subprocess.Popen(
            [sys.executable, "-c", APPENDING, str(tmp_path)], stdout=subprocess.PIPE, cwd=REPOSITORY
        ) as other:
            assert other.stdout is not None
            said = b"".join([other.stdout.readline() for _ in range(lines)])
            other.kill()
            said += other.stdout.read()
        told = int(said.split(b"\n")[-2])  # of a last line that is cut short nobody was told
        assert told >= lines * 50
        with opened(tmp_path) as again:
            assert again.last >= told
            assert b"".join(again.read()) == examples(1, again.last)
            assert again.opening.gaps == ()
