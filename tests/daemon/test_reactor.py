"""The daemon's own reactor: its timers go by a clock that nobody sets."""

from __future__ import annotations

import subprocess
import sys

import pytest

INSTALL = """
import sys, time
unix_time, set_s = time.time, 0.0
time.time = lambda: unix_time() + set_s  # before Twisted takes it
if {without_epoll}:
    sys.modules["twisted.internet.epollreactor"] = None
from vwserve.daemon.reactor import install_reactor
from vwserve.daemon.turn import Turn

reactor, fired = install_reactor(Turn()), []

def fire(name, to_s, following):
    global set_s
    fired.append(name)
    set_s = to_s
    following()

def set_back():
    reactor.callLater(0.01, fire, "set back", 3600.0, set_forth)

def set_forth():
    reactor.callLater(0.01, fire, "set forth", 3600.0, reactor.stop)

reactor.callLater(600.0, fire, "early", 3600.0, lambda: None)
reactor.callLater(0.01, fire, "right", -3600.0, set_back)
reactor.run()
print(type(reactor).__module__, fired)
"""


@pytest.mark.parametrize("without_epoll", [False, True])
def test_timers_fire_when_they_are_due_although_the_clock_is_set_back_and_forth(without_epoll: bool) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", INSTALL.format(without_epoll=without_epoll)],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    module, _, fired = ran.stdout.partition(" ")
    assert (module == "vwserve.daemon.reactor") is not without_epoll
    assert fired == "['right', 'set back', 'set forth']\n"
