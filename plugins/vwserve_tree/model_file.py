"""Reads a model file of LightGBM or XGBoost; what it is, is told by its content."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from vwserve.transforms import TransformError
from vwserve_tree.ensemble import Ensemble, check_names, checked, to_content
from vwserve_tree.lightgbm_model import is_lightgbm_text, read_lightgbm_dump, read_lightgbm_text
from vwserve_tree.xgboost_model import read_xgboost

_LARGEST_BYTES = 1 << 30
_KNOWN = "LightGBM's save_model or dump_model, or XGBoost's save_model('model.json')"


def read_model(path: Path, features: Sequence[str]) -> tuple[str, Ensemble]:
    """The library that a model is of, and its ensemble; `features`, unless empty, are the names of its columns.

    Raises TransformError.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise TransformError(f"the model {path} is larger than {_LARGEST_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise TransformError(f"cannot read the model {path}: {error.strerror}") from error
    library, read = _reader(path, data)
    try:
        ensemble = read()
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError, AttributeError) as error:
        raise TransformError(f"the model {path} is no model of {library}, or damaged: {_text(error)}") from error
    return library, named(ensemble, features, f"the model {path}")


def named(ensemble: Ensemble, features: Sequence[str], what: str) -> Ensemble:
    """The ensemble, checked, its columns named `features` unless that is empty; raises TransformError."""
    if features and len(features) != len(ensemble.features):
        columns = ", ".join(ensemble.features[:20])
        raise TransformError(
            f"{what} has {len(ensemble.features)} columns ({columns}), and 'features' names {len(features)}; "
            f"name each column, in order"
        )
    ensemble = replace(ensemble, features=list(features or ensemble.features))
    try:
        check_names(ensemble.features)
    except ValueError as error:
        raise TransformError(f"{what}: {error}; name its columns, in order, with 'features'") from error
    try:
        return checked(to_content(ensemble))
    except (ValueError, TypeError) as error:
        raise TransformError(f"{what} cannot be used: {error}") from error


def _reader(path: Path, data: bytes) -> tuple[str, Callable[[], Ensemble]]:
    if data.startswith(b"\x80"):
        raise TransformError(f"the model {path} is a pickle, which is never loaded; save it as {_KNOWN}")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        if is_lightgbm_text(text):
            return "LightGBM", lambda: read_lightgbm_text(text)
        model = json.loads(text)
    except (ValueError, RecursionError) as error:
        if path.suffix == ".ubj" or data.startswith((b"{L", b"{#", b"{$")):
            message = f"the model {path} is in UBJSON; save it as JSON: booster.save_model('model.json')"
            raise TransformError(message) from error
        raise TransformError(f"the model {path} is of no known format; save it as {_KNOWN}") from error
    if isinstance(model, dict) and "learner" in model:
        return "XGBoost", lambda: read_xgboost(model)
    if isinstance(model, dict) and "tree_info" in model:
        return "LightGBM", lambda: read_lightgbm_dump(model)
    raise TransformError(f"the model {path} is of no known format; save it as {_KNOWN}")


def _text(error: BaseException) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
