"""How VW goes on from a file that it saved as if it had never stopped, and which models their journal makes again.

`vw -i` alone does not: it begins to count anew, from the seed that it was first given, and it takes options that are
lists (`--lrq`) twice, once from the file and once from the arguments. And unless it is told otherwise, VW saves the
normalisation of the first of several models only (`gd_per_model_states` in gd.cc), so that the classes of --oaa, for
example, would learn on with other rates. Both were found by stopping and resuming every learner that is tested.

Nor does what a model learned make it again in every case: some draw from the same chance to predict and to learn, some
count all examples, and some keep what they meet first. These were found by leaving out the predictions. VW composes
learners freely; of the compositions, those are listed that were found wanting, each with all of its relations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from vwserve.learner.binding import Workspace
from vwserve.learner.header import kept_options

EACH_MODEL = "--per_model_save_load"
"""Has VW save the normalisation of each of several models. A file that was saved without cannot be read with it."""

_SEED = "random_seed"
_LISTS = ("lrq", "lrqfa", "spelling", "redefine")
# Options and reductions. What these go by is not in a file, whatever the other arguments: chance that was drawn,
# examples that were put aside or counted.
_FORGETFUL = frozenset(
    {"OjaNewton", "rank", "lrqdropout", "dropout", "autolink", "alg", "active_cover", "oaa_subsample", "cbify"}
    | {"replay_b", "replay_c", "replay_m", "memory_tree", "cb_dro", "stage_poly", "compete", "explore_eval"}
    | {"cb_explore-first"}
)
# These keep it as long as nothing but classes is built on them.
_FORGETFUL_BELOW = frozenset(
    {"interact", "l1", "l2", "lrq", "lrqfa", "bootstrap", "baseline", "boosting"}
    | {"random_weights", "normal_weights", "truncated_normal_weights"}
)
# What these learn depends on the predictions in between. The last ones only draw their answers.
_MOVED = frozenset(
    {"rank", "lrq", "lrqfa", "bootstrap", "active_cover", "cbify-adf", "cbify", "cb_explore-bag", "cb_explore-first"}
    | {"stage_poly", "marginal", "emt", "automl", "epsilon_decay", "search_subsample_time"}
    | {"confidence", "boosting-adaptive", "sample_pdf", "cb_sample"}
)
_MOVED_BELOW = frozenset({"interact", "l1", "l2", "baseline", "nn", "replay_b"})
# Rates that fall with the number of examples, of which --csoaa_ldf and --wap_ldf count all.
_FALLING_RATES = frozenset({"sgd", "invariant", "normalized"})
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


@dataclass(frozen=True, slots=True)
class Nature:
    """What a workspace is made of: the names of the options in force and of its reductions, its `kind` of label.

    `single` says that there is one weight a feature.
    """

    names: frozenset[str]
    kind: str
    multiline: bool
    single: bool

    @classmethod
    def of(cls, workspace: Workspace) -> Nature:
        """That of a workspace; it takes VW milliseconds to tell."""
        supplied = {option.name for option in workspace.options.values() if option.supplied}
        names = workspace.reductions | supplied
        return cls(names, workspace.label_kind, workspace.multiline, workspace.reading is not None)

    def has(self, names: frozenset[str]) -> bool:
        """Whether any of these options or reductions is in it."""
        return not names.isdisjoint(self.names)

    @property
    def built(self) -> bool:
        """Whether the learner is one for costs, decisions or lists, built on one for plain numbers."""
        return self.multiline or self.kind not in ("simple", "multiclass")


def tells_all(nature: Nature) -> bool:
    """Whether a file that VW saves has all that such a workspace goes on from."""
    whole = nature.single or EACH_MODEL.removeprefix("--") in nature.names
    return whole and not nature.has(_FORGETFUL) and not (nature.built and nature.has(_FORGETFUL_BELOW))


def replays_exactly(nature: Nature) -> bool:
    """Whether what such a workspace learned, learned again without the predictions in between, makes the same model."""
    if nature.has(_MOVED) or (nature.built and nature.has(_MOVED_BELOW)):
        return False
    if nature.kind == "costs":
        # A prediction, too, settles whether the classes of --csoaa count from zero or from one (csoaa.cc).
        return not nature.has(_FALLING_RATES) if nature.multiline else "indexing" in nature.names
    return True


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
