"""What a journal costs: click lines learned by a daemon that writes one, and by one that does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from socket import socket

from vwserve.bench.load import Load, dealt, many_one_at_a_time, one_at_a_time, pipelined
from vwserve.bench.report import percentile
from vwserve.bench.rounds import repeated
from vwserve.bench.servers import serving
from vwserve.bench.workloads import WORKLOADS, Effort

CLICK = next(workload for workload in WORKLOADS if workload.name == "click")
DROP = f"vw: {' '.join(CLICK.arguments)}\nsnapshot: {{every: 365d}}\n"

_FASTER = 4  # our daemon than VW's, for which the number of lines was made


def measure_journal(
    sync: str, together: bool, connections: int, folder: Path, effort: Effort, check: Callable[[], object]
) -> Mapping[str, Sequence[float]]:
    """Rates with a journal synced as `sync` says, in parts of those without, and the latencies of lone requests."""
    count = effort.pipelined_lines(CLICK) * _FASTER if together else effort.single_lines(connections)
    lines = repeated(CLICK.lines(min(count, effort.pipelined_lines(CLICK)), learn=True), count)
    loads: dict[str, list[Load]] = {"without": [], "with": []}
    with ExitStack() as stack:
        sides: dict[str, list[socket]] = {}
        for name, journal in (("without", "false"), ("with", f"{{sync: {sync}}}")):
            home = folder / name
            home.mkdir()
            daemon = stack.enter_context(serving(home, "bench", {"bench": f"{DROP}journal: {journal}\n"}))
            sides[name] = [stack.enter_context(daemon.connect()) for _ in range(connections)]
        for side in sides.values():
            _measure(side, lines, together)
        for number in range(effort.rounds):
            # First the one, then the other: whatever goes on in the background is of neither.
            for which in sorted(sides, reverse=bool(number % 2)):
                check()
                loads[which].append(_measure(sides[which], lines, together))
    measured = {
        "rate": [mine.lines_s / other.lines_s for mine, other in zip(loads["with"], loads["without"])],
        "lines/s": [load.lines_s for load in loads["with"]],
        "lines/s without": [load.lines_s for load in loads["without"]],
    }
    if not together:
        for name, percent in (("p50", 50.0), ("p99", 99.0), ("p99.9", 99.9)):
            for which, label in (("with", ""), ("without", " without")):
                measured[f"{name} µs{label}"] = [percentile(load.latencies_ns, percent) / 1e3 for load in loads[which]]
    return measured


def _measure(connections: Sequence[socket], lines: Sequence[bytes], together: bool) -> Load:
    if together:
        return pipelined(connections, dealt(lines, len(connections)))
    if len(connections) == 1:
        return one_at_a_time(connections[0], lines)
    return many_one_at_a_time(connections, dealt(lines, len(connections)))
