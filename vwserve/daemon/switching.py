"""Durable models become other lineages of themselves while they serve: by a rollback, or as a changed drop has it.

The successor is made beside the model that serves. What it has to learn again it learns a little each turn or, where
that is much, in a child process; what comes meanwhile it learns from the journal, and in the turn in which nothing is
left it takes over. Until then nothing is changed, so a switch can be given up at any time, and is where the model is
closed or made otherwise by somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from itertools import islice
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred

from vwserve.daemon.apart import apart
from vwserve.daemon.watching import Watch
from vwserve.durability.durable import Durable
from vwserve.durability.lineage import Lineage
from vwserve.durability.snapshot import SnapshotError
from vwserve.durability.successor import Successor
from vwserve.durability.taking import Taking
from vwserve.errors import StateError
from vwserve.model.blueprint import Blueprint

REPLAYED_IN_PLACE = 50_000
"""The most examples that a successor learns again in the daemon itself, a few at a time; more are left to a child."""

_BLOCKS_A_TURN = 4  # of 250 lines: some milliseconds

Result = TypeVar("Result")


class GivenUp(StateError):
    """A switch came to nothing since its model was closed or made otherwise meanwhile."""


class Switching:
    """Switches models on a reactor; `refresh` is called when one has another servable, before the old one is closed."""

    def __init__(self, reactor: Any, executor: Executor, refresh: Callable[[], None]) -> None:
        self._reactor = reactor
        self._executor = executor
        self._refresh = refresh
        self._under_way: dict[Durable, Deferred[Any]] = {}

    async def carry_out(self, durable: Durable, work: Callable[[], Coroutine[Deferred[Any], Any, Result]]) -> Result:
        """Do what ends in a switch of a model, which `leave` ends before its time.

        Raises GivenUp where that happens, StateError where the model is being switched already, and what `work` raises.
        """
        name = durable.servable.name
        if durable in self._under_way:
            raise StateError(f"{name} is being rolled back or learning its journal again; wait for the end of that")
        working = self._under_way[durable] = Deferred.fromCoroutine(work())
        try:
            result: Result = await working
            return result
        except CancelledError as error:
            raise GivenUp(f"{name} was removed or changed meanwhile; nothing was switched") from error
        finally:
            del self._under_way[durable]

    def leave(self, durable: Durable) -> None:
        """Give up what is under way with a model: it is going to be closed, or made otherwise."""
        working = self._under_way.get(durable)
        if working is not None:
            working.cancel()

    async def switch(
        self, durable: Durable, aspire: Callable[[], Lineage], blueprint: Blueprint | None = None
    ) -> Lineage:
        """Have a model be the lineage that `aspire` gives, made by another blueprint if that is given.

        It is asked again where no child had to begin with the first one, so that what comes meanwhile counts as what
        came before. To be called in `carry_out`. Raises StateError where that cannot be: all is as it was then.
        """
        began, lineage = durable.lineage, aspire()
        verified = await apart(self._reactor, self._executor, lambda: durable.verified(lineage))
        with ExitStack() as pins:
            if durable.to_replay(lineage, verified) > REPLAYED_IN_PLACE:
                taking = durable.rebuild(lineage, blueprint)
                pins.enter_context(durable.pinning(taking.number))
                verified = [await self._rebuilt(taking)]
            else:
                lineage = aspire()
            if durable.lineage != began:
                raise GivenUp(f"{durable.servable.name} was changed meanwhile; nothing was switched")
            successor = durable.successor(lineage, verified, blueprint)
            try:
                await self._catch_up(durable, successor)
                if blueprint is None:
                    successor.blueprint = durable.blueprint  # which may say otherwise by now how it is kept
                before = durable.adopt(successor)
            except BaseException:
                successor.close()
                raise
        if blueprint is not None:
            durable.configure(blueprint)
        self._refresh()
        before.close()
        return lineage

    async def _rebuilt(self, taking: Taking) -> int:
        """The number of the snapshot that a child makes."""
        watch = Watch(self._reactor, taking)
        try:
            await watch.ended
        except BaseException:
            watch.stop()
            taking.stop()
            with suppress(SnapshotError):  # it is to come to nothing
                taking.finish()
            raise
        taking.finish()
        return taking.number

    async def _catch_up(self, durable: Durable, successor: Successor) -> None:
        """Have a successor learn what it has not, a little each turn; at the end of this turn nothing is left."""
        blocks, most = durable.catch_up(successor), _BLOCKS_A_TURN
        while len(learned := list(islice(blocks, most))) == most:
            position = durable.position
            await self._next_turn()
            if sum(learned) < 2 * (durable.position - position):
                most *= 2  # faster than what comes, or it would never end

    def _next_turn(self) -> Deferred[None]:
        turn: Deferred[None] = Deferred()
        self._reactor.callLater(0, turn.callback, None)
        return turn
