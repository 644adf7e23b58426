"""Examples as `fit` gets them: lines, cut into batches."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tests.plugins.tree.ensembles import classes, data
from vwserve.transforms import Batch
from vwserve.transforms.transform import LabelledBatch

NAMES = ("round", "plain", "kind", "rare", "large")


class Lines:
    """Lines `label [importance] |...`, at most `batch_lines` at once."""

    def __init__(self, lines: Sequence[bytes], batch_lines: int = 100) -> None:
        self._lines = lines
        self._batch_lines = batch_lines

    def __iter__(self) -> Iterator[LabelledBatch]:
        for start in range(0, len(self._lines), self._batch_lines):
            lines = self._lines[start : start + self._batch_lines]
            heads = [line.partition(b"|")[0].split() for line in lines]
            labels = np.array([float(head[0]) if head else np.nan for head in heads])
            weights = np.array([float(head[1]) if head[1:] else 1.0 for head in heads])
            yield LabelledBatch(Batch(lines), labels, weights)


def line(row: Sequence[float], label: object = "", names: Sequence[str] = NAMES) -> bytes:
    """An example with those of the values that are not missing."""
    features = " ".join(f"{name}:{value!r}" for name, value in zip(names, row) if not math.isnan(value))
    return f"{label} |n {features} |c word other=3".lstrip().encode()


def labelled(rows: int, count: int = 2, **options: Any) -> list[bytes]:
    """Examples of the data, with -1 and 1 for two classes, else 1, 2, 3, ..."""
    matrix = data(rows, **options)
    numbers = [int(label) for label in classes(matrix, count)]
    labels = [2 * number - 1 if count == 2 else number + 1 for number in numbers]
    return [line(row, label) for row, label in zip(matrix.tolist(), labels)]
