"""Before a servable: writes down each example that it accepts, as VW reads it.

What is written is plain VW text with the features that the transforms add, so that `vw` itself learns the same model
from it. Lines that were refused are left out: VW would learn from many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vwserve.errors import RequestError
from vwserve.model.servable import Servable
from vwserve.wire.addressing import one_each
from vwserve.wire.models import Reply

_ERROR = b"!error "


class Recorder:
    """The servable, as a connection sees it; accepted examples go to `write`, whole lines at a time."""

    def __init__(self, servable: Servable, write: Callable[[bytes], object]) -> None:
        self._servable = servable
        self._write = write
        self.multiline = servable.multiline
        self.spaceless = servable.spaceless

    def answer_ordinary(self, chunk: bytes) -> bytes | None:
        """See Model."""
        text = self._servable.answer_ordinary(chunk)
        if text is not None:
            self._record(chunk, text)
        return text

    def answer(self, chunk: bytes) -> bytes:
        """See Model."""
        text = self._servable.answer(chunk)
        self._record(chunk, text)
        return text

    def answer_each(self, lines: Sequence[bytes]) -> Sequence[Reply]:
        """See Model."""
        replies = self._servable.answer_each(lines)
        self._record_lines([line for line, reply in zip(lines, replies) if not reply.refused])
        return replies

    def answer_groups(self, groups: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
        """See Model."""
        texts = self._servable.answer_groups(groups)
        for group, text in zip(groups, texts):
            if not text.startswith(_ERROR):
                self._record_lines(group)
                self._write(b"\n")
        return texts

    def group_fault(self, lines: Sequence[bytes]) -> RequestError | None:
        """See Model."""
        return self._servable.group_fault(lines)

    def statistics(self) -> Mapping[str, object]:
        """See Model."""
        return self._servable.statistics()

    def _record(self, chunk: bytes, text: bytes) -> None:
        """Write the lines of a chunk that were answered otherwise than by an error."""
        lines = chunk.split(b"\n")[:-1]
        if _ERROR in text:
            lines = [line for line, answer in zip(lines, one_each(text, len(lines))) if not answer.startswith(_ERROR)]
        self._record_lines(lines)

    def _record_lines(self, lines: Sequence[bytes]) -> None:
        if lines:
            self._write(self._servable.text(lines))
