"""A blueprint: what a drop describes, with its transforms made, can be named and built as often as need be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.transforms.samples import KINDS
from vwserve.errors import ArgumentsError, ModelError, StateError
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint, fault
from vwserve.model.drop import ModelDrop, read_drop
from vwserve.model.servable import Servable
from vwserve.model.state import Resumed
from vwserve.transforms import TransformError
from vwserve.transforms.pipeline import TransformPool
from vwserve.transforms.plugins import TransformType, find_plugins

UPPER = "transforms: [{kind: upper, input: n, output: m}]\n"


def dropped(folder: Path, text: str, kinds: Mapping[str, TransformType] = KINDS) -> ModelDrop:
    """The drop m.yaml."""
    file = folder / "m.yaml"
    file.write_text(text)
    return read_drop(file, kinds)


def of(folder: Path, text: str) -> Blueprint:
    """The blueprint of a drop."""
    return Blueprint.of(dropped(folder, text), TransformPool())


@pytest.mark.parametrize(
    ("text", "learns"),
    [
        ("vw: -b 10\n", True),
        ("vw: -b 10 -t\n", False),
        ("vw: --testonly\n", False),
        ("vw: -b 10\nlearn: false\n", False),
        ("vw: --loss_function logistic -b 10\n", True),
    ],
)
def test_a_model_learns_unless_the_drop_or_vw_is_told_otherwise(text: str, learns: bool, tmp_path: Path) -> None:
    blueprint = of(tmp_path, text)
    servable = blueprint.build(Bounds())
    assert blueprint.learns is servable.learner.learns is learns
    servable.close()


def test_a_static_model_can_be_built_to_learn_what_it_had_learned(tmp_path: Path) -> None:
    servable = of(tmp_path, "vw: -b 10\nlearn: false\n").build(Bounds(), learn=True)
    before, after = servable.learn(["1 |f a", "1 |f a"])
    assert before == "0" != after
    servable.close()


def test_arguments_are_those_of_the_transforms_too(tmp_path: Path) -> None:
    crosses = "transforms: [{kind: crosses, namespaces: [ua]}]\n"
    blueprint = Blueprint.of(dropped(tmp_path, "vw: -b 10\n" + crosses, find_plugins(None).kinds), TransformPool())
    servable = blueprint.build(Bounds())
    assert "ua" in blueprint.arguments
    assert servable.arguments == blueprint.arguments
    servable.close()


def test_arguments_that_cross_what_the_transforms_cross_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    crosses = "transforms: [{kind: crosses, namespaces: [ua]}]\n"
    drop = dropped(tmp_path, "vw: -b 10 -q au\n" + crosses, find_plugins(None).kinds)
    with pytest.raises(ArgumentsError, match="cross 'ua', and so do"):
        Blueprint.of(drop, TransformPool())


def test_what_is_built_twice_shares_nothing_but_the_transforms(tmp_path: Path) -> None:
    blueprint = of(tmp_path, "vw: -b 10\n" + UPPER)
    one, other = blueprint.build(Bounds(), 3), blueprint.build(Bounds())
    one.learn(["1 |n a"] * 5)
    assert other.predict(["|n a"]) == ["0"]
    assert (one.version, other.version, one.name) == (3, 1, "m")
    assert one.text([b"|n a"]) == b"|n a |m A\n" == other.text([b"|n a"])
    one.close()
    other.close()


def test_it_is_built_within_bounds(tmp_path: Path) -> None:
    servable = of(tmp_path, "vw: -b 10\n").build(Bounds(magnitude=10.0))
    assert servable.predict(["|f a:11"])[0].startswith("!error bad-example")
    servable.close()


def test_it_goes_on_from_what_one_of_its_kind_saved_and_not_from_the_initial_model(tmp_path: Path) -> None:
    seed = Servable("seed", "-b 10")
    seed.learn(["1 |n a"] * 9)
    seed.save(tmp_path / "seed.vw")
    blueprint = of(tmp_path, "vw: -b 10\ninitial: seed.vw\n")
    first = blueprint.build(Bounds())
    assert first.predict(["|n a"]) == seed.predict(["|n a"])
    first.learn(["-1 |n a"] * 9)
    first.save(tmp_path / "saved.vw")
    (tmp_path / "seed.vw").unlink()
    second = blueprint.build(Bounds(), resumed=Resumed(tmp_path / "saved.vw", first.state()))
    assert second.learn(["1 |n a"]) == first.learn(["1 |n a"])
    assert second.totals() == first.totals()
    for servable in (seed, first, second):
        servable.close()


def test_an_initial_file_that_is_no_model_is_at_fault(tmp_path: Path) -> None:
    (tmp_path / "seed.vw").write_bytes(b"nonsense")
    blueprint = of(tmp_path, "vw: -b 10\ninitial: seed.vw\n")
    with pytest.raises(ModelError) as caught:
        blueprint.build(Bounds())
    assert str(fault(blueprint.drop, caught.value)).startswith(f"{tmp_path / 'm.yaml'}:2: initial: ")


def test_arguments_that_vw_refuses_are_at_fault(tmp_path: Path) -> None:
    blueprint = of(tmp_path, "# mine\nvw: --no_such_option\n")
    with pytest.raises(ArgumentsError) as caught:
        blueprint.build(Bounds())
    assert str(fault(blueprint.drop, caught.value)).startswith(f"{tmp_path / 'm.yaml'}:2: vw: ")


def test_a_transform_that_cannot_be_made_is_at_fault_at_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "sizes.json").write_text("{}")
    drop = dropped(
        tmp_path,
        "vw: -b 10\ntransforms:\n- {kind: upper, input: n, output: m}\n"
        "- {kind: sizes, input: n, output: s, artifact: sizes.json}\n",
    )
    with pytest.raises(TransformError) as caught:
        Blueprint.of(drop, TransformPool())
    assert str(fault(drop, caught.value)).startswith(f"{tmp_path / 'm.yaml'}:4: transforms[1]: ")


def test_what_is_wrong_with_the_state_on_disk_is_no_key_of_the_drop(tmp_path: Path) -> None:
    drop = dropped(tmp_path, "vw: -b 10\n")
    assert str(fault(drop, StateError("state/m is gone"))) == f"{drop.path}: state/m is gone"
