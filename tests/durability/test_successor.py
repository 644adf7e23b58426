"""A successor: made beside the model that is served, and caught up with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.durability.states import Around, FaultyDisk, assert_same, blueprint, flip, kill, learn, take
from vwserve.durability.durable import Durable
from vwserve.durability.errors import JournalError
from vwserve.durability.provenance import Provenance
from vwserve.durability.storage import Storage
from vwserve.durability.stretches import Stretches
from vwserve.durability.successor import catch_up, prepare, resurrect
from vwserve.errors import StateError
from vwserve.lines import CHUNK_LINES

LINES = [b"%d |f a%d b%d" % (n % 3, n % 7, n) for n in range(1, 601)]


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Durable]:
    """A model that has learned forty examples, with a snapshot after twenty."""
    durable = Around(disk=FaultyDisk()).open(blueprint(tmp_path), tmp_path / "state")
    learn(durable, LINES[:20])
    take(durable)
    learn(durable, LINES[20:40])
    yield durable
    kill(durable, tmp_path / "state")


@pytest.fixture
def storage(durable: Durable) -> Storage:
    """What it has on disk."""
    return durable._storage


def test_what_is_on_disk_is_made_a_model_of(durable: Durable, storage: Storage) -> None:
    lineage = durable.lineage
    successor = resurrect(durable.blueprint, lineage, storage, storage.kept(lineage.multiline))
    assert (successor.learned_upto, successor.recovered.replayed, successor.lineage) == (40, 20, lineage)
    assert_same(successor.recovered.servable, durable.blueprint, LINES[:40])
    successor.close()


def test_one_is_prepared_as_a_verified_snapshot_has_it(durable: Durable, storage: Storage) -> None:
    successor = prepare(durable.blueprint, durable.plan(durable.lineage), storage)
    assert (successor.learned_upto, successor.recovered.replayed) == (20, 0)
    assert_same(successor.recovered.servable, durable.blueprint, LINES[:20])
    successor.close()


def test_without_one_it_begins_as_the_model_begins(durable: Durable, storage: Storage, tmp_path: Path) -> None:
    flip(tmp_path / "state" / "snapshots" / "1.vw")
    successor = prepare(durable.blueprint, durable.plan(durable.lineage), storage)
    assert (successor.learned_upto, successor.recovered.servable.totals().labelled) == (0, 0)
    assert sum(catch_up(successor, storage)) == 40
    assert_same(successor.recovered.servable, durable.blueprint, LINES[:40])
    successor.close()


def test_it_catches_up_block_by_block_with_a_model_that_goes_on(durable: Durable, storage: Storage) -> None:
    learn(durable, LINES[40:300])
    lineage = replace(durable.lineage, number=2, examples=Stretches(((1, 10), (21, None))))
    successor = prepare(durable.blueprint, durable.plan(lineage), storage)
    blocks = catch_up(successor, storage)
    assert [next(blocks), next(blocks)] == [10, CHUNK_LINES]
    learn(durable, LINES[300:310])
    assert list(blocks) == [30, 10]
    assert list(catch_up(successor, storage)) == []
    assert successor.learned_upto == 310
    assert_same(successor.recovered.servable, durable.blueprint, [*LINES[:10], *LINES[20:310]])
    successor.close()


def test_what_nobody_is_to_learn_is_passed_without_a_look(durable: Durable, storage: Storage, tmp_path: Path) -> None:
    lineage = replace(durable.lineage, examples=Stretches(((41, None),)))
    successor = prepare(durable.blueprint, durable.plan(lineage), storage)
    (tmp_path / "state" / "journal").rename(tmp_path / "away")
    assert list(catch_up(successor, storage)) == []
    assert successor.learned_upto == 40
    (tmp_path / "away").rename(tmp_path / "state" / "journal")
    successor.close()


def test_what_the_journal_does_not_have_is_named_with_what_can_be_done(
    durable: Durable, storage: Storage, tmp_path: Path
) -> None:
    successor = prepare(durable.blueprint, durable.plan(durable.lineage), storage)
    (tmp_path / "state" / "journal" / f"{1:020}.dat").rename(tmp_path / "away")
    with pytest.raises(StateError, match=r"does not have the examples 21-40, .* leave them out \(skip 21\.\.40\)"):
        list(catch_up(successor, storage))
    (tmp_path / "state" / "journal").rename(tmp_path / "gone")
    with pytest.raises(JournalError, match="cannot read"):
        list(catch_up(successor, storage))
    (tmp_path / "gone").rename(tmp_path / "state" / "journal")
    (tmp_path / "away").rename(tmp_path / "state" / "journal" / f"{1:020}.dat")
    assert sum(catch_up(successor, storage)) == 20
    successor.close()


def test_one_that_cannot_read_the_journal_is_refused(durable: Durable, storage: Storage, tmp_path: Path) -> None:
    other = blueprint(tmp_path, "vw: -b 10 --cb_adf")
    lineage = replace(durable.lineage, provenance=Provenance.of(other), examples=Stretches(((41, None),)))
    with pytest.raises(StateError, match="has examples of one line, which this model does not read"):
        prepare(other, durable.plan(lineage), storage)
