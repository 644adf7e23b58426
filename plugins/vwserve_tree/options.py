"""The options of the transform `tree`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vwserve.configuration.schema import Integer, Number, path
from vwserve.transforms import Namespace

_EXACT_SEED = (1 << 31) - 1  # LightGBM's seeds are ints


@dataclass(frozen=True)
class Options:
    """What is read and written, and how `fit` gets its trees: from `model`, else it grows them."""

    input: Namespace
    output: Namespace = "t"
    model: Annotated[Path | None, path] = None
    features: tuple[str, ...] = ()
    trees: Annotated[int, Integer(1, 10_000)] = 50
    leaves: Annotated[int, Integer(2, 4096)] = 31
    learning_rate: Annotated[float, Number(1e-6, 1.0)] = 0.1
    leaf_rows: Annotated[int, Integer(1, 1_000_000)] = 20
    rows: Annotated[int, Integer(100, 10_000_000)] = 200_000
    seed: Annotated[int, Integer(0, _EXACT_SEED)] = 0
