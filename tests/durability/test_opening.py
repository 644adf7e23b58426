"""A journal is looked through while another process writes it: what is renamed meanwhile is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.durability.power import example, examples, journal
from vwserve.durability import opening
from vwserve.durability.opening import Opening, look_through
from vwserve.durability.segments import Segment


def test_tells_the_first_and_the_last_example_without_changing_anything(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000003.dat").write_bytes(examples(3, 5) + b"1 |f half")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert look_through(tmp_path, multiline=False) == Opening(3, 5)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_segment_that_is_there_twice_is_counted_once(tmp_path: Path) -> None:
    held = journal(tmp_path, segment_bytes=60)
    for number in range(1, 20):
        held.append(example(number), 1)
        held.tick()
    held.close()
    packed = sorted(tmp_path.glob("*.gz"))[1]
    first, second = int(packed.name[:20]), int(sorted(tmp_path.glob("*.dat*"))[2].name[:20])
    packed.with_suffix("").write_bytes(examples(first, second - 1))
    assert look_through(tmp_path, multiline=False) == Opening(1, 19)


def test_what_follows_a_torn_end_without_a_name_of_its_own_was_not_promised(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 3))
    (tmp_path / "00000000000000000006.dat.next").write_bytes(examples(6, 8))
    assert look_through(tmp_path, multiline=False) == Opening(1, 3)


def test_a_segment_that_is_renamed_meanwhile_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "00000000000000000001.dat").write_bytes(examples(1, 3))
    waiting = tmp_path / "00000000000000000004.dat.next"
    waiting.write_bytes(examples(4, 6))
    count = opening._count

    def rename_then_count(segment: Segment, multiline: bool) -> tuple[int, int]:
        if waiting.exists():
            waiting.rename(waiting.with_suffix(""))
        return count(segment, multiline)

    monkeypatch.setattr(opening, "_count", rename_then_count)
    assert look_through(tmp_path, multiline=False) == Opening(1, 6)


def test_a_file_that_stays_away_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.dat").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        look_through(tmp_path, multiline=False)
