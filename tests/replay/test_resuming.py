"""A replay goes on from a snapshot that is good and of the same model, and from no other file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.replay.kept import blueprint_of, kept, snapshot_of
from vwserve.errors import VwserveError
from vwserve.learner import Bounds
from vwserve.replay import resume_from


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A drop, with two snapshots of its model."""
    file = tmp_path / "m.yaml"
    file.write_text("vw: --loss_function logistic -b 10\n")
    durable = kept(file, tmp_path / "m")
    for _ in range(2):
        durable.servable.answer(b"1 |f a\n-1 |f b\n1 |f a c\n")
        snapshot_of(durable)
    durable.close()
    return file


def test_a_servable_goes_on_from_it(drop: Path) -> None:
    snapshot, resumed = resume_from(drop.parent / "m" / "snapshots" / "2.vw", blueprint_of(drop))
    servable = blueprint_of(drop).build(Bounds(), resumed=resumed)
    assert (snapshot.number, snapshot.moment.journal) == (2, 6)
    assert servable.totals().labelled == 6
    durable = kept(drop, drop.parent / "m")
    assert servable.learn(["1 |f a b c"]) == durable.servable.learn(["1 |f a b c"])
    durable.close()


def test_a_copy_elsewhere_is_as_good(drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "copy").mkdir()
    for ending in ("vw", "json"):
        (tmp_path / "copy" / f"1.{ending}").write_bytes((tmp_path / "m" / "snapshots" / f"1.{ending}").read_bytes())
    monkeypatch.chdir(tmp_path / "copy")
    assert resume_from(Path("1.vw"), blueprint_of(drop))[0].number == 1


@pytest.mark.parametrize("name", ["m.vw", "1.json", "2", "snapshots"])
def test_any_other_file_is_refused(drop: Path, name: str) -> None:
    with pytest.raises(VwserveError, match=rf"{name} is no snapshot: one is NUMBER\.vw .* the drop's `initial:`"):
        resume_from(drop.parent / "m" / "snapshots" / name, blueprint_of(drop))


def test_one_that_is_not_there_is_told_with_those_that_are(drop: Path) -> None:
    with pytest.raises(VwserveError, match="has no snapshot 7; the newest are 2, 1"):
        resume_from(drop.parent / "m" / "snapshots" / "7.vw", blueprint_of(drop))


def test_one_that_was_changed_is_refused(drop: Path) -> None:
    model = drop.parent / "m" / "snapshots" / "2.vw"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    with pytest.raises(VwserveError, match=r"2\.vw is not as it was taken: its SHA-256"):
        resume_from(model, blueprint_of(drop))
    os.truncate(model, 5)
    with pytest.raises(VwserveError, match=r"2\.vw has 5 bytes"):
        resume_from(model, blueprint_of(drop))


def test_one_of_a_model_made_otherwise_is_refused_with_what_differs(drop: Path) -> None:
    drop.write_text("vw: --loss_function logistic -b 10 -l 0.1\n")
    with pytest.raises(VwserveError) as raised:
        resume_from(drop.parent / "m" / "snapshots" / "2.vw", blueprint_of(drop))
    assert str(raised.value) == (
        f"{drop.parent}/m/snapshots/2.vw was learned by a model made otherwise: VW's arguments were '--loss_function "
        "logistic -b 10' and are '--loss_function logistic -b 10 -l 0.1'. Give a drop like the one that learned it, or "
        "replay the journal from its beginning"
    )
