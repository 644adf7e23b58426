"""Shadows, splits and promotions on a real daemon, by files that are dropped while it runs."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import CTR, PATIENCE_S, Daemon, StartDaemon
from tests.end_to_end.test_control import CONTROL, Ctl, ctl

pytestmark = pytest.mark.e2e

__all__ = ["ctl"]

LINES = b"".join(b"%d 'k%d|u a%d |a b%d\n" % (1 if i % 3 else -1, i, i % 7, i % 5) for i in range(600))


def stats(daemon: Daemon, name: str) -> Any:
    """What `!stats` tells of a name."""
    return json.loads(daemon.ask(b"!stats %s\n" % name.encode()))


def drop(folder: Path, **texts: str) -> None:
    """Put files into the folder of drops, each at once."""
    for name, text in texts.items():
        draft = folder / "models.d" / f".{name}"
        draft.write_text(text)
        draft.rename(folder / "models.d" / f"{name}.yaml")


def wait_for_models(daemon: Daemon, names: bytes) -> None:
    """Wait until just these are answered."""
    until = time.monotonic() + PATIENCE_S
    while daemon.ask(b"!models\n") != names + b"\n":
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_dropped_shadow_learns_what_its_model_is_asked_and_is_promoted_across_a_restart(
    start_daemon: StartDaemon, folder: Path, ctl: Ctl
) -> None:
    daemon = start_daemon(settings=CONTROL)
    daemon.wait_for("listening on unix:")
    drop(folder, shade=CTR + "shadow: ctr\n")
    wait_for_models(daemon, b"ctr shade")
    answers = daemon.ask(b"@ctr " + LINES.replace(b"\n", b"\n@ctr ")[:-5])
    assert answers.count(b"\n") == 600
    assert b"!error" not in answers
    told = stats(daemon, "shade")
    assert (told["learned"], told["shadow"]["of"], told["shadow"]["examples"]) == (600, "ctr", 600)
    assert told["shadow"]["loss_difference"] == 0.0
    assert daemon.ask(b"@ctr |u a1\n") == daemon.ask(b"@shade |u a1\n")
    assert ctl("promote", "shade")["undo"] == "promote ctr"
    daemon.ask(b"@ctr 1 |u new\n")
    assert stats(daemon, "shade")["answers_to"] == "ctr"
    daemon.signal(signal.SIGTERM)
    assert daemon.exit_code() == 0
    daemon = start_daemon(settings=CONTROL)
    daemon.wait_for("listening on unix:")
    assert stats(daemon, "shade")["answers_to"] == "ctr"
    ctl("promote", "ctr")
    assert "answers_to" not in stats(daemon, "shade")


def test_a_dropped_split_divides_by_tag_and_keeps_the_order(start_daemon: StartDaemon, folder: Path) -> None:
    daemon = start_daemon({"ctr": CTR, "other": CTR})
    drop(folder, ads="split: {ctr: 75, other: 25}\n")
    wait_for_models(daemon, b"ads ctr other")
    answers = daemon.ask(b"@ads " + LINES.replace(b"\n", b"\n@ads ")[:-5]).splitlines()
    assert [line.split(b" ")[1] for line in answers] == [b"k%d" % i for i in range(600)]
    learned = [stats(daemon, name)["learned"] for name in ("ctr", "other")]
    assert sum(learned) == 600
    assert 90 < learned[1] < 210
    (folder / "models.d" / "ads.yaml").unlink()
    wait_for_models(daemon, b"ctr other")
    assert daemon.ask(b"@ads |u a\n").startswith(b"!error no-model ")
