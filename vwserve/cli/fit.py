"""`vwserve fit`: learns the artifacts of a model's transforms from a file."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from datetime import datetime, timezone

from vwserve.cli.offline import add_data, add_model, open_data, positive, read_model
from vwserve.errors import VwserveError

NAME = "fit"
HELP = "learn the artifacts of a model's transforms from a file of examples"
EXAMPLE = "vwserve fit conf/models.d/ctr.yaml --data examples.vw.gz"

_EPOCH = "SOURCE_DATE_EPOCH"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    add_model(parser)
    add_data(parser, required=True)
    parser.add_argument(
        "--only", metavar="KIND", help="fit only transforms of this kind; the others' artifacts are there"
    )
    parser.add_argument("--rows", metavar="N", type=positive, help="fit to the first N rows")


def run(arguments: argparse.Namespace) -> int:
    """Fit one transform after another, and print what was found."""
    from vwserve.cli.meter import Meter
    from vwserve.model.fitting import fit_drop

    drop, file = read_model(arguments.drop, arguments.plugins), open_data(arguments.data)
    meter = Meter(file, sys.stderr)
    fitting = fit_drop(drop, file, time=_time(), only=arguments.only, rows=arguments.rows, progress=meter.show)
    try:
        with closing(fitting):
            for fitted in fitting:
                meter.clear()
                survey = fitted.survey
                refused = f", {survey.refused:,} refused" if survey.refused else ""
                print(
                    f"{fitted.kind}: {fitted.path} fitted to {survey.rows:,} rows "
                    f"({survey.labelled:,} labelled{refused})"
                )
                for line in fitted.found:
                    print(f"  {line}")
                sys.stdout.flush()
    finally:
        meter.clear()
    return 0


def _time() -> datetime:
    """The time of the artifacts: now, or what reproducible builds set (https://reproducible-builds.org/specs)."""
    epoch = os.environ.get(_EPOCH)
    if epoch is None:
        return datetime.now(timezone.utc)
    try:
        return datetime.fromtimestamp(int(epoch), timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise VwserveError(f"{_EPOCH} is {epoch!r}; it is a number of seconds since 1970") from error
