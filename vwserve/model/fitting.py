"""Learning the artifacts of a drop's transforms from a file, in the order in which the drop applies them.

Each transform is fitted to what it will be given when the model is served: the examples with what the transforms before
it add, those with the artifacts that were learned a moment ago.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from vwserve.errors import ConfigurationError, Place, Problem, VwserveError
from vwserve.learner import Bounds, Learner
from vwserve.model.blueprint import Blueprint, fault
from vwserve.model.data_file import DataFile
from vwserve.model.drop import DeclaredTransform, ModelDrop
from vwserve.model.examples import FileExamples, Survey
from vwserve.transforms import Artifact, Batch, Examples, LabelledBatch, TransformError
from vwserve.transforms.artifact import reread, write_artifact
from vwserve.transforms.errors import guarded
from vwserve.transforms.pipeline import Pipeline, Request, StepError, TransformPool, check_content
from vwserve.transforms.plugins import TransformType
from vwserve.transforms.stated import texts_of

Progress = Callable[[str, int], None]
"""Is told what is being fitted and how many rows have been read for it in the pass under way."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """An artifact that was learned and written to `path`: what it holds, in lines for a person, and what was read."""

    kind: str
    path: Path
    found: Sequence[str]
    survey: Survey


def fit_drop(
    drop: ModelDrop,
    file: DataFile,
    *,
    time: datetime,
    only: str | None = None,
    rows: int | None = None,
    progress: Progress | None = None,
) -> Generator[Fitted, None, None]:
    """Fit the transforms of a drop, or those of the kind `only`, to the first `rows` rows of a file, one after another.

    The artifacts of those before it must be there. `time` stands in the provenance. In the end the model is built as a
    daemon would build it, unless it lacks an artifact still. Raises ConfigurationError for what is wrong with the drop,
    VwserveError for the data.
    """
    chosen = _chosen(drop, only)
    if len(chosen) > 1 and not file.rereadable:
        raise VwserveError(
            f"{drop.path} has {len(chosen)} transforms to fit, and {file.name} can be read only once; "
            "give a file, or fit one kind at a time with --only"
        )
    pool = TransformPool()
    try:
        learner = Learner(drop.vw, learn=drop.learn, initial=drop.initial)
    except VwserveError as error:
        raise ConfigurationError([fault(drop, error)]) from error
    with closing(learner):
        for position in chosen:
            declared = drop.transforms[position]
            kind = declared.declaration.type.kind

            def watch(rows: int, kind: str = kind) -> None:
                if progress is not None:
                    progress(kind, rows)

            examples = FileExamples(file, learner, rows=rows, watch=watch)
            yield _fit(drop, position, pool, examples, time)
    if not all(path.exists() for path in drop.files):
        return
    try:
        Blueprint.of(drop, pool).build(Bounds()).close()
    except VwserveError as error:
        raise ConfigurationError([fault(drop, error)]) from error


def _chosen(drop: ModelDrop, only: str | None) -> Sequence[int]:
    """The positions of the transforms to fit."""
    kinds = [each.declaration.type.kind for each in drop.transforms]
    fitted = [position for position, each in enumerate(drop.transforms) if each.declaration.type.fitted]
    if only is not None and only not in kinds:
        known = ", ".join(dict.fromkeys(kinds)) or "none"
        raise VwserveError(f"{drop.path} has no transform of kind {only!r}; it has: {known}")
    chosen = [position for position in fitted if only in (None, kinds[position])]
    if not chosen:
        what = f"its transform {only!r} learns nothing" if only else "it has no transform that learns"
        raise VwserveError(f"{drop.path}: {what} from data, so there is nothing to fit")
    paths: dict[Path | None, int] = {}
    for position in chosen:
        artifact = drop.transforms[position].declaration.artifact
        if artifact in paths:
            text = f"{artifact} is also the artifact of transforms[{paths[artifact]}]; give each its own file"
            raise ConfigurationError([_problem(drop, position, text)])
        paths[artifact] = position
    return chosen


def _fit(drop: ModelDrop, position: int, pool: TransformPool, examples: FileExamples, time: datetime) -> Fitted:
    declared = drop.transforms[position]
    declaration = declared.declaration
    before = [each.declaration for each in drop.transforms[:position]]
    assert declaration.artifact is not None, "a fitted transform has an artifact (see vwserve.model.drop)"
    try:
        prepared = _Prepared(examples, pool.pipeline(before))
    except StepError as error:
        raise ConfigurationError([_problem(drop, error.position, str(error))]) from error
    try:
        content = _learned(declared, prepared)
        check_content(declaration, content)
    except TransformError as error:
        _check_survey(drop, position, examples, prepared)
        raise ConfigurationError([_problem(drop, position, str(error))]) from error
    _whole(prepared, examples)
    survey = _check_survey(drop, position, examples, prepared)
    survey.refused += prepared.failed
    provenance = _provenance(declared, examples, survey, time)
    try:
        write_artifact(declaration.artifact, declaration.type, content, provenance)
    except TransformError as error:
        raise ConfigurationError([_problem(drop, position, str(error))]) from error
    return Fitted(declaration.type.kind, declaration.artifact, _found(declaration.type, content), survey)


def _learned(declared: DeclaredTransform, examples: Examples) -> Artifact:
    kind = declared.declaration.type
    with guarded("cannot be fitted"):
        return reread(kind.fit(declared.declaration.options, examples))


def _found(kind: TransformType, content: Artifact) -> tuple[str, ...]:
    """What was learned, in lines; a description that fails is told there, since what it should describe stands."""
    try:
        with guarded("cannot be described"):
            return texts_of(kind.describe(content), "its description")
    except TransformError as error:
        return (str(error),)


def _whole(prepared: Examples, examples: FileExamples) -> None:
    """Read the file once more where the transform did not read all of it."""
    if examples.survey is None:
        for _ in prepared:
            continue


def _check_survey(drop: ModelDrop, position: int, examples: FileExamples, prepared: _Prepared) -> Survey:
    """What the file holds; raises VwserveError where that is nothing to fit to."""
    survey = examples.survey or Survey()
    if prepared.failure is not None and prepared.failed == survey.rows - survey.refused:
        text = f"none of the examples reaches it: {prepared.failure}"
        raise ConfigurationError([_problem(drop, position, text)])
    if examples.survey is not None and not survey.labelled:
        raise VwserveError(
            f"{examples.file.name} has no line to fit to: {survey.rows} rows, {survey.refused} of them no examples of "
            "this model, none with a label that is a number"
        )
    return survey


def _provenance(
    declared: DeclaredTransform, examples: FileExamples, survey: Survey, time: datetime
) -> Mapping[str, Any]:
    return {
        "data": {
            "file": Path(examples.file.name).name,
            "sha256": examples.file.sha256,
            "bytes": examples.file.size_bytes,
            "rows": survey.rows,
            "labelled": survey.labelled,
            "refused": survey.refused,
        },
        "options": json.loads(json.dumps(asdict(declared.declaration.options), default=str)),
        "vwserve": version("vwserve"),
        "time": time.isoformat(timespec="seconds"),
    }


def _problem(drop: ModelDrop, position: int, text: str) -> Problem:
    return Problem(Place(drop.path, drop.transforms[position].line), f"transforms[{position}]", text)


class _Prepared:
    """Examples with what a pipeline adds to them, without those that it fails on.

    `failed` counts these in the last pass, and `failure` is the last error.
    """

    def __init__(self, examples: FileExamples, pipeline: Pipeline) -> None:
        self._examples = examples
        self._pipeline = pipeline
        self.failed = 0
        self.failure: TransformError | None = None

    def __iter__(self) -> Iterator[LabelledBatch]:
        if not self._pipeline.derives:
            yield from self._examples
            return
        self.failed = 0
        for each in self._examples:
            lines, kept = each.batch.lines, None
            try:
                batch = self._with_derived(lines)
            except TransformError as error:
                self.failure = error
                kept = np.array([self._bears(line) for line in lines])
                self.failed += int(np.count_nonzero(~kept))
                if not kept.any():
                    continue
                batch = self._with_derived([line for line, good in zip(lines, kept) if good])
            if kept is None:
                yield LabelledBatch(batch, each.labels, each.weights)
            else:
                yield LabelledBatch(batch, each.labels[kept], each.weights[kept])

    def _with_derived(self, lines: Sequence[bytes]) -> Batch:
        request = Request(lines)
        request.text(self._pipeline.steps)  # which checks what the transforms gave
        return Batch(lines).with_added([request.derived(step) for step in self._pipeline.steps])

    def _bears(self, line: bytes) -> bool:
        try:
            self._with_derived([line])
        except TransformError:
            return False
        return True
