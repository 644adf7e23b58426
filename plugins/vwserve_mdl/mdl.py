"""The transform `mdl`: a number becomes the bin that it is in, bins that were chosen to tell the classes apart.

    {kind: mdl, input: n, output: m, artifact: ctr.mdl.json}

A linear model sees a number as a slope; as one of a few bins it can mean anything. `cuts.py` says how bins are found.
A feature `age:33` becomes the feature `age=3`: bin number 3, counted from 0, of the bins of `age`. Where there is no
`age`, or one that is no finite number, it is `age=?`, a bin of its own. A feature for which no cut was worth its
description gives nothing where it is a number, and nothing at all if it was never missing in the data. With several
inputs, names that occur in more than one of them are written `n^age=3`.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import getitem
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt

from vwserve.configuration import Node
from vwserve.configuration.schema import Integer, Items, Word
from vwserve.transforms import Artifact, Batch, Examples, Namespace, Namespaces, NumberReader, Transform, TransformError
from vwserve_mdl.bins import MOST_FEATURES, Bins, read_bins, stored
from vwserve_mdl.cuts import Floats, find_cuts
from vwserve_mdl.survey import Survey

_FEW = 8  # below this many lines numpy's cost a call is more than it saves
_SHOWN_CUTS = 12

_NAME = Word(re.compile(r"[^\s|:]+"), "a feature: a word without '|' and ':'")


def _features(node: Node) -> tuple[str, ...]:
    names = Items(_NAME, example="[age, income]")(node)
    if len(set(names)) != len(names):
        raise node.error("names a feature twice; remove one")
    if len(names) > MOST_FEATURES:
        raise node.error(f"names {len(names)} features; {MOST_FEATURES} is the most")
    return names


@dataclass(frozen=True)
class Options:
    """What is cut into bins: `features` of the inputs, without them every feature that is a number in the data.

    `most_bins` does not count the one for missing values.
    """

    input: Namespaces
    output: Namespace
    features: Annotated[tuple[str, ...], _features] = ()
    most_bins: Annotated[int, Integer(2, 1000)] = 32


class Mdl(Transform[Options]):
    """Bins of numbers, by Fayyad and Irani's minimum description length principle."""

    kind: ClassVar[str] = "mdl"
    fitted: ClassVar[bool] = True
    options_type: ClassVar[type] = Options

    def __init__(self, options: Options, artifact: Artifact) -> None:
        super().__init__(options, artifact)
        all_bins = read_bins(artifact)
        _check_options(options, artifact, all_bins)
        telling = [bins for bins in all_bins if bins.tells]
        texts = list(_texts(telling))
        pairs = groupby(zip(telling, texts), key=lambda pair: pair[0].input)
        self._inputs = [_Input(namespace, *zip(*group)) for namespace, group in pairs]
        self._table: npt.NDArray[np.object_] = np.array([text for row in texts for text in row], dtype=object)
        self._offsets = np.cumsum([0, *map(len, texts)], dtype=np.intp)[:-1, np.newaxis]
        self._gaps = b"" in self._table.tolist()

    @property
    def reads(self) -> Sequence[str]:
        """The inputs."""
        return self.options.input

    @property
    def writes(self) -> Sequence[str]:
        """The output."""
        return (self.options.output,)

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        """The bins of each line's numbers."""
        rows = self._rows_of_few(batch) if len(batch) < _FEW else self._rows_of_many(batch)
        if self._gaps:
            return {self.options.output: [b" ".join(filter(None, row)) for row in rows]}
        return {self.options.output: list(map(b" ".join, rows))}

    def _rows_of_few(self, batch: Batch) -> list[list[bytes]]:
        rows: list[list[bytes]] = [[] for _ in batch.lines]
        for each in self._inputs:
            for row, values in zip(rows, batch.rows(each.namespace, each.reader)):
                row.extend(map(getitem, each.texts, map(bisect_right, each.cuts, values)))
        return rows

    def _rows_of_many(self, batch: Batch) -> list[list[bytes]]:
        bins = np.empty((len(self._offsets), len(batch)), np.intp)
        features = iter(bins)
        for each in self._inputs:
            columns = batch.numbers(each.namespace, each.reader).T
            for cuts, column, row in zip(each.arrays, columns, features):  # features last: it goes on
                row[:] = cuts.searchsorted(column, "right")
        bins += self._offsets
        rows: list[list[bytes]] = self._table[bins.T].tolist()
        return rows

    @classmethod
    def fit(cls, options: Options, examples: Examples) -> Artifact:
        """Find the bins: labels are classes, importance counts as so many examples.

        Raises TransformError where there is no class or more than fifty, or no number. Memory: some 300 MiB at most.
        """
        survey = Survey(options.input, options.features)
        for each in examples:
            survey.add(each)
        classes, weights = survey.classes, survey.weights()
        _check_survey(options, classes, weights)
        total = sum(classes.values())
        features = []
        for key in sorted(weights, key=partial(_place, options)):
            counted = weights.pop(key)
            found = find_cuts(counted.table(), options.most_bins - 1)
            missing = 1.0 - counted.total / total
            bins = Bins(
                *key, tuple(found.cuts), found.entropy, found.gain, missing, found.complete, counted.dropped_bits
            )
            features.append(stored(bins))
        return {
            "options": _fitted_options(options),
            "classes": [{"label": label, "weight": weight} for label, weight in classes.items()],
            "features": features,
        }

    @classmethod
    def describe(cls, artifact: Artifact) -> Sequence[str]:
        """What was found: the classes, then each feature with its cuts."""
        classes = artifact["classes"]
        total = sum(each["weight"] for each in classes)
        counts = ", ".join(f"{each['label']:g}: {each['weight']:.9g}" for each in classes)
        bins = read_bins(artifact)
        most = artifact["options"]["most_bins"]
        return [
            f"{total:.9g} examples of {len(classes)} classes ({counts})",
            *(_described(each, most) for each in bins),
        ]


class _Input:
    """The features of one namespace, with infinity after the cuts of each: only NaN comes behind that.

    So it does in both searches: `bisect_right` goes right unless the value is less, and numpy sorts NaN last.
    """

    def __init__(self, namespace: str, bins: Sequence[Bins], texts: Sequence[Sequence[bytes]]) -> None:
        self.namespace = namespace
        self.reader = NumberReader([each.name for each in bins])
        self.texts = texts
        self.cuts = [(*each.cuts, math.inf) for each in bins]
        self.arrays: list[Floats] = [np.array(cuts) for cuts in self.cuts]


def _texts(all_bins: Sequence[Bins]) -> Iterator[list[bytes]]:
    """For each feature the text of each bin, that of the missing value last."""
    inputs = Counter(bins.name for bins in all_bins)
    seen = set()
    for bins in all_bins:
        name = bins.name if inputs[bins.name] == 1 else f"{bins.input}^{bins.name}"
        if name in seen:
            raise TransformError(f"two features would both be called {name!r}; give their inputs a transform each")
        seen.add(name)
        numbered = [f"{name}={number}".encode() for number in range(len(bins.cuts) + 1)]
        yield [*(numbered if bins.cuts else [b""]), f"{name}=?".encode()]


def _place(options: Options, feature: tuple[str, str]) -> tuple[int, int, str]:
    """Where a feature stands in the artifact: by input, then as the options have it, else by name."""
    namespace, name = feature
    return options.input.index(namespace), options.features.index(name) if options.features else 0, name


def _fitted_options(options: Options) -> dict[str, Any]:
    """Those of the options that the cuts depend on."""
    return {"input": list(options.input), "features": list(options.features), "most_bins": options.most_bins}


def _check_options(options: Options, artifact: Artifact, bins: Sequence[Bins]) -> None:
    theirs = artifact.get("options")
    if not isinstance(theirs, dict):
        raise TransformError(
            "the artifact does not say which options it was fitted with; make it again with `vwserve fit`"
        )
    for name, value in _fitted_options(options).items():
        if theirs.get(name) != value:
            raise TransformError(
                f"the artifact was fitted with {name}: {theirs.get(name)}, and the model has {name}: {value}; "
                "fit it again, or change the model"
            )
    for each in bins:
        if each.input not in options.input:
            raise TransformError(
                f"the artifact has bins of {each.input!r}, which is no input; make it again with `vwserve fit`"
            )


def _check_survey(options: Options, classes: Mapping[float, float], found: Collection[tuple[str, str]]) -> None:
    where = " and ".join(map(repr, options.input))
    if not classes:
        raise TransformError("no example has a label; mdl learns from labelled examples")
    if len(classes) == 1:
        raise TransformError(f"all labels are {next(iter(classes)):g}; mdl needs examples of two classes or more")
    names = {name for _, name in found}
    for name in options.features:
        if name not in names:
            raise TransformError(
                f"the feature {name!r} is never a number in {where}; correct or remove it in 'features'"
            )
    if not names:
        raise TransformError(f"no feature of {where} is a number; give 'input' a namespace of numbers")


def _described(bins: Bins, most_bins: int) -> str:
    count = len(bins.cuts)
    parts = [f"{count} cuts" if count > 1 else "1 cut" if count else "no cut"]
    if count:
        parts.append(f"gain {bins.gain:.4g} of {bins.entropy:.4g} bits")
    parts.append(f"missing {bins.missing:.3g} of 1" if bins.missing else "never missing")
    if not bins.complete:
        parts.append(f"more were left out, {most_bins} bins being the most")
    if bins.dropped_bits:
        parts.append(f"approximate: too many values, so the last {bins.dropped_bits} of 64 bits were not looked at")
    cuts = " ".join(f"{cut:.6g}" for cut in bins.cuts[:_SHOWN_CUTS]) + (" ..." if count > _SHOWN_CUTS else "")
    return f"{bins.input}^{bins.name}: {', '.join(parts)}{cuts and ': '}{cuts}"
