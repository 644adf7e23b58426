"""A drop: the YAML file that describes one model, and the folder of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vwserve.configuration import Node, load
from vwserve.configuration.schema import (
    Choice,
    Duration,
    Integer,
    Items,
    Reader,
    Record,
    Variants,
    Word,
    flag,
    path,
    text,
)
from vwserve.errors import ConfigurationError, Place, Problem

WITHOUT_EFFECT = ("transforms", "snapshot", "journal", "guard")

# Names stand in requests, `@ctr,cvr |u a`, and name a folder of the state.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_NAMING = "a model's name: at most 100 letters, digits, _ . and -, the first neither . nor -"
_DAY_S = 86_400.0
_SUFFIXES = frozenset({".yaml", ".yml"})


@dataclass(frozen=True)
class ModelDrop:
    """One model as its file at `path` describes it: VW's arguments `vw`, and the model file `initial` to start from.

    `digest` tells whether two drops describe the same model: comments, layout and keys that have no effect do not
    change it. `without_effect` are keys that are valid but do nothing yet.
    """

    name: str
    path: Path
    vw: str
    learn: bool
    initial: Path | None
    digest: str
    without_effect: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def problem(self, key: str, text: str) -> Problem:
        """What was found wrong later, at the line of `key`; of the file, where it does not have that key."""
        return Problem(Place(self.path, self.lines.get(key)), key, text)


def _arguments(node: Node) -> str:
    """VW's arguments: a text as a shell takes it, or a list of words."""
    if node.kind == "list":
        return shlex.join(Items(_argument)(node))
    value = text(node)
    try:
        shlex.split(value)
    except ValueError as error:
        raise node.error(f"{str(error)[0].lower()}{str(error)[1:]}; a shell would not take it either") from error
    return value


def _argument(node: Node) -> str:
    """One of VW's arguments; unlike elsewhere a number needs no quotes, since it is a word among words."""
    return node.text if node.kind == "number" else text(node)


def _model_file(node: Node) -> Path:
    file = path(node)
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise node.error(f"{file} is not a regular file")
        with file.open("rb"):
            return file
    except OSError as error:
        raise node.error(f"cannot read {file}: {error.strerror}") from error


model_name = Word(_NAME, _NAMING)
_namespace = Word(re.compile(r"[^\s|:]{1,100}"), "a namespace: a word without | and :")
_derived: dict[str, Reader[Any]] = {
    "kind": text,
    "input": _namespace,
    "output": _namespace,
    "artifact": path,
}


def _plain(values: dict[str, Any], _: Node) -> dict[str, Any]:
    return values


def _crosses(values: dict[str, Any], node: Node) -> dict[str, Any]:
    if not {"namespaces", "features"} & values.keys():
        raise node.error("crosses nothing; give it 'namespaces' or 'features'")
    return values


_transform = Variants(
    "kind",
    {
        "mdl": Record(_derived, _plain, required=("input", "output", "artifact")),
        "tree": Record(_derived, _plain, required=("input", "output", "artifact")),
        "crosses": Record(
            {
                "kind": text,
                "namespaces": Items(
                    Word(re.compile(r"[^\s|:]{2,8}"), "a cross: the first letters of two or more namespaces"),
                    example="[ua, mc]",
                ),
                "features": Items(
                    Items(Word(re.compile(r"[^\s|^]+\^[^\s|]+"), "a feature: namespace^name"), least=2),
                    example="[[u^age, a^ad]]",
                ),
            },
            _crosses,
        ),
    },
)


def _drop(values: dict[str, Any], node: Node) -> ModelDrop:
    if not node.entries:
        raise ConfigurationError([Problem(Place(node.file), "", "is empty; a model needs at least 'vw: ARGUMENTS'")])
    name = values.get("model", node.file.stem)
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            [Problem(Place(node.file), "model", f"the file's name {name!r} is not {_NAMING}; name it with 'model:'")]
        )
    vw, learn, initial = values.get("vw", ""), values.get("learn", True), values.get("initial")
    return ModelDrop(
        name=name,
        path=node.file,
        vw=vw,
        learn=learn,
        initial=initial,
        digest=_digest(name, shlex.split(vw), learn, os.path.abspath(initial) if initial else None),
        without_effect=tuple(key for key in WITHOUT_EFFECT if key in values),
        lines={key: value.line for key, value in node.entries},
    )


def _digest(*meaning: object) -> str:
    return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()


DROP: Record[ModelDrop] = Record(
    {
        "model": model_name,
        "vw": _arguments,
        "learn": flag,
        "initial": _model_file,
        "transforms": Items(_transform, example="[{kind: mdl, input: n, output: m, artifact: ctr.mdl.json}]"),
        "snapshot": Record({"every": Duration(1.0, 365 * _DAY_S), "keep": Integer(1, 1_000_000)}, _plain),
        "journal": Record({"sync": Choice(("always", "everysec", "os")), "keep": Duration(1.0, 3650 * _DAY_S)}, _plain),
        "guard": Record({"action": Choice(("alert", "freeze", "rollback"))}, _plain),
    },
    _drop,
)


def read_drop(path: Path) -> ModelDrop:
    """The model that a file describes; raises ConfigurationError with everything that is wrong with the file."""
    return DROP(load(path))


def read_drops(folder: Path) -> tuple[list[ModelDrop], list[Problem]]:
    """The models that the files of a folder describe, in the order of their names, and what is wrong with the others.

    Hidden files and what editors leave behind are no drops. Of two files that name the same model the first counts.
    """
    try:
        files = sorted(file for file in folder.iterdir() if _is_drop(file))
    except OSError as error:
        text = f"cannot read the folder of models: {error.strerror}; create it, or name another under 'models:'"
        return [], [Problem(Place(folder), "", text)]
    drops: dict[str, ModelDrop] = {}
    problems: list[Problem] = []
    for file in files:
        try:
            drop = read_drop(file)
        except ConfigurationError as error:
            problems += error.problems
            continue
        if drop.name in drops:
            text = f"{drops[drop.name].path} already describes a model {drop.name!r}; give one of them another name"
            problems.append(drop.problem("model", text))
        else:
            drops[drop.name] = drop
    return list(drops.values()), problems


def _is_drop(file: Path) -> bool:
    return file.suffix in _SUFFIXES and not file.name.startswith((".", "#"))
