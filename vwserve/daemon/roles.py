"""Which model answers to which name, where an operator has promoted one; kept in `state/roles.json`.

A name is what requests are addressed to; a model is what its drop describes and its folder of the state holds. They are
the same until a model is promoted. Then a shadow exchanges names with the model that it follows, so that it answers to
that one's name and is followed by it; or a model of a split exchanges shares with the one that has the most. Figures,
snapshots, journals and control commands always mean the model.

The drops have the last word. An exchange of names counts as long as the drops concerned say `shadow:` as they did when
it was made, one of shares as long as `split:` is what it was then: whoever writes what was promoted into the files does
not get it turned around. What does not count is kept, since a file may be missing for a moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from vwserve.durability.checked import from_text, write_in_place
from vwserve.durability.disk import Disk
from vwserve.errors import RequestError, StateError
from vwserve.model.drop import ModelDrop
from vwserve.wire.addressing import unknown_model

FORMAT = 1
_FILE = "roles.json"

Division: TypeAlias = tuple[tuple[str, float], ...]
"""The names of a split's models and their shares, in the order of the drop."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What drops say of traffic: whom each shadow follows, and how each split divides it, all by names."""

    shadows: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, Division] = field(default_factory=dict)

    @classmethod
    def of(cls, drops: Collection[ModelDrop]) -> Declared:
        """What these drops say."""
        return cls(
            {drop.name: drop.shadow for drop in drops if drop.shadow is not None},
            {drop.name: drop.split.shares for drop in drops if drop.split is not None},
        )

    def unfollowed(self, name: str, known: Collection[str]) -> str | None:
        """Why no model can be a shadow of the one of this name, where `known` are there, and what to do."""
        if name in self.splits:
            return f"{name} is a split; name one of its models"
        if name in self.shadows:
            return f"{name} is a shadow itself; name the model that it follows, {self.shadows[name]}"
        return None if name in known else _missing(name)

    def unshared(self, name: str, known: Collection[str]) -> str | None:
        """Why the model of this name cannot be one of a split, where `known` are there, and what to do."""
        if name in self.splits:
            return f"{name} is a split itself; name its models instead"
        return None if name in known else _missing(name)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion: the roles after it, and what there is to tell of it.

    `undo` is the command that takes it back, None where there is no single one.
    """

    roles: Roles
    told: Mapping[str, object]
    undo: str | None


@dataclass(frozen=True, slots=True)
class Roles:
    """The exchanges that were made.

    `answering` gives the model for each name that is not its own model's; `shadows` tells whom the shadows among these
    names followed then. `shares` gives for each split with an exchange what its drop said then, and what holds instead.
    """

    answering: Mapping[str, str] = field(default_factory=dict)
    shadows: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, tuple[Division, Division]] = field(default_factory=dict)

    # -- what counts ---------------------------------------------------------------------------------------------------

    def models(self, declared: Declared) -> dict[str, str]:
        """The model for each name that is not its own model's, as far as the drops let that count."""
        rings = [ring for ring in self._rings() if self._counts(ring, declared)]
        return {name: self.answering[name] for ring in rings for name in ring}

    def division(self, split: str, declared: Declared) -> Division:
        """How a split divides."""
        said = declared.splits[split]
        then, instead = self.shares.get(split, (said, said))
        return instead if said == then else said

    def _counts(self, ring: Iterable[str], declared: Declared) -> bool:
        return all(declared.shadows.get(name) == self.shadows.get(name) for name in ring)

    def _rings(self) -> list[list[str]]:
        """The names that have exchanged models with each other."""
        rings: list[list[str]] = []
        placed: set[str] = set()
        for first in self.answering:
            if first not in placed:
                ring = [first]
                while (after := self.answering[ring[-1]]) != first:
                    ring.append(after)
                placed.update(ring)
                rings.append(ring)
        return rings

    # -- promoting -----------------------------------------------------------------------------------------------------

    def promoted(self, model: str, declared: Declared, known: Collection[str]) -> Promotion:
        """Have a model of the `known` ones take the place of another; raises RequestError where there is none to take.

        A shadow that is in a split as well takes a name, and with it that one's share.
        """
        if model not in known:
            raise unknown_model(model)
        answering = self.models(declared)
        name = next((each for each, behind in answering.items() if behind == model), model)
        if name in declared.shadows:
            return self._exchange_names(model, name, declared, known)
        splits = [split for split, division in declared.splits.items() if name in dict(division)]
        if promotion := self._exchange_shares(model, name, splits, declared):
            return promotion
        followers = [answering.get(each, each) for each, followed in declared.shadows.items() if followed == name]
        if followers and name != model:
            text = f"{model} was promoted already, and answers to {name}; promote {' or '.join(followers)} to undo that"
        elif splits:
            text = f"no model has a larger share than {model} in {' or '.join(splits)}"
        else:
            text = f"{model} is neither a shadow nor a model of a split; `shadow:` or a split's `split:` makes it one"
        raise RequestError("bad-request", text)

    def _exchange_names(self, model: str, name: str, declared: Declared, known: Collection[str]) -> Promotion:
        """Have a shadow, which answers to `name`, exchange names with the model that it follows."""
        followed = declared.shadows[name]
        answering = self.models(declared)
        before = answering.get(followed, followed)
        if followed in declared.shadows or before not in known:
            raise RequestError(
                "bad-request", f"{model} follows no model now; `models` tells what is wrong with its drop"
            )
        concerned = {name, followed, model, before}
        kept = {each: self.answering[each] for ring in self._rings() if concerned.isdisjoint(ring) for each in ring}
        answering = {**kept, **answering, followed: model, name: before}
        answering = {each: behind for each, behind in answering.items() if each != behind}
        said = {each: (self if each in kept else declared).shadows.get(each) for each in answering}
        shadows = {each: whom for each, whom in said.items() if whom is not None}
        roles = replace(self, answering=answering, shadows=shadows)
        return Promotion(roles, {"promoted": model, "answers_to": followed, "shadow": before}, f"promote {before}")

    def _exchange_shares(self, model: str, name: str, splits: Iterable[str], declared: Declared) -> Promotion | None:
        """Have a model, which answers to `name`, exchange shares with the largest one, in those splits where it is not.

        None where it is in all.
        """
        shares, told = dict(self.shares), {}
        overtaken: set[str] = set()
        for split in splits:
            division = dict(self.division(split, declared))
            largest = max(division, key=lambda each: division[each])
            if division[largest] > division[name]:
                overtaken.add(largest)
                division[largest], division[name] = division[name], division[largest]
                told[split] = division
                shares[split] = declared.splits[split], tuple(division.items())
        if not told:
            return None
        shares = {split: (then, instead) for split, (then, instead) in shares.items() if then != instead}
        behind = self.models(declared)
        undo = [f"promote {behind.get(each, each)}" for each in overtaken]
        roles = replace(self, shares=shares)
        return Promotion(roles, {"promoted": model, "splits": told}, undo[0] if len(undo) == 1 else None)

    # -- on disk -------------------------------------------------------------------------------------------------------

    def write(self, disk: Disk, folder: Path) -> None:
        """Have them count after a restart, too; raises StateError."""
        content = {
            "format": FORMAT,
            "answering": dict(self.answering),
            "shadows": dict(self.shadows),
            "shares": {split: {"drop": then, "instead": instead} for split, (then, instead) in self.shares.items()},
        }
        try:
            for path in reversed([path for path in (folder, *folder.parents) if not path.is_dir()]):
                disk.make_folder(path)
                disk.sync_folder(path.parent)
            write_in_place(disk, folder / _FILE, content)
        except OSError as error:
            text = f"cannot write {folder / _FILE}: {error.strerror or error}; nothing was promoted"
            raise StateError(text) from error

    @classmethod
    def read(cls, folder: Path) -> Roles:
        """Those that were written last; raises StateError where the file cannot be read."""
        file = folder / _FILE
        try:
            content = from_text(file.read_bytes(), FORMAT)
            roles = cls(_names(content["answering"]), _names(content["shadows"]), _shares(content["shares"]))
            if sorted(roles.answering) != sorted(roles.answering.values()):
                raise ValueError("its models are not those of its names")
            return roles
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise StateError(f"cannot read {file}: {error.strerror}; look at its disk and its rights") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StateError(
                f"{file} is not as it was written ({error}), and says which models were promoted; restore it, or "
                "remove it to have each model answer to its own name"
            ) from error


def _missing(name: str) -> str:
    return f"no model is called {name!r}; add its file, or name another"


def _names(content: Any) -> dict[str, str]:
    names = dict(content)
    if not all(isinstance(each, str) for each in (*names, *names.values())):
        raise TypeError("a name is a text")
    return names


def _shares(content: Any) -> dict[str, tuple[Division, Division]]:
    return {split: (_division(each["drop"]), _division(each["instead"])) for split, each in dict(content).items()}


def _division(content: Any) -> Division:
    return tuple((str(name), float(share)) for name, share in content)
