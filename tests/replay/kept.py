"""A model that is kept on disk as the daemon keeps it, without a daemon."""

from __future__ import annotations

from pathlib import Path

from tests.durability.power import Clock, Inline, QuickDisk
from vwserve.durability.durable import Durable
from vwserve.durability.provenance import provenance_of
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.surroundings import Surroundings
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.drop import read_drop
from vwserve.transforms.pipeline import TransformPool
from vwserve.transforms.plugins import find_plugins


def blueprint_of(drop: Path, plugins: Path | None = None) -> Blueprint:
    """What a drop describes."""
    return Blueprint.of(read_drop(drop, find_plugins(plugins).kinds), TransformPool())


def kept(drop: Path, state: Path, clock: Clock | None = None, plugins: Path | None = None) -> Durable:
    """The model of a drop, with its state in a folder."""
    reports: list[str] = []
    around = Surroundings(clock or Clock(), Inline(), reports.append, disk=QuickDisk())
    return Durable(blueprint_of(drop, plugins), state, Bounds(), around)


def snapshot_of(durable: Durable) -> Snapshot:
    """A snapshot of a model as it is."""
    durable.take()
    return durable.finish()


def roll_back(
    durable: Durable, to: Snapshot | None, until: int | None = None, skip: tuple[tuple[int, int], ...] = ()
) -> None:
    """Have a model go back to a snapshot, or to its beginning."""
    lineage = durable.intervened(to, until, skip)
    successor = durable.successor(durable.plan(lineage))
    for _ in durable.catch_up(successor):
        continue
    durable.adopt(successor).close()


def go_on(durable: Durable, made: Blueprint) -> None:
    """Have a model be made otherwise, and go on with what it has learned."""
    snapshot = snapshot_of(durable)
    lineage = durable.lineage.aspired(provenance_of(made), "refuse", snapshot.moment.journal)
    successor = durable.successor(durable.planned_from(durable.refounded(snapshot, lineage)().number, lineage), made)
    for _ in durable.catch_up(successor):
        continue
    durable.adopt(successor).close()
