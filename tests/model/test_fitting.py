"""Fitting a drop: in order, each transform to what those before it add, with artifacts that tell their origin."""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.transforms.samples import KINDS, InOut, Sizes
from vwserve.errors import ConfigurationError, VwserveError
from vwserve.model.data_file import DataFile
from vwserve.model.drop import ModelDrop, read_drop
from vwserve.model.fitting import Fitted, fit_drop
from vwserve.transforms import Artifact, Examples

TIME = datetime(2024, 2, 29, 12, 30, tzinfo=timezone.utc)
DATA = b"1 |n a b c\n-1 |n a\ngarbage\n|n a b c d\n"
SIZES = "{kind: sizes, input: n, output: s, artifact: a/sizes.json}"


class Labels(Sizes):
    """Sees what it is fitted to: the labels, importances and features of its input, and the rows of each pass."""

    kind = "labels"

    @classmethod
    def fit(cls, options: InOut, examples: Examples) -> Artifact:
        passes = [
            [
                [label, weight, text.decode().split()]
                for each in examples
                for label, weight, text in zip(
                    each.labels.tolist(), each.weights.tolist(), each.batch.features(options.input)
                )
            ]
            for _ in range(2)
        ]
        assert repr(passes[0]) == repr(passes[1])
        return {"most": 9, "seen": [row for row in passes[0] if row[0] == row[0]]}


class Hasty(Sizes):
    """Looks at the first batch only."""

    kind = "hasty"

    @classmethod
    def fit(cls, options: InOut, examples: Examples) -> Artifact:
        return {"most": len(next(iter(examples)).batch)}


class Faulty(Sizes):
    """Fails."""

    kind = "faulty"

    @classmethod
    def fit(cls, options: InOut, examples: Examples) -> Artifact:
        raise ZeroDivisionError("nothing to divide by")


class Unfit(Sizes):
    """Gives what JSON has not."""

    kind = "unfit"

    @classmethod
    def fit(cls, options: InOut, examples: Examples) -> Artifact:
        return {"most": float("nan")}


class Given(Sizes):
    """Learns what it is told to, and describes it by `described`."""

    kind = "given"
    content: ClassVar[Any] = {"most": 1}
    described: ClassVar[Any] = ("one",)

    @classmethod
    def fit(cls, options: InOut, examples: Examples) -> Any:
        if isinstance(cls.content, BaseException):
            raise cls.content
        return cls.content

    @classmethod
    def describe(cls, artifact: Artifact) -> Sequence[str]:
        if isinstance(cls.described, BaseException):
            raise cls.described
        return cls.described  # type: ignore[no-any-return]  # which may be anything


ALL = {**KINDS, **{each.kind: each for each in (Labels, Hasty, Faulty, Unfit, Given)}}

Fit = Callable[..., list[Fitted]]


@pytest.fixture
def drop(tmp_path: Path) -> Callable[..., ModelDrop]:
    """A drop with these transforms."""

    def drop(*transforms: str, vw: str = "-b 10") -> ModelDrop:
        listed = "\n".join(["transforms:", *(f"  - {each}" for each in transforms)]) if transforms else ""
        (tmp_path / "m.yaml").write_text(f"vw: {vw}\n{listed}\n")
        return read_drop(tmp_path / "m.yaml", ALL)

    return drop


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    """Fits a drop to a text."""

    def fit(drop: ModelDrop, data: bytes = DATA, **options: Any) -> list[Fitted]:
        (tmp_path / "data.vw").write_bytes(data)
        return list(fit_drop(drop, DataFile(tmp_path / "data.vw"), time=TIME, **options))

    return fit


def stored(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def test_writes_an_artifact_that_says_what_it_was_learned_from(
    drop: Callable[..., ModelDrop], fit: Fit, tmp_path: Path
) -> None:
    (fitted,) = fit(drop(SIZES))
    assert (fitted.kind, fitted.path, fitted.found) == ("sizes", tmp_path / "a/sizes.json", ("at most 4 features",))
    assert (fitted.survey.rows, fitted.survey.labelled, fitted.survey.refused) == (4, 2, 1)
    artifact = stored(fitted.path)
    assert artifact.pop("provenance") == {
        "data": {
            "file": "data.vw",
            "sha256": hashlib.sha256(DATA).hexdigest(),
            "bytes": len(DATA),
            "rows": 4,
            "labelled": 2,
            "refused": 1,
        },
        "options": {"input": "n", "output": "s"},
        "vwserve": version("vwserve"),
        "time": "2024-02-29T12:30:00+00:00",
    }
    assert artifact == {"format": 1, "kind": "sizes", "version": "1", "content": {"most": 4}}


def test_the_same_input_gives_the_same_bytes(drop: Callable[..., ModelDrop], fit: Fit, tmp_path: Path) -> None:
    fit(drop(SIZES))
    first = (tmp_path / "a/sizes.json").read_bytes()
    fit(drop(SIZES))
    assert (tmp_path / "a/sizes.json").read_bytes() == first
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["sizes.json"]


def test_a_transform_is_fitted_to_what_those_before_it_add_with_fresh_artifacts(
    drop: Callable[..., ModelDrop], fit: Fit, tmp_path: Path
) -> None:
    chain = drop(
        SIZES,
        "{kind: upper, input: s, output: u}",
        "{kind: labels, input: u, output: l, artifact: labels.json}",
    )
    fit(chain, b"1 2 |n a b c\n-1 |n a\ngarbage\n|n a b c d\n")
    assert stored(tmp_path / "labels.json")["content"]["seen"] == [[1.0, 2.0, ["SIZE=3"]], [-1.0, 1.0, ["SIZE=1"]]]
    fit(chain, b"1 |n a\n-1 |n a b\n", rows=1)
    assert stored(tmp_path / "a/sizes.json")["content"] == {"most": 1}
    fit(chain, b"1 |n a\n-1 |n a b\n", only="labels")
    assert stored(tmp_path / "labels.json")["content"]["seen"] == [[1.0, 1.0, ["SIZE=1"]], [-1.0, 1.0, ["MANY"]]]


def test_only_one_kind_leaves_the_others_as_they_are(drop: Callable[..., ModelDrop], fit: Fit, tmp_path: Path) -> None:
    both = drop(SIZES, "{kind: labels, input: s, output: l, artifact: labels.json}")
    assert [each.kind for each in fit(both, only="sizes")] == ["sizes"]
    assert not (tmp_path / "labels.json").exists()
    before = (tmp_path / "a/sizes.json").read_bytes()
    assert [each.kind for each in fit(both, b"1 |n a\n", only="labels")] == ["labels"]
    assert (tmp_path / "a/sizes.json").read_bytes() == before


def test_the_artifact_of_one_before_it_must_be_there(drop: Callable[..., ModelDrop], fit: Fit) -> None:
    both = drop(SIZES, "{kind: labels, input: s, output: l, artifact: labels.json}")
    with pytest.raises(ConfigurationError, match=r"m\.yaml:3: transforms\[0\]: .*sizes\.json is not there"):
        fit(both, only="labels")


def test_a_row_that_a_transform_fails_on_is_refused(drop: Callable[..., ModelDrop], fit: Fit, tmp_path: Path) -> None:
    chain = drop("{kind: upper, input: n, output: u}", "{kind: labels, input: u, output: l, artifact: labels.json}")
    (fitted,) = fit(chain, b"1 |n a\n-1 |n boom\n-1 |n b\n")
    assert stored(tmp_path / "labels.json")["content"]["seen"] == [[1.0, 1.0, ["A"]], [-1.0, 1.0, ["B"]]]
    assert fitted.survey.refused == 1
    assert stored(tmp_path / "labels.json")["provenance"]["data"]["refused"] == 1


def test_a_transform_that_fails_on_every_row_is_an_error(drop: Callable[..., ModelDrop], fit: Fit) -> None:
    chain = drop("{kind: upper, input: n, output: u}", "{kind: labels, input: u, output: l, artifact: labels.json}")
    with pytest.raises(ConfigurationError, match=r"transforms\[1\]: none .* reaches it: transform upper failed: Zero"):
        fit(chain, b"1 |n boom\n-1 |n boom\n")


def test_the_provenance_counts_the_whole_file_also_where_the_transform_did_not_read_it(
    drop: Callable[..., ModelDrop], fit: Fit
) -> None:
    (fitted,) = fit(drop("{kind: hasty, input: n, output: s, artifact: s.json}"), b"1 |n a\n" * 2500)
    assert fitted.survey.rows == 2500
    assert stored(fitted.path)["content"] == {"most": 1000}


def test_labels_of_classes_and_costs_are_numbers(drop: Callable[..., ModelDrop], fit: Fit, tmp_path: Path) -> None:
    seen = "{kind: labels, input: n, output: l, artifact: labels.json}"
    fit(drop(seen, vw="--oaa 3 -b 10"), b"3 |n a\n1 2 |n b\n4 |n c\n")
    assert stored(tmp_path / "labels.json")["content"]["seen"] == [[3.0, 1.0, ["a"]], [1.0, 2.0, ["b"]]]
    fit(drop(seen, vw="--cb_explore_adf -b 10"), b"shared |n s\n0:0.5:0.25 |n a\n|n b\n\n")
    assert stored(tmp_path / "labels.json")["content"]["seen"] == [[0.5, 1.0, ["a"]]]


def test_progress_names_the_transform_and_the_rows(drop: Callable[..., ModelDrop], fit: Fit) -> None:
    told: list[tuple[str, int]] = []
    fit(drop(SIZES), progress=lambda kind, rows: told.append((kind, rows)))
    assert told == [("sizes", 4)]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"|n a\n|n b\n", b"garbage\n"])
def test_data_without_a_label_is_an_error(
    drop: Callable[..., ModelDrop], fit: Fit, tmp_path: Path, data: bytes
) -> None:
    with pytest.raises(VwserveError, match=r"data\.vw has no line to fit to: . rows, . of them no examples") as caught:
        fit(drop(SIZES), data)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("transforms", "only", "error"),
    [
        ([], None, "it has no transform that learns from data"),
        (["{kind: upper, input: n, output: m}"], None, "it has no transform that learns from data"),
        (["{kind: upper, input: n, output: m}"], "upper", "its transform 'upper' learns nothing from data"),
        ([SIZES], "mdl", "has no transform of kind 'mdl'; it has: sizes"),
        ([SIZES, SIZES.replace("output: s", "output: t")], None, r"m\.yaml:4: transforms\[1\]: .*also the artifact of"),
        (["{kind: faulty, input: n, output: s, artifact: s.json}"], None, "ZeroDivisionError: nothing to divide by"),
        (
            ["{kind: unfit, input: n, output: s, artifact: s.json}"],
            None,
            r"transforms\[0\]: it learned what JSON cannot hold: Out of range",
        ),
        ([SIZES.replace("input: n", "input: q")], None, r"m\.yaml:3: transforms\[0\]: no example has a feature in 'q'"),
    ],
)
def test_what_cannot_be_fitted_is_an_error(
    drop: Callable[..., ModelDrop], fit: Fit, transforms: Sequence[str], only: str | None, error: str
) -> None:
    with pytest.raises(VwserveError, match=error) as caught:
        fit(drop(*transforms), only=only)
    assert "\n" not in str(caught.value)


def test_a_drop_that_could_not_be_served_with_its_artifacts_is_an_error(
    drop: Callable[..., ModelDrop], fit: Fit
) -> None:
    with pytest.raises(ConfigurationError, match=r"m\.yaml:3: transforms\[0\]: .*change their order"):
        fit(drop(SIZES, "{kind: upper, input: a, output: n}"))


def test_wrong_vw_arguments_are_an_error_before_anything_is_read(drop: Callable[..., ModelDrop], fit: Fit) -> None:
    told: list[int] = []
    with pytest.raises(ConfigurationError, match=r"m\.yaml:1: vw: "):
        fit(drop(SIZES, vw="--no_such_option"), progress=lambda _, rows: told.append(rows))
    assert told == []


def test_standard_input_suffices_for_one_transform_that_reads_once(
    drop: Callable[..., ModelDrop], tmp_path: Path
) -> None:
    (fitted,) = fit_drop(drop(SIZES), DataFile(Path("-"), io.BytesIO(DATA)), time=TIME)
    data = stored(fitted.path)["provenance"]["data"]
    assert data["file"] == "standard input"
    assert (data["sha256"], data["bytes"]) == (hashlib.sha256(DATA).hexdigest(), len(DATA))


@pytest.mark.parametrize(
    "transforms",
    [
        ["{kind: labels, input: n, output: l, artifact: labels.json}"],
        [SIZES, "{kind: labels, input: s, output: l, artifact: labels.json}"],
    ],
)
def test_standard_input_cannot_be_read_again(drop: Callable[..., ModelDrop], transforms: Sequence[str]) -> None:
    with pytest.raises(VwserveError, match=r"standard input can.* be read only once"):
        list(fit_drop(drop(*transforms), DataFile(Path("-"), io.BytesIO(DATA)), time=TIME))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "it learned a value of type NoneType, not a dictionary"),
        ([1], "it learned a value of type list, not a dictionary"),
        ({"most": np.int64(3)}, "it learned what JSON cannot hold: Object of type int64 is not JSON serializable"),
        ({"most": {1, 2}}, "it learned what JSON cannot hold: Object of type set"),
        ({"most": float("inf")}, "it learned what JSON cannot hold: Out of range"),
        ({("a", "b"): 1}, "it learned what JSON cannot hold: keys must be"),
        ({"most": "many"}, "no whole number 'most'"),
        (SystemExit(4), "cannot be fitted: SystemExit: 4"),
    ],
)
def test_what_cannot_be_served_replaces_no_artifact(
    drop: Callable[..., ModelDrop],
    fit: Fit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: object,
    said: str,
) -> None:
    described = drop("{kind: given, input: n, output: s, artifact: a/given.json}")
    fit(described)
    before = (tmp_path / "a/given.json").read_bytes()
    monkeypatch.setattr(Given, "content", content)
    with pytest.raises(ConfigurationError, match=said) as caught:
        fit(described)
    assert str(caught.value).startswith(f"{tmp_path}/m.yaml:3: transforms[0]: ")
    assert (tmp_path / "a/given.json").read_bytes() == before
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["given.json"]


@pytest.mark.parametrize(
    ("described", "said"),
    [
        (ZeroDivisionError("oh"), "cannot be described: ZeroDivisionError: oh"),
        ("text", "its description is of type str, not a list or tuple of texts"),
        (None, "its description is of type NoneType, not a list or tuple of texts"),
        ([3], "its description has an item of type int; all are texts (str)"),
    ],
)
def test_a_description_that_fails_does_not_undo_what_was_learned(
    drop: Callable[..., ModelDrop],
    fit: Fit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    described: object,
    said: str,
) -> None:
    monkeypatch.setattr(Given, "described", described)
    (fitted,) = fit(drop("{kind: given, input: n, output: s, artifact: a/given.json}"))
    assert fitted.found == (said,)
    assert stored(fitted.path)["content"] == {"most": 1}
