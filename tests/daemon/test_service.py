"""The daemon as a whole, on a reactor in memory: start, reload, stop."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.memory import Waiting, result_of
from tests.daemon.running import Ran, recording
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
    result_of(ran.daemon.reload())
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
    result_of(ran.daemon.reload())
    ran.start()
    ran.ask(b"1 |u a\n")
    before = ran.ask(b"|u a\n")
    result_of(ran.daemon.reload())
    assert ran.ask(b"|u a\n") == before != b"0\n"
    assert json.loads(ran.ask(b"!stats ctr\n"))["version"] == 1


def test_reload_opens_changes_and_closes_listeners(ran: Ran) -> None:
    ran.drop("cvr", "-b 10")
    ran.start()
    ran.configure(
        "listen: [{endpoint: 'tcp:1001:interface=127.0.0.1', model: cvr}, {endpoint: 'tcp:1002', model: ctr}]"
    )
    result_of(ran.daemon.reload())
    assert ran.ports() == [1001, 1002]
    assert [ran.ask(b"|u a\n", 0), ran.ask(b"|u a\n", 1)] == [b"0\n", b"0.500000\n"]
    ran.configure("listen: [{endpoint: 'tcp:1002', model: ctr}]")
    result_of(ran.daemon.reload())
    assert ran.daemon.addresses == ["tcp:1002"]


def test_reload_holds_new_connections_and_all_models_to_other_limits(ran: Ran) -> None:
    ran.start()
    ran.configure("listen: [{endpoint: 'tcp:1001:interface=127.0.0.1'}]\nlimits: {line_bytes: 1KiB, magnitude: 10}")
    result_of(ran.daemon.reload())
    assert ran.ask(b"|u a:50\n").startswith(b"!error bad-example ")
    assert ran.ask(b"|u " + b"a" * 2000 + b"\n").startswith(b"!error too-long ")


def test_a_wrong_configuration_changes_nothing(ran: Ran) -> None:
    ran.start()
    ran.configure("lisetn: []")
    ran.drop("new", "-b 10")
    result_of(ran.daemon.reload())
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
