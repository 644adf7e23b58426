"""A YAML file as a tree whose every value knows its line and its dotted key.

YAML is read only as far as its node graph: what a scalar means is for its reader, which sees the text as it was
written, so that `22`, `on` and `5:30` become neither numbers, flags nor minutes behind the author's back. Of YAML's own
features those are refused that make a small file mean something large or hidden: aliases, merge keys, tags, several
documents.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from vwserve.errors import ConfigurationError, Place, Problem

Kind = Literal["text", "number", "flag", "nothing", "list", "mapping"]

LARGEST_BYTES = 256 << 10  # a reader in pure Python takes a second for this much
DEEPEST = 20

_SHOWN = 60
_PREFIX = "tag:yaml.org,2002:"
_KINDS: dict[str, Kind] = {
    "str": "text",
    "int": "number",
    "float": "number",
    "bool": "flag",
    "null": "nothing",
    "timestamp": "text",
    "value": "text",
    "merge": "text",
    "seq": "list",
    "map": "mapping",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a file: a scalar's `text` as written, a list's `items`, or a mapping's `entries` in their order.

    `line` is that of the key it belongs to, and `key` that key with all above it, as in `transforms[1].kind`.
    """

    file: Path
    line: int
    key: str
    kind: Kind
    text: str = ""
    items: tuple[Node, ...] = ()
    entries: tuple[tuple[str, Node], ...] = ()

    @property
    def place(self) -> Place:
        """File and line, as errors show them."""
        return Place(self.file, self.line)

    def error(self, text: str) -> ConfigurationError:
        """What to raise where this value is wrong."""
        return ConfigurationError([Problem(self.place, self.key, text)])

    def __str__(self) -> str:
        """What this is, to be read after "not"."""
        if self.kind == "list":
            return "a list"
        if self.kind == "mapping":
            return "keys with values"
        if self.kind == "nothing":
            return "nothing"
        return shown(self.text)


def shown(text: str) -> str:
    """A text of the user's in quotes, on one line and not too long."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def load(path: Path) -> Node:
    """The mapping in a file, empty where the file is; raises ConfigurationError."""
    text = _read(path)
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        node = _node(path, root, "", 1) if root is not None else Node(path, 1, "", "mapping")
    except _Refused as refused:
        raise _error(path, refused.line, refused.text) from refused
    except yaml.reader.ReaderError as error:
        character = f"the character {chr(error.character)!r}" if isinstance(error.character, int) else "a character"
        raise _error(path, text.count("\n", 0, error.position) + 1, f"{character} cannot stand in YAML") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _error(path, mark.line + 1 if mark else 1, _complaint(error)) from error
    except (ValueError, OverflowError) as error:
        # PyYAML lets numbers out of range through to `int` and `chr`: "\Uffffffff", %YAML 1.1e9.
        raise _error(path, loader.line + 1 if loader else 1, f"not YAML: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()
    if node.kind == "nothing":
        return Node(path, 1, "", "mapping")
    if node.kind != "mapping":
        raise _error(path, node.line, f"a configuration is lines of `key: value`, not {node}")
    return node


def _error(path: Path, line: int | None, text: str) -> ConfigurationError:
    return ConfigurationError([Problem(Place(path, line), "", text)])


def _read(path: Path) -> str:
    try:
        # Only a regular file ends: a named pipe would stop the daemon until somebody writes to it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise _error(path, None, "cannot read it: not a regular file")
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise _error(path, None, f"cannot read it: {error.strerror}") from error
    except ValueError as error:
        raise _error(path, None, f"cannot read it: {error}") from error
    if len(data) > LARGEST_BYTES:
        raise _error(path, None, f"larger than a configuration may be, {LARGEST_BYTES >> 10} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(path, line, f"not UTF-8: byte 0x{data[error.start]:02x}; save it as UTF-8") from error


class _Refused(Exception):
    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


class _Loader(yaml.SafeLoader):
    """Composes nodes, but no deep ones and no aliases: nine lists of nine aliases make 387 million values."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = cast(Any, self).peek_event()  # types-PyYAML leaves it untyped
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(line, f"alias *{event.anchor} is not supported; write the value again")
        if self._depth > DEEPEST:
            raise _Refused(line, f"nested deeper than {DEEPEST} levels")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _complaint(error: yaml.MarkedYAMLError) -> str:
    text = " ".join(f"{error.context or ''} {error.problem or ''}".split())
    if "'\\t'" in text:
        return "a tab; YAML is indented with spaces"
    if "mapping values are not allowed" in text:
        return "not YAML: a second ': ' in one line; put the value in quotes, or mend the indentation"
    if "single document" in text:
        return "a second document (---); a file holds one"
    return f"not YAML: {text}"


def _node(path: Path, node: yaml.Node, key: str, line: int) -> Node:
    kind = _KINDS.get(node.tag.removeprefix(_PREFIX))
    if kind is None or (kind in ("list", "mapping")) == isinstance(node, yaml.ScalarNode):
        raise _Refused(line, f"{key}: YAML tag {shown(node.tag)} is not supported; remove it".removeprefix(": "))
    if isinstance(node, yaml.SequenceNode):
        items = tuple(_node(path, item, f"{key}[{i}]", _line(item)) for i, item in enumerate(node.value))
        return Node(path, line, key, "list", items=items)
    if isinstance(node, yaml.MappingNode):
        return Node(path, line, key, "mapping", entries=tuple(_entries(path, node, key)))
    return Node(path, line, key, kind, text=node.value)


def _entries(path: Path, node: yaml.MappingNode, key: str) -> Iterator[tuple[str, Node]]:
    for name, value in node.value:
        line = _line(name)
        if not isinstance(name, yaml.ScalarNode):
            raise _Refused(line, "a key must be one word")
        if name.tag == _PREFIX + "merge":
            raise _Refused(line, "merge key << is not supported; write the keys themselves")
        written = name.value if name.value.isprintable() and len(name.value) <= _SHOWN else shown(name.value)
        yield name.value, _node(path, value, f"{key}.{written}" if key else written, line)


def _line(node: yaml.Node) -> int:
    assert node.start_mark is not None, "the loader marks every node"
    return node.start_mark.line + 1
