"""`vwserve replay`: the daemon's answers without a daemon, and figures about them."""

import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vwserve
from tests.cli.test_fit import PLUGIN
from tests.learner.reference import vw
from vwserve.cli import main
from vwserve.model.servable import Servable

CLICKS = "--loss_function logistic --link logistic -b 10"
LINES = [
    f"{1 - 2 * (number % 3 // 2)} 'n{number} |u u{number % 5} x:{number / 7:.3f} |a a{number % 4}"
    for number in range(700)
]
DATA = "\n".join([*LINES[:300], "garbage", "", "|u a", *LINES[300:]])

Replay = Callable[..., tuple[int, str, str]]


@pytest.fixture
def replay(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Replay:
    """Runs the command in a folder with a plugin, a drop and data; its exit code and what it wrote."""
    (tmp_path / "plugins.d").mkdir()
    (tmp_path / "plugins.d" / "samples.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)

    def run(
        *words: str, vw: str = CLICKS, more: str = "", data: str = DATA, file: str = "data.vw"
    ) -> tuple[int, str, str]:
        Path("m.yaml").write_text(f"vw: {vw}\n{more}")
        Path("data.vw").write_text(data)
        code = main(["replay", "m.yaml", "--data", file, "--plugins", "plugins.d", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def figures(replay: Replay, *words: str, **options: str) -> dict[str, Any]:
    code, out, err = replay("--json", *words, **options)
    assert code == 0
    if "--learn" not in words:
        assert (
            err
            == "vwserve replay: the model has no 'initial:' to start from and learns nothing; --learn lets it learn\n"
        )
    return dict(json.loads(out))


def test_predictions_are_those_in_process(replay: Replay) -> None:
    replay("--learn", "-p", "p.txt")
    assert Path("p.txt").read_text().splitlines() == vwserve.load("m.yaml").learn(DATA.split("\n"))


def test_without_learn_the_model_is_static(replay: Replay) -> None:
    found = figures(replay, "-p", "p.txt")
    assert Path("p.txt").read_text().splitlines() == vwserve.load("m.yaml").predict(DATA.split("\n"))
    assert found["loss"] == pytest.approx(0.693147, abs=1e-6)


def test_learn_makes_a_static_model_learn(replay: Replay) -> None:
    replay("--learn", "-p", "p.txt", more="learn: false\n")
    assert Path("p.txt").read_text().splitlines() == Servable("m", CLICKS).learn(DATA.split("\n"))


def test_reads_compressed_data_and_standard_input(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(DATA.encode())

    replay("--learn", "-p", "plain.txt")
    Path("packed.gz").write_bytes(gzip.compress(DATA.encode()))
    replay("--learn", "-p", "packed.txt", file="packed.gz")
    monkeypatch.setattr("sys.stdin", Input)
    replay("--learn", "-p", "input.txt", file="-")
    assert len({Path(f"{name}.txt").read_bytes() for name in ("plain", "packed", "input")}) == 1


def test_figures_are_those_of_the_model(replay: Replay) -> None:
    found = figures(replay, "--learn")
    model = vwserve.load("m.yaml")
    model.learn(DATA.split("\n"))
    statistics = model.statistics()
    assert [found[name] for name in ("rows", "examples", "labelled", "errors")] == [702, 701, 700, 1]
    assert found["loss"] == pytest.approx(statistics["loss"])
    assert (found["auc"], found["calibration"]) == (statistics["auc"], statistics["calibration"])
    assert (found["model"], found["loss_function"], found["arguments"]) == ("m", "logistic", CLICKS)
    assert found["rows_per_s"] == pytest.approx(702 / found["seconds"])


def test_the_curve_has_a_row_every_so_many_labelled_examples(replay: Replay) -> None:
    curve = figures(replay, "--learn", "--every", "200")["curve"]
    assert [point["labelled"] for point in curve] == [200, 400, 600, 700]
    assert [point["examples"] for point in curve] == [200, 401, 601, 701]
    code, out, _ = replay("--learn", "--every", "200")
    assert code == 0
    rows = [line.split() for line in out.splitlines()[3:7]]
    assert rows == [
        [
            str(point["labelled"]),
            *(f"{point[name]:.6f}" for name in ("loss_so_far", "loss")),
            *(f"{point[name]:.4f}" for name in ("auc", "calibration")),
        ]
        for point in curve
    ]


def test_prints_the_figures(replay: Replay) -> None:
    found = figures(replay, "--learn")
    _, out, err = replay("--learn")
    lines = out.splitlines()
    assert lines[0] == "m.yaml: model m: simple labels, one line an example, 1,024 weights"
    assert lines[1] == f"vw {CLICKS}"
    assert lines[-5:-1] == [
        "rows              702 (700 labelled, 1 errors)",
        f"progressive loss  {found['loss']:.6f} logistic (logloss, in nats)",
        f"AUC               {found['auc']:.4f}",
        f"calibration       {found['calibration']:.4f}",
    ]
    assert lines[-1].endswith(" rows/s")
    assert err == ""


def test_figures_that_are_not_known_are_dashes(replay: Replay) -> None:
    _, out, _ = replay(data="|u a\n")
    assert [line.split()[-1] for line in out.splitlines()[-3:-1]] == ["-", "-"]
    assert figures(replay, data="|u a\n")["loss"] is None


SAMPLES = (
    "transforms:\n- {kind: upper, input: u, output: v}\n- {kind: crosses, namespaces: [va], features: [[u^x, v^X]]}\n"
)
GROUPS = "\n".join(
    f"shared |s s{number % 3}\n{number % 2}:{number % 5}:0.5 |a a{number % 4}\n|a b{'' if number % 9 else ' boom'}\n"
    for number in range(200)
)


@pytest.mark.parametrize(
    ("arguments", "more", "data"),
    [
        (CLICKS, "", DATA),
        (CLICKS, SAMPLES, DATA.replace("u3 ", "boom ")),
        ("--oaa 3 -b 10", SAMPLES, "1 |u a x:2 |a b\n3 |u boom\n2 |u c x:0.123456789 |a d\n" * 50),
        ("--cb_explore_adf -b 10 -q sa", SAMPLES.replace("input: u", "input: a").replace("[va]", "[vs]"), GROUPS),
    ],
)
@pytest.mark.parametrize("learn", [True, False])
def test_vw_learns_the_same_model_from_a_dump(
    replay: Replay, tmp_path: Path, arguments: str, more: str, data: str, learn: bool
) -> None:
    words = ["--learn"] if learn else []
    found = figures(replay, *words, "--dump", "d.vw", "-p", "p.txt", vw=arguments, more=more, data=data)
    assert found["examples"] >= 100
    assert found["errors"] > 0
    theirs = vw(found["arguments"], Path("d.vw").read_bytes(), tmp_path)
    ours = [line for line in Path("p.txt").read_bytes().splitlines(keepends=True) if not line.startswith(b"!error ")]
    assert theirs == b"".join(ours)


def test_a_dump_has_what_transforms_add_and_only_examples(replay: Replay) -> None:
    replay("--dump", "d.vw", more=SAMPLES, data="1 't|u x:2\n\nnonsense\n|u boom\n|a b")
    assert Path("d.vw").read_text() == "1 't|u x:2 |v X:2 |x x^X:4\n|a b\n"


def test_a_model_to_start_from_stands_in_the_arguments(replay: Replay, tmp_path: Path) -> None:
    Servable("m", CLICKS).save(tmp_path / "seed.vw")
    found = figures(replay, "--learn", more="initial: seed.vw\n")
    assert found["arguments"] == f"-i seed.vw {CLICKS}"
    assert figures(replay)["arguments"] == f"-t {CLICKS}"
    code, _, err = replay(more="initial: seed.vw\n")
    assert (code, err) == (0, "")


def test_draws_the_curve(replay: Replay) -> None:
    code, _, _ = replay("--learn", "--plot", "curve.svg", "--every", "100")
    assert code == 0
    assert "<!-- m over data.vw -->" in Path("curve.svg").read_text()


def test_without_matplotlib_nothing_is_begun(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = replay("--plot", "curve.svg", "-p", "p.txt")
    assert (code, out) == (1, "")
    assert err == "vwserve replay: a plot needs matplotlib, which is not installed: pip install 'vwserve[plot]'\n"
    assert not Path("p.txt").exists()


@pytest.mark.parametrize(
    ("words", "options", "line"),
    [
        (["-p", "none/p.txt"], {}, "cannot write none/p.txt: No such file or directory"),
        (["--plot", "none/curve.svg"], {}, "cannot write none/curve.svg: No such file or directory"),
        (["--dump", "data.vw"], {}, "data.vw is the data itself; write to another file"),
        (["--plot", "m.yaml"], {}, "m.yaml is a file that the model is made from; write to another file"),
        (["-p", "./new.txt", "--dump", "new.txt"], {}, "new.txt is also the file of -p; write to another file"),
        (["--dump", "new.svg", "--plot", "new.svg"], {}, "new.svg is also the file of --dump; write to another file"),
        ([], {"file": "none.vw"}, "cannot read none.vw: No such file or directory"),
        ([], {"vw": "--loss_functoin logistic"}, "m.yaml:1: vw: unknown VW option '--loss_functoin'; did you mean"),
        (
            [],
            {"more": "transforms: [{kind: sizes, input: u, output: s, artifact: s.json}]\n"},
            "m.yaml:2: transforms[0]: s.json is not there; `vwserve fit` makes it from data",
        ),
    ],
)
def test_wrong_input_exits_1_with_one_line(
    replay: Replay, words: list[str], options: dict[str, str], line: str
) -> None:
    code, out, err = replay(*words, **options)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"vwserve replay: {line}")
    assert Path("data.vw").read_text() == DATA


@pytest.mark.parametrize("option", ["-p", "--dump", "--plot"])
def test_no_output_takes_the_place_of_what_the_model_is_made_from(replay: Replay, tmp_path: Path, option: str) -> None:
    Servable("m", CLICKS).save(tmp_path / "seed.vw")
    Path("link.vw").hardlink_to("seed.vw")
    before = Path("seed.vw").read_bytes()
    code, out, err = replay(option, "link.vw", more="initial: seed.vw\n")
    assert (code, out) == (1, "")
    assert err == "vwserve replay: link.vw is a file that the model is made from; write to another file\n"
    assert Path("seed.vw").read_bytes() == before


@pytest.mark.parametrize("option", ["-p", "--dump", "--plot"])
@pytest.mark.parametrize("rows", [1, 100_000])
def test_a_full_disk_is_told_after_what_was_found(replay: Replay, option: str, rows: int) -> None:
    code, out, err = replay("--learn", option, "/dev/full", data="1 |u a\n" * rows)
    assert code == 1
    assert err == "vwserve replay: cannot write /dev/full: No space left on device\n"
    if rows == 1:  # it shows when the file is closed
        assert "progressive loss" in out
