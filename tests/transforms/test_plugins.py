"""Plugins: found, checked, and reported by name where they are broken."""

from pathlib import Path

import pytest

from vwserve.transforms.plugins import find_plugins

GOOD = """
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from vwserve.transforms import Batch, Namespace, Transform, hookimpl

@dataclass(frozen=True)
class Options:
    input: Namespace
    output: Namespace = "lengths"

class Lengths(Transform[Options]):
    kind = "lengths"
    options_type = Options
    @property
    def reads(self): return (self.options.input,)
    @property
    def writes(self): return (self.options.output,)
    def apply(self, batch):
        return {self.options.output: [b"l=%d" % len(text) for text in batch.features(self.options.input)]}

@hookimpl
def vwserve_transforms():
    return [Lengths]
"""


def found(folder: Path, **files: str) -> tuple[set[str], list[str]]:
    """The kinds that files in a folder add, and what is wrong with them."""
    installed = find_plugins()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    plugins = find_plugins(folder)
    wrong = [str(problem) for problem in plugins.problems if problem not in installed.problems]
    return plugins.kinds.keys() - installed.kinds.keys(), wrong


def test_first_party_transforms_are_plugins_like_others() -> None:
    plugins = find_plugins()
    assert plugins.kinds.keys() >= {"crosses", "mdl", "tree"}
    assert plugins.problems == ()


def test_a_file_in_the_folder_is_a_plugin(tmp_path: Path) -> None:
    assert found(tmp_path, lengths=GOOD) == ({"lengths"}, [])


def test_files_that_begin_with_an_underscore_or_a_dot_are_none(tmp_path: Path) -> None:
    assert found(tmp_path, **{"_x": "1/0", ".y": "1/0"}) == (set(), [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1/0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError"),
        ("raise SystemExit('bye')", "SystemExit: bye"),
        ("x = 1", "it has no hook"),
        (GOOD.replace("def vwserve_transforms", "def vwserve_transfroms"), "vwserve_transfroms"),
        (GOOD.replace("return [Lengths]", "return [1]"), "1 is not a subclass of Transform"),
        (GOOD.replace("return [Lengths]", "return 1"), "TypeError"),
        (GOOD.replace('kind = "lengths"', 'kind = "Big Kind"'), "Lengths.kind is 'Big Kind'"),
        (GOOD.replace("    def apply", "    def aply"), "Lengths does not implement apply"),
        (
            GOOD.replace("    options_type = Options", "    options_type = int"),
            "Lengths.options_type is not a dataclass",
        ),
        (GOOD.replace('output: Namespace = "lengths"', "output: list = None"), "cannot be read; annotate the field"),
        (GOOD.replace('kind = "lengths"', 'kind = "lengths"; fitted = True'), "Lengths is fitted, but has no fit"),
        (GOOD.replace('kind = "lengths"', 'kind = "crosses"'), "the kind 'crosses' is already that of crosses"),
    ],
)
def test_a_broken_one_is_reported_by_name_and_takes_no_other_down(tmp_path: Path, text: str, said: str) -> None:
    kinds, (wrong,) = found(tmp_path, broken=text, good=GOOD)
    assert kinds == {"lengths"}
    assert wrong.startswith(f"{tmp_path}/broken.py: cannot be used: ")
    assert said in wrong


def test_an_edited_file_gives_another_type(tmp_path: Path) -> None:
    (tmp_path / "lengths.py").write_text(GOOD)
    before = find_plugins(tmp_path).kinds["lengths"]
    assert find_plugins(tmp_path).kinds["lengths"] is not before
