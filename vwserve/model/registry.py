"""The models that are served, kept equal to the drops that describe them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from vwserve.errors import ModelError, Place, Problem, VwserveError
from vwserve.learner import Bounds
from vwserve.model.drop import ModelDrop
from vwserve.model.servable import Servable
from vwserve.model.state import Resumed
from vwserve.transforms.errors import told
from vwserve.transforms.pipeline import StepError, TransformPool

MOST_EXPORTS = 100
"""The most copies of a model that clients may leave; each is as large as the model."""


@dataclass(slots=True)
class _Served:
    servable: Servable
    drop: ModelDrop
    identity: tuple[object, ...]


class Registry:
    """Servables by name.

    A drop that cannot be served changes nothing: what ran under its name goes on, or nothing does.
    """

    def __init__(self, bounds: Bounds, state: Path) -> None:
        self._bounds = bounds
        self._state = state
        self._pool = TransformPool()
        self._served: dict[str, _Served] = {}
        self._by_name: dict[str, Servable] = {}
        self._versions: dict[str, int] = {}

    def get(self, name: str) -> Servable | None:
        """The servable of this name; of the empty name, the only one while there is just one."""
        return self._by_name.get(name)

    def names(self) -> Sequence[str]:
        """The names of all servables, in order."""
        return sorted(self._served)

    def configure(self, bounds: Bounds, state: Path) -> None:
        """Hold all models to other bounds, and write what they write elsewhere."""
        self._bounds = bounds
        self._state = state
        for served in self._served.values():
            served.servable.limit(bounds)

    def apply(self, drops: Iterable[ModelDrop], unread: Iterable[Problem] = ()) -> list[Problem]:
        """Serve exactly what `drops` describe; those that did not change keep what they have learned.

        What came of a file, or of a whole folder, that `unread` could not make drops of stays as it is, too. Returns
        what is wrong with drops that cannot be served.
        """
        problems = []
        wanted = set()
        for drop in drops:
            wanted.add(drop.name)
            try:
                self._serve(drop)
            except VwserveError as error:
                problems.append(fault(drop, error))
            except (Exception, SystemExit) as error:  # a fault of the program or a plugin: the other models go on
                problems.append(drop.problem("", f"cannot be served: {told(error)}"))
        unknown = {problem.place.file for problem in unread}
        for name, served in list(self._served.items()):
            if name not in wanted and unknown.isdisjoint((served.drop.path, served.drop.path.parent)):
                del self._served[name]
                served.servable.close()
        self._by_name = {name: served.servable for name, served in self._served.items()}
        if len(self._by_name) == 1:
            self._by_name[""] = next(iter(self._by_name.values()))
        return problems

    def export(self, name: str, export: str) -> Path:
        """Leave a copy of the model `name`, as `get` takes it, among its exports, and return where.

        The copy is called by the last component of `export`. Raises ModelError where it cannot be written.
        """
        servable = self.get(name)
        if servable is None:
            raise ModelError(f"no model is called {name!r}")
        last = PurePath(export or f"{servable.name}.vw").name
        if not last or last in (".", "..") or not last.isprintable():
            raise ModelError(f"{export!r} ends in no name of a file")
        path = self._state / servable.name / "exports" / last
        temporary = path.with_name(f".{last}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() and len(os.listdir(path.parent)) >= MOST_EXPORTS:
                raise ModelError(f"{path.parent} has {MOST_EXPORTS} files already; move some away")
            servable.save(temporary)
            temporary.replace(path)
        except OSError as error:
            raise ModelError(f"cannot write {path}: {error.strerror}") from error
        return path

    def close(self) -> None:
        """Free all models."""
        self._by_name = {}
        while self._served:
            self._served.popitem()[1].servable.close()

    def _serve(self, drop: ModelDrop) -> None:
        identity = _identity(drop)
        before = self._served.get(drop.name)
        if before is not None and before.identity == identity:
            return
        version = self._versions.get(drop.name, 0) + 1
        self._served[drop.name] = _Served(build(drop, self._bounds, self._pool, version), drop, identity)
        self._versions[drop.name] = version
        if before is not None:
            before.servable.close()


def build(
    drop: ModelDrop, bounds: Bounds, pool: TransformPool, version: int = 1, resumed: Resumed | None = None
) -> Servable:
    """The servable that a drop describes, going on from `resumed` if that is given.

    Raises StepError, ArgumentsError or ModelError.
    """
    pipeline = pool.pipeline([each.declaration for each in drop.transforms])
    return Servable(
        drop.name,
        drop.vw,
        learn=drop.learn,
        initial=drop.initial,
        resumed=resumed,
        bounds=bounds,
        pipeline=pipeline,
        version=version,
    )


def fault(drop: ModelDrop, error: VwserveError) -> Problem:
    """An error of `build` at the line of the drop that it is about."""
    if isinstance(error, StepError):
        line = drop.transforms[error.position].line
        return Problem(Place(drop.path, line), f"transforms[{error.position}]", str(error))
    return drop.problem("initial" if isinstance(error, ModelError) else "vw", str(error))


def _identity(drop: ModelDrop) -> tuple[object, ...]:
    """What a servable was made from: two drops of the same identity describe the same one."""
    return (drop.digest, *(_state(file) for file in drop.files), *(each.declaration.type for each in drop.transforms))


def _state(file: Path) -> object:
    """What changes when a file does; None where it cannot be read, which whoever reads it will say."""
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
