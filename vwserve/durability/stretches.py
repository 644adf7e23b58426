"""Which examples of a journal a model has learned: stretches of sequence numbers, in order.

Unless somebody intervened it is one, from the first example on. A return to an older snapshot leaves out what had been
learned after it, and goes on with what comes: the journal itself stays as it is.

    1-5000, 7001-      after a return, at example 7,000, to a snapshot that had been taken at example 5,000
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Stretch = tuple[int, int | None]
"""The first example and the last; None where it goes on."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """Stretches in ascending order, none of them empty, none touching the next; only the last may go on.

    Raises ValueError where they are not so.
    """

    ranges: tuple[Stretch, ...] = ((1, None),)

    def __post_init__(self) -> None:
        """Refuse what is out of order."""
        free_from: int | None = 1
        for first, last in self.ranges:
            if free_from is None or first < free_from or (last is not None and last < first):
                raise ValueError(f"not stretches in order: {self}")
            free_from = None if last is None else last + 2

    @classmethod
    def parse(cls, ranges: Iterable[Sequence[int | None]]) -> Stretches:
        """From lists of two, as JSON has them; raises ValueError or TypeError."""
        return cls(tuple((int(first or 0), last if last is None else int(last)) for first, last in ranges))

    def __str__(self) -> str:
        return ", ".join(f"{first}-{'' if last is None else last}" for first, last in self.ranges) or "none"

    def __iter__(self) -> Iterator[Stretch]:
        return iter(self.ranges)

    def __len__(self) -> int:
        return len(self.ranges)

    @property
    def end(self) -> int:
        """The last example; 0 where there is none. What goes on has no end: cut it first, with `upto`."""
        if not self.ranges:
            return 0
        last = self.ranges[-1][1]
        if last is None:
            raise ValueError(f"{self} goes on")
        return last

    def upto(self, last: int) -> Stretches:
        """Those examples that come no later than `last`."""
        return self._of((first, last if end is None else min(end, last)) for first, end in self.ranges)

    def after(self, last: int) -> Stretches:
        """Those examples that come after `last`."""
        return self._of((max(first, last + 1), end) for first, end in self.ranges)

    def without(self, first: int, last: int | None) -> Stretches:
        """All but the examples from `first` to `last`, or to any later one; there are none where `last` is less."""
        if last is None:
            return self.upto(first - 1)
        return self._of([*self.upto(first - 1), *self.after(max(last, first - 1))])

    def minus(self, others: Stretches) -> Stretches:
        """All but the examples of others."""
        rest = self
        for first, last in others:
            rest = rest.without(first, last)
        return rest

    def then(self, first: int, last: int | None = None) -> Stretches:
        """With the examples from `first` on, or to `last`, behind the others, which must end before."""
        return self._of([*self.ranges, (first, last)])

    def begins(self, others: Stretches) -> bool:
        """Whether whoever learned just these is on the way to having learned the others."""
        return others.upto(self.end) == self

    def examples_upto(self, last: int) -> int:
        """How many examples up to `last` these are."""
        return sum(end - first + 1 for first, end in self.upto(last).ranges if end is not None)

    @staticmethod
    def _of(ranges: Iterable[Stretch]) -> Stretches:
        """Stretches without the empty ones among them, and with those joined that touch."""
        joined: list[Stretch] = []
        for first, last in ranges:
            if last is not None and last < first:
                continue
            touching = bool(joined) and joined[-1][1] == first - 1
            joined.append((joined.pop()[0] if touching else first, last))
        return Stretches(tuple(joined))
