"""Work that waits for the disk, apart from the reactor's thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

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
