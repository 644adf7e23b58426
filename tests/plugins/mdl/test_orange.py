"""Cuts are those of an independent implementation, Orange's EntropyMDL; freeze_orange.py says how they were kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vwserve_mdl.class_weights import ClassWeights
from vwserve_mdl.cuts import find_cuts

from tests.plugins.mdl.fitting import fitted
from tests.plugins.mdl.samples import FROZEN, Sample, real_columns, samples

SAMPLES = dict(samples())
EXPECTED: dict[str, Any] = json.loads(FROZEN.read_text("ascii"))


def cuts(sample: Sample) -> list[float]:
    """What is found for a sample."""
    counted = ClassWeights()
    counted.add(np.array(sample.values), np.array(sample.labels, np.float64), np.array(sample.weights))
    return find_cuts(counted.table(), 1000).cuts


def test_every_sample_has_its_expectation() -> None:
    assert EXPECTED["samples"].keys() == SAMPLES.keys()
    assert EXPECTED["orange"] == "3.40.0"


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_have_oranges_cuts(name: str) -> None:
    assert cuts(SAMPLES[name]) == EXPECTED["samples"][name]


def test_real_columns_have_oranges_cuts(real_data: Path) -> None:
    found = {name: cuts(column) for name, column in real_columns(real_data)}
    assert found == EXPECTED["real"]


def test_fitting_the_files_themselves_gives_oranges_cuts(real_data: Path) -> None:
    for name in ("adult", "elec2"):
        features = fitted(real_data / f"{name}.vw.gz", input=("n",), most_bins=1000)["features"]
        found = {f"{name} {each['name']}": each["cuts"] for each in features}
        assert found == {key: cuts for key, cuts in EXPECTED["real"].items() if key.startswith(name)}
