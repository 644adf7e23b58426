"""Fitting `mdl` to lines or to a file of them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from vwserve_mdl.mdl import Mdl, Options

from vwserve.transforms import Artifact, Batch, LabelledBatch


class Lines:
    """Lines as a fit gets them: with label and importance, a batch at a time."""

    def __init__(self, lines: Sequence[bytes], batch_lines: int = 250) -> None:
        self._lines = lines
        self._batch_lines = batch_lines

    def __iter__(self) -> Iterator[LabelledBatch]:
        """The batches."""
        for start in range(0, len(self._lines), self._batch_lines):
            yield labelled(self._lines[start : start + self._batch_lines])


def labelled(lines: Sequence[bytes]) -> LabelledBatch:
    """Lines without tags."""
    heads = [line.partition(b"|")[0].split() for line in lines]
    labels = np.array([float(head[0]) if head else np.nan for head in heads])
    weights = np.array([float(head[1]) if len(head) > 1 else 1.0 for head in heads])
    return LabelledBatch(Batch(lines), labels, weights)


def fitted(data: Path | Sequence[bytes], batch_lines: int = 250, **options: Any) -> Artifact:
    """What is learned from a file or from lines; the output is `m`, the input `n` unless it is given."""
    lines = gzip.decompress(data.read_bytes()).split(b"\n")[:-1] if isinstance(data, Path) else data
    return Mdl.fit(Options(**{"input": ("n",), "output": "m", **options}), Lines(lines, batch_lines))
