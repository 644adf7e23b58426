"""What it costs to keep models on disk, measured on real daemons, and how that is told."""

import json
import re
from pathlib import Path

import pytest

from vwserve.bench import report
from vwserve.bench.durability import DURABILITY, run_durability
from vwserve.bench.load import Load
from vwserve.bench.operators import Operator, ask
from vwserve.bench.outcome import Durability, Outcome
from vwserve.bench.report import verdicts
from vwserve.bench.servers import serving
from vwserve.bench.stalls import apart
from vwserve.bench.workloads import CELLS, Bar, BenchError, Cell, Effort, chosen

FIGURE = Durability("durability-x", Bar("ms", 200), lambda folder, effort, check: {})
BOUNDLESS = Durability("durability-y", None, lambda folder, effort, check: {})


@pytest.mark.e2e
def test_figures_are_measured_as_often_as_asked() -> None:
    wanted = ["everysec-single-1", "always-pipelined-64", "snapshot", "rollback", "recovery"]
    figures = chosen([f"durability-{name}" for name in wanted], DURABILITY)
    assert len(figures) == len(wanted)
    told: list[str] = []
    checked: list[None] = []
    found = list(run_durability(figures, Effort(1, 0.01), told.append, lambda: checked.append(None)))
    assert [each.figure for each in found] == figures
    assert [each.name in line for each, line in zip(found, told, strict=True)] == [True] * len(found)
    for each in found:
        assert all(len(values) == 1 for values in each.measured.values()), each
        assert all(value > 0 for values in each.measured.values() for value in values), each
    assert len(checked) >= len(found)


def test_figures_are_chosen_with_all_others_by_parts_of_their_names() -> None:
    figures: tuple[Cell | Durability, ...] = (*CELLS, *DURABILITY)
    assert [figure.name for figure in chosen(["durability"], figures)] == [figure.name for figure in DURABILITY]
    assert [figure.name for figure in chosen(["durability-always-64"], figures)] == [
        "durability-always-pipelined-64",
        "durability-always-single-64",
    ]


def test_the_first_of_what_was_measured_is_held_against_the_bar() -> None:
    measured = {"ms": [150.0, 300.0, 190.0], "longest request ms": [1000.0]}
    assert [str(verdict) for verdict in verdicts(Outcome(FIGURE, measured))] == ["ms ≤ 200 pass"]
    assert [str(verdict) for verdict in verdicts(Outcome(FIGURE, {"ms": [201.0]}))] == ["ms ≤ 200 FALLS SHORT"]
    assert verdicts(Outcome(BOUNDLESS, measured)) == []
    assert [Bar("lines/s", 200_000).reached(value) for value in (199_999, 200_000)] == [False, True]
    assert str(Bar("lines/s", 200_000)) == "lines/s ≥ 200,000"
    assert [Bar("p99.9", 2).reached(value) for value in (2, 2.1)] == [True, False]


def test_all_that_was_measured_is_told() -> None:
    outcomes = [
        Outcome(FIGURE, {"ms": [150.0, 300.0, 190.0], "requests meanwhile": [12345.0]}),
        Outcome(BOUNDLESS, {"rate": [0.987]}),
    ]
    rows = [re.split("  +", line) for line in report.text([], [], outcomes).splitlines()]
    assert ["durability-x", "ms: 190 (150-300)", "ms ≤ 200 pass"] in rows
    assert ["", "requests meanwhile: 12,345 (12,345-12,345)"] in rows
    assert ["durability-y", "rate: 0.987 (0.987-0.987)", "-"] in rows
    assert "1 of 1 bars are reached." in report.text([], [], outcomes)
    record = json.loads(json.dumps(report.document([], [], outcomes)))["figures"]["durability-x"]
    assert record["measured"]["ms"] == [150.0, 300.0, 190.0]
    assert record["bars"] == [{"metric": "ms", "limit": 200, "ratio": 190.0, "reached": True}]


def test_the_request_at_the_fork_is_the_longest_of_those_under_way_soon_after_the_command() -> None:
    ms = 1_000_000
    begins = [0, 5 * ms, 6 * ms, 100 * ms, 300 * ms]
    latencies = [4 * ms, 1 * ms, 20 * ms, 3 * ms, 50 * ms]  # the last is longer, but much later
    load = Load(5, 1.0, 0.1, [b""], latencies, begins)
    assert apart(load, begun_ns=5 * ms) == (20 * ms, [4 * ms, 1 * ms, 3 * ms, 50 * ms])


@pytest.mark.e2e
def test_an_operation_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with serving(tmp_path, "bench", {"bench": "vw: -b 10\n"}, control=True) as daemon, daemon.connect():
        assert ask(tmp_path / "control.sock", "snapshot bench").elapsed_s > 0
        with pytest.raises(BenchError, match=r"rollback bench 99: .*no snapshot 99"):
            ask(tmp_path / "control.sock", "rollback bench 99")
        operator = Operator(tmp_path / "control.sock", "models")
        operator.start()
        operator.join()
        assert list(operator.meanwhile([b"|u a\n"])) == []
