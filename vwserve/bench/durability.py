"""What it costs to keep models on disk, and how fast they are back: measured on our daemon alone.

Each figure has a daemon or two of its own. What is compared is measured in turn, a fraction of a second apart.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from vwserve.bench.journals import measure_journal
from vwserve.bench.outcome import Durability, Outcome
from vwserve.bench.recoveries import measure_recovery
from vwserve.bench.rollbacks import measure_rollback
from vwserve.bench.stalls import measure_snapshot
from vwserve.bench.workloads import Bar, Effort


def _journal(sync: str, pipelined: bool, connections: int, bar: Bar | None = None) -> Durability:
    name = f"durability-{sync}-{'pipelined' if pipelined else 'single'}-{connections}"
    return Durability(name, bar, partial(measure_journal, sync, pipelined, connections))


DURABILITY = (
    _journal("everysec", True, 1, Bar("rate", 0.9)),
    _journal("everysec", False, 1),
    _journal("always", True, 1),
    _journal("always", True, 64),
    _journal("always", False, 1),
    _journal("always", False, 64),
    Durability("durability-snapshot-single-1", Bar("p99.9", 2), measure_snapshot),
    Durability("durability-rollback-single-8", Bar("ms", 200), measure_rollback),
    Durability("durability-recovery", Bar("lines/s", 200_000), measure_recovery),
)


def run_durability(
    figures: Sequence[Durability], effort: Effort, tell: Callable[[str], object], check: Callable[[], object]
) -> Iterator[Outcome]:
    """Measure figures, telling which is at work; `check` is called before each step and may raise to end the run.

    Raises BenchError where one cannot be measured.
    """
    for figure in figures:
        tell(f"{figure.name} ...")
        with tempfile.TemporaryDirectory(prefix="vwserve-bench-") as folder:
            yield Outcome(figure, figure.measure(Path(folder), effort, check))
