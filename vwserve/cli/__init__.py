"""The program `vwserve`: one module a command, each with NAME, HELP, EXAMPLE, configure and run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from types import ModuleType

from vwserve.errors import VwserveError

COMMANDS = ("serve", "check", "fit", "replay", "send", "ctl", "bench")


def main(words: Sequence[str] | None = None) -> int:
    """Run one command: 0 = done, 1 = the user's input was wrong, 2 = usage."""
    commands = [import_module(f"vwserve.cli.{name}") for name in COMMANDS]
    arguments = _parser(commands).parse_args(words)
    try:
        return int(arguments.run(arguments))
    except VwserveError as error:
        print(f"vwserve {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output is gone, as in `vwserve send | head`: nobody is left to tell.
        sys.stderr.close()
        return 1


def _parser(commands: Sequence[ModuleType]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vwserve", description="Serve and train Vowpal Wabbit models online.")
    parser.add_argument("--version", action="version", version=f"vwserve {version('vwserve')}")
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        words = choices.add_parser(
            command.NAME,
            help=command.HELP,
            description=f"{command.HELP[0].upper()}{command.HELP[1:]}.",
            epilog=f"example: {command.EXAMPLE}",
        )
        command.configure(words)
        words.set_defaults(run=command.run)
    return parser
