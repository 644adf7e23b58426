"""Plugins: found, checked, and reported by name where they are broken."""

import os
from pathlib import Path

import pytest

from vwserve.transforms import Batch
from vwserve.transforms.plugins import PluginFinder, find_plugins

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
        (
            GOOD.replace('output: Namespace = "lengths"', 'output: Annotated[str, "doc"] = "lengths"').replace(
                "import Mapping", "import Mapping\nfrom typing import Annotated\nfrom collections.abc import Mapping"
            ),
            "have no reader among what annotates them; add one",
        ),
        (
            GOOD.replace('output: Namespace = "lengths"', 'artifact: str = ""'),
            "Lengths.options_type has an option 'artifact', a key that drops have already; rename it",
        ),
        (GOOD.replace('output: Namespace = "lengths"', 'kind: str = ""'), "has an option 'kind'"),
        (
            GOOD.replace('kind = "lengths"', 'kind = "crosses"'),
            "already that of the installed plugin crosses; rename one",
        ),
    ],
)
def test_a_broken_one_is_reported_by_name_and_takes_no_other_down(tmp_path: Path, text: str, said: str) -> None:
    kinds, (wrong,) = found(tmp_path, broken=text, good=GOOD)
    assert kinds == {"lengths"}
    assert wrong.startswith(f"{tmp_path}/broken.py: cannot be used: ")
    assert said in wrong


def test_of_two_files_that_claim_a_kind_the_first_is_named(tmp_path: Path) -> None:
    _, (wrong,) = found(tmp_path, a=GOOD, b=GOOD)
    assert wrong == (
        f"{tmp_path}/b.py: cannot be used: the kind 'lengths' is already that of {tmp_path}/a.py; rename one"
    )


def test_an_unchanged_file_gives_the_same_type_and_an_edited_one_another(tmp_path: Path) -> None:
    finder = PluginFinder()
    file = tmp_path / "lengths.py"
    file.write_text(GOOD)
    status = file.stat()
    before = finder.find(tmp_path).kinds
    assert finder.find(tmp_path).kinds == before
    file.write_text(GOOD.replace("l=%d", "m=%d"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # only the content tells
    after = finder.find(tmp_path).kinds["lengths"]
    assert after is not before["lengths"]
    assert after(after.options_type("n"), {}).apply(Batch([b"|n a"])) == {"lengths": [b"m=1"]}


def test_what_a_plugin_gave_before_it_was_refused_stays_the_same(tmp_path: Path) -> None:
    finder = PluginFinder()
    (tmp_path / "lengths.py").write_text(GOOD.replace("[Lengths]", "[Lengths, Lengths]"))
    before = finder.find(tmp_path)
    assert "already that of" in before.problems[-1].text
    assert finder.find(tmp_path).kinds == before.kinds


def test_types_that_a_hook_makes_anew_each_time_stay_the_same(tmp_path: Path) -> None:
    text = GOOD.replace("return [Lengths]", "return [type('Lengths', (Lengths,), {})]")
    finder = PluginFinder()
    (tmp_path / "lengths.py").write_text(text)
    assert finder.find(tmp_path).kinds == finder.find(tmp_path).kinds


def test_a_file_that_was_broken_for_a_while_gives_the_type_that_it_gave(tmp_path: Path) -> None:
    finder = PluginFinder()
    file = tmp_path / "lengths.py"
    file.write_text("from __future__ import annotations\n" + GOOD)  # so that the options look their module up
    before = finder.find(tmp_path).kinds
    file.write_text("1/0")
    assert "lengths" not in finder.find(tmp_path).kinds
    file.write_text("from __future__ import annotations\n" + GOOD)
    assert finder.find(tmp_path).kinds == before


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    _, (wrong,) = found(tmp_path)
    assert wrong.startswith(f"{tmp_path}/folder.py: cannot be used: IsADirectoryError")
