"""The description of a snapshot: written and read again it is the same, and what was changed is noticed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.durability.test_stretches import closed
from vwserve.durability.provenance import Provenance
from vwserve.durability.snapshot import FORMAT, Moment, Snapshot
from vwserve.durability.stretches import Stretches
from vwserve.learner import Standing
from vwserve.model.progress import Pairs
from vwserve.model.state import Counts, State
from vwserve.transforms.stated import Fingerprint

whole = st.integers(0, 2**62)
real = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(max_size=20)
sparse = st.lists(st.integers(0, 8191), max_size=6).filter(lambda each: len(each) % 2 == 0).map(tuple)

PROVENANCE = Provenance("ctr", "-b 10 --oaa 3", (Fingerprint("mdl", "1", "{}", "ab"),), "drop", None)
STATE = State(Counts(5, 4, 4, 1, 4.5, 2.25), Pairs(True, True, 12, (1, 2), (8000, 2)), Standing(1, 2.0))
SNAPSHOT = Snapshot(7, 1.7e9, PROVENANCE, STATE, Moment(2, Stretches(((1, 50), (81, 99))), 99), True, "00", 10)

snapshots = st.builds(
    Snapshot,
    whole,
    real,
    st.builds(
        Provenance,
        words,
        words.filter(lambda each: each == each.strip()),
        st.lists(st.builds(Fingerprint, words, words, words, words), max_size=3).map(tuple),
        words,
        st.none() | words,
    ),
    st.builds(
        State,
        st.builds(Counts, whole, whole, whole, whole, real, real),
        st.builds(Pairs, st.booleans(), st.booleans(), st.integers(), sparse, sparse),
        st.builds(Standing, st.none() | st.integers(0, 1), real),
    ),
    st.builds(Moment, whole, closed, whole),
    st.booleans(),
    words,
    whole,
).filter(lambda each: each.loss is None or abs(each.loss) < 1e300)


@given(snapshots)
def test_what_is_written_is_read_again(snapshot: Snapshot) -> None:
    assert Snapshot.parse(snapshot.text()) == snapshot


@given(st.integers(0, len(SNAPSHOT.text()) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_means_the_same(place: int, flip: int) -> None:
    text = bytearray(SNAPSHOT.text())
    text[place] ^= flip
    try:
        parsed = Snapshot.parse(bytes(text))
    except ValueError:
        return
    assert parsed == SNAPSHOT  # a space became another


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"checksum": 1}', b"null", b"\xff"])
def test_what_is_no_description_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        Snapshot.parse(text)


def test_a_later_format_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vwserve.durability.snapshot.FORMAT", FORMAT + 1)
    text = SNAPSHOT.text()
    monkeypatch.undo()
    with pytest.raises(ValueError, match=f"format {FORMAT + 1}"):
        Snapshot.parse(text)


def test_a_person_finds_what_the_contract_promises() -> None:
    content = json.loads(SNAPSHOT.text())
    assert (content["number"], content["time"], content["examples"], content["journal"]) == (7, 1.7e9, 5, 99)
    assert content["vw"] == "-b 10 --oaa 3 --indexing 1"
    assert (content["lineage"], content["learned_from_journal"]) == (2, [[1, 50], [81, 99]])
    assert content["loss"] == 0.5
    assert content["transforms"] == [{"kind": "mdl", "version": "1", "options": "{}", "artifact": "ab"}]
    assert content["sha256"] == "00"


def test_the_loss_is_unknown_before_any_label() -> None:
    none = replace(SNAPSHOT, state=replace(STATE, counts=Counts(5, 0, 0, 0, 0.0, 0.0)))
    assert none.loss is None
