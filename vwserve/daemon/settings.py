"""The settings of the daemon: what vwserve.yaml says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vwserve.configuration import Node, load
from vwserve.configuration.schema import Duration, Integer, Items, Number, Record, Size, flag, path
from vwserve.configuration.units import format_size
from vwserve.daemon.endpoints import Endpoint, endpoint
from vwserve.errors import ConfigurationError, Place, Problem
from vwserve.guard.limits import Limits
from vwserve.learner import Bounds
from vwserve.model.drop import model_name

WITHOUT_EFFECT = ("http", "processes", "admission")

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Listen:
    """One listener: its Twisted endpoint string, the model of lines without an address, whether `save` is obeyed."""

    endpoint: str
    model: str | None = None
    saves: bool = True
    place: Place = field(default=Place(Path()), compare=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """What vwserve.yaml says, paths resolved; `without_effect` are keys that are valid but do nothing yet."""

    listen: tuple[Listen, ...]
    models: Path
    plugins: Path | None
    state: Path
    limits: Limits
    control: str | None = None
    http: str | None = None
    processes: int = 1
    admission: Admission | None = None
    without_effect: tuple[str, ...] = ()
    file: Path = field(default=Path(), compare=False)


@dataclass(frozen=True, slots=True)
class Admission:
    """When to shed load: `success_target` is the share of answers that must come within `deadline_s`."""

    deadline_s: float = 0.05
    success_target: float = 0.99


@dataclass(frozen=True, slots=True)
class _Listened:
    listen: Listen
    endpoint: Endpoint


def _folder(node: Node) -> Path:
    folder = path(node)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise node.error(f"{folder} is not a folder")
    return folder


def _listened(values: dict[str, Any], node: Node) -> _Listened:
    at: Endpoint = values["endpoint"]
    return _Listened(Listen(at.description, values.get("model"), values.get("saves", True), node.place), at)


def _limits(values: dict[str, Any], node: Node) -> Limits:
    bounds = {key: values.pop(key) for key in ("features", "lines", "importance", "magnitude") if key in values}
    if "idle" in values:
        values["idle_s"] = values.pop("idle")
    limits = Limits(**values, bounds=Bounds(**bounds))
    if limits.request_bytes < limits.line_bytes:
        sizes = f"{format_size(limits.request_bytes)} is less than line_bytes, {format_size(limits.line_bytes)}"
        raise node.error(f"request_bytes {sizes}; raise it, for a request is made of lines")
    return limits


def _admission(values: dict[str, Any], _: Node) -> Admission:
    if "deadline" in values:
        values["deadline_s"] = values.pop("deadline")
    return Admission(**values)


def _settings(values: dict[str, Any], node: Node) -> Settings:
    lines = dict(node.entries)
    listened: tuple[_Listened, ...] = values.get("listen", ())
    others = [(lines[key].place, key, values[key]) for key in ("control", "http") if key in values]
    places = [(each.listen.place, f"listen[{i}].endpoint", each.endpoint) for i, each in enumerate(listened)]
    if problems := list(_opened_twice([*places, *others])):
        raise ConfigurationError(problems)
    folder = node.file.parent
    return Settings(
        listen=tuple(each.listen for each in listened) or (replace(DEFAULT_LISTEN, place=Place(node.file)),),
        models=values.get("models", folder / "models.d"),
        plugins=values.get("plugins"),
        state=values.get("state", folder / "state"),
        limits=values.get("limits", Limits()),
        control=values["control"].description if "control" in values else None,
        http=values["http"].description if "http" in values else None,
        processes=values.get("processes", 1),
        admission=values.get("admission"),
        without_effect=tuple(key for key in WITHOUT_EFFECT if key in values),
        file=node.file,
    )


def _opened_twice(places: list[tuple[Place, str, Endpoint]]) -> Iterator[Problem]:
    first: dict[tuple[object, ...], Place] = {}
    for place, key, each in places:
        if each.identity in first and ("port", "0") not in each.identity:
            yield Problem(place, key, f"the same endpoint as in {first[each.identity]}; give it another")
        first.setdefault(each.identity, place)


DEFAULT_LISTEN = Listen("tcp:26542:interface=127.0.0.1")

SETTINGS: Record[Settings] = Record(
    {
        "listen": Items(
            Record({"endpoint": endpoint, "model": model_name, "saves": flag}, _listened, required=("endpoint",)),
            example="'- endpoint: tcp:26542'",
        ),
        "control": endpoint,
        "http": endpoint,
        "models": _folder,
        "plugins": _folder,
        "state": _folder,
        "processes": Integer(1, 1024),
        "limits": Record(
            {
                "line_bytes": Size(64, 1 << 30),
                "features": Size(1, 100_000_000),
                "connections": Size(1, 1_000_000),
                "idle": Duration(0.1, 365 * _DAY_S),
                "request_bytes": Size(64, 1 << 30),
                "lines": Size(1, 1_000_000),
                "importance": Number(1e-6, 1e30),
                "magnitude": Number(1.0, 1e30),
            },
            _limits,
        ),
        "admission": Record(
            {"deadline": Duration(0.001, 3600.0), "success_target": Number(0.0, 1.0, within=True)}, _admission
        ),
    },
    _settings,
)


def read_settings(path: Path) -> Settings:
    """The settings in a file; raises ConfigurationError with everything that is wrong with it."""
    return SETTINGS(load(path))
