"""The end of a state: out of the way at once, whatever the disk does then."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from vwserve.durability.forgetting import forget
from vwserve.durability.lock import Lock
from vwserve.errors import StateError


def state(folder: Path, name: str = "m") -> Path:
    """Something like the state of a model."""
    for file in ("lineage.json", "journal/1.dat", "snapshots/1.vw", "exports/x"):
        path = folder / "state" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return folder / "state" / name


def test_all_of_it_is_removed_and_nothing_else(tmp_path: Path) -> None:
    there, other = state(tmp_path), state(tmp_path, "other")
    (tmp_path / "elsewhere").write_bytes(b"kept")
    (there / "exports" / "link").symlink_to(tmp_path / "elsewhere")
    sizes = 4 * 5 + len(os.fspath(tmp_path / "elsewhere")) + len(f"{os.getpid()}\n")
    assert forget(there) == sizes
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["other"]
    assert (other / "lineage.json").exists()
    assert (tmp_path / "elsewhere").read_bytes() == b"kept"


def test_what_a_process_has_open_is_left(tmp_path: Path) -> None:
    there = state(tmp_path)
    lock = Lock(there)
    with pytest.raises(StateError, match="in use by process"):
        forget(there)
    assert (there / "lineage.json").exists()
    lock.release()


def test_a_crash_on_the_way_leaves_no_half_a_state_and_what_it_leaves_goes_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, other = state(tmp_path), state(tmp_path, "other")

    def crash(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted", os.fspath(path))

    with monkeypatch.context() as crashing:
        crashing.setattr(shutil, "rmtree", crash)
        with pytest.raises(StateError, match=r"cannot remove .*m\.forgotten: Operation not permitted"):
            forget(there)
    assert not there.exists()
    state(tmp_path)  # which begins anew
    forget(other)
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["m"]


def test_a_folder_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"cannot remove .*nowhere"):
        forget(tmp_path / "nowhere")
