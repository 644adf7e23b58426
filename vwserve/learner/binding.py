"""The only module that touches VW's Python binding: one workspace, typed and owned by one thread.

What the binding costs decides the shape of this module. A call into it costs about 0.1 µs whatever it does, parsing
many lines at once is several times cheaper than line by line, and a workspace that has raised is not safe to use again:
VW leaves examples and reductions half done, and the next call may crash the process. So everything here works on a
chunk of lines, and a workspace that raised is `spoilt`: its owner builds another from what was learned.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pylibvw

from vwserve.errors import ArgumentsError

if TYPE_CHECKING:
    from vwserve.learner.sink import PredictionSink

# Parsers of labels, by the number that `_get_label_type` gives (pylibvw.cc).
LABEL_KINDS = {
    pylibvw.vw.lSimple: "simple",
    pylibvw.vw.lMulticlass: "multiclass",
    pylibvw.vw.lCostSensitive: "costs",
    pylibvw.vw.lContextualBandit: "bandit",
    pylibvw.vw.lConditionalContextualBandit: "ccb",
    pylibvw.vw.lSlates: "slates",
    pylibvw.vw.lContinuous: "continuous",
    pylibvw.vw.lMultilabel: "multilabel",
}
# Kinds of prediction that are always one word, so that a batch may list them on one line. A list of labels is not: it
# may be empty.
SPACELESS_PREDICTIONS = frozenset({pylibvw.vw.pSCALAR, pylibvw.vw.pMULTICLASS})
# Reductions that print more than the prediction.
_WORDY_REDUCTIONS = frozenset({"bootstrap", "confidence"})
# Reductions through which a scalar prediction is printed as a plain number (`print_result_by_ref`, global_data.cc).
# Any reduction that is not known to do so has its predictions printed by VW itself.
PLAIN_SCALAR_REDUCTIONS = frozenset(
    {"gd", "ftrl-Proximal-FTRL", "ftrl-Coin Betting", "ftrl-Pistol", "svrg", "freegrad", "OjaNewton", "noop"}
    | {"scorer-identity", "scorer-logistic", "scorer-glf1", "scorer-poisson", "count_label", "classweight-scalar"}
    | {"binary", "nn", "lrq", "lrqfa", "rank", "autolink", "boosting", "interact", "stage_poly", "replay_b"}
    | {"marginal", "baseline"}
)

Examples: TypeAlias = list[pylibvw.example]
# What a simple label is where there is none: FLT_MAX (simple_label.h).
NO_LABEL = struct.unpack("f", b"\xff\xff\x7f\x7f")[0]

# Reductions that leave an example as it was parsed and have one weight a feature.
_KEEPS_EXAMPLES = frozenset(
    {"gd", "ftrl-Proximal-FTRL", "ftrl-Coin Betting", "ftrl-Pistol", "freegrad", "count_label", "classweight-scalar"}
    | {"scorer-identity", "scorer-logistic", "scorer-glf1", "scorer-poisson", "binary"}
)
# Options by which the same line becomes another example (parser.cc, parse_example_text.cc).
_READING = (
    *("hash", "hash_seed", "chain_hash", "noconstant", "ignore", "ignore_linear", "keep", "redefine", "ngram", "skips"),
    *("feature_limit", "affix", "spelling", "dictionary", "dictionary_path", "sort_features", "privacy_activation"),
)

_prediction = itemgetter(1)
_learn = pylibvw.vw.learn
_predict = pylibvw.vw.predict
_finish = pylibvw.vw._finish_example
_set_up = pylibvw.vw.setup_example
_unset = pylibvw.vw.unsetup_example
_scalar = pylibvw.example.get_simplelabel_prediction
_label = pylibvw.example.get_simplelabel_label


@dataclass(frozen=True, slots=True)
class Option:
    """One of VW's command line options: its names, whether it takes no value, and the value in force."""

    name: str
    short_name: str
    is_flag: bool
    supplied: bool
    value: Any


class _OptionRecord:
    """What the binding calls for every option; its eleven positional arguments are fixed by pylibvw.cc."""

    def __init__(self, name: str, _help: str, short: str, *rest: Any) -> None:
        _keep, _necessary, _override, value, supplied, default, *_ = rest
        flag = isinstance(default, bool) or (supplied and isinstance(value, bool))
        self.option = Option(name, short, flag, supplied, value)


class Workspace:
    """A VW workspace: `arguments` as `vw` takes them; `sink` receives VW's own prediction text, see `PredictionSink`.

    Raises ArgumentsError with VW's words when VW refuses the arguments.
    """

    def __init__(self, arguments: Sequence[str], sink: PredictionSink | None = None) -> None:
        # Before the others: the last of those may lack its value, and would take one of these for it.
        own = ["--quiet", "--no_stdin"] + (["-p", sink.path] if sink else [])
        try:
            self._vw = pylibvw.vw([*own, *arguments])
        except (RuntimeError, ValueError, MemoryError) as error:
            raise ArgumentsError(str(error).strip() or "VW refuses these arguments") from error
        self._sink = sink
        try:
            self.label_kind = LABEL_KINDS[self._vw._get_label_type()]
        except (RuntimeError, KeyError) as error:
            raise ArgumentsError("this learner has no labels that the line protocol can carry") from error
        self.multiline = bool(self._vw._is_multiline())
        prediction_type = self._vw._get_prediction_type()
        self.spaceless = (
            not self.multiline
            and prediction_type in SPACELESS_PREDICTIONS
            and _WORDY_REDUCTIONS.isdisjoint(self._vw.get_enabled_learners())
        )
        self.prints_plain_scalars = (
            not self.multiline
            and self.label_kind == "simple"
            and prediction_type == pylibvw.vw.pSCALAR
            and PLAIN_SCALAR_REDUCTIONS.issuperset(self._vw.get_enabled_learners())
        )

    @property
    def reductions(self) -> frozenset[str]:
        """The names of the reductions that the model is made of, as VW calls them."""
        return frozenset(self._vw.get_enabled_learners())

    @property
    def reading(self) -> Hashable | None:
        """How lines are read, up to the interactions: equal for workspaces that can take over each other's examples.

        That holds whatever their `-b`, if the one with the largest parses. None where a reduction changes examples.
        """
        if not (self.prints_plain_scalars and _KEEPS_EXAMPLES.issuperset(self._vw.get_enabled_learners())):
            return None
        options = self.options
        values = ((name, str(options[name].value)) for name in _READING if name in options and options[name].supplied)
        return (self._vw.get_stride(), *values)

    # -- a chunk of single-line examples --------------------------------------------------------------------------

    def parse(self, chunk: bytes) -> Examples:
        """Parse a chunk; every example must be taken by one of the methods below."""
        return self._vw._parse(chunk)

    def learn(self, examples: Examples, scalars: list[float]) -> None:
        """Learn the labelled and predict the others, in order, appending each prediction made before its update.

        Each example is finished before the next is learned, as in `vw` itself: some update rules read the counters
        that finishing an example moves. Where VW raises, `scalars` tells how far it got.
        """
        if len(examples) == 1:  # a lone request does not pay for the machinery that a chunk needs
            (example,) = examples
            self._vw.learn(example)
            scalars.append(_scalar(example))
            self._vw._finish_example(example)
            return
        vw = repeat(self._vw)
        steps = zip(map(_learn, vw, examples), map(_scalar, examples), map(_finish, vw, examples))
        scalars.extend(map(_prediction, steps))

    def predict(self, examples: Examples, scalars: list[float]) -> None:
        """Predict, in order, whatever the labels say, appending each prediction."""
        deque(map(pylibvw.example.set_test_only, examples, repeat(True)), 0)
        vw = repeat(self._vw)
        steps = zip(map(_predict, vw, examples), map(_scalar, examples), map(_finish, vw, examples))
        scalars.extend(map(_prediction, steps))

    def predict_together(self, others: Sequence[Workspace], examples: Examples) -> list[list[float]]:
        """Predict unlabelled examples that this workspace has parsed, also by others of the same `reading`.

        An example is set up for one workspace at a time: setting it up crosses no namespaces yet, but says by whose
        interactions they will be. Only this workspace counts the examples.
        """
        deque(map(_predict, repeat(self._vw), examples), 0)
        scalars = [list(map(_scalar, examples))]
        deque(map(_unset, repeat(self._vw), examples), 0)
        for other in others:
            deque(map(_set_up, repeat(other._vw), examples), 0)
            deque(map(_predict, repeat(other._vw), examples), 0)
            scalars.append(list(map(_scalar, examples)))
            deque(map(_unset, repeat(other._vw), examples), 0)
        deque(map(_set_up, repeat(self._vw), examples), 0)
        deque(map(_finish, repeat(self._vw), examples), 0)
        return scalars

    @staticmethod
    def labels(examples: Examples) -> list[float]:
        """The simple labels of parsed examples, FLT_MAX where there is none."""
        return list(map(_label, examples))

    @staticmethod
    def weights(examples: Examples) -> list[float]:
        """The importance of parsed examples, whatever their kind of label."""
        return list(map(pylibvw.example.get_simplelabel_weight, examples))

    @staticmethod
    def tags(examples: Examples) -> list[bytes] | None:
        """The tags of parsed examples, None where the binding cannot tell: it has them as text only."""
        try:
            return [tag.encode() for tag in map(pylibvw.example.get_tag, examples)]
        except UnicodeDecodeError:
            return None

    # -- multi-line examples --------------------------------------------------------------------------------------

    def answer_groups(self, examples: Examples, sizes: Sequence[int], learn: bool) -> Iterator[None]:
        """Learn or predict multi-line examples made of the next `sizes[i]` parsed examples, yielding after each."""
        remaining = iter(examples)
        act = self._vw.learn_multi if learn else self._vw.predict_multi
        for size in sizes:
            group = list(islice(remaining, size))
            act(group)
            self._vw._finish_example_multi_ex(group)
            yield

    # -- the model -------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write the model where `vw -i` can read it."""
        self._vw.save(os.fspath(path))

    def close(self) -> None:
        """Free the workspace."""
        self._vw.finish()

    @property
    def sum_loss(self) -> float:
        """The summed progressive loss, weighted by importance."""
        return self._vw.get_sum_loss()

    @property
    def options(self) -> dict[str, Option]:
        """Every option that VW knows under these arguments, those kept in a loaded model included."""
        try:
            groups = self._vw.get_options(_OptionRecord, False)
        except RuntimeError:
            # --cb_force_legacy and others leave VW's own record half filled; that of the learners in use is whole.
            groups = self._vw.get_options(_OptionRecord, True)
        return {
            record.option.name: record.option
            for sections in groups.values()
            for _, records in sections
            for record in records
        }
