"""`vwserve replay --journal`: the daemon's model again, offline, and figures about it."""

from __future__ import annotations

import gzip
import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vwserve
from tests.cli.test_fit import PLUGIN
from tests.durability.power import Clock
from tests.durability.test_journal_vw import readable, texts, weights
from tests.learner.reference import vw
from tests.replay.kept import blueprint_of, go_on, kept, roll_back, snapshot_of
from vwserve.cli import main
from vwserve.durability.durable import Durable
from vwserve.lines import lines_of

CLICKS = "--loss_function logistic --link logistic -b 12 -q ua"
UPPER = "transforms:\n- {kind: upper, input: u, output: v}\n- {kind: crosses, namespaces: [va]}\n"
CASES = {
    "clicks": (CLICKS, ""),
    "classes": ("--oaa 3 -b 12", ""),
    "action costs": ("--csoaa_ldf mc -b 12 -q ua", ""),
    "bandits": ("--cb_explore_adf --epsilon 0.1 -b 12", ""),
    "transformed clicks": ("--loss_function logistic --link logistic -b 12", UPPER),
}

Replay = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Here, with a plugin."""
    (tmp_path / "plugins.d").mkdir()
    (tmp_path / "plugins.d" / "samples.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def replay(folder: Path, capsys: pytest.CaptureFixture[str]) -> Replay:
    """Runs the command over the journal of the model m; its exit code and what it wrote."""

    def run(*words: str, journal: str = "m/journal") -> tuple[int, str, str]:
        code = main(["replay", "m.yaml", "--journal", journal, "--plugins", "plugins.d", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., Durable]]:
    """Opens the model m, which is closed in the end."""
    opened: list[Durable] = []

    def open_model(arguments: str = CLICKS, more: str = "", clock: Clock | None = None) -> Durable:
        Path("m.yaml").write_text(f"vw: {arguments}\n{more}")
        opened.append(kept(Path("m.yaml"), Path("m"), clock, Path("plugins.d")))
        return opened[-1]

    yield open_model
    for durable in opened:
        durable.close()


def examples(case: str, count: int) -> list[list[str]]:
    """Random examples, each as its lines."""
    return texts(case.removeprefix("transformed "), count)


def learn(durable: Durable, groups: list[list[str]]) -> bytes:
    """Have a model answer examples in pieces as they come; the answers."""
    out: list[bytes] = []
    servable = durable.servable
    for start in range(0, len(groups), 37):
        some = [[line.encode() for line in group] for group in groups[start : start + 37]]
        if servable.multiline:
            out += servable.answer_groups(some)
        else:
            out.append(servable.answer(b"".join(line + b"\n" for (line,) in some)))
    return b"".join(out)


def saved(durable: Durable) -> bytes:
    """The file of a model."""
    durable.servable.save("daemons.vw")
    return Path("daemons.vw").read_bytes()


def figures(replay: Replay, *words: str) -> dict[str, Any]:
    code, out, err = replay("--json", *words)
    assert (code, err) == (0, "")
    return dict(json.loads(out))


# -- the same model ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_the_model_is_the_daemons_bit_for_bit(replay: Replay, serve: Callable[..., Durable], case: str) -> None:
    durable = serve(*CASES[case])
    groups = examples(case, 400)
    answers = learn(durable, groups)
    found = figures(replay, "--save", "ours.vw", "-p", "p.txt")
    assert Path("ours.vw").read_bytes() == saved(durable)
    assert Path("p.txt").read_bytes() == answers
    statistics = durable.servable.statistics()
    assert [found[name] for name in ("loss", "auc", "calibration")] == [
        statistics[name] for name in ("loss", "auc", "calibration")
    ]
    assert (found["rows"], found["labelled"], found["errors"]) == (400, 400, 0)
    assert (found["learned_from_journal"], found["snapshot"]) == ("1-400", None)


@pytest.mark.parametrize("case", CASES)
def test_what_was_predicted_or_refused_meanwhile_makes_no_difference(
    replay: Replay, serve: Callable[..., Durable], tmp_path: Path, case: str
) -> None:
    durable = serve(*CASES[case])
    groups = examples(case, 200)
    several = [["shared |u u1", "|a ad1", "|a ad2"], ["shared |u a", "shared |u b"]]
    others = several if durable.servable.multiline else [["|u u1 |a ad1"], ["garbage"]]
    for start in range(0, 200, 25):
        learn(durable, groups[start : start + 25])
        learn(durable, others)
    found = figures(replay, "--save", "ours.vw")
    durable.servable.save("daemons.vw")
    assert readable(Path("ours.vw"), tmp_path) == readable(Path("daemons.vw"), tmp_path)
    statistics = durable.servable.statistics()
    assert [found[name] for name in ("loss", "auc", "calibration")] == [
        statistics[name] for name in ("loss", "auc", "calibration")
    ]
    assert (found["rows"], found["examples"], found["errors"]) == (200, 200, 0)
    totals = durable.servable.totals()
    assert totals.examples == (200 if case == "action costs" else 208)  # where each line has to have a label
    assert totals.examples + totals.refused == 216


@pytest.mark.parametrize("case", ["clicks", "action costs", "transformed clicks"])
def test_vw_learns_it_from_the_same_text(
    replay: Replay, serve: Callable[..., Durable], tmp_path: Path, case: str
) -> None:
    learn(serve(*CASES[case]), examples(case, 300))
    found = figures(replay, "--save", "ours.vw", "--dump", "dump.vw", "-p", "p.txt")
    assert readable(Path("ours.vw"), tmp_path) == weights(found["arguments"], Path("dump.vw"), tmp_path)
    assert vw(found["arguments"], Path("dump.vw").read_bytes(), tmp_path) == Path("p.txt").read_bytes()
    if not CASES[case][1]:
        assert Path("dump.vw").read_bytes() == next(Path("m/journal").glob("*.dat")).read_bytes()


@pytest.mark.parametrize("case", ["clicks", "bandits"])
def test_a_drop_starts_from_the_model_that_was_saved(replay: Replay, serve: Callable[..., Durable], case: str) -> None:
    durable = serve(*CASES[case])
    learn(durable, examples(case, 200))
    assert replay("--save", "ours.vw")[0] == 0
    Path("next.yaml").write_text(f"vw: {CASES[case][0]}\ninitial: ours.vw\nlearn: false\n")
    lines = [line for group in examples(case, 5) for line in [*group, ""]]
    assert vwserve.load("next.yaml").predict(lines) == durable.servable.predict(lines)


def test_compressed_segments_and_a_torn_end_are_read(replay: Replay, serve: Callable[..., Durable]) -> None:
    learn(serve(), examples("clicks", 300))
    assert replay("--save", "whole.vw")[0] == 0
    (plain,) = Path("m/journal").glob("*.dat")
    lines = lines_of(plain.read_bytes())
    (Path("copy") / "journal").mkdir(parents=True)
    copy = Path("copy") / "journal"
    (copy / f"{1:020}.dat.gz").write_bytes(gzip.compress(b"\n".join(lines[:120]) + b"\n"))
    (copy / f"{121:020}.dat").write_bytes(b"\n".join(lines[120:]) + b"\n1 |u ha")
    assert replay("--save", "pieces.vw", journal="copy/journal")[0] == 0
    assert Path("pieces.vw").read_bytes() == Path("whole.vw").read_bytes()


# -- what is left out --------------------------------------------------------------------------------------------------


def test_a_model_that_was_rolled_back_is_rebuilt_as_it_is(replay: Replay, serve: Callable[..., Durable]) -> None:
    durable = serve()
    groups = examples("clicks", 400)
    learn(durable, groups[:100])
    snapshot = snapshot_of(durable)
    learn(durable, groups[100:200])
    roll_back(durable, snapshot)
    learn(durable, groups[200:300])
    roll_back(durable, None, skip=((40, 60),))
    learn(durable, groups[300:])
    found = figures(replay, "--save", "ours.vw")
    assert found["learned_from_journal"] == "1-39, 61-400"
    assert Path("ours.vw").read_bytes() == saved(durable)
    assert figures(replay, "--all")["learned_from_journal"] == "1-400"


def test_all_is_what_a_model_would_be_that_nobody_had_rolled_back(
    replay: Replay, serve: Callable[..., Durable]
) -> None:
    durable = serve()
    learn(durable, examples("clicks", 100))
    before = saved(durable)
    roll_back(durable, None)
    assert figures(replay, "--save", "as_it_is.vw")["rows"] == 0
    assert figures(replay, "--all", "--save", "all.vw")["rows"] == 100
    assert Path("all.vw").read_bytes() == before
    assert Path("as_it_is.vw").read_bytes() == saved(durable)


def test_the_model_as_it_was_at_a_number_or_at_a_time(replay: Replay, serve: Callable[..., Durable]) -> None:
    clock = Clock()
    clock.now = 1795600800.0
    durable = serve(clock=clock)
    groups = examples("clicks", 200)
    learn(durable, groups[:111])
    then = saved(durable)
    clock.now += 60
    learn(durable, groups[111:])
    for until in ("#111", "1795600801", "2026-11-25T10:00:01Z"):
        assert figures(replay, "--until", until, "--save", "then.vw")["rows"] == 111
        assert Path("then.vw").read_bytes() == then


def test_stretches_are_left_out(replay: Replay, serve: Callable[..., Durable]) -> None:
    durable = serve()
    learn(durable, examples("clicks", 200))
    roll_back(durable, None, skip=((21, 50), (101, 120)))
    found = figures(replay, "--all", "--skip", "21..50", "--skip", "101..120", "--save", "ours.vw")
    assert found["learned_from_journal"] == "1-20, 51-100, 121-200"
    assert Path("ours.vw").read_bytes() == saved(durable)


# -- from a snapshot ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_a_replay_goes_on_from_a_snapshot(
    replay: Replay, serve: Callable[..., Durable], tmp_path: Path, case: str
) -> None:
    durable = serve(*CASES[case])
    groups = examples(case, 300)
    learn(durable, groups[:120])
    snapshot_of(durable)
    learn(durable, groups[120:])
    found = figures(replay, "--from", "m/snapshots/1.vw", "--save", "ours.vw", "--every", "100")
    durable.servable.save("daemons.vw")
    # The files name options in different orders, and how many examples VW has seen in this process.
    assert readable(Path("ours.vw"), tmp_path) == readable(Path("daemons.vw"), tmp_path)
    statistics = durable.servable.statistics()
    assert [found[name] for name in ("loss", "auc", "calibration")] == [
        statistics[name] for name in ("loss", "auc", "calibration")
    ]
    assert (found["rows"], found["labelled"]) == (180, 180)
    assert (found["learned_from_journal"], found["snapshot"]) == ("1-300", 1)
    assert [point["labelled"] for point in found["curve"]] == [220, 300]
    assert shlex.split(found["arguments"])[:3] == ["--preserve_performance_counters", "-i", "m/snapshots/1.vw"]


def test_the_report_says_what_was_learned(replay: Replay, serve: Callable[..., Durable]) -> None:
    durable = serve()
    learn(durable, examples("clicks", 1200))
    snapshot_of(durable)
    learn(durable, examples("clicks", 100))
    _, out, err = replay()
    assert out.splitlines()[:3] == [
        "m.yaml: model m: simple labels, one line an example, 4,096 weights",
        "m/journal: 1,300 examples, 1-1300",
        f"vw {CLICKS}",
    ]
    assert out.splitlines()[-5] == "rows              1,300 (1,300 labelled, 0 errors)"
    assert err == ""
    _, out, _ = replay("--from", "m/snapshots/1.vw")
    assert out.splitlines()[1:3] == [
        "m/journal: 100 examples, 1201-1300, after snapshot 1",
        f"vw --preserve_performance_counters -i m/snapshots/1.vw {CLICKS}",
    ]


def test_a_snapshot_of_a_model_that_vw_does_not_save_whole_is_told(
    replay: Replay, serve: Callable[..., Durable]
) -> None:
    durable = serve("--nn 3 --dropout -b 10")
    durable.servable.learn(["1 |f a", "0 |f b"])
    assert not snapshot_of(durable).exact
    _, _, err = replay("--from", "m/snapshots/1.vw")
    assert err == (
        "vwserve replay: m/snapshots/1.vw does not hold all that such a model goes by, since VW does not save it: what "
        "is learned from there may differ in the last digits; without --from it does not\n"
    )


# -- another model -----------------------------------------------------------------------------------------------------


def test_another_drop_shows_what_a_model_would_be_that_is_made_otherwise(
    replay: Replay, serve: Callable[..., Durable]
) -> None:
    learn(serve(), examples("clicks", 200))
    Path("m.yaml").write_text(f"vw: {CLICKS} -l 0.1\n")
    code, out, err = replay("--save", "ours.vw", "--json")
    assert (code, json.loads(out)["rows"]) == (0, 200)
    assert err == (
        f"vwserve replay: the model in m is made otherwise: VW's arguments were '{CLICKS}' and are '{CLICKS} -l 0.1'. "
        "What comes out is the model that m.yaml describes, not that one\n"
    )
    model = vwserve.load("m.yaml")
    model.learn([line for (line,) in examples("clicks", 200)])
    model.save("expected.vw")
    assert Path("ours.vw").read_bytes() == Path("expected.vw").read_bytes()


def test_what_was_learned_before_a_drop_changed_is_learned_the_new_way_and_that_is_told(
    replay: Replay, serve: Callable[..., Durable], tmp_path: Path
) -> None:
    durable = serve()
    groups = examples("clicks", 300)
    learn(durable, groups[:200])
    Path("m.yaml").write_text(f"vw: {CLICKS} -l 0.1\n")
    go_on(durable, blueprint_of(Path("m.yaml")))
    learn(durable, groups[200:])
    code, out, err = replay("--json")
    assert (code, json.loads(out)["rows"]) == (0, 300)
    assert err == (
        "vwserve replay: what that model learned up to example 200 it learned before its drop changed; here it is "
        "learned as m.yaml says now. --from goes on from a snapshot that has learned it\n"
    )
    assert figures(replay, "--from", "m/snapshots/2.vw", "--save", "ours.vw")["rows"] == 100
    durable.servable.save("daemons.vw")
    assert readable(Path("ours.vw"), tmp_path) == readable(Path("daemons.vw"), tmp_path)


def test_a_static_drop_learns_a_journal(replay: Replay, serve: Callable[..., Durable]) -> None:
    learn(serve(), examples("clicks", 50))
    Path("m.yaml").write_text(f"vw: {CLICKS}\nlearn: false\n")
    found = figures(replay)
    assert found["arguments"] == CLICKS
    assert found["loss"] != pytest.approx(0.693147, abs=1e-6)


def test_limits_of_today_do_not_hold_for_what_was_learned(replay: Replay, serve: Callable[..., Durable]) -> None:
    from vwserve.learner import Bounds

    durable = serve()
    durable.limit(Bounds(importance=1e9))
    assert b"!error" not in durable.servable.answer(b"1 50000000 |u a\n")
    assert figures(replay)["errors"] == 0


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.fixture
def learned(serve: Callable[..., Durable]) -> Durable:
    """The model m, with fifty examples and a snapshot."""
    durable = serve()
    learn(durable, examples("clicks", 50))
    snapshot_of(durable)
    return durable


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--until", "#51"], "there is no example 51: m/journal ends at example 50"),
        (["--from", "m/snapshots/2.vw"], "m/snapshots has no snapshot 2; the newest are 1"),
        (["--from", "m.yaml"], "m.yaml is no snapshot"),
        (["--from", "m/snapshots/1.vw", "--until", "#7"], "snapshot 1 has learned the examples 1-50 already"),
        (["--save", "none/m.vw"], "cannot write none/m.vw: No such file or directory"),
        (["--save", "plugins.d"], "cannot write plugins.d: it is a folder"),
        (["-p", "m/journal/p.txt"], "m/journal/p.txt is in the journal itself; write elsewhere"),
        (["--save", "m/snapshots/2.vw"], "m/snapshots/2.vw is in the model's folder of snapshots; write elsewhere"),
        (["--dump", "m/lineage.json"], "m/lineage.json is what says which examples the model has learned; write to"),
        (["--save", "s.vw", "--plot", "s.vw"], "s.vw is also the file of --save; write to another file"),
    ],
)
def test_wrong_input_exits_1_with_one_line_and_changes_nothing(
    replay: Replay, learned: Durable, words: list[str], line: str
) -> None:
    before = {path: path.read_bytes() for path in Path("m").rglob("*") if path.is_file()}
    code, out, err = replay(*words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"vwserve replay: {line}")
    assert {path: path.read_bytes() for path in Path("m").rglob("*") if path.is_file()} == before


def test_a_snapshot_elsewhere_is_not_written_over(replay: Replay, learned: Durable) -> None:
    for ending in ("vw", "json"):
        Path(f"1.{ending}").write_bytes(Path(f"m/snapshots/1.{ending}").read_bytes())
    for name in ("1.vw", "1.json"):
        _, _, err = replay("--from", "1.vw", "-p", name)
        assert err == f"vwserve replay: {name} is the snapshot itself; write to another file\n"
    assert figures(replay, "--from", "1.vw", "-p", "2.vw")["snapshot"] == 1


def test_an_existing_output_stays_where_the_journal_cannot_be_replayed(replay: Replay, learned: Durable) -> None:
    Path("p.txt").write_text("of yesterday")
    assert replay("-p", "p.txt", "--until", "#99")[0] == 1
    assert Path("p.txt").read_text() == "of yesterday"


def test_arguments_under_which_nothing_is_learned_are_refused(replay: Replay, learned: Durable) -> None:
    Path("m.yaml").write_text(f"vw: {CLICKS} -t\n")
    code, _, err = replay()
    assert (code, err) == (
        1,
        "vwserve replay: m.yaml: under -t VW learns nothing of a journal; leave it out of 'vw:'\n",
    )


def test_a_journal_of_examples_of_another_kind_is_refused(replay: Replay, learned: Durable) -> None:
    Path("m.yaml").write_text("vw: --cb_explore_adf\n")
    code, _, err = replay()
    assert (code, err) == (
        1,
        "vwserve replay: m/journal has examples of one line, and this model's have several lines\n",
    )


@pytest.mark.parametrize("words", [["--from", "1.vw"], ["--until", "now"], ["--skip", "1..2"], ["--all"]])
def test_what_is_about_a_journal_is_refused_beside_a_file(
    replay: Replay, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("m.yaml").write_text("vw: -b 10\n")
    Path("data.vw").write_text("1 |f a\n")
    assert main(["replay", "m.yaml", "--data", "data.vw", *words]) == 1
    assert capsys.readouterr().err == (
        f"vwserve replay: {words[0]} is about a journal, and --data has none; name the journal with --journal\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--data", "data.vw", "--journal", "m/journal"],
        ["--journal", "m/journal", "--until", "yesterday"],
        ["--journal", "m/journal", "--skip", "5"],
    ],
)
def test_wrong_usage_exits_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["replay", "m.yaml", *words])
    assert stopped.value.code == 2
    assert "usage: vwserve replay" in capsys.readouterr().err


def test_a_file_can_be_saved_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("m.yaml").write_text(f"vw: {CLICKS}\n")
    Path("data.vw").write_text("".join(f"{line}\n" for (line,) in examples("clicks", 100)))
    assert main(["replay", "m.yaml", "--data", "data.vw", "--learn", "--save", "ours.vw"]) == 0
    model = vwserve.load("m.yaml")
    model.learn([line for (line,) in examples("clicks", 100)])
    model.save("expected.vw")
    assert Path("ours.vw").read_bytes() == Path("expected.vw").read_bytes()
