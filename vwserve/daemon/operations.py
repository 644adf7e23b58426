"""What the control channel can ask for; see vwserve.wire.control.Operations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock

from vwserve.daemon.apart import apart, held
from vwserve.daemon.loading import Loading
from vwserve.daemon.planning import Planning
from vwserve.daemon.registry import Registry, Served
from vwserve.daemon.snapshotting import Snapshotting
from vwserve.daemon.switching import GivenUp, Switching
from vwserve.durability.disk import Disk
from vwserve.durability.durable import Durable
from vwserve.durability.lineage import Lineage
from vwserve.durability.snapshot import Snapshot
from vwserve.durability.snapshots import snapshots_in
from vwserve.errors import RequestError
from vwserve.wire.addressing import unknown_model
from vwserve.wire.control import Answer
from vwserve.wire.points import AtNumber, AtTime, Point, Skip

_SAME_TURN_S = 0.01  # from when a command is read, which is what `now` in it means, until it is begun


class ControlOperations:
    """The operations of a daemon, on its reactor.

    `read_again` reads its configuration and returns what is wrong; `not_ready` tells why it is not ready; `unix_time`
    is the time in seconds since 1970. In `state` each model has a folder of its own.
    """

    def __init__(
        self,
        reactor: Any,
        registry: Registry,
        snapshotting: Snapshotting,
        switching: Switching,
        loading: Loading,
        planning: Planning,
        executor: Executor,
        state: Path,
        read_again: Callable[[], Awaitable[Sequence[str]]],
        not_ready: Callable[[], Sequence[str]],
        unix_time: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._registry = registry
        self._snapshotting = snapshotting
        self._switching = switching
        self._loading = loading
        self._planning = planning
        self._executor = executor
        self._state = state
        self._read_again = read_again
        self._not_ready = not_ready
        self._promoting = DeferredLock()
        self._unix_time = unix_time

    # -- telling -------------------------------------------------------------------------------------------------------

    def models(self) -> Answer:
        """The models in the order of their names, those that cannot be served with what is wrong with their drops."""
        wrong = {each.name: str(each.problem) for each in self._registry.failed}
        served = self._registry.names()
        told = [{**self.stats(name), **({"problem": wrong[name]} if name in wrong else {})} for name in served]
        told += [
            {"model": each.name, "state": "failed", "file": str(each.file), "problem": str(each.problem)}
            for each in self._registry.failed
            if each.name not in served
        ]
        return sorted(told, key=lambda each: str(each["model"]))

    def ready(self) -> Answer:
        """Whether all is served and learned as the configuration says, and why not."""
        reasons = list(self._not_ready())
        return {"ready": not reasons, "reasons": reasons}

    def stats(self, model: str) -> dict[str, object]:
        """What `!stats` tells of a model."""
        statistics = self._registry.statistics(model)
        if statistics is None:
            raise unknown_model(model)
        return statistics

    async def snapshots(self, model: str) -> Answer:
        """The snapshots of a model, newest first; also of one that learns no more."""
        served = self._served(model)
        listed = await self._apart(lambda: snapshots_in(self._state / served.drop.name))
        newest = served.durable.newest if served.durable is not None else None
        if served.pinned is not None:
            newest = served.pinned.snapshot
        return [{**_told(each), "current": newest is not None and each.number == newest.number} for each in listed]

    async def plan(self, file: str) -> Answer:
        """What would be done with a drop."""
        return await self._planning.plan(Path(file))

    # -- changing ------------------------------------------------------------------------------------------------------

    async def snapshot(self, model: str) -> Answer:
        """Take a snapshot now."""
        return _told(await self._snapshotting.take(self._durable(model)))

    async def promote(self, model: str) -> Answer:
        """Put a shadow, or a model of a split, in the place of another."""
        async with held(self._promoting):
            promotion = self._registry.traffic.promotion(model)
            await self._apart(lambda: promotion.roles.write(Disk(), self._state))
            self._registry.traffic.adopt(promotion.roles)
        return {**promotion.told, "undo": promotion.undo}

    async def reload(self) -> Answer:
        """Read the configuration again."""
        problems = await self._read_again()
        return {"models": list(self._registry.names()), "problems": list(problems)}

    async def forget(self, model: str) -> Answer:
        """Remove all that a model has learned that is not served."""
        return {"model": model, "bytes": await self._loading.forget(model)}

    async def rollback(self, model: str, snapshot: int, until: Point | None, skip: Sequence[Skip]) -> Answer:
        """Go back to a snapshot, and learn again what is asked for."""
        durable = self._durable(model)
        return await self._switching.carry_out(durable, lambda: self._roll_back(durable, snapshot, until, skip))

    async def _roll_back(self, durable: Durable, snapshot: int, until: Point | None, skip: Sequence[Skip]) -> Answer:
        model, began = durable.servable.name, durable.lineage
        until = self._upto_now(durable, until)
        skip = [replace(each, last=self._upto_now(durable, each.last)) for each in skip]
        with durable.pinning(snapshot):
            base = await self._apart(lambda: durable.described(snapshot)) if snapshot else None
            upto = None if until is None else await self._sequence(durable, until)
            if upto == 0 and isinstance(until, AtTime):
                raise RequestError(
                    "bad-request",
                    f"{model} had learned nothing by then: there is nothing to replay; `rollback {model} 0` alone has "
                    "it begin anew",
                )
            stretches = [await self._stretch(durable, each) for each in skip]

            def aspire() -> Lineage:
                if durable.lineage != began:
                    raise GivenUp(f"{model} was changed meanwhile; nothing was rolled back")
                return durable.intervened(base, upto, stretches)

            aspire()  # what is refused needs no snapshot to undo it
            undo, no_undo = await self._switching.before(durable)
            lineage = await self._switching.switch(durable, aspire)
        return {
            "model": model,
            "lineage": lineage.number,
            "snapshot": snapshot,
            "learned_from_journal": str(lineage.examples),
            "journal": durable.position,
            "undo": f"rollback {model} {undo}" if undo is not None else None,
            "no_undo": no_undo or None,
        }

    def _upto_now(self, durable: Durable, point: Point | None) -> Point | None:
        """A point that is now, or later, as the number that it is at this moment: times are noted once a second."""
        if isinstance(point, AtTime) and point.unix_s >= self._unix_time() - _SAME_TURN_S:
            return AtNumber(durable.position)
        return point

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

    def _served(self, model: str) -> Served:
        served = self._registry.served(model)
        if served is None:
            raise unknown_model(model)
        return served

    def _durable(self, model: str) -> Durable:
        durable = self._served(model).durable
        if durable is None:
            raise RequestError("bad-request", f"{model} does not learn: it takes no snapshots")
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
