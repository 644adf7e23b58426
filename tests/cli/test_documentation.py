"""Every option of the commands that have a page stands on it."""

import argparse
from pathlib import Path

import pytest

from vwserve.cli import ctl, fit, replay

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
