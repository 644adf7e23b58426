"""What the control channel can ask for; see vwserve.wire.control.Operations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred

from vwserve.daemon.apart import apart
from vwserve.daemon.registry import Registry
from vwserve.daemon.snapshotting import Snapshotting
from vwserve.daemon.watching import Watch
from vwserve.durability.durable import Durable, Successor
from vwserve.durability.lineage import Lineage
from vwserve.durability.snapshot import Snapshot, SnapshotError
from vwserve.errors import RequestError, StateError
from vwserve.lines import CHUNK_LINES
from vwserve.wire.addressing import unknown_model
from vwserve.wire.control import Answer
from vwserve.wire.points import AtNumber, Point, Skip

REPLAYED_IN_PLACE = 50_000
"""The most examples that a rollback learns again in the daemon itself, a few at a time; more are left to a child."""

_BLOCKS_A_TURN = 4  # of 250 lines: some milliseconds


class ControlOperations:
    """The operations of a daemon, on its reactor; `read_again` reads its configuration and returns what is wrong."""

    def __init__(
        self,
        reactor: Any,
        registry: Registry,
        snapshotting: Snapshotting,
        executor: Executor,
        read_again: Callable[[], Awaitable[Sequence[str]]],
    ) -> None:
        self._reactor = reactor
        self._registry = registry
        self._snapshotting = snapshotting
        self._executor = executor
        self._read_again = read_again
        self._intervening: set[str] = set()

    # -- telling -------------------------------------------------------------------------------------------------------

    def models(self) -> Answer:
        """The models, in the order of their names."""
        return [self.stats(name) for name in self._registry.names()]

    def stats(self, model: str) -> dict[str, object]:
        """What `!stats` tells of a model."""
        statistics = self._registry.statistics(model)
        if statistics is None:
            raise unknown_model(model)
        return statistics

    async def snapshots(self, model: str) -> Answer:
        """The snapshots of a model, newest first."""
        durable = self._durable(model)
        listed = await apart(self._reactor, self._executor, durable.snapshots)
        current = durable.newest.number if durable.newest is not None else 0
        return [{**_told(each), "current": each.number == current} for each in listed]

    # -- changing ------------------------------------------------------------------------------------------------------

    async def snapshot(self, model: str) -> Answer:
        """Take a snapshot now."""
        return _told(await self._snapshotting.take(self._durable(model)))

    async def reload(self) -> Answer:
        """Read the configuration again."""
        problems = await self._read_again()
        return {"models": list(self._registry.names()), "problems": list(problems)}

    async def rollback(self, model: str, snapshot: int, until: Point | None, skip: Sequence[Skip]) -> Answer:
        """Go back to a snapshot, and learn again what is asked for."""
        durable = self._durable(model)
        if model in self._intervening:
            raise StateError(f"a rollback of {model} is under way; wait for its end")
        self._intervening.add(model)
        try:
            return await self._roll_back(durable, snapshot, until, skip)
        finally:
            self._intervening.discard(model)

    async def _roll_back(self, durable: Durable, snapshot: int, until: Point | None, skip: Sequence[Skip]) -> Answer:
        base = await self._apart(lambda: durable.described(snapshot)) if snapshot else None
        upto = None if until is None else await self._sequence(durable, until)
        stretches = [await self._stretch(durable, each) for each in skip]
        undo = await self._before(durable)
        lineage = durable.intervened(base, upto, stretches)
        verified = await self._apart(lambda: durable.verified(lineage))
        if durable.to_replay(lineage, verified) > REPLAYED_IN_PLACE:
            verified = [await self._rebuilt(durable, lineage)]
        if durable not in self._registry.durables():
            raise StateError("the model was removed or opened anew meanwhile; nothing was rolled back")
        successor = durable.successor(lineage, verified)
        try:
            await self._caught_up(durable, successor)
            before = durable.adopt(successor)
        except BaseException:
            successor.close()
            raise
        self._registry.refresh()
        before.close()
        return {
            "model": durable.servable.name,
            "lineage": lineage.number,
            "snapshot": snapshot,
            "learned_from_journal": str(lineage.examples),
            "journal": durable.position,
            "undo": f"rollback {durable.servable.name} {undo.number}" if undo is not None else None,
        }

    async def _before(self, durable: Durable) -> Snapshot | None:
        """A snapshot of the model as it is, to undo the rollback by; None where the disk takes none."""
        if not durable.changed:
            return durable.newest
        try:
            return await self._snapshotting.take(durable)
        except SnapshotError:  # the log has it; whoever needs a rollback needs it all the same
            return None

    async def _rebuilt(self, durable: Durable, lineage: Lineage) -> int:
        """The number of the snapshot that a child has made of a lineage."""
        taking = durable.rebuild(lineage)
        await Watch(self._reactor, taking).ended
        taking.finish()
        return taking.number

    async def _caught_up(self, durable: Durable, successor: Successor) -> None:
        """Have a successor learn what it has not, a little each turn; at the end of this turn nothing is left."""
        blocks = durable.catch_up(successor)
        most = _BLOCKS_A_TURN
        while len(list(islice(blocks, most))) == most:
            position = durable.position
            await self._next_turn()
            came = (durable.position - position) // CHUNK_LINES
            most = max(_BLOCKS_A_TURN, 2 * came)  # faster than what comes, or it would never end

    async def _sequence(self, durable: Durable, point: Point) -> int:
        if isinstance(point, AtNumber):
            if point.sequence > durable.position:
                ends = f"the journal of {durable.servable.name} ends at example {durable.position}"
                raise RequestError("bad-request", f"there is no example {point.sequence}: {ends}")
            return point.sequence
        sequence: int = await self._apart(lambda: durable.sequence_at(point.unix_s))
        return sequence

    async def _stretch(self, durable: Durable, skip: Skip) -> tuple[int, int]:
        first = 1 if skip.first is None else await self._first(durable, skip.first)
        last = durable.position if skip.last is None else await self._sequence(durable, skip.last)
        if last < first or first > durable.position:
            raise RequestError(
                "bad-request",
                f"no example of {durable.servable.name} is from {first} to {last}: its journal ends at "
                f"{durable.position}; a number is a sequence number, and @NUMBER a time in seconds",
            )
        return first, last

    async def _first(self, durable: Durable, point: Point) -> int:
        """The first example from a point on: of a time, the one after those that had been learned by then."""
        return point.sequence if isinstance(point, AtNumber) else await self._sequence(durable, point) + 1

    def _apart(self, work: Callable[[], Any]) -> Deferred[Any]:
        return apart(self._reactor, self._executor, work)

    def _next_turn(self) -> Deferred[None]:
        turn: Deferred[None] = Deferred()
        self._reactor.callLater(0, turn.callback, None)
        return turn

    def _durable(self, model: str) -> Durable:
        served = self._registry.served(model)
        if served is None:
            raise unknown_model(model)
        durable = served.durable
        if durable is None:
            raise RequestError("bad-request", f"{model} does not learn: it has no snapshots and no journal")
        return durable


def _told(snapshot: Snapshot) -> dict[str, object]:
    counts = snapshot.state.counts
    return {
        "number": snapshot.number,
        "time": snapshot.time_s,
        "examples": counts.examples,
        "learned": counts.learned,
        "loss": snapshot.loss,
        "journal": snapshot.moment.journal,
        "bytes": snapshot.size_bytes,
        "lineage": snapshot.moment.lineage,
    }
