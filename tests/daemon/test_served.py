"""VW's save commands: a snapshot, and a copy of it where one is asked for, never older than the command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.running import Ran, recording
from tests.durability.power import Held, Inline
from vwserve.daemon.exporting import MOST_EXPORTS
from vwserve.daemon.snapshotting import CLIENTS_EVERY_S
from vwserve.model.servable import Servable

CTR = "--loss_function logistic --link logistic -b 10"


@pytest.fixture
def ran(tmp_path: Path) -> Iterator[Ran]:
    """A daemon with the model ctr."""
    with recording() as logged:
        ran = Ran(tmp_path, logged)
        ran.start()
        yield ran
        ran.executor = Inline()
        ran.stop()


def say(ran: Ran, text: bytes, listener: int = 0) -> bytes:
    """What a new client is answered in all the turns that it takes: a save ends one."""
    client = ran.connect(listener)
    client.ask(text)
    while ran.reactor.turn():
        pass
    client.leave()
    return client.answered()


def later(ran: Ran) -> None:
    """Let so much time pass that clients may have another snapshot taken, and that be done."""
    ran.reactor.settle()
    ran.reactor.advance(CLIENTS_EVERY_S)
    ran.reactor.settle()


def last(answers: bytes) -> bytes:
    """The last of some answers."""
    return answers.splitlines(keepends=True)[-1]


def exports(ran: Ran, name: str = "ctr") -> dict[str, bytes]:
    """The copies that were left, and how each answers."""
    found = {}
    for file in sorted((ran.folder / "state" / name / "exports").iterdir()):
        copy = Servable("copy", CTR, initial=file, learn=False)
        found[file.name] = copy.answer(b"|u a\n")
        copy.close()
    return found


def test_save_takes_a_snapshot_and_leaves_no_copy(ran: Ran) -> None:
    assert say(ran, b"1 |u a\nsave\n") == b"0.500000\n"
    ran.reactor.settle()
    assert ran.snapshots() == ["1.json", "1.vw"]
    assert not (ran.folder / "state" / "ctr" / "exports").exists()
    assert "ctr: took snapshot 1" in ran.logged


def test_save_with_a_name_also_leaves_a_copy(ran: Ran) -> None:
    prediction = last(say(ran, b"1 |u a\n" * 20 + b"save_/etc/x/mine.vw\n|u a\n"))
    ran.reactor.settle()
    assert ran.snapshots() == ["1.json", "1.vw"]
    assert exports(ran) == {"mine.vw": prediction}
    assert f"ctr: saved to {ran.folder}/state/ctr/exports/mine.vw" in ran.logged


def test_what_was_sent_before_is_in_it_and_what_comes_after_is_not(ran: Ran) -> None:
    before = last(say(ran, b"1 |u a\n" * 20 + b"|u a\n"))
    say(ran, b"save_x\n1 |u a\n1 |u a\n")
    ran.reactor.settle()
    assert exports(ran) == {"x": before}


def test_a_copy_that_is_asked_for_while_a_snapshot_is_being_taken_is_of_a_newer_one(ran: Ran) -> None:
    say(ran, b"1 |u a\nsave_first\n")
    after = last(say(ran, b"1 |u a\nsave_second\n|u a\n"))
    later(ran)
    copies = exports(ran)
    assert copies["second"] == after != copies["first"]


def test_several_that_wait_share_a_snapshot_and_each_has_its_copy(ran: Ran) -> None:
    say(ran, b"1 |u a\nsave\n")
    say(ran, b"1 |u a\nsave_a\n1 |u a\nsave_b\nsave_a\n")
    later(ran)
    assert ran.snapshots() == ["1.json", "1.vw", "2.json", "2.vw"]
    copies = exports(ran)
    assert copies.keys() == {"a", "b"}
    assert copies["a"] == copies["b"]


@pytest.mark.parametrize("name", [b"..", b"/", b"x/..", b".hidden"])
def test_under_a_name_that_is_none_nothing_is_saved(name: bytes, ran: Ran) -> None:
    assert say(ran, b"1 |u a\nsave_" + name + b"\n|u a\n").count(b"\n") == 2
    ran.reactor.settle()
    assert ran.snapshots() == []
    assert any(line.startswith("ctr: not saved: ") and "no name of a file" in line for line in ran.logged)


def test_more_copies_than_there_may_be_are_refused_and_the_snapshot_is_taken(ran: Ran) -> None:
    folder = ran.folder / "state" / "ctr" / "exports"
    folder.mkdir()
    for number in range(MOST_EXPORTS):
        (folder / str(number)).touch()
    say(ran, b"save_more\n")
    ran.reactor.settle()
    assert len(list(folder.iterdir())) == MOST_EXPORTS
    assert ran.snapshots() == ["1.json", "1.vw"]
    assert f"ctr: not saved: {folder} has 100 files already; move some away" in ran.logged


def test_a_static_model_leaves_a_copy_and_takes_no_snapshot(ran: Ran) -> None:
    ran.drop("ctr", f"{CTR}\nlearn: false")
    ran.ctl("reload")
    say(ran, b"save\nsave_x\n")
    ran.reactor.settle()
    assert exports(ran) == {"x": b"0.500000\n"}
    assert not (ran.folder / "state" / "ctr" / "snapshots").exists() or ran.snapshots() == []


def test_the_snapshot_stays_until_it_is_copied(ran: Ran) -> None:
    held = ran.executor = Held()
    ran.drop("ctr", f"{CTR}\nsnapshot: {{keep: 1}}")
    ran.stop()
    ran.daemon = ran.make()
    ran.start()
    first = last(say(ran, b"1 |u a\nsave_x\n|u a\n", -1))
    ran.reactor.settle()
    say(ran, b"1 |u a\nsave\n", -1)
    later(ran)
    assert ran.snapshots() == ["1.json", "1.vw", "2.json", "2.vw"]
    while held.jobs:
        held.run()
        ran.reactor.settle()
    assert exports(ran) == {"x": first}
    say(ran, b"1 |u a\nsave\n", -1)
    later(ran)
    assert ran.snapshots() == ["2.json", "2.vw", "3.json", "3.vw"]


def test_a_burst_of_saves_is_a_snapshot_and_a_copy_now_and_one_for_all_the_others_later(ran: Ran) -> None:
    say(ran, b"1 |u a\nsave_x\nsave\n" * 100)
    ran.reactor.settle()
    ran.reactor.advance(CLIENTS_EVERY_S - 0.1)
    ran.reactor.settle()
    assert ran.snapshots() == ["1.json", "1.vw"]
    ran.reactor.advance(0.1)
    ran.reactor.settle()
    assert ran.snapshots() == ["1.json", "1.vw", "2.json", "2.vw"]
    assert exports(ran)["x"] == ran.ask(b"|u a\n")
    assert [line for line in ran.logged if "snapshot" in line] == ["ctr: took snapshot 1", "ctr: took snapshot 2"]
    assert len([line for line in ran.logged if "saved to" in line]) == 2


def test_where_nothing_came_since_a_copy_is_of_the_newest_snapshot_at_once(ran: Ran) -> None:
    answer = last(say(ran, b"1 |u a\nsave\n|u a\n"))
    ran.reactor.settle()
    say(ran, b"save_x\nsave\n")
    ran.reactor.settle()
    assert exports(ran) == {"x": answer}
    assert ran.snapshots() == ["1.json", "1.vw"]


def test_saves_of_clients_push_out_none_that_the_operator_has(ran: Ran) -> None:
    ran.drop("ctr", f"{CTR}\nsnapshot: {{keep: 2}}")
    ran.ctl("reload")
    for _ in range(2):
        say(ran, b"1 |u a\n")
        ran.ctl("snapshot ctr")
    for _ in range(3):
        say(ran, b"1 |u a\nsave\n")
        later(ran)
    assert ran.snapshots() == [f"{number}.{ending}" for number in (1, 2, 4, 5) for ending in ("json", "vw")]
    say(ran, b"1 |u a\n")
    ran.ctl("snapshot ctr")
    say(ran, b"1 |u a\n")
    ran.ctl("snapshot ctr")
    assert ran.snapshots() == [f"{number}.{ending}" for number in (5, 6, 7) for ending in ("json", "vw")]


def test_what_clients_asked_to_save_is_saved_before_the_daemon_stops(ran: Ran) -> None:
    ran.drop("cvr", "-b 10")
    ran.ctl("reload")
    second = last(say(ran, b"1 |u a\nsave_first\n1 |u a\nsave_second\n|u a\n"))
    ran.restart()
    copies = exports(ran)
    assert copies["second"] == second != copies["first"]


def test_what_clients_asked_to_save_of_a_model_that_is_removed_is_saved(ran: Ran) -> None:
    say(ran, b"1 |u a\nsave\n1 |u a\nsave_x\n")
    (ran.folder / "models.d" / "ctr.yaml").unlink()
    ran.ctl("reload")
    assert exports(ran).keys() == {"x"}
