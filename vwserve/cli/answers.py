"""Answers of the control channel as a person reads them: tables, and lines of `key: value`.

Times are written as `rollback ... replay-until` takes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone

_ABSENT = "-"
_MODEL_COLUMNS = (
    "model",
    "state",
    "learn",
    "examples",
    "learned",
    "errors",
    "loss",
    "snapshot",
    "journal",
    "not_ready",
    "problem",
)
_TEXTS = frozenset({"model", "state", "not_ready", "problem"})
_AGES = (("s", 1, 120), ("m", 60, 120 * 60), ("h", 3600, 48 * 3600), ("d", 86_400, float("inf")))


def models_table(models: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """A row a model, with those columns for which there are figures."""
    if not models:
        yield "no models"
        return
    columns = [column for column in _MODEL_COLUMNS if any(model.get(column) is not None for model in models)]
    rows = [[_cell(model.get(column)) for column in columns] for model in models]
    left = {place for place, column in enumerate(columns) if column in _TEXTS}
    yield from _aligned([[column.upper() for column in columns], *rows], left)


def snapshots_table(snapshots: Sequence[Mapping[str, object]], now_s: float) -> Iterator[str]:
    """A row a snapshot; the one that a restart would go on from is marked."""
    if not snapshots:
        yield "no snapshots"
        return
    rows = [["", "NUMBER", "AGE", "TIME", "EXAMPLES", "LOSS", "BYTES"]]
    for snapshot in snapshots:
        time_s = snapshot.get("time")
        rows.append(
            [
                "*" if snapshot.get("current") else "",
                str(snapshot.get("number", _ABSENT)),
                age(now_s - time_s) if isinstance(time_s, int | float) else _ABSENT,
                _time(time_s) if isinstance(time_s, int | float) else _ABSENT,
                *(_cell(snapshot.get(key)) for key in ("examples", "loss", "bytes")),
            ]
        )
    yield from _aligned(rows, left={0, 3})
    if any(snapshot.get("current") for snapshot in snapshots):
        yield "* current"


def key_lines(answer: Mapping[str, object], above: str = "") -> Iterator[str]:
    """A line for each value, named by its keys: `snapshot.number: 17`."""
    for name, value in answer.items():
        key = above + name
        if isinstance(value, Mapping):
            yield from key_lines(value, f"{key}.")
        elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            for place, each in enumerate(value):
                yield from key_lines({f"{key}[{place}]": each})
        elif isinstance(value, list):
            yield f"{key}: {' '.join(map(_plain, value)) or 'none'}"
        elif name == "time" and isinstance(value, int | float):
            yield f"{key}: {_time(value)}"
        else:
            yield f"{key}: {_plain(value)}"


def age(seconds: float) -> str:
    """How long ago something was, in its largest unit of which there is more than one: `90s`, `5m`, `30h`, `12d`."""
    unit, unit_s = next((unit, unit_s) for unit, unit_s, below_s in _AGES if seconds < below_s)
    return f"{max(0, int(seconds // unit_s))}{unit}"


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: object) -> str:
    if isinstance(value, Mapping):  # the newest snapshot, of which the number says enough in a table
        return _cell(value.get("number"))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _plain(value)


def _plain(value: object) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _aligned(rows: Sequence[Sequence[str]], left: set[int]) -> Iterator[str]:
    """Columns of the width of their longest cell; those not in `left` end at the same place, as numbers do."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = [
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        ]
        yield "  ".join(cells).rstrip()
