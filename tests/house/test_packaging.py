"""What is installed is what stands here: every package of both folders is listed in setup.cfg."""

from configparser import ConfigParser
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def packages(folder: str, root: Path) -> set[str]:
    """The dotted names of the packages in a folder, as they are imported from `root`."""
    return {
        ".".join(path.relative_to(root).parts)
        for path in [root / folder, *(root / folder).rglob("*")]
        if (path.is_dir() and any(path.glob("*.py"))) or any(path.glob("*.yaml"))
    }


def test_every_package_is_listed() -> None:
    configuration = ConfigParser()
    configuration.read(REPOSITORY / "setup.cfg")
    listed = set(configuration["options"]["packages"].split())
    plugins = [path.name for path in (REPOSITORY / "plugins").glob("vwserve_*")]
    there = packages("vwserve", REPOSITORY) | {
        name for each in plugins for name in packages(each, REPOSITORY / "plugins")
    }
    assert listed == {name for name in there if name != "vwserve.demo.models.d"}
    mapped = dict(line.split(" = ") for line in configuration["options"]["package_dir"].split("\n") if line)
    assert mapped == {name: f"plugins/{name}" for name in plugins}


def test_every_plugin_has_its_entry_point() -> None:
    configuration = ConfigParser()
    configuration.read(REPOSITORY / "setup.cfg")
    points = dict(line.split(" = ") for line in configuration["options.entry_points"]["vwserve"].split("\n") if line)
    assert points == {
        path.name.removeprefix("vwserve_"): path.name for path in (REPOSITORY / "plugins").glob("vwserve_*")
    }
