"""`vwserve replay`: a file or a journal through a model, in process and by the daemon's own code."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vwserve.cli.figures import HEADINGS, row, summary
from vwserve.cli.meter import Meter
from vwserve.cli.offline import add_data, add_model, positive
from vwserve.cli.outputs import check_folder, check_outputs, output
from vwserve.cli.sources import opened_source, read_files, replayed_drop, tell
from vwserve.errors import RequestError, VwserveError
from vwserve.wire.points import Point, Skip, parse_skip, parse_until

if TYPE_CHECKING:
    from vwserve.model.curve import Point as CurvePoint

NAME = "replay"
HELP = "run a file of examples, or a journal, through a model and report how well it predicts"
EXAMPLE = (
    "vwserve replay conf/models.d/ctr.yaml --data examples.vw.gz --learn -p predictions.txt; or: "
    "vwserve replay conf/models.d/ctr.yaml --journal state/ctr/journal --save rebuilt.vw"
)

_OF_JOURNALS = {"base": "--from", "until": "--until", "skip": "--skip", "everything": "--all"}

Parsed = TypeVar("Parsed", Point, Skip)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    add_model(parser)
    examples = parser.add_mutually_exclusive_group(required=True)
    add_data(examples, required=False)
    examples.add_argument(
        "--journal", metavar="FOLDER", type=Path, help="a model's journal, which is learned as the daemon did"
    )
    parser.add_argument(
        "--learn", action="store_true", help="learn each labelled line after predicting it; without, predict only"
    )
    only = parser.add_argument_group("with --journal")
    only.add_argument(
        "--from", metavar="NUMBER.vw", dest="base", type=Path, help="go on from this snapshot, not from the beginning"
    )
    only.add_argument(
        "--until",
        metavar="TIME",
        type=_reader(parse_until),
        help="learn what the daemon had learned by then: 2026-11-25T10:00:00Z (without an offset UTC), 1795600800 "
        "(seconds since 1970), or #1234 (a sequence number)",
    )
    only.add_argument(
        "--skip",
        metavar="FROM..TO",
        type=_reader(parse_skip),
        action="append",
        default=[],
        help="leave out these examples: each end, which may be missing, is a sequence number, 2026-11-25T10:00:00Z or "
        "@1795600800; may be repeated",
    )
    only.add_argument(
        "--all",
        dest="everything",
        action="store_true",
        help="learn all that the journal has, also what a rollback has left out",
    )
    parser.add_argument("-p", "--predictions", metavar="FILE", type=Path, help="where the answers go, as the daemon's")
    parser.add_argument("--save", metavar="MODEL.vw", type=Path, help="write the model as it is in the end")
    parser.add_argument("--dump", metavar="FILE", type=Path, help="write the accepted examples as VW reads them")
    parser.add_argument("--plot", metavar="FILE.svg", type=Path, help="draw loss, AUC and calibration over the stream")
    parser.add_argument(
        "--every", metavar="N", type=positive, help="a row of the curve every N labelled examples; default: some dozens"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")


def run(arguments: argparse.Namespace) -> int:
    """Replay the examples, write what was asked for, print the figures."""
    from vwserve.model.curve import Curve
    from vwserve.replay import Recorder
    from vwserve.replay.plot import draw, require_matplotlib

    _check_options(arguments)
    if arguments.plot is not None:
        require_matplotlib()
    drop = replayed_drop(arguments)
    outputs = {"-p": "predictions", "--save": "save", "--dump": "dump", "--plot": "plot"}
    files = {option: getattr(arguments, name) for option, name in outputs.items()}
    check_outputs(files, read_files(arguments, drop))
    points: list[CurvePoint] = []
    keeps, prints = arguments.json or arguments.plot is not None, not arguments.json

    def take(point: CurvePoint) -> None:
        if keeps:
            points.append(point)
        if prints:
            meter.clear()
            print(row(point))

    with ExitStack() as stack:
        source = stack.enter_context(opened_source(arguments, drop))
        servable, before = source.servable, source.servable.labelled
        write = stack.enter_context(output(arguments.predictions))
        record = stack.enter_context(output(arguments.dump))
        write_plot = stack.enter_context(output(arguments.plot))
        if arguments.save is not None:
            check_folder(arguments.save)
        tell(NAME, source)
        vw_arguments = " ".join(filter(None, [shlex.join(source.words), servable.arguments]))
        if prints:
            print(f"{drop.path}: model {drop.name}: {servable.summary}", *source.lines, sep="\n")
            print(f"vw {vw_arguments}", HEADINGS, sep="\n")
        meter = Meter(source.reading, sys.stderr, rows=source.rows)
        stack.callback(meter.clear)
        began_s = time.perf_counter()
        done = source.run(
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
            "arguments": vw_arguments,
            **source.figures,
            "rows": done.rows,
            "examples": done.examples,
            "labelled": servable.labelled - before,
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
            print(*summary(figures), sep="\n")
        if arguments.save is not None:
            servable.save(arguments.save)
        if write_plot is not None:
            write_plot(draw(points, title=f"{drop.name} over {source.name}", loss=servable.loss))
    return 0


def _check_options(arguments: argparse.Namespace) -> None:
    """Raise VwserveError where an option of journals stands beside a file, in which it would do nothing."""
    given = [option for name, option in _OF_JOURNALS.items() if getattr(arguments, name)]
    if arguments.journal is None and given:
        raise VwserveError(f"{given[0]} is about a journal, and --data has none; name the journal with --journal")


def _reader(parse: Callable[[str, float], Parsed]) -> Callable[[str], Parsed]:
    def read(text: str) -> Parsed:
        try:
            return parse(text, time.time())
        except RequestError as error:
            raise argparse.ArgumentTypeError(error.text) from error

    return read
