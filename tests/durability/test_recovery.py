"""A model from its state on disk: the very one that stood there, of whatever kind, or a clear word on why not."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.durability.power import example, examples, opened
from tests.durability.states import Around, assert_same, blueprint, flip, fresh, kill, learn, take
from tests.durability.test_stretches import numbers_of, of, stretches
from tests.learner import lines
from tests.transforms.samples import Sizes
from vwserve.durability.disk import Disk
from vwserve.durability.errors import JournalError
from vwserve.durability.lineage import Lineage
from vwserve.durability.opening import Gap, Opening
from vwserve.durability.provenance import Provenance
from vwserve.durability.recovery import WIDEST, Kept, Recovered, carry_out, passed_by, plan, replay, start
from vwserve.durability.snapshots import Newest, Snapshots
from vwserve.durability.stretches import Stretches
from vwserve.errors import StateError
from vwserve.learner import Bounds
from vwserve.lines import CHUNK_LINES
from vwserve.model.blueprint import Blueprint
from vwserve.transforms.artifact import write_artifact

CLICKS = "vw: --loss_function logistic --link logistic -b 10 -q fg"
TRANSFORMED = """vw: --loss_function logistic -b 10
transforms:
- {kind: upper, input: f, output: F}
- {kind: sizes, input: g, output: s, artifact: sizes.json}"""

LINES: list[tuple[str, Callable[[random.Random], bytes]]] = [
    (CLICKS, lines.binary),
    ("vw: -b 10", lines.simple),
    ("vw: -b 10 --sgd", lines.simple),
    ("vw: -b 10 --ftrl", lines.simple),
    ("vw: -b 10 --coin", lines.simple),
    ("vw: -b 10 --oaa 5", lines.multiclass),
    ("vw: -b 10 --oaa 5", lines.zero_based),
    ("vw: -b 10 --oaa 3 --named_labels cat,dog,bird", lines.named),
    ("vw: -b 10 --csoaa 5", lines.costs),
    ("vw: -b 10 --nn 3", lines.binary),
    ("vw: -b 10 --cb 5 --cb_type dr", lines.bandit),
    (TRANSFORMED, lines.binary),
]
GROUPS: list[tuple[str, Callable[[random.Random], list[bytes]]]] = [
    ("vw: -b 10 --cb_adf", lines.bandit_actions),
    ("vw: -b 10 --cb_explore_adf", lines.bandit_actions),
    ("vw: -b 10 --csoaa_ldf multiline", lines.costed_actions),
    ("vw: -b 10 --ccb_explore_adf", lines.slots),
    (TRANSFORMED.replace("--loss_function logistic", "--cb_adf"), lines.bandit_actions),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where drops are, and `state` is to be."""
    write_artifact(tmp_path / "sizes.json", Sizes, {"most": 3}, {})
    return tmp_path


def check_killed(made: Blueprint, parts: Sequence[Sequence[bytes]], folder: Path) -> None:
    """Part by part a model is taught and killed; snapshots are taken after some parts, in the midst of others."""
    around, state = Around(), folder / "state"
    for number, part in enumerate(parts):
        durable = around.open(made, state)
        learn(durable, part[: len(part) // 2] if not durable.servable.multiline else part)
        if number % 3 == 1:
            take(durable)
        if not durable.servable.multiline:
            learn(durable, part[len(part) // 2 :])
        kill(durable, state)
    durable = around.open(made, state)
    assert_same(durable.servable, made, [line for part in parts for line in part])
    assert [each for each in around.said if "learned again" in each] == []
    kill(durable, state)


@pytest.mark.parametrize(("text", "form"), LINES)
def test_a_model_of_any_kind_is_the_one_that_was_killed(
    text: str, form: Callable[[random.Random], bytes], folder: Path
) -> None:
    sent = [
        each for line in lines.stream(form, 180) for each in (line, *([b"no example"] if len(line) % 7 == 0 else []))
    ]
    check_killed(blueprint(folder, text), [sent[start : start + 60] for start in range(0, len(sent), 60)], folder)


@pytest.mark.parametrize(("text", "form"), GROUPS)
def test_likewise_with_multi_line_examples(
    text: str, form: Callable[[random.Random], list[bytes]], folder: Path
) -> None:
    groups = lines.groups(form, 36)
    if form is lines.costed_actions:  # VW's sum of losses takes those without costs for infinitely wrong
        groups = [group for group in groups if b":" in group[-1].partition(b"|")[0]]
    parts = [[line for group in groups[n : n + 12] for line in [*group, b""]] for n in range(0, len(groups), 12)]
    check_killed(blueprint(folder, text), parts, folder)


def test_a_transform_that_fails_on_a_line_costs_the_journal_nothing(folder: Path) -> None:
    part = [b"1 |f a |g b", b"1 |f boom |g b", b"-1 |f c |g d e"]
    check_killed(blueprint(folder, TRANSFORMED), [part, part, part], folder)


def test_a_model_that_began_with_another_one(folder: Path) -> None:
    seed = fresh(blueprint(folder, CLICKS), lines.stream(lines.binary, 50))
    seed.save(folder / "seed.vw")
    seed.close()
    made = blueprint(folder, f"{CLICKS}\ninitial: seed.vw")
    around, state, sent = Around(), folder / "state", lines.stream(lines.binary, 60, seed=2)
    for part in (sent[:30], sent[30:]):
        durable = around.open(made, state)
        learn(durable, part)
        if part is sent[:30]:
            take(durable)
        kill(durable, state)
    durable, expected = around.open(made, state), fresh(made, sent)
    probes = lines.stream(lines.binary, 40, seed=3)
    assert durable.servable.learn(probes) == expected.learn(probes)
    assert durable.servable.totals()[1:] == expected.totals()[1:]
    expected.close()
    kill(durable, state)


def test_progressive_figures_go_on_too(folder: Path) -> None:
    made, state, sent = blueprint(folder, CLICKS), folder / "state", lines.stream(lines.binary, 300)
    durable = Around().open(made, state)
    learn(durable, sent[:150])
    take(durable)
    learn(durable, sent[150:])
    before = durable.servable.statistics()
    kill(durable, state)
    durable = Around().open(made, state)
    after = durable.servable.statistics()
    for figure in ("loss", "auc", "calibration", "learned"):
        assert after[figure] == before[figure] is not None
    kill(durable, state)


def test_what_was_learned_within_wider_limits_is_learned_again(folder: Path) -> None:
    made, state, around = blueprint(folder), folder / "state", Around()
    sent = [b"1 |f a:5000", b"2 50 |f b", b"1 |f a:-70 c"]
    durable = around.open(made, state, Bounds(importance=100.0, magnitude=1e4))
    learn(durable, sent)
    kill(durable, state)
    narrow = Bounds(importance=10.0, magnitude=100.0)
    durable = around.open(made, state, narrow)
    assert around.said == []
    assert_same(durable.servable, made, sent)
    assert learn(durable, [b"1 |f a:5000"]).startswith(b"!error bad-example")
    kill(durable, state)


def test_limits_do_not_decide_what_later_lines_are_taken_for(folder: Path) -> None:
    """A line that is ordinary within narrow limits is to be ordinary within the widest, or it would count otherwise."""
    made, state = blueprint(folder), folder / "state"
    durable = Around().open(made, state, Bounds(importance=1e6, magnitude=1e5))
    learn(durable, [b"90000 50000 |f a", b"1 |f b:3"])
    before = durable.servable.state().standing
    kill(durable, state)
    durable = Around().open(made, state, Bounds(importance=1e6, magnitude=1e5))
    assert durable.servable.state().standing == before
    kill(durable, state)


# -- replaying ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("multiline", [False, True])
def test_what_is_replayed_is_just_what_was_asked_for(multiline: bool, folder: Path) -> None:
    texts = [example(number) for number in range(1, 61)]
    if multiline:
        texts = [b"shared |s e%d\n0:%d:0.5 |a x\n|a y%d\n\n" % (n, n % 3, n % 7) for n in range(1, 61)]
    with opened(folder / "journal", multiline=multiline, segment_bytes=300) as journal:
        for first in range(0, 60, 5):
            journal.append(b"".join(texts[first : first + 5]), 5)
    made = blueprint(folder, "vw: -b 10 --cb_adf" if multiline else "vw: -b 10")
    servable = made.build(WIDEST)
    assert sum(replay(servable, folder / "journal", Stretches(((3, 7), (30, 30), (59, 60))))) == 8
    wanted = b"".join([*texts[2:7], texts[29], *texts[58:60]])
    assert_same(servable, made, wanted.split(b"\n")[:-1], [])
    assert servable.totals()[1:3] == (8, 0)
    servable.close()


def test_a_replay_goes_block_by_block(folder: Path) -> None:
    with opened(folder / "journal") as journal:
        journal.append(examples(1, 1000), 1000)
    servable = blueprint(folder).build(WIDEST)
    assert list(replay(servable, folder / "journal", Stretches(((1, 1000),)))) == [CHUNK_LINES] * 4
    servable.close()


# -- what there is -----------------------------------------------------------------------------------------------------

openings = st.builds(
    lambda first, length, gaps: Opening(
        first, first + length - 1, gaps=tuple(Gap(Path("x"), after, after + size + 1) for after, size in gaps)
    ),
    st.integers(1, 20),
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(0, 40), st.integers(-3, 6)), max_size=2),
)


@given(openings, stretches)
def test_what_a_journal_lacks(opening: Opening, wanted: Stretches) -> None:
    had = set(range(opening.first, opening.last + 1))
    for gap in opening.gaps:
        had -= set(range(gap.after + 1, gap.first))
    lacking = Kept(None, Path("journal"), opening, opening.last).lacking(wanted)
    assert numbers_of(lacking) == numbers_of(wanted) - had


def kept(folder: Path, *, passed: int = 0) -> Kept:
    """What there is in a folder."""
    snapshots = folder / "snapshots"
    readable = Snapshots(snapshots, reading=True) if snapshots.is_dir() else None
    return Kept.read(readable, folder / "journal", multiline=False, passed=passed)


def test_there_is_nothing_in_a_new_folder(tmp_path: Path) -> None:
    assert kept(tmp_path) == Kept(None, tmp_path / "journal", Opening(1, 0), 0)


def test_what_others_know_to_have_passed_counts(tmp_path: Path) -> None:
    with opened(tmp_path / "journal") as journal:
        journal.append(examples(1, 9), 9)
    assert (kept(tmp_path).upto, kept(tmp_path, passed=5).upto, kept(tmp_path, passed=12).upto) == (9, 9, 12)


def test_a_journal_that_the_system_does_not_read_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> None:
        raise OSError(5, "Input/output error")

    (tmp_path / "journal").mkdir()
    monkeypatch.setattr(Path, "iterdir", broken)
    with pytest.raises(JournalError, match=r"cannot read .*journal: Input/output error"):
        kept(tmp_path)


# -- what is lost ------------------------------------------------------------------------------------------------------


class State:
    """A state with a journal of 60 examples in six segments, and snapshots at 20 and 40: a copy of one in `folder`."""

    def __init__(self, folder: Path, text: str, copy: Path) -> None:
        self.made = blueprint(copy, text)
        self.folder = copy / "state"
        self.lines = [b"%d |f a%d b%d" % (n % 3, n % 7, n) for n in range(1, 61)]
        if not folder.exists():
            durable = Around().open(self.made, folder)
            for position in (20, 40, 60):
                learn(durable, self.lines[position - 20 : position])
                if position < 60:
                    take(durable)
            kill(durable, folder)
        shutil.copytree(folder, self.folder)
        self.remove(1)
        self.write(*range(1, 60, 10))

    def write(self, *firsts: int) -> None:
        """The segments of these first examples, of ten examples each."""
        for first in firsts:
            path = self.folder / "journal" / f"{first:020}.dat"
            path.write_bytes(b"".join(line + b"\n" for line in self.lines[first - 1 : first + 9]))

    def remove(self, *firsts: int) -> None:
        """Lose segments."""
        for first in firsts:
            (self.folder / "journal" / f"{first:020}.dat").unlink()
            (self.folder / "journal" / f"{first:020}.times").unlink(missing_ok=True)

    def harm(self, *numbers: int) -> None:
        """Spoil snapshots."""
        for number in numbers:
            flip(self.folder / "snapshots" / f"{number}.vw")

    @property
    def lineage(self) -> Lineage:
        """Its lineage."""
        lineage = Lineage.read(self.folder)
        assert lineage is not None
        return lineage

    def recover(self, upto: int = 60) -> Recovered:
        """What is recovered up to an example."""
        return start(self.made, plan(self.lineage, replace(kept(self.folder), upto=upto)))

    def check(self, learned: Sequence[int], remark: str | None, upto: int = 60) -> None:
        """See what is recovered, and what is said."""
        recovered = self.recover(upto)
        assert_same(recovered.servable, self.made, [self.lines[n - 1] for n in learned])
        recovered.servable.close()
        said = [each for each in recovered.remarks if "SHA-256" not in each]
        assert len(said) == (remark is not None)
        assert remark is None or remark in said[0]
        assert recovered.lineage.moment(upto).learned == of(learned)
        assert recovered.lineage.number == self.lineage.number + (remark is not None)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where states are made once for all tests."""
    return tmp_path_factory.mktemp("states")


@pytest.fixture
def state(states: Path, folder: Path) -> State:
    """A state."""
    return State(states / "plain", "vw: -b 10", folder)


def upto(last: int) -> list[int]:
    """The numbers up to one."""
    return list(range(1, last + 1))


def test_nothing_is_lost(state: State) -> None:
    state.check(upto(60), None)


def test_spoilt_snapshots_are_reported_and_the_one_before_goes_on(state: State) -> None:
    state.harm(1, 2)
    state.check(upto(60), None)


def test_what_a_snapshot_has_is_not_missed(state: State) -> None:
    state.remove(1, 11, 21, 31)
    state.check(upto(60), None)


def test_a_gap_is_gone_over_and_named(state: State) -> None:
    state.remove(51)
    state.write(61)
    state.check(upto(50), None, upto=50)
    state.remove(41)
    state.write(51)
    state.check([*upto(40), *range(51, 61)], "it goes on without the examples 41-50: neither a good snapshot nor")


def test_a_gap_is_not_gone_over_where_somebody_asked_for_the_whole(state: State) -> None:
    state.harm(2)
    state.remove(31)
    with pytest.raises(StateError, match=r"does not have the examples 31-40, .*leave them out \(skip 31\.\.40\)"):
        plan(state.lineage, kept(state.folder)).whole()


def test_a_gap_within_what_is_learned_again_is_named_just_so(state: State) -> None:
    state.harm(2)
    state.remove(31)
    state.check([*upto(30), *range(41, 61)], "without the examples 31-40")


def test_what_the_journal_has_no_more_is_named_where_a_snapshot_goes_on(state: State) -> None:
    state.harm(2)
    state.remove(1, 11, 21)
    state.check([*upto(20), *range(31, 61)], "without the examples 21-30")


def test_what_was_in_no_journal_is_named(state: State) -> None:
    state.remove(51)
    state.check(upto(50), "without the examples 51-60", upto=60)


@pytest.mark.parametrize(("lost", "found"), [((1,), "begins at example 11"), (range(1, 60, 10), "has no examples")])
def test_without_anything_to_go_on_from_there_is_no_model(state: State, lost: Sequence[int], found: str) -> None:
    state.harm(1, 2)
    state.remove(*lost)
    with pytest.raises(StateError) as caught:
        state.check([], None, upto=60)
    assert f"journal {found}, and this model needs those from 1 on, since no snapshot" in str(caught.value)
    assert f"move {state.folder} away to begin anew" in str(caught.value)


def test_a_gap_that_nothing_of_the_lineage_is_in_is_no_loss(state: State) -> None:
    state.remove(51)
    state.write(61)
    replace(state.lineage, examples=Stretches(((1, 50), (61, None)))).write(Disk(), state.folder)
    state.check(upto(50), None)


def test_what_a_damaged_file_had_is_an_error_that_names_it(state: State) -> None:
    state.remove(41)
    (state.folder / "journal" / f"{41:020}.dat.gz").write_bytes(b"\x1f\x8b no gzip at all")
    with pytest.raises(JournalError, match=r"41\.dat\.gz is damaged.*restore it"):
        state.check(upto(60), None)


def test_lines_that_are_refused_now_are_counted(state: State) -> None:
    path = state.folder / "journal" / f"{51:020}.dat"
    text = path.read_bytes().split(b"\n")
    text[3:5] = [b"garbage", b"1 1e31 |f a"]
    path.write_bytes(b"\n".join(text))
    recovered = state.recover()
    assert recovered.remarks == ("2 of 20 examples of the journal were refused when they were learned again",)
    assert recovered.replayed == 20
    recovered.servable.close()


def test_snapshots_that_were_verified_are_not_read_again(state: State) -> None:
    state.harm(2)
    found = Newest(Snapshots(state.folder / "snapshots", reading=True).described(2))
    recovered = carry_out(state.made, plan(state.lineage, kept(state.folder), found))
    assert recovered.snapshot is not None
    assert (recovered.snapshot.number, recovered.replayed, recovered.remarks) == (2, 20, ())
    recovered.servable.close()


def test_who_reads_examples_of_another_kind_is_refused_before_it_learns_any(state: State, folder: Path) -> None:
    other = blueprint(folder, "vw: -b 10 --cb_adf")
    lineage = replace(state.lineage, provenance=Provenance.of(other))
    with pytest.raises(StateError, match=r"journal has examples of one line, which this model does not read; move"):
        start(other, plan(lineage, kept(state.folder)))


# -- what VW does not save ---------------------------------------------------------------------------------------------


@pytest.fixture
def forgetful(states: Path, folder: Path) -> State:
    """A state of a model of which VW's file has not all that it goes by."""
    return State(states / "forgetful", "vw: -b 10 --replay_b 5", folder)


def recovered_from(state: State, upto: int = 60) -> tuple[int, int, Sequence[str]]:
    """The snapshot that a model goes on from (0 for none), how many examples it learns again, and what is said."""
    recovered = state.recover(upto)
    recovered.servable.close()
    return recovered.snapshot.number if recovered.snapshot else 0, recovered.replayed, recovered.remarks


def test_a_model_that_vw_does_not_save_whole_learns_all_of_its_journal_again(forgetful: State) -> None:
    assert recovered_from(forgetful) == (0, 60, ())
    forgetful.check(upto(60), None)


def test_it_goes_on_from_the_snapshot_where_its_journal_would_not_make_it_again(states: Path, folder: Path) -> None:
    assert recovered_from(State(states / "moved", "vw: -b 10 --rank 2 -q ff", folder))[:2] == (2, 20)


def test_it_goes_on_from_the_snapshot_where_the_journal_has_not_all(forgetful: State) -> None:
    forgetful.remove(1)
    number, replayed, (remark,) = recovered_from(forgetful)
    assert (number, replayed) == (2, 20)
    assert remark.startswith("it goes on from snapshot 2, in which VW does not save all")


def test_it_goes_on_from_the_snapshot_where_there_is_no_journal(forgetful: State) -> None:
    forgetful.remove(*range(1, 60, 10))
    assert recovered_from(forgetful, upto=40)[:2] == (2, 0)


def test_it_goes_on_from_the_snapshot_where_all_would_be_too_much(
    forgetful: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vwserve.durability.recovery.REPLAYED_FOR_EXACTNESS", 59)
    assert recovered_from(forgetful)[:2] == (2, 20)


# -- the last number ---------------------------------------------------------------------------------------------------


def test_numbers_go_on_after_the_newest_snapshot_and_after_the_last_intervention(state: State) -> None:
    lineage = state.lineage
    newest = Snapshots(state.folder / "snapshots", reading=True).described(2)
    assert passed_by(lineage, newest) == 40
    assert passed_by(lineage, None) == 0
    assert passed_by(replace(lineage, examples=Stretches(((1, 20), (56, None)))), newest) == 55
    assert passed_by(replace(lineage, examples=Stretches(())), None) == 0
