"""`vwserve replay`: a file through a model, in process and by the daemon's own code."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vwserve.cli.offline import add_arguments, open_data, positive, read_model
from vwserve.errors import ConfigurationError, VwserveError

if TYPE_CHECKING:
    from vwserve.model.curve import Point
    from vwserve.model.drop import ModelDrop
    from vwserve.model.servable import Servable

NAME = "replay"
HELP = "run a file of examples through a model and report how well it predicts"
EXAMPLE = "vwserve replay conf/models.d/ctr.yaml --data examples.vw.gz --learn -p predictions.txt"

_BUFFER_BYTES = 1 << 20
_WEIGHTLESS = "the model has no 'initial:' to start from and learns nothing; --learn lets it learn"
_HEADINGS = f"{'labelled':>12} {'loss so far':>12} {'loss':>12} {'AUC':>8} {'calibration':>12}"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    add_arguments(parser)
    parser.add_argument("-p", "--predictions", metavar="FILE", type=Path, help="where the answers go, as the daemon's")
    parser.add_argument(
        "--learn", action="store_true", help="learn each labelled line after predicting it; without, predict only"
    )
    parser.add_argument("--dump", metavar="FILE", type=Path, help="write the accepted examples as VW reads them")
    parser.add_argument("--plot", metavar="FILE.svg", type=Path, help="draw loss, AUC and calibration over the stream")
    parser.add_argument(
        "--every", metavar="N", type=positive, help="a row of the curve every N labelled examples; default: some dozens"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")


def run(arguments: argparse.Namespace) -> int:
    """Replay the file, write what was asked for, print the figures."""
    from vwserve.cli.meter import Meter
    from vwserve.model.curve import Curve
    from vwserve.replay import Recorder, replay
    from vwserve.replay.plot import draw, require_matplotlib

    if arguments.plot is not None:
        require_matplotlib()
    drop = replace(read_model(arguments.drop, arguments.plugins), learn=arguments.learn)
    _check_outputs(arguments, drop)
    file = open_data(arguments.data)
    meter = Meter(file, sys.stderr)
    points: list[Point] = []
    keeps, prints = arguments.json or arguments.plot is not None, not arguments.json

    def take(point: Point) -> None:
        if keeps:
            points.append(point)
        if prints:
            meter.clear()
            print(_row(point))

    with ExitStack() as stack:
        stack.callback(meter.clear)
        servable = stack.enter_context(_built(drop))
        write = stack.enter_context(_output(arguments.predictions))
        record = stack.enter_context(_output(arguments.dump))
        write_plot = stack.enter_context(_output(arguments.plot))
        if not drop.learn and drop.initial is None:
            print(f"vwserve {NAME}: {_WEIGHTLESS}", file=sys.stderr)
        if prints:
            print(f"{drop.path}: model {drop.name}: {servable.summary}")
            print(f"vw {_vw_arguments(drop, servable)}", _HEADINGS, sep="\n")
        began_s = time.perf_counter()
        done = replay(
            servable,
            file.chunks(),
            write or (lambda text: None),
            Curve(servable, take, arguments.every),
            model=Recorder(servable, record) if record else None,
            watch=lambda rows: meter.show(drop.name, rows),
        )
        took_s = time.perf_counter() - began_s
        meter.clear()
        statistics = servable.statistics()
        figures = {
            "model": drop.name,
            "arguments": _vw_arguments(drop, servable),
            "rows": done.rows,
            "examples": done.examples,
            "labelled": servable.labelled,
            "errors": done.errors,
            "loss_function": servable.loss,
            **{name: statistics[name] for name in ("loss", "auc", "calibration")},
            "seconds": took_s,
            "rows_per_s": done.rows / took_s if took_s else None,
        }
        # Before anything that may still fail: the figures may have taken hours.
        if arguments.json:
            print(json.dumps({**figures, "curve": [asdict(point) for point in points]}))
        else:
            _report(figures)
        if write_plot is not None:
            write_plot(draw(points, title=f"{drop.name} over {file.name}", loss=servable.loss))
    return 0


@contextmanager
def _built(drop: ModelDrop) -> Iterator[Servable]:
    from vwserve.learner import Bounds
    from vwserve.model.blueprint import Blueprint, fault
    from vwserve.transforms.pipeline import TransformPool

    try:
        servable = Blueprint.of(drop, TransformPool()).build(Bounds())
    except VwserveError as error:
        raise ConfigurationError([fault(drop, error)]) from error
    try:
        yield servable
    finally:
        servable.close()


def _check_outputs(arguments: argparse.Namespace, drop: ModelDrop) -> None:
    """Raise VwserveError where one file is to be written twice, or is one that is read."""
    taken: Mapping[str, Sequence[Path]] = {
        "the data itself": [] if str(arguments.data) == "-" else [arguments.data],
        "a file that the model is made from": [drop.path, *drop.files],
    }
    others = [(what, path) for what, paths in taken.items() for path in paths]
    for option, path in (("-p", arguments.predictions), ("--dump", arguments.dump), ("--plot", arguments.plot)):
        if path is None:
            continue
        for what, other in others:
            if _same(path, other):
                raise VwserveError(f"{path} is {what}; write to another file")
        others.append((f"also the file of {option}", path))


def _same(path: Path, other: Path) -> bool:
    if os.path.exists(path) and os.path.exists(other):
        return os.path.samefile(path, other)
    return os.path.realpath(path) == os.path.realpath(other)


@contextmanager
def _output(path: Path | None) -> Iterator[Callable[[bytes], object] | None]:
    """What writes to a file; None where none is asked for. Raises VwserveError where that fails, also in the end."""
    if path is None:
        yield None
        return
    with _written(path):
        file = path.open("wb", buffering=_BUFFER_BYTES)

    def write(text: bytes) -> None:
        with _written(path):
            file.write(text)

    try:
        yield write
    finally:
        with _written(path):
            file.close()


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise VwserveError(f"cannot write {path}: {error.strerror}") from error


def _vw_arguments(drop: ModelDrop, servable: Servable) -> str:
    """With what `vw` does the same to a dump: the transforms' arguments included."""
    start = ([] if drop.learn else ["-t"]) + (["-i", str(drop.initial)] if drop.initial else [])
    return " ".join(filter(None, [shlex.join(start), servable.arguments]))


def _row(point: Point) -> str:
    so_far, loss = _figure(point.loss_so_far), _figure(point.loss)
    auc, calibration = _figure(point.auc, 4), _figure(point.calibration, 4)
    return f"{point.labelled:>12,} {so_far:>12} {loss:>12} {auc:>8} {calibration:>12}"


def _report(figures: dict[str, Any]) -> None:
    loss = figures["loss_function"]
    unit = " (logloss, in nats)" if loss == "logistic" else ""
    lines: Sequence[tuple[str, str]] = [
        ("rows", f"{figures['rows']:,} ({figures['labelled']:,} labelled, {figures['errors']:,} errors)"),
        ("progressive loss", f"{_figure(figures['loss'])} {loss}{unit}"),
        ("AUC", _figure(figures["auc"], 4)),
        ("calibration", _figure(figures["calibration"], 4)),
        ("speed", f"{figures['rows_per_s'] or 0.0:,.0f} rows/s"),
    ]
    print()
    for name, text in lines:
        print(f"{name:<18}{text}")


def _figure(value: float | None, decimals: int = 6) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
