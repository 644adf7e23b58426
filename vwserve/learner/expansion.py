"""How many features an example has once VW has crossed its namespaces, known before VW makes them.

Two thousand features in one namespace are two million under `-q ff`; two hundred thousand never return. The sizes
follow from counts alone: a term over namespaces with n features each makes as many features as there are ways to choose
one of each, and where a namespace stands m times in a term, combinations with repetition (interactions.cc).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

ANY_NAMESPACE = ":"  # VW's wildcard: every namespace of the example


class Term(NamedTuple):
    """An interaction: a sequence of namespace letters, ':' standing for any, crossed `times` times."""

    letters: tuple[str, ...]
    times: int = 1


Counts = Counter[str]  # features in each namespace, told apart by first letters


@dataclass(frozen=True, slots=True)
class Expansion:
    """The interactions of a model."""

    terms: tuple[Term, ...]
    permutations: bool = False
    grams: int = 1  # features per feature that --ngram and --skips make at most, itself included
    derived: int = 0  # features per feature that --affix and --spelling add, in namespaces of their own

    def at_most(self, features: int) -> int:
        """No example with this many features has more after expansion."""
        single = features * self.grams
        return (
            single + features * self.derived + sum(self._most(single, term.letters) * term.times for term in self.terms)
        )

    def safe_features(self, limit: int, repeated: bool = False) -> int:
        """The most features for which no split over namespaces can pass `limit`, even `repeated` once for each."""
        low, high = 0, limit
        while low < high:
            middle = (low + high + 1) // 2
            size = self.at_most(middle) * (middle if repeated else 1)
            low, high = (middle, high) if size <= limit else (low, middle - 1)
        return low

    def size(self, line: bytes) -> int:
        """The features of an example line after expansion; never less than VW makes."""
        return self.size_of(self.counts(line))

    def size_of(self, counts: Counts) -> int:
        """The features of an example with so many in each namespace, after expansion."""
        total = sum(counts.values())
        size = total + total * self.derived
        for term in self.terms:
            product = term.times
            for namespace, times in Counter(term.letters).items():
                product *= self._chosen(total if namespace == ANY_NAMESPACE else counts[namespace], times)
            size += product
        return size

    @property
    def degree(self) -> int:
        """How many features are multiplied in the longest term."""
        return max([len(term.letters) for term in self.terms], default=1)

    def largest(self, sizes: Mapping[str, float]) -> float:
        """The largest value of a feature after interactions, given the largest in each namespace."""
        overall = max(sizes.values(), default=0.0)
        products = [
            math.prod([overall if letter == ANY_NAMESPACE else sizes.get(letter, 0.0) for letter in term.letters])
            for term in self.terms
        ]
        return max([overall, *products])

    def counts(self, line: bytes) -> Counts:
        """The features in each namespace of an example line, --ngram's grams included."""
        counts: Counts = Counter()
        for namespace in line.split(b"|")[1:]:
            words = namespace.split()
            anonymous = not namespace or namespace[:1] in (b" ", b"\t")
            name = " " if anonymous else chr(words[0][0])
            counts[name] += (len(words) - (not anonymous)) * self.grams
        return counts

    def _most(self, count: int, term: Sequence[str]) -> int:
        # Beside a wildcard the features of a named namespace are met again; other splits have less than all in one.
        mixed = ANY_NAMESPACE in term and len(set(term)) > 1
        return count ** len(term) if mixed else self._chosen(count, len(term))

    def _chosen(self, count: int, times: int) -> int:
        return count**times if self.permutations else math.comb(count + times - 1, times)


def grams_per_feature(ngrams: Sequence[int], skips: int) -> int:
    """How many features a feature can begin under --ngram n with --skips k: its own and every gram from it on."""
    longest = max(ngrams, default=1)
    return 1 + sum(math.comb(size - 1 + skips, skips) for size in range(2, longest + 1))
