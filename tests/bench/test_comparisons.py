"""What transforms cost, measured on real daemons."""

import pytest

from vwserve.bench.comparisons import COMPARISONS, run_comparisons
from vwserve.bench.workloads import Effort


@pytest.mark.e2e
def test_every_answer_is_what_the_model_gives_in_process() -> None:
    told: list[str] = []
    checked: list[None] = []
    found = list(run_comparisons(COMPARISONS, Effort(2, 0.01), told.append, lambda: checked.append(None)))
    assert [each.comparison for each in found] == list(COMPARISONS)
    assert all(each.same_answers for each in found)
    assert all(len(each.ours) == len(each.baseline) == 2 for each in found)
    assert [each.name in line for each, line in zip(found, told[1:], strict=True)] == [True] * len(found)
    assert len(checked) == 1 + 2 * len(found)
    answers = {each.name: each.ours[0].answers[0].splitlines() for each in found}
    assert all(line.count(b"\t") == 7 for line in answers["transforms-shared-pipelined-8"])
    # Eight models that have learned in eight ways do not agree.
    predictions, _, _ = answers["transforms-shared-pipelined-8"][0].partition(b" ")
    assert len(set(predictions.split(b"\t"))) == 8


def test_nothing_is_started_for_no_comparison() -> None:
    told: list[str] = []
    assert list(run_comparisons([], Effort(1, 0.01), told.append, lambda: None)) == []
    assert told == []
