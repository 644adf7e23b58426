"""YAML files: every value knows its line and its key, and what cannot be read is refused at its line."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vwserve.configuration import Node, load
from vwserve.configuration.document import DEEPEST, LARGEST_BYTES
from vwserve.errors import ConfigurationError, Problem

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and returns its path."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "x.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def refused(path: Path) -> Problem:
    """The one problem that a file is refused for."""
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert problem.place.file == path
    return problem


def walk(node: Node) -> Iterator[tuple[str, int, str, str]]:
    """Key, line, kind and text of a node and all in it."""
    yield node.key, node.line, node.kind, node.text
    for _, value in node.entries:
        yield from walk(value)
    for item in node.items:
        yield from walk(item)


def test_every_value_knows_its_line_and_its_dotted_key(write: Write) -> None:
    path = write("# a comment\na: 1\nb:\n  c: x\n  d:\n    - y\n    - {e: yes}\nf: >\n  several\n  lines\ng:\n")
    assert list(walk(load(path))) == [
        ("", 1, "mapping", ""),
        ("a", 2, "number", "1"),
        ("b", 3, "mapping", ""),
        ("b.c", 4, "text", "x"),
        ("b.d", 5, "list", ""),
        ("b.d[0]", 6, "text", "y"),
        ("b.d[1]", 7, "mapping", ""),
        ("b.d[1].e", 7, "flag", "yes"),
        ("f", 8, "text", "several lines\n"),
        ("g", 11, "nothing", ""),
    ]


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("22", "number"),
        ("017", "number"),
        ("5:30", "number"),
        ("1.5", "number"),
        (".inf", "number"),
        ("on", "flag"),
        ("No", "flag"),
        ("~", "nothing"),
        ("null", "nothing"),
        ("1e6", "text"),
        ("y", "text"),
        ("2024-01-01", "text"),
        ("tcp:26542:interface=127.0.0.1", "text"),
    ],
)
def test_scalars_keep_the_text_that_was_written(write: Write, written: str, kind: str) -> None:
    ((_, node),) = load(write(f"key: {written}\n")).entries
    assert (node.kind, node.text) == (kind, written)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_what_is_in_quotes_is_text(write: Write, quote: str) -> None:
    ((_, node),) = load(write(f"key: {quote}22{quote}\n")).entries
    assert (node.kind, node.text) == ("text", "22")


@pytest.mark.parametrize(
    "content", ["", "\n\n", "# only a comment\n", "---\n", "~", b"\xef\xbb\xbf# a byte order mark\n"]
)
def test_a_file_without_keys_is_an_empty_mapping(write: Write, content: str | bytes) -> None:
    node = load(write(content))
    assert (node.kind, node.entries) == ("mapping", ())


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("a: 1\n\tb: 2\n", 2, "a tab; YAML is indented with spaces"),
        ("a: 1\nb: c: d\n", 2, "put the value in quotes"),
        ("a: 1\nb: [1, 2\n", 3, "not YAML"),
        ("a: 'x\n", 2, "not YAML"),
        ("just words\n", 1, "lines of `key: value`, not 'just words'"),
        ("- a\n- b\n", 1, "lines of `key: value`, not a list"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("a: 1\nb: &x [1]\nc: *x\n", 3, "alias *x is not supported; write the value again"),
        ("a: &x [*x]\n", 1, "alias *x is not supported"),
        ("a: 1\n<<: {b: 2}\n", 2, "merge key << is not supported"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "YAML tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("a: !mine {b: 1}\n", 1, "YAML tag '!mine' is not supported"),
        ("a: !!set {b}\n", 1, "YAML tag 'tag:yaml.org,2002:set'"),
        ("a: !!str {b: 1}\n", 1, "YAML tag 'tag:yaml.org,2002:str'"),
        ("a: 1\n? [b]\n: 2\n", 2, "a key must be one word"),
        ("a: 1\nb: \x01\n", 2, "the character '\\x01' cannot stand in YAML"),
        (b"a: 1\nb: caf\xe9\n", 2, "not UTF-8: byte 0xe9"),
        ("a: 1\n".encode("utf-16"), 1, "not UTF-8"),
        ('a: 1\nb: "\\UFFFFFFFF"\n', 2, "not YAML"),
        ("%YAML 1." + "9" * 5000 + "\n---\na: 1\n", 1, "not YAML"),
        ("a: " + "[" * 10_000, 1, f"nested deeper than {DEEPEST} levels"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_at_its_line(
    write: Write, content: str | bytes, line: int, words: str
) -> None:
    problem = refused(write(content))
    assert problem.place.line == line
    assert words in problem.text


def test_an_alias_bomb_is_refused_before_it_grows(write: Write) -> None:
    levels = "".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 9)}]\n" for i in range(1, 30))
    assert refused(write("k0: &k0 x\n" + levels)).place.line == 2


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    problem = refused(tmp_path / "missing.yaml")
    assert str(problem) == f"{tmp_path / 'missing.yaml'}: cannot read it: No such file or directory"


def test_a_folder_and_a_pipe_are_refused_without_reading(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path, tmp_path / "pipe.yaml"):
        assert refused(path).text == "cannot read it: not a regular file"


def test_a_file_too_large_is_refused(write: Write) -> None:
    assert "larger than a configuration may be" in refused(write("# " + "x" * LARGEST_BYTES)).text


def test_a_strange_key_is_shown_on_one_line(write: Write) -> None:
    (name, node), *_ = load(write('"a\\nb": 1\n')).entries
    assert name == "a\nb"
    assert node.key == "'a\\nb'"
