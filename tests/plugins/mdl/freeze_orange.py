"""Writes orange_cuts.json: the cuts that Orange's EntropyMDL finds in the samples and in real data.

Orange is a large application under another licence, so it is no dependency; its answers are kept. To make them again,
with an environment ORANGE that has it (`pip install orange3`), from the root of the repository:

    .venv/bin/python -m tests.plugins.mdl.samples ../shared/data \\
        | ORANGE/bin/python tests/plugins/mdl/freeze_orange.py > tests/plugins/mdl/orange_cuts.json
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

import numpy as np


def orange_cuts(sample: dict[str, list[Any]]) -> list[float]:
    """The cuts that Orange finds in a sample."""
    data, discretize = import_module("Orange.data"), import_module("Orange.preprocess.discretize")
    labels = sorted(set(sample["labels"]))
    number = data.ContinuousVariable("x")
    domain = data.Domain([number], data.DiscreteVariable("y", [str(label) for label in labels]))
    rows = np.array(sample["values"])[:, np.newaxis]
    classes = np.array([labels.index(label) for label in sample["labels"]], np.float64)
    weights = None if set(sample["weights"]) == {1.0} else np.array(sample["weights"])
    table = data.Table.from_numpy(domain, rows, classes, W=weights)
    derived = discretize.EntropyMDL()(table, number)
    return [float(point) for point in derived.compute_value.points] if derived.compute_value else []


def main() -> None:
    """Read samples, print cuts."""
    frozen: dict[str, Any] = {"orange": import_module("Orange").__version__}
    for part, named in json.load(sys.stdin).items():
        frozen[part] = {name: orange_cuts(sample) for name, sample in named.items()}
    json.dump(frozen, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
