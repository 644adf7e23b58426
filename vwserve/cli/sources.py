"""What a replay takes its examples from, and the model that they go through."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vwserve.cli.meter import Reading
from vwserve.cli.offline import open_data, read_model
from vwserve.errors import ConfigurationError, VwserveError

if TYPE_CHECKING:
    from vwserve.learner import Bounds
    from vwserve.model.blueprint import Blueprint
    from vwserve.model.drop import ModelDrop
    from vwserve.model.servable import Servable
    from vwserve.model.state import Resumed
    from vwserve.replay import Replayed

_WEIGHTLESS = "the model has no 'initial:' to start from and learns nothing; --learn lets it learn"
_INEXACT = (
    "does not hold all that such a model goes by, since VW does not save it: what is learned from there may differ in "
    "the last digits; without --from it does not"
)


@dataclass(frozen=True, slots=True)
class Source:
    """Examples by their `name`, and a servable; `run` has it answer them, see `replay` and `relearn`.

    `rows` is how many there are, where that is known. `words` are what `vw` is told before the model's arguments to do
    the same. `lines` are for a person, `figures` for a program, `remarks` what may be other than it seems.
    """

    name: str
    servable: Servable
    run: Callable[..., Replayed]
    reading: Reading
    rows: int | None = None
    words: Sequence[str] = ()
    lines: Sequence[str] = ()
    figures: Mapping[str, object] = field(default_factory=dict)
    remarks: Sequence[str] = ()


@dataclass(slots=True)
class _Text:
    """How much text of a journal was read; how much there is, compressed files do not tell."""

    read_bytes: int = 0
    size_bytes: int | None = None

    def counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.read_bytes += len(block)
            yield block


def replayed_drop(arguments: argparse.Namespace) -> ModelDrop:
    """The model, learning where the command does; a journal is learned, whatever else is asked for."""
    drop = read_model(arguments.drop, arguments.plugins)
    return replace(drop, learn=arguments.learn or arguments.journal is not None)


def read_files(arguments: argparse.Namespace, drop: ModelDrop) -> Mapping[str, Sequence[Path]]:
    """The files and folders that are read, by what they are: none is to be written to."""
    taken: dict[str, Sequence[Path]] = {"a file that the model is made from": [drop.path, *drop.files]}
    if arguments.journal is not None:
        state = Path(os.path.abspath(arguments.journal)).parent
        taken["the journal itself"] = [arguments.journal]
        taken["the model's folder of snapshots"] = [state / "snapshots"]
        taken["the snapshot itself"] = _files_of(arguments.base)
        taken["what says which examples the model has learned"] = [state / "lineage.json"]
    elif str(arguments.data) != "-":
        taken["the data itself"] = [arguments.data]
    return taken


def _files_of(snapshot: Path | None) -> Sequence[Path]:
    return [] if snapshot is None else [snapshot, snapshot.with_suffix(".json")]


@contextmanager
def opened_source(arguments: argparse.Namespace, drop: ModelDrop) -> Iterator[Source]:
    """What `--data` or `--journal` names, and the model; raises VwserveError where they cannot be had."""
    with (_file if arguments.journal is None else _journal)(arguments, drop) as source:
        yield source


@contextmanager
def _file(arguments: argparse.Namespace, drop: ModelDrop) -> Iterator[Source]:
    from vwserve.learner import Bounds
    from vwserve.replay import replay

    file = open_data(arguments.data)
    blank = not drop.learn and drop.initial is None
    with _built(drop, _blueprint(drop), Bounds()) as servable:
        yield Source(
            file.name,
            servable,
            partial(replay, servable, file.chunks()),
            file,
            words=([] if drop.learn else ["-t"]) + _initial(drop),
            remarks=[_WEIGHTLESS] if blank else [],
        )


@contextmanager
def _journal(arguments: argparse.Namespace, drop: ModelDrop) -> Iterator[Source]:
    from vwserve.durability.provenance import provenance_of
    from vwserve.durability.recovery import WIDEST
    from vwserve.replay import Wanted, relearn, resume_from, select

    folder, text = arguments.journal, _Text()
    blueprint = _blueprint(drop)
    base, resumed = None, None
    if arguments.base is not None:
        base, resumed = resume_from(arguments.base, blueprint)
    with _built(drop, blueprint, WIDEST, resumed) as servable:
        if not servable.learner.learns:
            raise VwserveError(f"{drop.path}: under -t VW learns nothing of a journal; leave it out of 'vw:'")
        wanted = Wanted(base, arguments.until, arguments.skip, arguments.everything)
        selection = select(folder, wanted, multiline=servable.multiline)
        remarks = []
        if base is not None and not base.exact:
            remarks.append(f"{arguments.base} {_INEXACT}")
        if selection.lineage is not None and (
            changes := selection.lineage.provenance.changes(provenance_of(blueprint))
        ):
            remarks.append(
                f"the model in {Path(os.path.normpath(folder / '..'))} is made otherwise: {'; '.join(changes)}. "
                f"What comes out is the model that {drop.path} describes, not that one"
            )
        founded = selection.lineage.founded if selection.lineage is not None else 0
        if founded > (base.moment.journal if base is not None else 0):
            remarks.append(
                f"what that model learned up to example {founded} it learned before its drop changed; here it is "
                f"learned as {drop.path} says now. --from goes on from a snapshot that has learned it"
            )
        words = _initial(drop)
        if base is not None and resumed is not None:
            standing = resumed.state.standing.arguments
            words = ["--preserve_performance_counters", "-i", str(arguments.base), *standing]
        yield Source(
            str(folder),
            servable,
            partial(relearn, servable, text.counted(selection.blocks())),
            text,
            rows=selection.count,
            words=words,
            lines=[
                f"{folder}: {selection.count:,} examples, {selection.examples}"
                + (f", after snapshot {base.number}" if base is not None else "")
            ],
            figures={
                "journal": str(folder),
                "snapshot": base.number if base is not None else None,
                "learned_from_journal": str(selection.outcome),
            },
            remarks=remarks,
        )


def _blueprint(drop: ModelDrop) -> Blueprint:
    from vwserve.model.blueprint import Blueprint
    from vwserve.transforms.pipeline import TransformPool

    with _told(drop):
        return Blueprint.of(drop, TransformPool())


@contextmanager
def _built(drop: ModelDrop, blueprint: Blueprint, bounds: Bounds, resumed: Resumed | None = None) -> Iterator[Servable]:
    with _told(drop):
        servable = blueprint.build(bounds, resumed=resumed)
    try:
        yield servable
    finally:
        servable.close()


@contextmanager
def _told(drop: ModelDrop) -> Iterator[None]:
    """Have an error name its place in the drop."""
    from vwserve.model.blueprint import fault

    try:
        yield
    except VwserveError as error:
        raise ConfigurationError([fault(drop, error)]) from error


def _initial(drop: ModelDrop) -> list[str]:
    return ["-i", str(drop.initial)] if drop.initial is not None else []


def tell(command: str, source: Source) -> None:
    """Tell the remarks on stderr."""
    for remark in source.remarks:
        print(f"vwserve {command}: {remark}", file=sys.stderr)
