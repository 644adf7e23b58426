"""How fast a daemon is back that was killed, where all that it learned is in its journal and in no snapshot."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from vwserve.bench.journals import CLICK, DROP
from vwserve.bench.load import pipelined
from vwserve.bench.rounds import repeated
from vwserve.bench.servers import DaemonProcess, serving
from vwserve.bench.workloads import BenchError, Effort
from vwserve.lines import chunks_of
from vwserve.model.servable import Servable

LINES = 2_000_000
_ROUNDS = 3  # each takes seconds


def measure_recovery(folder: Path, effort: Effort, check: Callable[[], object]) -> Mapping[str, Sequence[float]]:
    """Lines of the journal a second, from the start of the process until a client is answered.

    Beside it what the same lines take in process, learned by a servable that keeps nothing.
    """
    lines = repeated(CLICK.lines(effort.pipelined_lines(CLICK), learn=True), round(LINES * effort.scale))
    drops = {"bench": DROP}
    measured: dict[str, list[float]] = {"lines/s": [], "start s": [], "lines/s in process": [], "empty start s": []}
    with serving(folder, "bench", drops) as daemon, daemon.connect() as connection:
        pipelined([connection], [lines])
        daemon.kill()
    for _ in range(min(_ROUNDS, effort.rounds)):
        check()
        elapsed_s = _start_s(serving(folder, "bench", drops), len(lines))
        measured["start s"].append(elapsed_s)
        measured["lines/s"].append(len(lines) / elapsed_s)
        check()
        measured["lines/s in process"].append(len(lines) / _learn_s(lines))
        empty = folder / f"empty{len(measured['start s'])}"
        empty.mkdir()
        measured["empty start s"].append(_start_s(serving(empty, "bench", drops), 0))
    return measured


def _start_s(daemon: DaemonProcess, learned: int) -> float:
    begin_s = time.perf_counter()
    with daemon, daemon.connect() as connection, connection.makefile("rb") as answers:
        connection.sendall(b"!stats bench\n")
        found = json.loads(answers.readline())["learned"]
        elapsed_s = time.perf_counter() - begin_s
        daemon.kill()
    if found != learned:
        raise BenchError(f"of {learned} lines {found} were recovered")
    return elapsed_s


def _learn_s(lines: Sequence[bytes]) -> float:
    chunks = list(chunks_of(b"".join(lines)))
    with closing(Servable("bench", " ".join(CLICK.arguments))) as servable:
        begin_s = time.perf_counter()
        for chunk in chunks:
            servable.answer(chunk)
        return time.perf_counter() - begin_s
