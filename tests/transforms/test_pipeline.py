"""Pipelines: order, sharing, and transforms that fail or break their promises."""

import gc
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.transforms.samples import InOut, Sizes, Upper
from vwserve.transforms import Artifact, Batch, TransformError
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
        ({"m": [b"a\nb", b"c"]}, "transform upper failed: it gave a text with a newline in it"),
    ],
)
def test_a_transform_that_breaks_its_promises_is_told(derived: Mapping[str, Sequence[bytes]], said: str) -> None:
    class Broken(Upper):
        def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
            return derived

    pipeline = TransformPool().pipeline([Declaration(Broken, InOut("n", "m"))])
    request = Request([b"|n a", b"|n b"])
    for _ in range(2):  # of two models that share the request the second is told, too
        with pytest.raises(TransformError, match=said):
            pipeline.text(request)


class BadText(Exception):
    """Fails again when it is told."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Interrupted(Upper):
    """Raises what its `raised` is."""

    raised: BaseException = SystemExit(3)

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        raise self.raised


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "gave a value of type NoneType, not a mapping"),
        ([b"a", b"b"], "gave a value of type list, not a mapping"),
        ({"m": ["x", "y"]}, "gave a value of type str among its texts"),
        ({"m": [b"x", 1]}, "gave a value of type int among its texts"),
        ({"m": [b"x", bytearray(b"y")]}, "gave a value of type bytearray among its texts"),
        ({"m": (text for text in [b"a", b"b"])}, "gave a value of type generator, not a list of a text"),
        ({"m": b"ab"}, "gave a value of type bytes, not a list of a text"),
        ({"m": 7}, "gave a value of type int, not a list of a text"),
        ({1: [b"a", b"b"]}, "wrote the namespace 1, which it did not declare"),
    ],
)
def test_a_transform_that_gives_anything_else_is_told(given: object, said: str) -> None:
    class Broken(Upper):
        def apply(self, batch: Batch) -> Any:
            return given

    request = Request([b"|n a", b"|n b"])
    pipeline = TransformPool().pipeline([Declaration(Broken, InOut("n", "m"))])
    with pytest.raises(TransformError, match=f"transform upper failed: it {said}"):
        pipeline.text(request)
    assert pipeline.steps[0].applied == 0


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit: "),
        (BadText(), r"BadText: \(its text cannot be told: RuntimeError\)"),
        (TransformError("not today"), "transform upper failed: not today"),
    ],
)
def test_whatever_a_transform_raises_costs_its_request_only(raised: BaseException, said: str) -> None:
    pipeline = TransformPool().pipeline([Declaration(Interrupted, InOut("n", "m"))])
    Interrupted.raised = raised
    with pytest.raises(TransformError, match=said):
        text(pipeline, b"|n a")


def test_an_interrupt_is_the_users_only_where_nothing_handles_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = TransformPool().pipeline([Declaration(Interrupted, InOut("n", "m"))])
    Interrupted.raised = KeyboardInterrupt()
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        text(pipeline, b"|n a")
    monkeypatch.setattr(signal, "getsignal", lambda _: lambda *_: None)
    with pytest.raises(TransformError, match="failed: KeyboardInterrupt"):
        text(pipeline, b"|n a")


def test_what_a_transform_keeps_of_its_answer_cannot_change_it() -> None:
    kept: list[bytes] = []

    class Keeps(Upper):
        def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
            kept[:] = [b"x"] * len(batch)
            return {"m": kept}

    request = Request([b"|n a"])
    pipeline = TransformPool().pipeline([Declaration(Keeps, InOut("n", "m"))])
    request.derived(pipeline.steps[0])
    kept.clear()
    assert pipeline.text(request) == b"|n a |m x\n"


def raises(error: BaseException) -> Any:
    """A property that raises."""

    def fail(_: object) -> Any:
        raise error

    return property(fail)


@pytest.mark.parametrize(
    ("member", "stated", "said"),
    [
        ("writes", raises(ZeroDivisionError("oh")), "its 'writes' fails: ZeroDivisionError: oh"),
        ("reads", raises(SystemExit(1)), "its 'reads' fails: SystemExit: 1"),
        ("writes", None, "its 'writes' is of type NoneType, not a list or tuple of texts"),
        ("writes", lambda self: ["d"], "its 'writes' is of type method, not a list or tuple"),
        ("writes", (["d"],), "its 'writes' has an item of type list"),
        ("writes", "d", "its 'writes' is of type str, not a list or tuple"),
        ("writes", ("a|b",), r"its 'writes' has 'a\|b', which is no namespace"),
        ("writes", ("a b",), "its 'writes' has 'a b', which is no namespace"),
        ("writes", ("ä",), "its 'writes' has 'ä', which is no namespace"),
        ("arguments", raises(KeyError("x")), "its 'arguments' fails: KeyError: 'x'"),
        ("arguments", None, "its 'arguments' is of type NoneType"),
        ("arguments", [18], "its 'arguments' has an item of type int"),
        ("remarks", raises(BadText()), "its 'remarks' fails: BadText"),
        ("remarks", None, "its 'remarks' is of type NoneType"),
    ],
)
def test_a_transform_that_states_nonsense_is_refused_at_its_position(member: str, stated: object, said: str) -> None:
    broken = type("Broken", (Upper,), {member: stated})
    with pytest.raises(StepError, match=said) as caught:
        TransformPool().pipeline([upper("n", "m"), Declaration(broken, InOut("k", "l"))])
    assert caught.value.position == 1


def test_a_transform_that_exits_when_it_is_made_is_refused() -> None:
    class Exits(Upper):
        def __init__(self, options: InOut, artifact: Artifact) -> None:
            sys.exit("bye")

    with pytest.raises(StepError, match="cannot be made: SystemExit: bye"):
        TransformPool().pipeline([Declaration(Exits, InOut("n", "m"))])


def test_what_a_transform_states_is_read_once() -> None:
    class Changing(Upper):
        asked = 0

        @property
        def writes(self) -> Sequence[str]:
            self.asked += 1
            return (f"m{self.asked}",)

        def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
            return {"m1": [b"x"]}

    pool = TransformPool()
    first, second = (pool.pipeline([Declaration(Changing, InOut("n", "m"))]) for _ in range(2))
    assert text(first, b"|n a") == text(second, b"|n a") == b"|n a |m1 x\n"


def test_order_is_that_of_what_is_written_whatever_the_options_are_called() -> None:
    class Elsewhere(Upper):
        @property
        def writes(self) -> Sequence[str]:
            return ("secret",)

    class Unwritten(Upper):
        @property
        def writes(self) -> Sequence[str]:
            return ()

    with pytest.raises(StepError, match="reads the namespace 'secret', which the upper after it writes") as caught:
        TransformPool().pipeline([upper("secret", "x"), Declaration(Elsewhere, InOut("n", "m"))])
    assert caught.value.position == 0
    assert TransformPool().pipeline([upper("m", "x"), Declaration(Unwritten, InOut("n", "m"))]).steps
