"""What is measured and held against which bars."""

from itertools import pairwise

import pytest

from vwserve.bench.comparisons import COMPARISONS, Comparison
from vwserve.bench.workloads import CELLS, FULL, QUICK, WORKLOADS, Bar, BenchError, Cell, Effort, Workload, chosen


def test_every_stream_is_measured_in_every_way() -> None:
    assert len(CELLS) == len({cell.name for cell in CELLS}) == 3 * 2 * 2 * 2


def test_cells_of_a_group_stand_together() -> None:
    groups = [cell.group for cell in CELLS]
    changes = sum(before != after for before, after in pairwise(groups))
    assert changes + 1 == len(set(groups))


@pytest.mark.parametrize(
    ("name", "bars"),
    [
        ("click-learn-pipelined-1", ["rate ≥ 4", "ceiling ≥ 0.7"]),
        ("click-predict-pipelined-1", ["rate ≥ 6", "ceiling ≥ 0.7"]),
        ("text-learn-pipelined-1", ["rate ≥ 1.5", "ceiling ≥ 0.7"]),
        ("text-learn-pipelined-64", []),
        ("text-predict-pipelined-1", ["rate ≥ 1.5", "ceiling ≥ 0.7"]),
        ("criteo-learn-pipelined-1", ["ceiling ≥ 0.7"]),
        ("criteo-predict-single-1", ["p50 ≤ 1.25"]),
        ("click-learn-single-64", ["p99 < 1", "rate ≥ 0.9"]),
    ],
)
def test_the_bars(name: str, bars: list[str]) -> None:
    (cell,) = [cell for cell in CELLS if cell.name == name]
    assert list(map(str, cell.bars)) == bars


def test_a_bar_is_reached_from_its_own_side() -> None:
    assert [Bar("rate", 4).reached(ratio) for ratio in (3.99, 4, 5)] == [False, True, True]
    assert [Bar("p50", 1.25).reached(ratio) for ratio in (1.2, 1.25, 1.3)] == [True, True, False]
    assert [Bar("p99", 1, strict=True).reached(ratio) for ratio in (0.99, 1)] == [True, False]
    assert [Bar("added", 60).reached(added_us) for added_us in (-1, 60, 61)] == [True, True, False]
    assert [Bar("cost", 3).reached(ratio) for ratio in (2, 3, 3.1)] == [True, True, False]


def test_answers_can_be_compared_unless_learning_is_interleaved() -> None:
    assert {cell.group.name for cell in CELLS if not cell.group.repeatable} == {
        "click-learn-64",
        "text-learn-64",
        "criteo-learn-64",
    }


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_lines_to_predict_have_no_label(workload: Workload) -> None:
    learned, predicted = workload.lines(20, learn=True), workload.lines(20, learn=False)
    assert [line.partition(b" ")[2] for line in learned] == predicted


def test_a_figure_is_chosen_by_its_name_or_parts_of_it() -> None:
    assert [cell.name for cell in chosen(["text-learn-single-64"], CELLS)] == ["text-learn-single-64"]
    assert [cell.name for cell in chosen(["click-pipelined-1"], CELLS)] == [
        "click-learn-pipelined-1",
        "click-predict-pipelined-1",
    ]
    assert chosen([], CELLS) == CELLS
    assert [cell.name for cell in chosen(["single-1-text-predict", "criteo-predict-single-1"], CELLS)] == [
        "text-predict-single-1",
        "criteo-predict-single-1",
    ]


def test_figures_of_transforms_are_chosen_like_any_other() -> None:
    figures: tuple[Cell | Comparison, ...] = (*CELLS, *COMPARISONS)
    assert [figure.name for figure in chosen(["transforms"], figures)] == [each.name for each in COMPARISONS]
    assert "transforms-predict-single-1" in [figure.name for figure in chosen(["predict-single"], figures)]


def test_an_unknown_figure_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BenchError, match=r"--only click-larn: no such figure(.|\n)*click-learn-pipelined-1"):
        chosen(["click", "click-larn"], CELLS)


@pytest.mark.parametrize("effort", [FULL, QUICK, Effort(1, 0.0)])
def test_every_connection_has_a_line(effort: Effort) -> None:
    assert all(effort.pipelined_lines(workload) >= 64 for workload in WORKLOADS)
    assert effort.single_lines(1) >= 1
    assert effort.single_lines(64) >= 64
