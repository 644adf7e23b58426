"""The lineage of a state that does not say which it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.durability.power import examples, opened
from tests.durability.states import blueprint
from tests.durability.test_snapshot import SNAPSHOT
from vwserve.durability.disk import Disk
from vwserve.durability.founding import found
from vwserve.durability.lineage import Lineage
from vwserve.durability.provenance import Provenance
from vwserve.durability.snapshot import Moment
from vwserve.durability.snapshots import Snapshots
from vwserve.durability.storing import store
from vwserve.durability.stretches import Stretches
from vwserve.errors import StateError
from vwserve.model.blueprint import Blueprint

SINGLE, MULTIPLE = "vw: -b 10\n", "vw: -b 10 --cb_adf\n"


def lineage_of(folder: Path, made: Blueprint, said: list[str]) -> Lineage:
    """What is found."""
    snapshots = folder / "snapshots"
    readable = Snapshots(snapshots, reading=True) if snapshots.is_dir() else None
    newest = next(readable.newest(lambda _: True), None) if readable is not None else None
    return found(folder, made, Provenance.of(made), newest, said.append)


@pytest.mark.parametrize(("text", "multiline"), [(SINGLE, False), (MULTIPLE, True)])
def test_that_of_a_new_model_is_its_first(text: str, multiline: bool, tmp_path: Path) -> None:
    made, said = blueprint(tmp_path, text), list[str]()
    assert lineage_of(tmp_path, made, said) == Lineage(1, Provenance.of(made), Stretches(), multiline)
    assert said == []


@pytest.mark.parametrize(("text", "multiline"), [(SINGLE, False), (MULTIPLE, True)])
def test_with_a_journal_it_has_all_of_it(text: str, multiline: bool, tmp_path: Path) -> None:
    with opened(tmp_path / "journal", multiline=multiline) as journal:
        journal.append(examples(1, 9, multiline), 9)
    made, said = blueprint(tmp_path, text), list[str]()
    assert lineage_of(tmp_path, made, said) == Lineage(1, Provenance.of(made), Stretches(), multiline)
    assert said == [f"{tmp_path} has neither lineage.json nor a snapshot; it learns all 9 examples of its journal"]


def test_with_snapshots_it_is_that_of_the_newest_and_what_comes_after(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    learned = Stretches(((1, 20), (41, 50)))
    for number, moment in ((1, Moment(1, Stretches(((1, 20),)), 20)), (2, Moment(3, learned, 60))):
        store(Disk(), folder, replace(SNAPSHOT, number=number, moment=moment), iter([b"a model", b""]).__next__)
    made, said = blueprint(tmp_path), list[str]()
    lineage = lineage_of(tmp_path, made, said)
    assert (lineage.number, str(lineage.examples)) == (3, "1-20, 41-50, 61-")
    assert lineage.provenance == SNAPSHOT.provenance  # whatever the model is made from now: that is for others
    assert said == [f"{tmp_path} has no lineage.json; it goes on from its newest snapshot, 2"]


@pytest.mark.parametrize(("text", "multiline"), [(SINGLE, True), (MULTIPLE, False)])
def test_a_journal_of_another_kind_is_not_touched(text: str, multiline: bool, tmp_path: Path) -> None:
    with opened(tmp_path / "journal", multiline=multiline) as journal:
        journal.append(examples(1, 9, multiline), 9)
    with pytest.raises(StateError, match=r"move .* away"):
        lineage_of(tmp_path, blueprint(tmp_path, text), [])
