"""The real `vw` of the wheel, run as its own process: what all answers are held against."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

PATIENCE_S = 120


def vw(arguments: str, data: bytes, folder: Path) -> bytes:
    """The predictions that `vw` prints for a file of this content, learning as it goes."""
    file, predictions = folder / "examples.vw", folder / "predictions.txt"
    file.write_bytes(data)
    predictions.unlink(missing_ok=True)
    command = [sys.executable, "-m", "vowpalwabbit", *shlex.split(arguments), "--quiet", "--no_stdin"]
    done = subprocess.run(
        [*command, "-d", str(file), "-p", str(predictions)], capture_output=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr.decode()
    return predictions.read_bytes()


def joined(lines: Iterable[bytes]) -> bytes:
    """A block of these lines."""
    return b"".join([line + b"\n" for line in lines])


def joined_groups(groups: Iterable[Iterable[bytes]]) -> bytes:
    """A file of these multi-line examples, a blank line after each."""
    return b"".join([joined(group) + b"\n" for group in groups])
