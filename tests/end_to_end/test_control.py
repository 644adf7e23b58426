"""Operations over the control endpoint of a real daemon, mostly by `vwserve ctl`."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.end_to_end.conftest import CTR, PATIENCE_S, Daemon, StartDaemon, write_models
from vwserve.model.servable import Servable

pytestmark = pytest.mark.e2e

CONTROL = "control: unix:run/c.sock:mode=600\n"
Ctl = Callable[..., Any]


@pytest.fixture
def controlled(start_daemon: StartDaemon) -> Daemon:
    """A daemon with the model ctr and a control endpoint."""
    daemon = start_daemon(settings=CONTROL)
    daemon.wait_for("listening on unix:")
    return daemon


@pytest.fixture
def ctl(folder: Path) -> Ctl:
    """Runs `vwserve ctl` for the daemon in the folder; returns the answer, or the error that is expected."""

    def run(*words: str, fails: bool = False) -> Any:
        command = [sys.executable, "-m", "vwserve", "ctl", "-c", "vwserve.yaml", "--json", *words]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert ran.returncode == fails, ran.stderr
        assert len(ran.stderr.splitlines()) == fails
        return json.loads(ran.stdout)

    return run


def test_the_models_and_their_figures_are_those_of_the_line_protocol(controlled: Daemon, ctl: Ctl) -> None:
    controlled.ask(b"1 |u a\n-1 |u b\n|u a\n")
    told = json.loads(controlled.ask(b"!stats ctr\n"))
    assert ctl("stats", "ctr") == told
    assert ctl("models") == [told]
    assert told["learned"] == 2


def test_a_rollback_takes_the_model_back_and_can_be_undone(controlled: Daemon, ctl: Ctl) -> None:
    controlled.ask(b"1 |u a\n" * 20)
    taken = ctl("snapshot", "ctr")
    good = controlled.ask(b"|u a\n")
    controlled.ask(b"-1 |u a\n" * 40)
    poisoned = controlled.ask(b"|u a\n")
    assert poisoned != good

    rolled = ctl("rollback", "ctr", str(taken["number"]))
    assert controlled.ask(b"|u a\n") == good
    assert [each["number"] for each in ctl("snapshots", "ctr") if each["current"]] == [taken["number"]]

    ctl(*rolled["undo"].split())
    assert controlled.ask(b"|u a\n") == poisoned


def test_a_rollback_leaves_out_what_spoilt_the_model(controlled: Daemon, ctl: Ctl) -> None:
    good, bad, later = b"1 |u a\n" * 20, b"-1 |u a\n" * 40, b"-1 |u b\n1 |u a\n" * 5
    controlled.ask(good + bad + later)
    ctl("rollback", "ctr", "0", "--skip", "21..60")
    without_bad = controlled.ask(b"|u a\n|u b\n")
    ctl("rollback", "ctr", "0", "--replay-until=#20")
    only_good = controlled.ask(b"|u a\n|u b\n")

    ctl("rollback", "ctr", "0")
    assert controlled.ask(b"|u a\n|u b\n") == b"0.500000\n0.500000\n"
    controlled.ask(good)
    assert controlled.ask(b"|u a\n|u b\n") == only_good
    controlled.ask(later)
    assert controlled.ask(b"|u a\n|u b\n") == without_bad


def test_a_rollback_survives_a_restart(controlled: Daemon, folder: Path, ctl: Ctl) -> None:
    controlled.ask(b"1 |u a\n" * 20)
    ctl("rollback", "ctr", "0", "--replay-until=#5")
    expected = controlled.ask(b"|u a\n")
    controlled.kill()
    again = Daemon(folder, controlled.port, "-c", "vwserve.yaml")
    try:
        again.wait_for("listening on tcp:")
        assert again.ask(b"|u a\n") == expected
    finally:
        again.kill()


def test_clients_that_learn_and_predict_meanwhile_notice_nothing_but_other_predictions(
    controlled: Daemon, folder: Path, ctl: Ctl
) -> None:
    controlled.ask(b"1 |u a\n" * 100 + b"-1 |u b\n" * 50)
    ctl("snapshot", "ctr")
    enough = Event()
    answers: dict[bytes, list[bytes]] = {line: [] for line in (b"1 |u a |w c\n", b"-1 |u b\n", b"|u a\n")}

    def talk(line: bytes) -> None:
        client = controlled.connect()
        while not enough.is_set():
            client.send(line * 20)
            answers[line].extend(client.lines(20))

    talkers = [Thread(target=talk, args=[line], daemon=True) for line in answers]
    for talker in talkers:
        talker.start()
    rolled = ctl("rollback", "ctr", "1")
    ctl(*rolled["undo"].split())
    ctl("snapshot", "ctr")
    last = ctl("rollback", "ctr", "1", "--replay-until", "now", "--skip", "101..150")
    counts = [len(each) for each in answers.values()]
    while any(len(each) == count for each, count in zip(answers.values(), counts)):
        controlled.ask(b"!ping\n")
    enough.set()
    for talker in talkers:
        talker.join(PATIENCE_S)
        assert not talker.is_alive()
    assert not [answer for each in answers.values() for answer in each if answer.startswith(b"!")]

    # What it has come to is what its lineage says, line by line of the journal.
    told = json.loads((folder / "state" / "ctr" / "lineage.json").read_text())
    assert told["lineage"] == last["lineage"] == 4
    (journal,) = (folder / "state" / "ctr" / "journal").glob("*.dat")
    lines = journal.read_bytes().splitlines()
    model = Servable("again", CTR.removeprefix("vw: ").strip())
    for first, end in told["learned_from_journal"]:
        model.learn(lines[first - 1 : end])
    questions = b"|u a\n|u b\n|u a |w c\n"
    assert controlled.ask(questions) == model.answer(questions)
    model.close()


def test_a_rollback_that_replays_much_goes_on_in_the_background(controlled: Daemon, ctl: Ctl) -> None:
    for line in (b"1 |u a\n", b"-1 |u a\n", b"1 |u b\n"):
        controlled.ask(line * 30_000)
    rolled = ctl("rollback", "ctr", "0", "--skip", "30001..60000")
    assert rolled["learned_from_journal"] == "1-30000, 60001-"
    model = Servable("again", CTR.removeprefix("vw: ").strip())
    for line in (b"1 |u a\n", b"1 |u b\n"):
        model.answer(line * 30_000)
    assert controlled.ask(b"|u a\n|u b\n") == model.answer(b"|u a\n|u b\n")
    model.close()


def test_readiness_is_told_with_its_reasons(controlled: Daemon, folder: Path, ctl: Ctl) -> None:
    assert ctl("ready") == {"ready": True, "reasons": []}
    write_models(folder, {"odd": "vw: --loss_functoin logistic\n"})
    (problem,) = ctl("reload", fails=True)["problems"]
    assert ctl("ready", fails=True) == {"ready": False, "reasons": [f"odd is not served: {problem}"]}
    failed = {"model": "odd", "state": "failed", "file": "models.d/odd.yaml", "problem": problem}
    assert ctl("models")[1] == failed


def test_reload_serves_what_was_dropped_and_tells_what_is_wrong(controlled: Daemon, folder: Path, ctl: Ctl) -> None:
    write_models(folder, {"cvr": "vw: -b 10\n"})
    assert ctl("reload") == {"models": ["ctr", "cvr"], "problems": []}
    write_models(folder, {"odd": "vw: --loss_functoin logistic\n"})
    answer = ctl("reload", fails=True)
    assert answer["models"] == ["ctr", "cvr"]
    assert "odd.yaml:1" in answer["problems"][0]
    assert controlled.ask(b"!models\n") == b"ctr cvr\n"


def test_an_error_is_told(controlled: Daemon, ctl: Ctl) -> None:
    assert ctl("snapshots", "nobody", fails=True)["error"] == "no-model"
    assert ctl("rollback", "ctr", "99", fails=True)["error"] == "failed"
    assert ctl("rollback", "ctr", "0", "--replay-until", "yesterday", fails=True)["error"] == "bad-request"


def test_commands_of_one_connection_are_answered_in_order_also_after_its_half_close(
    controlled: Daemon, folder: Path
) -> None:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(folder / "run" / "c.sock"))
    client = controlled.adopt(connection)
    controlled.ask(b"1 |u a\n")
    answers = client.ask(b"snapshot ctr\nnonsense\nsnapshots ctr\nmodels").splitlines()
    taken, wrong, snapshots, models = map(json.loads, answers)
    assert taken["number"] == 1
    assert wrong["error"] == "bad-request"
    assert [each["number"] for each in snapshots] == [1]
    assert models[0]["model"] == "ctr"


def test_a_client_that_leaves_does_not_take_its_command_with_it(controlled: Daemon, folder: Path, ctl: Ctl) -> None:
    controlled.ask(b"1 |u a\n")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / "run" / "c.sock"))
        connection.sendall(b"snapshot ctr\n")
    controlled.wait_for("control: 'snapshot ctr' is done")
    assert [each["number"] for each in ctl("snapshots", "ctr")] == [1]


def test_the_socket_has_the_mode_that_was_asked_for_and_goes_with_the_daemon(controlled: Daemon, folder: Path) -> None:
    path = folder / "run" / "c.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    assert controlled.terminate() == 0
    assert not path.exists()


def test_a_daemon_that_was_killed_and_that_nobody_waits_for_leaves_its_sockets_to_the_next(
    start_daemon: StartDaemon, folder: Path, ctl: Ctl
) -> None:
    """As in a container whose first process does not reap: the number of the dead process is still taken."""
    killed = start_daemon(settings="- {endpoint: 'unix:x.sock', model: ctr}\n" + CONTROL)
    killed.wait_for("listening on unix:", times=2)
    killed.ask(b"1 |u a\n" * 20)
    expected = killed.ask(b"|u a\n")
    killed.signal(signal.SIGKILL)
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
    assert (folder / "x.sock").is_socket()
    again = Daemon(folder, killed.port, "-c", "vwserve.yaml")
    try:
        again.wait_for("listening on unix:", times=2)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(folder / "x.sock"))
        assert again.adopt(connection).ask(b"|u a\n") == expected
        assert ctl("ready")["ready"]
        assert again.terminate() == 0
    finally:
        again.kill()


def test_a_second_daemon_does_not_take_the_socket_of_the_first(controlled: Daemon, folder: Path, ctl: Ctl) -> None:
    second = Daemon(folder, controlled.port, "-c", "vwserve.yaml")
    try:
        assert second.exit_code() == 1
        problem = second.wait_for("c.sock is in use")
        assert "vwserve.yaml: control: cannot open unix:" in problem
    finally:
        second.kill()
    assert ctl("ready")["ready"]


def test_it_stops_also_where_somebody_removed_its_sockets(controlled: Daemon, folder: Path) -> None:
    (folder / "run" / "c.sock").unlink()
    (folder / "run").rmdir()
    controlled.ask(b"1 |u a\n" * 20)
    assert controlled.terminate() == 0
    assert [path.name for path in (folder / "state" / "ctr" / "snapshots").glob("*.vw")] == ["1.vw"]
