"""The registry: servables by name, kept equal to their drops."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from vwserve.errors import ModelError
from vwserve.learner import Bounds
from vwserve.model import registry
from vwserve.model.drop import ModelDrop, read_drops
from vwserve.model.registry import MOST_EXPORTS, Registry
from vwserve.model.servable import Servable
from vwserve.transforms.plugins import PluginFinder


class Folder:
    """A folder of drops and the registry that follows it."""

    def __init__(self, root: Path) -> None:
        self.path = root / "models.d"
        self.path.mkdir()
        self.registry = Registry(Bounds(), root / "state")

    def drop(self, **arguments: str) -> None:
        """Write a drop a keyword, with these VW arguments, and apply."""
        for name, text in arguments.items():
            (self.path / f"{name}.yaml").write_text(f"vw: {text}\n")
        self.apply()

    def apply(self) -> list[str]:
        """Follow the folder, and return what was wrong, in words."""
        drops, problems = read_drops(self.path)
        return list(map(str, [*problems, *self.registry.apply(drops, problems)]))

    def model(self, name: str) -> Servable:
        """A model that must be there."""
        model = self.registry.get(name)
        assert model is not None
        return model


@pytest.fixture
def folder(tmp_path: Path) -> Iterable[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.registry.close()


def test_serves_what_is_dropped_and_nothing_else(folder: Folder) -> None:
    folder.drop(b="-b 10", a="-b 10")
    assert folder.registry.names() == ["a", "b"]
    (folder.path / "a.yaml").unlink()
    folder.apply()
    assert folder.registry.names() == ["b"]
    assert folder.registry.get("a") is None


def test_a_drop_that_did_not_change_keeps_what_it_learned(folder: Folder) -> None:
    folder.drop(a="-b 10")
    model = folder.model("a")
    (folder.path / "a.yaml").write_text("# a comment\nvw: -b 10\n")
    folder.apply()
    assert folder.model("a") is model


def test_a_changed_drop_is_a_new_version(folder: Folder) -> None:
    folder.drop(a="-b 10")
    model = folder.model("a")
    folder.drop(a="-b 11")
    assert folder.model("a") is not model
    assert folder.model("a").statistics()["version"] == 2


def test_arguments_that_vw_refuses_leave_what_runs(folder: Folder) -> None:
    folder.drop(a="-b 10")
    model = folder.model("a")
    (folder.path / "a.yaml").write_text("vw: --no_such_option\n")
    (problem,) = folder.apply()
    assert "a.yaml:1: vw: " in problem
    assert folder.model("a") is model


def test_a_drop_that_cannot_be_read_leaves_what_runs(folder: Folder) -> None:
    folder.drop(a="-b 10", b="-b 10")
    model = folder.model("a")
    (folder.path / "a.yaml").write_text("vw: [\n")
    (problem,) = folder.apply()
    assert "a.yaml:" in problem
    assert folder.model("a") is model
    assert folder.registry.names() == ["a", "b"]


def test_a_bad_drop_that_never_ran_serves_nothing(folder: Folder) -> None:
    folder.drop(good="-b 10", bad="--no_such_option")
    assert folder.registry.names() == ["good"]


def test_a_changed_initial_model_is_a_new_version(folder: Folder, tmp_path: Path) -> None:
    folder.drop(seed="-b 10")
    folder.model("seed").save(tmp_path / "seed.vw")
    (folder.path / "a.yaml").write_text(f"vw: -b 10\ninitial: {tmp_path / 'seed.vw'}\n")
    folder.apply()
    before = folder.model("a")
    folder.model("seed").learn(["1 |u a"])
    folder.model("seed").save(tmp_path / "seed.vw")
    folder.apply()
    assert folder.model("a") is not before
    assert folder.model("a").predict(["|u a"]) == folder.model("seed").predict(["|u a"])


def test_other_bounds_hold_for_all_models_without_a_new_version(folder: Folder, tmp_path: Path) -> None:
    folder.drop(a="-b 10")
    folder.registry.configure(Bounds(magnitude=10.0), tmp_path)
    assert folder.model("a").predict(["|u a:50"])[0].startswith("!error bad-example")
    assert folder.model("a").statistics()["version"] == 1


def test_the_only_model_is_known_as_such(folder: Folder) -> None:
    known = [folder.registry.get("")]
    for name in ("a", "b"):
        folder.drop(**{name: "-b 10"})
        known.append(folder.registry.get(""))
    assert known == [None, folder.model("a"), None]


@pytest.mark.parametrize(
    ("export", "file"),
    [("", "a.vw"), ("b.vw", "b.vw"), ("../../etc/passwd", "passwd"), ("/etc/b", "b"), ("x/y/", "y")],
)
def test_an_export_stays_among_the_exports(folder: Folder, tmp_path: Path, export: str, file: str) -> None:
    folder.drop(a="-b 10")
    assert folder.registry.export("a", export) == tmp_path / "state" / "a" / "exports" / file
    assert [each.name for each in (tmp_path / "state" / "a" / "exports").iterdir()] == [file]


@pytest.mark.parametrize("export", ["..", "/", "x/..", "a\0b", "a\x1b[2J"])
def test_an_export_without_a_file_name_is_refused(folder: Folder, export: str) -> None:
    folder.drop(a="-b 10")
    with pytest.raises(ModelError, match="name of a file"):
        folder.registry.export("a", export)


def test_an_export_of_no_model_or_to_nowhere_is_an_error(folder: Folder, tmp_path: Path) -> None:
    folder.drop(a="-b 10")
    with pytest.raises(ModelError, match="no model is called 'b'"):
        folder.registry.export("b", "x.vw")
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="cannot write"):
        folder.registry.export("a", "x.vw")


def test_exports_of_a_model_are_bounded(folder: Folder, tmp_path: Path) -> None:
    folder.drop(a="-b 10")
    exports = tmp_path / "state" / "a" / "exports"
    exports.mkdir(parents=True)
    for number in range(MOST_EXPORTS):
        (exports / f"{number}.vw").touch()
    assert folder.registry.export("a", "0.vw").stat().st_size > 0
    with pytest.raises(ModelError, match="has 100 files already; move some away"):
        folder.registry.export("a", "more.vw")


def test_a_fault_of_the_program_in_one_drop_leaves_the_others(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.drop(b="-b 10", gone="-b 10")
    (folder.path / "gone.yaml").unlink()
    (folder.path / "a.yaml").write_text("vw: -b 10\n")
    (folder.path / "c.yaml").write_text("vw: -b 10\n")
    whole = registry.build

    def failing(drop: ModelDrop, *rest: Any) -> Servable:
        if drop.name == "a":
            raise LookupError("nowhere")
        return whole(drop, *rest)

    monkeypatch.setattr(registry, "build", failing)
    assert folder.apply() == [f"{folder.path / 'a.yaml'}: cannot be served: LookupError: nowhere"]
    assert folder.registry.names() == ["b", "c"]
    assert (folder.registry.get("gone"), folder.model("c").name) == (None, "c")


PLUGIN = """
from dataclasses import dataclass
from vwserve.transforms import Transform, hookimpl

@dataclass(frozen=True)
class Options:
    output: str = "k"

class Constant(Transform[Options]):
    kind = "constant"
    options_type = Options
    reads = ()
    @property
    def writes(self): return (self.options.output,)
    def apply(self, batch): return {self.options.output: [b"always"] * len(batch)}

@hookimpl
def vwserve_transforms(): return [Constant]
"""


def test_a_model_keeps_what_it_learned_until_the_code_of_its_plugin_changes(folder: Folder, tmp_path: Path) -> None:
    finder = PluginFinder()
    plugin = tmp_path / "constant.py"
    (folder.path / "a.yaml").write_text("vw: -b 10\ntransforms: [{kind: constant}]\n")

    def follow() -> Servable:
        drops, problems = read_drops(folder.path, finder.find(tmp_path).kinds)
        assert [*problems, *folder.registry.apply(drops, problems)] == []
        return folder.model("a")

    plugin.write_text(PLUGIN)
    first = follow()
    first.learn(["1 |u a"])
    assert follow() is first
    plugin.write_text(PLUGIN.replace("always", "never"))
    assert follow() is not first


def test_a_file_that_another_took_the_place_of_has_changed(folder: Folder, tmp_path: Path) -> None:
    seed, other = tmp_path / "seed.vw", tmp_path / "other.vw"
    folder.drop(a="-b 10")
    folder.model("a").save(seed)
    other.write_bytes(seed.read_bytes())
    os.utime(other, ns=(seed.stat().st_atime_ns, seed.stat().st_mtime_ns))
    (folder.path / "a.yaml").write_text(f"vw: -b 10\ninitial: {seed}\n")
    folder.apply()
    before = folder.model("a")
    other.replace(seed)
    folder.apply()
    assert folder.model("a") is not before
