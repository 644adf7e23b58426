"""Which lines are examples, decided before VW sees them.

VW takes nearly anything: `garbage no pipe` is an example with label 0, `a:nan` a feature that vanishes, `a:1x` ends the
line there, `city:e` is the number 0 (parse_example_text.cc, `parse_float` in parse_primitives.h). Here a line is an
example if VW reads all of it as its author meant it and every number in it is finite and within bounds.

Two deciders share the work. A block of lines is matched as a whole by a regular expression that RE2 runs as one
automaton, about two nanoseconds a byte whatever the input; it knows the ordinary forms. The lines of a block that it
does not match are looked at one by one by `fault`, which is slower, knows every form and says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

import re2

from vwserve.learner.labels import LabelForm
from vwserve.learner.numbers import number_fault, ordinary_number, show, value_fault


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
_STRAY_BYTE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Grammar:
    """The lines that a model takes: labels of `form`, other numbers within ±`magnitude`."""

    def __init__(self, form: LabelForm, magnitude: float) -> None:
        self._form = form
        self._magnitude = magnitude
        features = _features(magnitude)
        tag = rb"(?:'" + _TAG + rb" *|" + _BARE_TAG + rb")?"
        mixed = rb" *(?:" + form.ordinary + rb" +)" + (b"" if form.required else b"?") + tag + features
        forms = {Shape.MIXED: mixed}
        if not form.required:
            labelled = rb" *" + form.plain + rb" +" + features
            forms = {Shape.UNLABELLED: features, Shape.LABELLED: labelled, **forms}
        self._shapes = tuple(forms)
        self._automaton = _automaton(forms.values())
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
            return f"{show(line)} has no '|' before its features"
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
        if colon and (fault := number_fault(weight, self._magnitude)):
            return f"weight of namespace {show(name)}: {fault}"
        for feature in features:
            name, colon, value = feature.partition(b":")
            if colon and (fault := value_fault(value, self._magnitude)):
                return f"feature {show(name)}: value {fault}"
        if barred and features and (value := features[-1].partition(b":")[2]) and number_fault(value, self._magnitude):
            return f"feature {show(features[-1])}: a '|' right after a word is part of the word; put a space between"
        return None


def split_head(head: bytes) -> tuple[list[bytes], bytes]:
    """The label's words and the tag of what stands before the first `|` (`substring_to_example`)."""
    words = head.split()
    if not words or not (words[-1].startswith(b"'") or not head.endswith(b" ")):
        return words, b""
    return words[:-1], words[-1].removeprefix(b"'")


def tag_of(line: bytes) -> bytes:
    """The tag of an example line, empty where it has none."""
    return split_head(line.partition(b"|")[0])[1]


def _features(magnitude: float) -> bytes:
    number = rb":" + ordinary_number(magnitude)
    name = _CHARACTER + rb"+"
    plain = _GAP + rb"+(?:" + name + rb"(?:" + number + rb")?|" + number + rb")"
    worded = _GAP + rb"+(?:" + name + rb")?" + _WORD
    head = rb"\|(?:" + name + rb"(?:" + number + rb")?)?"
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
