"""Which examples of a journal a replay learns: those of its lineage, or what is asked for; what is missing is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.durability.power import Clock, example, examples, journal, opened
from tests.durability.test_snapshot import SNAPSHOT
from tests.replay.kept import kept, roll_back, snapshot_of
from vwserve.durability import JournalError
from vwserve.durability.disk import Disk
from vwserve.durability.intervention import NOTHING, intervene
from vwserve.durability.lineage import Lineage
from vwserve.durability.snapshot import Moment, Snapshot
from vwserve.durability.storing import store
from vwserve.durability.stretches import Stretches
from vwserve.errors import VwserveError
from vwserve.replay import Selection, Wanted, select
from vwserve.wire.points import AtNumber, AtTime, Skip


def fill(state: Path, last: int, *, multiline: bool = False, segment_bytes: int = 1 << 20) -> Path:
    """A journal of so many examples; its folder."""
    folder = state / "journal"
    with opened(folder, multiline=multiline, segment_bytes=segment_bytes) as held:
        for number in range(1, last + 1):
            held.append(example(number, multiline), 1)
            held.tick()
    return folder


def write_lineage(state: Path, *ranges: tuple[int, int | None], multiline: bool = False) -> None:
    """Say which examples the model has learned."""
    Lineage(2, SNAPSHOT.provenance, Stretches(ranges), multiline).write(Disk(), state)


def base_at(learned: Stretches, passed: int) -> Snapshot:
    """A snapshot that has learned these."""
    return replace(SNAPSHOT, moment=Moment(1, learned, passed))


def put(folder: Path, number: int, learned: int) -> None:
    """Write a snapshot that has learned so many examples; what its model is does not matter here."""
    folder.mkdir(exist_ok=True)
    pieces = [b"a model", b""]
    snapshot = replace(base_at(Stretches(((1, learned),)), learned), number=number)
    store(Disk(), folder, snapshot, lambda: pieces.pop(0))


def numbers(folder: Path, **wanted: Any) -> str:
    """What is selected."""
    return str(select(folder, Wanted(**wanted), multiline=False).examples)


def skipping(first: int | None, last: int | None) -> Skip:
    """A stretch by numbers."""
    return Skip(AtNumber(first) if first is not None else None, AtNumber(last) if last is not None else None)


@pytest.mark.parametrize("multiline", [False, True])
def test_without_a_lineage_all_of_a_journal_is_read(tmp_path: Path, multiline: bool) -> None:
    folder = fill(tmp_path, 20, multiline=multiline, segment_bytes=100)
    found = select(folder, Wanted(), multiline=multiline)
    assert (str(found.examples), found.count, found.lineage) == ("1-20", 20, None)
    assert b"".join(found.blocks()) == examples(1, 20, multiline)


def test_what_the_lineage_names_is_read_and_no_more(tmp_path: Path) -> None:
    folder = fill(tmp_path, 20, segment_bytes=100)
    write_lineage(tmp_path, (1, 5), (8, 11), (16, None))
    found = select(folder, Wanted(), multiline=False)
    assert (str(found.examples), found.count) == ("1-5, 8-11, 16-20", 14)
    assert b"".join(found.blocks()) == examples(1, 5) + examples(8, 11) + examples(16, 20)
    assert numbers(folder, everything=True) == "1-20"


def test_a_lineage_that_begins_at_the_end_has_nothing_to_read(tmp_path: Path) -> None:
    folder = fill(tmp_path, 20)
    write_lineage(tmp_path, (21, None))
    found = select(folder, Wanted(), multiline=False)
    assert (found.count, list(found.blocks())) == (0, [])


def test_reading_ends_at_a_number_or_at_a_time(tmp_path: Path) -> None:
    clock = Clock()
    held = journal(tmp_path / "journal", clock=clock)
    for number in range(1, 11):
        clock.now += 10
        held.append(example(number), 1)
        held.tick()
    held.close()
    write_lineage(tmp_path, (1, 4), (7, None))
    folder = tmp_path / "journal"
    assert numbers(folder, until=AtNumber(8)) == "1-4, 7-8"
    assert numbers(folder, until=AtNumber(0)) == "none"
    assert numbers(folder, until=AtTime(1085.0)) == "1-4, 7-8"
    assert numbers(folder, until=AtTime(1.0)) == "none"
    assert numbers(folder, skip=[Skip(AtTime(1025.0), AtTime(1085.0))]) == "1-2, 9-10"
    assert numbers(folder, skip=[Skip(AtTime(1075.0), None)]) == "1-4, 7-7"


def test_stretches_are_left_out(tmp_path: Path) -> None:
    folder = fill(tmp_path, 20)
    assert numbers(folder, skip=[skipping(3, 5), skipping(10, 10)]) == "1-2, 6-9, 11-20"
    assert numbers(folder, skip=[skipping(None, 5)]) == "6-20"
    assert numbers(folder, skip=[skipping(18, None)], until=AtNumber(19)) == "1-17"


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"until": AtNumber(21)}, "there is no example 21: .*journal ends at example 20"),
        ({"skip": [skipping(21, None)]}, "no example is from 21 to 20: .*journal ends at example 20"),
        ({"skip": [Skip(AtTime(1e9), AtTime(1e9))]}, "no example is from 21 to 20"),
    ],
)
def test_points_beyond_the_end_are_refused(tmp_path: Path, wanted: dict[str, object], text: str) -> None:
    folder = fill(tmp_path, 20)
    with pytest.raises(VwserveError, match=text):
        numbers(folder, **wanted)


# -- from a snapshot ---------------------------------------------------------------------------------------------------


def test_after_a_snapshot_comes_what_it_has_not_learned(tmp_path: Path) -> None:
    folder = fill(tmp_path, 20)
    write_lineage(tmp_path, (1, 5), (8, None))
    found = select(folder, Wanted(base_at(Stretches(((1, 5), (8, 12))), 12)), multiline=False)
    assert (str(found.examples), str(found.outcome)) == ("13-20", "1-5, 8-20")
    found = select(folder, Wanted(base_at(Stretches(((1, 3),)), 3)), multiline=False)
    assert (str(found.examples), str(found.outcome)) == ("4-5, 8-20", "1-5, 8-20")


def test_a_snapshot_that_was_left_by_a_rollback_is_refused_unless_all_is_asked_for(tmp_path: Path) -> None:
    folder = fill(tmp_path, 20)
    write_lineage(tmp_path, (1, 5), (12, None))
    left = base_at(Stretches(((1, 9),)), 9)
    with pytest.raises(VwserveError, match=r"has learned the examples 1-9, and the model 1-5, 12-: .* with --all"):
        select(folder, Wanted(left), multiline=False)
    assert numbers(folder, base=left, everything=True) == "10-20"


def test_without_a_lineage_the_journal_goes_on_where_the_snapshot_ended(tmp_path: Path) -> None:
    folder = fill(tmp_path, 20)
    found = select(folder, Wanted(base_at(Stretches(((1, 3),)), 7)), multiline=False)
    assert (str(found.examples), str(found.outcome)) == ("8-20", "1-3, 8-20")


@pytest.mark.parametrize("wanted", [{"until": AtNumber(8)}, {"skip": [skipping(9, 15)]}])
def test_nothing_can_be_left_out_that_a_snapshot_has_learned(tmp_path: Path, wanted: dict[str, object]) -> None:
    folder = fill(tmp_path, 20)
    with pytest.raises(VwserveError, match=r"has learned the examples 1-9 already; .* from an older snapshot"):
        numbers(folder, base=base_at(Stretches(((1, 9),)), 9), **wanted)


@given(st.data())
def test_a_replay_from_any_snapshot_ends_where_one_from_the_beginning_does(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    state = tmp_path_factory.mktemp("m")
    last = data.draw(st.integers(1, 20), label="last")
    at = data.draw(st.integers(0, last), label="at")
    base = data.draw(st.integers(0, at), label="base")
    skip = data.draw(st.lists(st.tuples(st.integers(1, last), st.integers(1, last)).map(sorted), max_size=2))
    lineage = intervene(
        at, base=NOTHING.then(1, base) if base else NOTHING, passed=base, skip=[(a, b) for a, b in skip]
    )
    folder = fill(state, last)
    Lineage(2, SNAPSHOT.provenance, lineage, False).write(Disk(), state)
    whole = select(folder, Wanted(), multiline=False)
    assert b"".join(whole.blocks()) == b"".join(
        example(number)
        for number in range(1, last + 1)
        if lineage.examples_upto(number) > lineage.examples_upto(number - 1)
    )
    journal_at = data.draw(st.integers(0, last), label="snapshot")
    rest = select(folder, Wanted(base_at(lineage.upto(journal_at), journal_at)), multiline=False)
    assert rest.outcome == whole.examples
    assert rest.count == whole.count - lineage.examples_upto(journal_at)


# -- what is missing ---------------------------------------------------------------------------------------------------


def segments(folder: Path) -> list[Path]:
    """The files of a journal."""
    return sorted(folder.glob("*.dat*"))


def test_a_journal_whose_beginning_is_gone_names_a_snapshot_to_go_on_from(tmp_path: Path) -> None:
    folder = fill(tmp_path, 20, segment_bytes=60)
    gone, second = segments(folder)[:2]
    gone.unlink()
    last = int(second.name[:20]) - 1
    with pytest.raises(JournalError) as raised:
        numbers(folder)
    assert str(raised.value) == (
        f"{folder} does not have the examples 1-{last}, which are to be learned. Restore the files that had them, go "
        f"on from a snapshot that has learned them (--from NUMBER.vw), or leave them out (--skip 1..{last})"
    )
    for number, learned in ((3, last - 1), (4, last), (5, 20)):
        put(tmp_path / "snapshots", number, learned)
    with pytest.raises(JournalError, match=rf"--from {tmp_path}/snapshots/4\.vw"):
        numbers(folder)
    assert numbers(folder, skip=[skipping(None, last)]) == f"{last + 1}-20"
    assert numbers(folder, base=base_at(Stretches(((1, last),)), last)) == f"{last + 1}-20"


def test_a_gap_is_told_before_anything_is_read_unless_it_is_left_out(tmp_path: Path) -> None:
    folder = fill(tmp_path, 30, segment_bytes=60)
    gone, after = segments(folder)[2:4]
    gone.unlink()
    first, last = int(gone.name[:20]), int(after.name[:20]) - 1
    with pytest.raises(JournalError, match=rf"the examples {first}-{last}, .*\(--skip {first}\.\.{last}\)"):
        numbers(folder)
    found = select(folder, Wanted(skip=[skipping(first, last)]), multiline=False)
    assert b"".join(found.blocks()) == examples(1, first - 1) + examples(last + 1, 30)
    write_lineage(tmp_path, (1, first - 1), (last + 1, None))
    assert numbers(folder) == f"1-{first - 1}, {last + 1}-30"


def test_an_end_that_the_model_has_learned_and_the_journal_lost_is_told(tmp_path: Path) -> None:
    folder = fill(tmp_path, 20)
    write_lineage(tmp_path, (1, 25), (27, None))
    with pytest.raises(JournalError, match=r"does not have the examples 21-25"):
        numbers(folder)
    assert numbers(folder, until=AtNumber(20)) == "1-20"


def test_several_gaps_are_told_at_once(tmp_path: Path) -> None:
    folder = fill(tmp_path, 20)
    write_lineage(tmp_path, (1, 22), (25, 26), (28, None))
    with pytest.raises(JournalError, match=r"the examples 21-22, 25-26, .*\(--skip 21\.\.22 --skip 25\.\.26\)"):
        numbers(folder)


@pytest.mark.parametrize("inside", [True, False])
def test_a_folder_without_a_journal_is_told(tmp_path: Path, inside: bool) -> None:
    if inside:
        fill(tmp_path, 3)
    remedy = rf"did you mean {tmp_path}/journal\?" if inside else r"name the folder of its \.dat files"
    with pytest.raises(VwserveError, match=f"{tmp_path} has no journal; {remedy}"):
        numbers(tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot read the journal in .*nowhere: No such file or directory"):
        numbers(tmp_path / "nowhere")


@pytest.mark.parametrize("multiline", [False, True])
def test_examples_of_another_kind_are_refused(tmp_path: Path, multiline: bool) -> None:
    folder = fill(tmp_path, 3, multiline=multiline)
    write_lineage(tmp_path, (1, None), multiline=multiline)
    with pytest.raises(VwserveError, match=r"has examples of (several lines|one line), and this model's have"):
        select(folder, Wanted(), multiline=not multiline)


# -- while a daemon writes ---------------------------------------------------------------------------------------------


def test_what_a_daemon_appends_meanwhile_is_left_for_the_next_time(tmp_path: Path) -> None:
    held = journal(tmp_path / "journal", segment_bytes=100)
    for number in range(1, 11):
        held.append(example(number), 1)
    found = select(tmp_path / "journal", Wanted(), multiline=False)
    reading = found.blocks()
    read = next(reading)
    for number in range(11, 40):
        held.append(example(number), 1)
        held.tick()  # segments are renamed and compressed
    assert list((tmp_path / "journal").glob("*.gz"))
    assert read + b"".join(reading) == examples(1, 10)
    assert b"".join(select(tmp_path / "journal", Wanted(), multiline=False).blocks()) == examples(1, 39)
    held.close()


def test_a_rollback_while_the_journal_is_looked_through_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.yaml").write_text("vw: -b 8\n")
    durable = kept(tmp_path / "m.yaml", tmp_path / "m")
    durable.servable.answer(examples(1, 5))
    snapshot = snapshot_of(durable)
    durable.servable.answer(examples(6, 10))
    read = Lineage.read
    answers = []

    def read_then_roll_back(state: Path) -> Lineage | None:
        answers.append(read(state))
        if len(answers) == 1:
            roll_back(durable, snapshot)
            durable.servable.answer(examples(11, 12))
        return answers[-1]

    monkeypatch.setattr(Lineage, "read", read_then_roll_back)
    assert numbers(tmp_path / "m" / "journal") == "1-5, 11-12"
    assert len(answers) >= 3
    durable.close()


def test_a_file_that_is_cut_off_meanwhile_is_told(tmp_path: Path) -> None:
    folder = fill(tmp_path, 20)
    found: Selection = select(folder, Wanted(), multiline=False)
    (path,) = segments(folder)
    path.write_bytes(examples(1, 12))
    with pytest.raises(JournalError, match="only 12 of 20 examples were still there"):
        list(found.blocks())
