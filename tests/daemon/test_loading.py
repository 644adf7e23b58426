"""Models are loaded beside what serves, as their drops have it; what goes wrong leaves what runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.daemon.dropped import Folder, learned
from tests.daemon.memory import Waiting
from tests.durability.power import Held
from tests.durability.states import flip
from vwserve.daemon import loading, switching
from vwserve.daemon.switching import GivenUp
from vwserve.durability.durable import Durable
from vwserve.errors import StateError
from vwserve.model.blueprint import Blueprint
from vwserve.model.servable import Servable
from vwserve.model.state import Resumed
from vwserve.transforms.plugins import PluginFinder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.daemon.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # no child is left


# -- drops -----------------------------------------------------------------------------------------------------------


def test_serves_what_is_dropped_and_nothing_else(folder: Folder) -> None:
    folder.drop(b="-b 10", a="-b 10")
    assert folder.registry.names() == ["a", "b"]
    (folder.path / "a.yaml").unlink()
    folder.apply()
    assert folder.registry.names() == ["b"]
    assert folder.registry.get("a") is None
    assert folder.registry.statistics("a") is None
    assert folder.told == []


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
    assert folder.durable().due_s == folder.reactor.seconds() + 10.0


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


def test_a_model_whose_state_another_process_has_is_not_served(folder: Folder) -> None:
    folder.drop(a="-b 10")
    ours, folder.daemon = folder.daemon, folder.open()
    (problem,) = folder.apply()
    assert f"a is in use by process {os.getpid()} (" in problem
    assert folder.registry.names() == []
    folder.daemon = ours
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
    assert folder.apply() == []  # what is wrong with the folder is the log's
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

    monkeypatch.setattr(loading, "build_static", failing)
    assert folder.apply() == ["a.yaml: the disk is in the way"]
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

    monkeypatch.setattr(loading, "Durable", failing)
    assert folder.apply() == ["a.yaml: cannot be served: LookupError: nowhere"]
    assert folder.registry.names() == ["b", "c"]
    assert (folder.registry.get("gone"), folder.model("c").name) == (None, "c")


def test_what_is_wrong_with_drops_is_known_until_it_is_mended(folder: Folder) -> None:
    folder.drop(runs="-b 10")
    folder.write("runs", "vw: --no_such_option")
    folder.write("never", "vw: --nor_this_one\nmodel: other")
    folder.write("odd", "vw: 1\nlearn: 2\nlean: 3")
    assert len(folder.apply()) == 5
    found = {failed.name: failed for failed in folder.registry.failed}
    assert found.keys() == {"runs", "other", "odd"}
    assert found["other"].file == folder.path / "never.yaml"
    problem = found["other"].problem
    assert problem.startswith(f"{folder.path}/never.yaml:1: vw: unknown VW option '--nor_this_one'")
    for name in ("never", "odd"):
        (folder.path / f"{name}.yaml").unlink()
    folder.drop(runs="-b 10")
    assert folder.registry.failed == []


# -- disks that come back --------------------------------------------------------------------------------------------


def test_a_model_whose_disk_comes_back_is_served_as_it_is_there(folder: Folder) -> None:
    folder.drop(a="-b 10")
    before = learned(folder)
    mount = folder.gone()
    assert folder.apply() == []
    assert folder.predicts() == "0"
    assert len(folder.registry.not_ready) == 1
    mount()
    folder.tick()
    assert folder.registry.not_ready == []
    assert folder.predicts() == before


def test_a_disk_that_comes_back_with_what_another_model_learned_is_not_added_to(folder: Folder) -> None:
    folder.drop(a="-b 11")
    learned(folder)
    mount = folder.gone()
    folder.drop(a="-b 10")
    mount()
    for _ in range(3):
        folder.tick()
        assert folder.model().learn(["1 |u a"])[0].startswith("!error not-ready ")
    (reason,) = folder.registry.not_ready
    assert "learned 20 examples otherwise" in reason
    assert (folder.root / "state" / "a" / "journal" / f"{1:020}.dat").read_bytes() == b"1 |u a\n" * 20
    folder.drop(a="-b 11")
    folder.tick()
    assert folder.registry.not_ready == []
    assert folder.figures()["learned"] == 20


# -- while a thread builds -------------------------------------------------------------------------------------------


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Folder]:
    """One whose threads do what they are given when they are told to."""
    held = Folder(tmp_path, Held())
    yield held
    held.daemon.close()


def run(folder: Folder) -> None:
    """Have the threads do what they were given by now, and let all know of it."""
    assert isinstance(folder.executor, Held)
    folder.executor.run()
    folder.reactor.settle()


def finish(folder: Folder) -> None:
    """Have the threads do all that comes."""
    assert isinstance(folder.executor, Held)
    folder.reactor.settle()
    while folder.executor.jobs:
        run(folder)


def drop(folder: Folder, name: str, text: str) -> None:
    """Write a drop, and have all done that it asks for."""
    folder.write(name, text)
    done = folder.begin()
    finish(folder)
    assert done.done


def steps(folder: Folder, done: Waiting) -> int:
    """How many times threads have to be asked until something is done, which must be more than once."""
    count = 0
    while not done.done:
        run(folder)
        count += 1
    assert count > 1
    return count


def test_what_serves_goes_on_until_its_successor_is_built(held: Folder) -> None:
    drop(held, "a", "vw: -b 10\nlearn: false")
    before = held.model()
    held.write("a", "vw: -b 11\nlearn: false")
    done = held.begin()
    while held.model() is before:
        assert not done.done
        assert before.predict(["|u a"]) == ["0"]
        run(held)
    finish(held)
    assert done.done
    assert held.model().learner.bits == 11


BUILDING = 4
"""As many times as threads are asked at least, to make a model that learns."""


@pytest.mark.parametrize("after", range(BUILDING))
@pytest.mark.parametrize("learn", ["true", "false"])
@pytest.mark.parametrize("then", [[11], [11, 10], [11, 12, 11]])
def test_a_drop_that_changes_again_while_its_model_is_built_is_what_it_says_in_the_end(
    then: list[int], learn: str, after: int, held: Folder
) -> None:
    held.write("a", f"vw: -b 10\nlearn: {learn}")
    waiting = [held.begin()]
    for _ in range(after):
        run(held)
    for bits in then:
        held.write("a", f"vw: -b {bits}\nlearn: {learn}")
        waiting.append(held.begin())
    finish(held)
    assert all(each.done for each in waiting)
    assert held.model().learner.bits == then[-1]
    assert held.registry.failed == []
    assert held.begin().done  # there is nothing left to do


@pytest.mark.parametrize("after", range(BUILDING))
@pytest.mark.parametrize("learn", ["true", "false"])
def test_a_drop_that_is_removed_while_its_model_is_built_is_not_served(learn: str, after: int, held: Folder) -> None:
    held.write("a", f"vw: -b 10\nlearn: {learn}")
    first = held.begin()
    for _ in range(after):
        run(held)
    (held.path / "a.yaml").unlink()
    second = held.begin()
    finish(held)
    assert first.done
    assert second.done
    assert held.registry.names() == []
    drop(held, "a", "vw: -b 10")
    assert held.registry.names() == ["a"]


def test_a_drop_that_comes_back_while_its_model_is_removed_is_served(held: Folder) -> None:
    drop(held, "a", "vw: -b 10")
    before = learned(held)
    (held.path / "a.yaml").unlink()
    removed = held.begin()
    drop(held, "a", "vw: -b 10")
    assert removed.done
    assert held.predicts() == before


def test_a_file_that_changes_while_a_model_is_made_from_it_is_read_again(held: Folder) -> None:
    drop(held, "seed", "vw: -b 10")
    seed = held.root / "seed.vw"
    held.model("seed").save(seed)
    held.write("a", f"vw: -b 10\nlearn: false\ninitial: {seed}")
    done = held.begin()
    while "a" not in held.registry.names():
        run(held)
    held.model("seed").learn(["1 |u a"])
    held.model("seed").save(seed)
    again = held.begin()
    finish(held)
    assert done.done
    assert again.done
    assert held.predicts() == held.predicts("seed") != "0"


def test_what_was_begun_is_not_begun_again_while_nothing_changes(held: Folder) -> None:
    held.write("a", "vw: -b 10")
    waiting = [held.begin(), held.begin()]
    assert isinstance(held.executor, Held)
    assert len(held.executor.jobs) == 1
    run(held)
    waiting.append(held.begin())
    finish(held)
    assert all(each.done for each in waiting)
    assert held.figures()["version"] == 1


def test_nobody_waits_for_models_that_are_built_already(held: Folder) -> None:
    for name in ("a", "b"):
        held.write(name, "vw: -b 10")
    done = held.begin()
    while held.registry.names() != ["a"]:
        run(held)
    held.write("a", "vw: -b 11")
    again = held.begin()
    steps(held, again)
    assert done.done
    assert held.registry.names() == ["a", "b"]
    assert held.model().learner.bits == 11


@pytest.mark.parametrize("after", range(BUILDING + 2))
def test_nothing_is_begun_once_the_daemon_stops_and_what_is_built_is_freed(after: int, held: Folder) -> None:
    drop(held, "a", "vw: -b 10")
    learned(held)
    held.write("a", "vw: -b 11\non_change: replay")
    held.write("b", "vw: -b 10")
    done = held.begin()
    for _ in range(after):
        run(held)
    stopped = held.daemon.stop()
    finish(held)
    assert done.done
    assert stopped.done
    held.write("c", "vw: -b 10")
    assert held.begin().done
    assert isinstance(held.executor, Held)
    assert not held.executor.jobs
    held.daemon.close()
    assert held.registry.names() == []


# -- nobody forks while a thread builds ------------------------------------------------------------------------------


def test_a_snapshot_waits_until_no_thread_builds(held: Folder) -> None:
    drop(held, "a", "vw: -b 10")
    held.write("b", "vw: -b 10")
    done = held.begin()
    assert isinstance(held.executor, Held)
    taken = Waiting(held.daemon.snapshotting.take(held.durable()))
    assert held.executor.jobs
    assert not held.durable().taking
    run(held)
    assert taken.done
    finish(held)
    assert done.done


def test_a_model_that_is_removed_takes_its_last_snapshot_while_no_thread_builds(held: Folder) -> None:
    drop(held, "a", "vw: -b 10")
    learned(held)
    durable = held.durable()
    (held.path / "a.yaml").unlink()
    held.write("b", "vw: -b 10")
    done = held.begin()
    assert held.registry.names() == []
    assert not durable.taking
    finish(held)
    assert done.done
    assert [snapshot.moment.journal for snapshot in durable.snapshots()] == [20]


def test_what_is_asked_of_a_model_that_is_removed_is_answered(held: Folder) -> None:
    drop(held, "a", "vw: -b 10")
    learned(held)
    durable = held.durable()
    asked = [Waiting(held.daemon.snapshotting.take(durable)) for _ in range(2)]
    (held.path / "a.yaml").unlink()
    done = held.begin()
    finish(held)
    held.reactor.settle()
    assert done.done
    assert [each.result.moment.journal for each in asked] == [20, 20]


def test_a_model_predicts_and_does_not_learn_while_its_files_are_opened_otherwise(held: Folder) -> None:
    drop(held, "a", "vw: -b 10")
    before = learned(held)
    held.write("a", "vw: -b 10\njournal: false")
    done = held.begin()
    while not held.durable().unready:
        run(held)
    (refused,) = held.model().learn(["1 |u a"])
    assert refused.startswith("!error not-ready ")
    assert held.predicts() == before
    held.registry.tick()
    assert held.registry.not_ready == [
        "a predicts, and does not learn: its files are being opened otherwise, as its drop has it"
    ]
    finish(held)
    assert done.done
    assert held.predicts() == before
    assert held.model().learn(["1 |u a"])[0] == before


# -- what fails is not tried again -----------------------------------------------------------------------------------


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of each model that was tried to be built."""
    tried: list[str] = []
    build = Blueprint.build

    def counted(blueprint: Blueprint, *rest: Any, **more: Any) -> Servable:
        tried.append(blueprint.drop.vw)
        return build(blueprint, *rest, **more)

    monkeypatch.setattr(Blueprint, "build", counted)
    return tried


def test_a_drop_that_failed_is_not_tried_again_while_nothing_changes(folder: Folder, tries: list[str]) -> None:
    folder.drop(good="-b 10")
    folder.write("a", "vw: --no_such_option")
    wrong = folder.apply()
    tries.clear()
    folder.write("other", "vw: -b 11")
    assert folder.apply() == wrong
    folder.write("a", "# a comment\nvw: --no_such_option")
    assert folder.apply() == wrong
    assert "--no_such_option" not in tries


def test_a_drop_that_failed_is_tried_again_when_it_changes(folder: Folder) -> None:
    folder.write("a", "vw: --no_such_option")
    assert len(folder.apply()) == 1
    folder.drop(a="-b 10")
    assert folder.registry.names() == ["a"]


def test_a_drop_that_failed_is_tried_again_when_a_file_of_it_changes(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "seed.vw").write_text("no model")
    folder.write("a", f"vw: -b 10\ninitial: {tmp_path / 'seed.vw'}")
    assert "seed.vw" in folder.apply()[0]
    folder.write("seed", "vw: -b 10")
    folder.apply()
    folder.model("seed").save(tmp_path / "seed.vw")
    assert folder.apply() == []
    assert folder.registry.names() == ["a", "seed"]


def test_a_drop_that_failed_is_tried_again_when_somebody_asks(folder: Folder, tries: list[str]) -> None:
    folder.write("a", "vw: -b 10")
    folder.apply()
    learned(folder)
    folder.daemon.close()
    lineage = folder.root / "state" / "a" / "lineage.json"
    lineage.rename(folder.root / "aside")
    lineage.write_text("spoilt")
    folder.daemon = folder.open()
    assert len(folder.apply()) == 1
    (folder.root / "aside").rename(lineage)
    assert len(folder.apply()) == 1
    assert folder.reload() == []


def test_a_failed_drop_whose_file_cannot_be_read_any_more_tells_of_that_alone(folder: Folder) -> None:
    folder.write("a", "vw: --no_such_option\nmodel: m")
    folder.apply()
    folder.write("a", "vw: [")
    (problem,) = folder.apply()
    assert "no_such_option" not in problem
    assert [failed.name for failed in folder.registry.failed] == ["a"]


def test_a_failed_drop_that_is_removed_is_forgotten(folder: Folder) -> None:
    folder.write("a", "vw: --no_such_option")
    folder.apply()
    (folder.path / "a.yaml").unlink()
    assert folder.apply() == []


def test_whoever_tells_of_problems_is_told_when_one_is_found_and_when_it_is_gone(folder: Folder) -> None:
    folder.write("a", "vw: --no_such_option")
    before = folder.daemon.settled
    folder.apply()
    between = folder.daemon.settled
    folder.drop(a="-b 10")
    assert before < between < folder.daemon.settled


# -- files that somebody writes --------------------------------------------------------------------------------------


def test_what_came_of_a_file_that_somebody_writes_stays_as_it_is(folder: Folder) -> None:
    folder.drop(a="-b 10", b="-b 10")
    a = folder.model()
    folder.write("a", "vw: -b 11")
    folder.write("b", "vw: -b 11")
    done = folder.begin(unfinished=("a",))
    folder.reactor.settle()
    assert done.done
    assert folder.model() is a
    assert folder.model("b").learner.bits == 11
    assert folder.apply() == []
    assert folder.model().learner.bits == 11


def test_what_is_being_built_from_a_file_that_somebody_writes_is_built(held: Folder) -> None:
    held.write("a", "vw: -b 10")
    done = held.begin()
    held.begin(unfinished=("a",))
    finish(held)
    assert done.done
    assert held.registry.names() == ["a"]


def test_a_failed_drop_that_somebody_writes_is_still_told_of(folder: Folder) -> None:
    folder.write("a", "vw: --no_such_option")
    wrong = folder.apply()
    folder.begin(unfinished=("a",))
    folder.reactor.settle()
    assert folder.wrong() == wrong


def test_two_files_for_one_model_serve_what_the_first_says_until_it_is_gone(folder: Folder) -> None:
    folder.write("first", "vw: -b 10\nmodel: m")
    folder.write("second", "vw: -b 11\nmodel: m")
    (problem,) = folder.apply()
    assert problem.startswith("second.yaml:2: model: ")
    assert "first.yaml already describes a model 'm'" in problem
    assert folder.model("m").learner.bits == 10
    (folder.path / "first.yaml").unlink()
    assert folder.apply() == []
    assert folder.model("m").learner.bits == 11


def test_a_second_file_for_a_model_that_somebody_writes_changes_nothing(folder: Folder) -> None:
    folder.write("second", "vw: -b 11\nmodel: m")
    folder.apply()
    model = folder.model("m")
    folder.write("first", "vw: -b 10\nmodel: m")
    folder.begin(unfinished=("first",))
    folder.reactor.settle()
    assert folder.model("m") is model


# -- while a model is switched otherwise -----------------------------------------------------------------------------


class Rollback:
    """Something that switches a model, and takes as long as a test wants."""

    def __init__(self, folder: Folder) -> None:
        self.ending: Deferred[None] = Deferred()
        self.waiting = Waiting(folder.daemon.switching.carry_out(folder.durable(), self._wait))

    async def _wait(self) -> None:
        await self.ending


def test_a_drop_that_changes_while_a_rollback_runs_waits_for_its_end_and_nobody_for_the_drop(folder: Folder) -> None:
    folder.drop(a="-b 10")
    learned(folder)
    rollback = Rollback(folder)
    folder.write("a", "vw: -b 11\non_change: replay")
    assert folder.apply() == []  # which does not wait for it
    assert folder.model().learner.bits == 10
    folder.drop(b="-b 10")
    rollback.ending.callback(None)
    folder.reactor.settle()
    assert rollback.waiting.result is None
    assert folder.model().learner.bits == 11
    assert folder.figures()["learned"] == 20
    assert folder.wrong() == []


@pytest.mark.parametrize("drop", ["vw: -b 10\njournal: false", "vw: -b 10\nlearn: false"])
def test_files_are_opened_otherwise_once_a_rollback_is_at_its_end(drop: str, folder: Folder) -> None:
    folder.drop(a="-b 10")
    before = learned(folder)
    rollback = Rollback(folder)
    folder.write("a", drop)
    assert folder.apply() == []
    assert folder.figures()["journal"] == 20
    rollback.ending.callback(None)
    folder.reactor.settle()
    assert rollback.waiting.result is None
    assert folder.figures()["journal"] is None
    assert folder.predicts() == before


def test_a_drop_that_changes_back_while_a_rollback_runs_leaves_the_rollback_alone(folder: Folder) -> None:
    folder.drop(a="-b 10")
    learned(folder)
    rollback = Rollback(folder)
    folder.write("a", "vw: -b 11\non_change: replay")
    folder.apply()
    folder.drop(a="-b 10")
    assert not rollback.waiting.done
    rollback.ending.callback(None)
    folder.reactor.settle()
    assert rollback.waiting.result is None
    assert folder.model().learner.bits == 10


def test_how_a_model_is_kept_changes_while_a_rollback_runs(folder: Folder) -> None:
    folder.drop(a="-b 10")
    learned(folder)
    rollback = Rollback(folder)
    folder.write("a", "vw: -b 10\njournal: {sync: always}")
    assert folder.apply() == []
    assert folder.durable().blueprint.drop.policy.sync == "always"
    assert not rollback.waiting.done
    rollback.ending.callback(None)


def test_a_drop_that_is_refused_is_so_although_a_rollback_runs(folder: Folder) -> None:
    folder.drop(a="-b 10")
    learned(folder)
    rollback = Rollback(folder)
    folder.write("a", "vw: -b 11")
    (problem,) = folder.apply()
    assert "learned 20 examples otherwise" in problem
    rollback.ending.callback(None)


def test_a_model_that_is_removed_gives_up_its_rollback(folder: Folder) -> None:
    folder.drop(a="-b 10")
    learned(folder)
    rollback = Rollback(folder)
    folder.write("a", "vw: -b 11\non_change: replay")
    folder.apply()
    (folder.path / "a.yaml").unlink()
    assert folder.apply() == []
    with pytest.raises(GivenUp):
        assert rollback.waiting.result
    assert folder.registry.names() == []


def test_a_daemon_that_stops_while_a_drop_waits_for_a_rollback_waits_for_neither(folder: Folder) -> None:
    folder.drop(a="-b 10")
    learned(folder)
    rollback = Rollback(folder)
    folder.write("a", "vw: -b 11\non_change: replay")
    folder.apply()
    assert folder.daemon.stop().done
    folder.daemon.close()
    with pytest.raises(GivenUp):
        assert rollback.waiting.result


# -- what takes long -------------------------------------------------------------------------------------------------


@pytest.fixture
def long_journal(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A model that has learned more than is learned again in the daemon itself."""
    monkeypatch.setattr(switching, "REPLAYED_IN_PLACE", 10)
    folder.drop(a="-b 10")
    learned(folder)
    return folder


def begin_replay(folder: Folder, bits: int = 11) -> None:
    """Have a child learn again, and nobody wait for it."""
    folder.write("a", f"vw: -b {bits}\non_change: replay")
    done = folder.begin()
    while not done.done:
        assert folder.reactor.turn()
    while not folder.reactor.children:
        assert folder.reactor.turn()
    folder.reactor.listen()  # the snapshot to undo it by is there
    while folder.durable().taking or not folder.reactor.children:
        assert folder.reactor.turn()


def test_much_to_learn_again_is_left_to_a_child_and_nobody_waits_for_it(long_journal: Folder) -> None:
    folder = long_journal
    before = folder.predicts()
    begin_replay(folder)
    assert folder.predicts() == before
    folder.write("b", "vw: -b 10")
    other = folder.begin()
    while not other.done:
        assert folder.reactor.turn()
    assert folder.registry.names() == ["a", "b"]
    folder.reactor.settle()
    assert folder.model().learner.bits == 11
    assert folder.figures()["learned"] == 20


@pytest.mark.parametrize("bits", [10, 12])
def test_a_drop_that_changes_again_gives_up_the_child(bits: int, long_journal: Folder) -> None:
    folder = long_journal
    before = folder.predicts()
    begin_replay(folder)
    folder.write("a", f"vw: -b {bits}\non_change: replay")
    assert folder.apply() == []
    assert folder.model().learner.bits == bits
    assert folder.predicts() == before
    assert [each.moment.lineage for each in folder.durable().snapshots()] == [2] * (bits == 12) + [1]


def test_a_replay_that_fails_is_told_of_when_it_has(long_journal: Folder) -> None:
    folder = long_journal
    begin_replay(folder)
    before = folder.daemon.settled
    os.kill(child_of(os.getpid()), signal.SIGKILL)
    folder.reactor.settle()
    (problem,) = folder.wrong()
    assert problem.startswith("a.yaml: no snapshot 2 in ")
    assert folder.daemon.settled > before
    assert folder.registry.not_ready == []  # the model goes on
    assert folder.model().learner.bits == 10
    assert folder.reload() == []
    assert folder.model().learner.bits == 11


def child_of(pid: int) -> int:
    """The number of a process's only child."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


# -- changes that keep what was learned ------------------------------------------------------------------------------


def probability(folder: Folder, line: str = "|u a |v b") -> str:
    """What the model `a` predicts for a line."""
    return folder.model().predict([line])[0]


@pytest.mark.parametrize("vw", ["-b 10 -l 0.1", "-b 10 -q uv", "-b 10 --l2 1e-3 --power_t 0.4 -q uv"])
def test_other_rates_and_further_interactions_keep_what_was_learned(vw: str, folder: Folder) -> None:
    folder.drop(a="-b 10")
    before = learned(folder)
    folder.drop(a=vw)
    assert folder.predicts() == before
    figures = folder.figures()
    assert (figures["lineage"], figures["learned"], figures["snapshot"]["number"]) == (2, 20, 2)
    assert folder.model().arguments == vw
    after = learned(folder)
    folder.reopen()
    assert folder.predicts() == after != before


def test_what_comes_while_it_changes_is_learned_the_new_way(held: Folder) -> None:
    drop(held, "a", "vw: -b 10")
    learned(held)
    held.write("a", "vw: -b 10 -q uv")
    done = held.begin()
    came = 0
    while not done.done:
        held.model().learn(["1 |u a |v b"])
        came += 1
        run(held)
        if held.reactor.children:
            held.reactor.listen()
    assert came > 3
    assert held.figures()["learned"] == 20 + came
    founded = held.durable().lineage.founded
    expected = Servable("expected", "-b 10")
    expected.learn([*["1 |u a"] * 20, *["1 |u a |v b"] * (founded - 20)])
    expected.save(held.root / "expected.vw")
    resumed = Servable("expected", "-b 10 -q uv", resumed=Resumed(held.root / "expected.vw", expected.state()))
    resumed.learn(["1 |u a |v b"] * (20 + came - founded))
    assert probability(held) == resumed.predict(["|u a |v b"])[0]
    expected.close()
    resumed.close()


def test_it_goes_on_as_it_learned_until_what_changed_while_nobody_served_is_done(held: Folder) -> None:
    drop(held, "a", "vw: -b 10")
    before = learned(held)
    held.daemon.close()
    held.daemon = held.open()
    held.write("a", "vw: -b 10 -l 0.1")
    done = held.begin()
    while "a" not in held.registry.names():
        run(held)
    assert held.predicts() == before
    assert held.model().arguments == "-b 10"
    after = learned(held)
    finish(held)
    assert done.done
    assert held.model().arguments == "-b 10 -l 0.1"
    assert held.predicts() == after
    assert held.figures()["lineage"] == 2


def test_where_that_comes_to_nothing_it_goes_on_as_it_learned_and_is_tried_again(folder: Folder) -> None:
    folder.drop(a="-b 10")
    learned(folder)
    folder.write("a", "vw: -b 10 -l 0.1")
    folder.disk.read_only = True
    (problem,) = folder.apply()
    assert problem.startswith("a.yaml: no snapshot ")
    assert folder.apply() == [problem]
    assert learned(folder) != "0"
    assert folder.figures()["learned"] == 40
    folder.disk.read_only = False
    folder.daemon.close()
    folder.daemon = folder.open()
    folder.disk.read_only = True
    assert len(folder.apply()) == 1
    folder.disk.read_only = False
    folder.tick()
    assert folder.figures()["lineage"] == 1
    assert folder.reload() == []
    assert (folder.figures()["lineage"], folder.figures()["learned"]) == (2, 40)


def test_a_drop_that_changes_again_leaves_nothing_of_what_it_gave_up(held: Folder) -> None:
    drop(held, "a", "vw: -b 10")
    before = learned(held)
    for stage in range(8):
        held.write("a", "vw: -b 10 -l 0.1")
        first = held.begin()
        for _ in range(stage):
            run(held)
        if held.model().arguments != "-b 10":
            break
        drop(held, "a", "vw: -b 10")
        finish(held)
        assert first.done
        assert held.predicts() == before
        described = [snapshot.provenance.arguments for snapshot in held.durable().snapshots()]
        assert "-b 10 -l 0.1" not in described
    assert stage > 3
    finish(held)


def test_transforms_that_are_added_keep_what_was_learned(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "constant.py").write_text(PLUGIN)
    folder.kinds = PluginFinder().find(tmp_path).kinds
    folder.drop(a="-b 10")
    before = learned(folder)
    folder.write("a", "vw: -b 10\ntransforms: [{kind: constant}]")
    assert folder.apply() == []
    assert folder.model().text([b"|u a"]) == b"|u a |k always\n"
    assert folder.predicts() == before  # what nobody has learned of is nothing yet
    after = learned(folder)
    folder.reopen()
    assert folder.predicts() == after
    folder.drop(c="-b 10")
    folder.write("a", "vw: -b 10\ntransforms: [{kind: constant}, {kind: constant, output: j}]")
    assert folder.apply() == []
    assert folder.predicts() == after
    folder.write("a", "vw: -b 10\ntransforms: [{kind: constant, output: j}]")
    (problem,) = folder.apply()
    assert "learned 40 examples otherwise" in problem


def test_a_static_model_keeps_what_was_learned_too(folder: Folder) -> None:
    folder.drop(a="-b 10")
    before = learned(folder)
    folder.write("a", "vw: -b 10 -q uv\nlearn: false")
    assert folder.apply() == []
    assert folder.predicts() == before
    assert folder.model().arguments == "-b 10 -q uv"


# -- pinned versions -------------------------------------------------------------------------------------------------


@pytest.fixture
def versions(folder: Folder) -> list[str]:
    """What the model `a` predicts as of its snapshots, the first one first, and as of now."""
    folder.drop(a="-b 10")
    predicted = []
    for _ in range(3):
        predicted.append(learned(folder, 5))
        folder.durable().take()
        folder.durable().finish()
    predicted.append(learned(folder, 5))
    return predicted


def pin(folder: Folder, number: int, more: str = "") -> list[str]:
    """Pin a version of the model `a`; what is wrong."""
    folder.write("a", f"vw: -b 10\nversion: {{pin: {number}}}\n{more}")
    return folder.apply()


def state_of(folder: Folder) -> dict[str, bytes]:
    """What is on disk of the model `a`."""
    state = folder.root / "state" / "a"
    return {str(file.relative_to(state)): file.read_bytes() for file in state.rglob("*") if file.is_file()}


def test_a_version_is_served_as_it_is_and_learns_nothing(folder: Folder, versions: list[str]) -> None:
    for number in (2, 1, 3):
        assert pin(folder, number) == []
        assert folder.predicts() == versions[number - 1]
        assert learned(folder) == versions[number - 1]
        figures = folder.figures()
        assert (figures["pinned"], figures["snapshot"]["number"], figures["learn"]) == (number, number, False)
        assert (figures["lineage"], figures["version"], figures["journal"]) == (1, 1, None)
        assert figures["learned"] == 5 * number
    folder.reopen()
    assert folder.predicts() == versions[2]


def test_what_it_learned_until_then_is_kept_and_goes_on_when_it_is_unpinned(
    folder: Folder, versions: list[str]
) -> None:
    pin(folder, 1)
    assert len(folder.daemon.registry.names()) == 1
    before = state_of(folder)
    assert {"snapshots/4.vw", "snapshots/4.json"} < before.keys()  # the last one, of what came after the third
    learned(folder)
    folder.tick(1000.0)
    assert state_of(folder) == before
    folder.drop(a="-b 10")
    assert folder.predicts() == versions[3]
    assert "pinned" not in folder.figures()
    assert learned(folder) != versions[3]
    assert folder.figures()["learned"] == 40


def test_the_last_snapshot_of_a_model_does_not_push_out_the_one_that_is_pinned(
    folder: Folder, versions: list[str]
) -> None:
    folder.write("a", "vw: -b 10\nsnapshot: {keep: 3}")
    folder.apply()
    assert pin(folder, 1, "snapshot: {keep: 3}") == []
    assert folder.predicts() == versions[0]
    folder.reopen()
    assert folder.predicts() == versions[0]
    folder.write("a", "vw: -b 10\nsnapshot: {keep: 3}")  # then it counts like any other
    folder.apply()
    learned(folder)
    folder.durable().take()
    folder.durable().finish()
    (problem,) = pin(folder, 1)
    assert "has no snapshot 1; the newest are 5, 4, 3" in problem


def test_the_model_goes_on_where_there_is_no_such_version(folder: Folder, versions: list[str]) -> None:
    (problem,) = pin(folder, 17)
    assert problem.endswith("has no snapshot 17; the newest are 3, 2, 1")
    assert folder.predicts() == versions[3]
    assert learned(folder) != versions[3]


def test_a_version_that_is_damaged_is_refused(folder: Folder, versions: list[str]) -> None:
    flip(folder.root / "state" / "a" / "snapshots" / "2.vw")
    (problem,) = pin(folder, 2)
    assert "2.vw is not as it was taken" in problem
    assert folder.predicts() == versions[3]


def test_a_version_of_a_model_that_was_made_otherwise_is_refused(folder: Folder, versions: list[str]) -> None:
    folder.write("a", "vw: -b 10 -l 0.1\nversion: {pin: 2}")
    (problem,) = folder.apply()
    assert "snapshot 2 is of a model made otherwise: VW's arguments were '-b 10' and are '-b 10 -l 0.1'" in problem
    assert folder.predicts() == versions[3]


def test_a_model_without_state_has_no_version(folder: Folder) -> None:
    (problem,) = pin(folder, 1)
    assert "there is no version 1 to pin; let the model learn first" in problem
    assert folder.registry.names() == []


def test_a_model_is_pinned_although_a_rollback_runs_which_comes_to_nothing(folder: Folder, versions: list[str]) -> None:
    rollback = Rollback(folder)
    assert pin(folder, 1) == []
    with pytest.raises(GivenUp):
        assert rollback.waiting.result
    assert folder.predicts() == versions[0]


def test_the_model_learns_until_the_version_that_is_pinned_serves(held: Folder) -> None:
    drop(held, "a", "vw: -b 10")
    before = learned(held)
    held.durable().take()
    held.durable().finish()
    held.write("a", "vw: -b 10\nversion: {pin: 1}")
    done = held.begin()
    run(held)
    held.model().learn(["1 |u a"])
    finish(held)
    assert done.done
    assert held.predicts() == before
    drop(held, "a", "vw: -b 10")
    assert held.figures()["learned"] == 21


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
        folder.kinds = finder.find(tmp_path).kinds
        assert folder.apply() == []
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
