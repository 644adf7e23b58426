"""Pipelines: order, sharing, and transforms that fail or break their promises."""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.transforms.samples import InOut, Sizes, Upper
from vwserve.transforms import Batch, TransformError
from vwserve.transforms.artifact import write_artifact
from vwserve.transforms.pipeline import Declaration, Pipeline, Request, StepError, TransformPool


def upper(source: str, output: str) -> Declaration:
    return Declaration(Upper, InOut(source, output))


@pytest.fixture
def sizes(tmp_path: Path) -> Declaration:
    write_artifact(tmp_path / "sizes.json", Sizes, {"most": 2}, {})
    return Declaration(Sizes, InOut("m", "t"), tmp_path / "sizes.json")


def text(pipeline: Pipeline, *lines: bytes) -> bytes:
    return pipeline.text(Request(lines))


def test_adds_what_each_transform_derives_in_their_order(sizes: Declaration) -> None:
    pipeline = TransformPool().pipeline([upper("n", "m"), sizes])
    assert text(pipeline, b"|n a b", b"|k c") == b"|n a b |m A B |t size=2\n|k c |t size=0\n"


def test_without_transforms_lines_stay_as_they_are() -> None:
    assert text(TransformPool().pipeline([]), b"|n a") == b"|n a\n"
    assert not TransformPool().pipeline([]).derives


def test_one_that_reads_what_a_later_one_writes_is_refused(sizes: Declaration) -> None:
    with pytest.raises(StepError, match="reads the namespace 'm', which the upper after it writes") as caught:
        TransformPool().pipeline([sizes, upper("n", "m")])
    assert caught.value.position == 0


def test_a_cycle_is_refused() -> None:
    with pytest.raises(StepError, match="change their order"):
        TransformPool().pipeline([upper("a", "b"), upper("b", "a")])
    with pytest.raises(StepError, match="reads the namespace 'n' that it writes itself"):
        TransformPool().pipeline([upper("n", "n")])


def test_two_that_write_the_same_are_refused() -> None:
    with pytest.raises(StepError, match="writes the namespace 'm', as does the upper before it") as caught:
        TransformPool().pipeline([upper("n", "m"), upper("k", "m")])
    assert caught.value.position == 1


def test_transforms_declared_alike_are_one_and_are_applied_once_to_a_request(sizes: Declaration) -> None:
    pool = TransformPool()
    first = pool.pipeline([upper("n", "m"), sizes])
    second = pool.pipeline([upper("n", "m"), upper("n", "k")])
    assert first.steps[0] is second.steps[0]
    request = Request([b"|n a", b"|n b"])
    assert first.text(request) == b"|n a |m A |t size=1\n|n b |m B |t size=1\n"
    assert second.text(request) == b"|n a |m A |k A\n|n b |m B |k B\n"
    assert [step.applied for step in (*first.steps, second.steps[1])] == [2, 2, 2]


def test_the_same_transform_on_another_input_is_another_step() -> None:
    pool = TransformPool()
    raw = pool.pipeline([upper("m", "k")])
    derived = pool.pipeline([upper("n", "m"), upper("m", "k")])
    assert raw.steps[0].transform is derived.steps[1].transform
    request = Request([b"|n a"])
    assert raw.text(request) == b"|n a\n"
    assert derived.text(request) == b"|n a |m A |k A\n"


def test_another_artifact_is_another_transform(sizes: Declaration, tmp_path: Path) -> None:
    pool = TransformPool()
    before = pool.pipeline([sizes])
    assert pool.pipeline([sizes]).steps[0] is before.steps[0]
    write_artifact(tmp_path / "sizes.json", Sizes, {"most": 5}, {})
    assert pool.pipeline([sizes]).steps[0].transform is not before.steps[0].transform


def test_what_no_pipeline_holds_is_gone(sizes: Declaration) -> None:
    pool = TransformPool()
    pipeline = pool.pipeline([sizes])
    assert len(pool) == 1
    del pipeline
    gc.collect()
    assert len(pool) == 0


def test_a_missing_artifact_is_an_error_at_its_position(tmp_path: Path) -> None:
    missing = Declaration(Sizes, InOut("m", "t"), tmp_path / "none.json")
    with pytest.raises(StepError, match="is not there") as caught:
        TransformPool().pipeline([upper("n", "m"), missing])
    assert caught.value.position == 1


def test_an_artifact_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    write_artifact(tmp_path / "sizes.json", Sizes, {"most": "many"}, {})
    with pytest.raises(StepError, match="no whole number 'most'"):
        TransformPool().pipeline([Declaration(Sizes, InOut("m", "t"), tmp_path / "sizes.json")])


def test_a_transform_that_fails_is_told_by_its_kind() -> None:
    pipeline = TransformPool().pipeline([upper("n", "m")])
    with pytest.raises(TransformError, match="transform upper failed: ZeroDivisionError: boom"):
        text(pipeline, b"|n boom")


@pytest.mark.parametrize(
    ("derived", "said"),
    [
        ({"m": [b"a"]}, "gave 1 texts for 2 lines"),
        ({"k": [b"a", b"b"]}, "wrote the namespace 'k', which it did not declare"),
        ({"m": [b"a\nb", b"c"]}, "a newline in it"),
    ],
)
def test_a_transform_that_breaks_its_promises_is_told(derived: Mapping[str, Sequence[bytes]], said: str) -> None:
    class Broken(Upper):
        def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
            return derived

    pipeline = TransformPool().pipeline([Declaration(Broken, InOut("n", "m"))])
    with pytest.raises(TransformError, match=said):
        text(pipeline, b"|n a", b"|n b")
