"""What transforms cost: our daemon with a model that has them, against our daemon with one that has none.

Three daemons run for it: one serves click lines and one criteo lines, both without transforms; the third serves criteo
lines by eight models that declare the same transforms and differ in what they have learned.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

from vwserve.bench.artifacts import TRANSFORMS, make_artifacts
from vwserve.bench.load import Load, one_at_a_time, pipelined
from vwserve.bench.rounds import WARM_UP, repeated
from vwserve.bench.servers import serving
from vwserve.bench.workloads import WORKLOADS, Bar, Effort, Workload
from vwserve.model.load import load
from vwserve.model.servable import Servable

MODELS = "abcdefgh"

_BY_NAME: Mapping[str, Workload] = {workload.name: workload for workload in WORKLOADS}
_CLICK, _CRITEO = _BY_NAME["click"], _BY_NAME["criteo"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure: a load on the model with transforms and one to compare it with, and the bar."""

    name: str
    bar: Bar
    pipelined: bool
    loads: tuple[str, str]


COMPARISONS = (
    Comparison("transforms-predict-pipelined-1", Bar("rate", 0.1), True, ("transforms", "click")),
    Comparison("transforms-predict-single-1", Bar("added", 60), False, ("transforms", "criteo")),
    Comparison("transforms-shared-pipelined-8", Bar("cost", 3), True, ("eight", "one")),
)


@dataclass(slots=True)
class Compared:
    """What was measured for a comparison, a value a round: with transforms, or by eight models; and to compare.

    `same_answers` tells whether every answer had the bytes that the same model gives in process; `trees` where those
    of the transforms are from.
    """

    comparison: Comparison
    trees: str
    ours: list[Load] = field(default_factory=list)
    baseline: list[Load] = field(default_factory=list)
    same_answers: bool = True

    @property
    def name(self) -> str:
        """That of the figure."""
        return self.comparison.name


@dataclass(frozen=True, slots=True)
class _Side:
    """A connection to a daemon, the lines to send it, and the answers that they must have."""

    connection: socket
    lines: Sequence[bytes]
    answers: Sequence[bytes]

    def measure(self, lines: int, together: bool, gather_bytes: int) -> Load:
        sent = repeated(self.lines, lines)
        return pipelined([self.connection], [sent], gather_bytes) if together else one_at_a_time(self.connection, sent)

    def right(self, measured: Load) -> bool:
        return measured.answers[0] == b"".join(repeated(self.answers, measured.lines))


def run_comparisons(
    comparisons: Sequence[Comparison], effort: Effort, tell: Callable[[str], object], check: Callable[[], object]
) -> Iterator[Compared]:
    """Measure comparisons, telling which is at work; `check` is called before each step and may raise to end the run.

    Raises BenchError where one cannot be measured.
    """
    if not comparisons:
        return
    tell("transforms: fitting them, and training models ...")
    with tempfile.TemporaryDirectory(prefix="vwserve-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        trees = make_artifacts(folder)
        check()
        sides = _sides(folder, effort, stack)
        for comparison in comparisons:
            tell(f"{comparison.name}: {effort.rounds} rounds ...")
            yield _run(comparison, sides, trees, effort, check)


def _run(
    comparison: Comparison, sides: Mapping[str, _Side], trees: str, effort: Effort, check: Callable[[], object]
) -> Compared:
    compared = Compared(comparison, trees)
    ours, baseline = (sides[name] for name in comparison.loads)
    counts = [_count(name, comparison, effort) for name in comparison.loads]
    for side, count in zip((ours, baseline), counts):
        side.measure(max(1, round(count * WARM_UP)), comparison.pipelined, effort.gather_bytes)
    for _ in range(effort.rounds):
        check()
        compared.baseline.append(baseline.measure(counts[1], comparison.pipelined, effort.gather_bytes))
        compared.ours.append(ours.measure(counts[0], comparison.pipelined, effort.gather_bytes))
        compared.same_answers &= baseline.right(compared.baseline[-1]) and ours.right(compared.ours[-1])
    return compared


def _count(name: str, comparison: Comparison, effort: Effort) -> int:
    """Lines of one measurement: as many as keep our daemon busy for some tenths of a second."""
    if not comparison.pipelined:
        return effort.single_lines(1)
    # Our daemon serves click lines far faster than VW's does, for which their number is made.
    return effort.pipelined_lines(_CLICK) * 4 if name == "click" else effort.pipelined_lines(_CRITEO)


def _sides(folder: Path, effort: Effort, stack: ExitStack) -> Mapping[str, _Side]:
    """Start the daemons, each with models that have learned their stream, and connect to them."""
    count = effort.pipelined_lines(_CRITEO)
    criteo, criteo_labelled = _CRITEO.lines(count, learn=False), _CRITEO.lines(count, learn=True)
    clicks, clicks_labelled = (_CLICK.lines(effort.pipelined_lines(_CLICK), learn) for learn in (False, True))
    plain = "vw: " + " ".join(_CRITEO.arguments) + "\n"
    # They differ in how fast they learned.
    derived = {model: f"{plain[:-1]} -l {0.1 * (1 + place):.1f}\n{TRANSFORMS}" for place, model in enumerate(MODELS)}
    click = "vw: " + " ".join(_CLICK.arguments) + "\n"
    daemons = {}
    answers: dict[str, Sequence[bytes]] = {}
    for name, drops, labelled, lines in (
        ("click", {"click": click}, clicks_labelled, clicks),
        ("criteo", {"criteo": plain}, criteo_labelled, criteo),
        ("transforms", derived, criteo_labelled, criteo),
    ):
        home = folder / name
        home.mkdir()
        trained = {model: _trained(folder, home, model, drop, labelled) for model, drop in drops.items()}
        daemons[name] = stack.enter_context(serving(home, next(iter(drops)), trained))
        answers.update({model: _answered(home / "models.d" / f"{model}.yaml", lines) for model in drops})
    connected = {name: stack.enter_context(daemon.connect()) for name, daemon in daemons.items()}
    one, eight = connected["transforms"], stack.enter_context(daemons["transforms"].connect())
    return {
        "click": _Side(connected["click"], clicks, answers["click"]),
        "criteo": _Side(connected["criteo"], criteo, answers["criteo"]),
        "transforms": _Side(one, criteo, answers["a"]),
        "one": _Side(eight, [b"@a " + line for line in criteo], answers["a"]),
        "eight": _Side(
            eight,
            [b"@%s %s" % (",".join(MODELS).encode(), line) for line in criteo],
            _side_by_side([answers[model] for model in MODELS]),
        ),
    }


def _trained(folder: Path, home: Path, model: str, drop: str, lines: Sequence[bytes]) -> str:
    """The drop, static and with a model file that has learned the lines; artifacts are copied beside it."""
    models = home / "models.d"
    models.mkdir(exist_ok=True)
    for artifact in ("mdl.json", "tree.json"):
        shutil.copy(folder / artifact, models)
    path = models / f"{model}.yaml"
    path.write_text(drop)
    initial = home / f"{model}.vw"
    with closing(load(path)) as servable:
        servable.answer(b"".join(lines))
        servable.save(initial)
    return f"{drop}learn: false\ninitial: {initial}\n"


def _answered(path: Path, lines: Sequence[bytes]) -> Sequence[bytes]:
    with closing(load(path)) as servable:
        return _answers(servable, lines)


def _answers(servable: Servable, lines: Sequence[bytes]) -> Sequence[bytes]:
    return servable.answer(b"".join(lines)).splitlines(keepends=True)


def _side_by_side(answers: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
    """What is answered to requests for several models: their predictions with tabs between, then the tag."""
    together = []
    for row in zip(*answers):
        parts = [answer[:-1].partition(b" ") for answer in row]
        together.append(b"\t".join(text for text, _, _ in parts) + parts[0][1] + parts[0][2] + b"\n")
    return together
