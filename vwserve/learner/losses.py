"""What the progressive loss of a model is, which VW sums but does not name.

The learners that account another loss than that of `--loss_function` are those of binary.cc, boosting.cc, oaa.cc,
cost_sensitive.cc, cb.cc and search.cc.
"""

from __future__ import annotations

from collections.abc import Mapping

from vwserve.learner.binding import Option

_BY_LABEL = {
    "multiclass": "zero-one",
    "costs": "cost",
    "multilabel": "hamming",
    "bandit": "estimated cost",
    "ccb": "estimated cost",
    "slates": "estimated cost",
    "continuous": "estimated cost",
}


def loss_of(options: Mapping[str, Option], label_kind: str) -> str:
    """The loss that VW accounts: "logistic" (the logloss, in nats), "squared", "zero-one", "estimated cost", ..."""
    if _given(options, "search"):
        return "hamming"
    if label_kind != "simple":
        return _BY_LABEL[label_kind]
    if _given(options, "binary") or _given(options, "boosting"):
        return "zero-one"
    return str(options["loss_function"].value) if "loss_function" in options else "squared"


def _given(options: Mapping[str, Option], name: str) -> bool:
    return name in options and options[name].supplied and bool(options[name].value)
