"""Models, shadows and splits by the names that requests know, as the daemon has them, without a daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tests.transforms.samples import KINDS
from vwserve.daemon.roles import Roles
from vwserve.daemon.shadowing import Shadowing
from vwserve.daemon.splitting import Joint, Split, View
from vwserve.daemon.traffic import Traffic
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.drop import read_drop
from vwserve.model.servable import Servable
from vwserve.model.together import Together
from vwserve.transforms.pipeline import TransformPool
from vwserve.wire import Model, Models, Session


class Turns:
    """What is called at the end of a turn of the reactor."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def later(self, call: Callable[[], None]) -> None:
        """Call it then."""
        self.calls.append(call)

    def end(self) -> None:
        """Let a turn end."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Named:
    """Models, shadows and splits from drops in a folder; see vwserve.wire.Models."""

    def __init__(self, folder: Path, roles: Roles | None = None) -> None:
        self.folder = folder
        self.turns = Turns()
        self.reports: list[str] = []
        self.shadowing = Shadowing(self.turns.later, lambda name, text: self.reports.append(f"{name}: {text}"))
        self.traffic = Traffic(self.shadowing, roles or Roles())
        self.servables: dict[str, Servable] = {}
        self._texts: dict[str, str] = {}
        self._pool = TransformPool()

    def drop(self, **texts: str | None) -> None:
        """Write these drops, where a text of None removes one and `_` in a name is `-`, and follow them all."""
        for written, text in texts.items():
            name = written.replace("_", "-")
            if text is None:
                del self._texts[name]
            else:
                self._texts[name] = text
                (self.folder / f"{name}.yaml").write_text(f"{text}\n")
        drops = [read_drop(self.folder / f"{name}.yaml", KINDS) for name in sorted(self._texts)]
        served: dict[str, Servable] = {}
        for drop in drops:
            if drop.split is None:
                before = self.servables.get(drop.name)
                if before is None or drop.name in {name.replace("_", "-") for name in texts}:
                    before = Blueprint.of(drop, self._pool).build(Bounds())
                served[drop.name] = before
        self.servables = served
        self.traffic.arrange(drops, served)

    @property
    def problems(self) -> list[str]:
        """What is wrong, without the folder."""
        return [str(problem).removeprefix(f"{self.folder}/") for problem in self.traffic.problems]

    def promote(self, model: str) -> Mapping[str, object]:
        """Promote a model."""
        promotion = self.traffic.promotion(model)
        self.traffic.adopt(promotion.roles)
        return {**promotion.told, "undo": promotion.undo}

    def talk(self, reads: bytes | Iterable[bytes], own: str = "", *, ends_turn: bool = True) -> bytes:
        """What a connection is answered whose listener has a model of its own; then the turn ends."""
        session = Session(self, own, line_bytes=1 << 16, request_bytes=1 << 20)
        answers: list[bytes] = []
        for read in [reads] if isinstance(reads, bytes) else reads:
            session.receive(read)
            answers += session.answers()
        session.end()
        answers += session.answers()
        if ends_turn:
            self.turns.end()
        return b"".join(answers)

    # -- see vwserve.wire.Models ---------------------------------------------------------------------------------------

    def get(self, name: str) -> View | Split | None:
        """What answers to a name."""
        return self.traffic.models.get(name)

    def together(self, names: Sequence[str], lines: Sequence[bytes]) -> Together | Joint:
        """The same lines for several."""
        return self.traffic.together(names, lines)

    def names(self) -> Sequence[str]:
        """All names."""
        return self.traffic.names()

    def statistics(self, name: str) -> Mapping[str, object] | None:
        """The figures of a model or a split."""
        servable = self.servables.get(name)
        told = self.traffic.statistics(name)
        return {**(servable.statistics() if servable is not None else {}), **told} or None

    def save(self, name: str, export: str) -> None:
        """Save nothing."""


def _conforms(named: Named, view: View, split: Split) -> tuple[Models, Model, Model]:
    """A type checker's proof that what the daemon serves is what the line protocol asks for."""
    return named, view, split
