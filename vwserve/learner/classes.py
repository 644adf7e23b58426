"""Which classes and which scalar labels there are for a model."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from vwserve.learner.numbers import ordinary_number
from vwserve.lines import shown

LAST_CLASS = 999_999_999
_NUMBER_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Classes:
    """The class labels of a model: numbers from `first` to `last`, or `names`."""

    first: int = 0
    last: int = LAST_CLASS
    names: tuple[bytes, ...] = ()
    settles: bool = False  # the first label that is one of these two leaves the other out
    unsettled: bool = False  # no label has yet been
    ascending: bool = False  # a list of classes is read in their order; what is out of it goes unnoticed

    @property
    def pattern(self) -> bytes:
        """A pattern of class labels."""
        if self.names:
            return rb"(?:" + rb"|".join(re.escape(name) for name in self.names) + rb")"
        return _range(self.first, self.last)

    def settled(self, word: bytes) -> Classes | None:
        """The classes once VW has learned the label `word`, where that settles which they are."""
        if not self.unsettled or not is_number(word) or int(word) not in (self.first, self.last):
            return None
        zero_based = int(word) == self.first
        return replace(self, first=0 if zero_based else 1, last=self.last - zero_based, unsettled=False)

    def fault(self, word: bytes) -> str | None:
        """Say why `word` is no class of the model."""
        if self.names:
            return None if word in self.names else f"{shown(word)} is not one of the named labels"
        if not is_number(word):
            return f"{shown(word)} is not a class number"
        if not self.first <= int(word) <= self.last:
            return f"class {shown(word)} is not in {self.first}..{self.last}"
        return None


@dataclass(frozen=True, slots=True)
class Targets:
    """The scalar labels that a model's loss is defined for: `lowest`..`highest`, or these two alone."""

    lowest: float = -math.inf
    highest: float = math.inf
    ends_only: bool = False

    def pattern(self, magnitude: float) -> bytes:
        """A pattern of such labels within ±magnitude; it may match none."""
        lowest, highest = max(self.lowest, -magnitude), min(self.highest, magnitude)
        if self.ends_only:
            return rb"(?:%g|%g)" % (lowest, highest)
        if lowest == -highest:
            return ordinary_number(highest)
        return ordinary_number(highest, sign=b"") if lowest == 0.0 < highest else rb"[^\x00-\xff]"

    def fault(self, word: bytes) -> str | None:
        """Say why the number `word` is no such label."""
        number = float(word)
        if self.ends_only and number not in (self.lowest, self.highest):
            return f"label {shown(word)} is neither {self.lowest:g} nor {self.highest:g}, as the loss function expects"
        if not self.lowest <= number <= self.highest:
            return f"label {shown(word)} is not in {self.lowest:g}..{self.highest:g}, as the loss function expects"
        return None


def is_number(word: bytes) -> bool:
    """Whether `word` is a class, action or slot number of a length that VW and Python can read."""
    return word.isdigit() and len(word) <= _NUMBER_DIGITS


def _range(first: int, last: int) -> bytes:
    """A pattern of the numbers `first`..`last` without leading zeros, where `first` is a single digit."""
    digits = str(last).encode()
    alternatives = [digits] if last >= first else []
    if len(digits) > 1:
        alternatives.append(rb"[%d-9]" % first)
    alternatives += [rb"[1-9][0-9]{%d}" % (size - 1) for size in range(2, len(digits))]
    for place, digit in enumerate(digits.decode()):
        lowest = 0 if place else (1 if len(digits) > 1 else first)
        if lowest < int(digit):
            rest = len(digits) - place - 1
            alternatives.append(digits[:place] + rb"[%d-%d][0-9]{%d}" % (lowest, int(digit) - 1, rest))
    return rb"(?:" + rb"|".join(alternatives) + rb")"
