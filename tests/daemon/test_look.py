"""One look at a folder."""

import os
from pathlib import Path

import pytest

from vwserve.daemon.inotify import CLOSE_WRITE, CREATE, DELETE_SELF, MODIFY
from vwserve.daemon.look import Look, counts, look


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where all is, by a path without links."""
    return Path(os.path.realpath(tmp_path))


def make(path: Path, text: str = "x") -> Path:
    """A file, with the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def watched(found: Look, event: int) -> set[str]:
    """The paths that are watched for an event."""
    return {path for path, wanted in found.wanted.items() if wanted.mask & event}


def test_files_are_there_by_name_and_the_folder_by_none(root: Path) -> None:
    file = make(root / "d" / "a.yaml", "four")
    found = look(str(root / "d"))
    assert found.files.keys() == {"", "a.yaml"}
    assert (found.files[""].path, found.files["a.yaml"].path) == (str(root / "d"), str(file))
    status = found.files["a.yaml"].status
    assert status is not None
    assert (status.size_bytes, status.inode, status.mtime_ns) == (4, file.stat().st_ino, file.stat().st_mtime_ns)


@pytest.mark.parametrize("name", [".hidden", ".#lock", "#auto#", "backup.yaml~", "..data"])
def test_what_is_not_for_us(root: Path, name: str) -> None:
    make(root / "d" / name)
    assert not counts(name)
    assert look(str(root / "d")).files.keys() == {""}


@pytest.mark.parametrize("name", ["a.yaml", "a", "a.json", "a#b", "a~b", "a.b.c"])
def test_what_is(root: Path, name: str) -> None:
    make(root / "d" / name)
    assert counts(name)
    assert look(str(root / "d")).files.keys() == {"", name}


def test_a_folder_that_is_not_there_or_is_none(root: Path) -> None:
    make(root / "file")
    for name in ("missing", "missing/too", "file", "file/in"):
        found = look(str(root / name))
        assert found.files.keys() == {""}
        assert found.files[""].status is None
        assert found.files[""].path == str(root / name)


def test_two_looks_at_what_did_not_change_are_equal(root: Path) -> None:
    make(root / "d" / "a.yaml")
    os.symlink("a.yaml", root / "d" / "b.yaml")
    assert look(str(root / "d")) == look(str(root / "d"))


@pytest.mark.parametrize("change", ["append", "touch", "replace", "chmod"])
def test_a_look_shows_what_changed(root: Path, change: str) -> None:
    file = make(root / "d" / "a.yaml")
    before = look(str(root / "d"))
    if change == "append":
        with file.open("a") as opened:
            opened.write("y")
    elif change == "touch":
        os.utime(file, ns=(0, 0))
    elif change == "replace":
        os.utime(make(root / "tmp"), ns=(0, file.stat().st_mtime_ns))
        os.replace(root / "tmp", file)
    else:
        file.chmod(0o400)
    assert look(str(root / "d")) != before


def test_another_name_elsewhere_changes_nothing(root: Path) -> None:
    file = make(root / "d" / "a.yaml")
    before = look(str(root / "d")).files
    os.link(file, root / "other")
    after = look(str(root / "d")).files
    assert after == before
    assert (before["a.yaml"].links, after["a.yaml"].links) == (1, 2)


@pytest.mark.parametrize(
    ("link", "end"),
    [
        ("../e/f/t.yaml", "e/f/t.yaml"),
        (".././d/../e//f/t.yaml", "e/f/t.yaml"),
        ("{root}/e/f/t.yaml", "e/f/t.yaml"),
        ("../to_e/f/t.yaml", "e/f/t.yaml"),
        ("../to_f/t.yaml", "e/f/t.yaml"),
        ("../to_f/../f/t.yaml", "e/f/t.yaml"),
        ("../to_t", "e/f/t.yaml"),
        ("../e/missing/t.yaml", "e/missing/t.yaml"),
        ("../to_f/missing", "e/f/missing"),
        ("../e/f/t.yaml/below", "e/f/t.yaml/below"),
    ],
)
def test_links_are_followed_as_the_system_follows_them(root: Path, link: str, end: str) -> None:
    make(root / "e" / "f" / "t.yaml")
    os.symlink("e", root / "to_e")
    os.symlink(root / "to_e" / "f", root / "to_f")
    os.symlink("to_f/t.yaml", root / "to_t")
    (root / "d").mkdir()
    os.symlink(link.format(root=root), root / "d" / "a.yaml")
    found = look(str(root / "d"))
    assert found.files["a.yaml"].path == str(root / end)
    assert os.path.realpath(root / "d" / "a.yaml") == str(root / end)
    assert (found.files["a.yaml"].status is not None) == (root / "d" / "a.yaml").exists()


def test_links_in_circles_lead_nowhere(root: Path) -> None:
    (root / "d").mkdir()
    os.symlink("b", root / "d" / "a")
    os.symlink("a", root / "d" / "b")
    os.symlink("c/c", root / "d" / "c")
    found = look(str(root / "d"))
    assert [found.files[name].status for name in "abc"] == [None] * 3


def test_a_chain_of_forty_links_is_followed_and_no_longer_one(root: Path) -> None:
    make(root / "0")
    for number in range(1, 42):
        os.symlink(f"{number - 1}", root / f"{number}")
    (root / "d").mkdir()
    os.symlink("../39", root / "d" / "a")
    os.symlink("../40", root / "d" / "b")
    found = look(str(root / "d"))
    assert (root / "d" / "a").exists()
    assert found.files["a"].status is not None
    with pytest.raises(OSError, match="symbolic links"):
        (root / "d" / "b").stat()
    assert found.files["b"].status is None


def test_plain_files_need_no_watch_but_that_of_their_folder(root: Path) -> None:
    for number in range(10):
        make(root / "d" / f"{number}.yaml")
    found = look(str(root / "d"))
    assert watched(found, MODIFY) == {str(root / "d")}
    assert watched(found, CREATE) == {str(root), str(root / "d")}
    assert found.wanted.keys() <= {str(root / "d"), *map(str, (root / "d").parents)}


def test_a_file_of_two_names_is_watched_itself(root: Path) -> None:
    file = make(root / "d" / "a.yaml")
    os.link(file, root / "other")
    assert watched(look(str(root / "d")), CLOSE_WRITE) == {str(root / "d"), str(file)}


def test_every_step_of_a_link_is_watched(root: Path) -> None:
    make(root / "releases" / "1" / "t.yaml")
    os.symlink("releases/1", root / "current")
    (root / "d").mkdir()
    os.symlink("../current/t.yaml", root / "d" / "a.yaml")
    found = look(str(root / "d"))
    assert watched(found, MODIFY) == {str(root / "d"), str(root / "releases" / "1")}
    gone = {str(root / name) for name in ("d", "current", "releases", "releases/1")}
    assert watched(found, DELETE_SELF) >= gone
    assert watched(found, CREATE) == {str(root), str(root / "d"), str(root / "releases" / "1")}
    assert found.steps >= gone | {str(root / "d" / "a.yaml"), str(root / "releases" / "1" / "t.yaml")}


def test_what_is_missing_is_waited_for_where_it_would_be(root: Path) -> None:
    (root / "d").mkdir()
    os.symlink("../e/f/t.yaml", root / "d" / "a.yaml")
    assert watched(look(str(root / "d")), CREATE) == {str(root), str(root / "d")}
    (root / "e").mkdir()
    assert watched(look(str(root / "d")), CREATE) == {str(root), str(root / "d"), str(root / "e")}
    assert watched(look(str(root / "d")), MODIFY) == {str(root / "d")}
    (root / "e" / "f").mkdir()
    assert watched(look(str(root / "d")), MODIFY) == {str(root / "d"), str(root / "e" / "f")}


def test_what_takes_the_place_of_another_is_to_be_watched_anew(root: Path) -> None:
    (root / "d").mkdir()
    before = look(str(root / "d")).wanted[str(root / "d")]
    (root / "e").mkdir()
    os.rename(root / "e", root / "d")
    after = look(str(root / "d")).wanted[str(root / "d")]
    assert before != after
    assert before.mask == after.mask
