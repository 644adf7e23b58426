"""The model with transforms that is measured: its drop, and artifacts made at the start of a run.

The criteo stream's own labels depend on counts value by value, so that no range of them means anything, and there is
nothing for mdl to find. Here the labels of the lines to fit to depend on ranges of all counts instead.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vwserve.bench.workloads import BenchError
from vwserve.streams import criteo
from vwserve.streams.columns import Draws, Floats
from vwserve.transforms import Batch, NumberReader
from vwserve.transforms.artifact import write_artifact
from vwserve.transforms.plugins import find_plugins

COUNTS = tuple(f"I{number}" for number in range(1, 14))
TREES, LEAVES = 50, 31
FIT_LINES = 10_000

TRANSFORMS = """transforms:
  - {kind: mdl, input: n, output: m, artifact: mdl.json}
  - {kind: tree, input: n, output: t, artifact: tree.json}
  - {kind: crosses, namespaces: [mm], features: [[n^I5, n^I6]]}
"""
"""Bins of 13 counts, leaves of 50 trees, the 26 categories as they are, and two crosses.

One cross is of a small namespace, each bin with each other one, made in VW. The other is of two features, made by the
plugin.
"""

_SEED = 1


def make_artifacts(folder: Path) -> str:
    """Write mdl.json and tree.json by `vwserve fit`, and say where the trees are from: drawn if LightGBM is missing.

    Raises BenchError where the fit fails.
    """
    lines = [line[:-1] for line in criteo(FIT_LINES, seed=_SEED, labelled=False)]
    counts = Batch(lines).numbers("n", NumberReader(COUNTS))
    data = folder / "fit.txt"
    data.write_bytes(
        b"".join(b"%d %s\n" % (1 if clicked else -1, line) for clicked, line in zip(_clicked(counts), lines))
    )
    drop = folder / "fit.yaml"
    drop.write_text("vw: --loss_function logistic\n" + TRANSFORMS)
    if find_spec("lightgbm") is not None:
        _fit(drop, data)
        return "grown by LightGBM"
    _fit(drop, data, "--only", "mdl")
    tree = find_plugins().kinds["tree"]
    write_artifact(folder / "tree.json", tree, drawn_ensemble(counts), {"drawn": f"from the seed {_SEED}"})
    return "drawn, LightGBM not being installed"


def drawn_ensemble(counts: Floats) -> dict[str, Any]:
    """Trees of the wanted shape, in the form of the transform `tree`, that split at values of `counts`, at random."""
    draws = Draws(_SEED)
    return {
        "comparison": "<=",
        "precision": "double",
        "features": list(COUNTS),
        "trees": [_drawn_tree(draws, counts) for _ in range(TREES)],
    }


def _drawn_tree(draws: Draws, counts: Floats) -> Mapping[str, Sequence[float]]:
    splits = LEAVES - 1
    children: tuple[list[int], list[int]] = ([0] * splits, [0] * splits)
    feature, threshold = [], []
    ends: list[tuple[int, int]] = []  # where leaves are to be: a split and its side
    for split in range(splits):
        which, column, row = draws.uniform(3)
        if split:
            parent, side = ends.pop(int(which * len(ends)))
            children[side][parent] = split
        ends += [(split, 0), (split, 1)]
        feature.append(int(column * len(COUNTS)))
        values = counts[:, feature[-1]]
        values = values[~np.isnan(values)]
        threshold.append(float(values[int(row * len(values))]) + 0.5)
    for leaf, (parent, side) in enumerate(ends):
        children[side][parent] = ~leaf
    missing_left = [int(each) for each in draws.uniform(splits) < 0.5]
    return {
        "feature": feature,
        "threshold": threshold,
        "left": children[0],
        "right": children[1],
        "missing_left": missing_left,
        "leaves": list(range(LEAVES)),
    }


def _clicked(counts: Floats) -> Sequence[bool]:
    """Labels that depend on each count by a wave over its logarithm, whose phase is drawn."""
    draws = Draws(_SEED)
    waves = np.sin(1.5 * np.log(counts + 4.0) + np.pi * draws.effects(len(COUNTS), scale=1.0))
    log_odds = np.nansum(waves, axis=1)
    chances = 1.0 / (1.0 + np.exp(-(log_odds - log_odds.mean() - 1.0)))
    clicked: list[bool] = (draws.uniform(len(counts)) < chances).tolist()
    return clicked


def _fit(drop: Path, data: Path, *options: str) -> None:
    command = [sys.executable, "-m", "vwserve", "fit", str(drop), "--data", str(data), *options]
    # A session of its own: Ctrl-C reaches only the load generator, which ends the run at its next check.
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True, check=False
    )
    if done.returncode:
        raise BenchError(f"the transforms cannot be fitted: {done.stderr.strip()}")
