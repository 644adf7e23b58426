"""Transforms that tests use: one that learns from data, one that does not, one that fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from vwserve.transforms import Artifact, Batch, Examples, Namespace, Transform, TransformError


@dataclass(frozen=True)
class InOut:
    """An input and an output."""

    input: Namespace
    output: Namespace


class Sizes(Transform[InOut]):
    """How many features the input has, as one categorical feature; of more than was ever seen, `many`."""

    kind: ClassVar[str] = "sizes"
    fitted: ClassVar[bool] = True
    options_type: ClassVar[type] = InOut

    def __init__(self, options: InOut, artifact: Artifact) -> None:
        super().__init__(options, artifact)
        if not isinstance(artifact.get("most"), int):
            raise TransformError("the artifact has no whole number 'most'")
        self._most: int = artifact["most"]

    @property
    def reads(self) -> Sequence[str]:
        return (self.options.input,)

    @property
    def writes(self) -> Sequence[str]:
        return (self.options.output,)

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        counts = [len(text.split()) for text in batch.features(self.options.input)]
        return {self.options.output: [b"size=%d" % size if size <= self._most else b"many" for size in counts]}

    @classmethod
    def fit(cls, options: InOut, examples: Examples) -> Artifact:
        sizes = (len(text.split()) for each in examples for text in each.batch.features(options.input))
        most = max(sizes, default=0)
        if not most:
            raise TransformError(f"no example has a feature in {options.input!r}")
        return {"most": most}

    @classmethod
    def describe(cls, artifact: Artifact) -> Sequence[str]:
        return [f"at most {artifact['most']} features"]


class Upper(Transform[InOut]):
    """The features of the input in capitals; fails on a line with the feature `boom`."""

    kind: ClassVar[str] = "upper"
    options_type: ClassVar[type] = InOut

    @property
    def reads(self) -> Sequence[str]:
        return (self.options.input,)

    @property
    def writes(self) -> Sequence[str]:
        return (self.options.output,)

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        texts = batch.features(self.options.input)
        if any(b"boom" in text for text in texts):
            raise ZeroDivisionError("boom")
        return {self.options.output: [text.upper() for text in texts]}


KINDS = {"sizes": Sizes, "upper": Upper}
