"""A run: both daemons and the in-process ceiling measured in turn, round after round.

What else the machine does changes from second to second, so a ratio is taken within a round, from measurements that
are a fraction of a second apart, and every figure is the median of many rounds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from socket import socket

from vwserve.bench.ceiling import Ceiling
from vwserve.bench.load import Load, dealt, many_one_at_a_time, one_at_a_time, pipelined
from vwserve.bench.servers import DaemonProcess, vw_daemon, vwserve_daemon
from vwserve.bench.workloads import Cell, Effort, Group
from vwserve.learner import Learner

WARM_UP = 0.1
"""The share of a measurement's lines that are sent before it."""


@dataclass(slots=True)
class Figures:
    """What was measured for a cell, a value a round: loads of both servers, and the ceiling's lines a second.

    `same_answers` tells whether both servers gave the same bytes in every round, None where they need not.
    """

    cell: Cell
    ours: list[Load] = field(default_factory=list)
    theirs: list[Load] = field(default_factory=list)
    ceiling_lines_s: list[float] = field(default_factory=list)
    same_answers: bool | None = None

    @property
    def name(self) -> str:
        """That of the cell."""
        return self.cell.name


@dataclass(slots=True)
class _Side:
    """One daemon with its connections, and a digest of all that it has answered."""

    process: DaemonProcess
    connections: list[socket]

    def measure(self, cell: Cell, lines: Sequence[bytes], gather_bytes: int) -> Load:
        if cell.pipelined:
            return pipelined(self.connections, dealt(lines, len(self.connections)), gather_bytes)
        if len(self.connections) == 1:
            return one_at_a_time(self.connections[0], lines)
        return many_one_at_a_time(self.connections, dealt(lines, len(self.connections)))


def run(
    cells: Sequence[Cell], effort: Effort, tell: Callable[[str], object], check: Callable[[], object]
) -> Iterator[Figures]:
    """Measure cells, those of a group together, telling which is at work; yields each when its group is done.

    `check` is called before each step and may raise to end the run.
    """
    for group, members in groupby(cells, key=lambda cell: cell.group):
        tell(f"{group.name}: {effort.rounds} rounds ...")
        with tempfile.TemporaryDirectory(prefix="vwserve-bench-") as folder:
            yield from _run_group(Path(folder), group, list(members), effort, check)


def _run_group(
    folder: Path, group: Group, cells: Sequence[Cell], effort: Effort, check: Callable[[], object]
) -> Sequence[Figures]:
    lines = group.workload.lines(effort.pipelined_lines(group.workload), group.learn)
    initial = None if group.learn else _trained(folder, group, effort)
    check()
    with ExitStack() as stack:
        # Both start at the same time, and each is connected to before anything is measured.
        daemons = [stack.enter_context(daemon(folder, group, initial)) for daemon in (vwserve_daemon, vw_daemon)]
        ours, theirs = (
            _Side(daemon, [stack.enter_context(connection) for connection in _connections(daemon, group.connections)])
            for daemon in daemons
        )
        ceiling = None
        if any(cell.pipelined for cell in cells):
            file = folder / "lines.txt"
            file.write_bytes(b"".join(lines))
            ceiling = stack.enter_context(Ceiling(file, group.workload.arguments, group.learn, initial))
            ceiling.pass_s()
        return [_run_cell(cell, lines, ours, theirs, ceiling, effort, check) for cell in cells]


def _run_cell(
    cell: Cell,
    lines: Sequence[bytes],
    ours: _Side,
    theirs: _Side,
    ceiling: Ceiling | None,
    effort: Effort,
    check: Callable[[], object],
) -> Figures:
    figures = Figures(cell, same_answers=True if cell.group.repeatable else None)
    measured = lines if cell.pipelined else repeated(lines, effort.single_lines(cell.group.connections))
    for side in (theirs, ours):
        side.measure(cell, measured[: max(cell.group.connections, round(len(measured) * WARM_UP))], effort.gather_bytes)
    for _ in range(effort.rounds):
        check()
        figures.theirs.append(theirs.measure(cell, measured, effort.gather_bytes))
        figures.ours.append(ours.measure(cell, measured, effort.gather_bytes))
        if cell.pipelined and ceiling is not None:
            figures.ceiling_lines_s.append(len(lines) / ceiling.pass_s())
        if figures.same_answers:
            figures.same_answers = _digest(figures.ours[-1]) == _digest(figures.theirs[-1])
    return figures


def _connections(daemon: DaemonProcess, count: int) -> Iterator[socket]:
    return (daemon.connect() for _ in range(count))


def _trained(folder: Path, group: Group, effort: Effort) -> Path:
    """A model that has learned as many lines as one measurement has, for those who predict."""
    learner = Learner(" ".join(group.workload.arguments))
    learner.answer(b"".join(group.workload.lines(effort.pipelined_lines(group.workload), learn=True)))
    path = folder / "trained.vw"
    learner.save(path)
    learner.close()
    return path


def repeated(lines: Sequence[bytes], count: int) -> Sequence[bytes]:
    """`count` lines, from the beginning again where there are not enough."""
    return [*(list(lines) * (count // len(lines))), *lines[: count % len(lines)]]


def _digest(load: Load) -> bytes:
    return sha256(b"\0".join(load.answers)).digest()
