"""Going through examples for a fit: which features are numbers, and how often each class occurs with each value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
import numpy.typing as npt

from vwserve.transforms import LabelledBatch, NumberReader, TransformError
from vwserve_mdl.bins import MOST_FEATURES, is_word
from vwserve_mdl.class_weights import ClassWeights
from vwserve_mdl.cuts import Floats

MOST_CLASSES = 50
# Pairs of a value and a class, 32 bytes each, that are kept of one feature, and of all.
MOST_PAIRS = 1 << 17
_ALL_PAIRS = 1 << 22
# Numbers that are collected before they are sorted in.
_PENDING_CELLS = 1 << 21
# Importance is taken in multiples of this, about a millionth: then sums are exact, whatever the order of examples.
_GRAIN = 2.0**-20


class Survey:
    """What is known of the features of some namespaces after any number of examples.

    `features` are the names to look at, in each of the namespaces; without them every feature that has a number for its
    value somewhere. Examples without label or importance teach nothing and are not counted.
    """

    def __init__(self, namespaces: Sequence[str], features: Sequence[str]) -> None:
        self._columns = [_Columns(namespace, features) for namespace in namespaces]
        self._classes: dict[float, float] = {}
        self._pending: list[tuple[Floats, Floats]] = []
        self._pending_rows = 0

    @property
    def classes(self) -> dict[float, float]:
        """The weight of each class, by its label, in ascending order."""
        return dict(sorted(self._classes.items()))

    def add(self, examples: LabelledBatch) -> None:
        """Take in a batch; raises TransformError where there are too many classes or features."""
        weights = np.round(examples.weights / _GRAIN) * _GRAIN
        used = np.isfinite(examples.labels) & np.isfinite(weights) & (weights > 0)
        if not used.any():
            return
        labels, weights = examples.labels[used] + 0.0, weights[used]
        self._count(labels, weights)
        for columns in self._columns:
            columns.read(examples, used)
        self._check_features()
        self._pending.append((labels, weights))
        self._pending_rows += len(labels)
        if self._pending_rows * (1 + self._width) > _PENDING_CELLS:
            self._sort_in()

    def weights(self) -> dict[tuple[str, str], ClassWeights]:
        """The class weights of each feature that was a number, by namespace and name."""
        self._sort_in()
        return {
            (columns.namespace, name): weights
            for columns in self._columns
            for name, weights in zip(columns.names, columns.weights)
            if weights.total > 0
        }

    @property
    def _width(self) -> int:
        return sum(len(columns.names) for columns in self._columns)

    def _count(self, labels: Floats, weights: Floats) -> None:
        classes, rows = np.unique(labels, return_inverse=True)
        for label, weight in zip(classes.tolist(), np.bincount(rows, weights).tolist()):
            self._classes[label] = self._classes.get(label, 0.0) + weight
        if len(self._classes) > MOST_CLASSES:
            raise TransformError(
                f"the labels have more than {MOST_CLASSES} different values; mdl tells classes apart, "
                "so fit it to data with a label a class"
            )

    def _check_features(self) -> None:
        if self._width > MOST_FEATURES:
            where = " and ".join(repr(columns.namespace) for columns in self._columns)
            raise TransformError(
                f"more than {MOST_FEATURES} features of {where} are numbers; name those that are meant in 'features'"
            )

    def _sort_in(self) -> None:
        if not self._pending:
            return
        labels, weights = (np.concatenate(arrays) for arrays in zip(*self._pending))
        pairs = min(MOST_PAIRS, _ALL_PAIRS // max(self._width, 1))
        for columns in self._columns:
            columns.sort_in(labels, weights, pairs)
        self._pending, self._pending_rows = [], 0


@dataclass(slots=True)
class _Columns:
    """The features of one namespace, and what was read of them since it was last sorted in."""

    namespace: str
    given: Sequence[str]
    names: list[str] = field(init=False)
    weights: list[ClassWeights] = field(init=False)
    reader: NumberReader = field(init=False)
    pending: list[Floats] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.names, self.weights = [], []
        self._extend(self.given)

    def read(self, examples: LabelledBatch, used: npt.NDArray[np.bool_]) -> None:
        """Read the examples that are used."""
        if not self.given:
            self._discover(compress(examples.batch.features(self.namespace), used))
        matrix = examples.batch.numbers(self.namespace, self.reader)
        self.pending.append(matrix[used])

    def sort_in(self, labels: Floats, weights: Floats, pairs: int) -> None:
        """Add what is pending to the class weights; what early matrices do not know was not there."""
        block = np.full((len(self.names), len(labels)), np.nan)
        end = 0
        for matrix in self.pending:
            start, end = end, end + len(matrix)
            block[: matrix.shape[1], start:end] = matrix.T
        self.pending = []
        for values, each in zip(block, self.weights):
            there = ~np.isnan(values)
            each.add(values[there], labels[there], weights[there])
            each.limit(pairs)

    def _discover(self, texts: Iterable[bytes]) -> None:
        known = set(map(str.encode, self.names))
        parts = (feature.partition(b":") for feature in b" ".join(texts).split())
        found = {name for name, _, value in parts if name not in known and _is_number(value)}
        if found:
            self._extend(sorted(filter(None, map(_decoded, found))))

    def _extend(self, names: Sequence[str]) -> None:
        if names or not self.names:
            self.names += names
            self.weights += [ClassWeights() for _ in names]
            self.reader = NumberReader(self.names)


def _is_number(text: bytes) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return value - value == 0.0


def _decoded(name: bytes) -> str:
    """The name as text, empty if it is none: an artifact could not hold it."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return ""
    return text if is_word(text) else ""
