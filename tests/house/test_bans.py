"""What the house does not have: hidden clocks, stray prints, junk drawers, undocumented names, swallowed exceptions."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# Time is handed in, so that a test can hold it still.
CLOCKS = frozenset(
    {"time.time", "time.time_ns", "time.sleep"}
    | {f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")}
    | {"datetime.date.today"}
)
CLOCK_READERS = frozenset({"daemon", "client", "bench", "cli"})
PRINTERS = frozenset({"bench", "cli"})
JUNK_DRAWERS = frozenset({"utils", "helpers", "common", "manager"})
CATCH_ALLS = frozenset({"Exception", "BaseException"})

Fault = tuple[int, str]  # line, text
Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def layer_of(path: PurePath) -> str:
    """The layer of a module's file, `vwserve/<layer>.py` or `vwserve/<layer>/...`."""
    return path.with_suffix("").parts[1]


def dotted(node: ast.expr) -> str | None:
    """`a.b.c` for that expression, None for one that is not a plain chain of names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return None


def last_name(node: ast.expr) -> str:
    """`c` for the expression `a.b.c`."""
    return (dotted(node) or "").rpartition(".")[2]


def imported_names(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `from time import sleep as nap` gives nap -> time.sleep."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def hidden_clocks(path: PurePath, tree: ast.Module) -> Iterator[Fault]:
    """Clocks that are read, or named, instead of handed in."""
    if layer_of(path) in CLOCK_READERS:
        return
    names = imported_names(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name | ast.Attribute):
            continue
        first, dot, rest = (dotted(node) or "").partition(".")
        name = names.get(first, first) + dot + rest
        if name in CLOCKS:
            yield node.lineno, f"{name}: take a clock as an argument"


def prints(path: PurePath, tree: ast.Module) -> Iterator[Fault]:
    """Calls of print where nobody reads the terminal."""
    if layer_of(path) in PRINTERS:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) == "print":
            yield node.lineno, "print: only cli and bench talk to the terminal"


def junk_drawers(path: PurePath, tree: ast.Module) -> Iterator[Fault]:
    """Modules and packages whose name does not say what is in them."""
    for part in path.with_suffix("").parts:
        if part.strip("_") in JUNK_DRAWERS:
            yield 1, f"a module named {part}: name the idea it holds"


def public_definitions(owner: Definition) -> Iterator[Definition]:
    """The owner, and the public classes, functions and methods in it, also under `if` and `try`."""
    yield owner
    if isinstance(owner, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    pending: list[ast.AST] = [*owner.body]
    for node in pending:
        if not isinstance(node, Definition):
            pending += ast.iter_child_nodes(node)
        elif not is_private(node) and not is_repetition(node):
            yield from public_definitions(node)


def is_private(node: Definition) -> bool:
    """Whether the name says that it is not for others; what a `__dunder__` does is known from Python."""
    return not isinstance(node, ast.Module) and node.name.startswith("_")


def is_repetition(node: Definition) -> bool:
    """Whether the docstring stands elsewhere: at the getter, at the method overridden or overloaded."""
    if isinstance(node, ast.Module):
        return False
    names = set(map(last_name, node.decorator_list))
    return not names.isdisjoint({"setter", "deleter", "override", "overload"})


def undocumented(path: PurePath, tree: ast.Module) -> Iterator[Fault]:
    """Public modules, classes and functions without a docstring."""
    for node in public_definitions(tree):
        if not ast.get_docstring(node):
            name, line = ("the module", 1) if isinstance(node, ast.Module) else (node.name, node.lineno)
            yield line, f"{name} has no docstring"


def catches_all(kind: ast.expr | None) -> bool:
    """Whether an `except` of that kind takes whatever comes."""
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(each is None or dotted(each) in CATCH_ALLS for each in kinds)


def does_nothing(node: ast.stmt) -> bool:
    """Whether a statement is pass, continue, `...` or a string."""
    return isinstance(node, ast.Pass | ast.Continue) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def swallows(node: ast.ExceptHandler | ast.Call) -> bool:
    """Whether a handler, or `contextlib.suppress`, drops whatever comes."""
    if isinstance(node, ast.ExceptHandler):
        return catches_all(node.type) and all(map(does_nothing, node.body))
    return last_name(node.func) == "suppress" and any(map(catches_all, node.args))


def swallowed_exceptions(path: PurePath, tree: ast.Module) -> Iterator[Fault]:
    """Handlers that hide faults that nobody thought of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "a bare except: name what is expected"
        elif isinstance(node, ast.ExceptHandler | ast.Call) and swallows(node):
            yield node.lineno, "an exception swallowed: name what is expected, or report it"


BANS: tuple[Callable[[PurePath, ast.Module], Iterator[Fault]], ...] = (
    hidden_clocks,
    prints,
    junk_drawers,
    undocumented,
    swallowed_exceptions,
)


def faults(path: PurePath, source: str) -> list[str]:
    """What a module has that it should not, `path` being relative to the repository; one `file:line: text` each."""
    tree = ast.parse(source)
    return [f"{path}:{line}: {text}" for ban in BANS for line, text in ban(path, tree)]


def test_nothing_banned() -> None:
    modules = [path for folder in ("vwserve", "plugins") for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    assert modules
    found = [text for path in modules for text in faults(path.relative_to(REPOSITORY), path.read_text("utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("vwserve/cli/serve.py", "import time\ntime.sleep(1)\nprint(time.time())"),
        ("vwserve/daemon/service.py", "import time\nCLOCK = time.time"),
        ("vwserve/guard/load.py", "import time\nCLOCK = time.monotonic"),
        (
            "vwserve/guard/load.py",
            "def f(time, s):\n    '''F.'''\n    return s.time(), time.now(), s.clock.time.time()",
        ),
        ("vwserve/model/x.py", "def _f(): ...\nclass _C:\n    def g(self): ..."),
        (
            "vwserve/model/x.py",
            "class C:\n    '''C.'''\n    def __init__(self): ...\n    @f.setter\n    def f(self, v): ...",
        ),
        ("vwserve/model/x.py", "def f():\n    '''F.'''\n    def g(): ..."),
        ("vwserve/model/x.py", "try:\n    f()\nexcept KeyError:\n    pass"),
        ("vwserve/model/x.py", "try:\n    f()\nexcept Exception as error:\n    report(error)"),
        ("vwserve/model/x.py", "with suppress(FileNotFoundError):\n    f()"),
        ("vwserve/model/x.py", "f(print=1)\nlog.print()"),
    ],
)
def test_accepts(path: str, body: str) -> None:
    assert faults(PurePath(path), f"'''A module.'''\n{body}") == []


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("vwserve/guard/load.py", "import time\nnow = time.time()", ":3: time.time:"),
        ("vwserve/guard/load.py", "import time as t\nt.sleep(1)", ":3: time.sleep:"),
        ("vwserve/guard/load.py", "from time import sleep as nap\nnap(1)", ":3: time.sleep:"),
        ("vwserve/guard/load.py", "import time\ndef _f(clock=time.time): ...", ":3: time.time:"),
        ("vwserve/wire/x.py", "from datetime import datetime\ndatetime.now()", ":3: datetime.datetime.now:"),
        ("vwserve/wire/x.py", "import datetime as dt\ndt.datetime.utcnow()", ":3: datetime.datetime.utcnow:"),
        ("vwserve/daemon/x.py", "print(1)", ":2: print:"),
        ("vwserve/model/utils.py", "", ":1: a module named utils"),
        ("vwserve/common/x.py", "", ":1: a module named common"),
        ("vwserve/model/_helpers.py", "", ":1: a module named _helpers"),
        ("vwserve/model/x.py", "def f(): ...", ":2: f has no docstring"),
        ("vwserve/model/x.py", "async def f(): ...", ":2: f has no docstring"),
        ("vwserve/model/x.py", "class C: ...", ":2: C has no docstring"),
        ("vwserve/model/x.py", "class C:\n    '''C.'''\n    def g(self): ...", ":4: g has no docstring"),
        ("vwserve/model/x.py", "if True:\n    def f(): ...", ":3: f has no docstring"),
        ("vwserve/model/x.py", "try:\n    f()\nexcept:\n    raise", ":4: a bare except"),
        ("vwserve/model/x.py", "try:\n    f()\nexcept Exception:\n    pass", ":4: an exception swallowed"),
        (
            "vwserve/model/x.py",
            "for i in j:\n  try:\n    f()\n  except (OSError, BaseException):\n    continue",
            ":5: an",
        ),
        ("vwserve/model/x.py", "with contextlib.suppress(Exception):\n    f()", ":2: an exception swallowed"),
    ],
)
def test_refuses(path: str, body: str, text: str) -> None:
    (found,) = faults(PurePath(path), f"'''A module.'''\n{body}")
    assert found.startswith(path + text)


def test_refuses_a_module_without_docstring() -> None:
    assert faults(PurePath("vwserve/model/x.py"), "import os") == ["vwserve/model/x.py:1: the module has no docstring"]
