"""Durable models become other lineages of themselves while they serve: by a rollback, or as a changed drop has it.

The successor is made beside the model that serves. What it has to learn again it learns a little each turn or, where
that is much, in a child process; what comes meanwhile it learns from the journal, and in the turn in which nothing is
left it takes over. Until then nothing is changed, so a switch can be given up at any time, and is where the model is
closed or made otherwise by somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredLock, TimeoutError
from twisted.logger import Logger

from vwserve.daemon.apart import apart, built, detached, held
from vwserve.daemon.snapshotting import Lane, Snapshotting
from vwserve.daemon.watching import Watch
from vwserve.durability.durable import Durable
from vwserve.durability.lineage import Lineage
from vwserve.durability.provenance import Provenance
from vwserve.durability.recovery import Plan
from vwserve.durability.snapshot import SnapshotError
from vwserve.durability.successor import Successor
from vwserve.durability.taking import Taking
from vwserve.errors import StateError
from vwserve.model.blueprint import Blueprint

REPLAYED_IN_PLACE = 50_000
"""The most examples that a successor learns again in the daemon itself, a few at a time; more are left to a child."""

UNDO_S = 10.0
"""How long a switch waits for the snapshot that would undo it; the largest model takes seconds."""

_BLOCKS_A_TURN = 4  # of 250 lines: some milliseconds

Result = TypeVar("Result")


class GivenUp(StateError):
    """A switch came to nothing since its model was closed or made otherwise meanwhile."""


class Switching:
    """Switches models on a reactor; `refresh` is called when one has another servable, before the old one is closed.

    `building` is held while a thread makes a model, or a child is forked: see `vwserve.daemon.loading`.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        executor: Executor,
        building: DeferredLock,
        snapshotting: Snapshotting,
        refresh: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._executor = executor
        self._building = building
        self._snapshotting = snapshotting
        self._refresh = refresh
        self._under_way: dict[Durable, Deferred[Any]] = {}
        self._left: dict[Durable, str] = {}
        self._waiting: dict[Durable, list[Deferred[None]]] = {}

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
            why = self._left.get(durable, f"{name} was removed or changed meanwhile")
            raise GivenUp(f"{why}; nothing was switched") from error
        finally:
            self._left.pop(durable, None)
            del self._under_way[durable]
            for ended in self._waiting.pop(durable, []):
                ended.callback(None)

    async def idle(self, durable: Durable, slow: Callable[[], None] = lambda: None) -> None:
        """Wait until nothing is under way with a model; `slow` is called where there is something to wait for."""
        while durable in self._under_way:
            ended: Deferred[None] = Deferred()
            self._waiting.setdefault(durable, []).append(ended)
            slow()
            await ended

    def leave(self, durable: Durable, why: str) -> None:
        """Give up what is under way with a model that is going to be closed; `why` is told to who waits for it."""
        working = self._under_way.get(durable)
        if working is not None:
            self._left[durable] = why
            working.cancel()

    async def become(
        self,
        durable: Durable,
        blueprint: Blueprint,
        provenance: Provenance,
        slow: Callable[[], None] = lambda: None,
    ) -> None:
        """Have a model be what another blueprint describes, of this provenance, as its policy has it.

        Waits for the end of what is under way with it; `slow` is called once that, or a child, is waited for. Raises
        as `carry_out` and `switch` do.
        """
        await self.idle(durable, slow)
        if not durable.lineage.provenance.changes(provenance):
            durable.configure(blueprint)
        elif durable.kept(blueprint, provenance):
            await self.carry_out(durable, lambda: self._go_on(durable, blueprint, provenance))
        else:
            await self.carry_out(durable, lambda: self._begin_anew(durable, blueprint, provenance, slow))

    async def switch(
        self,
        durable: Durable,
        aspire: Callable[[], Lineage],
        blueprint: Blueprint | None = None,
        slow: Callable[[], None] = lambda: None,
    ) -> Lineage:
        """Have a model be the lineage that `aspire` gives, made by another blueprint if that is given.

        It is asked again where no child had to begin with the first one, so that what comes meanwhile counts as what
        came before. To be called in `carry_out`; nothing of it is given up once the model is another. Returns what it
        has become. Raises StateError where that cannot be: all is as it was then.
        """
        began, lineage = durable.lineage, aspire()
        verified = await apart(self._reactor, self._executor, lambda: durable.verified(lineage))
        plan = durable.plan(aspire(), verified, blueprint)
        if plan.replayed <= REPLAYED_IN_PLACE:
            await self._replace(durable, began, lambda: plan, blueprint)
            return durable.lineage
        slow()
        async with held(self._building):
            taking = durable.rebuild(plan.lineage, blueprint)
        with durable.pinning(taking.number):
            await self._rebuilt(taking)
            await self._replace_from(taking.number, durable, began, plan.lineage, blueprint, plan.remarks)
        return durable.lineage

    async def before(self, durable: Durable) -> tuple[int | None, str]:
        """The number of a snapshot of the model as it is, 0 for its beginning; where there is none, None and why.

        Whoever switches needs that all the same, and soon: a disk that does not take one is not waited for long.
        """
        if not durable.changed:
            return durable.newest.number if durable.newest is not None else 0, ""
        taken = self._snapshotting.take(durable, Lane.UNDO).addTimeout(UNDO_S, self._reactor)
        try:
            return (await taken).number, ""
        except TimeoutError:
            self._snapshotting.leave(durable, why := f"it did not come about in {UNDO_S:g} s", [Lane.UNDO])
            return None, f"no snapshot was taken: {why}"
        except SnapshotError as error:  # the log has it
            return None, str(error)

    async def _go_on(self, durable: Durable, blueprint: Blueprint, provenance: Provenance) -> None:
        """Have a model be made by another blueprint, and go on with what it has learned."""
        began = durable.lineage
        snapshot = await self._snapshotting.take(durable)
        lineage = began.aspired(provenance, blueprint.drop.policy.on_change, snapshot.moment.journal)
        found = durable.refounded(snapshot, lineage)
        with durable.pinning(snapshot.number):
            founding = apart(self._reactor, self._executor, found)
            base = await detached(founding, lambda unwanted: durable.discard(unwanted.number))
        with durable.pinning(base.number):
            await self._replace_from(base.number, durable, began, lineage, blueprint)

    async def _begin_anew(
        self, durable: Durable, blueprint: Blueprint, provenance: Provenance, slow: Callable[[], None]
    ) -> None:
        """Have a model be made by another blueprint, and not go on with what it has learned; the log says the way back.

        Nobody waits for it where a snapshot of the model as it is comes first.
        """
        name, began = durable.servable.name, durable.lineage
        aspire = partial(durable.replaced, blueprint, provenance)
        aspire()  # what is refused needs no snapshot to undo it
        if durable.changed:
            slow()
        undo, why = await self.before(durable)
        if durable.lineage != began:
            raise GivenUp(f"{name} was changed meanwhile; nothing was switched")
        await self.switch(durable, aspire, blueprint, slow)
        if undo is not None:
            text = "{model}: to undo that, have its drop say what it said, and `vwserve ctl rollback {model} {to}`"
            self.log.info(text, model=name, to=undo)
        else:
            self.log.info("{model}: there is no snapshot to undo that by: {why}", model=name, why=why)

    async def _replace_from(
        self,
        number: int,
        durable: Durable,
        began: Lineage,
        lineage: Lineage,
        blueprint: Blueprint | None,
        remarks: Sequence[str] = (),
    ) -> None:
        """Make the successor from a snapshot of its own, which is worth nothing where it comes to nothing."""
        try:
            plan = partial(durable.planned_from, number, lineage, remarks)
            await self._replace(durable, began, plan, blueprint)
        except BaseException:
            await apart(self._reactor, self._executor, partial(durable.discard, number))
            raise

    async def _replace(
        self, durable: Durable, began: Lineage, plan: Callable[[], Plan], blueprint: Blueprint | None
    ) -> None:
        """Make the successor of a model that is as it `began`, and have it take over once it has caught up."""
        if durable.lineage != began:
            raise GivenUp(f"{durable.servable.name} was changed meanwhile; nothing was switched")

        def make() -> Successor:
            successor = durable.successor(plan(), blueprint)
            successor.recovered.servable.warm()
            return successor

        successor = await built(self._reactor, self._executor, self._building, make, Successor.close)
        try:
            await self._catch_up(durable, successor)
            if blueprint is None:
                successor.blueprint = durable.blueprint  # which may say otherwise by now how it is kept
            before = durable.adopt(successor)
        except BaseException:
            self._close(successor.close)
            raise
        if blueprint is not None:
            durable.configure(blueprint)
        self._refresh()
        self._close(before.close)

    def _close(self, close: Callable[[], None]) -> None:
        """Free a model that serves no more, when its turn comes; that is nothing to wait for, nor to give up."""
        closing = built(self._reactor, self._executor, self._building, close)
        closing.addErrback(lambda failure: self.log.failure("a fault of vwserve while it closed a model", failure))

    async def _rebuilt(self, taking: Taking) -> None:
        """Wait for the snapshot that a child makes."""
        watch = Watch(self._reactor, taking)
        try:
            await watch.ended
        except BaseException:
            watch.stop()
            taking.end()
            raise
        taking.finish()

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
