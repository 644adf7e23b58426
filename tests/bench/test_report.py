"""Statistics, tables and verdicts of a run."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.bench import report
from vwserve.bench.comparisons import COMPARISONS, Compared
from vwserve.bench.load import Load
from vwserve.bench.report import Spread, measures, percentile, ratios, verdicts
from vwserve.bench.rounds import Figures
from vwserve.bench.workloads import CELLS, Cell


def cell(name: str) -> Cell:
    (found,) = [cell for cell in CELLS if cell.name == name]
    return found


def load(lines_s: float, latencies_us: Sequence[int] = (), busy: float = 0.1) -> Load:
    return Load(1000, 1000 / lines_s, busy * 1000 / lines_s, [b""], [value * 1000 for value in latencies_us])


def figures(name: str, ours: Sequence[Load], theirs: Sequence[Load], ceiling: Sequence[float] = ()) -> Figures:
    return Figures(cell(name), list(ours), list(theirs), list(ceiling), same_answers=True)


PIPELINED = figures(
    "click-learn-pipelined-1",
    [load(300_000), load(400_000), load(500_000)],
    [load(100_000), load(80_000), load(50_000)],
    [500_000, 500_000, 1_000_000],
)
SINGLE = figures(
    "click-learn-single-1",
    [load(10_000, range(1, 101)), load(10_000, range(101, 201))],
    [load(20_000, range(2, 202, 2)), load(5_000, range(101, 201))],
)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([7], 50, 7), ([7], 99.9, 7), ([4, 1, 3, 2], 50, 2), ([4, 1, 3, 2], 51, 3), (range(1, 1001), 99.9, 999)],
)
def test_percentile_is_the_nearest_rank(values: Sequence[int], percent: float, expected: int) -> None:
    assert percentile(values, percent) == expected


@given(st.lists(st.integers(), min_size=1), st.floats(0.1, 100))
def test_at_most_the_rest_is_above_a_percentile(values: list[int], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-9
    assert sum(value < found for value in values) < max(1, len(values) * percent / 100 + 1e-9)


def test_spread_is_least_median_greatest() -> None:
    assert Spread.of([3.0, 1.0, 2.0, 10.0]) == (1.0, 2.5, 10.0)
    assert str(Spread.of([3.0, 1.0, 2.0])) == "2.00 (1.00-3.00)"


def test_ratios_are_taken_within_a_round() -> None:
    assert ratios(PIPELINED, "rate") == pytest.approx([3, 5, 10])
    assert ratios(PIPELINED, "ceiling") == pytest.approx([0.6, 0.8, 0.5])
    assert ratios(SINGLE, "p50") == pytest.approx([0.5, 1.0])
    assert ratios(SINGLE, "p99") == pytest.approx([0.5, 1.0])
    assert ratios(SINGLE, "rate") == pytest.approx([0.5, 2.0])


def test_a_verdict_holds_the_median_ratio_against_the_bar() -> None:
    rate, ceiling = verdicts(PIPELINED)
    assert [rate.ratio, ceiling.ratio] == pytest.approx([5, 0.6])
    assert [rate.reached, ceiling.reached] == [True, False]
    assert str(rate) == "rate ≥ 4 pass"
    assert str(ceiling) == "ceiling ≥ 0.7 FALLS SHORT"


def test_the_text_has_a_row_for_every_figure() -> None:
    text = report.text([PIPELINED, SINGLE])
    rows = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "400,000/s" in rows["click-learn-pipelined-1"]
    assert "80,000/s" in rows["click-learn-pipelined-1"]
    assert "5.00 (3.00-10.00)" in rows["click-learn-pipelined-1"]
    assert "same" in rows["click-learn-pipelined-1"]
    assert "100 198 200" in rows["click-learn-single-1"]  # p50 p99 p99.9 of both rounds together
    assert "2 of 3 bars are reached." in text
    assert "shares the cores" in text


def test_the_text_names_figures_with_other_answers() -> None:
    differing = figures("click-learn-pipelined-1", PIPELINED.ours, PIPELINED.theirs, PIPELINED.ceiling_lines_s)
    differing.same_answers = False
    assert "DIFFER: click-learn-pipelined-1." in report.text([differing, SINGLE])
    assert "DIFFER" not in report.text([PIPELINED, SINGLE])


def test_the_text_says_when_the_load_generator_was_the_bottleneck() -> None:
    busy = figures("text-predict-pipelined-1", [load(10, busy=0.95)], [load(10)], [10])
    assert "at most 95% of a measurement (text-predict-pipelined-1)" in report.text([busy, SINGLE])
    assert "could have done more" in report.text([busy])
    assert "could have done more" not in report.text([PIPELINED])


def test_the_document_is_json_with_every_measurement() -> None:
    document = json.loads(json.dumps(report.document([PIPELINED, SINGLE])))
    record = document["figures"]["click-learn-pipelined-1"]
    assert [round(each["lines_s"]) for each in record["ours"]] == [300_000, 400_000, 500_000]
    assert record["ceiling_lines_s"] == [500_000, 500_000, 1_000_000]
    assert [bar["reached"] for bar in record["bars"]] == [True, False]
    assert document["figures"]["click-learn-single-1"]["ours"][0]["p99_us"] == 99
    assert set(document["environment"]) == {"cores", "python", "vowpalwabbit", "twisted", "numpy"}


def compared(name: str, ours: Sequence[Load], baseline: Sequence[Load], same_answers: bool = True) -> Compared:
    (comparison,) = [each for each in COMPARISONS if each.name == name]
    return Compared(comparison, "grown", list(ours), list(baseline), same_answers)


RATE = compared("transforms-predict-pipelined-1", [load(50_000), load(60_000)], [load(500_000), load(400_000)])
ADDED = compared("transforms-predict-single-1", [load(1, [90, 90, 200])], [load(1, [20, 40, 50])])
COST = compared("transforms-shared-pipelined-8", [load(10_000), load(20_000)], [load(40_000), load(40_000)])


def test_what_transforms_cost_is_taken_within_a_round() -> None:
    assert measures(RATE) == pytest.approx([0.1, 0.15])
    assert measures(ADDED) == pytest.approx([50])
    assert measures(COST) == pytest.approx([4, 2])
    assert [str(*verdicts(each)) for each in (RATE, ADDED, COST)] == [
        "rate ≥ 0.1 pass",
        "added ≤ 60 µs pass",
        "cost ≤ 3 pass",
    ]


def test_figures_of_transforms_have_a_table_and_records() -> None:
    text = report.text([PIPELINED], [RATE, ADDED, COST])
    rows = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "55,000/s" in rows["transforms-predict-pipelined-1"]
    assert "click: 450,000/s" in rows["transforms-predict-pipelined-1"]
    assert "added 50.00 (50.00-50.00) µs" in rows["transforms-predict-single-1"]
    assert "cost 3.00 (2.00-4.00)" in rows["transforms-shared-pipelined-8"]
    assert "4 of 5 bars are reached." in text
    record = json.loads(json.dumps(report.document([], [COST])))["figures"]["transforms-shared-pipelined-8"]
    assert [round(each["lines_s"]) for each in record["baseline"]] == [40_000, 40_000]
    assert record["bars"] == [{"metric": "cost", "limit": 3, "ratio": 3.0, "reached": True}]


def test_wrong_answers_of_transforms_are_named() -> None:
    wrong = compared("transforms-predict-pipelined-1", RATE.ours, RATE.baseline, same_answers=False)
    assert "DIFFER: transforms-predict-pipelined-1." in report.text([], [wrong])


def test_a_figure_without_a_bar_has_a_row_too() -> None:
    text = report.text([figures("click-learn-pipelined-64", PIPELINED.ours, PIPELINED.theirs, [1e6, 1e6, 1e6])])
    (row,) = [line for line in text.splitlines() if line.startswith("click-learn-pipelined-64")]
    assert row.endswith("  -")
    assert "0 of 0 bars" not in text
