"""Copies of models: among the exports of their model, whole or not there, and not too many."""

from pathlib import Path
from threading import Barrier, Thread

import pytest

from vwserve.daemon.exporting import MOST_EXPORTS, export, export_copy, export_path
from vwserve.errors import ModelError


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """A folder that is made when the first copy comes."""
    return tmp_path / "state" / "a" / "exports"


@pytest.mark.parametrize(
    ("name", "file"),
    [("b.vw", "b.vw"), ("../../etc/passwd", "passwd"), ("/etc/b", "b"), ("x/y/", "y"), ("ä b", "ä b")],
)
def test_a_copy_stays_among_the_exports(exports: Path, name: str, file: str) -> None:
    assert export_path(exports, name) == exports / file


@pytest.mark.parametrize("name", ["", ".", "..", "/", "x/..", ".hidden", "x/.hidden", "a\0b", "a\x1b[2J", "a\nb"])
def test_a_name_that_is_none_of_a_file_is_refused(exports: Path, name: str) -> None:
    with pytest.raises(ModelError, match="ends in no name of a file"):
        export_path(exports, name)


def test_the_copy_is_what_was_written(exports: Path, tmp_path: Path) -> None:
    export(exports / "x.vw", lambda draft: draft.write_bytes(b"one"))
    (tmp_path / "model").write_bytes(b"two")
    export_copy(exports / "y.vw", tmp_path / "model")
    export_copy(exports / "x.vw", tmp_path / "model")
    assert {path.name: path.read_bytes() for path in exports.iterdir()} == {"x.vw": b"two", "y.vw": b"two"}


def test_what_cannot_be_written_leaves_what_was_there(exports: Path, tmp_path: Path) -> None:
    export(exports / "x.vw", lambda draft: draft.write_bytes(b"one"))

    def half(draft: Path) -> None:
        draft.write_bytes(b"half of t")
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelError, match=r"cannot write .*exports/x\.vw: No space left on device"):
        export(exports / "x.vw", half)
    assert {path.name: path.read_bytes() for path in exports.iterdir()} == {"x.vw": b"one"}
    with pytest.raises(ModelError, match=r"cannot write .*exports/x\.vw: No such file"):
        export_copy(exports / "x.vw", tmp_path / "nowhere")


def test_where_the_folder_cannot_be_made_it_is_an_error(exports: Path) -> None:
    exports.parent.parent.write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="cannot write"):
        export(exports / "x.vw", Path.touch)


def test_a_longer_name_than_a_file_may_have_is_an_error(exports: Path) -> None:
    export(exports / ("x" * 255), Path.touch)
    with pytest.raises(ModelError, match="File name too long"):
        export(export_path(exports, "x" * 256), Path.touch)


def test_copies_of_a_model_are_bounded(exports: Path) -> None:
    for number in range(MOST_EXPORTS):
        export(exports / f"{number}.vw", Path.touch)
    export(exports / "0.vw", lambda draft: draft.write_bytes(b"again"))
    assert (exports / "0.vw").read_bytes() == b"again"
    with pytest.raises(ModelError, match="has 100 files already; move some away"):
        export(exports / "more.vw", Path.touch)
    (exports / "7.vw").unlink()
    export(exports / "more.vw", Path.touch)


def test_two_threads_that_leave_a_copy_of_one_name_are_not_in_each_others_way(exports: Path) -> None:
    both, errors = Barrier(2, timeout=60.0), []

    def leave(text: bytes) -> None:
        def slowly(draft: Path) -> None:
            draft.write_bytes(text[:2])
            both.wait()
            draft.write_bytes(text)
            both.wait()

        try:
            export(exports / "x.vw", slowly)
        except ModelError as error:
            errors.append(error)

    threads = [Thread(target=leave, args=[text]) for text in (b"first", b"second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert errors == []
    assert [path.name for path in exports.iterdir()] == ["x.vw"]
    assert (exports / "x.vw").read_bytes() in (b"first", b"second")
