"""A batch of examples as transforms see it: lines, the features of a namespace, numbers as a matrix."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_NUMERIC = b"0123456789+-.eE,"
_BLANKS = bytes.maketrans(b"\t\n\r\x0b\x0c", b"     ")  # what `bytes.split` takes for one
_NEITHER_COLON_NOR_BLANK = bytes(set(range(256)) - set(b": "))
_FEW = 4  # below this many lines numpy's cost a call is more than it saves


class Batch:
    """Examples, one a line without its newline, and the namespaces that transforms have added to them.

    Whatever is read of a batch is read once, also where several transforms of several models ask for it; so all that it
    gives is tuples and an array that cannot be written to.
    """

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = tuple(lines)
        self._added: list[tuple[str, Sequence[bytes]]] = []
        self._source = self
        self._sections: dict[str, Sequence[bytes]] = {}
        self._pairs: dict[str, Pairs | None] = {}
        self._numbers: dict[tuple[str, tuple[str, ...]], Floats] = {}
        self._rows: dict[tuple[str, tuple[str, ...]], Sequence[Sequence[float]]] = {}

    @property
    def lines(self) -> Sequence[bytes]:
        """The examples as they came, without what was added."""
        return self._lines

    def __len__(self) -> int:
        return len(self._lines)

    def with_added(self, derived: Iterable[Mapping[str, Sequence[bytes]]]) -> Batch:
        """The same examples with more features: for each namespace a text a line, empty where there are none."""
        batch = Batch(self._lines)
        batch._added = [*self._added, *(pair for each in derived for pair in each.items())]
        batch._source = self._source
        return batch

    def features(self, namespace: str) -> Sequence[bytes]:
        """For each line the features of a namespace, separated by spaces or tabs; empty where it has none.

        Where a line has the namespace several times, or a transform added to it, the features stand together.
        """
        sections = self._sections.get(namespace)
        if sections is None:
            added = [texts for name, texts in self._added if name == namespace]
            if self._source is not self:
                sections = self._source.features(namespace)
            else:
                sections = _sections(self._lines, namespace.encode())
            for texts in added:
                sections = tuple([b"%s %s" % (text, more) if text else more for text, more in zip(sections, texts)])
            self._sections[namespace] = sections
        return sections

    def numbers(self, namespace: str, reader: NumberReader) -> Floats:
        """The features that `reader` names, as a matrix of a row for each line and a column for each name.

        What a line does not have, or has with a value that is no finite number, is NaN. The matrix is not to be written
        to: others read it, too.
        """
        if self._source is not self and all(name != namespace for name, _ in self._added):
            return self._source.numbers(namespace, reader)
        key = (namespace, reader.names)
        matrix = self._numbers.get(key)
        if matrix is None:
            if len(self._lines) < _FEW:
                rows = self.rows(namespace, reader)
                matrix = np.array(rows, np.float64).reshape(len(rows), len(reader.names))
            else:
                texts = self.features(namespace)
                if namespace not in self._pairs:
                    self._pairs[namespace] = Pairs.of(texts)
                matrix = reader.read(texts, self._pairs[namespace])
            self._numbers[key] = matrix
            matrix.flags.writeable = False
        return matrix

    def rows(self, namespace: str, reader: NumberReader) -> Sequence[Sequence[float]]:
        """What `numbers` gives, in tuples: for a line alone an array costs more than it saves."""
        if len(self._lines) >= _FEW:
            return tuple(map(tuple, self.numbers(namespace, reader).tolist()))
        if self._source is not self and all(name != namespace for name, _ in self._added):
            return self._source.rows(namespace, reader)
        key = (namespace, reader.names)
        rows = self._rows.get(key)
        if rows is None:
            rows = self._rows[key] = tuple([tuple(reader.row(text)) for text in self.features(namespace)])
        return rows

    def text(self) -> bytes:
        """All lines with what was added, each ended by a newline, as VW reads them.

        Nothing is added to a line without a '|': it is no example, and must not become one.
        """
        return put_together(self._lines, self._added)


def put_together(lines: Sequence[bytes], added: Iterable[tuple[str, Sequence[bytes]]]) -> bytes:
    """Lines with namespaces added to them, for each a text a line; see `Batch.text`."""
    columns: list[Iterable[bytes]] = [lines]  # side by side they are the lines, put together in one go
    bars = [b"|" in line for line in lines]
    all_bars = all(bars)
    for namespace, texts in added:
        head = b" |%s " % namespace.encode()
        if all_bars and all(texts):
            columns += [repeat(head), texts]
        else:
            columns.append([head + text if text and bar else b"" for text, bar in zip(texts, bars)])
    return b"".join(chain.from_iterable(zip(*columns, repeat(b"\n"))))


class NumberReader:
    """Reads the features called `names` out of texts of features such as `age:33 height:1.8 member`.

    A feature without a value is 1. Of one that stands there twice the last counts.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._columns = {name.encode(): column for column, name in enumerate(self.names)}
        self._missing = [math.nan] * len(self.names)

    def read(self, texts: Sequence[bytes], pairs: Pairs | None = None) -> Floats:
        """A row for each text, a column for each name; NaN where there is no finite number.

        `pairs` is what the texts consist of, if they were taken apart before.
        """
        if pairs is not None:
            matrix = np.full((len(texts), len(self.names)), np.nan)
            places = [self._columns.get(name, -1) for name in pairs.names]
            columns = np.array(places, np.intp)[pairs.which]
            known = columns >= 0
            if known.all():
                matrix[pairs.rows, columns] = pairs.values
            else:
                matrix[pairs.rows[known], columns[known]] = pairs.values[known]
            return matrix
        return np.array(list(map(self.row, texts)), np.float64).reshape(len(texts), len(self.names))

    def row(self, text: bytes) -> list[float]:
        """The row of one text."""
        row = self._missing.copy()
        columns = self._columns
        for feature in text.split():
            name, colon, value = feature.partition(b":")
            if name in columns:
                try:
                    number = float(value) if colon else 1.0
                except ValueError:
                    number = math.nan
                row[columns[name]] = number if -math.inf < number < math.inf else math.nan
        return row


class Pairs(NamedTuple):
    """All features of many texts, where each is a name, a colon and a number: the row and the value of each.

    `which` is its place among `names`, the different ones.
    """

    rows: npt.NDArray[np.intp]
    names: Sequence[bytes]
    which: npt.NDArray[np.intp]
    values: Floats

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Pairs | None:
        """The pairs; None where some feature is not of that form."""
        counts = [text.count(b":") for text in texts]
        joined = b" %s " % b" ".join(texts).translate(_BLANKS)
        parts = joined.replace(b":", b" ").split()
        total = sum(counts)
        # Each feature has one colon: none has two (they would stand side by side among colons and blanks), none begins
        # or ends with one, so each has one part or two, and as many parts as these are only there if none has but one.
        colons = joined.translate(None, _NEITHER_COLON_NOR_BLANK)
        if b"::" in colons or b" :" in joined or b": " in joined or len(parts) != 2 * total:
            return None
        try:
            values = _floats(parts[1::2])
        except ValueError:
            return None
        values[~np.isfinite(values)] = np.nan
        texts_of_names = parts[0::2]
        places = {name: place for place, name in enumerate(dict.fromkeys(texts_of_names))}
        which = np.fromiter(map(places.__getitem__, texts_of_names), np.intp, total)
        return cls(np.repeat(np.arange(len(texts)), counts), list(places), which, values)


def _floats(texts: Sequence[bytes]) -> Floats:
    """What `float` makes of each text; raises ValueError where it makes nothing of one.

    JSON's parser does the same in half the time. It is asked where there are only such characters that it can read
    numbers in them and nothing else; what it refuses, as `+1` or `.5`, may still be a number.
    """
    joined = b",".join(texts)
    if not joined.translate(None, _NUMERIC):
        try:
            found = json.loads(b"[%s]" % joined)
            if len(found) == len(texts):  # a comma within a text makes it two
                return np.fromiter(found, np.float64, len(texts))
        except (ValueError, OverflowError):
            pass
    return np.fromiter(map(float, texts), np.float64, len(texts))


def _sections(lines: Sequence[bytes], namespace: bytes) -> tuple[bytes, ...]:
    bar = b"|" + namespace
    mark = bar + b" "
    skip = len(mark)
    sections = []
    for line in lines:
        start = line.find(mark)
        if start < 0 or line.find(bar, start + skip) >= 0 or line.find(bar, 0, start) >= 0:
            sections.append(_section(line, namespace))
            continue
        start += skip
        end = line.find(b"|", start)
        sections.append(line[start:] if end < 0 else line[start:end])
    return tuple(sections)


def _section(line: bytes, namespace: bytes) -> bytes:
    """The features of a namespace that stands there in an unusual form, several times, or not at all."""
    found = []
    for part in line.split(b"|")[1:]:
        head, _, features = part.replace(b"\t", b" ").partition(b" ")
        if head.partition(b":")[0] == namespace:
            found.append(features)
    return b" ".join(found)
