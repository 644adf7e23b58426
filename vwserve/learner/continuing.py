"""Which changes of VW's arguments leave what was learned what it is.

Those of what a model is told to do from now on: how fast it learns, and which further interactions it makes. Anything
else may give the weights other places, or another meaning. Found by saving every learner that is tested under one
argument line and resuming it under another:

* VW keeps the interactions in the file that it saves, but those of an argument line count instead if it has any. The
  weights of the old ones stay where they are.
* VW keeps `--learning_rate` and `--power_t` there, too. An argument line that says nothing of them any more would go on
  with the old ones; so taking one away is no such change, and stating another is.
* `--l1` is applied to the weights when they are read, so that taking it away is another model.
* `--initial_t` is where VW begins: it holds for features that were never met.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SHORT = {"l": "learning_rate", "q": "quadratic"}
_INTERACTIONS = frozenset({"quadratic", "cubic", "interactions"})
_RATES = frozenset({"learning_rate", "power_t", "l1", "l2", "initial_t", "decay_learning_rate"})
_REMAINING = frozenset({"learning_rate", "power_t", "l1"})  # may be changed and added, and not be taken away
_OPTION = re.compile(r"--(?P<long>[A-Za-z][\w-]*)(?:=(?P<equals>.*))?|-(?P<short>[A-Za-z])(?P<joined>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Said:
    """What an argument line says: interactions, rates, and everything else as it stands there."""

    terms: Counter[str]
    rates: dict[str, tuple[str, ...]]
    rest: list[tuple[str, ...]]


def continues(before: str, after: str) -> bool:
    """Whether what was learned under the arguments `before` goes on under `after`, with all that it was."""
    old, new = _said(before), _said(after)
    if old.rest != new.rest or not old.terms <= new.terms:
        return False
    kept = {_crossed(term) for term in old.terms}
    if any(_crossed(term) in kept for term in new.terms - old.terms):
        return False  # VW drops one of two that cross the same, and may drop the one that has learned
    return all(name in new.rates for name in old.rates.keys() & _REMAINING)


def _said(line: str) -> _Said:
    said = _Said(Counter(), {}, [])
    for name, *values in _options(shlex.split(line)):
        if name in _INTERACTIONS:
            said.terms.update(values)
        elif name in _RATES:
            said.rates[name] = tuple(values)
        else:
            said.rest.append((name, *values))
    said.rest.sort(key=lambda option: option[0])  # of those that are lists the order may matter
    return said


def _options(words: Sequence[str]) -> Iterator[list[str]]:
    """The options of an argument line by their long names, as far as they matter here, each with its values."""
    option: list[str] = [""]
    for word in words:
        found = _OPTION.fullmatch(word)
        if found is None:
            option.append(word)
            continue
        if option != [""]:
            yield option
        name = found["long"] or _SHORT.get(found["short"], f"-{found['short']}")
        value = found["equals"] if found["long"] else found["joined"].removeprefix("=") or None
        option = [name] if value is None else [name, value]
    if option != [""]:
        yield option


def _crossed(term: str) -> str:
    """What a term crosses, in whatever order it names it."""
    return "".join(sorted(term))
