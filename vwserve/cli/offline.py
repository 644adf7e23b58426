"""What the commands share that take a model and examples, and no daemon."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vwserve.errors import VwserveError

if TYPE_CHECKING:
    from vwserve.model.data_file import DataFile
    from vwserve.model.drop import ModelDrop


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model and the folder of plugins."""
    parser.add_argument("drop", metavar="DROP.yaml", type=Path, help="the model")
    parser.add_argument("--plugins", metavar="FOLDER", type=Path, help="transform plugins beside the installed ones")


def add_data(parser: argparse._ActionsContainer, *, required: bool) -> None:
    """Add the file of examples."""
    parser.add_argument(
        "--data",
        metavar="FILE",
        type=Path,
        required=required,
        help="examples as VW text, plain or compressed by gzip; - is standard input",
    )


def positive(text: str) -> int:
    """A count, at least 1; raises argparse.ArgumentTypeError."""
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return number


def read_model(drop: Path, plugins: Path | None) -> ModelDrop:
    """The model that a file describes; plugins that cannot be used are told on stderr, for it may not need them."""
    from vwserve.model.drop import read_drop
    from vwserve.transforms.plugins import find_plugins

    if plugins is not None and not plugins.is_dir():
        raise VwserveError(f"--plugins {plugins} is no folder")
    found = find_plugins(plugins)
    for problem in found.problems:
        print(problem, file=sys.stderr)
    return read_drop(drop, found.kinds)


def open_data(path: Path) -> DataFile:
    """The file of examples; `-` is standard input."""
    from vwserve.model.data_file import DataFile

    return DataFile(path, sys.stdin.buffer if str(path) == "-" else None)
