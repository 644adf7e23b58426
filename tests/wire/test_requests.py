"""What a line asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.errors import RequestError
from vwserve.wire.requests import (
    Batch,
    Save,
    opens_batch,
    parse_address,
    parse_batch,
    parse_save,
    shown_name,
)


@pytest.mark.parametrize(
    ("line", "names", "rest"),
    [
        (b"@ctr |u a", ("ctr",), b"|u a"),
        (b"@ctr,cvr 1 |u a", ("ctr", "cvr"), b"1 |u a"),
        (b"@ctr   |u a", ("ctr",), b"|u a"),
        (b"@ctr", ("ctr",), b""),
        (b"@ctr|u a", ("ctr|u",), b"a"),
        (b"@ctr \xef\xbb\xbf'x |u", ("ctr",), b"'x |u"),
        (b"@n\xff\0 |u", ("n\ufffd\0",), b"|u"),
    ],
)
def test_reads_addresses(line: bytes, names: tuple[str, ...], rest: bytes) -> None:
    request = parse_address(line)
    assert (request.models, request.rest, request.error) == (names, rest, None)


@pytest.mark.parametrize("line", [b"@", b"@ |u a", b"@, |u", b"@ctr, |u a", b"@,ctr |u a"])
def test_an_empty_name_is_an_error(line: bytes) -> None:
    error = parse_address(line).error
    assert error is not None
    assert str(error) == "bad-request an address is @NAME or @NAME,NAME, then a space and the example"


def test_a_name_given_twice_is_an_error_that_names_it() -> None:
    error = parse_address(b"@ctr,cvr,cvr |u a").error
    assert str(error) == "bad-request the address names 'cvr' more than once"


@pytest.mark.parametrize("rest", [b"batch", b"batch |u a", b"batch\t|u", b"batch x"])
def test_the_word_batch_opens_a_batch(rest: bytes) -> None:
    assert opens_batch(rest)


@pytest.mark.parametrize("rest", [b"", b"batch|u a", b"batches |u a", b"1 batch |u", b"Batch |u"])
def test_anything_else_opens_none(rest: bytes) -> None:
    assert not opens_batch(rest)


@pytest.mark.parametrize(
    ("rest", "batch"),
    [
        (b"batch", Batch(b"", b"")),
        (b"batch ", Batch(b"", b"")),
        (b"batch |u u1 age:33 |c h12", Batch(b"", b"|u u1 age:33 |c h12")),
        (b"batch 'req7", Batch(b"req7", b"")),
        (b"batch 'req7 |u a", Batch(b"req7", b"|u a")),
        (b"batch 'req7|u a", Batch(b"req7", b"|u a")),
        (b"batch\t|u a", Batch(b"", b"|u a")),
    ],
)
def test_reads_what_opens_a_batch(rest: bytes, batch: Batch) -> None:
    assert parse_batch(rest) == batch


@pytest.mark.parametrize("rest", [b"batch 1 |u a", b"batch u a", b"batch 'a b |u"])
def test_a_batch_opens_with_features_only(rest: bytes) -> None:
    with pytest.raises(RequestError, match="after 'batch' come features"):
        parse_batch(rest)


@pytest.mark.parametrize(
    ("line", "save"),
    [
        (b"save", Save("")),
        (b"save ", Save("")),
        (b"'save", Save("")),
        (b"save_model.vw", Save("model.vw")),
        (b"save_/srv/models/a.vw", Save("/srv/models/a.vw")),
        (b"'save_x", Save("x")),
    ],
)
def test_reads_save_commands(line: bytes, save: Save) -> None:
    assert parse_save(line) == save


@pytest.mark.parametrize(
    "line", [b"save|f a", b"save |f a", b"save_a |f a", b"save_a|f a", b"save_a b", b"saved", b"1 save", b"", b"save_"]
)
def test_an_example_is_no_save_command(line: bytes) -> None:
    assert parse_save(line) is None


@given(st.text())
def test_a_name_is_shown_on_one_short_line(name: str) -> None:
    text = shown_name(name)
    assert len(text.splitlines()) == 1
    assert len(text) <= 80 * 10 + 2
