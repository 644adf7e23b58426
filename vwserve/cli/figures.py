"""The figures of a replay as a person reads them: a row of the curve, and the summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vwserve.model.curve import Point

HEADINGS = f"{'labelled':>12} {'loss so far':>12} {'loss':>12} {'AUC':>8} {'calibration':>12}"


def row(point: Point) -> str:
    """A row under the headings."""
    so_far, loss = _figure(point.loss_so_far), _figure(point.loss)
    auc, calibration = _figure(point.auc, 4), _figure(point.calibration, 4)
    return f"{point.labelled:>12,} {so_far:>12} {loss:>12} {auc:>8} {calibration:>12}"


def summary(figures: Mapping[str, Any]) -> Iterator[str]:
    """The lines that follow the rows; `figures` are those of the command's JSON."""
    loss = figures["loss_function"]
    unit = " (logloss, in nats)" if loss == "logistic" else ""
    lines: Sequence[tuple[str, str]] = [
        ("rows", f"{figures['rows']:,} ({figures['labelled']:,} labelled, {figures['errors']:,} errors)"),
        ("progressive loss", f"{_figure(figures['loss'])} {loss}{unit}"),
        ("AUC", _figure(figures["auc"], 4)),
        ("calibration", _figure(figures["calibration"], 4)),
        ("speed", f"{figures['rows_per_s'] or 0.0:,.0f} rows/s"),
    ]
    yield ""
    for name, text in lines:
        yield f"{name:<18}{text}"


def _figure(value: float | None, decimals: int = 6) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
