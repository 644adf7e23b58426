"""A drop that is not the one a model learned with: refused, learned again, or begun anew; never mixed."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.conftest import write_models
from tests.faults import reference
from tests.faults.clients import Talker
from tests.faults.daemons import (
    CLICK,
    FITTED,
    PLAIN,
    Daemon,
    Model,
    answers_of,
    check_nothing_missing,
    fit,
    wait_until,
    write_drops,
)

pytestmark = pytest.mark.fault

OTHERWISE = replace(CLICK, arguments=CLICK.arguments + " --noconstant")
ENOUGH = 300  # requests


def start(folder: Path, daemons: list[Daemon]) -> Daemon:
    """The daemon."""
    daemons.append(Daemon(folder, PLAIN))
    return daemons[-1]


def talk(daemon: Daemon, model: Model, name: str) -> Talker:
    """A client that has talked."""
    talker = model.talker(daemon, name, 50)
    talker.start()
    wait_until(lambda: talker.answered > ENOUGH)
    talker.stop()
    talker.join()
    return talker


def learned(folder: Path, models: list[Model], daemons: list[Daemon], ended: bool) -> list[Talker]:
    """Have models learn, with snapshots on the way, until the daemon ends; the clients from whom they did.

    Where it ends well, there is a last snapshot, else a journal to be learned again.
    """
    write_drops(folder, models)
    daemon = start(folder, daemons)
    talkers = []
    for part in ("a", "b"):
        talkers += [talk(daemon, model, f"{model.name}{part}") for model in models]
        for model in models:
            daemon.operate(f"snapshot {model.name}")
    talkers += [talk(daemon, model, f"{model.name}c") for model in models]
    if ended:
        daemon.stop()
    else:
        daemon.crash()
    return talkers


def change(folder: Path, model: Model, on_change: str = "") -> None:
    """Write another drop in the place of the model's."""
    more = f"on_change: {on_change}\n" if on_change else ""
    write_models(folder, {model.name: model.drop.format(model.arguments) + more})


def test_other_arguments_are_refused_and_the_other_models_served(
    folder: Path, tmp_path: Path, daemons: list[Daemon]
) -> None:
    talkers = learned(folder, [CLICK, FITTED], daemons, ended=True)
    change(folder, OTHERWISE)
    daemon = start(folder, daemons)
    problem = daemon.wait_for("click.yaml")
    assert "--noconstant" in problem
    assert "Undo the change, or say `on_change: replay`" in problem
    assert daemon.ask(b"!models\n") == b"fitted\n"
    assert daemon.ask(b"1 'x-1 |u a\n").startswith(b"!error no-model")
    FITTED.check_against_vw(daemon, answers_of(talkers)["fitted"], tmp_path)
    change(folder, CLICK)
    assert daemon.operate("reload") == {"models": ["click", "fitted"], "problems": []}
    CLICK.check_against_vw(daemon, answers_of(talkers)["click"], tmp_path)


def test_other_arguments_under_a_running_model_are_refused_and_it_goes_on(
    folder: Path, tmp_path: Path, daemons: list[Daemon]
) -> None:
    write_drops(folder, [CLICK])
    daemon = start(folder, daemons)
    talkers = [talk(daemon, CLICK, "a")]
    change(folder, OTHERWISE)
    (problem,) = daemon.operate("reload")["problems"]
    assert "--noconstant" in problem
    talkers.append(talk(daemon, CLICK, "b"))
    CLICK.check_against_vw(daemon, answers_of(talkers)["click"], tmp_path)
    # And so is a restart under them.
    daemon.crash()
    assert start(folder, daemons).ask(b"!models\n") == b"\n"


def test_other_arguments_are_learned_from_the_journal_where_that_is_chosen(
    folder: Path, tmp_path: Path, daemons: list[Daemon]
) -> None:
    talkers = learned(folder, [CLICK], daemons, ended=False)
    change(folder, OTHERWISE, "replay")
    daemon = start(folder, daemons)
    OTHERWISE.check_against_vw(daemon, {}, tmp_path)
    assert daemon.statistics("click")["lineage"] == 2
    after = talk(daemon, OTHERWISE, "d")
    OTHERWISE.check_against_vw(daemon, answers_of([after])["click"], tmp_path)
    daemon.crash()
    daemon = start(folder, daemons)
    check_nothing_missing(OTHERWISE, folder, [*talkers, after])
    OTHERWISE.check_against_vw(daemon, answers_of([after])["click"], tmp_path)


def test_a_model_begins_anew_where_that_is_chosen(folder: Path, tmp_path: Path, daemons: list[Daemon]) -> None:
    talkers = learned(folder, [CLICK], daemons, ended=False)
    before = CLICK.journal(folder)
    change(folder, OTHERWISE, "fresh")
    daemon = start(folder, daemons)
    assert set(daemon.ask(CLICK.probes()).splitlines()) == {b"0.500000 asked"}
    after = talk(daemon, OTHERWISE, "d")
    for _ in range(2):
        assert check_nothing_missing(OTHERWISE, folder, [*talkers, after])
        statistics = daemon.statistics("click")
        assert statistics["learned"] == len(after.learned)
        assert statistics["journal"] == len(reference.tags_in(before)) + len(after.learned)
        OTHERWISE.check_against_vw(daemon, answers_of([after])["click"], tmp_path)
        daemon.crash()
        daemon = start(folder, daemons)


def test_another_artifact_is_another_model(folder: Path, tmp_path: Path, daemons: list[Daemon]) -> None:
    talkers = learned(folder, [FITTED], daemons, ended=False)
    artifact = folder / "models.d" / "fitted.mdl.json"
    first = artifact.read_bytes()
    fit(folder, FITTED, "another seed")
    assert artifact.read_bytes() != first
    daemon = start(folder, daemons)
    assert "transform mdl has other" in daemon.wait_for("fitted.yaml")
    assert daemon.ask(b"!models\n") == b"\n"
    artifact.write_bytes(first)
    daemon.operate("reload")
    FITTED.check_against_vw(daemon, answers_of(talkers)["fitted"], tmp_path)
    fit(folder, FITTED, "another seed")
    change(folder, FITTED, "replay")
    assert daemon.operate("reload")["problems"] == []
    FITTED.check_against_vw(daemon, {}, tmp_path)
    daemon.crash()
    FITTED.check_against_vw(start(folder, daemons), {}, tmp_path)
