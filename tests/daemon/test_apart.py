"""Work in a thread comes back to the reactor's."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from twisted.internet.defer import CancelledError

from tests.daemon.memory import Reactor, Waiting
from tests.durability.power import Held
from vwserve.daemon.apart import apart
from vwserve.errors import StateError


def test_the_result_comes_in_a_turn_of_the_reactor() -> None:
    reactor, executor = Reactor(), Held()
    working = Waiting(apart(reactor, executor, lambda: 7))
    executor.run()
    assert not working.done
    reactor.turn()
    assert working.result == 7


def test_what_is_raised_comes_back_too() -> None:
    reactor, executor = Reactor(), Held()

    def fail() -> int:
        raise StateError("the disk is full")

    working = Waiting(apart(reactor, executor, fail))
    executor.run()
    reactor.turn()
    with pytest.raises(StateError, match="the disk is full"):
        assert working.result


def test_it_is_done_by_a_thread_of_the_executor() -> None:
    reactor = Reactor()
    with ThreadPoolExecutor(1, "disk") as executor:
        working = Waiting(apart(reactor, executor, lambda: threading.current_thread().name))
    reactor.turn()
    assert working.result.startswith("disk")


def test_nobody_is_told_who_has_given_up_waiting() -> None:
    reactor, executor = Reactor(), Held()
    answer = apart(reactor, executor, lambda: 7)
    working = Waiting(answer)
    answer.cancel()
    executor.run()
    reactor.turn()
    with pytest.raises(CancelledError):
        assert working.result
    assert len(working.results) == 1
