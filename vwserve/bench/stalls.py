"""What lone requests wait for while a large model is snapshotted.

The model is dense: each of its weights was learned, so that a snapshot is as large as it can be. The requests are
learned, too: each changes weights that the snapshot's process shares, at random places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vwserve.bench.journals import CLICK
from vwserve.bench.load import Load, one_at_a_time
from vwserve.bench.operators import Operator
from vwserve.bench.report import percentile
from vwserve.bench.rounds import repeated
from vwserve.bench.servers import serving
from vwserve.bench.workloads import Effort
from vwserve.learner import Learner

BITS, FEWER_BITS = 24, 20
"""Of the model in full, and in a quick run."""

_FEATURES = 1 << 10  # a line
_LINES = 64  # learned at once
_FORK_NS = 100_000_000  # from the command on, in which the longest request is the one that waited for the fork
_WARM_UP_LINES = 2000
_PERCENT = 99.9


def measure_snapshot(folder: Path, effort: Effort, check: Callable[[], object]) -> Mapping[str, Sequence[float]]:
    """The ratio of p99.9 while a snapshot is taken to that in the quiet before it, without the request at the fork."""
    bits = BITS if effort.scale >= 1 else FEWER_BITS
    arguments = f"{' '.join(CLICK.arguments)} -b {bits}"
    dense = folder / "dense.vw"
    _learn_all(arguments, bits, dense, check)
    drop = f"vw: {arguments}\ninitial: {dense}\nsnapshot: {{every: 365d, keep: 1}}\n"
    lines = CLICK.lines(effort.pipelined_lines(CLICK), learn=True)
    measured: dict[str, list[float]] = {}
    quiet: Load | None = None
    with serving(folder, "bench", {"bench": drop}, control=True) as daemon, daemon.connect() as connection:
        one_at_a_time(connection, lines[:_WARM_UP_LINES])
        count = _WARM_UP_LINES
        for _ in range(effort.rounds):
            check()
            # As many as there were in the snapshot before, so that their extremes can be compared.
            quiet = one_at_a_time(connection, repeated(lines, count))
            operator = Operator(folder / "control.sock", "snapshot bench")
            operator.start()
            meanwhile = one_at_a_time(connection, operator.meanwhile(lines))
            operator.answer()
            fork_ns, rest_ns = apart(meanwhile, operator.begun_ns)
            count = max(_WARM_UP_LINES, len(rest_ns))
            tails_us = [percentile(each, _PERCENT) / 1e3 for each in (rest_ns, quiet.latencies_ns)]
            for name, value in (
                ("p99.9", tails_us[0] / tails_us[1]),
                ("p99.9 µs meanwhile", tails_us[0]),
                ("p99.9 µs quiet", tails_us[1]),
                ("longest ms meanwhile", max(rest_ns) / 1e6),
                ("longest ms quiet", max(quiet.latencies_ns) / 1e6),
                ("at the fork ms", fork_ns / 1e6),
                ("p50 µs meanwhile", percentile(rest_ns, 50.0) / 1e3),
                ("p50 µs quiet", percentile(quiet.latencies_ns, 50.0) / 1e3),
                ("requests meanwhile", len(rest_ns)),
                ("snapshot s", operator.elapsed_s),
            ):
                measured.setdefault(name, []).append(value)
    return measured


def apart(load: Load, begun_ns: int) -> tuple[int, Sequence[int]]:
    """The latency of the request that waited for the fork, and those of all others, in nanoseconds."""
    at_once = [
        place
        for place, (begin_ns, latency_ns) in enumerate(zip(load.begins_ns, load.latencies_ns))
        if begin_ns < begun_ns + _FORK_NS and begin_ns + latency_ns > begun_ns
    ]
    fork = max(at_once, key=lambda place: load.latencies_ns[place])
    return load.latencies_ns[fork], [*load.latencies_ns[:fork], *load.latencies_ns[fork + 1 :]]


def _learn_all(arguments: str, bits: int, file: Path, check: Callable[[], object]) -> None:
    """Save a model that has learned each weight there is: a feature whose name is a number has that one's weight."""
    learner = Learner(arguments)
    block: list[bytes] = []
    for first in range(0, 1 << bits, _FEATURES):
        names = " ".join(map(str, range(first, first + _FEATURES))).encode()
        block.append(b"%d |f %s\n" % (1 if first // _FEATURES % 2 else -1, names))
        if len(block) == _LINES:
            check()
            learner.answer(b"".join(block))
            block.clear()
    learner.answer(b"".join(block))
    learner.save(file)
    learner.close()
