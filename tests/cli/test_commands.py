"""The program as a whole: its commands, their help, its exit codes."""

import subprocess
import sys

import pytest

from vwserve.cli import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"example: vwserve {command}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("words", [[], ["no-such-command"], ["send", "--no-such-option"]])
def test_wrong_usage_exits_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "usage: vwserve" in capsys.readouterr().err


def test_wrong_input_exits_1_with_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send", "--to", "nowhere"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vwserve send: 'nowhere': an endpoint is ")


def test_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "vwserve", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("vwserve ")
