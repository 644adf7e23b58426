"""The examples of a file for those who fit to them: batches of accepted lines with their labels, in bounded memory.

What the model would refuse to serve is left out and counted. A line that is too long to be held is never whole in
memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from vwserve.learner import Learner
from vwserve.lines import BYTE_ORDER_MARK
from vwserve.model.data_file import DataFile
from vwserve.transforms import Batch, LabelledBatch

BATCH_LINES = 1000
LINE_BYTES = 1 << 20
"""The longest line, as the daemon has it unless it is configured otherwise."""


Watch = Callable[[int], None]
"""Is told, a batch at a time, how many rows have been read in the pass under way."""


@dataclass(slots=True)
class Survey:
    """What one pass met: `rows` that are not blank, of them `refused` ones that are no examples, and `labelled` ones.

    Labels that are not one number (see `vwserve.learner.targets`) do not count as such.
    """

    rows: int = 0
    refused: int = 0
    labelled: int = 0


class FileExamples:
    """The examples of a file that `learner` accepts, of the first `rows` rows at most.

    `survey` is that of the first pass that was whole, None before. The pass that hashes the file reads it to its end
    even where the rows end before.
    """

    def __init__(
        self, file: DataFile, learner: Learner, *, rows: int | None = None, watch: Watch | None = None
    ) -> None:
        self.file = file
        self.survey: Survey | None = None
        self._learner = learner
        self._rows = rows
        self._watch = watch

    def __iter__(self) -> Iterator[LabelledBatch]:
        """One pass over the file."""
        survey = Survey()
        hashing = self.file.sha256 is None
        chunks = self.file.chunks(hashing=hashing)
        for lines in _batches(_limited(_lines(chunks), self._rows)):
            survey.rows += len(lines)
            accepted = self._accepted([line for line in lines if len(line) <= LINE_BYTES])
            survey.refused += len(lines) - len(accepted)
            if accepted:
                numbers = np.array(self._learner.targets(accepted), np.float64)
                survey.labelled += int(np.count_nonzero(~np.isnan(numbers[:, 0])))
                yield LabelledBatch(Batch(accepted), numbers[:, 0], numbers[:, 1])
            if self._watch is not None:
                self._watch(survey.rows)
        if hashing:
            for _ in chunks:
                continue
        self.survey = self.survey or survey

    def _accepted(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        if not lines or self._learner.takes(b"\n".join(lines) + b"\n"):
            return lines
        return [line for line in lines if self._learner.fault(line) is None]


def _lines(chunks: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    """The lines that are not blank, without their ends; of one that is too long only what is enough to see that."""
    rest = b""
    for chunk in chunks:
        *lines, last = chunk.split(b"\n")
        if lines:
            lines[0] = rest + lines[0]
            rest = last
            yield [stripped for line in lines if (stripped := line.removeprefix(BYTE_ORDER_MARK).removesuffix(b"\r"))]
        elif len(rest) <= LINE_BYTES + len(BYTE_ORDER_MARK):
            rest += last
    if stripped := rest.removeprefix(BYTE_ORDER_MARK).removesuffix(b"\r"):
        yield [stripped]


def _limited(pieces: Iterable[Sequence[bytes]], rows: int | None) -> Iterator[bytes]:
    lines = (line for piece in pieces for line in piece)
    return islice(lines, rows)


def _batches(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(islice(lines, BATCH_LINES)):
        yield batch
