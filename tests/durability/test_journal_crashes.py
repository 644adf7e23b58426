"""What was synced survives a power cut, what was appended the end of the process; nothing comes back torn or twice."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.durability.power import Clock, Contents, Held, RecordingDisk, examples, journal, opened
from vwserve.durability import Journal, JournalError
from vwserve.durability.opening import look_through


@dataclass
class Run:
    """A journal under way, and after which change of the disk what was promised, and what had been asked for."""

    folder: Path
    multiline: bool
    segment_bytes: int
    held: int = 0
    disk: RecordingDisk = field(init=False)
    journal: Journal = field(init=False)
    promises: list[tuple[int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.disk = RecordingDisk(self.folder)
        self.promises.append((self.disk.start, self.held, self.held))
        self.executor = Held()
        self.clock = Clock()
        self.journal = journal(
            self.folder,
            multiline=self.multiline,
            segment_bytes=self.segment_bytes,
            executor=self.executor,
            clock=self.clock,
            disk=self.disk,
        )
        self.promise(self.journal.last)

    def promise(self, asked: int) -> None:
        self.promises.append((len(self.disk.changes), self.journal.synced, asked))

    def do(self, step: str) -> None:
        last = self.journal.last
        if step.startswith("append"):
            count = int(step.split()[1])
            self.promise(last + count)
            assert self.journal.append(examples(last + 1, last + count, self.multiline), count) == last + count
        elif step == "sync":
            self.executor.run()
            self.journal.sync_now()
            assert not self.journal.dirty
        elif step == "begin":
            self.journal.begin_sync(lambda: None)
        elif step == "tick":
            self.clock.now += 1
            self.journal.tick()
        else:
            self.executor.run()
            self.journal.tick()
        self.promise(self.journal.last)

    def promised(self, changes: int) -> tuple[int, int]:
        """After so many changes: the last example promised, and the last that might be there."""
        before = [promise for promise in self.promises if promise[0] <= changes]
        return before[-1][1], max(asked for _, _, asked in before)

    def end(self) -> None:
        self.executor.run()
        self.journal.close()


def lay_out(contents: Contents, folder: Path, draw: Draw) -> None:
    """What a power cut leaves."""
    folder.mkdir()
    files = contents.named(draw.keeps)
    for path, number in files.items():
        now, safe = contents.now[number], contents.safe[number]
        if not now.startswith(safe):  # cut back, which may not have come to the disk
            now, safe = safe, now if safe.startswith(now) else safe
        kept = now[: draw.between(path.name, len(safe), len(now))]
        zeros = draw.between("zeros", 0, len(kept) - len(safe)) if draw.flag("zeroed") else 0
        (folder / path.name).write_bytes(kept[: len(kept) - zeros] + bytes(zeros))


class Draw:
    """Chooses at random."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data

    def between(self, what: str, least: int, most: int) -> int:
        return self.data.draw(st.integers(least, most), label=what)

    def keeps(self, change: str) -> bool:
        return self.data.draw(st.booleans(), label=change)

    def flag(self, what: str) -> bool:
        return self.data.draw(st.sampled_from([False, False, True]), label=what)


class Extreme(Draw):
    """Chooses the least that may be left, or the most."""

    def __init__(self, most: bool) -> None:
        self.most = most

    def between(self, what: str, least: int, most: int) -> int:
        return most if self.most else least

    def keeps(self, change: str) -> bool:
        return self.most

    def flag(self, what: str) -> bool:
        return False


class Removals(Extreme):
    """Of the names that are not safe those are kept that are removed."""

    def keeps(self, change: str) -> bool:
        return change == "unlink"


def assert_is_prefix(folder: Path, multiline: bool, promised: int, asked: int) -> int:
    """Reopened, the journal holds the examples from 1 up to some number, which it names, whole and once."""
    with opened(folder, multiline=multiline) as again:
        assert promised <= again.last <= asked
        assert b"".join(again.read()) == examples(1, again.last, multiline)
        assert again.opening.gaps == () and again.opening.foreign == ()
        last = again.append(examples(again.last + 1, again.last + 2, multiline), 2)
        assert b"".join(again.read()) == examples(1, last, multiline)
    with opened(folder, multiline=multiline) as again:
        assert (again.last, again.opening.cuts) == (last, ())
    return last


steps = st.lists(
    st.sampled_from(["append 1", "append 2", "append 3", "append 5", "tick", "background", "sync", "begin"]),
    max_size=14,
)


@settings(max_examples=150)
@given(st.data(), st.booleans(), st.sampled_from([40, 90, 10_000]), steps, steps)
def test_a_power_cut_takes_nothing_that_was_synced_and_leaves_nothing_torn(
    data: st.DataObject, multiline: bool, segment_bytes: int, first: list[str], second: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, held = Path(name) / "0", 0
        for round_, sequence in enumerate((first, second), 1):
            run = Run(folder, multiline, segment_bytes, held)
            for step in sequence:
                run.do(step)
            changes = data.draw(st.integers(run.disk.start, len(run.disk.changes)), label="power cut")
            promised, asked = run.promised(changes)
            run.end()
            after = Path(name) / str(round_)
            lay_out(run.disk.contents(changes), after, Draw(data))
            held = assert_is_prefix(after, multiline, promised, asked)
            folder = after


@pytest.mark.parametrize("multiline", [False, True])
@pytest.mark.parametrize("left", [Extreme(False), Extreme(True), Removals(True)], ids=["least", "most", "removals"])
def test_a_power_cut_between_any_two_system_calls_of_rotation_and_compression(
    tmp_path: Path, multiline: bool, left: Draw
) -> None:
    run = Run(tmp_path / "journal", multiline, segment_bytes=100)
    for step in ["append 3", "append 3", "tick", "append 4", "background", "tick", "append 5", "append 9", "sync"] * 2:
        run.do(step)
    run.do("tick")
    run.do("background")
    run.end()
    held: list[int] = []
    for changes in range(run.disk.start, len(run.disk.changes) + 1):
        folder = tmp_path / str(changes)
        lay_out(run.disk.contents(changes), folder, left)
        held.append(assert_is_prefix(folder, multiline, *run.promised(changes)))
    assert len(held) > 60 and held[-1] == run.journal.last + 2


@pytest.mark.parametrize("multiline", [False, True])
def test_a_file_cut_at_any_byte_is_reopened_at_the_last_whole_example(tmp_path: Path, multiline: bool) -> None:
    text = examples(1, 9, multiline)
    ends = [len(examples(1, number, multiline)) for number in range(10)]
    for size in range(len(text) + 1):
        folder = tmp_path / str(size)
        folder.mkdir()
        path = folder / "00000000000000000001.dat"
        path.write_bytes(text[:size])
        with opened(folder, multiline=multiline) as again:
            whole = max(number for number, end in enumerate(ends) if end <= size)
            assert again.last == whole
            assert b"".join(again.read()) == text[: ends[whole]]
            if size == ends[whole]:
                assert again.opening.cuts == ()
            else:
                (cut,) = again.opening.cuts
                assert (cut.path, cut.offset, cut.size) == (path, ends[whole], size - ends[whole])
                assert cut.kept.read_bytes() == text[ends[whole] : size]
                assert "no whole example" in again.opening.remarks[0]


@pytest.mark.parametrize("zeros", [1, 5000, 200_000])
def test_zeros_at_the_end_as_some_file_systems_leave_them_are_cut_off(tmp_path: Path, zeros: int) -> None:
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 3) + b"1 |f half" + bytes(zeros))
    with opened(tmp_path) as again:
        assert again.last == 3
        assert again.opening.cuts[0].size == len(b"1 |f half") + zeros


@pytest.mark.parametrize("zeros", [1, 5000, 200_000])
@pytest.mark.parametrize("after", [b"\n", examples(4, 9), bytes(70_000) + b"1"])
def test_zeros_with_anything_after_them_are_refused_and_nothing_is_cut(
    tmp_path: Path, zeros: int, after: bytes
) -> None:
    path = tmp_path / "00000000000000000001.dat"
    path.write_bytes(text := examples(1, 3) + b"1 |f half" + bytes(zeros) + after)
    size = len(examples(1, 3) + b"1 |f half")
    with pytest.raises(
        JournalError, match=rf"0001\.dat has bytes that are zero from byte {size} on.*truncate -s {size}"
    ):
        journal(tmp_path)
    with pytest.raises(JournalError, match=rf"from byte {size} on"):
        look_through(tmp_path, multiline=False)
    assert path.read_bytes() == text
    os.truncate(path, size)
    with opened(tmp_path) as again:
        assert again.last == 3


def test_nothing_appended_is_lost_where_only_the_process_ends(tmp_path: Path) -> None:
    run = Run(tmp_path / "journal", False, segment_bytes=100)
    for step in ["append 3", "append 5", "tick", "append 4", "background", "append 9"]:
        run.do(step)
        folder = tmp_path / str(len(run.disk.changes))
        lay_out(run.disk.contents(len(run.disk.changes)), folder, Extreme(most=True))
        with opened(folder) as again:
            assert again.last == run.journal.last
    run.end()


def test_what_a_last_run_left_unsynced_is_synced_before_what_follows_on_it_gets_its_name(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 3))
    (tmp_path / "00000000000000000004.dat.next").write_bytes(examples(4, 5))
    calls: list[str] = []

    class Disk(RecordingDisk):
        def sync(self, fd: int) -> None:
            calls.append("sync " + Path(f"/proc/self/fd/{fd}").readlink().name.lstrip("0"))
            super().sync(fd)

        def rename(self, path: Path, to: Path) -> None:
            calls.append("rename " + path.name.lstrip("0"))
            super().rename(path, to)

    journal(tmp_path, disk=Disk(tmp_path), executor=Held()).close()
    assert calls[:3] == ["sync 1.dat", "rename 4.dat.next", "sync 4.dat"]
