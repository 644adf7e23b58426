"""The folder of drops is followed: what is put there, changed or taken away is served, replaced or served no more."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.daemon.memory import Waiting
from tests.daemon.running import Ran, recording
from tests.durability.power import Held
from vwserve.daemon.service import Daemon
from vwserve.daemon.settings import read_settings


@pytest.fixture
def ran(tmp_path: Path) -> Iterator[Ran]:
    with recording() as logged:
        ran = Ran(tmp_path, logged)
        ran.start()
        yield ran
        if ran.daemon.addresses:
            ran.stop()


def pass_by(ran: Ran, duration_s: float = 0.5) -> None:
    """Let time pass, and have all done that this leads to."""
    for _ in range(round(duration_s / 0.01)):
        ran.reactor.hear()
        ran.reactor.advance(0.01)
        ran.reactor.settle()


def names(ran: Ran) -> list[str]:
    """The models that are served."""
    return ran.ask(b"!models\n").decode().split()


def bits(ran: Ran, name: str) -> int:
    """The `-b` of a model."""
    served = ran.daemon._registry.served(name)
    assert served is not None
    return served.servable.learner.bits


def test_what_is_dropped_is_served_what_changes_is_replaced_and_what_goes_is_removed(ran: Ran) -> None:
    ran.drop("new", "-b 10")
    pass_by(ran)
    assert names(ran) == ["ctr", "new"]
    ran.drop("new", "-b 11")
    pass_by(ran)
    assert bits(ran, "new") == 11
    (ran.folder / "models.d" / "new.yaml").unlink()
    pass_by(ran)
    assert names(ran) == ["ctr"]
    assert [line for line in ran.logged if line.startswith("serving ")] == [
        "serving ctr",
        "serving ctr new",
        "serving ctr",
    ]


def test_a_file_is_not_read_before_it_is_written(ran: Ran) -> None:
    file = ran.folder / "models.d" / "new.yaml"
    with file.open("w") as half:
        half.write("vw: -b 1")
        half.flush()
        pass_by(ran)
        assert names(ran) == ["ctr"]
        half.write("1\n")
    pass_by(ran)
    assert bits(ran, "new") == 11


def test_what_is_wrong_with_a_file_is_told_once_until_it_changes(ran: Ran) -> None:
    ran.drop("bad", "--no_such_option")
    pass_by(ran)
    ran.drop("good", "-b 10")
    pass_by(ran)
    told = [line for line in ran.logged if "no_such_option" in line]
    assert len(told) == 1
    ran.drop("bad", "--nor_this_one")
    pass_by(ran)
    assert any("nor_this_one" in line for line in ran.logged)
    assert names(ran) == ["ctr", "good"]


def test_a_model_that_takes_long_to_load_holds_up_nothing_but_itself(tmp_path: Path) -> None:
    with recording() as logged:
        ran, loader = Ran(tmp_path, logged), Held()
        read = partial(read_settings, tmp_path / "vwserve.yaml")
        ran.daemon = Daemon(ran.reactor, read, ran.reactor.seconds, executor=ran.executor, loader=loader)
        loading = Waiting(ran.daemon.load())
        while not loading.done:
            loader.run()
            ran.reactor.settle()
        ran.drop("slow", "-b 10")
        pass_by(ran)
        assert loader.jobs
        ran.drop("slow", "-b 11")
        ran.drop("other", "-b 10")
        pass_by(ran)
        while loader.jobs:
            loader.run()
            ran.reactor.settle()
        assert ran.daemon._registry.names() == ["ctr", "other", "slow"]
        assert bits(ran, "slow") == 11
        stopping = Waiting(ran.daemon.stop())
        while not stopping.done:
            loader.run()
            ran.reactor.settle()


def test_another_folder_is_followed_once_the_configuration_says_so(ran: Ran) -> None:
    (ran.folder / "others").mkdir()
    (ran.folder / "others" / "ctr.yaml").write_text("vw: -b 12\n")
    ran.configure("listen: [{endpoint: 'tcp:1001:interface=127.0.0.1', model: ctr}]\nmodels: others")
    assert ran.reload() == []
    assert bits(ran, "ctr") == 12
    ran.drop("new", "-b 10")
    pass_by(ran)
    assert names(ran) == ["ctr"]
    (ran.folder / "others" / "late.yaml").write_text("vw: -b 10\n")
    pass_by(ran)
    assert names(ran) == ["ctr", "late"]


def test_nothing_is_followed_once_the_daemon_stops(ran: Ran) -> None:
    ran.stop()
    ran.drop("new", "-b 10")
    pass_by(ran)
    assert not (ran.folder / "state" / "new").exists()


def test_a_folder_that_is_away_for_a_while_leaves_what_runs(ran: Ran) -> None:
    folder = ran.folder / "models.d"
    folder.rename(ran.folder / "aside")
    pass_by(ran, 5.0)
    assert names(ran) == ["ctr"]
    assert any("cannot read the folder of models" in line for line in ran.logged)
    (ran.folder / "aside").rename(folder)
    ran.drop("new", "-b 10")
    pass_by(ran, 5.0)
    assert names(ran) == ["ctr", "new"]
