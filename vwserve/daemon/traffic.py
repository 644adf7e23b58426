"""Who answers to which name: models, those with shadows, and splits, as the drops and the roles have it.

A name of which nothing special is said leads to the plain servable, so that shadows and splits cost nothing to models
without any.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from vwserve.daemon.roles import Declared, Division, Promotion, Roles
from vwserve.daemon.routing import Router
from vwserve.daemon.shadowing import Shadowing
from vwserve.daemon.splitting import Arm, Joint, Split, View, together
from vwserve.errors import Problem
from vwserve.model.drop import ModelDrop
from vwserve.model.servable import Servable
from vwserve.model.together import Together


class Traffic:
    """The models by the names that requests know; of the empty name, the only one that is no shadow, if there is one.

    `problems` are what is wrong with the drops together.
    """

    def __init__(self, shadowing: Shadowing, roles: Roles) -> None:
        self.shadowing = shadowing
        self.roles = roles
        self.models: Mapping[str, View | Split] = {}
        self.problems: Sequence[Problem] = ()
        self._declared = Declared()
        self._drops: Collection[ModelDrop] = ()
        self._servables: Mapping[str, Servable] = {}
        self._behind: dict[str, str] = {}
        self._arms: dict[str, tuple[tuple[Division, str], list[Arm]]] = {}

    def names(self) -> Sequence[str]:
        """The names that are answered, in order."""
        return sorted(name for name in self.models if name)

    def behind(self, name: str) -> Sequence[str]:
        """The names of the models that answer to a name, several for a split."""
        model = self.models.get(name)
        if isinstance(model, Split):
            return [self._behind[part] for part in model.parts if part in self._behind]
        return [] if model is None else [(model if isinstance(model, Servable) else model.primary).name]

    def together(self, names: Sequence[str], lines: Sequence[bytes]) -> Together | Joint:
        """The same lines for several models, all of which there are."""
        return together([self.models[name] for name in names], lines)

    def arrange(self, drops: Collection[ModelDrop], servables: Mapping[str, Servable]) -> None:
        """Follow the drops of all models and splits, given the servables of the models that are served.

        To be called before a servable that was handed over is closed, and outside of any answer.
        """
        self._drops, self._servables = drops, servables
        declared = self._declared = Declared.of(drops)
        answering = self.roles.models(declared)
        self._behind = {
            name: model
            for name in sorted({*servables, *answering})
            if (model := next((each for each in (answering.get(name), name) if each in servables), None)) is not None
        }
        problems: list[Problem] = []
        followed = self._followed(problems)
        shadowed = self.shadowing.arrange(followed, servables)
        views: dict[str, View] = {name: shadowed.get(model) or servables[model] for name, model in self._behind.items()}
        models: dict[str, View | Split] = {**views}
        models |= self._splits(views, problems)
        unfollowing = [name for name in models if self._behind.get(name) not in followed]
        if len(unfollowing) == 1:
            models[""] = models[unfollowing[0]]
        self.models, self.problems = models, problems

    def promotion(self, model: str) -> Promotion:
        """What promoting a model would come to; raises RequestError. `adopt` the roles once they are written."""
        return self.roles.promoted(model, self._declared, self._servables.keys())

    def adopt(self, roles: Roles) -> None:
        """Have other roles count."""
        self.roles = roles
        self.arrange(self._drops, self._servables)

    def statistics(self, name: str) -> dict[str, object]:
        """What `!stats` tells besides of the model of this name, or of all of a split."""
        split = self.models.get(name)
        if isinstance(split, Split):
            return {"model": name, **split.statistics()}
        answers_to = next((each for each, model in self._behind.items() if model == name and each != name), None)
        shadow = self.shadowing.statistics(name)
        return {
            **({"answers_to": answers_to} if answers_to is not None else {}),
            **({"shadow": shadow} if shadow is not None else {}),
        }

    def _followed(self, problems: list[Problem]) -> dict[str, str]:
        """The models that are shadows, with those that they follow."""
        behind, followed = self._behind, {}
        for drop in self._drops:
            name = drop.shadow
            if name is None:
                continue
            if fault := self._unfollowed(drop.name, name):
                problems.append(drop.problem("shadow", f"{fault}; until then {drop.name} follows nobody"))
            elif drop.name in behind and behind[drop.name] != behind[name]:
                followed[behind[drop.name]] = behind[name]
        return followed

    def _unfollowed(self, shadow: str, name: str) -> str | None:
        """Why a shadow cannot follow the model of this name, and what to do."""
        behind = self._behind
        if (fault := self._declared.unfollowed(name, behind)) or shadow not in behind:
            return fault
        here, there = self._servables[behind[shadow]], self._servables[behind[name]]
        if here.multiline != there.multiline:
            return f"an example of {shadow} is {_lines(here)}, one of {name} {_lines(there)}; name one of its kind"
        return None

    def _splits(self, models: Mapping[str, View], problems: list[Problem]) -> dict[str, Split]:
        """The splits of which at least one model is there."""
        splits: dict[str, Split] = {}
        arms: dict[str, tuple[tuple[Division, str], list[Arm]]] = {}
        for drop in self._drops:
            if drop.split is None:
                continue
            division = self.roles.division(drop.name, self._declared)
            views, faults = self._views(division, models)
            largest = max(views, key=dict(division).__getitem__, default=None)
            instead = f"its share goes to {largest}" if largest else f"{drop.name} is not served"
            problems += [drop.problem("split", f"{fault}; until then {instead}") for fault in faults]
            stated, counted = self._arms.get(drop.name, (None, []))
            if stated != (division, drop.split.by):
                whole = sum(share for _, share in division)
                counted = [Arm(name, share / whole) for name, share in division]
            arms[drop.name] = (division, drop.split.by), counted
            if views:
                router = Router(drop.name, [share for _, share in division], drop.split.by)
                splits[drop.name] = Split(counted, [views.get(name) for name, _ in division], router, drop.split.by)
        self._arms = arms
        return splits

    def _views(self, division: Division, models: Mapping[str, View]) -> tuple[dict[str, View], list[str]]:
        """The models of a split that are to be had, and why the others are not."""
        views: dict[str, View] = {}
        faults: list[str] = []
        for name, _ in division:
            if fault := self._declared.unshared(name, models):
                faults.append(fault)
            else:
                views[name] = models[name]
        largest = max(views, key=dict(division).__getitem__, default="")
        for name in list(views):
            if views[name].multiline != views[largest].multiline:
                here, there = _lines(views.pop(name)), _lines(views[largest])
                faults.append(f"an example of {name} is {here}, one of {largest} {there}; leave one of them out")
        return views, faults


def _lines(model: View) -> str:
    return "several lines" if model.multiline else "one line"
