"""`vwserve check`: says what is wrong with a configuration before the daemon meets it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vwserve.cli.channel import connected, one_word, raise_error
from vwserve.cli.serve import configuration_file
from vwserve.client import Endpoint, parse_endpoint
from vwserve.errors import ConfigurationError, Problem, VwserveError

if TYPE_CHECKING:
    from vwserve.daemon.settings import Settings
    from vwserve.learner import Bounds
    from vwserve.model.drop import ModelDrop
    from vwserve.transforms.pipeline import TransformPool

NAME = "check"
HELP = "validate a configuration and its models"
EXAMPLE = "vwserve check conf/models.d/ctr.yaml"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "-c",
        "--configuration",
        metavar="FILE",
        type=Path,
        help="the configuration; without it and without models, the one that `vwserve serve` would take",
    )
    parser.add_argument(
        "drops",
        metavar="DROP.yaml",
        nargs="*",
        type=Path,
        help="models to check; without any, all those of the configuration",
    )
    parser.add_argument(
        "--against",
        metavar="ENDPOINT",
        help="ask a running daemon, by its control endpoint, what it would do with each model if it were dropped now",
    )


def run(arguments: argparse.Namespace) -> int:
    """Report on each file: one line of what it describes, or one line for each problem on stderr and exit status 1."""
    file = arguments.configuration
    if file is None and not arguments.drops:
        file, _ = configuration_file(None)
    if arguments.against:
        return _ask(parse_endpoint(arguments.against), arguments.drops or _files(file))
    problems = sorted(_problems(file, arguments.drops), key=lambda each: (each.place.file, each.place.line or 0))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _ask(endpoint: Endpoint, files: Iterable[Path]) -> int:
    """Report what a running daemon would do with each file; 1 where it would not serve one as it says."""
    wrong = 0
    with connected(endpoint) as channel:
        for file in files:
            plan = channel.parse(channel.ask(f"plan {one_word(os.path.abspath(file))}"))
            raise_error(plan)
            problems = plan.get("problems", [])
            name = f" {plan['model']}" if plan.get("model") else ""
            print(f"{file}: model{name}: {plan['plan']}: {plan['text']}")
            for problem in problems:
                print(problem, file=sys.stderr)
            wrong += bool(problems)
    return 1 if wrong else 0


def _files(configuration: Path) -> list[Path]:
    """The drops of a configuration, whether they are right or not."""
    from vwserve.daemon.settings import read_settings
    from vwserve.model.drop_folder import drops_in

    folder = read_settings(configuration).models
    try:
        return drops_in(folder)
    except OSError as error:
        raise VwserveError(f"cannot read the folder of models {folder}: {error.strerror}") from error


def _problems(file: Path | None, named: Sequence[Path]) -> Iterator[Problem]:
    from vwserve.learner import Bounds
    from vwserve.model.drop_folder import read_drops
    from vwserve.transforms.pipeline import TransformPool
    from vwserve.transforms.plugins import find_plugins

    if file is None:
        yield from _models(named, Bounds(), None)
        return
    try:
        settings = _settings(file)
    except ConfigurationError as error:
        yield from error.problems
        # Without the settings it is not known which limits hold and where the models are, but these were asked for.
        yield from _models(named, Bounds(), None)
        return
    bounds = settings.limits.bounds
    if named:
        yield from _models(named, bounds, settings.plugins)
        return
    plugins = find_plugins(settings.plugins)
    yield from plugins.problems
    drops, problems = read_drops(settings.models, plugins.kinds)
    yield from problems
    pool = TransformPool()
    for drop in drops:
        yield from _model(drop, bounds, pool)
    yield from _traffic(drops, {problem.place.file.stem for problem in problems})
    # A file that is wrong may yet be meant to describe the model; who mends it, mends the listener.
    names = {drop.name for drop in drops} | {problem.place.file.stem for problem in problems}
    yield from _listeners(settings, names)


def _settings(file: Path) -> Settings:
    from vwserve.daemon.settings import read_settings

    settings = read_settings(file)
    listeners = ", ".join(listen.endpoint for listen in settings.listen)
    print(f"{file}: listens on {listeners}; models in {settings.models}{_ineffective(settings.without_effect)}")
    return settings


def _models(files: Iterable[Path], bounds: Bounds, folder: Path | None) -> Iterator[Problem]:
    from vwserve.model.drop import read_drop
    from vwserve.transforms.pipeline import TransformPool
    from vwserve.transforms.plugins import find_plugins

    plugins = find_plugins(folder)
    yield from plugins.problems
    pool = TransformPool()
    for file in files:
        try:
            drop = read_drop(file, plugins.kinds)
        except ConfigurationError as error:
            yield from error.problems
        else:
            yield from _model(drop, bounds, pool)


def _model(drop: ModelDrop, bounds: Bounds, pool: TransformPool) -> Iterator[Problem]:
    """Build the model: only VW knows all that is wrong with its arguments."""
    from vwserve.model.blueprint import Blueprint, fault

    if drop.split is not None:
        whole = sum(share for _, share in drop.split.shares)
        shares = ", ".join(f"{100 * share / whole:g} % {name}" for name, share in drop.split.shares)
        print(f"{drop.path}: split {drop.name}: {shares}, by {drop.split.by}")
        return
    try:
        servable = Blueprint.of(drop, pool).build(bounds)
    except VwserveError as error:
        yield fault(drop, error)
        return
    print(f"{drop.path}: model {drop.name}: {servable.summary}{_ineffective(drop.without_effect)}{_idle(drop.idle)}")
    for remark in servable.remarks:
        print(f"{drop.path}: {remark}")
    servable.close()


def _traffic(drops: Sequence[ModelDrop], unread: Collection[str]) -> Iterator[Problem]:
    """What is wrong with whom drops name: a file that could not be read may be meant to describe that model."""
    from vwserve.daemon.roles import Declared

    declared, known = Declared.of(drops), {drop.name for drop in drops} | {*unread}
    for drop in drops:
        if drop.shadow is not None and (fault := declared.unfollowed(drop.shadow, known)):
            yield drop.problem("shadow", fault)
        for name in drop.split.names if drop.split is not None else ():
            if fault := declared.unshared(name, known):
                yield drop.problem("split", fault)


def _listeners(settings: Settings, names: Iterable[str]) -> Iterator[Problem]:
    from vwserve.configuration.schema import known_names

    known = sorted(names)
    for index, listen in enumerate(settings.listen):
        if listen.model is not None and listen.model not in known:
            text = (
                f"no file in {settings.models} describes a model {listen.model!r}; {known_names(listen.model, known)}"
            )
            yield Problem(listen.place, f"listen[{index}].model", text)


def _ineffective(keys: Sequence[str]) -> str:
    return f"; without effect in this release: {', '.join(keys)}" if keys else ""


def _idle(keys: Sequence[str]) -> str:
    return f"; without effect on a static model: {', '.join(keys)}" if keys else ""
