"""Which lines are examples, decided before VW sees them.

VW takes nearly anything: `garbage no pipe` is an example with label 0, `a:nan` a feature that vanishes, `a:1x` ends the
line there, `city:e` is the number 0 (parse_example_text.cc, `parse_float` in parse_primitives.h). Here a line is an
example if VW reads all of it as its author meant it and every number in it is finite and within bounds.

Two deciders share the work. A block of lines is matched as a whole by a regular expression that RE2 runs as one
automaton, about two nanoseconds a byte whatever the input; it knows the ordinary forms, with numbers so small that no
line of them can do harm. The lines of a block that it does not match are looked at one by one by `fault`, which is
slower, knows every form and says what is wrong; `sizes` tells how large the numbers of such a line are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from enum import Enum

import re2

from vwserve.learner.headroom import Caps
from vwserve.learner.labels import LabelForm
from vwserve.learner.numbers import number_fault, ordinary_number, value_fault
from vwserve.lines import BYTE_ORDER_MARK, shown, split_head


class Shape(Enum):
    """What all lines of a block have in common."""

    UNLABELLED = "no line has a label or a tag"
    LABELLED = "every line has a plain label and none has an importance or a tag"
    MIXED = "anything else"


_CHARACTER = rb"[^\x00-\x20\x7f|:]"
_GAP = rb"[ \t]"
_TAG = rb"[^\x00-\x20\x7f|]*"
# A tag without its quote stands right before the bar. One that opens a line must not look like an address or a query.
# Nor like a byte order mark, which VW takes off the start of a line.
_BARE_TAG = rb"[^\x00-\x20\x7f|'@!\xef]" + _TAG
# A value that VW's number parser leaves alone, judged by its first byte: `city:berlin`.
_WORD = rb":[^\x00-\x20\x7f|:0-9.+\-eEiInN][^\x00-\x20\x7f|]*"
# Of an example, whose values are numbers if they begin like one.
_VALUE = re.compile(rb"[ \t][^ \t:]*:([+-]?\.?[0-9][^ \t]*)")
_STRAY_BYTE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Grammar:
    """The lines that a model takes: labels of `form`, other numbers within ±`magnitude`.

    Those of ordinary lines are within `caps`, where given.
    """

    def __init__(self, form: LabelForm, magnitude: float, caps: Caps | None = None) -> None:
        self._form = form
        caps = caps or Caps(value=magnitude, weight=magnitude)
        self._range = magnitude, caps.smallest
        features = _features(caps)
        tag = rb"(?:'" + _TAG + rb" *|" + _BARE_TAG + rb")?"
        mixed = rb" *(?:" + form.ordinary + rb" +)" + (b"" if form.required else b"?") + tag + features
        forms = {Shape.MIXED: mixed}
        if not form.required:
            labelled = rb" *" + form.plain + rb" +" + features
            forms = {Shape.UNLABELLED: features, Shape.LABELLED: labelled, **forms}
        self._shapes = tuple(forms)
        self._automaton = _automaton(forms.values())
        # A value with more digits than any within the caps, one with an exponent that is not negative, or a weight.
        digits = math.floor(math.log10(max(caps.value, 1.0))) + 1
        self._maybe_large = re.compile(rb":[+-]?(?:[0-9]{%d}|[0-9.]+[eE][+]?[0-9])|\|[^ \t|:]+:" % digits)
        # What stands right before the bar is a tag, so a label has a space after it.
        self._observed = re.compile(rb" *(?:" + form.observed + rb") ")

    def shape(self, block: bytes) -> Shape | None:
        """The shape of a block of whole lines, None where not every line of it is an ordinary example."""
        matched = self._automaton.Match(block)
        return self._shapes[min(matched)] if matched else None

    def observed(self, block: bytes) -> list[bool]:
        """For each line of a block of examples, whether its label teaches something."""
        return [self._observed.match(line) is not None for line in block.split(b"\n")[:-1]]

    def fault(self, line: bytes) -> str | None:
        """Say why `line`, without its newline, is no example; None where it is one."""
        if (stray := _STRAY_BYTE.search(line)) is not None:
            return f"byte 0x{stray[0][0]:02x} at column {stray.start() + 1}; a line is printable text"
        head, bar, body = line.partition(b"|")
        if not bar:
            return f"{shown(line)} has no '|' before its features"
        if line.startswith(BYTE_ORDER_MARK):
            return "a second byte order mark opens the line; VW takes one off"
        if b"\t" in head:
            return "a tab before the first '|': VW would drop all that stands before it"
        words, _ = split_head(head)
        if words or self._form.required:
            fault = self._form.check(words) if words else "the label is missing"
            if fault:
                return fault
        *inner, last = body.split(b"|")
        faults = [*(self._namespace_fault(namespace, barred=True) for namespace in inner), self._namespace_fault(last)]
        return next(filter(None, faults), None)

    def _namespace_fault(self, namespace: bytes, barred: bool = False) -> str | None:
        head, *features = namespace.replace(b"\t", b" ").split(b" ")
        name, colon, weight = head.partition(b":")
        if colon and not name:
            return f"namespace '|{head.decode('utf-8', 'replace')}' has no name"
        if colon and (fault := number_fault(weight, *self._range)):
            return f"weight of namespace {shown(name)}: {fault}"
        for feature in features:
            name, colon, value = feature.partition(b":")
            if colon and (fault := value_fault(value, *self._range)):
                return f"feature {shown(name)}: value {fault}"
        if barred and features and (value := features[-1].partition(b":")[2]) and number_fault(value, *self._range):
            return f"feature {shown(features[-1])}: a '|' right after a word is part of the word; put a space between"
        return None

    def label_sizes(self, line: bytes) -> tuple[float, float] | None:
        """The largest label or cost and the largest importance in a line that is an example; None without a label."""
        words, _ = split_head(line.partition(b"|")[0])
        return self._form.sizes(words) if words else None

    def surely_small(self, line: bytes) -> bool:
        """Whether a glance tells that no value in a line, times its namespace's weight, is beyond the caps."""
        return self._maybe_large.search(line, line.find(b"|")) is None


def feature_sizes(line: bytes) -> dict[str, float]:
    """The largest absolute value, times the namespace's weight, in each namespace of a line that is an example.

    Namespaces are told apart by their first letters, those without a name being that of a space.
    """
    sizes: dict[str, float] = {}
    for namespace in line.split(b"|")[1:]:
        words, name = namespace.split(), b""
        if words and not namespace.startswith((b" ", b"\t")):
            name, _, weight = words.pop(0).partition(b":")
        values = list(map(float, _VALUE.findall(namespace)))
        largest = max(max(values, default=0.0), -min(values, default=0.0), float(len(values) < len(words)))
        letter = chr(name[0]) if name else " "
        sizes[letter] = max(largest * abs(float((name and weight) or 1.0)), sizes.get(letter, 0.0))
    return sizes


def _features(caps: Caps) -> bytes:
    number, times = (rb":" + ordinary_number(most, smallest=caps.smallest) for most in (caps.value, caps.weight))
    name = _CHARACTER + rb"+"
    plain = _GAP + rb"+(?:" + name + rb"(?:" + number + rb")?|" + number + rb")"
    worded = _GAP + rb"+(?:" + name + rb")?" + _WORD
    head = rb"\|(?:" + name + rb"(?:" + times + rb")?)?"
    some = rb"(?:" + plain + rb"|" + worded + rb")*"
    # VW reads a worded value up to the next space, also over a bar: only a gap may stand between it and a bar.
    inner = head + rb"(?:" + some + rb"(?:" + plain + _GAP + rb"*|" + worded + _GAP + rb"+)|" + _GAP + rb"*)"
    return rb"(?:" + inner + rb")*" + head + some + _GAP + rb"*\n"


def _automaton(lines: Iterable[bytes]) -> re2.Set:
    """What tells in one pass which of these forms all lines of a block have."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    options.log_errors = False
    options.max_mem = 64 << 20
    automaton = re2.Set.FullMatchSet(options)
    for line in lines:
        automaton.Add(rb"(?:" + line + rb")+")
    automaton.Compile()
    return automaton
