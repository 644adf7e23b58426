"""The guide for authors of plugins: its example is a plugin that works, and passes the battery of checks."""

import re
from configparser import ConfigParser
from pathlib import Path

import vwserve
from vwserve.testing import check_transform
from vwserve.transforms.plugins import find_plugins

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"


def block(language: str, containing: str) -> str:
    """The code block of the guide that has this text in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (found,) = [each for each in blocks if containing in each]
    return str(found)


def test_the_example_is_about_thirty_lines() -> None:
    code = block("python", "class Domains").splitlines()
    assert len([line for line in code if line.strip()]) <= 35


def test_the_example_serves(tmp_path: Path) -> None:
    (tmp_path / "domains.py").write_text(block("python", "class Domains"))
    (tmp_path / "ctr.yaml").write_text(block("yaml", "domains"))
    (tmp_path / "plain.yaml").write_text("vw: -b 18\n")
    model = vwserve.load(tmp_path / "ctr.yaml", tmp_path)
    plain = vwserve.load(tmp_path / "plain.yaml")
    raw, whole = re.findall(r"`(1 \|u [^`]*)`", GUIDE.read_text("utf-8"))
    assert model.learn([raw] * 3) == plain.learn([whole] * 3)
    assert model.statistics()["transforms"] == [{"kind": "domains", "output": ["d"], "applied": 3}]


def test_the_example_passes_the_battery(tmp_path: Path) -> None:
    (tmp_path / "domains.py").write_text(block("python", "class Domains"))
    domains = find_plugins(tmp_path).kinds["domains"]
    check_transform(
        domains, domains.options_type(input="u"), [b"1 |u www.example.org/index", b"-1 |u e.com", b"|n a:1"]
    )


def test_the_example_of_a_package_names_the_module_that_it_lists() -> None:
    configuration = ConfigParser()
    configuration.read_string(block("ini", "entry_points"))
    _, _, module = configuration["options.entry_points"]["vwserve"].strip().partition(" = ")
    assert module == configuration["options"]["py_modules"]
    assert "setuptools.build_meta" in block("toml", "build-system")


def test_the_guide_names_every_member_of_the_interface() -> None:
    text = GUIDE.read_text("utf-8")
    members = {name for name in vars(vwserve.transforms.Transform) if not name.startswith("_")}
    assert {name for name in members if not re.search(rf"`[^`]*\b{name}\b", text)} == set()
