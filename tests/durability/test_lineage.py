"""The lineage: written whole or not at all, read as it was written, and which snapshots are of it."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.durability.power import QuickDisk, RecordingDisk
from tests.durability.test_snapshot import PROVENANCE, SNAPSHOT, words
from tests.durability.test_stretches import closed, going_on, stretches
from vwserve.durability.checked import to_text
from vwserve.durability.disk import Disk
from vwserve.durability.lineage import Lineage
from vwserve.durability.provenance import Provenance
from vwserve.durability.snapshot import Moment, Snapshot
from vwserve.durability.stretches import Stretches
from vwserve.errors import StateError
from vwserve.model.policy import OnChange

LINEAGE = Lineage(2, PROVENANCE, Stretches(((1, 50), (81, None))), False)
OTHERWISE = replace(PROVENANCE, arguments="-b 11 --oaa 3")


def snapshot(learned: Stretches, provenance: Provenance = PROVENANCE) -> Snapshot:
    """A snapshot of a model that has learned these."""
    return replace(SNAPSHOT, moment=Moment(1, learned, learned.end), provenance=provenance)


# -- on disk -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 99), going_on, st.booleans(), words, st.integers(0, 99))
def test_what_is_written_is_read_again(
    number: int, examples: Stretches, multiline: bool, model: str, founded: int
) -> None:
    lineage = Lineage(number, replace(PROVENANCE, model=model), examples, multiline, founded)
    with tempfile.TemporaryDirectory() as folder:
        lineage.write(QuickDisk(), Path(folder))
        assert Lineage.read(Path(folder)) == lineage
        assert os.listdir(folder) == ["lineage.json"]


def test_there_is_none_in_a_new_folder(tmp_path: Path) -> None:
    assert Lineage.read(tmp_path) is None
    assert Lineage.read(tmp_path / "missing") is None


def test_a_person_finds_which_examples_make_the_model(tmp_path: Path) -> None:
    LINEAGE.write(Disk(), tmp_path)
    content = json.loads((tmp_path / "lineage.json").read_text())
    assert (content["lineage"], content["learned_from_journal"]) == (2, [[1, 50], [81, None]])
    assert content["arguments"] == "-b 10 --oaa 3"


@given(st.integers(1, 300), st.integers(1, 255))
def test_a_changed_byte_is_an_error_that_says_what_to_do_or_means_the_same(place: int, flip: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "lineage.json")
        LINEAGE.write(QuickDisk(), file.parent)
        text = bytearray(file.read_bytes())
        text[place % len(text)] ^= flip
        file.write_bytes(text)
        try:
            read = Lineage.read(file.parent)
        except StateError as error:
            assert str(error).startswith(f"{file} is not as it was written")
            assert "restore it, or remove it" in str(error)
        else:
            assert read == LINEAGE


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"lineage": 1, "multiline": False, "learned_from_journal": [[1, None]]},
        {"lineage": 1, "multiline": False, "learned_from_journal": [[5, 1]], **PROVENANCE.content},
        {"lineage": 1, "multiline": False, "learned_from_journal": 7, **PROVENANCE.content},
        {"lineage": 1, "multiline": False, "learned_from_journal": [[1, None]], **PROVENANCE.content, "transforms": 5},
    ],
)
def test_what_another_program_wrote_is_refused_by_name(content: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "lineage.json").write_bytes(to_text({"format": 1, **content}))
    with pytest.raises(StateError, match=r"lineage\.json is not as it was written"):
        Lineage.read(tmp_path)


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b"null", b"\xff", bytes(4096)])
def test_what_is_no_lineage_is_refused_by_name(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "lineage.json").write_bytes(text)
    with pytest.raises(StateError, match=r"lineage\.json is not as it was written"):
        Lineage.read(tmp_path)


def test_a_later_format_is_refused_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "lineage.json").write_bytes(to_text({"format": 2}))
    with pytest.raises(StateError, match="is of format 2"):
        Lineage.read(tmp_path)


def test_one_that_the_system_does_not_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "lineage.json").mkdir()
    with pytest.raises(StateError, match=r"cannot read .*lineage\.json: Is a directory"):
        Lineage.read(tmp_path)


CALLS = ("unlink", "create", "write", "sync", "close", "rename", "sync_folder")


@pytest.mark.parametrize("call", [each for each in CALLS if each != "sync_folder"])
def test_a_disk_that_fails_at_any_step_leaves_the_one_before(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    LINEAGE.write(Disk(), tmp_path)
    with monkeypatch.context() as context:
        context.setattr(Disk, call, full)
        with pytest.raises(OSError, match="No space left"):
            replace(LINEAGE, number=3).write(Disk(), tmp_path)
    assert Lineage.read(tmp_path) == LINEAGE
    replace(LINEAGE, number=4).write(Disk(), tmp_path)  # whatever was left over
    assert Lineage.read(tmp_path) == replace(LINEAGE, number=4)


@given(st.data())
def test_a_power_cut_at_any_moment_leaves_the_one_before_or_the_new_one(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as after:
        folder = Path(name)
        LINEAGE.write(QuickDisk(), folder)
        following = replace(LINEAGE, number=3)
        disk = RecordingDisk(folder)
        following.write(disk, folder)
        changes = data.draw(st.integers(disk.start, len(disk.changes)))
        contents = disk.contents(changes)
        for path, number in contents.named(lambda _: data.draw(st.booleans())).items():
            now, safe = contents.now[number], contents.safe[number]
            kept = data.draw(st.integers(len(safe), len(now))) if now.startswith(safe) else len(now)
            Path(after, path.name).write_bytes(now[:kept])
        found = Lineage.read(Path(after))
        assert found in (LINEAGE, following)
        assert found == following or changes < len(disk.changes)


# -- which snapshots are of it -----------------------------------------------------------------------------------------


@given(closed, stretches)
def test_a_snapshot_on_the_way_is_one_of_it(learned: Stretches, examples: Stretches) -> None:
    lineage = replace(LINEAGE, examples=examples)
    assert lineage.holds(snapshot(learned)) == learned.begins(examples)


def test_a_snapshot_of_what_is_made_otherwise_is_none_of_it() -> None:
    assert LINEAGE.holds(snapshot(Stretches(((1, 20),))))
    assert LINEAGE.holds(snapshot(Stretches(((1, 20),)), replace(PROVENANCE, drop="other", model="other")))
    assert not LINEAGE.holds(snapshot(Stretches(((1, 20),)), OTHERWISE))


def test_a_snapshot_of_what_was_left_out_is_none_of_it() -> None:
    assert not LINEAGE.holds(snapshot(Stretches(((1, 70),))))
    assert not LINEAGE.holds(snapshot(Stretches(((1, 90),))))
    assert LINEAGE.holds(snapshot(Stretches(((1, 50), (81, 90)))))
    assert LINEAGE.holds(snapshot(Stretches(())))


@given(going_on, st.integers(0, 50))
def test_where_a_model_stands_is_on_its_way(examples: Stretches, journal: int) -> None:
    moment = replace(LINEAGE, examples=examples).moment(journal)
    assert (moment.lineage, moment.journal) == (2, journal)
    assert moment.learned == examples.upto(journal)
    assert moment.learned.begins(examples)


@given(going_on)
def test_what_comes_next_counts_and_has_a_number_that_was_not_given(examples: Stretches) -> None:
    lineage = replace(LINEAGE, examples=examples)
    assert lineage.passed == examples.ranges[-1][0] - 1
    assert lineage.moment(lineage.passed + 1).learned.end == lineage.passed + 1


def test_one_that_goes_on_without_what_is_lost_is_another() -> None:
    lineage = LINEAGE.minus(Stretches(((41, 90),)))
    assert (lineage.number, str(lineage.examples), lineage.passed) == (3, "1-40, 91-", 90)


# -- another configuration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_change", get_args(OnChange))
def test_what_is_made_alike_goes_on(on_change: OnChange) -> None:
    assert LINEAGE.aspired(replace(PROVENANCE, drop="other"), on_change, 90) is LINEAGE


def test_what_is_made_otherwise_is_refused_with_what_can_be_done() -> None:
    with pytest.raises(StateError) as caught:
        LINEAGE.aspired(OTHERWISE, "refuse", 1100)
    text = str(caught.value)
    assert "learned 1,070 examples otherwise: VW's arguments were '-b 10 --oaa 3' and are '-b 11 --oaa 3'" in text
    assert "on_change: replay" in text and "on_change: fresh" in text


def test_what_is_made_otherwise_learns_its_examples_again() -> None:
    assert LINEAGE.aspired(OTHERWISE, "replay", 90) == Lineage(3, OTHERWISE, LINEAGE.examples, False)


def test_what_is_made_otherwise_begins_anew() -> None:
    assert LINEAGE.aspired(OTHERWISE, "fresh", 90) == Lineage(3, OTHERWISE, Stretches(((91, None),)), False)


@pytest.mark.parametrize("on_change", get_args(OnChange))
@pytest.mark.parametrize("passed", [0, 90])
def test_who_has_learned_nothing_may_be_made_otherwise(on_change: OnChange, passed: int) -> None:
    lineage = replace(LINEAGE, examples=Stretches(((passed + 1, None),)))
    assert lineage.aspired(OTHERWISE, on_change, passed) == replace(lineage, number=3, provenance=OTHERWISE)


def test_what_it_had_learned_is_its_own_again_when_the_change_is_undone() -> None:
    """The snapshots from before count again, since its examples are the same."""
    back = LINEAGE.aspired(OTHERWISE, "replay", 90).aspired(PROVENANCE, "replay", 95)
    assert back.holds(snapshot(Stretches(((1, 50), (81, 90)))))
    fresh = LINEAGE.aspired(OTHERWISE, "fresh", 90).aspired(PROVENANCE, "fresh", 95)
    assert not fresh.holds(snapshot(Stretches(((1, 50), (81, 90)))))


# -- what is kept ------------------------------------------------------------------------------------------------------

SLOWER = replace(PROVENANCE, arguments=f"{PROVENANCE.arguments} -l 0.1")
KEPT = replace(LINEAGE, number=3, provenance=SLOWER, founded=90)


def test_what_is_made_otherwise_and_kept_begins_with_a_snapshot() -> None:
    assert LINEAGE.kept(SLOWER, "refuse", 90)
    assert LINEAGE.aspired(SLOWER, "refuse", 90) == KEPT
    assert KEPT.moment(95) == Moment(3, Stretches(((1, 50), (81, 95))), 95, 90)


@pytest.mark.parametrize("on_change", ["replay", "fresh"])
def test_who_is_asked_to_learn_again_or_to_begin_anew_keeps_nothing(on_change: OnChange) -> None:
    assert not LINEAGE.kept(SLOWER, on_change, 90)
    assert KEPT.aspired(PROVENANCE, on_change, 95).founded == 0


def test_what_has_learned_nothing_has_nothing_to_keep() -> None:
    assert not Lineage(1, PROVENANCE, Stretches(), False).kept(SLOWER, "refuse", 0)


def test_what_is_made_alike_is_not_made_otherwise() -> None:
    assert not LINEAGE.kept(PROVENANCE, "refuse", 90)


def test_only_a_snapshot_from_since_then_leads_to_it() -> None:
    moments = [Moment(1, KEPT.examples.upto(journal), journal) for journal in (85, 89, 90, 95)]
    snapshots = [replace(SNAPSHOT, moment=moment, provenance=SLOWER) for moment in moments]
    assert [KEPT.holds(each) for each in snapshots] == [False, False, True, True]


def test_without_one_it_is_what_the_drop_says(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=rf"no snapshot in {tmp_path} .* up to example 90.*`on_change: replay`"):
        KEPT.without_foundation("refuse", 95, tmp_path)
    assert KEPT.without_foundation("replay", 95, tmp_path) == replace(KEPT, number=4, founded=0)
    assert str(KEPT.without_foundation("fresh", 95, tmp_path).examples) == "96-"


def test_one_of_before_there_was_any_such_is_read(tmp_path: Path) -> None:
    LINEAGE.write(QuickDisk(), tmp_path)
    content = json.loads((tmp_path / "lineage.json").read_text())
    del content["founded"], content["checksum"]
    (tmp_path / "lineage.json").write_bytes(to_text(content))
    assert Lineage.read(tmp_path) == LINEAGE
