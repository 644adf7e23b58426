"""A model's transforms in their order, and what several models share of them.

Transforms that are declared alike are one object (`TransformPool`), and so are the steps of pipelines that apply it to
the same input: a step is a transform together with the earlier steps whose namespaces it reads. A `Request` remembers
what each step gave for its lines, so that a request for several models applies each step once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from vwserve.transforms.artifact import digest, read_artifact
from vwserve.transforms.batch import Batch, put_together
from vwserve.transforms.errors import TransformError, guarded, is_interrupt, told
from vwserve.transforms.plugins import TransformType
from vwserve.transforms.stated import Fingerprint, Stated, make
from vwserve.transforms.transform import Artifact, Transform

_BYTES = frozenset({bytes})


@dataclass(frozen=True, slots=True)
class Declaration:
    """A transform as a drop declares it: its type, its options, and the file of its artifact if it is fitted."""

    type: TransformType
    options: Any
    artifact: Path | None = None


class Step:
    """A transform at its place in a pipeline, after the steps that it reads from; `applied` counts examples."""

    __slots__ = ("__weakref__", "after", "applied", "stated", "transform", "writes")

    def __init__(self, stated: Stated, after: tuple[Step, ...]) -> None:
        self.stated = stated
        self.transform: Transform[Any] = stated.transform
        self.after = after
        self.writes = frozenset(stated.writes)
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
            text = put_together(self.lines, [pair for step in steps for pair in self.derived(step).items()])
            if text.count(b"\n") != len(self.lines):
                kinds = " or ".join(step.stated.kind for step in steps if self._has_newline(step))
                raise TransformError(f"transform {kinds} failed: it gave a text with a newline in it")
            self._texts[steps] = text
        return text

    def _has_newline(self, step: Step) -> bool:
        return any(b"\n" in text for texts in self.derived(step).values() for text in texts)

    def _apply(self, step: Step) -> Mapping[str, Sequence[bytes]]:
        batch = self._batch.with_added(map(self.derived, step.after)) if step.after else self._batch
        try:
            derived = self._checked(step, step.transform.apply(batch))
        except TransformError as error:
            raise TransformError(f"transform {step.stated.kind} failed: {error}") from error
        except BaseException as error:  # a fault of a plugin: whoever asked is told, and the daemon goes on
            if is_interrupt(error):
                raise
            raise TransformError(f"transform {step.stated.kind} failed: {told(error)}") from error
        step.applied += len(self.lines)
        return derived

    def _checked(self, step: Step, derived: object) -> Mapping[str, Sequence[bytes]]:
        """What `apply` returned, if it is what it should be, out of reach of the transform."""
        if not isinstance(derived, (dict, Mapping)):  # most are a dict, which is told faster
            raise TransformError(f"it gave {_a(derived)}, not a mapping of namespaces to texts")
        checked: dict[str, Sequence[bytes]] = {}
        for namespace, texts in derived.items():
            if namespace not in step.writes:
                raise TransformError(f"it wrote the namespace {namespace!r}, which it did not declare")
            if not isinstance(texts, (list, tuple)):
                raise TransformError(f"it gave {_a(texts)}, not a list of a text for each line")
            if len(texts) != len(self.lines):
                raise TransformError(f"it gave {len(texts)} texts for {len(self.lines)} lines")
            if not _BYTES.issuperset(map(type, texts)):
                wrong = next(text for text in texts if type(text) is not bytes)
                raise TransformError(f"it gave {_a(wrong)} among its texts; they are bytes")
            checked[namespace] = tuple(texts)
        return checked


class Pipeline:
    """The steps of one model, in the order of its drop; `derives` tells whether they add anything to a line."""

    def __init__(self, steps: tuple[Step, ...] = ()) -> None:
        self.steps = steps
        self.derives = any(step.writes for step in steps)

    @property
    def arguments(self) -> Sequence[str]:
        """The VW arguments that the transforms contribute."""
        return [word for step in self.steps for word in step.stated.arguments]

    @property
    def remarks(self) -> Sequence[str]:
        """What the transforms want known about themselves."""
        return [f"{step.stated.kind}: {remark}" for step in self.steps for remark in step.stated.remarks]

    @property
    def fingerprints(self) -> Sequence[Fingerprint]:
        """The identities of the transforms, in their order."""
        return tuple(step.stated.fingerprint for step in self.steps)

    def text(self, request: Request) -> bytes:
        """The lines of a request as VW is to read them; raises TransformError."""
        return request.text(self.steps)


class TransformPool:
    """One object for all transforms that are declared alike, as long as some pipeline holds it.

    The identity of a transform is its type (a plugin's changed code gives another), its version, its options and the
    content of its artifact.
    """

    def __init__(self) -> None:
        self._transforms: WeakValueDictionary[tuple[object, ...], Stated] = WeakValueDictionary()
        self._steps: WeakValueDictionary[tuple[object, ...], Step] = WeakValueDictionary()

    def __len__(self) -> int:
        """How many transforms are held."""
        return len(self._transforms)

    def pipeline(self, declarations: Sequence[Declaration]) -> Pipeline:
        """The pipeline of a model; raises a `StepError` where a transform cannot be made or does not fit the others."""
        transforms: list[Stated] = []
        for number, declaration in enumerate(declarations):
            try:
                transforms.append(self._transform(declaration))
            except TransformError as error:
                raise StepError(number, str(error)) from error
        steps: list[Step] = []
        written: dict[str, Step] = {}
        for number, stated in enumerate(transforms):
            if wrong := _disorder(stated, written, transforms[number + 1 :]):
                raise StepError(number, wrong)
            step = self._step(stated, tuple(dict.fromkeys(_sources(stated, written))))
            written |= dict.fromkeys(stated.writes, step)
            steps.append(step)
        return Pipeline(tuple(steps))

    def _transform(self, declaration: Declaration) -> Stated:
        kind = declaration.type
        content: Artifact = {}
        identity = ""
        if declaration.artifact is not None:
            stored = read_artifact(declaration.artifact, kind)
            content, identity = stored.content, stored.digest
        fingerprint = _fingerprint(declaration, content, identity)
        key = (kind, kind.version, fingerprint.options, identity)
        stated = self._transforms.get(key)
        if stated is None:
            where = f" from {declaration.artifact}" if declaration.artifact else ""
            stated = self._transforms[key] = make(kind, declaration.options, content, fingerprint, where)
        return stated

    def _step(self, stated: Stated, after: tuple[Step, ...]) -> Step:
        key = (id(stated), *map(id, after))
        step = self._steps.get(key)
        if step is None:
            step = self._steps[key] = Step(stated, after)
        return step


def check_content(declaration: Declaration, content: Artifact) -> None:
    """Make the transform of a content that is yet to be written; raises TransformError where that fails."""
    make(declaration.type, declaration.options, content, _fingerprint(declaration, content, digest(content)))


class StepError(TransformError):
    """What is wrong with the transform at a position of a pipeline."""

    def __init__(self, position: int, text: str) -> None:
        super().__init__(text)
        self.position = position


def _fingerprint(declaration: Declaration, content: Artifact, identity: str) -> Fingerprint:
    with guarded("its options cannot be written down"):
        options = json.dumps(asdict(declaration.options), sort_keys=True, default=str)
    kind = declaration.type
    return Fingerprint(kind.kind, kind.version, options, identity if content else "")


def _sources(stated: Stated, written: Mapping[str, Step]) -> Iterator[Step]:
    for namespace in stated.reads:
        if namespace in written:
            yield written[namespace]


def _disorder(stated: Stated, written: Mapping[str, Step], later: Sequence[Stated]) -> str | None:
    """What is wrong with the place of a transform, after those that wrote `written` and before the `later` ones."""
    for namespace in stated.writes:
        if namespace in written:
            other = written[namespace].stated.kind
            return f"writes the namespace {namespace!r}, as does the {other} before it; rename one output"
        if namespace in stated.reads:
            return f"reads the namespace {namespace!r} that it writes itself; give it another output"
    for other_stated in later:
        for namespace in stated.reads:
            if namespace in other_stated.writes:
                kind = other_stated.kind
                return f"reads the namespace {namespace!r}, which the {kind} after it writes; change their order"
    return None


def _a(value: object) -> str:
    """A value by its type, for an error: what it holds may be anything."""
    return f"a value of type {type(value).__name__}"
