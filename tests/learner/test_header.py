"""The range of labels at the start of a model file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.learner.reference import joined, vw
from vwserve.learner.header import largest_label


@pytest.mark.parametrize(
    ("arguments", "data", "largest"),
    [
        ("", b"1 |f a\n-12345 |f b\n300 |f c\n", 12345.0),
        ("--save_resume", b"7 |f a\n", 7.0),
        ("--id named", b"7 |f a\n", 7.0),
        ("--loss_function logistic", b"1 |f a\n", 50.0),
        ("--min_prediction -3 --max_prediction 2", b"7 |f a\n", 3.0),
        ("", b"|f a\n", 0.0),
    ],
)
def test_the_largest_label_is_that_of_the_model(arguments: str, data: bytes, largest: float, tmp_path: Path) -> None:
    model = tmp_path / "model.vw"
    vw(f"{arguments} -f {model}", joined(data.splitlines()), tmp_path)
    assert largest_label(model) == largest


def test_an_older_file_without_an_identifier_is_read(tmp_path: Path) -> None:
    model = tmp_path / "model.vw"
    model.write_bytes(b"\x06\0\0\x007.5.0\0m" + b"\0\0\x80\xbf" + b"\0\0\0\x41")
    assert largest_label(model) == 8.0


@given(st.binary(max_size=60))
def test_a_file_that_is_no_model_has_none(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    model = tmp_path_factory.getbasetemp() / "any.vw"
    model.write_bytes(content)
    assert largest_label(model) >= 0.0
