"""Every option of the commands that have a page stands on it, and every command line of a page is right."""

import argparse
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from vwserve.cli import ctl, fit, main, replay

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("configure", "page"),
    [(fit.configure, "fitting.md"), (replay.configure, "replay.md"), (ctl.configure, "control.md")],
)
def test_every_option_is_documented(configure: object, page: str) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    assert callable(configure)
    configure(parser)
    options = {action.option_strings[0] for action in parser._actions if action.option_strings}
    text = (REPOSITORY / "docs" / page).read_text("utf-8")
    documented = {line.split("`")[1].split()[0] for line in text.splitlines() if line.startswith("| `-")}
    assert documented == options


def test_every_command_stands_in_the_readme() -> None:
    from vwserve.cli import COMMANDS

    text = (REPOSITORY / "README.md").read_text("utf-8")
    rows = [line.split("`")[1].split()[1] for line in text.splitlines() if line.startswith("| `vwserve ")]
    assert rows == list(COMMANDS)


_COMMAND = re.compile(r"^(?:\$ )?(vwserve (?:check|ctl|fit|replay|send) .*)$", re.MULTILINE)
COMMAND_LINES = [
    pytest.param(words[1:], id=f"{page.name}: {command}")
    for page in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
    for command in re.findall(
        r"^(?:\$ )?(vwserve (?:check|ctl|fit|replay|send) .*)$", page.read_text("utf-8"), re.MULTILINE
    )
    for words in [shlex.split(command.replace(" ...", ""), comments=True)]
]


@pytest.mark.parametrize("words", COMMAND_LINES)
def test_every_command_line_is_one_that_the_program_takes(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module(f"vwserve.cli.{words[0]}")
    taken: list[argparse.Namespace] = []

    def take(arguments: argparse.Namespace) -> int:
        taken.append(arguments)
        return 0

    monkeypatch.setattr(module, "run", take)
    assert main(words) == 0
    assert len(taken) == 1


def test_there_are_command_lines() -> None:
    assert len(COMMAND_LINES) > 15
