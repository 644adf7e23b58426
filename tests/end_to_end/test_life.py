"""How a real daemon starts, changes, saves and stops, and what it says when it cannot."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import CTR, Daemon, StartDaemon, free_port, write_models
from vwserve.model.servable import Servable

pytestmark = pytest.mark.e2e


def serve(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code of a daemon that does not come up, and what it said."""
    command = [sys.executable, "-m", "vwserve", "serve", *arguments]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert not ran.stdout
    assert "Traceback" not in ran.stderr
    return ran.returncode, ran.stderr


# -- start ---------------------------------------------------------------------------------------------------------


def test_a_first_start_serves_a_model_and_says_how_to_try_it(folder: Path) -> None:
    daemon = Daemon(folder, 26542)
    try:
        tip = daemon.wait_for("try it: ")
        command = re.fullmatch(r"try it: (printf .*) \| nc -N 127\.0\.0\.1 26542", tip)
        assert command is not None
        lines = subprocess.run(["sh", "-c", command[1]], capture_output=True, check=True).stdout
        answers = daemon.ask(lines).split()
        assert answers[0] == b"0.500000"
        assert answers[1] > b"0.500000"
        assert sum("try it" in line for line in daemon.log) == 1
        assert daemon.terminate() == 0
    finally:
        daemon.kill()


def test_a_configuration_here_is_found(folder: Path) -> None:
    (folder / "conf").mkdir()
    write_models(folder / "conf", {"ctr": CTR})
    port = free_port()
    (folder / "conf" / "vwserve.yaml").write_text(f"listen: [{{endpoint: 'tcp:{port}:interface=127.0.0.1'}}]\n")
    daemon = Daemon(folder, port)
    try:
        daemon.wait_for("listening on tcp:")
        assert daemon.ask(b"|u a\n") == b"0.500000\n"
        assert not any("try it" in line for line in daemon.log)
    finally:
        daemon.kill()


def test_a_wrong_configuration_is_one_line_a_problem(folder: Path) -> None:
    (folder / "v.yaml").write_text("limits:\n  line_byte: 1MiB\nlisten: 5\n")
    code, said = serve(folder, "-c", "v.yaml")
    assert code == 1
    places = [line for line in said.splitlines() if "v.yaml:" in line]
    assert any("v.yaml:2" in line and "line_bytes" in line for line in places)
    assert any("v.yaml:3" in line and "listen" in line for line in places)


def test_a_configuration_that_is_not_there_is_said(folder: Path) -> None:
    code, said = serve(folder, "-c", "nowhere.yaml")
    assert code == 1
    assert "nowhere.yaml" in said.splitlines()[-1]


def test_a_port_in_use_is_said_with_its_place(daemon: Daemon, folder: Path) -> None:
    code, said = serve(folder, "-c", "vwserve.yaml")
    assert code == 1
    problem = said.splitlines()[-1]
    assert f"cannot open tcp:{daemon.port}:interface=127.0.0.1" in problem
    assert "vwserve.yaml:2" in problem
    assert daemon.ask(b"!ping\n") == b"pong\n"


def test_a_wrong_argument_is_usage(folder: Path) -> None:
    assert serve(folder, "--colour")[0] == 2


def test_a_model_that_cannot_be_served_is_reported_and_the_others_are_served(start_daemon: StartDaemon) -> None:
    daemon = start_daemon({"ctr": CTR, "typo": "vw: --loss_functoin logistic\n"})
    assert "--loss_function" in daemon.wait_for("typo.yaml:1")
    assert daemon.ask(b"!models\n") == b"ctr\n"


# -- change --------------------------------------------------------------------------------------------------------


def test_hangup_reads_the_configuration_again(start_daemon: StartDaemon, folder: Path) -> None:
    daemon = start_daemon()
    client = daemon.connect()
    client.send(b"1 |u a\n|u a\n")
    learned = client.lines(2)[1]
    other = free_port()
    write_models(folder, {"cvr": "vw: -b 10\n"})
    with (folder / "vwserve.yaml").open("a") as file:
        file.write(f"- {{endpoint: 'tcp:{other}:interface=127.0.0.1', model: cvr}}\n")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for(f"listening on tcp:{other}")
    assert daemon.connect(other).ask(b"|u a\n") == b"0\n"
    client.send(b"|u a\n@cvr |u a\n!models\n")
    assert client.lines(3) == [learned, b"0", b"ctr cvr"]


def test_hangup_with_a_wrong_configuration_changes_nothing(start_daemon: StartDaemon, folder: Path) -> None:
    daemon = start_daemon()
    with (folder / "vwserve.yaml").open("a") as file:
        file.write("modles: elsewhere\n")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("nothing was reloaded")
    assert any("vwserve.yaml:3" in line and "models" in line for line in daemon.log)
    assert daemon.ask(b"|u a\n") == b"0.500000\n"


# -- save ----------------------------------------------------------------------------------------------------------


def test_saves_leave_copies_that_go_on_where_the_model_was(start_daemon: StartDaemon, folder: Path) -> None:
    daemon = start_daemon()
    client = daemon.connect()
    client.send(b"1 |u a\n" * 20 + b"save_/etc/../somewhere/mine.vw\nsave\n|u a\n!ping\n")
    *_, prediction, _ = client.lines(22)
    daemon.wait_for("took snapshot 2")
    daemon.wait_for("saved to ")
    state = folder / "state" / "ctr"
    assert [file.name for file in (state / "exports").iterdir()] == ["mine.vw"]
    for file in (state / "exports" / "mine.vw", state / "snapshots" / "2.vw"):
        model = Servable("copy", CTR.removeprefix("vw: ").strip(), initial=file, learn=False)
        assert model.predict([b"|u a"]) == [prediction.decode()]
        model.close()


@pytest.mark.parametrize("name", ["..", ".", "/", "a/.."])
def test_a_save_under_no_name_writes_nothing_and_has_no_answer(
    name: str, start_daemon: StartDaemon, folder: Path
) -> None:
    daemon = start_daemon()
    before = {path for path in folder.rglob("*") if path.is_file()}
    assert daemon.ask(b"save_" + name.encode() + b"\n!ping\n") == b"pong\n"
    daemon.wait_for("not saved")
    assert {path for path in folder.rglob("*") if path.is_file()} == before


def test_a_listener_may_refuse_saves(start_daemon: StartDaemon, folder: Path) -> None:
    daemon = start_daemon(listener=", saves: false")
    assert daemon.ask(b"save\n|u a\n") == b"!error bad-request this listener takes no save commands\n0.500000\n"
    assert daemon.terminate() == 0
    assert list((folder / "state" / "ctr" / "snapshots").iterdir()) == []


# -- stop ----------------------------------------------------------------------------------------------------------


def test_termination_answers_what_was_accepted_and_exits_0(daemon: Daemon) -> None:
    client, idle = daemon.connect(), daemon.connect()
    idle.send(b"!ping\n")
    assert idle.line() == b"pong"
    client.send(b"".join(b"'%d|u a\n" % i for i in range(5000)))
    first = client.line()
    daemon.signal(signal.SIGTERM)
    answers = [first, *client.rest().split(b"\n")[:-1]]
    # Whole answers, from the first on, to at least the read that held it.
    assert answers == [b"0.500000 %d" % i for i in range(len(answers))]
    assert len(answers) >= 250
    assert idle.rest() == b""
    client.close()
    idle.close()
    assert daemon.exit_code() == 0
    with pytest.raises(ConnectionRefusedError):
        daemon.connect()


def test_termination_does_not_wait_for_clients_that_stay(daemon: Daemon) -> None:
    client = daemon.connect()
    client.send(b"|u a\n")
    assert client.line() == b"0.500000"
    assert daemon.terminate() == 0  # the client has not closed its side
    assert client.rest() == b""


def test_interruption_stops_as_termination_does(daemon: Daemon) -> None:
    daemon.signal(signal.SIGINT)
    assert daemon.exit_code() == 0
