"""The curve as a picture."""

import sys
from xml.etree import ElementTree

import pytest

from vwserve.errors import VwserveError
from vwserve.model.curve import Point
from vwserve.replay.plot import draw, require_matplotlib

POINTS = [
    Point(100, 100, 0.6931, 0.6931, 0.51, 1.25),
    Point(250, 200, 0.6, 0.5, None, None),
    Point(300, 260, 0.55, 0.4, 0.8, 1.0),
]


def drawn() -> str:
    return draw(POINTS, title="ctr over data.vw", loss="logistic").decode()


def test_draws_the_curves_as_svg() -> None:
    root = ElementTree.fromstring(drawn())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    axes = [group for group in root.iter("{http://www.w3.org/2000/svg}g") if group.get("id", "").startswith("axes_")]
    assert len(axes) == 3


def test_says_what_it_shows() -> None:
    text = drawn()
    for words in ("ctr over data.vw", "progressive loss (logistic)", "AUC", "calibration", "labelled examples"):
        assert f"<!-- {words} -->" in text


def test_the_same_points_give_the_same_bytes() -> None:
    assert drawn() == drawn()


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(VwserveError, match=r"pip install 'vwserve\[plot\]'"):
        require_matplotlib()
