"""The transforms that are measured are what they are said to be."""

from pathlib import Path

import numpy as np
import pytest
from vwserve_tree.ensemble import checked

from vwserve.bench import artifacts
from vwserve.bench.artifacts import COUNTS, LEAVES, TRANSFORMS, TREES, drawn_ensemble, make_artifacts
from vwserve.bench.workloads import BenchError
from vwserve.model.load import load
from vwserve.streams import criteo
from vwserve.transforms import Batch, NumberReader


@pytest.mark.parametrize("lightgbm", [True, False])
def test_a_line_gets_bins_leaves_and_a_cross(lightgbm: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not lightgbm:
        monkeypatch.setattr(artifacts, "find_spec", lambda _: None)
    assert ("LightGBM not being installed" in make_artifacts(tmp_path)) is not lightgbm
    (tmp_path / "m.yaml").write_text("vw: --loss_function logistic\n" + TRANSFORMS)
    servable = load(tmp_path / "m.yaml")
    lines = [line[:-1] for line in criteo(200, seed=2, labelled=False)]
    derived = Batch(servable.text(lines).splitlines())
    bins, leaves, crosses = (derived.features(namespace) for namespace in "mtx")
    # A count for which no cut was worth its description has a feature where it is missing only.
    assert min(len(each.split()) for each in bins) >= len(COUNTS) - 3
    assert {len(each.split()) for each in leaves} == {TREES}
    both = [b" I5:" in line and b" I6:" in line for line in lines]
    assert [bool(each) for each in crosses] == both
    assert any(both)
    servable.close()


def test_drawn_trees_are_an_ensemble_whose_leaves_are_all_of_the_wanted_number() -> None:
    counts = Batch([line[:-1] for line in criteo(500, labelled=False)]).numbers("n", NumberReader(COUNTS))
    ensemble = checked(drawn_ensemble(counts))
    assert [len(tree.leaves) for tree in ensemble.trees] == [LEAVES] * TREES
    assert {feature for tree in ensemble.trees for feature in tree.feature} == set(range(len(COUNTS)))
    assert drawn_ensemble(counts) == drawn_ensemble(np.copy(counts))


def test_a_fit_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "TRANSFORMS", "transforms: [{kind: mld}]\n")
    with pytest.raises(BenchError, match=r"cannot be fitted: .*fit\.yaml:2: .*unknown 'mld'"):
        make_artifacts(tmp_path)
