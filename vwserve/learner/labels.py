"""The label part of a line, for each of VW's label parsers: its ordinary form as a pattern, and its exact check.

A pattern must match only what the check accepts, with numbers within the caps that it is given; it may leave rare forms
to the check. The forms are those of VW's own parsers: simple_label_parser.cc, multiclass.cc, cost_sensitive.cc, cb.cc,
ccb_label.cc, slates_label.cc, cb_continuous_label.cc and multilabel.cc.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vwserve.learner.bounds import Bounds
from vwserve.learner.classes import Classes, Targets, is_number
from vwserve.learner.headroom import Caps
from vwserve.learner.numbers import number_fault, ordinary_number
from vwserve.lines import shown

_SMALLEST_PROBABILITY = 1e-6
_ACTION = rb"[0-9]{1,9}"
# In a line that is an example, whose label is known to be one.
_WORD = rb"[^ |'][^ |]*"
_WITH_COST = rb"[^|']*:[^ |']*"
_SUM_TOLERANCE = 1e-6  # stricter than VW's own, whose complaint would spoil the workspace

Words = Sequence[bytes]
Check = Callable[[Words], "str | None"]
# Of a label that the check accepts: the largest label or cost that a learner is given for it, and the importance.
Sizes = Callable[[Words], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class LabelForm:
    """One label parser: the pattern of a plain label, the pattern of all ordinary ones, and the exact check.

    `observed` finds a line whose label teaches something; `required` says that a line without a label is none. `sizes`
    tells the largest label or cost and the largest importance that the words of a label stand for.
    """

    plain: bytes
    ordinary: bytes
    observed: bytes
    check: Check
    sizes: Sizes
    required: bool = False


def label_form(
    kind: str,
    classes: Classes,
    bounds: Bounds,
    multiline: bool,
    targets: Targets | None = None,
    caps: Caps | None = None,
) -> LabelForm:
    """The form of labels of `kind` (see `binding.LABEL_KINDS`), whose patterns take numbers within `caps`."""
    caps = caps or Caps(bounds.importance, bounds.magnitude)
    if kind == "simple":
        return _simple(targets or Targets(), bounds, caps)
    return _FORMS[kind](classes, bounds, caps, multiline)


def _first(*faults: str | None) -> str | None:
    return next((fault for fault in faults if fault), None)


def _importance_fault(word: bytes, bounds: Bounds) -> str | None:
    fault = number_fault(word, bounds.importance)
    if fault or float(word) >= 0.0:
        return fault and f"importance {fault}"
    return f"importance {shown(word)} is negative"


def _probability_fault(word: bytes) -> str | None:
    fault = number_fault(word, 1.0)
    if fault or float(word) >= _SMALLEST_PROBABILITY:
        return fault and f"probability {fault}"
    return f"probability {shown(word)} is below {_SMALLEST_PROBABILITY:g}"


def _reciprocal(most: float) -> bytes:
    """A pattern of numbers from 1 / `most`, or a millionth if that is more, to 1."""
    places = min(math.floor(math.log10(max(most, 1.0))), 6)
    fraction = rb"0?\.[0-9]{0,%d}[1-9][0-9]{0,12}|" % (places - 1) if places else b""
    return rb"(?:" + fraction + rb"1(?:\.0{0,9})?)"


def _density(most: float) -> bytes:
    return rb"(?:" + _reciprocal(most) + rb"|[1-9][0-9]{0,8}(?:\.[0-9]{0,16})?)"


def _propensity_sizes(words: Words) -> tuple[float, float]:
    """The largest cost and the smallest probability, inverted, of words such as `action:cost:probability`."""
    parts = [part for word in words if b":" in word for part in word.split(b",")]
    numbers = [list(map(float, part.split(b":")[1:])) for part in parts]
    costs = [abs(cost) for cost, *probability in numbers if probability]
    return max(costs, default=0.0), 1.0 / min([number[-1] for number in numbers], default=1.0)


def _observation_fault(word: bytes, classes: Classes, bounds: Bounds) -> str | None:
    """`action:cost:probability`."""
    parts = word.split(b":")
    if len(parts) != 3:
        return f"{shown(word)} is not action:cost:probability"
    return _first(classes.fault(parts[0]), number_fault(parts[1], bounds.magnitude), _probability_fault(parts[2]))


def _simple(targets: Targets, bounds: Bounds, caps: Caps) -> LabelForm:
    number = ordinary_number(caps.target)
    target = targets.pattern(caps.target)
    importance = ordinary_number(caps.importance, sign=b"")

    def check(words: Words) -> str | None:
        if len(words) > 3:
            return f"{len(words)} numbers before the features; a label has at most label, importance and initial"
        label, importance_, initial = [*words, *(b"1", b"1", b"0")[len(words) :]]
        return _first(
            number_fault(label, bounds.magnitude) or targets.fault(label),
            _importance_fault(importance_, bounds),
            number_fault(initial, bounds.magnitude),
        )

    full = target + rb"(?: +" + importance + rb"(?: +" + number + rb")?)?"
    return LabelForm(target, full, _WORD, check, _weighted_sizes)


def _weighted_sizes(words: Words) -> tuple[float, float]:
    return abs(float(words[0])), float(words[1]) if len(words) > 1 else 1.0


def _multiclass(classes: Classes, bounds: Bounds, caps: Caps, _multiline: bool) -> LabelForm:
    importance = ordinary_number(caps.importance, sign=b"")

    def check(words: Words) -> str | None:
        if len(words) > 2:
            return f"{len(words)} words before the features; a label is a class and an importance"
        return _first(classes.fault(words[0]), *(_importance_fault(word, bounds) for word in words[1:]))

    def sizes(words: Words) -> tuple[float, float]:
        return 1.0, float(words[1]) if len(words) > 1 else 1.0

    plain = classes.pattern
    return LabelForm(plain, plain + rb"(?: +" + importance + rb")?", _WORD, check, sizes)


def _costs(classes: Classes, bounds: Bounds, caps: Caps, multiline: bool) -> LabelForm:
    cost = ordinary_number(min(caps.target, caps.importance))
    pair = classes.pattern + rb":" + cost

    def check(words: Words) -> str | None:
        if multiline and words[0] == b"shared":
            return None if len(words) == 1 else "nothing may follow 'shared'"
        if multiline and len(words) > 1:
            return "one class a line; each line of a multi-line example is one class"
        if len({b":" in word for word in words}) > 1:
            return "some classes have a cost and some have none"
        return _first(*(_cost_fault(word) for word in words))

    def _cost_fault(word: bytes) -> str | None:
        name, colon, number = word.partition(b":")
        return _first(classes.fault(name), number_fault(number, bounds.magnitude) if colon else None)

    def sizes(words: Words) -> tuple[float, float]:
        # Some learners regress on a cost, others (--wap_ldf) make it an importance.
        largest = max([abs(float(word.partition(b":")[2])) for word in words if b":" in word], default=0.0)
        return largest, largest

    if multiline:
        single = classes.pattern + rb"(?::" + cost + rb")?"
        # VW crashes on a line without its class (csoaa_ldf.cc).
        return LabelForm(pair, rb"(?:shared|" + single + rb")", _WITH_COST, check, sizes, required=True)
    several = pair + rb"(?: +" + pair + rb")*"
    without = classes.pattern + rb"(?: +" + classes.pattern + rb")*"
    return LabelForm(several, rb"(?:" + several + rb"|" + without + rb")", _WITH_COST, check, sizes)


def _bandit(classes: Classes, bounds: Bounds, caps: Caps, multiline: bool) -> LabelForm:
    observation = classes.pattern + rb":" + ordinary_number(caps.target) + rb":" + _reciprocal(caps.importance)

    def check(words: Words) -> str | None:
        if multiline and words[0] == b"shared":
            return None if len(words) == 1 else "nothing may follow 'shared'"
        if multiline and len(words) > 1:
            return "one label a line; each line of a multi-line example is one action"
        if len([word for word in words if b":" in word]) > 1:
            return "more than one action with a cost; only the action that was taken has one"
        return _first(
            *(_observation_fault(word, classes, bounds) if b":" in word else classes.fault(word) for word in words)
        )

    ordinary = rb"(?:shared|" + observation + rb")" if multiline else observation
    return LabelForm(observation, ordinary, _WITH_COST, check, _propensity_sizes)


def _distribution_fault(pairs: Sequence[bytes], of: str) -> str | None:
    """`action:probability` pairs that must sum to one where there is more than one."""
    parts = [pair.split(b":") for pair in pairs]
    for part, pair in zip(parts, pairs):
        if len(part) != 2 or not is_number(part[0]):
            return f"{shown(pair)} is not action:probability"
        if fault := _probability_fault(part[1]):
            return fault
    total = math.fsum(float(part[1]) for part in parts)
    if len(parts) > 1 and abs(total - 1.0) > _SUM_TOLERANCE:
        return f"the probabilities of {of} sum to {total:g}, not to 1"
    return None


def _ccb(_classes: Classes, bounds: Bounds, caps: Caps, _multiline: bool) -> LabelForm:
    outcome = _ACTION + rb":" + ordinary_number(caps.target) + rb":" + _reciprocal(caps.importance)

    def check(words: Words) -> str | None:
        if len(words) < 2 or words[0] != b"ccb":
            return "a label is 'ccb shared', 'ccb action' or 'ccb slot ...'"
        if words[1] in (b"shared", b"action"):
            return None if len(words) == 2 else f"nothing may follow 'ccb {words[1].decode()}'"
        if words[1] != b"slot":
            return f"{shown(words[1])} is none of shared, action, slot"
        outcomes = [word for word in words[2:] if b":" in word]
        included = [word for word in words[2:] if b":" not in word]
        if len(outcomes) > 1 or len(included) > 1:
            return "a slot has at most one outcome and one list of actions"
        return _first(*map(_outcome_fault, outcomes), *map(_inclusion_fault, included))

    def _outcome_fault(word: bytes) -> str | None:
        head, *others = word.split(b",")
        action, _, rest = head.partition(b":")
        cost, _, probability = rest.partition(b":")
        return _first(
            number_fault(cost, bounds.magnitude),
            _distribution_fault([action + b":" + probability, *others], "a slot"),
        )

    def _inclusion_fault(word: bytes) -> str | None:
        return None if all(map(is_number, word.split(b","))) else f"{shown(word)} is not a list of actions"

    slot = rb"ccb +slot(?: +" + outcome + rb")?"
    ordinary = rb"(?:ccb +shared|ccb +action|" + slot + rb")"
    return LabelForm(slot, ordinary, rb"ccb +slot +" + _WITH_COST, check, _propensity_sizes, required=True)


def _slates(_classes: Classes, bounds: Bounds, caps: Caps, _multiline: bool) -> LabelForm:
    cost = ordinary_number(caps.target)

    def check(words: Words) -> str | None:
        kind, rest = words[1] if len(words) > 1 else b"", words[2:]
        if words[0] != b"slates" or kind not in (b"shared", b"action", b"slot") or len(rest) > 1:
            return "a label is 'slates shared [cost]', 'slates action SLOT' or 'slates slot [action:probability,...]'"
        if kind == b"action":
            return None if rest and is_number(rest[0]) else "'slates action' names its slot"
        if kind == b"shared":
            return number_fault(rest[0], bounds.magnitude) if rest else None
        return _distribution_fault(rest[0].split(b","), "a slot") if rest else None

    def sizes(words: Words) -> tuple[float, float]:
        cost = abs(float(words[2])) if words[1] == b"shared" and len(words) > 2 else 0.0
        return cost, _propensity_sizes(words)[1]

    slot = rb"slates +slot(?: +" + _ACTION + rb":" + _reciprocal(caps.importance) + rb")?"
    shared = rb"slates +shared(?: +" + cost + rb")?"
    ordinary = rb"(?:" + shared + rb"|slates +action +" + _ACTION + rb"|" + slot + rb")"
    return LabelForm(ordinary, ordinary, rb"slates +shared +" + _WORD, check, sizes, required=True)


def _continuous(_classes: Classes, bounds: Bounds, caps: Caps, _multiline: bool) -> LabelForm:
    number = ordinary_number(caps.target)

    def check(words: Words) -> str | None:
        if words[0] != b"ca" or len(words) > 2:
            return "a label is 'ca action:cost:density'"
        parts = words[1].split(b":") if len(words) == 2 else []
        if parts and len(parts) != 3:
            return f"{shown(words[1])} is not action:cost:density"
        fault = _first(*(number_fault(part, bounds.magnitude) for part in parts))
        if fault or not parts or float(parts[2]) > 0.0:
            return fault
        return f"density {shown(parts[2])} is not positive"

    plain = rb"ca +" + number + rb":" + number + rb":" + _density(caps.importance)
    return LabelForm(plain, plain, rb"ca +" + _WORD, check, _propensity_sizes)


def _multilabel(classes: Classes, _bounds: Bounds, _caps: Caps, _multiline: bool) -> LabelForm:
    def check(words: Words) -> str | None:
        if len(words) > 1:
            return "a label is a list of classes separated by commas, without spaces"
        several = words[0].split(b",")
        if fault := _first(*map(classes.fault, several)):
            return fault
        numbers = [int(each) for each in several] if classes.ascending else []
        if sorted(set(numbers)) != numbers:
            return f"the classes {shown(words[0])} are not in ascending order; VW would overlook some"
        return None

    plain = classes.pattern if classes.ascending else classes.pattern + rb"(?:," + classes.pattern + rb")*"
    return LabelForm(plain, plain, _WORD, check, lambda words: (1.0, 1.0))


_FORMS: dict[str, Callable[[Classes, Bounds, Caps, bool], LabelForm]] = {
    "multiclass": _multiclass,
    "costs": _costs,
    "bandit": _bandit,
    "ccb": _ccb,
    "slates": _slates,
    "continuous": _continuous,
    "multilabel": _multilabel,
}
