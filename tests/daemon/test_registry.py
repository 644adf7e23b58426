"""The registry: models by name, kept equal to their drops, each with its state on disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.durability.power import Clock, Inline, QuickDisk
from vwserve.daemon import registry
from vwserve.daemon.registry import REPLAYED_IN_A_TURN, Registry
from vwserve.durability.durable import Durable
from vwserve.durability.surroundings import Surroundings
from vwserve.errors import StateError
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.drop import read_drop, read_drops
from vwserve.model.servable import Servable
from vwserve.transforms.plugins import PluginFinder


class Disk(QuickDisk):
    """One that may be read-only."""

    read_only = False

    def make_folder(self, path: Path) -> None:
        self._refuse(path)
        super().make_folder(path)

    def create(self, path: Path) -> int:
        self._refuse(path)
        return super().create(path)

    def _refuse(self, path: Path) -> None:
        if self.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(path))


class Folder:
    """A folder of drops and the registry that follows it; `told` is what the registry reports and calls."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "models.d"
        self.path.mkdir()
        self.told: list[str] = []
        self.replays: list[Blueprint] = []
        self.clock = Clock()
        self.disk = Disk()
        self.registry = self.open()

    def open(self) -> Registry:
        """A registry over the state that there is."""
        return Registry(Bounds(), self.root / "state", self._around, self._leaving, self._replay)

    def reopen(self) -> None:
        """As a restart of the daemon does."""
        self.registry.close()
        self.registry = self.open()
        assert self.apply() == []

    def _around(self, name: str) -> Surroundings:
        return Surroundings(self.clock, Inline(), lambda text: self.told.append(f"{name}: {text}"), disk=self.disk)

    def _leaving(self, durable: Durable) -> None:
        self.told.append(f"leaving {durable.servable.name}")

    def _replay(self, durable: Durable, blueprint: Blueprint) -> Callable[[], None]:
        self.replays.append(blueprint)
        return lambda: self.told.append(f"gave up {blueprint.drop.vw}")

    def write(self, name: str, text: str) -> None:
        """Write a drop."""
        (self.path / f"{name}.yaml").write_text(text + "\n")

    def drop(self, **arguments: str) -> None:
        """Write a drop a keyword, with these VW arguments, and apply."""
        for name, text in arguments.items():
            self.write(name, f"vw: {text}")
        assert self.apply() == []

    def apply(self) -> list[str]:
        """Follow the folder, and return what was wrong, in words, without the folder."""
        drops, problems = read_drops(self.path)
        found = [*problems, *self.registry.apply(drops, problems)]
        return [str(problem).replace(f"{self.path}/", "") for problem in found]

    def model(self, name: str = "a") -> Servable:
        """A model that must be there."""
        model = self.registry.get(name)
        assert model is not None
        return model

    def durable(self, name: str = "a") -> Durable:
        """How a model that must be there is kept."""
        served = self.registry.served(name)
        assert served is not None
        assert served.durable is not None
        return served.durable

    def predicts(self, name: str = "a") -> str:
        """The prediction that tells models apart."""
        return self.model(name).predict(["|u a"])[0]

    def figures(self, name: str = "a") -> dict[str, Any]:
        """What is told of a model."""
        statistics = self.registry.statistics(name)
        assert statistics is not None
        return statistics


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.registry.close()


def learned(folder: Folder, count: int = 20) -> str:
    """Have the model `a` learn, and return what it predicts then."""
    folder.model().learn(["1 |u a"] * count)
    return folder.predicts()


# -- drops -----------------------------------------------------------------------------------------------------------


def test_serves_what_is_dropped_and_nothing_else(folder: Folder) -> None:
    folder.drop(b="-b 10", a="-b 10")
    assert folder.registry.names() == ["a", "b"]
    (folder.path / "a.yaml").unlink()
    folder.apply()
    assert folder.registry.names() == ["b"]
    assert folder.registry.get("a") is None
    assert folder.registry.statistics("a") is None
    assert folder.told == ["leaving a"]


def test_a_drop_that_did_not_change_keeps_what_it_learned(folder: Folder) -> None:
    folder.drop(a="-b 10")
    model = folder.model()
    folder.write("a", "# a comment\nvw: '-b 10'")
    folder.apply()
    assert folder.model() is model


def test_a_changed_drop_of_a_model_that_has_learned_nothing_is_a_new_version(folder: Folder) -> None:
    folder.drop(a="-b 10")
    model = folder.model()
    folder.drop(a="-b 11")
    assert folder.model() is not model
    assert folder.figures()["version"] == 2


def test_a_changed_drop_of_a_model_that_has_learned_is_refused_unless_it_says_what_to_do(folder: Folder) -> None:
    folder.drop(a="-b 10")
    before = learned(folder)
    folder.write("a", "vw: -b 11")
    (problem,) = folder.apply()
    assert problem.startswith("a.yaml: this model learned 20 examples otherwise: VW's arguments were '-b 10' and are ")
    assert "on_change: replay" in problem
    assert folder.predicts() == before
    assert folder.apply() == [problem]  # it is told again, not taken for done
    folder.drop(a="-b 10")
    assert folder.predicts() == before


@pytest.mark.parametrize(("on_change", "examples"), [("replay", 20), ("fresh", 0)])
def test_a_changed_drop_is_learned_again_or_begun_anew_as_it_says(
    on_change: str, examples: int, folder: Folder
) -> None:
    folder.drop(a="-b 10")
    learned(folder)
    folder.write("a", f"vw: -b 11 -l 0.1\non_change: {on_change}")
    assert folder.apply() == []
    other = Servable("other", "-b 11 -l 0.1")
    other.learn(["1 |u a"] * examples)
    assert [folder.predicts()] == other.predict(["|u a"])
    other.close()
    assert (folder.figures()["version"], folder.figures()["learned"]) == (2, examples)
    before = learned(folder, 3)
    folder.reopen()
    assert folder.predicts() == before


def test_a_change_of_how_a_model_is_kept_leaves_the_model(folder: Folder) -> None:
    folder.drop(a="-b 10")
    learned(folder)
    model, due_s = folder.model(), folder.durable().due_s
    folder.write("a", "vw: -b 10\nsnapshot: {every: 10s}\njournal: {sync: always}")
    assert folder.apply() == []
    assert folder.model() is model
    assert folder.durable().due_s < due_s
    assert folder.durable().blueprint.drop.policy.sync == "always"


def test_a_change_of_both_holds_both(folder: Folder) -> None:
    folder.drop(a="-b 10")
    folder.write("a", "vw: -b 11\nsnapshot: {every: 10s}")
    assert folder.apply() == []
    assert folder.durable().due_s == folder.clock() + 10.0


def test_a_model_that_is_not_journaled_any_more_keeps_what_it_learned(folder: Folder) -> None:
    folder.drop(a="-b 10")
    before = learned(folder)
    folder.write("a", "vw: -b 10\njournal: false")
    assert folder.apply() == []
    assert folder.figures()["journal"] is None
    assert folder.predicts() == before
    after = learned(folder)
    folder.drop(a="-b 10")
    assert folder.predicts() == after
    assert folder.figures()["journal"] == 40


def test_a_model_that_is_static_from_now_on_keeps_what_it_learned_and_learns_again_later(folder: Folder) -> None:
    folder.drop(a="-b 10")
    before = learned(folder)
    folder.write("a", "vw: -b 10\nlearn: false")
    assert folder.apply() == []
    assert learned(folder) == before
    assert folder.figures()["snapshot"] is None
    folder.drop(a="-b 10")
    assert folder.predicts() == before
    assert learned(folder) != before


def test_a_static_model_whose_drop_changed_is_a_new_version(folder: Folder) -> None:
    folder.write("a", "vw: -b 10\nlearn: false")
    folder.apply()
    folder.write("a", "vw: -b 11\nlearn: false")
    assert folder.apply() == []
    assert folder.figures()["version"] == 2


def test_a_static_model_whose_file_has_another_name_is_the_same(folder: Folder) -> None:
    folder.write("a", "vw: -b 10\nlearn: false\nmodel: m")
    folder.apply()
    model = folder.model("m")
    (folder.path / "a.yaml").rename(folder.path / "b.yaml")
    folder.apply()
    assert folder.model("m") is model
    folder.write("b", "vw: [")  # what came of this file stays
    folder.apply()
    assert folder.model("m") is model


def test_a_removed_model_goes_on_where_it_was_when_it_comes_back(folder: Folder) -> None:
    folder.drop(a="-b 10")
    before = learned(folder)
    (folder.path / "a.yaml").rename(folder.root / "aside")
    folder.apply()
    assert folder.registry.names() == []
    (folder.root / "aside").rename(folder.path / "a.yaml")
    assert folder.apply() == []
    assert folder.predicts() == before


def test_a_changed_initial_model_is_a_new_version(folder: Folder, tmp_path: Path) -> None:
    folder.drop(seed="-b 10")
    folder.model("seed").save(tmp_path / "seed.vw")
    folder.write("a", f"vw: -b 10\ninitial: {tmp_path / 'seed.vw'}")
    folder.apply()
    before = folder.model()
    folder.model("seed").learn(["1 |u a"])
    folder.model("seed").save(tmp_path / "seed.vw")
    assert folder.apply() == []
    assert folder.model() is not before
    assert folder.predicts() == folder.predicts("seed") != "0"


def test_a_file_in_whose_place_an_equal_one_is_has_not_changed(folder: Folder, tmp_path: Path) -> None:
    seed, other = tmp_path / "seed.vw", tmp_path / "other.vw"
    folder.drop(seed="-b 10")
    folder.model("seed").save(seed)
    other.write_bytes(seed.read_bytes())
    folder.write("a", f"vw: -b 10\ninitial: {seed}")
    folder.apply()
    before = folder.model()
    other.replace(seed)
    assert folder.apply() == []
    assert folder.model() is before


def test_a_static_model_is_read_again_where_another_file_is_in_the_place_of_its_own(
    folder: Folder, tmp_path: Path
) -> None:
    seed, other = tmp_path / "seed.vw", tmp_path / "other.vw"
    folder.drop(seed="-b 10")
    folder.model("seed").save(seed)
    other.write_bytes(seed.read_bytes())
    os.utime(other, ns=(seed.stat().st_atime_ns, seed.stat().st_mtime_ns))
    folder.write("a", f"vw: -b 10\nlearn: false\ninitial: {seed}")
    folder.apply()
    before = folder.model()
    other.replace(seed)
    folder.apply()
    assert folder.model() is not before


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


def test_the_only_model_has_its_state_by_that_name_too(folder: Folder) -> None:
    folder.drop(a="-b 10")
    assert folder.registry.served("") is folder.registry.served("a")


# -- state -----------------------------------------------------------------------------------------------------------


def test_a_restart_goes_on_where_it_stopped(folder: Folder) -> None:
    folder.drop(a="-b 10", b="-b 10")
    before = learned(folder)
    folder.reopen()
    assert folder.predicts() == before
    assert folder.predicts("b") == "0"
    assert folder.figures()["learned"] == 20


def test_the_last_snapshot_is_taken_when_a_model_leaves_if_it_learned_something(folder: Folder) -> None:
    folder.drop(a="-b 10", idle="-b 10")
    learned(folder)
    folder.reopen()
    assert [len(folder.durable(name).snapshots()) for name in ("a", "idle")] == [1, 0]
    folder.reopen()
    assert len(folder.durable().snapshots()) == 1


def test_figures_tell_of_the_state(folder: Folder) -> None:
    folder.drop(a="-b 10")
    folder.write("static", "vw: -b 10\nlearn: false")
    folder.apply()
    figures = folder.figures()
    assert (figures["snapshot"], figures["journal"], figures["lineage"], figures["not_ready"]) == (None, 0, 1, None)
    learned(folder)
    folder.durable().take()
    folder.durable().finish()
    folder.clock.now += 2.5
    figures = folder.figures()
    assert (figures["snapshot"], figures["journal"]) == ({"number": 1, "age": 2.5}, 20)
    figures = folder.figures("static")
    assert (figures["snapshot"], figures["journal"]) == (None, None)
    assert "not_ready" not in figures


def test_a_model_whose_state_another_process_has_is_not_served(folder: Folder) -> None:
    folder.drop(a="-b 10")
    other = folder.open()
    (problem,) = other.apply([read_drop(folder.path / "a.yaml")])
    assert f"a is in use by process {os.getpid()} (" in problem.text
    assert other.names() == []
    other.close()
    assert folder.predicts() == "0"


# -- drops that cannot be served -------------------------------------------------------------------------------------


def test_arguments_that_vw_refuses_leave_what_runs(folder: Folder) -> None:
    folder.drop(a="-b 10")
    model = folder.model()
    folder.write("a", "vw: --no_such_option")
    (problem,) = folder.apply()
    assert problem.startswith("a.yaml:1: vw: ")
    assert folder.model() is model


def test_a_drop_that_cannot_be_read_leaves_what_runs(folder: Folder) -> None:
    folder.drop(a="-b 10", b="-b 10")
    model = folder.model()
    folder.write("a", "vw: [")
    (problem,) = folder.apply()
    assert problem.startswith("a.yaml:")
    assert folder.model() is model
    assert folder.registry.names() == ["a", "b"]


def test_a_folder_that_cannot_be_read_leaves_what_runs(folder: Folder) -> None:
    folder.drop(a="-b 10")
    folder.path.rename(folder.root / "aside")
    (problem,) = folder.apply()
    assert "cannot read the folder of models" in problem
    assert folder.registry.names() == ["a"]
    assert folder.registry.not_ready == []


def test_a_bad_drop_that_never_ran_serves_nothing(folder: Folder) -> None:
    folder.write("good", "vw: -b 10")
    folder.write("bad", "vw: --no_such_option")
    assert len(folder.apply()) == 1
    assert folder.registry.names() == ["good"]


def test_where_a_model_cannot_be_opened_otherwise_it_goes_on_as_it_was(folder: Folder) -> None:
    folder.drop(a="-b 10")
    before = learned(folder)
    folder.write("a", "vw: -b 11\nlearn: false")
    (problem,) = folder.apply()
    assert "learned 20 examples otherwise" in problem
    assert folder.predicts() == before
    assert learned(folder) != before  # it learns as it did
    assert folder.told == []  # it was not even closed


def test_where_opening_a_model_otherwise_fails_it_goes_on_as_it_was(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.drop(a="-b 10")
    before = learned(folder)
    folder.write("a", "vw: -b 10\nlearn: false")

    def failing(*_: object) -> Servable:
        raise StateError("the disk is in the way")

    monkeypatch.setattr(registry, "build_static", failing)
    assert folder.apply() == ["a.yaml: the disk is in the way"]
    assert folder.told == ["leaving a"]
    assert folder.predicts() == before
    assert learned(folder) != before
    assert folder.registry.not_ready == []


def test_where_a_model_cannot_be_opened_at_all_any_more_it_is_not_served(folder: Folder) -> None:
    folder.drop(a="-b 10", b="-b 10")
    learned(folder)
    folder.write("a", "vw: -b 10\njournal: false")
    (folder.root / "state" / "a" / "lineage.json").write_text("spoilt")
    (problem,) = folder.apply()
    assert "lineage.json is not as it was written" in problem
    assert folder.registry.names() == ["b"]
    assert [failed.name for failed in folder.registry.failed] == ["a"]


def test_a_fault_of_the_program_in_one_drop_leaves_the_others(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.drop(b="-b 10", gone="-b 10")
    (folder.path / "gone.yaml").unlink()
    folder.write("a", "vw: -b 10")
    folder.write("c", "vw: -b 10")

    def failing(blueprint: Blueprint, *rest: Any) -> Durable:
        if blueprint.drop.name == "a":
            raise LookupError("nowhere")
        return Durable(blueprint, *rest)

    monkeypatch.setattr(registry, "Durable", failing)
    assert folder.apply() == ["a.yaml: cannot be served: LookupError: nowhere"]
    assert folder.registry.names() == ["b", "c"]
    assert (folder.registry.get("gone"), folder.model("c").name) == (None, "c")


def test_what_is_wrong_with_drops_is_known_until_it_is_mended(folder: Folder) -> None:
    folder.drop(runs="-b 10")
    folder.write("runs", "vw: --no_such_option")
    folder.write("never", "vw: --nor_this_one\nmodel: other")
    folder.write("odd", "vw: 1\nlearn: 2\nlean: 3")
    problems = folder.apply()
    found = {failed.name: failed for failed in folder.registry.failed}
    assert found.keys() == {"runs", "other", "odd"}
    assert found["other"].file == folder.path / "never.yaml"
    assert found["other"].problem.startswith(f"{folder.path}/never.yaml:1: vw: unknown VW option '--nor_this_one'")
    told = "; ".join(found[name].problem for name in ("odd", "other", "runs")).replace(f"{folder.path}/", "")
    assert sorted(told.split("; ")) == sorted("; ".join(problems).split("; "))  # all of them, each once
    for name in ("never", "odd"):
        (folder.path / f"{name}.yaml").unlink()
    folder.drop(runs="-b 10")
    assert folder.registry.failed == []


# -- readiness -------------------------------------------------------------------------------------------------------


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


# -- from time to time -----------------------------------------------------------------------------------------------


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
    assert journal.unsynced == 0


def test_a_fault_while_one_model_is_closed_leaves_the_last_snapshot_to_the_others(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.drop(a="-b 10", b="-b 10", c="-b 10")
    for name in "abc":
        folder.model(name).learn(["1 |u a"])
    whole = Durable.close

    def failing(durable: Durable) -> None:
        whole(durable)
        if durable.servable.name == "b":
            raise ZeroDivisionError("a fault")

    monkeypatch.setattr(Durable, "close", failing)
    folder.reopen()
    assert "b: a fault of vwserve while it was closed: ZeroDivisionError: a fault" in folder.told
    assert [len(folder.durable(name).snapshots()) for name in "abc"] == [1, 1, 1]


def lose_the_disk(folder: Folder) -> Callable[[], None]:
    """Close all models, and take away their state until what is returned is called."""
    folder.registry.close()
    state = folder.root / "state"
    state.rename(folder.root / "unmounted")
    folder.disk.read_only = True

    def mount() -> None:
        (folder.root / "unmounted").rename(state)
        folder.disk.read_only = False

    folder.registry = folder.open()
    return mount


def test_a_model_whose_disk_comes_back_is_served_as_it_is_there(folder: Folder) -> None:
    folder.drop(a="-b 10")
    before = learned(folder)
    mount = lose_the_disk(folder)
    assert folder.apply() == []
    assert folder.predicts() == "0"
    assert len(folder.registry.not_ready) == 1
    mount()
    folder.clock.now += 10.0
    folder.registry.tick()
    assert folder.registry.not_ready == []
    assert folder.predicts() == before


def test_a_disk_that_comes_back_with_what_another_model_learned_is_not_added_to(folder: Folder) -> None:
    folder.drop(a="-b 11")
    learned(folder)
    mount = lose_the_disk(folder)
    folder.drop(a="-b 10")
    mount()
    for _ in range(3):
        folder.clock.now += 10.0
        folder.registry.tick()
        assert folder.model().learn(["1 |u a"])[0].startswith("!error not-ready ")
    (reason,) = folder.registry.not_ready
    assert "learned 20 examples otherwise" in reason
    assert (folder.root / "state" / "a" / "journal" / f"{1:020}.dat").read_bytes() == b"1 |u a\n" * 20
    folder.drop(a="-b 11")
    folder.clock.now += 10.0
    folder.registry.tick()
    assert folder.registry.not_ready == []
    assert folder.figures()["learned"] == 20


# -- what takes longer than a turn -----------------------------------------------------------------------------------


@pytest.fixture
def long_journal(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A model that has learned more than is learned again in a turn."""
    monkeypatch.setattr(registry, "REPLAYED_IN_A_TURN", 10)
    folder.drop(a="-b 10")
    learned(folder, 11)
    return folder


def test_much_to_learn_again_is_left_to_others_and_meanwhile_the_model_is_as_it_was(long_journal: Folder) -> None:
    folder = long_journal
    before = folder.predicts()
    folder.write("a", "vw: -b 11\non_change: replay")
    assert folder.apply() == []
    assert [blueprint.drop.vw for blueprint in folder.replays] == ["-b 11"]
    assert folder.predicts() == before
    assert folder.apply() == []
    assert len(folder.replays) == 1
    assert folder.told == []


def test_as_much_as_a_turn_has_time_for_is_learned_again_at_once(long_journal: Folder) -> None:
    folder = long_journal
    folder.write("a", "vw: -b 11\non_change: fresh")
    assert folder.apply() == []
    learned(folder, 10)
    folder.write("a", "vw: -b 12\non_change: replay")
    assert folder.apply() == []
    assert folder.replays == []
    assert folder.figures()["learned"] == 10
    assert 1_000 <= REPLAYED_IN_A_TURN <= 10_000


@pytest.mark.parametrize(
    ("then", "replays"),
    [("-b 10", ["-b 11"]), ("-b 12", ["-b 11", "-b 12"])],
)
def test_a_drop_that_changes_again_gives_up_what_was_under_way(
    then: str, replays: list[str], long_journal: Folder
) -> None:
    folder = long_journal
    before = folder.predicts()
    for vw in ("-b 11", then):
        folder.write("a", f"vw: {vw}\non_change: replay")
        assert folder.apply() == []
    assert folder.told == ["gave up -b 11"]
    assert [blueprint.drop.vw for blueprint in folder.replays] == replays
    assert folder.predicts() == before


def test_a_replay_that_failed_is_known_and_tried_again(long_journal: Folder) -> None:
    folder = long_journal
    folder.write("a", "vw: -b 11\non_change: replay")
    folder.apply()
    drop = folder.replays[0].drop
    folder.registry.fail(drop, drop.problem("", "the journal is gone"))
    assert [failed.problem for failed in folder.registry.failed] == [f"{drop.path}: the journal is gone"]
    assert folder.registry.not_ready == []  # the model goes on
    folder.apply()
    assert len(folder.replays) == 2
    assert folder.registry.failed == []
    assert folder.told == []


# -- plugins ---------------------------------------------------------------------------------------------------------

PLUGIN = """
from dataclasses import dataclass
from vwserve.transforms import Transform, hookimpl

@dataclass(frozen=True)
class Options:
    output: str = "k"

class Constant(Transform[Options]):
    kind = "constant"
    options_type = Options
    reads = ()
    @property
    def writes(self): return (self.options.output,)
    def apply(self, batch): return {self.options.output: [b"always"] * len(batch)}

@hookimpl
def vwserve_transforms(): return [Constant]
"""


def test_what_a_model_learned_goes_on_with_the_changed_code_of_its_plugin(folder: Folder, tmp_path: Path) -> None:
    finder = PluginFinder()
    plugin = tmp_path / "constant.py"
    folder.write("a", "vw: -b 10\ntransforms: [{kind: constant}]")

    def follow() -> Servable:
        drops, problems = read_drops(folder.path, finder.find(tmp_path).kinds)
        assert [*problems, *folder.registry.apply(drops, problems)] == []
        return folder.model()

    def derived(model: Servable) -> bytes:
        return model.text([b"|u a"])

    plugin.write_text(PLUGIN)
    first = follow()
    first.learn(["1 |u a"])
    before = first.predict(["|u a |k always"])
    assert follow() is first
    plugin.write_text(PLUGIN.replace("always", "never"))
    second = follow()
    assert second is not first
    assert derived(second) == b"|u a |k never\n"
    assert second.statistics()["learned"] == 1
    assert second.predict(["|u a |k always"]) != ["0"]
    assert before != ["0"]
    assert follow() is second
