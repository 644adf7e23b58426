"""A model in process, from its drop."""

from pathlib import Path

import pytest

import vwserve
from vwserve.errors import ArgumentsError, ConfigurationError


def test_loads_the_model_that_a_drop_describes(tmp_path: Path) -> None:
    drop = tmp_path / "ctr.yaml"
    drop.write_text("vw: --loss_function logistic --link logistic -b 10\n")
    model = vwserve.load(drop)
    assert model.name == "ctr"
    assert model.learn(["1 |u a"]) == ["0.500000"]
    assert vwserve.load(str(drop)).predict(["|u a"]) == ["0.500000"]


def test_starts_from_the_initial_model_beside_the_drop(tmp_path: Path) -> None:
    (tmp_path / "seed.yaml").write_text("vw: -b 10\n")
    seed = vwserve.load(tmp_path / "seed.yaml")
    seed.learn(["1 |u a"] * 10)
    seed.save(tmp_path / "seed.vw")
    (tmp_path / "ctr.yaml").write_text("vw: -b 10\ninitial: seed.vw\nlearn: false\n")
    assert vwserve.load(tmp_path / "ctr.yaml").predict(["|u a"]) == seed.predict(["|u a"])


def test_a_wrong_drop_is_an_error_with_its_place(tmp_path: Path) -> None:
    drop = tmp_path / "ctr.yaml"
    drop.write_text("\nlaern: true\n")
    with pytest.raises(ConfigurationError, match=r"ctr\.yaml:2: laern: .*learn"):
        vwserve.load(drop)


def test_arguments_that_vw_refuses_are_an_error(tmp_path: Path) -> None:
    drop = tmp_path / "ctr.yaml"
    drop.write_text("vw: --loss_functoin logistic\n")
    with pytest.raises((ArgumentsError, ConfigurationError), match="--loss_function"):
        vwserve.load(drop)
