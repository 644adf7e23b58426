"""A transform's options: a frozen dataclass, read from a drop by the types of its fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from vwserve.configuration import Node
from vwserve.configuration.schema import Integer, Items, Number, Reader, Record, Word, flag, path, text
from vwserve.errors import ConfigurationError
from vwserve.transforms.errors import told

OptionsT = TypeVar("OptionsT")

_LARGEST = 1 << 53
_NAMESPACE = re.compile(r"[!-~]{1,100}")


def _namespace(node: Node) -> str:
    name = Word(_NAMESPACE, "a namespace: a word of printable ASCII")(node)
    if "|" in name or ":" in name:
        raise node.error(f"{name!r} is not a namespace: it has neither '|' nor ':'")
    return name


Namespace: TypeAlias = Annotated[str, _namespace]
"""The type of an option that is the full name of a namespace."""


def _namespaces(node: Node) -> tuple[str, ...]:
    if node.kind != "list":
        return (_namespace(node),)
    names = Items(_namespace)(node)
    if len(set(names)) != len(names):
        raise node.error("names a namespace twice; remove one")
    return names


Namespaces: TypeAlias = Annotated[tuple[str, ...], _namespaces]
"""The type of an option that is one namespace, `n`, or several different ones, `[n, k]`."""

_READERS: Mapping[object, Reader[Any]] = {
    str: text,
    bool: flag,
    int: Integer(0, _LARGEST),
    float: Number(-1e300, 1e300),
    Path: path,
}


def options_reader(options: type[OptionsT], more: Mapping[str, Reader[Any]]) -> Record[OptionsT]:
    """The reader of a mapping for the dataclass `options`; keys in `more` are read and checked, but not passed to it.

    A field without a default is required. Its type may be str, bool, int, float, Path, a tuple of these of any length
    (`tuple[str, ...]`), or `Annotated[T, reader]` with a reader of its own. Raises TypeError for any other.
    """
    hints = get_type_hints(options, include_extras=True)
    readers = {each.name: _reader(hints[each.name]) for each in fields(options)}  # type: ignore[arg-type]  # a dataclass
    required = [
        each.name
        for each in fields(options)  # type: ignore[arg-type]  # a dataclass
        if each.default is MISSING and each.default_factory is MISSING
    ]
    return Record({**more, **readers}, partial(_make, options, frozenset(readers)), (*required,))


def _make(options: type[OptionsT], names: frozenset[str], values: dict[str, Any], _node: Node) -> OptionsT:
    return options(**{name: value for name, value in values.items() if name in names})


def _own(reader: Reader[Any]) -> Reader[Any]:
    """A reader of a plugin's own, whose faults are a problem of the key that it reads."""

    def read(node: Node) -> Any:
        try:
            return reader(node)
        except ConfigurationError:
            raise
        except (Exception, SystemExit) as error:
            raise node.error(f"cannot be read: {told(error)}") from error

    return read


def _reader(hint: Any) -> Reader[Any]:
    if get_origin(hint) is Annotated:
        for each in get_args(hint)[1:]:
            if callable(each):
                return _own(each)
        raise TypeError(f"options of type {hint} have no reader among what annotates them; add one, or take it away")
    if get_origin(hint) is tuple and get_args(hint)[1:] == (...,):
        return Items(_reader(get_args(hint)[0]))
    if hint not in _READERS:
        raise TypeError(f"options of type {hint} cannot be read; annotate the field with a reader")
    return _READERS[hint]
