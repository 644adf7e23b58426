"""An operator in a thread of its own, who asks a daemon for an operation while others talk to it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from threading import Thread
from typing import Any

from vwserve.bench.workloads import BenchError

_STALL_S = 120.0


class Operator(Thread):
    """Asks one command over the control endpoint at `path`; `answer` is there once the thread has ended.

    `begun_ns` and `elapsed_s` tell when it was asked, by the clock of measurements, and how long it took.
    """

    def __init__(self, path: Path, command: str) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._command = command
        self._line = b""
        self.begun_ns = 0
        self.elapsed_s = 0.0

    def run(self) -> None:
        """Ask."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_STALL_S)
            connection.connect(str(self._path))
            self.begun_ns = time.perf_counter_ns()
            connection.sendall(self._command.encode() + b"\n")
            with connection.makefile("rb") as lines:
                self._line = lines.readline()
        self.elapsed_s = (time.perf_counter_ns() - self.begun_ns) / 1e9

    def meanwhile(self, lines: Sequence[bytes]) -> Iterator[bytes]:
        """Lines, from the beginning again where there are not enough, until the operation is done."""
        for line in cycle(lines):
            if not self.is_alive():
                return
            yield line

    def answer(self) -> dict[str, Any]:
        """What was answered; raises BenchError where that is an error, or nothing."""
        self.join()
        answer: dict[str, Any] = json.loads(self._line or b"{}")
        if not answer or "error" in answer:
            raise BenchError(f"{self._command}: {answer.get('text', 'no answer')}")
        return answer


def ask(path: Path, command: str) -> Operator:
    """Ask one command, and wait for its answer; raises BenchError where that is an error."""
    operator = Operator(path, command)
    operator.start()
    operator.answer()
    return operator
