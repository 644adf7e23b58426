"""The end of a child is noticed, however it ends, in a turn of its own; a watch that was stopped tells nothing."""

import os
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from tests.daemon.memory import PATIENCE_S, Reactor, Waiting
from vwserve.daemon.watching import Watch
from vwserve.durability.taking import Taking


class Child:
    """What a child says comes out of a pipe; this one is a Taking as far as a watch looks at it."""

    def __init__(self) -> None:
        self.pipe, self._say = os.pipe()

    def fileno(self) -> int:
        """The end that is watched."""
        return self.pipe

    def say(self) -> None:
        """Say something."""
        os.write(self._say, b"{}\n")

    def end(self) -> None:
        """Be no more."""
        os.close(self._say)

    def watched(self, reactor: Any) -> Watch:
        """A watch on it."""
        return Watch(reactor, cast(Taking, self))


@pytest.fixture
def child() -> Iterator[Child]:
    """One that has not said anything."""
    child = Child()
    yield child
    os.close(child.pipe)


def test_the_end_is_told_in_the_turn_after_the_child_spoke(child: Child) -> None:
    reactor = Reactor()
    watch = child.watched(reactor)
    waiting = Waiting(watch.ended)
    child.say()
    child.end()
    assert reactor.readers == {watch}
    watch.doRead()
    assert not waiting.done
    assert not reactor.readers
    reactor.turn()
    assert waiting.results == [None]
    watch.stop()


def test_nothing_is_told_of_a_child_that_is_not_watched_any_more(child: Child) -> None:
    reactor = Reactor()
    watch = child.watched(reactor)
    waiting = Waiting(watch.ended)
    watch.stop()
    watch.stop()
    assert not reactor.readers
    assert not reactor.turn()
    assert not waiting.done
    child.end()


def test_nor_where_it_had_spoken_already(child: Child) -> None:
    reactor = Reactor()
    watch = child.watched(reactor)
    waiting = Waiting(watch.ended)
    child.say()
    watch.doRead()
    watch.stop()
    reactor.turn()
    assert not waiting.done
    child.end()


def test_a_watch_is_what_a_reactor_reads_from(child: Child) -> None:
    assert verifyObject(IReadDescriptor, child.watched(Reactor()))
    child.end()


def say_and_end(child: Child) -> None:
    """As a child does that has finished."""
    child.say()
    child.end()


@pytest.mark.parametrize("ending", [say_and_end, Child.end])
def test_a_real_reactor_tells_the_end_also_of_a_child_that_says_nothing(
    ending: Callable[[Child], None], child: Child
) -> None:
    """Twisted takes a pipe that nobody writes to any more for a connection that is lost, and does not read from it."""
    epoll = pytest.importorskip("twisted.internet.epollreactor", exc_type=ImportError)
    reactor = epoll.EPollReactor()
    try:
        watch = child.watched(reactor)
        waiting = Waiting(watch.ended)
        deadline = reactor.callLater(PATIENCE_S, lambda: None)
        ending(child)
        while not waiting.done and deadline.active():
            reactor.doIteration(reactor.timeout())
            reactor.runUntilCurrent()
        assert waiting.results == [None]
        assert watch not in reactor.getReaders()
    finally:
        reactor._poller.close()
        reactor.waker.connectionLost(Failure(ConnectionDone()))
