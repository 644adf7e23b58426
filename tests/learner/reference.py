"""The real `vw` of the wheel, run as its own process: what all answers are held against."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

PATIENCE_S = 120

_COMPLAINT = re.compile(r"^\[(?:warning|error|critical)\] .*$", re.MULTILINE)


def vw(arguments: str, data: bytes, folder: Path) -> bytes:
    """The predictions that `vw` prints for a file of this content, learning as it goes."""
    return _run(arguments + " --quiet", data, folder)[0]


def complaints(arguments: str, data: bytes, folder: Path) -> list[str]:
    """What `vw` warns about in a file of this content."""
    return _COMPLAINT.findall(_run(arguments + " --driver_output_off", data, folder)[1])


def _run(arguments: str, data: bytes, folder: Path) -> tuple[bytes, str]:
    file, predictions = folder / "examples.vw", folder / "predictions.txt"
    file.write_bytes(data)
    predictions.unlink(missing_ok=True)
    command = [sys.executable, "-m", "vowpalwabbit", *shlex.split(arguments), "--no_stdin"]
    done = subprocess.run(
        [*command, "-d", str(file), "-p", str(predictions)], capture_output=True, check=False, timeout=PATIENCE_S
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, said
    return predictions.read_bytes(), said


def joined(lines: Iterable[bytes]) -> bytes:
    """A block of these lines."""
    return b"".join([line + b"\n" for line in lines])


def joined_groups(groups: Iterable[Iterable[bytes]]) -> bytes:
    """A file of these multi-line examples, a blank line after each."""
    return b"".join([joined(group) + b"\n" for group in groups])
