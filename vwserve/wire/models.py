"""What the line protocol asks of models; whoever serves them implements it.

Lines are without newline; a chunk is whole lines, each ended by one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from vwserve.errors import RequestError


class Reply(Protocol):
    """The answer to one request: one line of text without its tag, or an error line."""

    @property
    def text(self) -> bytes:
        """The prediction, or `!error ...`."""

    @property
    def tag(self) -> bytes:
        """The request's tag, empty where it has none."""

    @property
    def refused(self) -> bool:
        """Whether the text is an error."""


class Model(Protocol):
    """One model as a connection sees it."""

    @property
    def multiline(self) -> bool:
        """Whether an example is several lines, up to a blank one."""

    @property
    def spaceless(self) -> bool:
        """Whether the text of a prediction has no space."""

    def answer_ordinary(self, chunk: bytes) -> bytes | None:
        """Answer a chunk of single-line examples in VW's form; None, having done nothing, where a line is unusual."""

    def answer(self, chunk: bytes) -> bytes:
        """Answer a chunk of single-line examples in VW's form, by one error line each that is none."""

    def answer_each(self, lines: Sequence[bytes]) -> Sequence[Reply]:
        """Answer single-line examples one by one."""

    def answer_groups(self, groups: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
        """Answer multi-line examples, each in VW's form (several lines) or by one error line."""

    def group_fault(self, lines: Sequence[bytes]) -> RequestError | None:
        """Say why lines make no multi-line example of this model."""


Fault: TypeAlias = tuple[int, RequestError]
"""Why a line cannot be served, and the place of the model that refuses it among those that were asked."""


class Joint(Protocol):
    """Single-line examples for several models: what these share of the work is done once."""

    def answer_ordinary(self) -> Sequence[bytes] | None:
        """Each model's answers in VW's form; None, having served nothing, where a line is unusual for one of them."""

    def faults(self) -> Sequence[Fault | None]:
        """Why each line cannot be served by all, given that those before it are served as far as they can be."""

    def answer_each(self, places: Sequence[int]) -> Sequence[Sequence[Reply]]:
        """Each model's answers to the lines at these places, which have no fault."""


class Divided(ABC):
    """A model that is several others, to one of which each example goes by what it carries."""

    @property
    @abstractmethod
    def parts(self) -> Sequence[str]:
        """The names of these models."""


class DividedJoint(ABC):
    """A joint of models of which some are divided."""

    @abstractmethod
    def go_together(self, opening: bytes) -> None:
        """Have all lines go to the same models as an example would which this line opens."""


class Models(Protocol):
    """The models that are served."""

    def get(self, name: str) -> Model | None:
        """The model of this name; of the empty name, the only model while there is just one."""

    def together(self, names: Sequence[str], lines: Sequence[bytes]) -> Joint:
        """Single-line examples for these models, all of which there are."""

    def names(self) -> Sequence[str]:
        """The names of all models, in order."""

    def statistics(self, name: str) -> Mapping[str, object] | None:
        """What `!stats` tells of a model; None where there is none of this name."""

    def save(self, name: str, export: str) -> None:
        """Begin to save a model, and leave a copy called `export` unless that is empty; a failure is the log's."""
