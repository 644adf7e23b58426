"""Artifacts on disk: whole or not at all, and refused where they are not what they should be."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.transforms.samples import Sizes
from vwserve.transforms import TransformError
from vwserve.transforms.artifact import digest, read_artifact, write_artifact


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    content = {"most": 3, "weights": [0.1, -1e-300, 12345678901234567890]}
    write_artifact(tmp_path / "deep" / "a.json", Sizes, content, {"rows": 7})
    stored = read_artifact(tmp_path / "deep" / "a.json", Sizes)
    assert (stored.content, stored.provenance, stored.digest) == (content, {"rows": 7}, digest(content))


def test_the_same_content_has_the_same_digest_whatever_its_provenance() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


def test_a_failed_write_leaves_the_old_one(tmp_path: Path) -> None:
    write_artifact(tmp_path / "a.json", Sizes, {"most": 3}, {})
    for unwritable in (float("nan"), {1, 2}):
        with pytest.raises(TransformError, match="cannot write"):
            write_artifact(tmp_path / "a.json", Sizes, {"most": unwritable}, {})
    assert read_artifact(tmp_path / "a.json", Sizes).content == {"most": 3}
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no artifact"),
        ("[]", "is no artifact"),
        ('{"kind": "sizes"}', "is no artifact"),
        ("[" * 100_000, "is no artifact"),
        ('{"format": 1, "kind": "sizes", "version": "1", "content": {"most": NaN}}', "NaN is no number"),
        ('{"format": 1, "kind": "sizes", "version": "1", "content": {"most": 1e999}}', "1e999 is greater than any"),
        ('{"format": 1, "kind": "sizes", "version": "1", "content": {"most": [-1e999]}}', "-1e999 is greater than any"),
        ('{"format": 1, "kind": "mdl", "version": "1", "content": {}}', "of kind 'mdl', not 'sizes'"),
        ('{"format": 1, "kind": "sizes", "version": "0", "content": {}}', "make it again with `vwserve fit`"),
        ('{"format": 2, "kind": "sizes", "version": "1", "content": {}}', "make it again with `vwserve fit`"),
    ],
)
def test_refuses_what_is_none(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(TransformError, match=said):
        read_artifact(tmp_path / "a.json", Sizes)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_refuses_what_is_no_regular_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.json")
    with pytest.raises(TransformError, match=r"a\.json is not a regular file"):
        read_artifact(tmp_path / "a.json", Sizes)


def test_says_what_makes_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(TransformError, match="is not there; `vwserve fit` makes it"):
        read_artifact(tmp_path / "a.json", Sizes)


def test_is_text_that_a_person_can_read(tmp_path: Path) -> None:
    write_artifact(tmp_path / "a.json", Sizes, {"most": 3}, {"data": "clicks.vw"})
    assert json.loads((tmp_path / "a.json").read_text())["provenance"] == {"data": "clicks.vw"}
