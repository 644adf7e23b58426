"""Folders for daemons under fault, and how often each drill is done."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.daemons import Daemon

DRILLS = "VWSERVE_DRILLS"
FEW_DRILLS = 8


@pytest.fixture(scope="session")
def drills() -> int:
    """How often a process is killed: $VWSERVE_DRILLS, 50 in the full form; a few, unless it is set."""
    return int(os.environ.get(DRILLS, FEW_DRILLS))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for a UNIX socket."""
    with tempfile.TemporaryDirectory(prefix="vwserve-") as name:
        yield Path(name)


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    """Daemons to end, whatever becomes of the test."""
    started: list[Daemon] = []
    yield started
    for daemon in started:
        daemon.kill()
