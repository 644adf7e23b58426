"""What a transform is: options, an artifact that it was fitted to, and a function of batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from vwserve.transforms.batch import Batch

OptionsT = TypeVar("OptionsT")

Artifact: TypeAlias = dict[str, Any]
"""What `fit` learned, of the types that JSON has."""


@dataclass(frozen=True, slots=True)
class LabelledBatch:
    """Examples to fit to: a batch, and for each line its label (NaN where it has none) and its importance."""

    batch: Batch
    labels: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]


class Examples(Protocol):
    """All examples of a file, in order, a batch at a time; may be gone through several times."""

    def __iter__(self) -> Iterator[LabelledBatch]:
        """The batches."""


class Transform(ABC, Generic[OptionsT]):
    """Derives namespaces from those of an example.

    A subclass states its `kind`, the name that drops call it by; its `version`, to be changed whenever the same options
    and artifact would give other results; and `options_type`, a frozen dataclass of its options (see `options.py`). One
    that learns from data overrides `fit` and sets `fitted`; its drops then name an `artifact`.

    Instances are shared: models that declare the same kind, options and artifact have one of them. So `apply` keeps no
    state between calls that would show in a result, and neither the order of examples nor what else is in the batch
    changes what is derived from one. Raises TransformError from `__init__` where options and artifact do not fit.
    """

    kind: ClassVar[str]
    version: ClassVar[str] = "1"
    fitted: ClassVar[bool] = False
    options_type: ClassVar[type]

    def __init__(self, options: OptionsT, artifact: Artifact) -> None:
        self.options = options
        self.artifact = artifact

    @property
    @abstractmethod
    def reads(self) -> Sequence[str]:
        """The full names of the namespaces that it reads."""

    @property
    @abstractmethod
    def writes(self) -> Sequence[str]:
        """The full names of the namespaces that it adds."""

    @property
    def arguments(self) -> Sequence[str]:
        """VW arguments that a model with this transform needs, such as `--interactions`."""
        return ()

    @property
    def remarks(self) -> Sequence[str]:
        """What whoever runs it should know, though it can be used: features that the data never had, for example.

        `vwserve check` prints them, and the daemon's log has them when a model is loaded.
        """
        return ()

    @abstractmethod
    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        """What to add to the batch: for each namespace written a text of features a line, empty where there are none.

        A feature is a word without space, `|` and `:`, or such a word, a colon and a finite number or another word.
        """

    @classmethod
    def fit(cls, options: OptionsT, examples: Examples) -> Artifact:
        """Learn from examples, to which the transforms before this one were applied.

        The same examples and options give the same artifact. Memory stays bounded whatever the number of examples.
        Raises TransformError where nothing can be learned from them.
        """
        raise NotImplementedError(f"{cls.kind} does not learn from data")

    @classmethod
    def describe(cls, artifact: Artifact) -> Sequence[str]:
        """What an artifact holds, in lines for a person: what `vwserve fit` prints of what it found."""
        return ()
