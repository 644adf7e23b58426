"""Finding transforms: installed packages and single files, each reported by name where it is broken."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from functools import partial
from importlib.abc import SourceLoader
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias, cast

import pluggy

from vwserve.errors import Place, Problem
from vwserve.transforms import hookspecs
from vwserve.transforms.errors import told
from vwserve.transforms.options import options_reader
from vwserve.transforms.transform import Transform

ENTRY_POINTS = "vwserve"

_KEYS = frozenset({"kind", "artifact"})
"""The keys of a transform in a drop that are not its options."""

_KIND = re.compile(r"[a-z][a-z0-9_-]{0,49}")

TransformType: TypeAlias = type[Transform[Any]]


@dataclass(frozen=True, slots=True)
class Plugins:
    """The transform types that were found, by kind, and what is wrong with plugins that could not be used."""

    kinds: Mapping[str, TransformType] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


class PluginFinder:
    """Finds plugins time and again; what did not change in between gives the same types.

    So a daemon that reads its configuration again keeps the models whose plugins are what they were.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def find(self, folder: Path | None = None) -> Plugins:
        """All plugins: installed ones, then the files of `folder` in the order of their names.

        Runs the code of those that are new or changed. A broken one is a problem, never an error: the others can be
        used.
        """
        search = _Search(self._known)
        for name, load in _installed():
            search.add(name, f"the installed plugin {name}", Place(Path(f"installed plugin {name}")), load)
        for file in _files(folder):
            search.add(str(file), str(file), Place(file), partial(_module, file), _content(file))
        return Plugins(search.kinds, tuple(search.problems))


def find_plugins(folder: Path | None = None) -> Plugins:
    """All plugins, as a `PluginFinder` finds them the first time."""
    return PluginFinder().find(folder)


class _Known(NamedTuple):
    """What a plugin gave when it had this content."""

    content: bytes
    transforms: Sequence[object]


class _Search:
    def __init__(self, known: dict[str, _Known]) -> None:
        self._known = known
        self.kinds: dict[str, TransformType] = {}
        self.problems: list[Problem] = []
        self._claimed: dict[str, str] = {}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def add(
        self, name: str, called: str, place: Place, load: Callable[[bytes], object], content: bytes | OSError = b""
    ) -> None:
        """Take the transforms of one plugin, or say what is wrong with it.

        Where its content is what it was, its code is not run again.
        """
        try:
            if isinstance(content, OSError):
                raise content
            known = self._known.get(name)
            if known is None or known.content != content:
                known = self._known[name] = _Known(content, self._transforms(name, load(content)))
            for transform in known.transforms:
                self._claim(called, transform)
        except (Exception, SystemExit) as error:  # whatever strange code raises: the daemon goes on without it
            text = " ".join(str(error).split()) if isinstance(error, _Refused) else told(error)
            self.problems.append(Problem(place, "", f"cannot be used: {text}"))

    def _transforms(self, name: str, plugin: object) -> Sequence[object]:
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

    def _claim(self, called: str, transform: object) -> None:
        checked = _checked(transform)
        if checked.kind in self.kinds:
            raise _Refused(f"the kind {checked.kind!r} is already that of {self._claimed[checked.kind]}; rename one")
        self.kinds[checked.kind] = checked
        self._claimed[checked.kind] = called


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
        readers = options_reader(options, {}).fields
    except (TypeError, NameError) as error:
        raise _Refused(f"{name}.options_type: {error}") from error
    if taken := sorted(_KEYS & readers.keys()):
        raise _Refused(f"{name}.options_type has an option {taken[0]!r}, a key that drops have already; rename it")
    if transform.fitted and not any("fit" in vars(each) for each in transform.__mro__ if each is not Transform):
        raise _Refused(f"{name} is fitted, but has no fit")
    return transform


def _installed() -> Iterator[tuple[str, Callable[[bytes], object]]]:
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda each: each.name):
        yield entry.name, partial(_load, entry)


def _files(folder: Path | None) -> Iterable[Path]:
    if folder is None or not folder.is_dir():
        return ()
    return sorted(file for file in folder.glob("*.py") if not file.name.startswith((".", "_")))


def _load(entry: EntryPoint, _: bytes) -> object:
    return entry.load()


def _content(file: Path) -> bytes | OSError:
    try:
        return file.read_bytes()
    except OSError as error:
        return error


class _Source(SourceLoader):
    """Loads the very bytes that were compared; by the times of files Python may take an edited one for unchanged."""

    def __init__(self, file: Path, content: bytes) -> None:
        self._file = file
        self._content = content

    def get_filename(self, fullname: str) -> str:
        """The name of the file."""
        return str(self._file)

    def get_data(self, path: str | bytes) -> bytes:
        """The content that it had."""
        return self._content


def _module(file: Path, content: bytes) -> ModuleType:
    """The module of a file with this content; models with the types of another content keep them."""
    # Named by its content: what the module of another content refers to stays where it is.
    name = f"vwserve_plugins_d.{file.stem}_{hashlib.sha256(content).hexdigest()[:16]}"
    spec = spec_from_file_location(name, file, loader=_Source(file, content))
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
