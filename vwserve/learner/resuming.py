"""How VW goes on from a file that it saved as if it had never stopped.

`vw -i` alone does not: it begins to count anew, from the seed that it was first given, and it takes options that are
lists (`--lrq`) twice, once from the file and once from the arguments. And unless it is told otherwise, VW saves the
normalisation of the first of several models only (`gd_per_model_states` in gd.cc), so that the classes of --oaa, for
example, would learn on with other rates. Both were found by stopping and resuming every learner that is tested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from vwserve.learner.binding import Option
from vwserve.learner.header import kept_options

EACH_MODEL = "--per_model_save_load"
"""Has VW save the normalisation of each of several models. A file that was saved without cannot be read with it."""

_SEED = "random_seed"
_LISTS = ("lrq", "lrqfa", "spelling", "redefine")
# What these go by is not in a file, whatever the arguments: chance that was drawn, examples that were put aside.
_FORGETFUL = frozenset(
    {"OjaNewton", "rank", "lrqdropout", "dropout", "autolink", "alg", "active_cover", "oaa_subsample", "cbify"}
    | {"replay_b", "replay_c", "replay_m", "memory_tree", "cb_dro"}
)
_OPTION = re.compile(r"--?[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a learner knows besides its model file.

    That is the number of the first class, where only a label has settled it, and the largest label that it has met.
    """

    first_class: int | None = None
    reach: float = 0.0

    @property
    def arguments(self) -> list[str]:
        """What VW has to be told of it."""
        return [] if self.first_class is None else ["--indexing", str(self.first_class)]


def resuming_arguments(arguments: Sequence[str], model: Path, standing: Standing) -> list[str]:
    """The arguments with which VW goes on from `model`, which it saved under `arguments`, as if it had not stopped."""
    kept = kept_options(model).split()
    seed = [word for name, word in pairwise(kept) if name == f"--{_SEED}"]
    known = [name for name in _LISTS if f"--{name}" in kept] + ([_SEED] if seed else [])
    return [
        *("--preserve_performance_counters", "-i", str(model), *standing.arguments),
        *([f"--{_SEED}", seed[-1]] if seed else []),
        *_without(arguments, known),
    ]


def tells_all(options: Mapping[str, Option], single: bool) -> bool:
    """Whether a file that VW saves under these options has all that it goes on from.

    `single` says that there is one weight a feature.
    """
    supplied = {option.name for option in options.values() if option.supplied}
    return (single or EACH_MODEL.removeprefix("--") in supplied) and _FORGETFUL.isdisjoint(supplied)


def _without(arguments: Iterable[str], names: Sequence[str]) -> list[str]:
    """The arguments but for these options and their values."""
    rest: list[str] = []
    dropping = False
    for word in arguments:
        if _OPTION.match(word):
            dropping = word.removeprefix("--").partition("=")[0] in names
        if not dropping:
            rest.append(word)
    return rest
