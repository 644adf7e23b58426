"""Grows an ensemble on a sample of examples, with LightGBM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vwserve.transforms import NumberReader, TransformError
from vwserve_tree.ensemble import Ensemble, check_names
from vwserve_tree.lightgbm_model import read_lightgbm_text
from vwserve_tree.model_file import named
from vwserve_tree.options import Options
from vwserve_tree.sample import Floats, Sample

_MOST_FEATURES = 1000
_MOST_CLASSES = 100
_ROWS_AT_ONCE = 1000  # what is parsed at once takes many times the memory of the numbers in it


def grow(sample: Sample, options: Options) -> Ensemble:
    """The ensemble that LightGBM grows; the same sample and options give the same one. Raises TransformError."""
    try:
        import lightgbm
    except ImportError as error:
        text = f"growing trees needs LightGBM ({error}); install it: pip install 'vwserve[tree]'"
        raise TransformError(text) from error
    names, matrix = _columns(sample, options)
    labels = np.array(sample.labels)
    objective = _objective(labels)
    if objective["objective"] != "regression":
        labels = np.unique(labels, return_inverse=True)[1].astype(np.float64)
    weights = None if set(sample.weights) == {1.0} else np.array(sample.weights)
    parameters = {
        **objective,
        "num_leaves": options.leaves,
        "learning_rate": options.learning_rate,
        "min_data_in_leaf": options.leaf_rows,
        "seed": options.seed,
        # The next three make it the same on every machine.
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    try:
        booster = lightgbm.train(parameters, lightgbm.Dataset(matrix, labels, weight=weights), options.trees)
    except lightgbm.basic.LightGBMError as error:
        raise TransformError(f"LightGBM cannot grow trees on the data: {error}") from error
    ensemble = read_lightgbm_text(booster.model_to_string())
    if not any(tree.feature for tree in ensemble.trees):
        raise TransformError(
            f"no split improves on a guess: {len(labels)} labelled examples over {len(names)} features of the "
            f"namespace {options.input!r}; give more data, or fewer 'leaf_rows' than {options.leaf_rows}"
        )
    return named(ensemble, names, "what LightGBM grew")


def _columns(sample: Sample, options: Options) -> tuple[Sequence[str], Floats]:
    """The features to grow on, and their values in the sample."""
    if not sample.texts:
        raise TransformError("the data has no labelled example")
    try:
        check_names(options.features)
    except ValueError as error:
        raise TransformError(f"features: {error}") from error
    names = options.features or _names(sample.texts, options.input)
    reader = NumberReader(names)
    matrix = np.empty((len(sample.texts), len(names)))
    for start in range(0, len(matrix), _ROWS_AT_ONCE):
        matrix[start : start + _ROWS_AT_ONCE] = reader.read(sample.texts[start : start + _ROWS_AT_ONCE])
    there = ~np.isnan(matrix).all(axis=0)
    if options.features and not there.all():
        name = names[int(there.argmin())]
        raise TransformError(f"features: {name!r} is never a number in the namespace {options.input!r} of the data")
    if not there.any():
        raise TransformError(f"the namespace {options.input!r} of the data has no numeric features")
    return [names[column] for column in np.flatnonzero(there).tolist()], matrix[:, there]


def _names(texts: Sequence[bytes], namespace: str) -> Sequence[str]:
    names: set[bytes] = set()
    for text in texts:
        names.update(feature.partition(b":")[0] for feature in text.split())
        if len(names) > _MOST_FEATURES:
            raise TransformError(
                f"the namespace {namespace!r} has more than {_MOST_FEATURES} features; choose some with 'features'"
            )
    try:
        return sorted(str(each, "utf-8") for each in names if each)
    except UnicodeDecodeError as error:
        raise TransformError(
            f"the namespace {namespace!r} has a feature whose name is not UTF-8; choose others with 'features'"
        ) from error


def _objective(labels: Floats) -> dict[str, Any]:
    """What the labels are: two classes, several (a few whole numbers), or quantities."""
    values = np.unique(labels)
    if len(values) == 1:
        raise TransformError(f"all labels are {values[0]:g}; trees need at least two different ones")
    if len(values) == 2:
        return {"objective": "binary"}
    if len(values) <= _MOST_CLASSES and (values == np.rint(values)).all():
        return {"objective": "multiclass", "num_class": len(values)}
    return {"objective": "regression"}
