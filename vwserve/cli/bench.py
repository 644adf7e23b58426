"""`vwserve bench`: the daemon against VW's own, in one run."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from vwserve.bench import report
from vwserve.bench.comparisons import COMPARISONS, Comparison, run_comparisons
from vwserve.bench.durability import DURABILITY, run_durability
from vwserve.bench.outcome import Durability
from vwserve.bench.rounds import run as run_rounds
from vwserve.bench.workloads import CELLS, FULL, QUICK, BenchError, Cell, chosen

NAME = "bench"
HELP = "measure this daemon against the one that comes with Vowpal Wabbit, and against VW in process"
EXAMPLE = "vwserve bench --quick --only click-pipelined"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--quick", action="store_true", help="about 30 s instead of minutes; the figures are rougher")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        help="a figure by its name or part of it, like click-learn-pipelined-1 or click-pipelined; may be repeated",
    )
    parser.add_argument("--rounds", metavar="N", type=_count, help=f"how often each is measured; {FULL.rounds}")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write every measurement there")
    parser.add_argument(
        "--gather",
        metavar="BYTES",
        type=_count,
        default=1,
        help="let the pipelining client sleep until this many bytes of answers are there; 1, as clients do",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure and print tables; 1 where a server gave other answers than it should."""
    figures: Sequence[Cell | Comparison | Durability] = chosen(arguments.only, (*CELLS, *COMPARISONS, *DURABILITY))
    cells = [figure for figure in figures if isinstance(figure, Cell)]
    comparisons = [figure for figure in figures if isinstance(figure, Comparison)]
    kept = [figure for figure in figures if isinstance(figure, Durability)]
    effort = replace(QUICK if arguments.quick else FULL, gather_bytes=arguments.gather)
    if arguments.rounds:
        effort = replace(effort, rounds=arguments.rounds)
    interruption = _Interruption()
    # Ended either way, it takes the daemons that it started with it.
    before = {number: signal.signal(number, interruption) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        found = list(run_rounds(cells, effort, _tell, interruption.check))
        compared = list(run_comparisons(comparisons, effort, _tell, interruption.check))
        outcomes = list(run_durability(kept, effort, _tell, interruption.check))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    print(report.text(found, compared, outcomes))
    if arguments.json is not None:
        try:
            arguments.json.write_text(json.dumps(report.document(found, compared, outcomes), indent=1) + "\n")
        except OSError as error:
            raise BenchError(f"--json {arguments.json}: {error.strerror}") from error
    same = [*(each.same_answers for each in found), *(each.same_answers for each in compared)]
    return 1 if False in same else 0


class _Interruption:
    """A signal's handler that ends the run at the next check, a fraction of a second later; a second signal, at once.

    Raised in the middle of anything, KeyboardInterrupt could be lost in code that clears errors, as the start of an
    extension module does, or come between the making of a folder and the promise to remove it.
    """

    def __init__(self) -> None:
        self._asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if the signal has come."""
        if self._asked:
            raise KeyboardInterrupt


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number from 1 on")
    return int(word)
