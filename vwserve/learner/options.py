"""What VW's options in force, those of a loaded model included, say about the lines it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from vwserve.learner.binding import Option
from vwserve.learner.expansion import Expansion, grams_per_feature
from vwserve.learner.labels import Classes

# The option that tells a learner's number of classes, and the number of its first class.
_FIRST_CLASS = {
    "oaa": 0,  # it counts from zero or from one, as the first label that settles it does (oaa.cc)
    "ect": 1,
    "log_multi": 1,
    "csoaa": 1,
    "cb": 1,
    "cb_explore": 1,
    "multilabel_oaa": 0,
    "plt": 0,
    "recall_tree": 1,
}


_DEFAULT_BITS = 18  # parse_args.cc


def bits_of(options: Mapping[str, Option]) -> int:
    """The `-b` in force: a model has 2 to the power of it weights."""
    bits = _supplied(options, "bit_precision")
    return _DEFAULT_BITS if bits is None else int(bits)


def classes_of(options: Mapping[str, Option]) -> Classes:
    """The class labels that a model under these options takes."""
    names = _supplied(options, "named_labels")
    if names:
        return Classes(names=tuple(name.encode() for name in str(names).split(",")))
    for option, usual_first in _FIRST_CLASS.items():
        count = _supplied(options, option)
        if count:
            indexing = _supplied(options, "indexing")
            first = usual_first if indexing is None else int(indexing)
            last = int(count) - 1 if indexing == 0 or option in ("multilabel_oaa", "plt") else int(count)
            return Classes(first, last)
    return Classes()


def expansion_of(options: Mapping[str, Option]) -> Expansion:
    """The interactions that a model under these options makes of each example."""
    terms = [tuple(str(term)) for option in ("quadratic", "cubic", "interactions") for term in _list(options, option)]
    # Full names join by bars; each letter here stands for the namespaces of that first letter, which is never fewer.
    terms += [
        tuple(name[:1] for name in str(term).split("|"))
        for term in _list(options, "experimental_full_name_interactions")
    ]
    return Expansion(
        tuple(terms),
        permutations=bool(_supplied(options, "permutations") or _supplied(options, "leave_duplicate_interactions")),
        grams=grams_per_feature(_sizes(options, "ngram"), max(_sizes(options, "skips"), default=0)),
    )


def _sizes(options: Mapping[str, Option], name: str) -> list[int]:
    """The numbers in values such as `3` and `f3`, a namespace letter before it."""
    return [int(found[0]) for text in _list(options, name) if (found := re.search(r"\d+$", str(text)))]


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
