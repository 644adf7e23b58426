"""JSON with a checksum: what was written is read again, and what was changed is noticed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.durability.checked import from_text, to_text

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
contents = st.dictionaries(st.text().filter(lambda key: key not in ("checksum", "format")), values, max_size=4)
TEXT = to_text({"format": 1, "a": [1, None, "ü"], "b": {"c": 0.1}})


@given(contents)
def test_what_is_written_is_read_again(content: dict[str, Any]) -> None:
    assert from_text(to_text({"format": 3, **content}), 3) == {"format": 3, **content}


@given(st.integers(0, len(TEXT) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_means_the_same(place: int, flip: int) -> None:
    text = bytearray(TEXT)
    text[place] ^= flip
    try:
        content = from_text(bytes(text), 1)
    except ValueError:
        return
    assert content == from_text(TEXT, 1)  # a space became another


@given(st.integers(0, len(TEXT) - 2))
def test_a_text_that_was_cut_short_is_noticed(size: int) -> None:
    if TEXT[:size].rstrip() != TEXT.rstrip():  # but for the newline at the end
        with pytest.raises(ValueError):
            from_text(TEXT[:size], 1)


def test_a_person_finds_a_key_on_each_line() -> None:
    assert TEXT.decode().splitlines()[:3] == ["{", ' "format": 1,', ' "a": [1, null, "\\u00fc"],']
    assert TEXT.endswith(b'"\n}\n')


def test_a_person_may_lay_it_out_otherwise() -> None:
    assert from_text(json.dumps(json.loads(TEXT), indent=8, sort_keys=True).encode(), 1) == from_text(TEXT, 1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"[1]", "no checksum"),
        (b"null", "no checksum"),
        (b'{"format": 1}', "no checksum"),
        (b'{"format": 1, "checksum": "0"}', "checksum is wrong"),
        (b'{"format": 1, "checksum": null}', "checksum is wrong"),
        (b'{"format": NaN, "checksum": "0"}', "not JSON compliant"),
        (b"", "Expecting value"),
        (b"{\xff", "codec"),
        (bytes(300), "Expecting value|decode"),
    ],
)
def test_what_is_no_such_file_is_refused(text: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        from_text(text, 1)


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="is of format 1, which this version does not read"):
        from_text(TEXT, 2)
