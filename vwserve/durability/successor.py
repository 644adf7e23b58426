"""A model of another lineage, made beside the one that is served, on its way to take its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from vwserve.durability.lineage import Lineage
from vwserve.durability.recovery import (
    Kept,
    Plan,
    Recovered,
    carry_out,
    not_journaled,
    other_kind,
    plan,
    replay,
    start,
)
from vwserve.durability.storage import Storage
from vwserve.model.blueprint import Blueprint


@dataclass(slots=True)
class Successor:
    """A model of `lineage` that has learned what there is of that up to `learned_upto`."""

    lineage: Lineage
    blueprint: Blueprint
    recovered: Recovered
    learned_upto: int
    missed: int = 0
    """How many examples came meanwhile that it cannot learn, since there is no journal."""

    def close(self) -> None:
        """Give it up."""
        self.recovered.servable.close()


def resurrect(
    blueprint: Blueprint, lineage: Lineage, storage: Storage, kept: Kept, *, again: bool = False
) -> Successor:
    """The model of a lineage as far as what is `kept` makes it; raises as `start` does."""
    recovered = start(blueprint, plan(lineage, kept), blueprint.drop.policy.on_change, again=again)
    return _successor(blueprint, recovered, storage, kept.upto)


def prepare(blueprint: Blueprint, plan: Plan, storage: Storage) -> Successor:
    """The model of a plan as its base has it, or as it begins; raises as `carry_out` does."""
    return _successor(blueprint, carry_out(blueprint, plan.to_base()), storage, plan.learned)


def catch_up(successor: Successor, storage: Storage) -> Iterator[int]:
    """Have a successor learn what it has not yet, block by block; ends once nothing is left.

    Raises StateError where the journal does not have it. Without a journal it goes on without what came meanwhile.
    """
    while successor.learned_upto < (position := storage.position):
        missing = successor.lineage.examples.after(successor.learned_upto).upto(position)
        if missing and storage.journal is None:
            successor.lineage = replace(successor.lineage, examples=successor.lineage.examples.minus(missing))
            successor.missed += missing.examples_upto(position)
        elif missing:
            if lost := storage.kept(successor.lineage.multiline).lacking(missing):
                raise not_journaled(storage.journal_folder, lost)
            yield from replay(successor.recovered.servable, storage.journal_folder, missing)
        successor.learned_upto = position


def _successor(blueprint: Blueprint, recovered: Recovered, storage: Storage, learned_upto: int) -> Successor:
    """Raises StateError where what was recovered cannot read what the journal has."""
    lineage, servable = recovered.lineage, recovered.servable
    if servable.multiline != lineage.multiline and storage.position:
        servable.close()
        raise other_kind(storage.journal_folder, lineage.multiline)
    return Successor(replace(lineage, multiline=servable.multiline), blueprint, recovered, learned_upto)
