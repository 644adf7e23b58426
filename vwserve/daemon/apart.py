"""Work that waits for the disk, apart from the reactor's thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.python.failure import Failure

Result = TypeVar("Result")


def apart(reactor: Any, executor: Executor, work: Callable[[], Result]) -> Deferred[Result]:
    """What `work` returns or raises, once one of the executor's threads has done it."""
    answer: Deferred[Result] = Deferred()

    def tell(future: Future[Result]) -> None:
        error = future.exception()
        if error is not None:
            answer.errback(error)
        else:
            answer.callback(future.result())

    executor.submit(work).add_done_callback(lambda future: reactor.callFromThread(tell, future))
    return answer


def detached(work: Deferred[Result], discard: Callable[[Result], object]) -> Deferred[Result]:
    """What `work` comes to; where that is cancelled, the work goes on to its end, and its result is discarded."""
    answer: Deferred[Result] = Deferred(lambda _: given_up.append(True))
    given_up: list[bool] = []

    def ended(result: Result) -> None:
        if given_up:
            discard(result)
        else:
            answer.callback(result)

    def failed(failure: Failure) -> None:
        if not given_up:
            answer.errback(failure)

    work.addCallbacks(ended, failed)
    return answer


@asynccontextmanager
async def held(lock: DeferredLock) -> AsyncIterator[None]:
    """Meanwhile, nobody else holds the lock."""
    await lock.acquire()
    try:
        yield
    finally:
        lock.release()


def built(
    reactor: Any,
    executor: Executor,
    building: DeferredLock,
    work: Callable[[], Result],
    discard: Callable[[Result], object] = lambda _: None,
) -> Deferred[Result]:
    """What `work` comes to, which makes or closes workspaces of VW's: done by a thread while `building` is held.

    Where that is cancelled before its turn has come it is not done; later it goes on to its end, with the lock held,
    and its result is discarded.
    """
    wanted = [True]

    async def alone() -> Result:
        async with held(building):
            if not wanted:
                raise CancelledError
            return await apart(reactor, executor, work)

    def unwanted(result: Result | Failure) -> Result | Failure:
        wanted.clear()
        return result

    answer = detached(Deferred.fromCoroutine(alone()), discard)
    answer.addBoth(unwanted)
    return answer
