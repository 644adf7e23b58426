"""What the measurements say: percentiles, ratios with their spread, and whether the bars are reached."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import chain
from statistics import median
from typing import NamedTuple

from vwserve.bench.comparisons import Compared
from vwserve.bench.load import Load
from vwserve.bench.outcome import Outcome
from vwserve.bench.rounds import Figures
from vwserve.bench.workloads import Bar, Metric

_PERCENTILES = (50.0, 99.0, 99.9)
_PACKAGES = ("vowpalwabbit", "twisted", "numpy")
_BUSY = 0.9
_PIPELINED_HEADS = ("pipelined", "vwserve", "C++ vw", "ratio", "of the ceiling", "answers", "bars")
_COMPARED_HEADS = ("with transforms", "vwserve", "compared with", "figure", "answers", "bars")
_KEPT_HEADS = ("kept on disk", "measured", "bars")
_SINGLE_HEADS = ("one at a time", "vwserve", "C++ vw", "p50 ratio", "p99 ratio", "rate ratio", "answers", "bars")

NOTE = (
    "The load generator shares the cores with whichever server it drives. A ratio is ours to C++ vw, taken within\n"
    "a round: the median, and in brackets the least and the greatest of all. Latencies: p50, p99 and p99.9 in µs."
)

_KEPT_NOTE = (
    "Kept on disk: a rate is that with a journal in parts of that without one; all is measured on our daemon alone.\n"
    "The state was in the folder of temporary files ($TMPDIR), and syncs are as fast as its disk."
)


class Spread(NamedTuple):
    """The least, the median and the greatest of some values."""

    least: float
    middle: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(min(values), median(values), max(values))

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.least:.2f}-{self.greatest:.2f})"


class Verdict(NamedTuple):
    """A bar, the median of the ratios that are held against it, and whether it is reached."""

    bar: Bar
    ratio: float
    reached: bool

    def __str__(self) -> str:
        return f"{self.bar} {'pass' if self.reached else 'FALLS SHORT'}"


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all values do not exceed (nearest rank); values need not be in order."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def ratios(figures: Figures, metric: Metric) -> Sequence[float]:
    """Ours to theirs in each round, or ours to the ceiling."""
    if metric == "ceiling":
        return [ours.lines_s / ceiling for ours, ceiling in zip(figures.ours, figures.ceiling_lines_s, strict=True)]
    pairs = zip(figures.ours, figures.theirs, strict=True)
    if metric == "rate":
        return [ours.lines_s / theirs.lines_s for ours, theirs in pairs]
    percent = float(metric.removeprefix("p"))
    return [percentile(ours.latencies_ns, percent) / percentile(theirs.latencies_ns, percent) for ours, theirs in pairs]


def measures(compared: Compared) -> Sequence[float]:
    """What a comparison's bar is about, in each round."""
    pairs = zip(compared.ours, compared.baseline, strict=True)
    match compared.comparison.bar.metric:
        case "added":
            return [(_latency_us([ours], 50.0) - _latency_us([baseline], 50.0)) for ours, baseline in pairs]
        case "cost":
            return [baseline.lines_s / ours.lines_s for ours, baseline in pairs]
        case _:
            return [ours.lines_s / baseline.lines_s for ours, baseline in pairs]


def verdicts(figures: Figures | Compared | Outcome) -> Sequence[Verdict]:
    """How a figure does against each of its bars."""
    if isinstance(figures, Outcome):
        if (kept := figures.figure.bar) is None:
            return []
        return [Verdict(kept, median(figures.values), kept.reached(median(figures.values)))]
    if isinstance(figures, Compared):
        bar, measure = figures.comparison.bar, median(measures(figures))
        return [Verdict(bar, measure, bar.reached(measure))]
    found = []
    for bar in figures.cell.bars:
        ratio = median(ratios(figures, bar.metric))
        found.append(Verdict(bar, ratio, bar.reached(ratio)))
    return found


def environment() -> Mapping[str, str]:
    """What the figures depend on."""
    versions = {package: version(package) for package in _PACKAGES}
    # Not how many cores there are, but how many this process may use.
    return {"cores": str(len(os.sched_getaffinity(0))), "python": platform.python_version(), **versions}


def text(
    all_figures: Sequence[Figures], all_compared: Sequence[Compared] = (), outcomes: Sequence[Outcome] = ()
) -> str:
    """The tables and the verdicts, for a reader."""
    together = [figures for figures in all_figures if figures.cell.pipelined]
    single = [figures for figures in all_figures if not figures.cell.pipelined]
    parts = [", ".join(f"{name} {value}" for name, value in environment().items()), NOTE]
    if together:
        parts.append(_table([_PIPELINED_HEADS, *map(_pipelined_row, together)]))
    if single:
        parts.append(_table([_SINGLE_HEADS, *map(_single_row, single)]))
    if all_compared:
        parts.append(_table([_COMPARED_HEADS, *map(_compared_row, all_compared)]))
        parts.append(f"Compared are loads on our daemon alone. The trees were {all_compared[0].trees}.")
    if outcomes:
        parts.append(_table([_KEPT_HEADS, *chain.from_iterable(map(_kept_rows, outcomes))]))
        parts.append(_KEPT_NOTE)
    parts.append(_summary([*all_figures, *all_compared], outcomes))
    return "\n\n".join(parts)


def document(
    all_figures: Sequence[Figures], all_compared: Sequence[Compared] = (), outcomes: Sequence[Outcome] = ()
) -> Mapping[str, object]:
    """Every measurement, for a machine: rates in lines a second, latencies in microseconds."""
    records = {figures.name: _record(figures) for figures in all_figures}
    compared = {each.name: _compared_record(each) for each in all_compared}
    kept = {each.name: {"measured": each.measured, "bars": _bar_records(each)} for each in outcomes}
    return {"environment": environment(), "figures": {**records, **compared, **kept}}


def _record(figures: Figures) -> Mapping[str, object]:
    return {
        "ours": [_load_record(load) for load in figures.ours],
        "theirs": [_load_record(load) for load in figures.theirs],
        "ceiling_lines_s": figures.ceiling_lines_s,
        "same_answers": figures.same_answers,
        "bars": _bar_records(figures),
    }


def _compared_record(compared: Compared) -> Mapping[str, object]:
    return {
        "ours": [_load_record(load) for load in compared.ours],
        "baseline": [_load_record(load) for load in compared.baseline],
        "trees": compared.trees,
        "same_answers": compared.same_answers,
        "bars": _bar_records(compared),
    }


def _bar_records(figures: Figures | Compared | Outcome) -> Sequence[Mapping[str, object]]:
    return [
        {"metric": bar.metric, "limit": bar.limit, "ratio": ratio, "reached": reached}
        for bar, ratio, reached in verdicts(figures)
    ]


def _load_record(load: Load) -> Mapping[str, object]:
    latencies = {f"p{percent:g}_us": _latency_us([load], percent) for percent in _PERCENTILES if load.latencies_ns}
    return {"lines": load.lines, "lines_s": load.lines_s, "generator_busy": load.busy, **latencies}


def _pipelined_row(figures: Figures) -> Sequence[str]:
    return (
        figures.name,
        _rate(figures.ours),
        _rate(figures.theirs),
        str(Spread.of(ratios(figures, "rate"))),
        str(Spread.of(ratios(figures, "ceiling"))),
        _answers(figures),
        _bars(figures),
    )


def _single_row(figures: Figures) -> Sequence[str]:
    return (
        figures.name,
        _latencies(figures.ours),
        _latencies(figures.theirs),
        str(Spread.of(ratios(figures, "p50"))),
        str(Spread.of(ratios(figures, "p99"))),
        str(Spread.of(ratios(figures, "rate"))),
        _answers(figures),
        _bars(figures),
    )


def _compared_row(compared: Compared) -> Sequence[str]:
    metric = compared.comparison.bar.metric
    shown = _latencies if metric == "added" else _rate
    unit = " µs" if metric == "added" else ""
    return (
        compared.name,
        shown(compared.ours),
        f"{compared.comparison.loads[1]}: {shown(compared.baseline)}",
        f"{metric} {Spread.of(measures(compared))}{unit}",
        _answers(compared),
        _bars(compared),
    )


def _kept_rows(outcome: Outcome) -> Iterator[Sequence[str]]:
    """A line for each thing that was measured, the first with the name and the bar."""
    name, bars = outcome.name, _bars(outcome)
    for what, values in outcome.measured.items():
        least, middle, greatest = map(_shown, Spread.of(values))
        yield name, f"{what}: {middle} ({least}-{greatest})", bars
        name = bars = ""


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _rate(loads: Sequence[Load]) -> str:
    return f"{median(load.lines_s for load in loads):,.0f}/s"


def _latencies(loads: Sequence[Load]) -> str:
    return " ".join(f"{_latency_us(loads, percent):,.0f}" for percent in _PERCENTILES) + f", {_rate(loads)}"


def _latency_us(loads: Sequence[Load], percent: float) -> float:
    """A percentile of the requests of all rounds."""
    return percentile(list(chain.from_iterable(load.latencies_ns for load in loads)), percent) / 1e3


def _answers(figures: Figures | Compared) -> str:
    return {True: "same", False: "DIFFER", None: "-"}[figures.same_answers]


def _bars(figures: Figures | Compared | Outcome) -> str:
    return "; ".join(map(str, verdicts(figures))) or "-"


def _others(figures: Figures | Compared) -> Sequence[Load]:
    return figures.baseline if isinstance(figures, Compared) else figures.theirs


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _summary(all_figures: Sequence[Figures | Compared], outcomes: Sequence[Outcome]) -> str:
    found = [verdict for figures in (*all_figures, *outcomes) for verdict in verdicts(figures)]
    lines = [f"{sum(verdict.reached for verdict in found)} of {len(found)} bars are reached."] if found else []
    if differing := [figures.name for figures in all_figures if figures.same_answers is False]:
        lines.append(f"Answers DIFFER: {', '.join(differing)}.")
    loads = [(load.busy, figures.name) for figures in all_figures for load in (*figures.ours, *_others(figures))]
    if not loads:
        return "\n".join(lines)
    busy, name = max(loads)
    lines.append(f"The load generator was busy for at most {busy:.0%} of a measurement ({name}).")
    if busy > _BUSY:
        lines.append("Where it was busy nearly all the time, the server could have done more than the figure says.")
    return "\n".join(lines)
