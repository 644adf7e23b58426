"""The machine loses power under load: what a disk may have lost by then is taken away, and the daemon starts again."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread

import pytest

from tests.faults import reference
from tests.faults.clients import Operator, Talker
from tests.faults.daemons import (
    BANDIT,
    CLICK,
    LYING,
    Daemon,
    Model,
    answers_of,
    check_nothing_missing,
    wait_until,
    write_drops,
)
from tests.faults.power_cut import Chance, Least, Recorded

pytestmark = pytest.mark.fault

MODELS = (CLICK, BANDIT)
LONGEST_LOAD_S = 1.5
SMALL_SEGMENT = 1 << 16
POLICY = "snapshot: {{every: 1s, keep: 5}}\njournal: {{sync: {}}}\n"


def start(folder: Path, daemons: list[Daemon]) -> tuple[Daemon, Recorded]:
    """A daemon whose every change of a file is written down, with small files, so that there are many."""
    recorded = Recorded(folder)
    daemons.append(Daemon(folder, LYING, LYING_DISK=str(folder), SEGMENT_BYTES=str(SMALL_SEGMENT)))
    return daemons[-1], recorded


def talk(daemon: Daemon, name: str) -> list[Talker]:
    """Clients of all models, some of which pipeline, and some of which wait for each answer."""
    talkers = [
        model.talker(daemon, f"{model.name}{name}{style}", window)
        for model in MODELS
        for style, window in (("p", 1000), ("l", 1), ("m", 1))
    ]
    for talker in talkers:
        talker.start()
    return talkers


def crash(daemon: Daemon, clients: Sequence[Thread]) -> None:
    """Kill the daemon, and wait until its clients have noticed."""
    daemon.crash()
    for client in clients:
        client.join()


def unsafe_bytes(recorded: Recorded, model: Model) -> int:
    """How much a power cut could take from a model's journal now."""
    return recorded.unsafe_bytes(recorded.state / model.name / "journal")


def journals(folder: Path) -> Mapping[str, bytes]:
    """What the journals have, by model."""
    return {model.name: model.journal(folder) for model in MODELS}


def check_prefix(model: Model, daemon: Daemon, before: bytes) -> int:
    """See to it that what a journal lost is its end; how many of its examples that is."""
    after = model.journal(daemon.folder)
    assert before.startswith(after)
    return len(reference.tags_in(before)) - len(reference.tags_in(after))


def test_what_was_answered_survives_where_every_answer_waits_for_the_disk(
    folder: Path, tmp_path: Path, drills: int, daemons: list[Daemon]
) -> None:
    write_drops(folder, MODELS, POLICY.format("always"))
    chance = random.Random(5)
    talkers: list[Talker] = []
    lost = 0
    daemon, recorded = start(folder, daemons)
    rounds = (drills + 1) // 2
    for drill in range(rounds):
        talkers += (fresh := talk(daemon, str(drill)))
        operator = Operator(daemon.control(), [model.name for model in MODELS])
        operator.start()
        fresh[0].join(chance.uniform(0.05, LONGEST_LOAD_S))
        crash(daemon, [*fresh, operator])
        before = journals(folder)
        recorded.cut(Least() if drill % 2 else Chance(str(drill)))
        for model, number in operator.taken[-len(MODELS) :]:
            assert (folder / "state" / model / "snapshots" / f"{number}.json").exists()
        daemon, recorded = start(folder, daemons)
        for each in MODELS:
            lost += check_prefix(each, daemon, before[each.name])
            check_nothing_missing(each, folder, talkers)
    for each in MODELS:
        each.check_against_vw(daemon, answers_of(talkers)[each.name], tmp_path)
    daemon.stop()
    answered = sum(len(each) for each in answers_of(talkers).values())
    print(f"{rounds} power cuts; {answered} requests answered, {lost} unanswered ones lost")


def test_only_the_end_is_lost_where_the_disk_is_synced_every_second(
    folder: Path, tmp_path: Path, drills: int, daemons: list[Daemon]
) -> None:
    write_drops(folder, MODELS, POLICY.format("everysec"))
    talkers: list[Talker] = []
    daemon, recorded = start(folder, daemons)
    for drill in range((drills + 3) // 4):
        talkers += (fresh := talk(daemon, str(drill)))
        operator = Operator(daemon.control(), [model.name for model in MODELS])
        operator.start()
        fresh[0].join(LONGEST_LOAD_S)
        crash(daemon, [*fresh, operator])
        before, unsafe = journals(folder), {model.name: unsafe_bytes(recorded, model) for model in MODELS}
        recorded.cut(Least() if drill % 2 else Chance(str(drill)))
        daemon, recorded = start(folder, daemons)
        for model in MODELS:
            check_prefix(model, daemon, before[model.name])
            assert len(model.journal(folder)) >= len(before[model.name]) - unsafe[model.name]
            model.check_against_vw(daemon, answers_of(talkers)[model.name], tmp_path)
    daemon.stop()


def test_an_idle_model_soon_has_nothing_to_lose(folder: Path, daemons: list[Daemon]) -> None:
    write_drops(folder, MODELS, POLICY.format("everysec"))
    daemon, recorded = start(folder, daemons)
    talkers = talk(daemon, "idle")
    wait_until(lambda: all(talker.answered > 20 for talker in talkers))
    for talker in talkers:
        talker.stop()
        talker.join()
    wait_until(lambda: not any(unsafe_bytes(recorded, model) for model in MODELS))
    daemon.crash()
    recorded.cut(Least())
    start(folder, daemons)
    for model in MODELS:
        check_nothing_missing(model, folder, talkers)


def test_a_cut_takes_what_is_left_to_the_system(folder: Path, daemons: list[Daemon]) -> None:
    write_drops(folder, MODELS, "journal: {sync: os}\n")
    daemon, recorded = start(folder, daemons)
    talkers = talk(daemon, "os")
    wait_until(lambda: all(talker.answered for talker in talkers))
    crash(daemon, talkers)
    before = journals(folder)
    recorded.cut(Least())
    daemon, _ = start(folder, daemons)
    for model in MODELS:
        assert check_prefix(model, daemon, before[model.name]) == len(reference.tags_in(before[model.name])) > 0


def test_what_comes_after_a_rollback_is_kept_though_the_end_before_it_was_lost(
    folder: Path, tmp_path: Path, daemons: list[Daemon]
) -> None:
    write_drops(folder, [CLICK], "journal: {sync: os}\n")
    daemon, recorded = start(folder, daemons)
    first = CLICK.talker(daemon, "first", 1000)
    first.start()
    wait_until(lambda: first.answered > 1000)
    assert daemon.operate("snapshot click")["number"] == 1
    # What comes while the rollback's own snapshot is taken is in no snapshot, and on no disk.
    rolled = daemon.operate("rollback click 1")
    assert rolled["lineage"] == 2
    crash(daemon, [first])
    recorded.cut(Least())
    daemon, _ = start(folder, daemons)
    after = CLICK.talker(daemon, "after", 100)
    after.start()
    wait_until(lambda: after.answered > 1000)
    after.stop()
    after.join()
    asked = CLICK.probes()
    answers, learned = daemon.ask(asked), daemon.statistics("click")["learned"]
    daemon.crash()
    daemon, _ = start(folder, daemons)
    assert daemon.ask(asked) == answers
    assert daemon.statistics("click")["learned"] == learned
    CLICK.check_against_vw(daemon, answers_of([after])["click"], tmp_path)
    assert check_nothing_missing(CLICK, folder, [after]) == len(after.learned)
