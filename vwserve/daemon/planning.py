"""Tells what the daemon would do with a drop, before anybody drops it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from vwserve.daemon.registry import Registry, Served
from vwserve.durability.durable import Durable
from vwserve.durability.outlook import Outlook, outlook, outlook_of_state
from vwserve.durability.provenance import provenance_of
from vwserve.durability.recovery import Kept
from vwserve.durability.static import check_pinned
from vwserve.errors import ConfigurationError, StateError, VwserveError
from vwserve.model.blueprint import Blueprint, fault
from vwserve.model.drop import ModelDrop, read_drop
from vwserve.transforms.errors import told
from vwserve.transforms.pipeline import TransformPool
from vwserve.transforms.plugins import Plugins, TransformType

Word = Literal["nothing", "add", "configure", "keep", "replay", "fresh", "replace", "refuse", "problems"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, in a word and in a sentence; `more` are figures, `problems` keep it from being done."""

    word: Word
    text: str
    more: Mapping[str, object] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Planning:
    """Plans for drops, held against the models of a registry and the states in a folder.

    `plugins` finds the transforms that there are, and `build` does in a thread what makes a workspace of VW's.
    """

    def __init__(
        self,
        registry: Registry,
        state: Path,
        plugins: Callable[[], Awaitable[Plugins]],
        build: Callable[[Callable[[], Plan]], Awaitable[Plan]],
    ) -> None:
        self._registry = registry
        self._state = state
        self._plugins = plugins
        self._build = build

    async def plan(self, file: Path) -> dict[str, object]:
        """What would be done if this file were dropped now, as it is answered."""
        kinds = (await self._plugins()).kinds
        name: list[str] = []
        plan = await self._build(lambda: self._plan(file, kinds, name))
        answer = {"model": next(iter(name), None), "file": str(file), "plan": plan.word, "text": plan.text, **plan.more}
        return {**answer, "problems": plan.problems} if plan.problems else answer

    def _plan(self, file: Path, kinds: Mapping[str, TransformType], name: list[str]) -> Plan:
        """In a thread."""
        try:
            drop = read_drop(file, kinds)
        except ConfigurationError as error:
            return _wrong(*map(str, error.problems))
        name.append(drop.name)
        try:
            return self._judge(drop)
        except VwserveError as error:
            return _wrong(str(fault(drop, error)))
        except (Exception, SystemExit) as error:  # a fault of a plugin, as where the drop is loaded
            return _wrong(str(drop.problem("", f"cannot be served: {told(error)}")))

    def _judge(self, drop: ModelDrop) -> Plan:
        served, blueprint = self._registry.served(drop.name), Blueprint.of(drop, TransformPool())
        provenance = provenance_of(blueprint)
        blueprint.build(self._registry.bounds).close()  # only VW knows all that is wrong with its arguments
        if drop.pin is not None:
            return self._pinned(drop, blueprint, served)
        on_change = drop.policy.on_change
        if served is not None and (durable := served.durable) is not None:
            course = outlook(
                durable.lineage, provenance, on_change, durable.position, lambda: self._kept(drop.name, durable)
            )
            if course.course != "alike":
                return _course(course, drop)
            return _alike(served, blueprint)
        found = outlook_of_state(self._state / drop.name, provenance, on_change)
        if served is None:
            return _added(found, drop)
        if found is not None and found.course != "alike":
            return _course(found, drop)
        return _replaced(served, blueprint)

    def _kept(self, name: str, durable: Durable) -> Kept:
        folder = self._state / name / "journal"
        return Kept.read(None, folder, multiline=durable.lineage.multiline, passed=durable.position)

    def _pinned(self, drop: ModelDrop, blueprint: Blueprint, served: Served | None) -> Plan:
        assert drop.pin is not None, "it is pinned"
        snapshot = check_pinned(blueprint, drop.pin, self._state / drop.name)
        more: dict[str, object] = {"snapshot": drop.pin, "examples": snapshot.state.counts.learned}
        if served is not None and served.pinned is not None and served.pinned.snapshot.number == drop.pin:
            return Plan("nothing", f"it serves snapshot {drop.pin} already", more)
        text = f"snapshot {drop.pin} is served as it is, and nothing is learned"
        if served is None:
            return Plan("add", text, more)
        return Plan("replace", text + ("; what it has learned stays on disk" if served.durable else ""), more)


def _wrong(*problems: str) -> Plan:
    return Plan("problems", "it cannot be served; what runs goes on", problems=list(problems))


def _course(found: Outlook, drop: ModelDrop) -> Plan:
    examples, more = f"{found.examples:,}", {"examples": found.examples, "lineage": found.lineage}
    if found.course == "keep":
        text = f"it goes on with the {examples} examples that it has learned, made as the file says"
        return Plan("keep", f"{text}; no rollback leads behind that", more)
    if found.course == "replay":
        return Plan(
            "replay", f"it learns the {examples} examples of its journal again; what runs serves until then", more
        )
    if found.course == "fresh":
        lost = f" without the {examples} examples that it has learned" if found.examples else ""
        return Plan("fresh", f"it begins anew{lost}", more)
    return Plan("refuse", "it is refused; what runs goes on", more, [str(fault(drop, StateError(found.why)))])


def _says_the_same(served: Served, drop: ModelDrop) -> bool:
    """Whether a drop says what the one does that is served, wherever it is."""
    return replace(drop, path=served.drop.path) == served.drop


def _alike(served: Served, blueprint: Blueprint) -> Plan:
    if _says_the_same(served, blueprint.drop):
        return Plan("nothing", "it is served as the file says")
    if not blueprint.learns:
        return Plan("configure", "it goes on with what it has learned, and learns no more")
    return Plan("configure", "it goes on as it is, and is kept as the file says")


def _added(found: Outlook | None, drop: ModelDrop) -> Plan:
    if found is None:
        return Plan("add", "it is new")
    if found.course != "alike":
        return _course(found, drop)
    more: dict[str, object] = {"examples": found.examples, "lineage": found.lineage}
    return Plan("add", f"it goes on with the {found.examples:,} examples that its state has learned", more)


def _replaced(served: Served, blueprint: Blueprint) -> Plan:
    if _says_the_same(served, blueprint.drop):
        return Plan("nothing", "it is served as the file says")
    if blueprint.learns:
        return Plan("replace", "it learns from now on, from where its state is")
    if served.drop.digest == blueprint.drop.digest and served.pinned is None:
        return Plan("configure", "it goes on as it is")
    return Plan("replace", "another version takes its place")
