"""A drop: the YAML file that describes one model, or a split of several, and the folder of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from vwserve.configuration import Node, load
from vwserve.configuration.schema import (
    Choice,
    Duration,
    Integer,
    Items,
    Number,
    Reader,
    Record,
    Switch,
    Table,
    Variants,
    Word,
    flag,
    path,
    text,
)
from vwserve.errors import ConfigurationError, Place, Problem
from vwserve.model.policy import OnChange, Policy, Sync
from vwserve.transforms.errors import told
from vwserve.transforms.options import options_reader
from vwserve.transforms.pipeline import Declaration
from vwserve.transforms.plugins import TransformType

WITHOUT_EFFECT = ("guard",)
# What a model that never learns has no use for: nothing of it changes that would have to be kept.
FOR_LEARNING = ("snapshot", "journal")

# Names stand in requests, `@ctr,cvr |u a`, and name a folder of the state.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_NAMING = "a model's name: at most 100 letters, digits, _ . and -, the first neither . nor -"
NO_KINDS: Mapping[str, TransformType] = MappingProxyType({})

BY_TAG = "tag"
"""What `split_by` says where it is no namespace."""

_NAMESPACE = re.compile(r"[^\s|:]{1,100}")
_LARGEST_SHARE = 1e9
_DAY_S = 86_400.0
_LAST_VERSION = 10**15
_MOST_KEPT = 1_000_000
_SUFFIXES = frozenset({".yaml", ".yml"})


@dataclass(frozen=True)
class DeclaredTransform:
    """A transform of a drop, and the line where it stands."""

    declaration: Declaration
    line: int


@dataclass(frozen=True)
class Shares:
    """Names of models and the shares of all examples that they are to have, which need not sum to anything.

    What an example goes by is its tag or, where `by` is not BY_TAG, the text of the namespace of that name.
    """

    shares: tuple[tuple[str, float], ...]
    by: str = BY_TAG

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the models."""
        return tuple(name for name, _ in self.shares)


@dataclass(frozen=True)
class ModelDrop:
    """One model as its file at `path` describes it: VW's arguments `vw`, and the model file `initial` to start from.

    With `shadow` it also gets what the model of that name is asked. With `pin` it serves that snapshot, and learns
    nothing. With `split` it has no model of its own, but shares its examples among others.

    `digest` tells whether two drops describe the same model: comments, layout, `policy` and keys that have no effect do
    not change it. `without_effect` are keys that are valid but do nothing yet, `idle` those that do nothing because the
    model is static.
    """

    name: str
    path: Path
    vw: str
    learn: bool
    initial: Path | None
    digest: str
    transforms: tuple[DeclaredTransform, ...] = ()
    policy: Policy = field(default_factory=Policy)
    shadow: str | None = None
    split: Shares | None = None
    pin: int | None = None
    without_effect: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the model is made from, besides the drop itself."""
        artifacts = (each.declaration.artifact for each in self.transforms)
        return tuple(file for file in (self.initial, *artifacts) if file is not None)

    def problem(self, key: str, text: str) -> Problem:
        """What was found wrong later, at the line of `key`; of the file, where it does not have that key."""
        return Problem(Place(self.path, self.lines.get(key)), key, text)


def _arguments(node: Node) -> str:
    """VW's arguments: a text as a shell takes it, or a list of words."""
    if node.kind == "list":
        return shlex.join(Items(_argument)(node))
    if node.kind == "text" and not node.text.strip():
        return ""
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


def is_model_name(text: str) -> bool:
    """Whether a model may be called so."""
    return _NAME.fullmatch(text) is not None


def _plain(values: dict[str, Any], _: Node) -> dict[str, Any]:
    return values


def _renamed(**names: str) -> Callable[[dict[str, Any], Node], dict[str, Any]]:
    """What makes of a record's keys the fields of a Policy that go by other names."""
    return lambda values, _: {names.get(key, key): value for key, value in values.items()}


def _policy(values: dict[str, Any], node: Node) -> Policy:
    journal = values.get("journal", {})
    if journal is None and values.get("on_change") == "replay":
        text = "replay learns the journal again, and 'journal: false' keeps none; keep one, or choose refuse or fresh"
        raise dict(node.entries)["on_change"].error(text)
    stated = {key: values[key] for key in ("on_change",) if key in values}
    return Policy(**values.get("snapshot", {}), **({"journal": False} if journal is None else journal), **stated)


def _transform(kinds: Mapping[str, TransformType]) -> Reader[DeclaredTransform]:
    return Variants("kind", {kind: _transform_of(kind, type_) for kind, type_ in kinds.items()})


def _transform_of(kind: str, type_: TransformType) -> Record[DeclaredTransform]:
    """The reader of a transform's options, and of its artifact if it is fitted."""
    options: Record[Any] = options_reader(type_.options_type, {})
    own: dict[str, Reader[Any]] = {"kind": text, **({"artifact": path} if type_.fitted else {})}

    def make(values: dict[str, Any], node: Node) -> DeclaredTransform:
        artifact = values.pop("artifact", None)
        del values["kind"]
        try:
            made = options.make(values, node)
            _meaning_of(made)
        except (ConfigurationError, KeyboardInterrupt):
            raise
        except (TypeError, ValueError) as error:  # what a plugin's own dataclass refuses
            raise node.error(f"transform {kind}: {told(error).partition(': ')[2]}") from error
        except (Exception, SystemExit) as error:  # a fault of the plugin
            raise node.error(f"transform {kind}: its options fail: {told(error)}") from error
        return DeclaredTransform(Declaration(type_, made, artifact), node.line)

    return Record({**own, **options.fields}, make, (*options.required, *(["artifact"] if type_.fitted else [])))


def _name(values: dict[str, Any], node: Node) -> str:
    """The name that a drop gives, or that of its file."""
    name: str = values.get("model", node.file.stem)
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            [Problem(Place(node.file), "model", f"the file's name {name!r} is not {_NAMING}; name it with 'model:'")]
        )
    return name


def _drop(values: dict[str, Any], node: Node) -> ModelDrop:
    if not node.entries:
        raise ConfigurationError([Problem(Place(node.file), "", "is empty; a model needs at least 'vw: ARGUMENTS'")])
    name, shadow = _name(values, node), values.get("shadow")
    if shadow == name:
        raise dict(node.entries)["shadow"].error("a model cannot be its own shadow; name the one that it follows")
    vw, learn, initial = values.get("vw", ""), values.get("learn", True), values.get("initial")
    transforms: tuple[DeclaredTransform, ...] = values.get("transforms", ())
    return ModelDrop(
        name=name,
        path=node.file,
        vw=vw,
        learn=learn,
        initial=initial,
        digest=_digest(name, shlex.split(vw), learn, _absolute(initial), list(map(_meaning, transforms))),
        transforms=transforms,
        policy=_policy(values, node),
        shadow=shadow,
        pin=values.get("version"),
        without_effect=tuple(key for key in WITHOUT_EFFECT if key in values),
        idle=() if learn and "version" not in values else tuple(key for key in FOR_LEARNING if key in values),
        lines={key: value.line for key, value in node.entries},
    )


def _split_drop(values: dict[str, Any], node: Node) -> ModelDrop:
    name = _name(values, node)
    shares = Shares(values["split"], values.get("split_by", BY_TAG))
    if name in shares.names:
        own = dict(dict(node.entries)["split"].entries)[name]
        raise own.error(f"a split cannot send examples to itself; give it another name than that of {name!r}")
    return ModelDrop(
        name=name,
        path=node.file,
        vw="",
        learn=True,
        initial=None,
        digest=_digest(name, shares.shares, shares.by),
        split=shares,
        lines={key: value.line for key, value in node.entries},
    )


def _misplaced(node: Node) -> None:
    raise node.error("has no place in a split, which has no model of its own; it belongs into the files of its models")


def _absolute(file: Path | None) -> str | None:
    return os.path.abspath(file) if file is not None else None


def _meaning(declared: DeclaredTransform) -> object:
    declaration = declared.declaration
    return [declaration.type.kind, _meaning_of(declaration.options), _absolute(declaration.artifact)]


def _meaning_of(options: Any) -> str:
    """A transform's options as JSON; raises whatever their own code does."""
    return json.dumps(asdict(options), sort_keys=True, default=str)


def _digest(*meaning: object) -> str:
    return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()


def drop_schema(kinds: Mapping[str, TransformType]) -> Record[ModelDrop]:
    """The reader of a drop that is no split, and whose transforms may be of these kinds."""
    fields: dict[str, Reader[Any]] = {
        "model": model_name,
        "vw": _arguments,
        "learn": flag,
        "initial": _model_file,
        "transforms": Items(_transform(kinds), example="[{kind: mdl, input: n, output: m, artifact: ctr.mdl.json}]"),
        "snapshot": Record(
            {
                "every": Duration(1.0, 365 * _DAY_S),
                "keep": Integer(1, _MOST_KEPT),
                "hourly": Integer(0, _MOST_KEPT),
                "daily": Integer(0, _MOST_KEPT),
            },
            _renamed(every="snapshot_every_s", keep="snapshots"),
        ),
        "journal": Switch(
            Record(
                {"sync": Choice(get_args(Sync)), "keep": Duration(1.0, 3650 * _DAY_S)},
                _renamed(keep="journal_keep_s"),
            )
        ),
        "on_change": Choice(get_args(OnChange)),
        "shadow": model_name,
        "version": Record({"pin": Integer(1, _LAST_VERSION)}, lambda values, _: values["pin"], ("pin",)),
        "guard": Record({"action": Choice(("alert", "freeze", "rollback"))}, _plain),
    }
    return Record(fields, _drop)


SPLIT_SCHEMA: Record[ModelDrop] = Record(
    {
        "model": model_name,
        "split": Table(model_name, Number(0.0, _LARGEST_SHARE, within=True), "{ctr: 90, ctr-b: 10}"),
        "split_by": Word(_NAMESPACE, "'tag' or the name of a namespace"),
    },
    _split_drop,
    ("split",),
)
"""The reader of a drop that is a split."""


def read_drop(path: Path, kinds: Mapping[str, TransformType] = NO_KINDS) -> ModelDrop:
    """The model that a file describes, with transforms of these kinds.

    Raises ConfigurationError with everything that is wrong with the file.
    """
    node, schema = load(path), drop_schema(kinds)
    present = {key for key, _ in node.entries}
    if present.isdisjoint(("split", "split_by")):
        return schema(node)
    misplaced = {key: _misplaced for key in schema.fields if key in present and key not in SPLIT_SCHEMA.fields}
    return replace(SPLIT_SCHEMA, fields={**SPLIT_SCHEMA.fields, **misplaced})(node)


def is_drop(file: Path) -> bool:
    """Whether a file of a folder of drops is one, by its name."""
    return file.suffix in _SUFFIXES and not file.name.startswith((".", "#"))
