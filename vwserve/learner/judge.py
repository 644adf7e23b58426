"""Which lines a model takes: the grammar of its labels, the size of its examples, and what its numbers leave room for.

What a model takes depends on what it has met. --oaa and --csoaa count classes from zero or from one, as the first label
at either end settles it, and the largest label in a line out of the ordinary is the scale of later errors (see
`headroom`). So a judge has a standing, which `take` moves on; a `trial` is a judge of its own with the standing of now,
to judge a sequence of lines before any of it is learned.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

from vwserve.errors import RequestError
from vwserve.learner.binding import Option
from vwserve.learner.bounds import Bounds
from vwserve.learner.classes import Classes, Targets
from vwserve.learner.expansion import Expansion
from vwserve.learner.grammar import Grammar, Shape, feature_sizes
from vwserve.learner.groups import group_fault, with_lent
from vwserve.learner.headroom import UNLIMITED, Caps, Headroom
from vwserve.learner.labels import label_form
from vwserve.learner.options import classes_of, expansion_of, headroom_of, pairwise, targets_of
from vwserve.learner.resuming import Standing
from vwserve.learner.sizes import Sizes
from vwserve.lines import block_of, split_head


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides which lines a model takes before it has met any; `kind` is that of its labels.

    `pairwise` says that a labelled example of n lines costs n times its features.
    """

    kind: str
    multiline: bool
    learns: bool
    classes: Classes
    targets: Targets
    expansion: Expansion
    headroom: Headroom
    pairwise: bool
    settled_first: int | None = None  # the first class, where a label settled it in an earlier life


def rules_of(
    options: Mapping[str, Option],
    kind: str,
    *,
    multiline: bool,
    learns: bool,
    reach: float,
    settled_first: int | None = None,
) -> Rules:
    """The rules under these options for a model that has met labels up to `reach`, one of which settled the classes.

    Raises ArgumentsError for names of classes that no line carries.
    """
    expansion = expansion_of(options)
    return Rules(
        kind,
        multiline,
        learns,
        classes_of(options),
        targets_of(options),
        expansion,
        (headroom_of(options, kind, expansion.degree) if learns else UNLIMITED).reaching(reach),
        pairwise(options),
        settled_first,
    )


class Judge:
    """Judges lines by `rules` within `bounds`."""

    def __init__(self, rules: Rules, bounds: Bounds) -> None:
        self._rules = rules
        self._classes, self._headroom = rules.classes, rules.headroom
        self.limit(bounds)

    def limit(self, bounds: Bounds) -> None:
        """Take from now on only examples within `bounds`."""
        rules = self._rules
        self._bounds = bounds
        self._sizes = Sizes(
            rules.expansion, rules.kind, bounds, multiline=rules.multiline, pairwise=rules.pairwise and rules.learns
        )
        self._grammars: dict[tuple[Classes, Caps], Grammar] = {}  # trials share them: one takes long to make
        self._stand(self._classes, self._headroom)

    def trial(self) -> Judge:
        """A judge with this one's standing, which then goes its own way."""
        return copy(self)

    @property
    def key(self) -> Hashable:
        """How lines are judged: equal for judges that take the same ones."""
        return (self._rules.kind, self._classes, self._rules.targets, self._caps, self._bounds, self._rules.expansion)

    @property
    def standing(self) -> Standing:
        """What the lines that were met have settled, and no model file tells."""
        settled = self._classes.settles and not self._classes.unsettled and self._rules.kind != "bandit"
        return Standing(self._classes.first if settled else self._rules.settled_first, self._headroom.reach)

    # -- blocks ------------------------------------------------------------------------------------------------------

    def shape(self, chunk: bytes) -> Shape | None:
        """The shape of a chunk of ordinary examples, which are small and move nothing; None for any other."""
        shape = self._grammar.shape(chunk)
        if shape is None or not (len(chunk) <= self._sizes.few_bytes or self._sizes.small(chunk)):
            return None
        if self._classes.unsettled and shape is not Shape.UNLABELLED:
            return None
        return shape

    def observed(self, block: bytes) -> list[bool]:
        """For each line of a block of examples, whether its label teaches something."""
        return self._grammar.observed(block)

    # -- lines -------------------------------------------------------------------------------------------------------

    def fault(self, line: bytes) -> RequestError | None:
        """Say why `line` cannot be served as an example, as the judge stands."""
        small = len(line) <= self._sizes.few_bytes
        if small and self._grammar.shape(line + b"\n"):
            return None
        if text := self._grammar.fault(line):
            return RequestError("bad-example", text)
        return (None if small else self._sizes.fault(line)) or self._strain_fault([line])

    def take(self, line: bytes, learn: bool = True) -> RequestError | None:
        """Say why `line` cannot be served; where it can, it is from now on one that was met, and learned if `learn`."""
        if error := self.fault(line):
            return error
        before = self._classes, self._headroom
        # An ordinary label moves nothing: nobody looks at those in a chunk of ordinary lines, and where chunks end may
        # not tell which lines are taken next. A journal has to be taken again in other chunks than it was written in.
        if self._grammar.shape(line + b"\n") is None:
            self._meet([line])
        if self._classes.unsettled and self._settle(line, learn) and (error := self.fault(line)):
            self._stand(*before)  # it names both ends
        return error

    def _settle(self, line: bytes, learn: bool) -> bool:
        """Let the label of a line settle which classes there are, and say whether it does."""
        # Costs settle it also in a prediction (csoaa.cc), a class does when it is learned (oaa.cc).
        if self._rules.kind == "costs" or (learn and self._rules.learns):
            for word in split_head(line.partition(b"|")[0])[0]:
                name, colon, _ = word.partition(b":")
                if settled := self._classes.settled(name):
                    self._stand(settled, self._headroom)
                    return True
                if not colon:
                    break  # an importance
        return False

    # -- multi-line examples -----------------------------------------------------------------------------------------

    def group_fault(self, lines: Sequence[bytes]) -> RequestError | None:
        """Say why `lines` cannot be served as one multi-line example, as the judge stands."""
        block = block_of(lines)
        ordinary = self._grammar.shape(block) is not None
        if not ordinary:
            for number, line in enumerate(lines, 1):
                if text := self._grammar.fault(line):
                    return RequestError("bad-example", f"line {number}: {text}")
        if error := self._sizes.group_fault(lines, labelled=any(self.observed(block))):
            return error
        if not ordinary and (error := self._strain_fault(lines)):
            return error
        fault = group_fault(self._rules.kind, lines)
        return RequestError("bad-example", fault) if fault else None

    def take_group(self, lines: Sequence[bytes]) -> RequestError | None:
        """Say why `lines` cannot be served as one multi-line example; where they can, they are from now on met."""
        if error := self.group_fault(lines):
            return error
        self._meet(lines)
        return None

    # -- the standing ------------------------------------------------------------------------------------------------

    def _stand(self, classes: Classes, headroom: Headroom) -> None:
        caps, rules = headroom.caps(self._bounds), self._rules
        grammar = self._grammars.get((classes, caps))
        if grammar is None:
            form = label_form(rules.kind, classes, self._bounds, rules.multiline, rules.targets, caps)
            grammar = self._grammars[classes, caps] = Grammar(form, self._bounds.magnitude, caps)
        self._classes, self._headroom, self._caps, self._grammar = classes, headroom, caps, grammar

    def _meet(self, lines: Sequence[bytes]) -> None:
        """Remember the largest label, within which VW keeps its predictions from now on."""
        target, importance = self._label_sizes(lines)
        headroom = self._headroom.after(target, importance)
        if headroom != self._headroom:
            self._stand(self._classes, headroom)

    def _label_sizes(self, lines: Sequence[bytes]) -> tuple[float, float]:
        """The largest label or cost and the largest importance in some lines, 0 where there is none."""
        labels = list(filter(None, map(self._grammar.label_sizes, lines)))
        return max([size for size, _ in labels], default=0.0), max([size for _, size in labels], default=0.0)

    def _strain_fault(self, lines: Sequence[bytes]) -> RequestError | None:
        """Say why the numbers of an example are too large together."""
        if not any(self._grammar.observed(block_of(lines))):
            return None  # nothing is learned
        target, importance = self._label_sizes(lines)
        within = target <= self._caps.target and importance <= self._caps.importance
        if within and all(map(self._grammar.surely_small, lines)):
            return None
        wholes = with_lent(lines, list(map(feature_sizes, lines)))
        value = max(map(self._rules.expansion.largest, wholes))
        if fault := self._headroom.fault(target, importance, value):
            return RequestError("bad-example", fault)
        return None
