"""Reading a journal: any stretch of it, in blocks, while it grows; and from which example a time is."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.durability.power import Clock, Held, example, examples, journal, opened
from vwserve.durability import JournalError, read_journal, sequence_at
from vwserve.durability.times import good_bytes


@pytest.mark.parametrize("multiline", [False, True])
@given(st.data())
def test_any_stretch_is_read_in_blocks_of_whole_examples(
    tmp_path_factory: pytest.TempPathFactory, multiline: bool, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    count = data.draw(st.integers(0, 40), label="count")
    segment_bytes = data.draw(st.sampled_from([30, 200, 10_000]), label="segment_bytes")
    with opened(folder, multiline=multiline, segment_bytes=segment_bytes) as held:
        for number in range(1, count + 1):
            held.append(example(number, multiline), 1)
            if data.draw(st.booleans()):
                held.tick()
        after = data.draw(st.integers(0, count), label="after")
        until = data.draw(st.none() | st.integers(0, count), label="until")
        lines = data.draw(st.integers(1, 30), label="lines")
        blocks = list(held.read(after, until, lines))
        assert b"".join(blocks) == examples(after + 1, count if until is None else until, multiline)
        for block in blocks:
            assert block.endswith(b"\n\n" if multiline else b"\n")
            assert block.count(b"\n") <= lines or block.count(b"\n\n" if multiline else b"\n") == 1


def test_blocks_are_chunks(tmp_path: Path) -> None:
    with opened(tmp_path) as held:
        held.append(examples(1, 10_000), 10_000)
        blocks = list(held.read())
    assert b"".join(blocks) == examples(1, 10_000)
    assert max(block.count(b"\n") for block in blocks) == 250
    assert max(map(len, blocks)) <= 1 << 16
    assert len(blocks) < 50


def test_an_example_larger_than_a_block_is_read_whole(tmp_path: Path) -> None:
    large = b"1 |f " + b"x" * 300_000 + b"\n"
    with opened(tmp_path) as held:
        held.append(example(1) + large + example(3), 3)
        assert b"".join(held.read()) == example(1) + large + example(3)
        assert list(held.read(1, 2)) == [large]


def test_what_is_read_is_what_was_there_at_the_start(tmp_path: Path) -> None:
    executor = Held()
    held = journal(tmp_path, executor=executor, segment_bytes=60)
    held.append(examples(1, 3), 3)
    before = read_journal(tmp_path, multiline=False)
    for number in range(4, 20):
        held.append(example(number), 1)
    during = read_journal(tmp_path, multiline=False)
    for _ in range(9):  # segments get their names, and are compressed
        held.tick()
        executor.run()
    assert list(tmp_path.glob("*.gz"))
    with (tmp_path / f"{19:020}.dat").open("ab") as file:
        file.write(b"")
    assert b"".join(before) == examples(1, 3)
    assert b"".join(during) == examples(1, 19)


def test_the_torn_end_of_a_journal_that_another_process_writes_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 3) + b"1 |f half")
    assert b"".join(read_journal(tmp_path, multiline=False)) == examples(1, 3)


def test_what_follows_on_a_torn_end_without_a_name_of_its_own_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 3))
    (tmp_path / "00000000000000000006.dat.next").write_bytes(examples(6, 8))
    assert b"".join(read_journal(tmp_path, multiline=False)) == examples(1, 3)
    with opened(tmp_path) as held:
        assert (held.last, held.opening.gaps) == (3, ())
        assert held.opening.cuts[0].kept.read_bytes() == examples(6, 8)
        held.append(examples(4, 7), 4)
        assert b"".join(held.read()) == examples(1, 7)


def test_a_segment_inside_the_one_before_it_is_not_read_on_from(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 9))
    (tmp_path / "00000000000000000005.dat").write_bytes(examples(5, 5))
    with pytest.raises(JournalError, match=r"0005\.dat begins at example 5, and .* goes up to 9; move away"):
        list(read_journal(tmp_path, multiline=False))


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_segment_is_named(tmp_path: Path, damage: str) -> None:
    data = gzip.compress(examples(1, 300))
    data = data[:-20] if damage == "cut" else data[:200] + b"????" + data[204:]
    (tmp_path / "00000000000000000001.dat.gz").write_bytes(data)
    with pytest.raises(JournalError, match=r"0001\.dat\.gz is damaged: .*restore it from a copy"):
        list(read_journal(tmp_path, multiline=False))


def test_no_journal_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    assert list(read_journal(tmp_path, multiline=False)) == []
    with pytest.raises(JournalError, match=r"cannot read the journal in .*nowhere: No such file or directory"):
        read_journal(tmp_path / "nowhere", multiline=False)


# -- times -----------------------------------------------------------------------------------------------------------


def test_a_time_leads_to_the_last_example_learned_by_then(tmp_path: Path) -> None:
    clock = Clock()
    held = journal(tmp_path, clock=clock, segment_bytes=60)
    learned: list[tuple[float, int]] = []
    for number in range(1, 21):
        clock.now = 1000 + 10.0 * number
        held.append(example(number), 1)
        learned.append((clock.now, number))
    held.tick()
    for time, number in learned:
        assert held.sequence_at(time - 1) == number - 1
        assert held.sequence_at(time + 1) == number
    held.close()
    assert sequence_at(tmp_path, 1e9) == 20
    assert sequence_at(tmp_path, 1095.0) == 9


def test_under_load_it_is_at_most_a_second_short_and_costs_a_line_a_second(tmp_path: Path) -> None:
    clock = Clock()
    held = journal(tmp_path, clock=clock)
    for number in range(1, 501):
        held.append(example(number), 1)
        clock.now += 0.01
    for tenths in range(0, 51):
        at = 1000 + tenths / 10
        assert tenths * 10 - 101 <= held.sequence_at(at) <= tenths * 10 + 1
    assert len((tmp_path / "00000000000000000001.times").read_bytes().splitlines()) <= 5


def test_where_the_clock_was_set_back_the_first_of_the_moments_counts(tmp_path: Path) -> None:
    clock = Clock()
    held = journal(tmp_path, clock=clock)
    for number, clock.now in enumerate([1000.0, 1010.0, 1020.0, 1005.0, 1015.0, 1030.0], 1):
        held.append(example(number), 1)
    assert held.sequence_at(1016) == 2
    assert held.sequence_at(1040) == 6


@given(cut=st.integers(0, 400))
def test_lost_times_lead_to_an_earlier_example_never_to_a_later_one(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    clock = Clock()
    held = journal(folder, clock=clock)
    for number in range(1, 11):
        held.append(example(number), 1)
        clock.now += 10
        held.tick()
    held.close()
    path = folder / "00000000000000000001.times"
    path.write_bytes(path.read_bytes()[:cut])
    again = journal(folder, clock=clock)
    clock.now += 10
    again.append(example(11), 1)
    found = [again.sequence_at(995.0 + 10 * number) for number in range(13)]
    assert all(sequence <= number for number, sequence in enumerate(found))
    assert found == sorted(found)
    assert found[-1] == 11 and again.sequence_at(1000 + 100) == 10


def test_times_of_examples_that_a_power_cut_took_are_not_those_of_the_next_that_have_their_numbers(
    tmp_path: Path,
) -> None:
    clock = Clock()
    held = journal(tmp_path, clock=clock)
    held.append(examples(1, 3), 3)
    clock.now = 1010
    held.append(examples(4, 9), 6)
    clock.now = 1020
    held.close()
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 4))
    again = journal(tmp_path, clock=clock)
    clock.now = 1030
    again.append(examples(5, 9), 5)
    assert again.sequence_at(1012) == 3
    assert again.sequence_at(1029) == 4
    assert again.sequence_at(1030) == 9


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (b"4 1.5\n6 2.5\n", 12),
        (b"4 1.5\n6 2.", 6),
        (b"4 1.5\n6 2.5\n5 3.0\n", 12),
        (b"4 1.5\n8 2.5\n", 6),
        (b"2 1.5\n", 0),
    ],
)
def test_only_times_of_the_segments_own_examples_are_kept(text: bytes, good: int) -> None:
    assert good_bytes(text, 4, 7)[0] == good


def test_times_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot read the journal in .*nowhere"):
        sequence_at(tmp_path / "nowhere", 0)
