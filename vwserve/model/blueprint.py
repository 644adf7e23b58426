"""What a drop describes, with its transforms made: enough to say which model that would be, and to build it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from vwserve.errors import ArgumentsError, ModelError, Place, Problem, StateError, VwserveError
from vwserve.learner import Bounds
from vwserve.model.drop import ModelDrop
from vwserve.model.servable import Servable, with_contributed
from vwserve.model.state import Resumed
from vwserve.transforms.pipeline import Pipeline, StepError, TransformPool

_TESTING = frozenset({"-t", "--testonly"})


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A drop, the pipeline of its transforms, and VW's arguments, those that the transforms contribute included."""

    drop: ModelDrop
    pipeline: Pipeline
    arguments: str

    @classmethod
    def of(cls, drop: ModelDrop, pool: TransformPool) -> Blueprint:
        """That of a drop, with transforms of the pool; raises StepError, or ArgumentsError, also for a split."""
        if drop.split is not None:
            raise ArgumentsError(f"a split has no model of its own; use one of {', '.join(drop.split.names)}")
        pipeline = pool.pipeline([each.declaration for each in drop.transforms])
        return cls(drop, pipeline, with_contributed(drop.vw, pipeline.arguments))

    @property
    def learns(self) -> bool:
        """Whether the model is to learn: `-t` among VW's arguments says no, too, and so does a pinned version."""
        return self.drop.learn and self.drop.pin is None and _TESTING.isdisjoint(shlex.split(self.arguments))

    def former(self, arguments: str, transforms: int) -> Blueprint | None:
        """What the drop described while VW's arguments were `arguments`, and only its first transforms were there.

        None where those transforms do not contribute what stands at the end of the arguments.
        """
        pipeline = Pipeline(self.pipeline.steps[:transforms])
        own = arguments.removesuffix(f" {shlex.join(pipeline.arguments)}") if pipeline.arguments else arguments
        if with_contributed(own, pipeline.arguments) != arguments:
            return None
        drop = replace(self.drop, vw=own, transforms=self.drop.transforms[:transforms])
        return Blueprint(drop, pipeline, arguments)

    def build(
        self, bounds: Bounds, version: int = 1, *, learn: bool | None = None, resumed: Resumed | None = None
    ) -> Servable:
        """The servable, going on from `resumed` if that is given; `learn` other than the drop's for a reason.

        Raises ArgumentsError or ModelError.
        """
        return Servable(
            self.drop.name,
            self.drop.vw,
            learn=self.drop.learn and self.drop.pin is None if learn is None else learn,
            initial=self.drop.initial,
            resumed=resumed,
            bounds=bounds,
            pipeline=self.pipeline,
            version=version,
        )


def fault(drop: ModelDrop, error: VwserveError) -> Problem:
    """Why a drop cannot be served, at the line of it that this is about."""
    if isinstance(error, StepError):
        line = drop.transforms[error.position].line
        return Problem(Place(drop.path, line), f"transforms[{error.position}]", str(error))
    if isinstance(error, StateError):
        return Problem(Place(drop.path), "", str(error))
    if drop.split is not None:
        return drop.problem("split", str(error))
    return drop.problem("initial" if isinstance(error, ModelError) else "vw", str(error))
