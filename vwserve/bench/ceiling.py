"""The in-process ceiling: what VW's binding does with the same lines when nothing else is done.

It parses chunks of lines made beforehand, learns or predicts, reads the prediction and gives the example back: no
socket, no check of the lines, no answer. Run as a program, in a process of its own as the daemons are, it makes one
pass through a file for every line that it reads, and prints how many seconds the pass took.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from types import TracebackType

import pylibvw

from vwserve.bench.workloads import BenchError

CHUNK_LINES = 250
"""The fastest size of a chunk: with more, VW's pool of examples outgrows the processor's caches."""


def chunks(lines: Sequence[bytes]) -> Iterator[bytes]:
    """The lines, joined as VW parses several at once."""
    for start in range(0, len(lines), CHUNK_LINES):
        yield b"".join(lines[start : start + CHUNK_LINES]).rstrip(b"\n")


def one_pass(workspace: pylibvw.vw, blocks: Sequence[bytes], learn: bool) -> list[float]:
    """Learn or predict all blocks of lines; each line's prediction, before its update."""
    act = pylibvw.vw.learn if learn else pylibvw.vw.predict
    scalar, finish = pylibvw.example.get_simplelabel_prediction, pylibvw.vw._finish_example
    vw = repeat(workspace)
    scalars: list[float] = []
    for block in blocks:
        examples = workspace._parse(block)
        scalars += [
            value for _, value, _ in zip(map(act, vw, examples), map(scalar, examples), map(finish, vw, examples))
        ]
    return scalars


class Ceiling:
    """The ceiling of one group's lines, a process that is started on entering and ended on leaving."""

    def __init__(self, file: Path, arguments: Sequence[str], learn: bool, initial: Path | None) -> None:
        self._command = [sys.executable, "-m", __name__, str(file), "learn" if learn else "predict", *arguments]
        self._command += ["-i", str(initial)] if initial else []
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Ceiling:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, where: TracebackType | None) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def pass_s(self) -> float:
        """Make a pass and tell how long it took; raises BenchError where the process is gone."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write("\n")
        except BrokenPipeError as error:
            raise BenchError("the process that measures the in-process ceiling is gone") from error
        if not (answer := self._process.stdout.readline()):
            raise BenchError("the process that measures the in-process ceiling is gone")
        return float(answer)


def main(words: Sequence[str]) -> None:
    """Measure passes: FILE, `learn` or `predict`, VW's arguments."""
    file, action, *arguments = words
    blocks = list(chunks(Path(file).read_bytes().splitlines(keepends=True)))
    workspace = pylibvw.vw([*arguments, "--quiet", "--no_stdin"])
    for _ in sys.stdin:
        start_s = time.perf_counter()
        one_pass(workspace, blocks, action == "learn")
        print(time.perf_counter() - start_s, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
