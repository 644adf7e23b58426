"""What is measured: three streams, learned or predicted, pipelined or one at a time, over 1 or 64 connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, Protocol, TypeVar

from vwserve.errors import VwserveError
from vwserve.streams import clicks, criteo, texts

Metric = Literal["rate", "ceiling", "p50", "p99", "p99.9", "added", "cost", "ms", "lines/s"]

_AT_LEAST = ("rate", "ceiling", "lines/s")

MANY_CONNECTIONS = 64
_SEED = 1


class BenchError(VwserveError):
    """A measurement that cannot be made."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A stream of examples and the VW arguments to serve it with; `pipelined_lines` keep VW busy for half a second."""

    name: str
    arguments: tuple[str, ...]
    stream: Callable[..., Iterator[bytes]]
    pipelined_lines: int

    def lines(self, count: int, learn: bool) -> list[bytes]:
        """The first examples of the stream, with labels to learn from and without to predict."""
        return list(self.stream(count, seed=_SEED, labelled=learn))


WORKLOADS = (
    Workload("click", ("--loss_function", "logistic", "-q", "ua"), clicks, 60_000),
    Workload("text", ("--loss_function", "logistic"), texts, 20_000),
    Workload("criteo", ("--loss_function", "logistic"), criteo, 30_000),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Cells that share two running daemons: a workload learned or predicted over some connections."""

    workload: Workload
    learn: bool
    connections: int

    @property
    def name(self) -> str:
        """For example `click-learn-1`."""
        return f"{self.workload.name}-{'learn' if self.learn else 'predict'}-{self.connections}"

    @property
    def repeatable(self) -> bool:
        """Whether both servers must give the same answers.

        Over several connections the order in which lines are learned is up to chance, and answers depend on it.
        """
        return self.connections == 1 or not self.learn


@dataclass(frozen=True, slots=True)
class Bar:
    """What a ratio, of ours to VW's mostly, must reach: those of rates at least `limit`, anything else at most.

    `rate` is of lines answered a second, `ceiling` our rate in parts of what VW's binding alone does in process. Of two
    loads on our daemon, `added` is what one adds to the other's p50, in microseconds, and `cost` the ratio of the time
    that they take. `ms` and `lines/s` are no ratios.
    """

    metric: Metric
    limit: float
    strict: bool = False

    def reached(self, ratio: float) -> bool:
        """Whether a ratio is good enough."""
        if self.metric in _AT_LEAST:
            return ratio >= self.limit
        return ratio < self.limit if self.strict else ratio <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.metric in _AT_LEAST else "<" if self.strict else "≤"
        return f"{self.metric} {sign} {self.limit:,g}{' µs' if self.metric == 'added' else ''}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure: a group's lines pipelined or one at a time."""

    group: Group
    pipelined: bool

    @property
    def name(self) -> str:
        """For example `click-learn-pipelined-1`."""
        group = self.group
        action = "learn" if group.learn else "predict"
        return f"{group.workload.name}-{action}-{'pipelined' if self.pipelined else 'single'}-{group.connections}"

    @property
    def bars(self) -> Sequence[Bar]:
        """What the figure is held against; pipelined ones over many connections against nothing.

        There VW's daemon is as many processes as connections, on all cores, and ours is one process.
        """
        group = self.group
        if self.pipelined and group.connections > 1:
            return ()
        if self.pipelined:
            ceiling = Bar("ceiling", 0.7)
            if group.workload.name == "click":
                return Bar("rate", 4.0 if group.learn else 6.0), ceiling
            return (Bar("rate", 1.5), ceiling) if group.workload.name == "text" else (ceiling,)
        if group.connections == 1:
            return (Bar("p50", 1.25),)
        return Bar("p99", 1.0, strict=True), Bar("rate", 0.9)


CELLS = tuple(
    Cell(Group(workload, learn, connections), pipelined)
    for workload, learn, connections, pipelined in product(
        WORKLOADS, (True, False), (1, MANY_CONNECTIONS), (True, False)
    )
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: `rounds` of every cell, and of each round's lines the share `scale`.

    `gather_bytes` of answers wake the pipelining client.
    """

    rounds: int
    scale: float
    gather_bytes: int = 1

    def pipelined_lines(self, workload: Workload) -> int:
        """Lines of one pipelined measurement."""
        return max(MANY_CONNECTIONS, round(workload.pipelined_lines * self.scale))

    def single_lines(self, connections: int) -> int:
        """Lines of one measurement one at a time, over all connections."""
        return max(connections, round((2_500 if connections == 1 else 10_000) * self.scale))


FULL = Effort(rounds=11, scale=1.0)
QUICK = Effort(rounds=3, scale=0.1)


class Figure(Protocol):
    """What can be measured by its name."""

    @property
    def name(self) -> str:
        """Words with hyphens between."""


AnyFigure = TypeVar("AnyFigure", bound=Figure)


def chosen(names: Sequence[str], figures: Sequence[AnyFigure]) -> Sequence[AnyFigure]:
    """The figures whose name has every hyphen-separated word of one of `names`, all of them if there are none.

    Raises BenchError where a name fits no figure.
    """
    if not names:
        return figures
    found: set[str] = set()
    for name in names:
        fitting = {figure.name for figure in figures if set(name.split("-")) <= set(figure.name.split("-"))}
        if not fitting:
            known = "\n  ".join(figure.name for figure in figures)
            raise BenchError(f"--only {name}: no such figure; the names are\n  {known}")
        found |= fitting
    return [figure for figure in figures if figure.name in found]
