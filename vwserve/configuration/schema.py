"""Readers of values: each turns a node into a typed value, or raises ConfigurationError with all that is wrong in it.

A reader is anything that can be called with a node. Those that hold others (`Record`, `Switch`, `Items`, `Table`,
`Variants`) are data, so that the documentation can be held against them: `keys` lists every key that a reader knows.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from vwserve.configuration.document import Node, shown
from vwserve.configuration.units import format_duration, format_size, parse_duration, parse_size
from vwserve.errors import ConfigurationError, Problem

T = TypeVar("T")
Reader = Callable[[Node], T]

_INTEGER = re.compile(r"0|[1-9][0-9]{0,17}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE][+-]?[0-9]{1,3})?")
_SCALARS = frozenset({"text", "number", "flag"})


def known_names(wrong: str, known: Collection[str]) -> str:
    """What to say after an unknown name: the nearest known one, else all of them."""
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"


@dataclass(frozen=True)
class Record(Generic[T]):
    """Reads a mapping of known keys, each with its reader; `make` gets the values present and the mapping's node."""

    fields: Mapping[str, Reader[Any]]
    make: Callable[[dict[str, Any], Node], T]
    required: tuple[str, ...] = ()

    def __call__(self, node: Node) -> T:
        """The value; raises ConfigurationError with every problem in the mapping, in the order of the file."""
        if node.kind != "mapping":
            raise node.error(f"expects keys with values ({', '.join(self.fields)}), not {node}")
        present = {name for name, _ in node.entries}
        problems = [
            Problem(node.place, f"{node.key}.{name}".lstrip("."), "is missing; add it")
            for name in self.required
            if name not in present
        ]
        values: dict[str, Any] = {}
        first: dict[str, int] = {}
        for name, value in node.entries:
            if name in first:
                text = f"a second time; the first is in line {first[name]}: remove one"
                problems.append(Problem(value.place, value.key, text))
            else:
                first[name] = value.line
                problems += self._read(name, value, values)
        if problems:
            raise ConfigurationError(problems)
        return self.make(values, node)

    def _read(self, name: str, node: Node, values: dict[str, Any]) -> Iterable[Problem]:
        if name not in self.fields:
            return [Problem(node.place, node.key, f"unknown key; {known_names(name, self.fields)}")]
        if node.kind == "nothing":
            return [Problem(node.place, node.key, "has no value; give it one, or remove the key for the default")]
        try:
            values[name] = self.fields[name](node)
        except ConfigurationError as error:
            return error.problems
        return ()


@dataclass(frozen=True)
class Switch(Generic[T]):
    """Reads what a record reads; `true` is the record without any key, and `false` is None: that there is none."""

    record: Record[T]

    def __call__(self, node: Node) -> T | None:
        """The value; raises ConfigurationError."""
        if node.kind == "flag":
            return self.record(replace(node, kind="mapping")) if flag(node) else None
        if node.kind != "mapping":
            raise node.error(f"expects keys with values ({', '.join(self.record.fields)}), true or false, not {node}")
        return self.record(node)


@dataclass(frozen=True)
class Items(Generic[T]):
    """Reads a list of at least `least` items."""

    item: Reader[T]
    least: int = 1
    example: str = ""

    def __call__(self, node: Node) -> tuple[T, ...]:
        """The items; raises ConfigurationError with every problem in any of them."""
        if node.kind != "list":
            raise node.error(f"expects a list{self.example and f', like {self.example}'}, not {node}")
        if len(node.items) < self.least:
            raise node.error(f"expects a list of at least {self.least}; it has {len(node.items)}")
        values: list[T] = []
        problems: list[Problem] = []
        for item in node.items:
            try:
                if item.kind == "nothing":
                    raise item.error("has no value; give it one, or remove the item")
                values.append(self.item(item))
            except ConfigurationError as error:
                problems += error.problems
        if problems:
            raise ConfigurationError(problems)
        return tuple(values)


@dataclass(frozen=True)
class Table(Generic[T]):
    """Reads a mapping whose keys the file chooses, at least one, in its order: `name` reads each, `value` its value."""

    name: Reader[str]
    value: Reader[T]
    example: str

    def __call__(self, node: Node) -> tuple[tuple[str, T], ...]:
        """Names and values; raises ConfigurationError with every problem in any of them."""
        if node.kind != "mapping" or not node.entries:
            raise node.error(f"expects names with values, like {self.example}, not {node}")
        values: dict[str, T] = {}
        first: dict[str, int] = {}
        problems: list[Problem] = []
        for written, inner in node.entries:
            try:
                name = self.name(replace(inner, kind="text", text=written))
                if name in first:
                    raise inner.error(f"a second time; the first is in line {first[name]}: remove one")
                first[name] = inner.line
                if inner.kind == "nothing":
                    raise inner.error("has no value; give it one, or remove the key")
                values[name] = self.value(inner)
            except ConfigurationError as error:
                problems += error.problems
        if problems:
            raise ConfigurationError(problems)
        return tuple(values.items())


@dataclass(frozen=True)
class Variants(Generic[T]):
    """Reads a mapping whose key `by` says which of several records it is."""

    by: str
    records: Mapping[str, Record[T]]

    def __call__(self, node: Node) -> T:
        """The value; raises ConfigurationError."""
        if node.kind != "mapping":
            raise node.error(f"expects keys with values, {self.by!r} among them, not {node}")
        chosen = next((value for name, value in node.entries if name == self.by), None)
        if chosen is None:
            raise node.error(f"the key {self.by!r} is missing; one of {', '.join(self.records)}")
        if chosen.kind not in _SCALARS or chosen.text not in self.records:
            raise chosen.error(f"unknown {chosen}; known: {', '.join(self.records)}")
        return self.records[chosen.text](node)


def keys(reader: Reader[Any], above: str = "") -> Iterator[str]:
    """The dotted names of all keys that a reader knows, those of list items after `[]`."""
    if isinstance(reader, Record):
        for name, inner in reader.fields.items():
            key = f"{above}.{name}" if above else name
            yield key
            yield from keys(inner, key)
    elif isinstance(reader, Switch):
        yield from keys(reader.record, above)
    elif isinstance(reader, Items):
        yield from keys(reader.item, f"{above}[]")
    elif isinstance(reader, Variants):
        yield from dict.fromkeys(key for record in reader.records.values() for key in keys(record, above))


# -- scalars -----------------------------------------------------------------------------------------------------------


def text(node: Node) -> str:
    """A text of printable characters; what YAML takes for a number or a flag must be quoted, as in YAML itself."""
    if node.kind in ("number", "flag"):
        what = "a number" if node.kind == "number" else "true or false"
        raise node.error(f"expects a text, and {node} is {what} in YAML; put it in quotes if it is meant as text")
    if node.kind != "text":
        raise node.error(f"expects a text, not {node}")
    value = node.text.strip()
    if not value:
        raise node.error("is empty; give it a value, or remove the key for the default")
    if strange := next((c for c in value if not c.isprintable() and c not in "\n\t"), None):
        raise node.error(f"has a character that cannot stand here: {strange!r}")
    return value


def flag(node: Node) -> bool:
    """True or false, in any of YAML's own spellings."""
    if node.kind != "flag":
        raise node.error(f"expects true or false{' without quotes' if node.kind == 'text' else ''}, not {node}")
    return node.text.lower() in ("true", "yes", "on")


@dataclass(frozen=True)
class Integer:
    """Reads a whole number in `least`..`most`."""

    least: int
    most: int

    def __call__(self, node: Node) -> int:
        """The number; raises ConfigurationError."""
        if node.kind not in _SCALARS or not _INTEGER.fullmatch(node.text):
            raise node.error(f"expects a whole number in {self.least}..{self.most}, not {node}")
        value = int(node.text)
        if not self.least <= value <= self.most:
            raise node.error(f"{value} is not in {self.least}..{self.most}")
        return value


@dataclass(frozen=True)
class Number:
    """Reads a number in `least`..`most`; with `within`, those two are excluded."""

    least: float
    most: float
    within: bool = False

    def __call__(self, node: Node) -> float:
        """The number; raises ConfigurationError."""
        span = f"{'between' if self.within else 'from'} {self.least:g} {'and' if self.within else 'to'} {self.most:g}"
        if node.kind not in _SCALARS or not _NUMBER.fullmatch(node.text):
            raise node.error(f"expects a number {span}, not {node}")
        value = float(node.text)
        if not self.least <= value <= self.most or (self.within and value in (self.least, self.most)):
            raise node.error(f"{node.text} is not {span}")
        return value


@dataclass(frozen=True)
class Size:
    """Reads a size in `least`..`most`, with or without a unit."""

    least: int
    most: int

    def __call__(self, node: Node) -> int:
        """The size; raises ConfigurationError."""
        if node.kind not in _SCALARS:
            raise node.error(f"expects a size like 64KiB, not {node}")
        try:
            value = parse_size(node.text)
        except ValueError as error:
            raise node.error(str(error)) from error
        if not self.least <= value <= self.most:
            raise node.error(f"{node.text} is not from {format_size(self.least)} to {format_size(self.most)}")
        return value


@dataclass(frozen=True)
class Duration:
    """Reads a duration in `least_s`..`most_s`, as seconds."""

    least_s: float
    most_s: float

    def __call__(self, node: Node) -> float:
        """Seconds; raises ConfigurationError."""
        if node.kind not in _SCALARS:
            raise node.error(f"expects a duration like 30s, not {node}")
        try:
            value = parse_duration(node.text)
        except ValueError as error:
            raise node.error(str(error)) from error
        if not self.least_s <= value <= self.most_s:
            raise node.error(
                f"{node.text} is not from {format_duration(self.least_s)} to {format_duration(self.most_s)}"
            )
        return value


@dataclass(frozen=True)
class Choice:
    """Reads one of a few words."""

    words: tuple[str, ...]

    def __call__(self, node: Node) -> str:
        """The word; raises ConfigurationError."""
        if node.kind not in _SCALARS or node.text not in self.words:
            raise node.error(f"unknown {node}; known: {', '.join(self.words)}")
        return node.text


@dataclass(frozen=True)
class Word:
    """Reads a text that `pattern` matches in full; `expects` says in words what that is."""

    pattern: re.Pattern[str] = field(repr=False)
    expects: str

    def __call__(self, node: Node) -> str:
        """The text; raises ConfigurationError."""
        value = text(node)
        if not self.pattern.fullmatch(value):
            raise node.error(f"{shown(value)} is not {self.expects}")
        return value


def path(node: Node) -> Path:
    """A path, relative to the folder of the file that names it."""
    return node.file.parent / text(node)
