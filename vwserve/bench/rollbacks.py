"""How long a rollback takes while clients learn, and what they wait for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from vwserve.bench.journals import CLICK, DROP
from vwserve.bench.load import dealt, many_one_at_a_time, pipelined
from vwserve.bench.operators import Operator, ask
from vwserve.bench.servers import serving
from vwserve.bench.workloads import Effort

CONNECTIONS = 8


def measure_rollback(folder: Path, effort: Effort, check: Callable[[], object]) -> Mapping[str, Sequence[float]]:
    """How long it takes until the model serves as it was at its first snapshot; every request is answered meanwhile."""
    lines = CLICK.lines(effort.pipelined_lines(CLICK), learn=True)
    shares = dealt(lines, CONNECTIONS)
    control = folder / "control.sock"
    measured: dict[str, list[float]] = {"ms": [], "longest request ms": [], "requests meanwhile": []}
    with ExitStack() as stack:
        daemon = stack.enter_context(serving(folder, "bench", {"bench": DROP}, control=True))
        connections = [stack.enter_context(daemon.connect()) for _ in range(CONNECTIONS)]
        pipelined(connections, shares)
        ask(control, "snapshot bench")
        for _ in range(effort.rounds):
            check()
            many_one_at_a_time(connections, [share[: len(share) // 10] for share in shares])
            operator = Operator(control, "rollback bench 1")
            operator.start()
            # A request that fails ends the measurement.
            load = many_one_at_a_time(connections, [operator.meanwhile(share) for share in shares])
            operator.answer()
            measured["ms"].append(operator.elapsed_s * 1e3)
            measured["longest request ms"].append(max(load.latencies_ns) / 1e6)
            measured["requests meanwhile"].append(load.lines)
    return measured
