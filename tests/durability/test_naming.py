"""Segments that were renamed, or are another journal's, are refused by name before anything is learned or changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.durability.power import example, examples, journal, names, opened
from vwserve.durability import JournalError
from vwserve.durability.opening import look_through
from vwserve.durability.times import Moment


def dat(folder: Path, first: int, ending: str = ".dat") -> Path:
    return folder / f"{first:020}{ending}"


def written(folder: Path, segment_bytes: int = 1 << 20) -> None:
    """A journal of 20 examples; of small segments all but the last are compressed."""
    with opened(folder, segment_bytes=segment_bytes) as held:
        for number in range(1, 21):
            held.append(example(number), 1)
            held.tick()
        held.tick()


def assert_refused(folder: Path, match: str) -> None:
    """Whoever opens it is told, and it stays as it is; so is who only looks through it."""
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}
    for _ in range(2):
        with pytest.raises(JournalError, match=match):
            journal(folder)
        with pytest.raises(JournalError, match=match):
            look_through(folder, multiline=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"} == before


def assert_whole(folder: Path) -> None:
    with opened(folder) as held:
        assert (held.opening.first, held.last, held.opening.remarks) == (1, 20, [])
        assert b"".join(held.read()) == examples(1, 20)


def test_a_segment_inside_the_one_before_it_is_refused_until_it_is_moved_away(tmp_path: Path) -> None:
    written(tmp_path)
    for first in (2, 11, 20):
        dat(tmp_path, first).write_bytes(b"1 |f foreign\n")
        assert_refused(
            tmp_path, rf"{first:020}\.dat begins at example {first}, and .*0001\.dat goes up to 20.*move away"
        )
        dat(tmp_path, first).unlink()
    assert_whole(tmp_path)


@pytest.mark.parametrize("number", [11, 21, 500])
def test_a_segment_that_was_renamed_with_its_times_is_refused_until_it_has_its_name_back(
    tmp_path: Path, number: int
) -> None:
    written(tmp_path)
    for ending in (".dat", ".times"):
        dat(tmp_path, 1, ending).rename(dat(tmp_path, number, ending))
    assert_refused(tmp_path, rf"{number:020}\.dat was renamed: .*times says that it begins at example 1\. .*0001\.dat")
    for ending in (".dat", ".times"):
        dat(tmp_path, number, ending).rename(dat(tmp_path, 1, ending))
    assert_whole(tmp_path)


@pytest.mark.parametrize("number", [2, 11, 20, 22, 500])
def test_a_segment_that_was_renamed_without_its_times_is_refused_until_it_has_its_name_back(
    tmp_path: Path, number: int
) -> None:
    written(tmp_path)
    dat(tmp_path, 1).rename(dat(tmp_path, number))
    assert_refused(
        tmp_path, rf"{number:020}\.dat has no times, and 0*1\.times has no examples: .*call it 0*1\.dat again"
    )
    dat(tmp_path, number).rename(dat(tmp_path, 1))
    assert_whole(tmp_path)


def test_so_is_one_of_which_no_time_was_noted_yet(tmp_path: Path) -> None:
    dat(tmp_path, 1, ".times").write_bytes(Moment(0, 5.0).line())
    dat(tmp_path, 101).write_bytes(examples(1, 20))
    assert_refused(tmp_path, r"0101\.dat has no times, and 0*1\.times has no examples: .*call it 0*1\.dat again")


def test_a_segment_that_was_renamed_to_an_earlier_number_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, after=10) as held:
        held.append(examples(11, 30), 20)
    dat(tmp_path, 11).rename(dat(tmp_path, 1))
    assert_refused(tmp_path, r"0001\.dat has no times, and 0*11\.times has no examples")
    dat(tmp_path, 11, ".times").rename(dat(tmp_path, 1, ".times"))
    assert_refused(tmp_path, r"0001\.dat was renamed: 0*1\.times says that it begins at example 11")


def test_a_compressed_segment_knows_its_number_also_where_its_times_are_lost(tmp_path: Path) -> None:
    written(tmp_path, segment_bytes=60)
    packed = sorted(tmp_path.glob("*.gz"))[1]
    for path in tmp_path.glob("*.times"):
        path.unlink()
    renamed = packed.rename(dat(tmp_path, int(packed.name[:20]) + 1, ".dat.gz"))
    assert_refused(tmp_path, rf"{renamed.name} was renamed: it begins at example .*Call it {packed.name}")
    renamed.rename(packed)
    assert_whole(tmp_path)


def test_times_that_are_lost_or_damaged_are_no_hindrance(tmp_path: Path) -> None:
    written(tmp_path, segment_bytes=60)
    times = sorted(tmp_path.glob("*.times"))
    times[0].unlink()
    times[1].write_bytes(bytes(50))
    times[2].write_bytes(b"")
    times[-1].unlink()
    assert_whole(tmp_path)
    assert times[-1].read_bytes().startswith(b"%d " % (int(times[-1].name[:20]) - 1))  # it says its number again


def test_a_removal_that_was_cut_short_is_not_taken_for_a_renaming(tmp_path: Path) -> None:
    written(tmp_path, segment_bytes=60)
    first, second = sorted(tmp_path.glob("*.gz"))[:2]
    first.unlink()
    dat(tmp_path, int(second.name[:20]), ".times").unlink()
    with opened(tmp_path) as held:
        assert (held.opening.first, held.last, held.opening.remarks) == (int(second.name[:20]), 20, [])


def test_a_segment_that_was_removed_by_hand_is_only_a_gap(tmp_path: Path) -> None:
    written(tmp_path, segment_bytes=60)
    sorted(tmp_path.glob("*.gz"))[1].unlink()
    with opened(tmp_path) as held:
        assert held.last == 20
        assert len(held.opening.gaps) == 1


def test_a_segment_without_any_promise_takes_its_times_with_it(tmp_path: Path) -> None:
    written(tmp_path)
    dat(tmp_path, 30, ".dat.next").write_bytes(examples(30, 31))
    dat(tmp_path, 30, ".times").write_bytes(Moment(29, 5.0).line() + Moment(31, 6.0).line())
    with opened(tmp_path) as held:
        assert held.last == 20
    assert [name for name in names(tmp_path) if name.startswith("30.")] == ["30.torn-0"]
