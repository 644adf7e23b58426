"""A model's transforms in their order, and what several models share of them.

Transforms that are declared alike are one object (`TransformPool`), and so are the steps of pipelines that apply it to
the same input: a step is a transform together with the earlier steps whose namespaces it reads. A `Request` remembers
what each step gave for its lines, so that a request for several models applies each step once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from vwserve.transforms.artifact import digest, read_artifact
from vwserve.transforms.batch import Batch, put_together
from vwserve.transforms.errors import TransformError
from vwserve.transforms.plugins import TransformType
from vwserve.transforms.transform import Transform


@dataclass(frozen=True, slots=True)
class Declaration:
    """A transform as a drop declares it: its type, its options, and the file of its artifact if it is fitted."""

    type: TransformType
    options: Any
    artifact: Path | None = None


class Step:
    """A transform at its place in a pipeline, after the steps that it reads from; `applied` counts examples."""

    __slots__ = ("__weakref__", "after", "applied", "transform", "writes")

    def __init__(self, transform: Transform[Any], after: tuple[Step, ...]) -> None:
        self.transform = transform
        self.after = after
        self.writes = frozenset(transform.writes)
        self.applied = 0


class Request:
    """Lines on their way to one model or several, and what the steps of their pipelines gave for them."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines = lines
        self._batch = Batch(lines)
        self._derived: dict[Step, Mapping[str, Sequence[bytes]]] = {}
        self._texts: dict[tuple[Step, ...], bytes] = {}

    def derived(self, step: Step) -> Mapping[str, Sequence[bytes]]:
        """What a step adds to the lines; raises TransformError where its transform fails or breaks its promises."""
        derived = self._derived.get(step)
        if derived is None:
            derived = self._derived[step] = self._apply(step)
        return derived

    def text(self, steps: tuple[Step, ...]) -> bytes:
        """The lines with all that the steps add, each ended by a newline, as VW reads them."""
        text = self._texts.get(steps)
        if text is None:
            text = self._texts[steps] = put_together(
                self.lines, [pair for step in steps for pair in self.derived(step).items()]
            )
            if text.count(b"\n") != len(self.lines):
                raise TransformError("a transform gave a text with a newline in it")
        return text

    def _apply(self, step: Step) -> Mapping[str, Sequence[bytes]]:
        batch = self._batch.with_added(map(self.derived, step.after)) if step.after else self._batch
        kind = step.transform.kind
        try:
            derived = step.transform.apply(batch)
        except Exception as error:  # a fault of a plugin: whoever asked is told, and the daemon goes on
            raise TransformError(f"transform {kind} failed: {type(error).__name__}: {error}") from error
        for namespace, texts in derived.items():
            if len(texts) != len(self.lines):
                raise TransformError(f"transform {kind} gave {len(texts)} texts for {len(self.lines)} lines")
            if namespace not in step.writes:
                raise TransformError(f"transform {kind} wrote the namespace {namespace!r}, which it did not declare")
        step.applied += len(self.lines)
        return derived


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What identifies a transform for good: two that are equal derive the same, unless a plugin lies about its version.

    `options` are JSON, `artifact` is the digest of its content, empty where the transform is not fitted.
    """

    kind: str
    version: str
    options: str
    artifact: str


class Pipeline:
    """The steps of one model, in the order of its drop; `derives` tells whether they add anything to a line."""

    def __init__(self, steps: tuple[Step, ...] = ()) -> None:
        self.steps = steps
        self.derives = any(step.transform.writes for step in steps)

    @property
    def arguments(self) -> Sequence[str]:
        """The VW arguments that the transforms contribute."""
        return [word for step in self.steps for word in step.transform.arguments]

    @property
    def remarks(self) -> Sequence[str]:
        """What the transforms want known about themselves."""
        return [f"{step.transform.kind}: {remark}" for step in self.steps for remark in step.transform.remarks]

    @cached_property
    def fingerprints(self) -> Sequence[Fingerprint]:
        """The identities of the transforms, in their order."""
        return tuple(_fingerprint(step.transform) for step in self.steps)

    def text(self, request: Request) -> bytes:
        """The lines of a request as VW is to read them; raises TransformError."""
        return request.text(self.steps)


class TransformPool:
    """One object for all transforms that are declared alike, as long as some pipeline holds it.

    The identity of a transform is its type (a plugin's changed code gives another), its version, its options and the
    content of its artifact.
    """

    def __init__(self) -> None:
        self._transforms: WeakValueDictionary[tuple[object, ...], Transform[Any]] = WeakValueDictionary()
        self._steps: WeakValueDictionary[tuple[object, ...], Step] = WeakValueDictionary()

    def __len__(self) -> int:
        """How many transforms are held."""
        return len(self._transforms)

    def pipeline(self, declarations: Sequence[Declaration]) -> Pipeline:
        """The pipeline of a model; raises a `StepError` where a transform cannot be made or does not fit the others."""
        steps: list[Step] = []
        written: dict[str, Step] = {}
        for number, declaration in enumerate(declarations):
            try:
                transform = self._transform(declaration)
                _check_order(transform, written, declarations[number + 1 :])
            except TransformError as error:
                raise StepError(number, str(error)) from error
            step = self._step(transform, tuple(dict.fromkeys(_sources(transform, written))))
            written |= dict.fromkeys(transform.writes, step)
            steps.append(step)
        return Pipeline(tuple(steps))

    def _transform(self, declaration: Declaration) -> Transform[Any]:
        kind = declaration.type
        content, identity = {}, ""
        if declaration.artifact is not None:
            stored = read_artifact(declaration.artifact, kind)
            content, identity = stored.content, stored.digest
        key = (kind, kind.version, _written(declaration.options), identity)
        transform = self._transforms.get(key)
        if transform is None:
            try:
                transform = kind(declaration.options, content)
            except TransformError:
                raise
            except Exception as error:  # a fault of a plugin, or an artifact that nobody wrote
                where = f" from {declaration.artifact}" if declaration.artifact else ""
                raise TransformError(f"cannot be made{where}: {type(error).__name__}: {error}") from error
            self._transforms[key] = transform
        return transform

    def _step(self, transform: Transform[Any], after: tuple[Step, ...]) -> Step:
        key = (id(transform), *map(id, after))
        step = self._steps.get(key)
        if step is None:
            step = self._steps[key] = Step(transform, after)
        return step


class StepError(TransformError):
    """What is wrong with the transform at a position of a pipeline."""

    def __init__(self, position: int, text: str) -> None:
        super().__init__(text)
        self.position = position


def _fingerprint(transform: Transform[Any]) -> Fingerprint:
    artifact = digest(transform.artifact) if transform.artifact else ""
    return Fingerprint(transform.kind, transform.version, _written(transform.options), artifact)


def _written(options: Any) -> str:
    return json.dumps(asdict(options), sort_keys=True, default=str)


def _sources(transform: Transform[Any], written: Mapping[str, Step]) -> Iterator[Step]:
    for namespace in transform.reads:
        if namespace in written:
            yield written[namespace]


def _check_order(transform: Transform[Any], written: Mapping[str, Step], later: Sequence[Declaration]) -> None:
    for namespace in transform.writes:
        if namespace in written:
            other = written[namespace].transform.kind
            raise TransformError(
                f"writes the namespace {namespace!r}, as does the {other} before it; rename one output"
            )
        if namespace in transform.reads:
            raise TransformError(f"reads the namespace {namespace!r} that it writes itself; give it another output")
    for declaration in later:
        output = getattr(declaration.options, "output", None)
        if output is not None and output in transform.reads:
            kind = declaration.type.kind
            raise TransformError(
                f"reads the namespace {output!r}, which the {kind} after it writes; change their order"
            )
