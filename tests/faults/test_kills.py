"""kill -9 at random moments, under load: no answered line is missing, and the models are those that `vw` learns."""

import random
from pathlib import Path
from threading import Thread

import pytest

from tests.faults.clients import Operator, Talker
from tests.faults.daemons import (
    BANDIT,
    CLICK,
    FITTED,
    LYING,
    PLAIN,
    Daemon,
    answers_of,
    check_nothing_missing,
    wait_until,
    write_drops,
)

pytestmark = pytest.mark.fault

MODELS = (CLICK, BANDIT, FITTED)
LONGEST_LOAD_S = 1.2
SMALL_SEGMENT = str(1 << 18)
COMPARED_EVERY = 4  # drills


def test_kills_at_random_moments_lose_nothing_that_was_answered(
    folder: Path, tmp_path: Path, drills: int, daemons: list[Daemon]
) -> None:
    write_drops(folder, MODELS, "snapshot: {every: 1s, keep: 5}\n")
    chance = random.Random(4)
    talkers: list[Talker] = []
    mixed = 0
    for drill in range(drills):
        daemon = start(folder, drill, daemons)
        if drill:
            mixed += check(daemon, talkers)
        if drill and drill % COMPARED_EVERY == 0:
            compare(daemon, talkers, tmp_path)
        fresh = talk(daemon, drill)
        talkers += fresh
        operator = Operator(daemon.control(), [model.name for model in MODELS])
        operator.start()
        fresh[0].join(chance.uniform(0.02, LONGEST_LOAD_S))
        daemon.crash()
        for thread in (*fresh, operator):
            thread.join()
        assert all(talker.lost for talker in fresh)
        taken = operator.taken[-len(MODELS) :]
        assert all((folder / "state" / model / "snapshots" / f"{number}.json").exists() for model, number in taken)
    daemon = start(folder, drills, daemons)
    mixed += check(daemon, talkers)
    compare(daemon, talkers, tmp_path)
    assert mixed, "no restart went on from a snapshot and learned the journal after it"
    answered = sum(len(each) for each in answers_of(talkers).values())
    learned = {model.name: daemon.statistics(model.name)["learned"] for model in MODELS}
    print(f"{drills} kills; learned {learned}, of which {answered} were answered; {mixed} of {drills * len(MODELS)}")
    daemon.stop()


def test_kills_in_rollbacks_leave_one_model_or_the_other(
    folder: Path, tmp_path: Path, drills: int, daemons: list[Daemon]
) -> None:
    write_drops(folder, [CLICK], "snapshot: {every: 1s, keep: 50}\n")
    chance = random.Random(6)
    lineages = []
    daemon = start(folder, 0, daemons)
    for drill in range((drills + 1) // 2):
        talkers = revised(daemon, drill)
        assert "number" in daemon.operate("snapshot click")
        operator = Reviser(daemon, chance)
        operator.start()
        talkers[0].join(chance.uniform(0.02, LONGEST_LOAD_S))
        daemon.crash()
        for thread in (*talkers, operator):
            thread.join()
        daemon = start(folder, drill + 1, daemons)
        lineages.append(daemon.statistics("click")["lineage"])
        check_nothing_missing(CLICK, folder, talkers)
        assert lineages[-1] >= operator.lineage
        CLICK.check_against_vw(daemon, {}, tmp_path)
    assert lineages[-1] > 1, "no rollback came about"
    print(f"{len(lineages)} kills in rollbacks; lineages {lineages}")


def revised(daemon: Daemon, drill: int) -> list[Talker]:
    """Clients of the model that is rolled back, which has learned something by now."""
    talkers = [CLICK.talker(daemon, f"r{drill}-{window}", window) for window in (1, 300)]
    for talker in talkers:
        talker.start()
    wait_until(lambda: bool(daemon.statistics("click")["learned"]))
    return talkers


class Reviser(Thread):
    """Rolls the model back again and again, in every way, until the daemon is gone; `lineage` is the last answered."""

    def __init__(self, daemon: Daemon, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.lineage = 1
        self._control = daemon.control()
        self._chance = chance

    def run(self) -> None:
        """Revise."""
        try:
            while True:
                listed = self._control.ask("snapshots click")
                back = self._chance.choice([0, *(each["number"] for each in listed)])
                last = self._control.ask("stats click")["journal"]
                first = self._chance.randint(1, last)
                how = self._chance.choice(["", f" replay-until #{first}", f" skip {first}..{first + 50}"])
                answer = self._control.ask(f"rollback click {back}{how}")
                self.lineage = max(self.lineage, answer.get("lineage", 1))
        except (BrokenPipeError, ConnectionResetError):
            self._control.close()


def start(folder: Path, drill: int, daemons: list[Daemon]) -> Daemon:
    """The daemon, every other time with small files, so that some are closed, renamed and compressed meanwhile."""
    small = drill % 2 == 1
    daemons.append(Daemon(folder, LYING, SEGMENT_BYTES=SMALL_SEGMENT) if small else Daemon(folder, PLAIN))
    return daemons[-1]


def talk(daemon: Daemon, drill: int) -> list[Talker]:
    """Clients of all models, some of which pipeline, and some of which wait for each answer."""
    talkers = [
        model.talker(daemon, f"{model.name}{drill}{style}", window)
        for model in MODELS
        for style, window in (("p", 1000), ("q", 300), ("l", 1))
    ]
    for talker in talkers:
        talker.start()
    return talkers


def check(daemon: Daemon, talkers: list[Talker]) -> int:
    """See to it that nothing is missing; how many models went on from a snapshot and the journal after it."""
    mixed = 0
    for model in MODELS:
        count = check_nothing_missing(model, daemon.folder, talkers)
        statistics = daemon.statistics(model.name)
        assert statistics["journal"] == statistics["learned"] == count
        listed = daemon.operate(f"snapshots {model.name}")
        current = [each["journal"] for each in listed if each["current"]]
        mixed += bool(current) and current[0] < count
    return mixed


def compare(daemon: Daemon, talkers: list[Talker], scratch: Path) -> None:
    """Hold all models against `vw`."""
    answers = answers_of(talkers)
    for model in MODELS:
        model.check_against_vw(daemon, answers[model.name], scratch)
