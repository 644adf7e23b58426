"""Crosses: of namespaces by VW, of single features by the plugin."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vwserve_crosses.crosses import Crosses, Options

import vwserve
from vwserve.errors import ConfigurationError
from vwserve.model.servable import Servable
from vwserve.testing import check_transform
from vwserve.transforms import Batch

BOTH = Options(features=(("u^age", "a^ad"), ("u^age", "u^city", "a^pos")))


def crossed(line: bytes, options: Options = BOTH) -> bytes:
    """What a line gets."""
    (text,) = Crosses(options, {}).apply(Batch([line]))["x"]
    return text


def load(folder: Path, text: str) -> Servable:
    """The model of a drop."""
    (folder / "m.yaml").write_text(text)
    return vwserve.load(folder / "m.yaml")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"|u age:33 |a ad:2", b"age^ad:66"),
        (b"|u age:33 |a ad", b"age^ad:33"),
        (b"|u age |a ad", b"age^ad"),
        (b"|u age:0.5 |a ad:2", b"age^ad"),
        (b"|u age:33", b""),
        (b"|u age:33 city:berlin |a pos:2", b"age^city=berlin^pos:66"),
        (b"|u age:1e-300 |a ad:1e-300", b"age^ad:0"),
        (b"|u age:2 age:3 |a ad:5", b"age^ad:15"),
        (b"|u age:2 age |a ad:5", b"age^ad:5"),
        (b"|u age age:2 |a ad:5", b"age^ad:10"),
        (b"|u average:7 age:2\tage2:9 |a bad:3 ad:5", b"age^ad:10"),
        (b"|u age2:9 average |a ad:5", b""),
        (b"|u age:2: |a ad:5", b"age=2:^ad:5"),
        (b"|k age:33 |a ad:2", b""),
        (b"|u:2 age:3 |a:3 ad:2", b"age^ad:6"),
    ],
)
def test_crosses_single_features(line: bytes, text: bytes) -> None:
    assert crossed(line) == text


@given(st.floats(2.0**-60, 2.0**60, width=32))
def test_a_product_keeps_all_that_single_precision_has(value: float) -> None:
    assert struct.pack("f", float(crossed(b"|u age:%.9g |a ad" % value).partition(b":")[2] or 1.0)) == struct.pack(
        "f", value
    )


@pytest.mark.parametrize("value", [b"0.123456791", b"16777215", b"1.00000012", b"0.999999940"])
def test_numbers_that_differ_in_the_last_bit_stay_different(value: bytes) -> None:
    assert crossed(b"|u age:%s |a ad" % value) == b"age^ad:" + value.rstrip(b"0")


def test_keeps_the_promises_of_a_transform() -> None:
    lines = [b"|u age:%d city:c%d |a ad pos:%d" % (number, number % 3, number % 5) for number in range(40)]
    check_transform(Crosses, BOTH, lines)


def test_namespaces_are_crossed_by_vw_itself(tmp_path: Path) -> None:
    lines = [f"{1 - 2 * (number % 2)} |u u{number % 5} |a a{number % 7} |m m{number % 3}" for number in range(200)]
    crossed_ = load(tmp_path, "vw: -b 12\ntransforms: [{kind: crosses, namespaces: [ua, 'm:', uam]}]\n")
    plain = load(tmp_path, "vw: '-b 12 --interactions ua --interactions m: --interactions uam'\n")
    assert crossed_.learn(lines) == plain.learn(lines)


def test_crosses_may_name_what_other_transforms_add(tmp_path: Path) -> None:
    text = """vw: -b 12
transforms: [{kind: crosses, features: [[u^age, a^ad]]}, {kind: crosses, namespaces: [xu], output: y}]
"""
    model = load(tmp_path, text)
    plain = load(tmp_path, "vw: -b 12 --interactions xu\n")
    raw = [f"1 |u age:{number} |a ad" for number in range(2, 50)]
    whole = [f"1 |u age:{number} |a ad |x age^ad:{number}" for number in range(2, 50)]
    assert model.learn(raw) == plain.learn(whole)


@pytest.mark.parametrize(
    ("drop", "said"),
    [
        (
            "vw: -q ua\ntransforms: [{kind: crosses, namespaces: [au]}]",
            r"m\.yaml:1: vw: the transforms cross 'au', and so",
        ),
        (
            "vw: --cubic=abc\ntransforms: [{kind: crosses, namespaces: [cab]}]",
            r"m\.yaml:1: vw: the transforms cross 'cab'",
        ),
        ("vw: -b 9\ntransforms: [{kind: crosses}]", r"m\.yaml:2: transforms\[0\]: crosses nothing"),
        ("vw: -b 9\ntransforms: [{kind: crosses, namespaces: [ua, ua]}]", "the same cross stands there twice"),
        ("vw: -b 9\ntransforms: [{kind: crosses, namespaces: [ua, au]}]", "the same cross stands there twice"),
        (
            "vw: -b 9\ntransforms: [{kind: crosses, features: [[u^a, v^b], [v^b, u^a]]}]",
            "features: the same cross stands there twice",
        ),
        (
            "vw: -b 9\ntransforms: [{kind: crosses, features: [[u^a, u^a]]}]",
            r"features: \[u\^a, u\^a\] crosses a feature with itself; name it once",
        ),
        (
            "vw: -b 9\ntransforms: [{kind: crosses, namespaces: [ua]}, {kind: crosses, namespaces: [au]}]",
            "vw: the transforms cross 'au' twice, in whatever order",
        ),
        (
            "vw: -b 9\ntransforms: [{kind: crosses, namespaces: [ua, au]}]",
            "namespaces: the same cross stands there twice",
        ),
        (
            "vw: -b 9\ntransforms: [{kind: crosses, features: [[u^a, v^b], [v^b, u^a]]}]",
            "features: the same cross stands there twice",
        ),
        (
            "vw: -b 9\ntransforms: [{kind: crosses, features: [[u^a, u^a]]}]",
            r"features: \[u\^a, u\^a\] crosses a feature with itself",
        ),
        (
            "vw: -b 9\ntransforms: [{kind: crosses, namespaces: [u]}]",
            r"transforms\[0\]\.namespaces\[0\]: 'u' is not a cross",
        ),
        (
            "vw: -b 9\ntransforms: [{kind: crosses, features: [[age, a^ad]]}]",
            r"features\[0\]\[0\]: 'age' is not a feature",
        ),
        ("vw: -b 9\ntransforms: [{kind: crosses, features: [[u^age]]}]", "a list of at least 2"),
        (
            "vw: -b 9\ntransforms: [{kind: crosses, features: [[x^a, u^b]]}]",
            "reads the namespace 'x' that it writes itself",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_line(tmp_path: Path, drop: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(tmp_path, drop + "\n")
