"""Scalars are printed as VW prints them (`print_result_by_ref`)."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.learner.reference import vw
from vwserve.learner.binding import Workspace
from vwserve.learner.scalars import format_scalar, format_scalars

floats = st.floats(width=32) | st.floats(-2, 2, width=32) | st.floats(0, 1, width=32)


def printed(value: float) -> bytes:
    """By definition: no decimals where the value equals its floor, six otherwise (C's `%.*f`)."""
    whole = not math.isnan(value) and (math.isinf(value) or math.floor(value) == value)
    return f"{value:.{0 if whole else 6}f}".encode()


@given(floats)
def test_one_number_is_printed_without_decimals_where_it_is_whole_and_else_with_six(value: float) -> None:
    assert format_scalar(value) == printed(value)


@given(st.lists(floats, min_size=1, max_size=40))
def test_many_numbers_are_printed_as_each_of_them(values: list[float]) -> None:
    assert format_scalars(values) == b"".join(printed(value) + b"\n" for value in values)


@pytest.mark.parametrize("low", [0.0, -1.0, 0.9999, 999.0, -1000.0, 1e6, -1e-6])
def test_every_way_of_printing_gives_the_same(low: float) -> None:
    single = [struct.unpack("f", struct.pack("f", low + step / 977))[0] for step in range(977)]
    assert format_scalars(single) == b"".join(printed(value) + b"\n" for value in single)


@pytest.mark.parametrize(
    "value",
    [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-7, -1e-7, 5e-7, 0.9999995, 0.9999997, 999.9999, 3.4e38, 1e-45],
)
@pytest.mark.parametrize("count", [1, 20])
def test_odd_numbers_are_printed_alone_and_among_others(value: float, count: int) -> None:
    assert format_scalars([value] * count) == (printed(value) + b"\n") * count


def test_no_numbers_are_no_text() -> None:
    assert format_scalars([]) == b""


def test_vw_prints_the_same(tmp_path: Path) -> None:
    # An initial prediction, where there is no feature and no constant, is the prediction.
    values = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-7, -1e-7, 4.9e-7, 5.1e-7, 0.9999995, 0.9999997, 999.9999, 1000.0, -1000.5]
    values += [step / 977 - 0.5 for step in range(977)] + [12345.678, 1e9, -1e9, 123456789.0, 0.0000015, 0.0000025]
    data = b"\n".join(b"0 1 %.12f |" % value for value in values)
    arguments = "--noconstant -t --min_prediction -1e10 --max_prediction 1e10"
    workspace = Workspace(arguments.split())
    scalars: list[float] = []
    workspace.predict(workspace.parse(data), scalars)
    workspace.close()
    assert len(scalars) == len(values)
    assert format_scalars(scalars) == vw(arguments, data + b"\n", tmp_path)
    assert b"".join(format_scalar(value) + b"\n" for value in scalars) == format_scalars(scalars)
