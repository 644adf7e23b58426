"""Finding transforms: installed packages and single files, each reported by name where it is broken."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from functools import partial
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, cast

import pluggy

from vwserve.errors import Place, Problem
from vwserve.transforms import hookspecs
from vwserve.transforms.options import options_reader
from vwserve.transforms.transform import Transform

ENTRY_POINTS = "vwserve"

_KIND = re.compile(r"[a-z][a-z0-9_-]{0,49}")

TransformType: TypeAlias = type[Transform[Any]]


@dataclass(frozen=True, slots=True)
class Plugins:
    """The transform types that were found, by kind, and what is wrong with plugins that could not be used."""

    kinds: Mapping[str, TransformType] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def find_plugins(folder: Path | None = None) -> Plugins:
    """All plugins: installed ones, then the files of `folder` in the order of their names.

    Runs their code. A broken one is a problem, never an error: the others can be used.
    """
    search = _Search()
    for name, load in _installed():
        search.add(name, Place(Path(f"installed plugin {name}")), load)
    for file in _files(folder):
        search.add(file.name, Place(file), partial(_module, file))
    return Plugins(search.kinds, tuple(search.problems))


class _Search:
    def __init__(self) -> None:
        self.kinds: dict[str, TransformType] = {}
        self.problems: list[Problem] = []
        self._claimed: dict[str, str] = {}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def add(self, name: str, place: Place, load: Callable[[], object]) -> None:
        """Take the transforms of one plugin, or say what is wrong with it."""
        try:
            for transform in self._transforms(name, load()):
                self._claim(name, transform)
        except (Exception, SystemExit) as error:  # whatever strange code raises: the daemon goes on without it
            text = f"{type(error).__name__}: {error}" if not isinstance(error, _Refused) else str(error)
            self.problems.append(Problem(place, "", f"cannot be used: {' '.join(text.split())}"))

    def _transforms(self, name: str, plugin: object) -> Iterable[object]:
        self._manager.register(plugin, name)
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError:
            self._manager.unregister(plugin)
            raise
        calls = [call for call in self._manager.hook.vwserve_transforms.get_hookimpls() if call.plugin is plugin]
        if not calls:
            raise _Refused("it has no hook; write `@hookimpl def vwserve_transforms(): return [...]`")
        return [transform for call in calls for transform in cast(Iterable[object], call.function())]

    def _claim(self, name: str, transform: object) -> None:
        checked = _checked(transform)
        if checked.kind in self.kinds:
            raise _Refused(f"the kind {checked.kind!r} is already that of {self._claimed[checked.kind]}; rename one")
        self.kinds[checked.kind] = checked
        self._claimed[checked.kind] = name


class _Refused(Exception):
    """Why a plugin is not taken, in whole words."""


def _checked(transform: object) -> TransformType:
    if not (isinstance(transform, type) and issubclass(transform, Transform)):
        raise _Refused(f"{transform!r} is not a subclass of Transform")
    name = transform.__qualname__
    if missing := sorted(getattr(transform, "__abstractmethods__", ())):
        raise _Refused(f"{name} does not implement {', '.join(missing)}")
    kind = getattr(transform, "kind", None)
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise _Refused(f"{name}.kind is {kind!r}; a kind is a word of small letters, digits, _ and -")
    if not isinstance(transform.version, str):
        raise _Refused(f"{name}.version is {transform.version!r}, not a text")
    options = getattr(transform, "options_type", None)
    if not (isinstance(options, type) and is_dataclass(options)):
        raise _Refused(f"{name}.options_type is not a dataclass")
    try:
        options_reader(options, {})
    except (TypeError, NameError) as error:
        raise _Refused(f"{name}.options_type: {error}") from error
    if transform.fitted and not any("fit" in vars(each) for each in transform.__mro__ if each is not Transform):
        raise _Refused(f"{name} is fitted, but has no fit")
    return transform


def _installed() -> Iterator[tuple[str, Callable[[], object]]]:
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda each: each.name):
        yield entry.name, entry.load


def _files(folder: Path | None) -> Iterable[Path]:
    if folder is None or not folder.is_dir():
        return ()
    return sorted(file for file in folder.glob("*.py") if not file.name.startswith((".", "_")))


def _module(file: Path) -> ModuleType:
    """The module of a file, fresh each time: an edited file gives new types, and models with the old ones keep them."""
    name = f"vwserve_plugins_d.{file.stem}"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
