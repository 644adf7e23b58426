"""The curve of a replay as a picture: loss, area under the ROC curve and calibration over the stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO

from vwserve.errors import VwserveError
from vwserve.model.curve import Point

_WIDTH_INCHES, _HEIGHT_INCHES = 8.0, 8.0


def require_matplotlib() -> None:
    """Raise VwserveError where no plot can be drawn."""
    if find_spec("matplotlib") is None:
        raise VwserveError("a plot needs matplotlib, which is not installed: pip install 'vwserve[plot]'")


def draw(points: Sequence[Point], *, title: str, loss: str) -> bytes:
    """The curve as SVG, the same bytes for the same points; raises VwserveError without matplotlib."""
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    ends = [point.labelled for point in points]
    figure = Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES), layout="constrained")
    figure.suptitle(title)
    upper, middle, lower = figure.subplots(3, 1, sharex=True)
    upper.plot(ends, [_number(point.loss) for point in points], marker=".", label="window")
    upper.plot(ends, [_number(point.loss_so_far) for point in points], label="so far")
    upper.set_ylabel(f"progressive loss ({loss})")
    upper.legend()
    middle.plot(ends, [_number(point.auc) for point in points], marker=".")
    middle.set_ylabel("AUC")
    lower.plot(ends, [_number(point.calibration) for point in points], marker=".")
    lower.axhline(1.0, color="grey", linewidth=0.8)
    lower.set_ylabel("calibration")
    lower.set_xlabel("labelled examples")
    picture = BytesIO()
    with rc_context({"svg.hashsalt": "vwserve"}):
        figure.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()


def _number(value: float | None) -> float:
    """What is not known is a gap in the line."""
    return math.nan if value is None else value
