"""The daemon as a whole, on a reactor in memory: start, reload, stop."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from tests.daemon.memory import Waiting
from tests.daemon.running import Ran, recording
from tests.durability.power import Held, Inline
from vwserve.daemon import switching
from vwserve.errors import ConfigurationError


@pytest.fixture
def logged() -> Iterator[list[str]]:
    with recording() as lines:
        yield lines


@pytest.fixture
def ran(tmp_path: Path, logged: list[str]) -> Ran:
    return Ran(tmp_path, logged)


def test_listens_and_answers(ran: Ran) -> None:
    ran.start()
    assert ran.ports() == [1001]
    assert ran.ask(b"|u a\n") == b"0.500000\n"
    assert ran.daemon.addresses == ["tcp:1001:interface=127.0.0.1"]


def test_serves_the_good_models_beside_a_bad_one(ran: Ran) -> None:
    ran.drop("bad", "--no_such_option")
    ran.start()
    assert ran.ask(b"!models\n") == b"ctr\n"
    assert any("bad.yaml:1: vw: unknown VW option '--no_such_option'" in line for line in ran.logged)


def test_says_which_listener_has_no_model(ran: Ran) -> None:
    ran.configure("listen: [{endpoint: 'tcp:1001', model: crt}]")
    ran.daemon = ran.make()
    ran.start()
    assert any("no model is called 'crt'" in line for line in ran.logged)
    assert ran.ask(b"|u a\n").startswith(b"!error no-model ")


def test_a_port_in_use_is_an_error_with_its_place(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_use(*_: object, **__: object) -> None:
        raise OSError("Address already in use")

    monkeypatch.setattr(ran.reactor, "listenTCP", in_use)
    with pytest.raises(ConfigurationError, match=r"vwserve\.yaml:1: .*tcp:1001.*Address already in use"):
        ran.start()


def test_reload_adds_and_removes_models_and_keeps_what_others_learned(ran: Ran) -> None:
    ran.drop("old", "-b 10")
    ran.start()
    ran.ask(b"1 |u a\n" * 50)
    before = ran.ask(b"|u a\n")
    ran.drop("new", "-b 10")
    (ran.folder / "models.d" / "old.yaml").unlink()
    ran.reload()
    assert ran.ask(b"!models\n") == b"ctr new\n"
    assert ran.ask(b"|u a\n") == before


def test_reload_keeps_what_a_model_with_a_plugin_of_the_folder_learned(ran: Ran) -> None:
    (ran.folder / "plugins.d").mkdir()
    (ran.folder / "plugins.d" / "constant.py").write_text(
        "from dataclasses import dataclass\n"
        "from vwserve.transforms import Transform, hookimpl\n"
        "@dataclass(frozen=True)\n"
        "class Options: pass\n"
        "class Constant(Transform[Options]):\n"
        "    kind, options_type, reads, writes = 'constant', Options, (), ('k',)\n"
        "    def apply(self, batch): return {'k': [b'always'] * len(batch)}\n"
        "@hookimpl\n"
        "def vwserve_transforms(): return [Constant]\n"
    )
    ran.configure("listen: [{endpoint: 'tcp:1001:interface=127.0.0.1', model: ctr}]\nplugins: plugins.d")
    ran.drop("ctr", "-b 10\ntransforms: [{kind: constant}]")
    ran.reload()
    ran.start()
    ran.ask(b"1 |u a\n")
    before = ran.ask(b"|u a\n")
    ran.reload()
    assert ran.ask(b"|u a\n") == before != b"0\n"
    assert json.loads(ran.ask(b"!stats ctr\n"))["version"] == 1


def test_reload_opens_changes_and_closes_listeners(ran: Ran) -> None:
    ran.drop("cvr", "-b 10")
    ran.start()
    ran.configure(
        "listen: [{endpoint: 'tcp:1001:interface=127.0.0.1', model: cvr}, {endpoint: 'tcp:1002', model: ctr}]"
    )
    ran.reload()
    assert ran.ports() == [1001, 1002]
    assert [ran.ask(b"|u a\n", 0), ran.ask(b"|u a\n", 1)] == [b"0\n", b"0.500000\n"]
    ran.configure("listen: [{endpoint: 'tcp:1002', model: ctr}]")
    ran.reload()
    assert ran.daemon.addresses == ["tcp:1002"]


def test_reload_holds_new_connections_and_all_models_to_other_limits(ran: Ran) -> None:
    ran.start()
    ran.configure("listen: [{endpoint: 'tcp:1001:interface=127.0.0.1'}]\nlimits: {line_bytes: 1KiB, magnitude: 10}")
    ran.reload()
    assert ran.ask(b"|u a:50\n").startswith(b"!error bad-example ")
    assert ran.ask(b"|u " + b"a" * 2000 + b"\n").startswith(b"!error too-long ")


def test_a_wrong_configuration_changes_nothing(ran: Ran) -> None:
    ran.start()
    ran.configure("lisetn: []")
    ran.drop("new", "-b 10")
    ran.reload()
    assert ran.ask(b"!models\n") == b"ctr\n"
    assert any("nothing was reloaded" in line for line in ran.logged)
    assert any("vwserve.yaml:1: lisetn: unknown key" in line for line in ran.logged)


def test_stop_answers_what_arrived_and_waits_for_the_clients(ran: Ran) -> None:
    ran.start()
    client = ran.connect()
    assert client.ask(b"|u a\n|u b") == b"0.500000\n"
    stopped = Waiting(ran.daemon.stop())
    assert not stopped.done
    assert client.ask(b"|u c\n") == b""
    client.leave()
    assert stopped.result is None


def test_stop_cuts_clients_that_stay(ran: Ran) -> None:
    ran.start()
    client = ran.connect()
    stopped = Waiting(ran.daemon.stop())
    ran.reactor.advance(10.0)
    assert client.transport.disconnected
    client.leave()
    assert stopped.done
    assert ran.reactor.getDelayedCalls() == []


def test_says_which_keys_have_no_effect_yet(ran: Ran) -> None:
    (ran.folder / "models.d" / "ctr.yaml").write_text("vw: -b 10\nguard: {action: freeze}\nsnapshot: {every: 5m}\n")
    ran.start()
    told = [line for line in ran.logged if "no effect" in line]
    assert ["ctr.yaml: guard has no effect in this release" in line for line in told] == [True]


def test_says_which_keys_a_static_model_has_no_use_for(ran: Ran) -> None:
    (ran.folder / "models.d" / "ctr.yaml").write_text("vw: -b 10\nlearn: false\nsnapshot: {every: 5m}\n")
    ran.start()
    told = [line for line in ran.logged if "no effect" in line]
    assert ["ctr.yaml: snapshot has no effect on a static model" in line for line in told] == [True]


# -- stopping --------------------------------------------------------------------------------------------------------


def test_what_was_learned_is_there_after_a_restart(ran: Ran) -> None:
    ran.start()
    ran.ask(b"1 |u a\n" * 20)
    before = ran.ask(b"|u a\n")
    ran.restart()
    assert ran.ask(b"|u a\n") == before != b"0.500000\n"
    assert ran.snapshots() == ["1.json", "1.vw"]


def test_a_snapshot_under_way_is_finished_before_it_stops(ran: Ran) -> None:
    ran.start()
    ran.ask(b"1 |u a\n" * 20)
    command = ran.command("snapshot ctr")
    assert not command.done
    ran.stop()
    assert ran.snapshots() == ["1.json", "1.vw"]
    assert ran.logged[-1] == "stopped"


def test_answers_that_wait_for_the_disk_are_given_before_it_stops(ran: Ran) -> None:
    ran.drop("ctr", "-b 10\njournal: {sync: always}")
    held = ran.syncer = Held()
    ran.daemon = ran.make()
    ran.start()
    client = ran.connect()
    assert client.ask(b"1 |u a\n") == b""
    stopping = Waiting(ran.daemon.stop())
    ran.reactor.settle()
    assert not stopping.done
    assert client.answered() == b""
    assert not client.closed()
    held.run()
    ran.reactor.settle()
    assert client.answered() == b"0\n"
    assert client.closed()
    client.leave()
    ran.reactor.settle()
    assert stopping.result is None
    assert (ran.folder / "state" / "ctr" / "journal" / f"{1:020}.dat").read_bytes() == b"1 |u a\n"


def test_answers_that_wait_for_the_disk_are_given_where_their_model_is_removed(ran: Ran) -> None:
    ran.drop("ctr", "-b 10\njournal: {sync: always}")
    ran.start()
    client = ran.connect()
    assert client.ask(b"1 |u a\n") == b""
    (ran.folder / "models.d" / "ctr.yaml").unlink()
    assert ran.reload() == []
    ran.reactor.settle()
    assert client.answered() == b"0\n"
    assert client.ask(b"|u a\n").startswith(b"!error no-model ")


@pytest.mark.parametrize(("turns", "child"), [(0, False), (3, False), (6, False), (0, True), (2, True), (4, True)])
def test_a_rollback_under_way_when_it_stops_breaks_nothing(
    turns: int, child: bool, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "REPLAYED_IN_PLACE", 0 if child else 50_000)
    monkeypatch.setattr(switching, "_BLOCKS_A_TURN", 1)
    ran.start()
    ran.ask(b"1 |u a\n" * 2000)
    before = ran.ask(b"|u a\n")
    command = ran.command("rollback ctr 0 replay-until #1000")
    for _ in range(turns):
        if not ran.reactor.turn() and ran.reactor.children:
            ran.reactor.listen()
    stopping = Waiting(ran.daemon.stop())
    command.leave()
    ran.reactor.settle()
    assert stopping.result is None
    assert not command.done
    ran.forget()
    ran.restart()
    assert ran.ask(b"|u a\n") == before
    assert ran.stats()["lineage"] == 1
    assert ran.ctl("rollback ctr 0 replay-until #1000")["lineage"] == 2
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_it_is_not_ready_while_it_stops_and_reloads_nothing(ran: Ran) -> None:
    ran.start()
    client = ran.connect()
    assert ran.daemon.not_ready == []
    stopping = Waiting(ran.daemon.stop())
    assert ran.daemon.not_ready == ["it is stopping"]
    ran.drop("cvr", "-b 10")
    assert ran.reload() == ["the daemon is stopping; nothing was reloaded"]
    assert len(ran.ports()) == 1
    client.leave()
    assert stopping.done


class Port:
    """One that is closed when a test says so, if ever."""

    def __init__(self) -> None:
        self.closed: Deferred[None] = Deferred()

    def stopListening(self) -> Deferred[None]:
        """Begin to close it."""
        return self.closed


def test_a_port_that_never_closes_keeps_nothing_from_stopping(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ran.reactor, "listenTCP", lambda *_, **__: Port())
    ran.start()
    stopping = Waiting(ran.daemon.stop())
    ran.reactor.advance(0.5)
    assert not stopping.done
    ran.reactor.advance(0.5)
    assert stopping.result is None


# -- several changes at once -----------------------------------------------------------------------------------------


def test_reloads_are_carried_out_one_after_the_other(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    port = Port()
    with monkeypatch.context() as slow:
        slow.setattr(ran.reactor, "listenTCP", lambda *_, **__: port)
        ran.start()
    ran.configure("listen: [{endpoint: 'tcp:1002'}]")
    first = Waiting(ran.daemon.reload())
    ran.configure("listen: [{endpoint: 'tcp:1003'}]")
    second = Waiting(ran.daemon.reload())
    assert (first.done, second.done) == (False, False)
    assert ran.ports() == []
    port.closed.callback(None)
    ran.reactor.settle()
    assert (first.result, second.result) == ([], [])
    assert ran.ports() == [1002, 1003]
    assert ran.daemon.addresses == ["tcp:1003"]


def test_a_stop_waits_for_the_reload_under_way_and_those_behind_it_are_not_begun(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = Port()
    with monkeypatch.context() as slow:
        slow.setattr(ran.reactor, "listenTCP", lambda *_, **__: port)
        ran.start()
    ran.configure("listen: [{endpoint: 'tcp:1002'}]")
    first, second = Waiting(ran.daemon.reload()), Waiting(ran.daemon.reload())
    stopping = Waiting(ran.daemon.stop())
    assert not stopping.done
    port.closed.callback(None)
    ran.reactor.settle()
    assert first.result == []
    assert second.result == ["the daemon is stopping; nothing was reloaded"]
    assert stopping.result is None
    assert ran.daemon.addresses == []


def test_another_folder_of_state_is_used_from_the_next_start_on(ran: Ran) -> None:
    ran.start()
    ran.configure("listen: [{endpoint: 'tcp:1001:interface=127.0.0.1', model: ctr}]\nstate: elsewhere")
    assert ran.reload() == []
    assert f"state: {ran.folder}/elsewhere is used from the next start on" in ran.logged
    ran.drop("cvr", "-b 10")
    assert ran.reload() == []
    assert sorted(path.name for path in (ran.folder / "state").iterdir()) == ["ctr", "cvr"]
    assert not (ran.folder / "elsewhere").exists()
    ran.restart()
    assert sorted(path.name for path in (ran.folder / "elsewhere").iterdir()) == ["ctr", "cvr"]


# -- the control endpoint, and UNIX sockets --------------------------------------------------------------------------


def sockets(ran: Ran) -> list[str]:
    """The UNIX sockets that were opened, in the order in which they were."""
    return [Path(os.fsdecode(server[0])).name for server in ran.reactor.unixServers]


def test_the_control_endpoint_follows_the_configuration(ran: Ran) -> None:
    ran.start()
    assert sockets(ran) == ["c.sock"]
    ran.configure("listen: [{endpoint: 'tcp:1001:interface=127.0.0.1', model: ctr}]\ncontrol: unix:run/d.sock")
    assert ran.ctl("reload")["problems"] == []
    assert sockets(ran) == ["c.sock", "d.sock"]
    assert [model["model"] for model in ran.ctl("models")] == ["ctr"]
    ran.configure("listen: [{endpoint: 'tcp:1001:interface=127.0.0.1', model: ctr}]")
    assert ran.ctl("reload")["problems"] == []
    assert f"closing unix:{ran.folder}/run/d.sock" in ran.logged
    ran.stop()


def test_a_control_endpoint_that_cannot_be_opened_is_a_problem_with_its_place(ran: Ran) -> None:
    (ran.folder / "run").mkdir()
    (ran.folder / "run" / "c.sock").write_text("somebody's")
    with pytest.raises(ConfigurationError, match=r"yaml: control: cannot open unix:.*c\.sock is there and is no"):
        ran.start()
    assert (ran.folder / "run" / "c.sock").read_text() == "somebody's"
    assert ran.daemon.addresses == []


def test_a_reload_that_cannot_open_another_control_endpoint_says_so_and_keeps_the_rest(ran: Ran) -> None:
    ran.start()
    (ran.folder / "file").touch()
    ran.configure("listen: [{endpoint: 'tcp:1001:interface=127.0.0.1', model: ctr}]\ncontrol: unix:file")
    (problem,) = ran.reload()
    assert f"cannot open unix:{ran.folder}/file: {ran.folder}/file is there and is no socket; move it away" in problem
    assert ran.ask(b"!ping\n") == b"pong\n"


@pytest.mark.parametrize("where", ["listen: [{{endpoint: '{}', model: ctr}}]", "control: '{}'"])
def test_a_socket_that_a_killed_daemon_left_behind_is_taken_over(where: str, ran: Ran) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(ran.folder / "x.sock"))
    (ran.folder / "x.sock.lock").symlink_to(str(os.getppid()))  # as Twisted's lock, whose process lives on
    ran.configure(where.format("unix:x.sock"))
    ran.daemon = ran.make()
    ran.start()
    assert not (ran.folder / "x.sock").exists()
    (address, _, _, _, lock) = ran.reactor.unixServers[0]
    assert (os.fsdecode(address), bool(lock)) == (str(ran.folder / "x.sock"), False)


@pytest.mark.parametrize("where", ["listen: [{{endpoint: '{}', model: ctr}}]", "control: '{}'"])
def test_a_socket_that_another_process_listens_on_is_an_error(where: str, ran: Ran) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(ran.folder / "x.sock"))
        other.listen()
        ran.configure(where.format("unix:x.sock"))
        ran.daemon = ran.make()
        with pytest.raises(ConfigurationError, match=r"cannot open unix:.*x\.sock is in use: another process listens"):
            ran.start()
        assert (ran.folder / "x.sock").is_socket()


# -- what holds up whom ----------------------------------------------------------------------------------------------


def test_answers_wait_for_syncs_and_for_nothing_else_that_threads_do(ran: Ran) -> None:
    ran.drop("ctr", "-b 10\njournal: {sync: always}")
    ran.executor = Held()  # compresses for seconds, say
    ran.daemon = ran.make()
    ran.start()
    client = ran.connect()
    client.ask(b"1 |u a\n")
    ran.reactor.settle()
    assert client.answered() == b"0\n"
    client.leave()
    ran.executor = Inline()


def test_snapshots_are_due_by_the_time_that_passes_however_the_clock_is_set(ran: Ran) -> None:
    ran.drop("ctr", "-b 10\nsnapshot: {every: 30s}")
    ran.start()
    times: list[float] = []
    for ahead_s in (-3600.0, 7200.0):
        ran.ask(b"1 |u a\n")
        ran.ahead_s = ahead_s
        ran.reactor.pump([1.0] * 29)
        ran.reactor.settle()
        assert len(ran.snapshots()) == 2 * len(times)
        ran.reactor.pump([1.0])
        ran.reactor.settle()
        assert len(ran.snapshots()) == 2 * len(times) + 2
        times.append(ran.ctl("snapshots ctr")[0]["time"] - ran.reactor.seconds())
    assert times == [-3600.0, 7200.0]
