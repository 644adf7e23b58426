"""`vwserve bench` as a user runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vwserve.cli import main


def test_an_unknown_figure_is_the_users_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "nothing"]) == 1
    assert "--only nothing: no such figure" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--rounds", "x"], ["--gather", "-1"]])
def test_counts_begin_at_one(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["bench", *words])
    assert exit_.value.code == 2
    assert "is not a number from 1 on" in capsys.readouterr().err


@pytest.mark.e2e
def test_a_run_prints_tables_writes_json_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vwserve", "bench", "--quick", "--rounds", "1", "--only", "click-learn-1"]
    run = subprocess.run(
        [*command, "--json", "found.json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"TMPDIR": str(tmp_path), "LANG": "C.UTF-8"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    rows = [line.split() for line in run.stdout.splitlines() if line.startswith("click-learn-")]
    assert [row[0] for row in rows] == ["click-learn-pipelined-1", "click-learn-single-1"]
    assert all("same" in row for row in rows)
    figures = json.loads((tmp_path / "found.json").read_text())["figures"]
    assert set(figures) == {"click-learn-pipelined-1", "click-learn-single-1"}
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vwserve", "bench", "--only", "click-predict-1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path, env={"TMPDIR": str(tmp_path)}) as run:
        assert run.stderr is not None
        assert run.stderr.readline() == b"click-predict-1: 11 rounds ...\n"
        run.send_signal(number)
        assert run.wait(30) == 130
    assert not list(tmp_path.iterdir())
