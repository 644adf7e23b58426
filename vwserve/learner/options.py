"""What VW's options in force, those of a loaded model included, say about the lines it takes."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

from vwserve.errors import ArgumentsError
from vwserve.learner.arguments import check_named_labels
from vwserve.learner.binding import Option
from vwserve.learner.classes import Classes, Targets
from vwserve.learner.expansion import ANY_NAMESPACE, Expansion, Term, grams_per_feature
from vwserve.learner.headroom import (
    COIN_SMALLEST,
    FREEGRAD_GRADIENT,
    FREEGRAD_PRODUCT,
    FREEGRAD_ROOM,
    FREEGRAD_SMALLEST,
    PISTOL_GRADIENT,
    Headroom,
)

# The option that tells a learner's number of classes, and the number of its first class.
_FIRST_CLASS = {
    "search": 1,
    "oaa": 0,  # it counts from zero or from one, as the first label that settles it does (oaa.cc)
    "ect": 1,
    "log_multi": 1,
    "csoaa": 0,
    "cb": 1,
    "cb_explore": 1,
    "multilabel_oaa": 0,
    "plt": 0,
    "recall_tree": 1,
}


_DEFAULT_BITS = 18  # parse_args.cc
_HEXADECIMAL = re.compile(r"\\x([0-9a-fA-F]{2})")
# Learners that settle by the labels they meet whether their classes count from zero or from one.
_SETTLING = frozenset({"oaa", "csoaa"})


# Labels with the probability of what was chosen, by whose inverse its cost or its example is weighted.
_PROPENSITIES = frozenset({"bandit", "ccb", "slates", "continuous"})
_BOUNDED_LOSSES = frozenset({"logistic", "hinge", "quantile", "pinball", "absolute"})
_HIGHEST_LOG_COUNT = 80.0  # whose exponential is still a number in single precision


def bits_of(options: Mapping[str, Option]) -> int:
    """The `-b` in force: a model has 2 to the power of it weights."""
    bits = _supplied(options, "bit_precision")
    return _DEFAULT_BITS if bits is None else int(bits)


def classes_of(options: Mapping[str, Option]) -> Classes:
    """The class labels that a model under these options takes; raises ArgumentsError for names that no line carries."""
    names = _supplied(options, "named_labels")
    if names:
        check_named_labels(str(names))  # a model file may bring them
        return Classes(names=tuple(name.encode() for name in str(names).split(",")))
    for option, usual_first in _FIRST_CLASS.items():
        count = _supplied(options, option)
        if count:
            indexing = _supplied(options, "indexing")
            first = usual_first if indexing is None else int(indexing)
            last = int(count) - 1 if indexing == 0 or option in ("multilabel_oaa", "plt") else int(count)
            unsettled = indexing is None and option in _SETTLING
            ascending = option == "multilabel_oaa"
            return Classes(first, last, ascending=ascending, settles=unsettled, unsettled=unsettled)
    return Classes()


def targets_of(options: Mapping[str, Option]) -> Targets:
    """The scalar labels that the loss of a model under these options is defined for; for others VW only warns."""
    loss = options["loss_function"].value if "loss_function" in options else "squared"
    if _supplied(options, "binary") or loss == "hinge":
        return Targets(-1.0, 1.0, ends_only=True)
    if loss == "logistic":
        return Targets(float(options["logistic_min"].value), float(options["logistic_max"].value))
    return Targets(lowest=0.0) if loss == "poisson" else Targets()


def headroom_of(options: Mapping[str, Option], label_kind: str, degree: int) -> Headroom:
    """How large the numbers of a line may be for a model under these options whose longest interaction is `degree`."""
    loss = str(options["loss_function"].value) if "loss_function" in options else "squared"
    ends = [_supplied(options, name) for name in ("min_prediction", "max_prediction")]
    class_weights = re.findall(r":([^,]+)", ",".join(map(str, _list(options, "classweight"))))
    headroom = Headroom(
        slope=0.0 if loss in _BOUNDED_LOSSES else 2.0,
        class_weight=max([1.0, *map(float, class_weights)]),
        degree=degree,
        weighs_target=label_kind in _PROPENSITIES,
        reach=max([abs(float(end)) for end in ends if end is not None], default=0.0),
    )
    if loss == "poisson" and ends[1] is not None:
        headroom = replace(headroom, steepest=math.exp(min(max(float(ends[1]), 0.0), _HIGHEST_LOG_COUNT)))
    if _supplied(options, "freegrad"):
        return replace(
            headroom,
            product=FREEGRAD_PRODUCT,
            gradient=FREEGRAD_GRADIENT,
            room=FREEGRAD_ROOM,
            smallest_product=FREEGRAD_SMALLEST,
            importance_power=1.0,
            unweighted=label_kind != "costs",  # a cost is an importance to some learners only
        )
    if _supplied(options, "pistol"):
        return replace(headroom, importance_power=1.0, gradient=PISTOL_GRADIENT)
    if _supplied(options, "coin"):
        return replace(headroom, importance_power=1.0, smallest_product=COIN_SMALLEST)
    return replace(headroom, importance_power=1.0) if _supplied(options, "ftrl") else headroom


def expansion_of(options: Mapping[str, Option]) -> Expansion:
    """The interactions that a model under these options makes of each example."""
    terms = Counter(
        [_letters(term) for option in ("quadratic", "cubic", "interactions") for term in _list(options, option)]
    )
    # Full names join by bars; each letter here stands for the namespaces of that first letter, which is never fewer.
    terms.update(
        "".join(name[:1] for name in str(term).split("|"))
        for term in _list(options, "experimental_full_name_interactions")
    )
    # Low-rank interactions are `abK`: K features for each pair, of any two of the letters in --lrqfa.
    for term in _list(options, "lrq"):
        terms[_letters(term)[:2]] += _size(term)
    if low_rank := _supplied(options, "lrqfa"):
        names = _letters(low_rank).rstrip("0123456789")
        for left, right in permutations(names, 2):
            terms[left + right] += _size(low_rank)
    if _supplied(options, "redefine"):  # a namespace may count as any other
        terms = sum((Counter({ANY_NAMESPACE * len(term): times}) for term, times in terms.items()), Counter())
    if _supplied(options, "ccb_explore_adf") or _supplied(options, "slates"):
        # Every interaction once more with the number of the slot, and that number with every feature.
        terms = terms + terms + Counter([ANY_NAMESPACE])
    affixes = str(_supplied(options, "affix") or "")
    return Expansion(
        tuple(Term(tuple(term), times) for term, times in terms.items()),
        permutations=bool(_supplied(options, "permutations") or _supplied(options, "leave_duplicate_interactions")),
        grams=grams_per_feature(
            list(map(_size, _list(options, "ngram"))), max(map(_size, _list(options, "skips")), default=0)
        ),
        derived=bool(affixes) + affixes.count(",") + bool(_supplied(options, "spelling")),
    )


def check_static(options: Mapping[str, Option]) -> None:
    """Refuse what does not leave a model as it is that only predicts; raises ArgumentsError."""
    for name in ("regcb", "regcbopt", "elim"):
        if _supplied(options, name):
            # How sure it is of a cost it asks of gd.cc, whose `sensitivity` scales the weights on the way.
            raise ArgumentsError(f"option --{name} has no place in a static model: VW changes it while it predicts")


def pairwise(options: Mapping[str, Option]) -> bool:
    """Whether a labelled example of n lines costs n times its features (csoaa_ldf.cc, search.cc)."""
    return bool(_supplied(options, "wap_ldf") or _supplied(options, "search"))


def _letters(term: Any) -> str:
    r"""The namespaces of an interaction, one character each; VW takes `\x7c` for the character of that code."""
    return _HEXADECIMAL.sub(lambda found: chr(int(found[1], 16)), str(term))


def _size(text: Any) -> int:
    """The number in values such as `3` and `f3`, a namespace letter before it."""
    found = re.search(r"\d+$", str(text))
    return int(found[0]) if found else 0


def scale_of(options: Mapping[str, Option]) -> str:
    """What the scores of a model under these options are: "probability", "log-odds" or "linear" in the label."""
    link = options["link"].value if "link" in options else "identity"
    if link == "logistic":
        return "probability"
    loss = options["loss_function"].value if "loss_function" in options else "squared"
    return "log-odds" if loss == "logistic" and link == "identity" else "linear"


def _supplied(options: Mapping[str, Option], name: str) -> Any:
    option = options.get(name)
    return option.value if option is not None and option.supplied else None


def _list(options: Mapping[str, Option], name: str) -> Sequence[Any]:
    return _supplied(options, name) or ()
