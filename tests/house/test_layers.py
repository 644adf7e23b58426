"""Imports point down only: every module of vwserve is parsed and its imports are held against the lists below."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# A layer may import those before it. Names in one row are peers and may not import each other.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors"}),
    frozenset({"lines"}),
    frozenset({"configuration"}),
    frozenset({"learner"}),
    frozenset({"transforms"}),
    frozenset({"testing"}),  # for authors of plugins
    frozenset({"model"}),
    frozenset({"durability", "guard"}),
    frozenset({"updates"}),
    frozenset({"wire"}),
    frozenset({"daemon", "replay"}),
    frozenset({"streams", "client"}),
    frozenset({"bench"}),
    frozenset({"__init__"}),  # the face of the package
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
RANK = {layer: rank for rank, layers in enumerate(LAYERS) for layer in layers}

# What a layer may not import although it lies below: the wire knows the line protocol and typing protocols of its own.
FORBIDDEN = {
    "wire": frozenset({"learner", "transforms", "model"}),
    "streams": frozenset(RANK) - {"streams", "errors"},
}

BINDING = frozenset({"pylibvw", "vowpalwabbit"})
# The ceiling measures the binding itself.
BINDING_IMPORTERS = frozenset({"vwserve/learner/binding.py", "vwserve/bench/ceiling.py"})

# Plain synchronous Python, the same in a notebook as in the daemon.
WITHOUT_TWISTED = frozenset(
    {"errors", "configuration", "learner", "transforms", "model", "durability", "guard", "replay"}
)
# Everybody else is handed the reactor. It is a singleton made on import, so even these import it late.
REACTOR = "twisted.internet.reactor"
REACTOR_IMPORTERS = frozenset({"daemon", "cli"})


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, in full (`from a.b import c` is `a.b.c`), and whether the import runs only when called."""

    name: str
    line: int
    late: bool

    def within(self, package: str) -> bool:
        """Whether the name is that package or something in it."""
        return self.name == package or self.name.startswith(package + ".")


def layer_of(path: PurePath) -> str:
    """The layer of a module's file, `vwserve/<layer>.py` or `vwserve/<layer>/...`."""
    return path.with_suffix("").parts[1]


def layer_named(name: str) -> str:
    """The layer that an imported `vwserve...` belongs to; what is no layer is a name in the package's face."""
    _, _, rest = name.partition(".")
    layer = rest.partition(".")[0]
    return layer if layer in RANK else "__init__"


def imports(path: PurePath, tree: ast.AST, late: bool = False) -> Iterator[Import]:
    """All imports of a module, wherever they stand."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = absolute(path, node)
            yield from (Import(f"{source}.{alias.name}", node.lineno, late) for alias in node.names)
        else:
            yield from imports(path, node, late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def absolute(path: PurePath, node: ast.ImportFrom) -> str:
    """The module that a `from` names, with its leading dots resolved."""
    package = path.parts[: len(path.parts) - node.level] if node.level else ()
    return ".".join([*package, *([node.module] if node.module else [])])


def fault(path: PurePath, imported: Import) -> str | None:
    """What is wrong with one import."""
    layer = layer_of(path)
    if any(map(imported.within, BINDING)) and path.as_posix() not in BINDING_IMPORTERS:
        return "VW's binding is imported by vwserve/learner/binding.py only"
    if imported.within("twisted") and layer in WITHOUT_TWISTED:
        return f"{layer} is without Twisted"
    if imported.within(REACTOR) and layer not in REACTOR_IMPORTERS:
        return f"{layer} is handed the reactor"
    if imported.within(REACTOR) and not imported.late:
        return "the reactor is imported inside a function only"
    if not imported.within("vwserve"):
        return None
    target = layer_named(imported.name)
    if target == layer:
        return None
    if RANK[target] >= RANK[layer]:
        return f"{layer} may not import {target}, which is not below it"
    if target in FORBIDDEN.get(layer, ()):
        return f"{layer} may not import {target}"
    return None


def faults(path: PurePath, source: str) -> list[str]:
    """What is wrong with a module's imports, `path` being relative to the repository; one `file:line: text` each."""
    if layer_of(path) not in RANK:
        return [f"{path}:1: {layer_of(path)} has no place in LAYERS"]
    found = ((imported, fault(path, imported)) for imported in imports(path, ast.parse(source)))
    return [f"{path}:{imported.line}: {text} ({imported.name})" for imported, text in found if text]


def test_imports_point_down() -> None:
    modules = sorted((REPOSITORY / "vwserve").rglob("*.py"))
    assert modules
    found = [text for path in modules for text in faults(path.relative_to(REPOSITORY), path.read_text("utf-8"))]
    assert not found, "\n".join(found)


def test_first_party_plugins_use_the_public_interface_only() -> None:
    modules = sorted((REPOSITORY / "plugins").rglob("*.py"))
    assert modules
    for path in modules:
        plugin = path.relative_to(REPOSITORY / "plugins").parts[0]
        for imported in imports(path.relative_to(REPOSITORY), ast.parse(path.read_text("utf-8"))):
            top, _, rest = imported.name.partition(".")
            public = rest.startswith(("transforms.", "configuration.")) and rest.count(".") <= 2
            assert not top.startswith("vwserve") or top == plugin or (top == "vwserve" and public), (path, imported)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("vwserve/learner/binding.py", "import pylibvw"),
        ("vwserve/bench/ceiling.py", "from pylibvw import vw"),
        ("vwserve/model/servable.py", "from vwserve.errors import VwserveError\nfrom vwserve.learner import workspace"),
        ("vwserve/model/servable.py", "from . import drop\nfrom .drop import read_drop\nimport vwserve.model.drop"),
        ("vwserve/model/__init__.py", "from .drop import read_drop\nfrom ..errors import VwserveError"),
        ("vwserve/wire/lines.py", "from vwserve.guard.limits import Limits\nfrom twisted.internet import protocol"),
        ("vwserve/daemon/service.py", "def run():\n    from twisted.internet import reactor"),
        ("vwserve/cli/serve.py", "async def run():\n    if True:\n        import twisted.internet.reactor"),
        ("vwserve/cli/serve.py", "from vwserve import load"),
        ("vwserve/__main__.py", "from vwserve.cli import main"),
        ("vwserve/errors.py", "import vwserve_like\nimport twistedlike"),
    ],
)
def test_accepts(path: str, source: str) -> None:
    assert faults(PurePath(path), source) == []


@pytest.mark.parametrize(
    ("path", "source", "text"),
    [
        ("vwserve/model/servable.py", "import pylibvw", "binding.py only"),
        ("vwserve/learner/grammar.py", "def f():\n    from vowpalwabbit import pyvw", "binding.py only"),
        ("vwserve/errors.py", "from vwserve.configuration import schema", "not below it"),
        ("vwserve/learner/binding.py", "from vwserve.model.servable import Servable", "not below it"),
        ("vwserve/learner/binding.py", "from vwserve import model", "not below it"),
        ("vwserve/learner/binding.py", "from ..model import servable", "not below it"),
        ("vwserve/learner/__init__.py", "from ..model import servable", "not below it"),
        ("vwserve/learner/binding.py", "if TYPE_CHECKING:\n    import vwserve.cli", "not below it"),
        ("vwserve/wire/lines.py", "from vwserve import load", "may not import __init__"),
        ("vwserve/wire/lines.py", "import vwserve", "may not import __init__"),
        ("vwserve/guard/limits.py", "import vwserve.durability.journal", "not below it"),
        ("vwserve/durability/journal.py", "import vwserve.guard", "not below it"),
        ("vwserve/wire/lines.py", "from vwserve.learner import grammar", "wire may not import learner"),
        ("vwserve/streams/clicks.py", "from vwserve.wire import lines", "streams may not import wire"),
        ("vwserve/model/servable.py", "from twisted.python import log", "without Twisted"),
        ("vwserve/wire/lines.py", "def f():\n    from twisted.internet import reactor", "handed the reactor"),
        ("vwserve/daemon/service.py", "from twisted.internet import reactor", "inside a function only"),
        ("vwserve/cli/serve.py", "class C:\n    import twisted.internet.reactor", "inside a function only"),
        ("vwserve/daemon/service.py", "from twisted.internet.reactor import run", "inside a function only"),
        ("vwserve/novelty/x.py", "", "no place in LAYERS"),
        ("vwserve/novelty.py", "", "no place in LAYERS"),
    ],
)
def test_refuses(path: str, source: str, text: str) -> None:
    (found,) = faults(PurePath(path), source)
    assert text in found


def test_says_where() -> None:
    (found,) = faults(PurePath("vwserve/guard/limits.py"), "import os\n\nimport vwserve.wire\n")
    assert found == "vwserve/guard/limits.py:3: guard may not import wire, which is not below it (vwserve.wire)"
