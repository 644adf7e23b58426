"""How many features a request may make VW work through, counted before VW sees it.

Beside interactions, some learners multiply what a client sends: each action of a multi-line example gets the features
of the shared line, --ccb_explore_adf scores every action for every slot, --wap_ldf compares each action with every
other, --search starts anew from each word, and a label that lists classes has the features walked through once for
each. All of it counts, against the same limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from vwserve.errors import RequestError
from vwserve.learner.bounds import Bounds
from vwserve.learner.expansion import Counts, Expansion
from vwserve.learner.groups import Role, role_of
from vwserve.lines import split_head

_LISTS = frozenset({"costs", "bandit"})  # labels that may name several classes


class Sizes:
    """The limits of `bounds` on the size of examples with labels of `kind`.

    `pairwise` says that a labelled example of n lines costs n times its features. What has no more than `few_bytes` is
    small without a count.
    """

    def __init__(self, expansion: Expansion, kind: str, bounds: Bounds, *, multiline: bool, pairwise: bool) -> None:
        self._expansion = expansion
        self._bounds = bounds
        self._lists = kind in _LISTS and not multiline
        self._every_slot = kind == "ccb"
        self._pairwise = pairwise
        self._few = expansion.safe_features(bounds.features, repeated=self._lists)
        # A feature, or a word of the label, takes at least two bytes of its line, a separator and a name.
        self.few_bytes = 2 * self._few

    def small(self, block: bytes) -> bool:
        """Whether no line of a block has too many features; a line that is short enough is not even looked at."""
        start, most = 0, self.few_bytes
        while len(block) - start > most:
            end = block.rfind(b"\n", start, start + most)
            if end < 0:
                end = block.index(b"\n", start)
                if self.fault(block[start:end]):
                    return False
            start = end + 1
        return True

    def fault(self, line: bytes) -> RequestError | None:
        """Say why a single-line example is too large."""
        if self._few_in(line):
            return None
        size = self._expansion.size(line)
        words, _ = split_head(line.partition(b"|")[0]) if self._lists else ([], b"")
        if size * max(1, len(words)) <= self._bounds.features:
            return None
        each = f" for each of {len(words)} classes in the label" if len(words) > 1 else ""
        return self._too_many(f"{size} features after interactions{each}")

    def group_fault(self, lines: Sequence[bytes], labelled: bool) -> RequestError | None:
        """Say why a multi-line example is too large."""
        if len(lines) > self._bounds.lines:
            return RequestError("too-long", f"an example of {len(lines)} lines; the limit is {self._bounds.lines}")
        times = len(lines) if self._every_slot or (self._pairwise and labelled) else 1
        features = sum(map(len, lines)) // 2 + 1
        if self._expansion.at_most(features) * len(lines) * times <= self._bounds.features:
            return None
        return self._counted_fault(lines, len(lines) if self._pairwise and labelled else 1)

    def _counted_fault(self, lines: Sequence[bytes], times: int) -> RequestError | None:
        lent, slots = Counts(), Counts()
        actions, slot_count = [], 0
        for line in lines:
            role, counts = role_of(line), self._expansion.counts(line)
            if role is Role.ACTION:
                actions.append(counts)
            elif role is Role.SHARED:
                lent += counts
            else:
                slots |= counts
                slot_count += 1
        lent += slots
        # What has no features has yet a score of its own.
        size = sum([max(1, self._expansion.size_of(counts + lent)) for counts in actions])
        if self._every_slot:
            times = slot_count
        if size * times <= self._bounds.features:
            return None
        each = f", for each of {times} {'slots' if self._every_slot else 'lines'}" if times > 1 else ""
        return self._too_many(f"{size} features in all lines together after interactions{each}")

    def _few_in(self, line: bytes) -> bool:
        # A space, a tab or a bar stands before each feature but an anonymous namespace's first, which has its bar.
        return line.count(b" ") + line.count(b"\t") + line.count(b"|") <= self._few

    def _too_many(self, text: str) -> RequestError:
        return RequestError("too-many-features", f"{text}; the limit is {self._bounds.features}")
