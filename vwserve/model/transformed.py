"""A learner behind a pipeline: each line gets what the transforms derive from it before it is judged and served.

The learner sees, judges and counts the lines as VW will read them, derived features included; so a transform can give
it nothing that a client could not. Where a transform fails on a block, the block's lines are taken one by one, and a
line that it fails on is answered by an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vwserve.errors import RequestError
from vwserve.learner import Learner, Reply
from vwserve.lines import lines_of
from vwserve.transforms import TransformError
from vwserve.transforms.pipeline import Pipeline, Request


class Transformed:
    """What `Learner` is to a servable, with lines that `pipeline` adds to first."""

    def __init__(self, learner: Learner, pipeline: Pipeline) -> None:
        self._learner = learner
        self._pipeline = pipeline
        self._lines: Sequence[bytes] = ()
        self._text = b""
        self._unserved = False  # whether the text was looked at and then not served

    def remember(self, lines: Sequence[bytes], text: bytes) -> None:
        """Take `text` for what `lines` derive; see `original`."""
        self._lines, self._text, self._unserved = lines, text, False

    def original(self, lines: Iterable[bytes]) -> list[bytes]:
        """Lines as they were before the latest call derived features for them."""
        originals = dict(zip(lines_of(self._text), self._lines))
        return [originals[line] for line in lines]

    def answer_ordinary(self, block: bytes, learn: bool = True) -> bytes | None:
        """See Learner."""
        lines = lines_of(block)
        if not all([b"|" in line for line in lines]):
            return None  # no example, and nothing for transforms to see
        try:
            text = self._learner.answer_ordinary(self._derived(lines), learn)
        except TransformError:
            return None
        self._unserved = text is None
        return text

    def answer(self, block: bytes, learn: bool = True) -> bytes:
        """See Learner."""
        try:
            return self._learner.answer(self._derived(lines_of(block)), learn)
        except TransformError:
            return b"".join([self._answer_line(line, learn) for line in lines_of(block)])

    def answer_each(self, lines: Sequence[bytes], learn: bool = True) -> list[Reply]:
        """See Learner."""
        try:
            return self._learner.answer_each(lines_of(self._derived(lines)), learn)
        except TransformError:
            return [self._answer_each_line(line, learn) for line in lines]

    def answer_groups(self, groups: Sequence[Sequence[bytes]], learn: bool = True) -> list[bytes]:
        """See Learner."""
        texts: list[bytes] = []
        for group in groups:
            try:
                texts += self._learner.answer_groups([lines_of(self._derived(group))], learn)
            except TransformError as error:
                texts.append(self._learner.refuse(internal_error(error)))
        return texts

    def group_fault(self, lines: Sequence[bytes]) -> RequestError | None:
        """See Learner."""
        try:
            return self._learner.group_fault(lines_of(self._derived(lines)))
        except TransformError as error:
            return internal_error(error)

    def _derived(self, lines: Sequence[bytes]) -> bytes:
        if self._unserved and lines == self._lines:  # those that were unusual come again, to be sifted
            self._unserved = False
        else:
            self.remember(lines, self._pipeline.text(Request(lines)))
        return self._text

    def _answer_line(self, line: bytes, learn: bool) -> bytes:
        try:
            return self._learner.answer(self._derived([line]), learn)
        except TransformError as error:
            return self._learner.refuse(internal_error(error))

    def _answer_each_line(self, line: bytes, learn: bool) -> Reply:
        try:
            return self._learner.answer_each([self._derived([line])[:-1]], learn)[0]
        except TransformError as error:
            return Reply(self._learner.refuse(internal_error(error))[:-1], b"")


def internal_error(error: TransformError) -> RequestError:
    """The error of a request that a transform fails on."""
    return RequestError("internal", " ".join(str(error).split()))
