"""Batches: the features of a namespace, numbers as a matrix, and lines with what was added."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vwserve.transforms import Batch, NumberReader

NAMES = st.sampled_from([b"a", b"b", b"age", b"x1"])
VALUES = st.sampled_from([b"1", b"-2.5", b"1e3", b".5", b"0", b"-0", b"inf", b"nan", b"berlin", b"", b"1_0"])
FEATURES = st.tuples(NAMES, st.none() | VALUES).map(lambda pair: pair[0] if pair[1] is None else b"%s:%s" % pair)
GAPS = st.sampled_from([b" ", b"  ", b"\t"])
SECTIONS = st.lists(st.tuples(FEATURES, GAPS)).map(lambda pairs: b"".join(feature + gap for feature, gap in pairs))


@pytest.mark.parametrize(
    ("line", "features"),
    [
        (b"|n a b", b"a b"),
        (b"1 2 't |n a:1 |m x", b"a:1 "),
        (b"|m x |n a", b"a"),
        (b"|m x", b""),
        (b"|nn a", b""),
        (b"|n", b""),
        (b"|n |m x", b""),
        (b"|n:2 a", b"a"),
        (b"|n\ta\tb", b"a b"),
        (b"|n a |n b", b"a  b"),
        (b"|n a |m x |n b", b"a  b"),
        (b"|m n a", b""),
        (b"garbage", b""),
        (b"", b""),
    ],
)
def test_features_of_a_namespace(line: bytes, features: bytes) -> None:
    (found,) = Batch([line]).features("n")
    assert found.split() == features.split()


def test_what_was_added_stands_with_what_was_there() -> None:
    batch = Batch([b"|n a", b"|m b", b"|n c"]).with_added([{"n": [b"x", b"y", b""]}, {"k": [b"", b"z", b""]}])
    assert [text.split() for text in batch.features("n")] == [[b"a", b"x"], [b"y"], [b"c"]]
    assert [text.split() for text in batch.features("m")] == [[], [b"b"], []]
    assert batch.text() == b"|n a |n x\n|m b |n y |k z\n|n c\n"


def test_adding_changes_no_other_batch() -> None:
    batch = Batch([b"|n a:1"])
    reader = NumberReader(["a", "b"])
    more = batch.with_added([{"n": [b"b:2"]}])
    np.testing.assert_array_equal(batch.numbers("n", reader), [[1.0, np.nan]])
    assert more.numbers("n", reader).tolist() == [[1.0, 2.0]]
    assert batch.text() == b"|n a:1\n"


def test_nothing_is_added_to_what_is_no_example() -> None:
    assert Batch([b"5", b"5 |"]).with_added([{"k": [b"x", b"y"]}]).text() == b"5\n5 | |k y\n"
    assert Batch([b"5 |"]).with_added([{"k": [b"x"]}, {"m": [b""]}]).text() == b"5 | |k x\n"
    assert Batch([]).with_added([{"k": []}]).text() == b""


def test_a_namespace_is_read_once_for_all_that_ask() -> None:
    batch = Batch([b"|n a:1"] * 5)
    more = batch.with_added([{"k": [b"x"] * 5}])
    assert more.numbers("n", NumberReader(["a"])) is batch.numbers("n", NumberReader(["a"]))
    assert more.rows("n", NumberReader(["a"])) == ((1.0,),) * 5
    assert more.features("n") is batch.features("n")
    few = Batch([b"|n a:1"])
    more = few.with_added([{"k": [b"x"]}])
    assert more.rows("n", NumberReader(["a"])) is few.rows("n", NumberReader(["a"]))
    assert few.with_added([{"n": [b"a:2"]}]).rows("n", NumberReader(["a"])) == ((2.0,),)


def test_numbers_are_not_to_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Batch([b"|n a:1"]).numbers("n", NumberReader(["a"]))[0, 0] = 2.0


def test_a_transform_cannot_change_what_others_get() -> None:
    lines = [b"|n a:1", b"|n a:2"] * 3
    for batch in (Batch(lines), Batch(lines[:1]), Batch(lines).with_added([{"n": [b"b"] * 6}])):
        rows = batch.rows("n", NumberReader(["a"]))
        for shared in (batch.lines, batch.features("n"), rows, *rows):
            with pytest.raises(TypeError):
                shared[0] = b""  # type: ignore[index]  # which is why
        with pytest.raises(AttributeError):
            batch.lines = ()  # type: ignore[misc]  # which is why
    batch = Batch(lines)
    lines.pop()
    assert len(batch) == 6


# The first two have as many words as colons, but not a colon for each word; in each of the others all is balanced but
# for where the words end.
UNBALANCED = [
    [b"a:1:2", b"7", b"a:3", b"a:4"],
    [b"7 a:1:2", b"a:3", b"b:1", b"a:4"],
    [b"a: 5 b:1", b"a:1", b"a:1", b"a:1"],
    [b"a:1 b :2", b"a:1", b"a:1", b"a:1"],
    [b"a:\x0b5", b"a:1", b"a:1", b"a:1"],
    [b"a:", b"5", b"a:1", b"b:2"],
    [b"a", b":5", b"a:1", b"b:2"],
    [b":1 a", b"a:1", b"b:3", b"b:2"],
    [b"7", b"7", b"a:1", b"b:2"],
    [b"a::1 b", b"a:1", b"b:3", b"b:2"],
]


@pytest.mark.parametrize("texts", UNBALANCED)
def test_a_refused_line_changes_no_number_of_those_beside_it(texts: list[bytes]) -> None:
    reader = NumberReader(["a", "b", "7"])
    lines = [b"|n " + text for text in texts]
    together = Batch(lines).numbers("n", reader)
    np.testing.assert_array_equal(together, np.concatenate([Batch([line]).numbers("n", reader) for line in lines]))


@pytest.mark.parametrize(
    ("section", "row"),
    [
        (b"a:1 b:-2.5e1", [1.0, -25.0]),
        (b"b:2", [np.nan, 2.0]),
        (b"a b:2", [1.0, 2.0]),
        (b"a:1 a:3", [3.0, np.nan]),
        (b"a:berlin b:nan", [np.nan, np.nan]),
        (b"a:inf b:-1e999", [np.nan, np.nan]),
        (b"a: 5 b:1", [np.nan, 1.0]),
        (b"c:7", [np.nan, np.nan]),
        (b"a:+1 b:.5", [1.0, 0.5]),
        (b"a:007 b:-0", [7.0, -0.0]),
        (b"a:true b:null", [np.nan, np.nan]),
        (b"a:1,2 b:1e", [np.nan, np.nan]),
        (b'a:"1" b:[2]', [np.nan, np.nan]),
        (b"a:%s b:1" % (b"9" * 400), [np.nan, 1.0]),
    ],
)
def test_reads_numbers(section: bytes, row: list[float]) -> None:
    reader = NumberReader(["a", "b"])
    assert reader.read([section]).tolist() == [pytest.approx(row, nan_ok=True)]
    assert reader.read([section] * 8).tolist() == [pytest.approx(row, nan_ok=True)] * 8


PIECES = st.sampled_from([b"a:1", b"b:2", b"a", b"b", b"7", b"a:1:2", b"a:", b":1", b":", b"::", b"a:x", b"1:a"])
BLANKS = st.sampled_from([b" ", b" ", b" ", b"\t", b"\x0b", b"\r"])
ROUGH = st.lists(st.tuples(PIECES, BLANKS), max_size=4).map(lambda pairs: b"".join(map(b"".join, pairs)))
HEADS = st.sampled_from([b"|n ", b"|n ", b"|n ", b"1 2 't|n ", b"", b"|", b"|m x |n ", b"|n a:9 |n "])
LINES = st.lists(st.tuples(HEADS, ROUGH).map(b"".join), min_size=4, max_size=8)


@given(LINES)
@settings(max_examples=500)
def test_numbers_of_many_lines_are_those_of_each_alone_though_some_are_no_examples(lines: list[bytes]) -> None:
    reader = NumberReader(["a", "b", "7", "1"])
    alone = np.concatenate([Batch([line]).numbers("n", reader) for line in lines])
    np.testing.assert_array_equal(Batch(lines).numbers("n", reader), alone)


@given(st.lists(SECTIONS, max_size=12))
def test_many_texts_read_as_each_by_itself(sections: list[bytes]) -> None:
    reader = NumberReader(["a", "b", "age"])
    alone = np.concatenate([reader.read([text]) for text in sections]) if sections else np.empty((0, 3))
    batch = Batch([b"|n " + text for text in sections])
    np.testing.assert_array_equal(batch.numbers("n", reader), alone)
    np.testing.assert_array_equal(np.array(batch.rows("n", reader)).reshape(alone.shape), alone)
