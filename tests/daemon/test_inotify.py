"""The three calls of inotify and its record."""

import ctypes
import errno
import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import inotify as twisted

from vwserve.daemon import inotify as ours
from vwserve.daemon.inotify import (
    CLOSE_WRITE,
    CREATE,
    DELETE,
    DELETE_SELF,
    IGNORED,
    IS_DIRECTORY,
    MODIFY,
    MOVED_FROM,
    MOVED_TO,
    OVERFLOW,
    Inotify,
)


@pytest.fixture
def inotify() -> Iterator[Inotify]:
    """An instance."""
    inotify = Inotify()
    yield inotify
    inotify.close()


def test_tells_what_happens_in_a_folder_in_order(inotify: Inotify, tmp_path: Path) -> None:
    watch = inotify.add(str(tmp_path), CREATE | MODIFY | CLOSE_WRITE | DELETE)
    (tmp_path / "a file.yaml").write_text("x")
    (tmp_path / "b").mkdir()
    (tmp_path / "a file.yaml").unlink()
    assert [(event.watch, event.mask, event.name) for event in inotify.read()] == [
        (watch, CREATE, "a file.yaml"),
        (watch, MODIFY, "a file.yaml"),
        (watch, CLOSE_WRITE, "a file.yaml"),
        (watch, CREATE | IS_DIRECTORY, "b"),
        (watch, DELETE, "a file.yaml"),
    ]
    assert inotify.read() == []


def test_the_two_events_of_a_rename_share_a_cookie(inotify: Inotify, tmp_path: Path) -> None:
    inotify.add(str(tmp_path), MOVED_FROM | MOVED_TO)
    (tmp_path / "a").touch()
    os.rename(tmp_path / "a", tmp_path / "b")
    os.rename(tmp_path / "b", tmp_path / "c")
    first, second, third, fourth = inotify.read()
    assert [each.name for each in (first, second, third, fourth)] == ["a", "b", "b", "c"]
    assert first.cookie == second.cookie != third.cookie == fourth.cookie


def test_what_is_deleted_takes_only_its_own_watch_with_it(inotify: Inotify, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    watch = inotify.add(str(tmp_path / "a"), DELETE_SELF)
    inotify.add(str(tmp_path), CREATE)
    (tmp_path / "a").unlink()
    assert [(event.watch, event.mask, event.name) for event in inotify.read()] == [
        (watch, DELETE_SELF, ""),
        (watch, IGNORED, ""),
    ]
    (tmp_path / "b").touch()
    assert [event.name for event in inotify.read()] == ["b"]


def test_a_watch_that_was_ended_is_silent(inotify: Inotify, tmp_path: Path) -> None:
    watch = inotify.add(str(tmp_path), CREATE)
    inotify.remove(watch)
    inotify.remove(watch)
    (tmp_path / "a").touch()
    assert [event.mask for event in inotify.read()] == [IGNORED]


@settings(max_examples=40)
@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_names_are_those_of_the_file_system(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    if name in {".", ".."}:
        return
    folder = tmp_path_factory.mktemp("names")
    inotify = Inotify()
    inotify.add(str(folder), CREATE)
    (folder / name).touch()
    assert [event.name for event in inotify.read()] == os.listdir(folder)
    inotify.close()


def test_names_that_are_no_text_are_told_as_python_tells_them(inotify: Inotify, tmp_path: Path) -> None:
    inotify.add(str(tmp_path), CREATE)
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff.yaml")).touch()
    assert [event.name for event in inotify.read()] == os.listdir(tmp_path)


def test_many_events_are_read_in_several_turns(inotify: Inotify, tmp_path: Path) -> None:
    inotify.add(str(tmp_path), CREATE)
    names = [f"{number:0200}" for number in range(1000)]
    for name in names:
        (tmp_path / name).touch()
    assert select.select([inotify], [], [], 0)[0] == [inotify]
    told, reads = [], 0
    while events := inotify.read():
        told += [event.name for event in events]
        reads += 1
    assert told == names
    assert reads > 1


def test_that_events_were_lost_is_told(inotify: Inotify, tmp_path: Path) -> None:
    inotify.add(str(tmp_path), CREATE | DELETE)
    for _ in range(int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) // 2 + 1):
        (tmp_path / "a").touch()
        (tmp_path / "a").unlink()
    last = [events[-1] for events in iter(inotify.read, [])][-1]
    assert (last.watch, last.mask) == (-1, OVERFLOW)


def test_says_which_path_cannot_be_watched_and_why(inotify: Inotify, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        inotify.add(str(tmp_path / "a"), CREATE)
    assert caught.value.filename == str(tmp_path / "a")


def test_a_system_without_inotify(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    with pytest.raises(OSError, match="not implemented") as caught:
        Inotify()
    assert caught.value.errno == errno.ENOSYS


def test_children_do_not_inherit_it(inotify: Inotify) -> None:
    assert not os.get_inheritable(inotify.fileno())


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("MODIFY", "IN_MODIFY"),
        ("ATTRIB", "IN_ATTRIB"),
        ("CLOSE_WRITE", "IN_CLOSE_WRITE"),
        ("MOVED_FROM", "IN_MOVED_FROM"),
        ("MOVED_TO", "IN_MOVED_TO"),
        ("CREATE", "IN_CREATE"),
        ("DELETE", "IN_DELETE"),
        ("DELETE_SELF", "IN_DELETE_SELF"),
        ("MOVE_SELF", "IN_MOVE_SELF"),
        ("UNMOUNT", "IN_UNMOUNT"),
        ("OVERFLOW", "IN_Q_OVERFLOW"),
        ("IGNORED", "IN_IGNORED"),
        ("DONT_FOLLOW", "IN_DONT_FOLLOW"),
        ("MASK_ADD", "IN_MASK_ADD"),
        ("IS_DIRECTORY", "IN_ISDIR"),
    ],
)
def test_the_numbers_are_those_of_the_system(name: str, theirs: str) -> None:
    assert getattr(ours, name) == getattr(twisted, theirs)
