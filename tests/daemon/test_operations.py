"""What the control channel can be asked for, on a daemon without sockets: its models, snapshots and rollbacks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.memory import NOW_S, PATIENCE_S, Reactor, Waiting
from tests.daemon.running import Command, Ran, recording
from tests.durability.power import Held
from vwserve.daemon import switching
from vwserve.daemon.service import Daemon
from vwserve.daemon.settings import read_settings
from vwserve.durability.durable import Durable
from vwserve.durability.lock import Lock
from vwserve.durability.snapshot import SnapshotError
from vwserve.durability.taking import Taking
from vwserve.errors import RequestError
from vwserve.model.servable import Servable

CTR = "--loss_function logistic --link logistic -b 10"
GOOD, BAD, LATER = b"1 |u a\n" * 20, b"-1 |u a\n" * 40, b"-1 |u b\n1 |u a\n" * 5
QUESTION = b"|u a\n|u b\n"


@pytest.fixture
def ran(tmp_path: Path) -> Iterator[Ran]:
    """A daemon with the model ctr."""
    with recording() as logged:
        ran = Ran(tmp_path, logged)
        ran.start()
        yield ran
        ran.stop()
    until_s = time.monotonic() + PATIENCE_S  # one that was given up is waited for by a thread
    while time.monotonic() < until_s:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        time.sleep(0.01)
    pytest.fail("a child is left")


def learned(*texts: bytes) -> bytes:
    """What a model is answered that learned just this."""
    servable = Servable("fresh", CTR)
    servable.answer(b"".join(texts))
    answers = servable.answer(QUESTION)
    servable.close()
    return answers


def error(answer: Any) -> tuple[str, str]:
    """The code and the text of an error."""
    return answer["error"], answer["text"]


# -- telling ---------------------------------------------------------------------------------------------------------


def test_the_figures_of_a_model_are_those_of_the_line_protocol(ran: Ran) -> None:
    ran.ask(GOOD)
    assert ran.ctl("stats ctr") == ran.stats()
    assert ran.ctl("models") == [ran.stats()]
    assert (ran.stats()["learned"], ran.stats()["journal"], ran.stats()["not_ready"]) == (20, 20, None)


def test_an_unknown_model_is_told(ran: Ran) -> None:
    for command in ("stats cvr", "snapshot cvr", "snapshots cvr", "rollback cvr 1"):
        assert error(ran.ctl(command)) == ("no-model", "no model is called 'cvr'; !models lists them")


def test_a_static_model_takes_no_snapshots(ran: Ran) -> None:
    ran.drop("static", "-b 10\nlearn: false")
    assert ran.ctl("reload") == {"models": ["ctr", "static"], "problems": []}
    for command in ("snapshot static", "rollback static 1"):
        assert error(ran.ctl(command)) == ("bad-request", "static does not learn: it takes no snapshots")
    assert ran.ctl("snapshots static") == []


def test_drops_that_cannot_be_served_are_listed_with_what_is_wrong(ran: Ran) -> None:
    ran.drop("typo", "--loss_functoin logistic")
    ran.drop("broken", "[")
    ran.drop("ctr", "-b 10 --nonsense")
    problems = ran.ctl("reload")["problems"]
    broken, ctr, typo = ran.ctl("models")
    assert [each["model"] for each in (broken, ctr, typo)] == ["broken", "ctr", "typo"]
    assert [each["state"] for each in (broken, ctr, typo)] == ["failed", "ok", "failed"]
    assert [each["problem"] for each in (broken, ctr, typo)] == sorted(problems)
    assert "typo.yaml:1: vw: unknown VW option '--loss_functoin'" in typo["problem"]
    assert typo["file"] == str(ran.folder / "models.d" / "typo.yaml")
    assert ctr["examples"] == 0


def test_it_is_ready_or_says_why_not(ran: Ran) -> None:
    assert ran.ctl("ready") == {"ready": True, "reasons": []}
    ran.drop("typo", "--loss_functoin logistic")
    (problem,) = ran.ctl("reload")["problems"]
    assert ran.ctl("ready") == {"ready": False, "reasons": [f"typo is not served: {problem}"]}
    (ran.folder / "models.d" / "typo.yaml").unlink()
    ran.ctl("reload")
    journal = ran.folder / "state" / "ctr" / "journal"
    journal.rename(ran.folder / "aside")
    ran.reactor.advance(1.0)
    (reason,) = ran.ctl("ready")["reasons"]
    assert reason.startswith("ctr predicts, and does not learn: ")
    (ran.folder / "aside").rename(journal)
    for _ in range(10):
        ran.reactor.advance(1.0)
        ran.reactor.settle()
    assert ran.ctl("ready") == {"ready": True, "reasons": []}
    assert ran.ask(b"1 |u a\n") == b"0.500000\n"


# -- snapshots -------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_described_once_it_is_on_disk(ran: Ran) -> None:
    ran.ask(GOOD)
    ran.reactor.advance(0.5)
    command = ran.command("snapshot ctr")
    assert not command.done
    taken = command.answer
    assert (taken["number"], taken["time"], taken["journal"], taken["lineage"]) == (1, NOW_S + 0.5, 20, 1)
    assert (taken["examples"], taken["learned"]) == (20, 20)
    assert taken["loss"] == pytest.approx(ran.stats()["loss"])
    assert taken["bytes"] == (ran.folder / "state" / "ctr" / "snapshots" / "1.vw").stat().st_size
    assert ran.stats()["snapshot"] == {"number": 1, "age": 0.0}


def test_snapshots_are_listed_newest_first_and_the_current_one_is_marked(ran: Ran) -> None:
    assert ran.ctl("snapshots ctr") == []
    taken = []
    for _ in range(3):
        ran.ask(GOOD)
        taken.append(ran.ctl("snapshot ctr"))
    listed = ran.ctl("snapshots ctr")
    assert listed == [{**each, "current": each["number"] == 3} for each in reversed(taken)]
    ran.ctl("rollback ctr 2")
    assert [each["number"] for each in ran.ctl("snapshots ctr") if each["current"]] == [2]


def test_snapshots_are_taken_when_they_are_due(ran: Ran) -> None:
    ran.ask(GOOD)
    for _ in range(302):
        ran.reactor.advance(1.0)
        ran.reactor.settle()
    assert ran.snapshots() == ["1.json", "1.vw"]
    assert 0.0 <= ran.stats()["snapshot"]["age"] <= 2.0


# -- rollback --------------------------------------------------------------------------------------------------------


def test_a_rollback_takes_the_model_back_and_can_be_undone(ran: Ran) -> None:
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    ran.ask(BAD)
    rolled = ran.ctl("rollback ctr 1")
    assert rolled == {
        "model": "ctr",
        "lineage": 2,
        "snapshot": 1,
        "learned_from_journal": "1-20, 61-",
        "journal": 60,
        "undo": "rollback ctr 2",
        "no_undo": None,
    }
    assert ran.ask(QUESTION) == learned(GOOD)
    assert (ran.stats()["lineage"], ran.stats()["version"], ran.stats()["snapshot"]["number"]) == (2, 2, 1)
    undone = ran.ctl(rolled["undo"])
    assert (undone["lineage"], undone["learned_from_journal"]) == (3, "1-")
    assert ran.ask(QUESTION) == learned(GOOD, BAD)


@pytest.mark.parametrize("more", ["", "\njournal: false"])
def test_a_rollback_is_undone_without_a_journal_and_without_a_child(
    more: str, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "REPLAYED_IN_PLACE", 0)
    ran.drop("ctr", CTR + more)
    ran.ctl("reload")
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    ran.ask(BAD)
    rolled = ran.ctl("rollback ctr 1")
    undone = ran.ctl(rolled["undo"])
    assert ran.ask(QUESTION) == learned(GOOD, BAD)
    assert ran.stats()["snapshot"]["number"] == 2
    assert undone["undo"] == "rollback ctr 3"  # which has learned less than 2, and has a greater number
    assert "4.vw" not in ran.snapshots()  # which a child would have made
    ran.restart()
    assert ran.ask(QUESTION) == learned(GOOD, BAD)


def test_a_rollback_of_a_model_that_learned_nothing_is_undone_by_one_to_the_beginning(ran: Ran) -> None:
    assert ran.ctl("rollback ctr 0")["undo"] == "rollback ctr 0"
    assert ran.snapshots() == []


def test_a_replay_until_before_anything_was_learned_is_refused(ran: Ran) -> None:
    ran.ask(GOOD)
    code, text = error(ran.ctl("rollback ctr 0 replay-until 2020-01-01T00:00Z"))
    assert code == "bad-request"
    assert "ctr had learned nothing by then" in text
    assert ran.ask(QUESTION) == learned(GOOD)
    assert ran.snapshots() == []


def test_what_is_learned_after_a_rollback_is_undone_with_it(ran: Ran) -> None:
    ran.ask(GOOD)
    rolled = ran.ctl("rollback ctr 0")
    assert ran.ask(QUESTION) == learned()
    ran.ask(LATER)
    assert ran.ask(QUESTION) == learned(LATER)
    again = ran.ctl(rolled["undo"])
    assert ran.ask(QUESTION) == learned(GOOD)
    ran.ctl(again["undo"])
    assert ran.ask(QUESTION) == learned(LATER)


def test_a_rollback_outlives_the_daemon(ran: Ran) -> None:
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    ran.ask(BAD)
    ran.ctl("rollback ctr 1")
    ran.ask(LATER)
    expected = learned(GOOD, LATER)
    assert ran.ask(QUESTION) == expected
    ran.restart()
    assert ran.ask(QUESTION) == expected
    assert ran.stats()["lineage"] == 2


@pytest.mark.parametrize("child", [False, True])
@pytest.mark.parametrize(
    ("options", "expected", "from_journal"),
    [
        ("replay-until #20", [GOOD], "1-20, 71-"),
        ("replay-until now", [GOOD, BAD, LATER], "1-"),
        (f"replay-until {NOW_S + 50:.0f}", [GOOD], "1-20, 71-"),
        ("skip 21..60", [GOOD, LATER], "1-20, 61-"),
        ("skip ..60", [LATER], "61-"),
        ("skip 21..", [GOOD], "1-20, 71-"),
        ("skip 21..30 skip 31..60", [GOOD, LATER], "1-20, 61-"),
        (f"skip @{NOW_S + 50:.0f}..@{NOW_S + 150:.0f}", [GOOD, LATER], "1-20, 61-"),
        ("skip 21..60 replay-until #60", [GOOD], "1-20, 71-"),
    ],
)
def test_what_spoilt_a_model_is_left_out(
    options: str, expected: list[bytes], from_journal: str, child: bool, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    if child:
        monkeypatch.setattr(switching, "REPLAYED_IN_PLACE", 0)
    for text in (GOOD, BAD, LATER):
        ran.ask(text)
        ran.reactor.advance(100.0)
    rolled = ran.ctl(f"rollback ctr 0 {options}")
    assert rolled["learned_from_journal"] == from_journal
    assert ran.ask(QUESTION) == learned(*expected)
    ran.restart()
    assert ran.ask(QUESTION) == learned(*expected)


def test_from_a_snapshot_on_only_what_came_after_it_is_replayed(ran: Ran) -> None:
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    ran.ask(BAD + LATER)
    rolled = ran.ctl("rollback ctr 1 skip 21..60")
    assert rolled["learned_from_journal"] == "1-20, 61-"
    assert ran.ask(QUESTION) == learned(GOOD, LATER)


@pytest.mark.parametrize("when", ["now", f"{NOW_S + 3600:.0f}"])
def test_now_and_later_is_all_that_was_learned_when_the_command_began(when: str, ran: Ran) -> None:
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    client = ran.connect()
    client.ask(BAD)  # in the same second, at the end of which it is noted when that was
    command = ran.command(f"rollback ctr 1 replay-until {when}")
    client.ask(LATER)
    ran.reactor.advance(0.0)
    client.leave()
    assert command.answer["learned_from_journal"] == "1-60, 71-"
    assert ran.ask(QUESTION) == learned(GOOD, BAD)
    ran.ask(LATER)
    assert ran.ctl(f"rollback ctr 1 skip 61..@{NOW_S + 3600:.0f}")["learned_from_journal"] == "1-60, 81-"


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ("99", "failed", "has no snapshot 99; the newest are 1"),
        ("1 replay-until #100", "bad-request", "there is no example 100: the journal of ctr ends at example 60"),
        ("1 skip 61..70", "bad-request", "there is no example 70: the journal of ctr ends at example 60"),
        ("1 skip @1..@2", "bad-request", "no example of ctr is from "),
    ],
)
def test_a_rollback_that_asks_for_what_is_not_there_changes_nothing(
    options: str, code: str, text: str, ran: Ran
) -> None:
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    ran.ask(BAD)
    found, told = error(ran.ctl(f"rollback ctr {options}"))
    assert found == code
    assert text in told
    assert ran.stats()["lineage"] == 1
    assert ran.snapshots() == ["1.json", "1.vw"]  # nor is a snapshot taken for it


def test_a_snapshot_of_a_model_that_was_made_otherwise_is_refused(ran: Ran) -> None:
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    ran.drop("ctr", "-b 11\non_change: fresh")
    assert ran.ctl("reload")["problems"] == []
    code, text = error(ran.ctl("rollback ctr 1"))
    assert code == "failed"
    assert "snapshot 1 is of a model made otherwise: VW's arguments were " in text
    assert ran.snapshots() == ["1.json", "1.vw"]


def test_the_oldest_snapshot_that_is_kept_can_be_returned_to(ran: Ran) -> None:
    """To undo the return another one is taken, for which the oldest would have to go."""
    ran.drop("ctr", f"{CTR}\nsnapshot: {{keep: 1}}")
    ran.ctl("reload")
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    (ran.folder / "state" / "ctr" / "aside").mkdir()
    ran.ask(BAD)
    assert ran.ctl("rollback ctr 1")["undo"] == "rollback ctr 2"
    assert ran.ask(QUESTION) == learned(GOOD)
    ran.ask(LATER)
    ran.ctl("snapshot ctr")
    assert ran.snapshots() == ["3.json", "3.vw"]


def test_a_model_without_a_journal_goes_back_to_snapshots_only(ran: Ran) -> None:
    ran.drop("ctr", f"{CTR}\njournal: false")
    ran.ctl("reload")
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    ran.ask(BAD)
    code, text = error(ran.ctl("rollback ctr 1 replay-until #40"))
    assert (code, text) == ("failed", "there is no journal to learn again from; return to a snapshot alone")
    ran.ctl("rollback ctr 1")
    assert ran.ask(QUESTION) == learned(GOOD)


def test_where_no_snapshot_can_be_taken_to_undo_it_a_rollback_is_made_all_the_same(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    ran.ask(BAD)

    def refuse(durable: Durable, for_client: bool) -> Taking:
        raise SnapshotError("the disk is full")

    monkeypatch.setattr(Durable, "take", refuse)
    answer = ran.ctl("rollback ctr 1")
    assert (answer["undo"], answer["no_undo"]) == (None, "the disk is full")
    monkeypatch.undo()
    assert ran.ask(QUESTION) == learned(GOOD)
    assert "ctr: the disk is full" in ran.logged


# -- meanwhile -------------------------------------------------------------------------------------------------------


def test_all_that_clients_send_during_a_rollback_is_served_and_learned(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "_BLOCKS_A_TURN", 1)
    ran.ask(GOOD * 50 + BAD)
    client = ran.connect()
    command = ran.command("rollback ctr 0 skip 1001..1040")
    came = 0
    while not command.done:
        assert client.ask(GOOD).count(b"\n") == 20
        came += 20
        if not ran.reactor.turn():
            ran.reactor.listen()
    assert command.answer["learned_from_journal"] == "1-1000, 1041-"
    assert came > 100
    assert client.ask(QUESTION) == learned(GOOD * 50, b"1 |u a\n" * came)
    assert ran.stats()["errors"] == 0
    client.leave()


def test_one_rollback_of_a_model_at_a_time_and_of_another_one_meanwhile(ran: Ran) -> None:
    ran.drop("cvr", "-b 10")
    ran.ctl("reload")
    ran.ask(GOOD + b"@cvr 1 |u a\n")
    commands = [ran.command(line) for line in ("rollback ctr 0", "rollback ctr 0", "rollback cvr 0")]
    first, second, other = [command.answer for command in commands]
    assert (first["lineage"], other["lineage"]) == (2, 2)
    assert error(second) == (
        "failed",
        "ctr is being rolled back or learning its journal again; wait for the end of that",
    )


def interrupted(ran: Ran, turns: int) -> Command:
    """A rollback that has had so many turns, or waits for a child."""
    ran.ask(GOOD * 100)
    command = ran.command("rollback ctr 0 replay-until #1000")
    for _ in range(turns):
        if not ran.reactor.turn() and ran.reactor.children:
            ran.reactor.listen()
    return command


@pytest.mark.parametrize("child", [False, True])
@pytest.mark.parametrize("turns", range(0, 12, 3))
@pytest.mark.parametrize("drop", [None, "-b 11\non_change: fresh", "-b 10\njournal: false\non_change: fresh"])
def test_a_model_that_is_removed_or_changed_during_a_rollback_is_what_its_drop_says(
    drop: str | None, turns: int, child: bool, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "REPLAYED_IN_PLACE", 0 if child else 50_000)
    monkeypatch.setattr(switching, "_BLOCKS_A_TURN", 1)
    command = interrupted(ran, turns)
    done = command.done
    if drop is None:
        (ran.folder / "models.d" / "ctr.yaml").unlink()
    else:
        ran.drop("ctr", drop)
    assert ran.reload() == []
    if drop is None and not done:
        assert error(command.answer) == ("failed", "ctr was removed or changed meanwhile; nothing was switched")
    else:
        assert command.answer["lineage"] == 2  # what the drop says waits for the end of that
    if drop is None:
        assert ran.ask(b"!models\n") == b"\n"
        ran.drop("ctr", CTR)
        assert ran.ctl("reload")["problems"] == []
        assert ran.ask(QUESTION) == learned(GOOD * (50 if done else 100))
    else:
        assert ran.ask(QUESTION) == b"0\n0\n"
    lineage = ran.stats()["lineage"]
    ran.ask(LATER)
    before = ran.ask(QUESTION)
    ran.restart()
    assert ran.ask(QUESTION) == before
    assert ran.stats()["lineage"] == lineage


@pytest.mark.parametrize("drop", ["-b 11\non_change: fresh", f"{CTR}\njournal: false", f"{CTR}\nlearn: false"])
def test_a_model_may_be_changed_while_its_snapshot_is_taken(drop: str, ran: Ran) -> None:
    ran.ask(GOOD)
    command = ran.command("snapshot ctr")
    assert not command.done
    ran.drop("ctr", drop)
    assert ran.reload() == []
    assert command.answer["number"] == 1
    expected = b"0\n0\n" if "fresh" in drop else learned(GOOD)
    assert ran.ask(QUESTION) == expected
    ran.restart()
    assert ran.ask(QUESTION) == expected


def test_a_model_may_be_removed_while_its_snapshot_is_taken(ran: Ran) -> None:
    ran.ask(GOOD)
    command = ran.command("snapshot ctr")
    assert not command.done
    (ran.folder / "models.d" / "ctr.yaml").rename(ran.folder / "aside")
    assert ran.ctl("reload")["models"] == []
    assert command.answer["number"] == 1
    (ran.folder / "aside").rename(ran.folder / "models.d" / "ctr.yaml")
    ran.ctl("reload")
    assert ran.ask(QUESTION) == learned(GOOD)


# -- changed drops ---------------------------------------------------------------------------------------------------


def test_a_drop_that_changes_a_model_with_much_to_learn_again_takes_effect_once_that_is_done(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "REPLAYED_IN_PLACE", 10)
    ran.ask(GOOD)
    ran.drop("ctr", "-b 11\non_change: replay")
    reloading = Waiting(ran.daemon.reload())
    while not reloading.done:
        assert ran.reactor.turn()
    assert reloading.result == []
    assert ran.ask(QUESTION) == learned(GOOD)
    refused = ran.command("rollback ctr 0")
    assert refused.done
    assert error(refused.answer)[0] == "failed"
    other = Servable("other", "-b 11")
    other.answer(GOOD)
    assert ran.ask(QUESTION) == other.answer(QUESTION)
    other.close()
    file = ran.folder / "models.d" / "ctr.yaml"
    assert f"ctr: becomes what {file} says now" in ran.logged
    assert f"ctr: is what {file} says" in ran.logged
    assert ran.ctl("reload")["problems"] == []
    assert ran.stats()["lineage"] == 2


def test_a_drop_that_comes_to_nothing_is_told_and_tried_again(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    ran.ask(GOOD)
    ran.drop("ctr", "-b 11\non_change: replay")
    problem = f"{ran.folder / 'models.d' / 'ctr.yaml'}: the disk is broken"
    with monkeypatch.context() as broken:
        broken.setattr(Durable, "successor", lambda *_: (_ for _ in ()).throw(SnapshotError("the disk is broken")))
        assert ran.ctl("reload")["problems"] == []  # nobody waits for the snapshot to undo it by
        ran.reactor.settle()
    assert problem in ran.logged
    assert [each["problem"] for each in ran.ctl("models")] == [problem]
    assert ran.ask(QUESTION) == learned(GOOD)
    assert ran.ctl("reload")["problems"] == []
    assert ran.stats()["lineage"] == 2
    assert "problem" not in ran.ctl("models")[0]


# -- forgetting ------------------------------------------------------------------------------------------------------


def test_a_model_that_is_not_served_is_forgotten(ran: Ran) -> None:
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    assert error(ran.ctl("forget ctr"))[0] == "bad-request"
    (ran.folder / "models.d" / "ctr.yaml").rename(ran.folder / "aside")
    ran.reload()
    size = sum(file.stat().st_size for file in (ran.folder / "state" / "ctr").rglob("*") if file.is_file())
    assert ran.ctl("forget ctr") == {"model": "ctr", "bytes": size}
    assert list((ran.folder / "state").iterdir()) == []
    assert error(ran.ctl("forget ctr"))[0] == "no-model"
    (ran.folder / "aside").rename(ran.folder / "models.d" / "ctr.yaml")
    ran.reload()
    assert (ran.stats()["learned"], ran.stats()["lineage"]) == (0, 1)


def test_a_model_that_failed_for_what_it_had_learned_begins_anew_once_that_is_forgotten(ran: Ran) -> None:
    ran.ask(GOOD)
    ran.stop()
    ran.drop("ctr", "-b 11")
    ran.reactor = Reactor()
    ran.daemon = ran.make()
    ran.start()
    assert ran.ctl("models")[0]["state"] == "failed"
    assert ran.ctl("forget ctr")["model"] == "ctr"
    assert ran.ctl("reload") == {"models": ["ctr"], "problems": []}


@pytest.mark.parametrize("name", ["../models.d", ".", "..", "ctr/journal", "no", "a" * 300])
def test_nothing_else_is_forgotten(name: str, ran: Ran) -> None:
    ran.ask(GOOD)
    before = sorted(ran.folder.rglob("*"))
    code, text = error(ran.ctl(f"forget {name}"))
    assert code == "no-model"
    assert "has nothing of a model called " in text
    assert sorted(ran.folder.rglob("*")) == before


def test_what_another_process_serves_is_not_forgotten(ran: Ran) -> None:
    (ran.folder / "state" / "other").mkdir()
    lock = Lock(ran.folder / "state" / "other")
    code, text = error(ran.ctl("forget other"))
    assert code == "failed"
    assert f"is in use by process {os.getpid()}" in text
    lock.release()
    assert ran.ctl("forget other")["model"] == "other"


def test_a_model_that_is_being_loaded_is_not_forgotten(tmp_path: Path) -> None:
    with recording() as logged:
        ran = Ran(tmp_path, logged)
        loader = Held()
        read = partial(read_settings, tmp_path / "vwserve.yaml")
        ran.daemon = Daemon(ran.reactor, read, ran.reactor.seconds, executor=ran.executor, loader=loader)
        loading = Waiting(ran.daemon.load())
        ran.reactor.settle()
        assert loader.jobs
        forgetting = Waiting(ran.daemon._loading.forget("ctr"))
        with pytest.raises(RequestError, match="ctr is served, or about to be"):
            assert forgetting.result
        while not loading.done:
            loader.run()
            ran.reactor.settle()
        stopping = Waiting(ran.daemon.stop())
        while not stopping.done:
            loader.run()
            ran.reactor.settle()


def test_a_drop_that_begins_a_model_anew_takes_a_snapshot_first_and_the_log_has_the_way_back(ran: Ran) -> None:
    ran.ask(GOOD)
    ran.drop("ctr", "-b 11\non_change: fresh")
    assert ran.reload() == []
    assert ran.ask(QUESTION) == b"0\n0\n"
    assert ran.snapshots() == ["1.json", "1.vw"]
    way = "ctr: to undo that, have its drop say what it said, and `vwserve ctl rollback ctr 1`"
    assert way in ran.logged
    ran.drop("ctr", f"{CTR}\non_change: fresh")
    assert ran.reload() == []
    assert ran.ctl("rollback ctr 1")["lineage"] == 4
    assert ran.ask(QUESTION) == learned(GOOD)


def test_a_rollback_waits_only_so_long_for_the_snapshot_that_would_undo_it(ran: Ran) -> None:
    ran.ask(GOOD)
    command = ran.command("rollback ctr 0")
    (watch,) = ran.reactor.children
    os.kill(watch._taking._child, signal.SIGSTOP)
    ran.reactor.advance(switching.UNDO_S - 0.1)
    assert not command.done
    ran.reactor.advance(0.1)
    answer = command.answer
    assert (answer["lineage"], answer["undo"]) == (2, None)
    assert answer["no_undo"] == "no snapshot was taken: it did not come about in 10 s"
    assert ran.ask(QUESTION) == learned(b"")
