"""The registry: models by name, what they tell of themselves, and who of them is not as it should be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.dropped import Folder, learned
from vwserve.durability.durable import Durable
from vwserve.learner import Bounds


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.daemon.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # no child is left


def test_other_bounds_hold_for_all_models_without_a_new_version(folder: Folder) -> None:
    folder.drop(a="-b 10", b="-b 10")
    folder.write("static", "vw: -b 10\nlearn: false")
    folder.apply()
    folder.registry.limit(Bounds(magnitude=10.0))
    folder.drop(b="-b 11", later="-b 10")
    for name in folder.registry.names():
        assert folder.model(name).predict(["|u a:50"])[0].startswith("!error bad-example"), name
    assert folder.figures("a")["version"] == 1


def test_the_only_model_is_known_as_such(folder: Folder) -> None:
    known = [folder.registry.get("")]
    for name in ("a", "b"):
        folder.drop(**{name: "-b 10"})
        known.append(folder.registry.get(""))
    assert known == [None, folder.model("a"), None]


def test_figures_tell_of_the_state(folder: Folder) -> None:
    folder.drop(a="-b 10")
    folder.write("static", "vw: -b 10\nlearn: false")
    folder.apply()
    figures = folder.figures()
    assert (figures["snapshot"], figures["journal"], figures["lineage"], figures["not_ready"]) == (None, 0, 1, None)
    learned(folder)
    folder.durable().take()
    folder.durable().finish()
    folder.reactor.advance(2.5)
    figures = folder.figures()
    assert (figures["snapshot"], figures["journal"]) == ({"number": 1, "age": 2.5}, 20)
    figures = folder.figures("static")
    assert (figures["snapshot"], figures["journal"]) == (None, None)
    assert "not_ready" not in figures


def test_it_is_ready_when_all_is_served_and_learned(folder: Folder) -> None:
    assert folder.registry.not_ready == ["no model is served"]
    folder.drop(a="-b 10")
    assert folder.registry.not_ready == []


def test_it_is_not_ready_while_a_drop_is_not_served_at_all(folder: Folder) -> None:
    folder.drop(a="-b 10")
    folder.write("typo", "vw: --no_such_option")
    folder.apply()
    (reason,) = folder.registry.not_ready
    assert reason.startswith(f"typo is not served: {folder.path}/typo.yaml:1: vw: ")


def test_it_is_ready_where_a_changed_drop_is_refused_and_the_model_goes_on(folder: Folder) -> None:
    folder.drop(a="-b 10")
    folder.write("a", "vw: --no_such_option")
    assert len(folder.apply()) == 1
    assert folder.registry.not_ready == []


def test_it_is_not_ready_while_a_model_cannot_keep_what_it_would_learn(folder: Folder) -> None:
    folder.drop(a="-b 10", b="-b 10")
    journal = folder.root / "state" / "a" / "journal"
    journal.rename(folder.root / "aside")
    folder.registry.tick()
    (reason,) = folder.registry.not_ready
    assert reason.startswith("a predicts, and does not learn: ")
    assert "journal" in reason
    assert folder.figures()["not_ready"] in reason
    assert folder.model().learn(["1 |u a"])[0].startswith("!error not-ready ")
    (folder.root / "aside").rename(journal)
    folder.registry.tick()
    folder.registry.tick()
    assert folder.registry.not_ready == []
    assert folder.model().learn(["1 |u a"]) == ["0"]


def test_a_fault_in_one_model_keeps_nobody_from_seeing_to_the_others(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.drop(a="-b 10", b="-b 10")
    folder.model("b").learn(["1 |u a"])
    whole = Durable.tick

    def failing(durable: Durable) -> bool:
        if durable.servable.name == "a":
            raise ZeroDivisionError("a fault")
        return whole(durable)

    monkeypatch.setattr(Durable, "tick", failing)
    folder.registry.tick()
    assert folder.told == ["a: a fault of vwserve: ZeroDivisionError: a fault"]
    journal = folder.durable("b")._storage.journal
    assert journal is not None
    assert not journal.dirty


def test_a_fault_while_one_model_is_closed_leaves_the_last_snapshot_to_the_others(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.drop(a="-b 10", b="-b 10", c="-b 10")
    for name in "abc":
        folder.model(name).learn(["1 |u a"])
    whole = Durable.free

    def failing(durable: Durable) -> None:
        whole(durable)
        if durable.servable.name == "b":
            raise ZeroDivisionError("a fault")

    monkeypatch.setattr(Durable, "free", failing)
    folder.reopen()
    assert "b: a fault of vwserve while it was closed: ZeroDivisionError: a fault" in folder.told
    assert [len(folder.durable(name).snapshots()) for name in "abc"] == [1, 1, 1]
