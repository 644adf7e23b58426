"""Readers: typed values, the nearest key for an unknown one, and all of a file's problems at once, in its order."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.configuration import Node, load
from vwserve.configuration.schema import (
    Choice,
    Duration,
    Integer,
    Items,
    Number,
    Reader,
    Record,
    Size,
    Switch,
    Table,
    Variants,
    Word,
    flag,
    keys,
    known_names,
    path,
    text,
)
from vwserve.errors import ConfigurationError


def plain(values: dict[str, Any], _: Node) -> dict[str, Any]:
    return values


SHAPE = Variants(
    "kind",
    {
        "circle": Record({"kind": text, "radius": Number(0.0, 10.0)}, plain, required=("radius",)),
        "square": Record({"kind": text, "side": Integer(1, 9)}, plain, required=("side",)),
    },
)
FILE = Record(
    {
        "name": text,
        "keep": flag,
        "size": Size(10, 1 << 20),
        "every": Duration(1.0, 60.0),
        "sync": Choice(("always", "os")),
        "word": Word(re.compile("[a-z]+"), "a word of small letters"),
        "share": Number(0.0, 1.0, within=True),
        "shapes": Items(SHAPE, example="[{kind: circle, radius: 1}]"),
        "folder": path,
        "lamp": Switch(Record({"watts": Integer(1, 100)}, plain)),
        "mixture": Table(
            Word(re.compile("[a-z]+"), "a word of small letters"), Number(0.0, 9.0, within=True), "{a: 1}"
        ),
    },
    plain,
)


def read(tmp_path: Path, content: str, reader: Reader[Any] = FILE) -> Any:
    file = tmp_path / "x.yaml"
    file.write_text(content, encoding="utf-8")
    return reader(load(file))


def problems(tmp_path: Path, content: str) -> list[str]:
    """What is wrong, each without the folder."""
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, content)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_reads_typed_values(tmp_path: Path) -> None:
    content = """
name: a b
keep: off
size: 64KiB
every: 30s
sync: os
word: abc
share: 0.5
shapes:
  - {kind: circle, radius: 1.5}
  - {kind: square, side: 2}
folder: sub/folder
"""
    assert read(tmp_path, content) == {
        "name": "a b",
        "keep": False,
        "size": 65_536,
        "every": 30.0,
        "sync": "os",
        "word": "abc",
        "share": 0.5,
        "shapes": ({"kind": "circle", "radius": 1.5}, {"kind": "square", "side": 2}),
        "folder": tmp_path / "sub" / "folder",
    }


def test_a_value_in_quotes_is_read_like_one_without(tmp_path: Path) -> None:
    assert read(tmp_path, "size: '64KiB'\nevery: '2s'\nshare: '0.5'\n") == {"size": 65_536, "every": 2.0, "share": 0.5}


@pytest.mark.parametrize(
    ("written", "value"), [("{watts: 5}", {"watts": 5}), ("true", {}), ("on", {}), ("false", None), ("no", None)]
)
def test_a_switch_is_on_with_keys_or_without_or_off(tmp_path: Path, written: str, value: object) -> None:
    assert read(tmp_path, f"lamp: {written}\n") == {"lamp": value}


def test_a_switch_that_is_on_lacks_what_its_keys_must_say(tmp_path: Path) -> None:
    lamp = Switch(Record({"watts": Integer(1, 100)}, plain, required=("watts",)))
    with pytest.raises(ConfigurationError, match=r"x\.yaml:1: lamp\.watts: is missing"):
        read(tmp_path, "lamp: true\n", Record({"lamp": lamp}, plain))


def test_a_table_has_names_of_the_users_choice_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "mixture: {z: 1, on: 2.5}\n") == {"mixture": (("z", 1.0), ("on", 2.5))}
    assert problems(tmp_path, "mixture:\n  a: 0\n  b: 1\n  b: 2\n  C: x\n") == [
        "x.yaml:2: mixture.a: 0 is not between 0 and 9",
        "x.yaml:4: mixture.b: a second time; the first is in line 3: remove one",
        "x.yaml:5: mixture.C: 'C' is not a word of small letters",
    ]


def test_tells_all_that_is_wrong_in_the_order_of_the_file(tmp_path: Path) -> None:
    content = """nam: x
keep: 1
size: 2
shapes:
  - {kind: circle}
  - {kind: hahs}
  - {kind: square, side: 0, radius: 2}
every: 5:30
every: 2s
"""
    assert problems(tmp_path, content) == [
        "x.yaml:1: nam: unknown key; did you mean 'name'?",
        "x.yaml:2: keep: expects true or false, not '1'",
        "x.yaml:3: size: 2 is not from 10 to 1MiB",
        "x.yaml:5: shapes[0].radius: is missing; add it",
        "x.yaml:6: shapes[1].kind: unknown 'hahs'; known: circle, square",
        "x.yaml:7: shapes[2].side: 0 is not in 1..9",
        "x.yaml:7: shapes[2].radius: unknown key; known: kind, side",
        "x.yaml:8: every: '5:30' is not a duration; it is written like 500ms 30s 5m 1h 7d",
        "x.yaml:9: every: a second time; the first is in line 8: remove one",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("name: 22", "name: expects a text, and '22' is a number in YAML; put it in quotes if it is meant as text"),
        (
            "name: no",
            "name: expects a text, and 'no' is true or false in YAML; put it in quotes if it is meant as text",
        ),
        ("name: ''", "name: is empty; give it a value, or remove the key for the default"),
        ("name:", "name: has no value; give it one, or remove the key for the default"),
        ("name: ~", "name: has no value; give it one, or remove the key for the default"),
        ("name: [a]", "name: expects a text, not a list"),
        ("name: {a: b}", "name: expects a text, not keys with values"),
        ("name: a\u00a0b", "name: has a character that cannot stand here: '\\xa0'"),
        ('name: "a\\0b"', "name: has a character that cannot stand here: '\\x00'"),
        ("keep: 'yes'", "keep: expects true or false without quotes, not 'yes'"),
        ("keep: y", "keep: expects true or false without quotes, not 'y'"),
        ("size: 1e6", "size: '1e6' is not a size; it is written like 1000 100k 64KiB 1MiB"),
        ("size: 017x", "size: unknown unit 'x' in '017x'; known: k, M, G, B, kB, MB, GB, KiB, MiB, GiB"),
        ("size: []", "size: expects a size like 64KiB, not a list"),
        ("every: 30", "every: '30' has no unit: write 30s for seconds; units are ms s m h d"),
        ("every: 2h", "every: 2h is not from 1s to 1m"),
        ("every: {s: 1}", "every: expects a duration like 30s, not keys with values"),
        ("sync: alway", "sync: unknown 'alway'; known: always, os"),
        ("word: Abc", "word: 'Abc' is not a word of small letters"),
        ("share: 1", "share: 1 is not between 0 and 1"),
        ("share: .inf", "share: expects a number between 0 and 1, not '.inf'"),
        ("share: .nan", "share: expects a number between 0 and 1, not '.nan'"),
        ("lamp: 5", "lamp: expects keys with values (watts), true or false, not '5'"),
        ("lamp: 'off'", "lamp: expects keys with values (watts), true or false, not 'off'"),
        ("lamp: {wats: 5}", "lamp.wats: unknown key; did you mean 'watts'?"),
        ("lamp: {watts: 0}", "lamp.watts: 0 is not in 1..100"),
        ("mixture: []", "mixture: expects names with values, like {a: 1}, not a list"),
        ("mixture: {}", "mixture: expects names with values, like {a: 1}, not keys with values"),
        ("mixture: {b: 2, A: 1}", "mixture.A: 'A' is not a word of small letters"),
        ("mixture: {b: 0}", "mixture.b: 0 is not between 0 and 9"),
        ("mixture: {b: }", "mixture.b: has no value; give it one, or remove the key"),
        ("mixture: {'': 2}", "mixture.: is empty; give it a value, or remove the key for the default"),
        ("shapes: {kind: circle}", "shapes: expects a list, like [{kind: circle, radius: 1}], not keys with values"),
        ("shapes: []", "shapes: expects a list of at least 1; it has 0"),
        ("shapes: [~]", "shapes[0]: has no value; give it one, or remove the item"),
        ("shapes: [circle]", "shapes[0]: expects keys with values, 'kind' among them, not 'circle'"),
        ("shapes: [{radius: 1}]", "shapes[0]: the key 'kind' is missing; one of circle, square"),
        ("shapes: [{kind: square, side: 007}]", "shapes[0].side: expects a whole number in 1..9, not '007'"),
        ("shapes: [{kind: square, side: 1.0}]", "shapes[0].side: expects a whole number in 1..9, not '1.0'"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_expected(tmp_path: Path, content: str, problem: str) -> None:
    assert problems(tmp_path, content) == [f"x.yaml:1: {problem}"]


def test_a_key_unlike_any_is_answered_by_all_there_are() -> None:
    assert known_names("zzz", ("name", "keep")) == "known: name, keep"
    assert known_names("nmae", ("name", "keep")) == "did you mean 'name'?"
    assert known_names("x", ()) == "known: none"


def test_lists_every_key_it_knows() -> None:
    assert [key for key in keys(FILE) if key.startswith(("s", "l"))] == [
        "size",
        "sync",
        "share",
        "shapes",
        "shapes[].kind",
        "shapes[].radius",
        "shapes[].side",
        "lamp",
        "lamp.watts",
    ]


@given(st.text(max_size=30))
def test_any_scalar_is_read_or_refused_at_its_key(written: str) -> None:
    for name, reader in FILE.fields.items():
        for kind in ("text", "number", "flag"):
            try:
                reader(Node(Path("x.yaml"), 7, name, kind, written))
            except ConfigurationError as error:
                assert all(str(problem).startswith(f"x.yaml:7: {name}") for problem in error.problems)
                assert "\n" not in str(error)
