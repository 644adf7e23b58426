"""A folder that is watched: what is told of, when, and what is held back because somebody is writing it.

All on real files and real inotify, whose events are there as soon as the call that caused them returns; only time is
moved by the test.
"""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent

from tests.daemon.folder_watched import AtOnce, HandMoved, Watched
from vwserve.daemon.folder import FolderWatch
from vwserve.daemon.inotify import CLOSE_WRITE, Event, Inotify

Watch = Callable[..., Watched]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one file."""
    folder = tmp_path / "models.d"
    folder.mkdir()
    (folder / "old.yaml").write_text("old")
    return folder


@pytest.fixture
def watched(folder: Path) -> Iterator[Watched]:
    """That folder, watched by inotify."""
    watched = Watched(folder).start()
    yield watched
    watched.watch.stop()


class Deaf(Inotify):
    """On a file system that takes watches and never says a word, as one that others change over the network."""

    def read(self) -> list[Event]:
        """Nothing."""
        super().read()
        return []


def no_instances() -> Inotify:
    """As where all are taken."""
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.fixture(params=[Deaf, no_instances], ids=["an inotify that is silent", "no inotify"])
def polled(folder: Path, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """That folder, watched by looks alone."""
    watched = Watched(folder, request.param).start()
    yield watched
    watched.watch.stop()


# What is told of


def test_a_file_that_appears_changes_and_vanishes(watched: Watched) -> None:
    new = watched.folder / "new.yaml"
    new.write_text("one")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "old", "new.yaml": "one"})
    new.write_text("two")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "old", "new.yaml": "two"})
    new.unlink()
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "old"})


def test_a_file_that_is_renamed_into_place_is_told_of_at_once(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "tmp").write_text("new")
    os.replace(tmp_path / "tmp", watched.folder / "old.yaml")
    assert (watched.wait(0.06), watched.texts) == (1, {"old.yaml": "new"})


def test_a_file_that_is_renamed_within_the_folder_or_out_of_it(watched: Watched, tmp_path: Path) -> None:
    os.rename(watched.folder / "old.yaml", watched.folder / "b.yaml")
    assert (watched.wait(), watched.texts) == (1, {"b.yaml": "old"})
    os.rename(watched.folder / "b.yaml", tmp_path / "b.yaml")
    assert (watched.wait(), watched.texts) == (1, {})


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("touch old.yaml", "old"),
        ("sed -i s/old/new/ old.yaml", "new"),
        ("printf new > old.yaml", "new"),
        ("cp ../new old.yaml", "new"),
        ("cp --preserve ../new old.yaml", "new"),
        ("cp --remove-destination ../new old.yaml", "new"),
        ("mv ../new old.yaml", "new"),
        ("install -m 600 ../new old.yaml", "new"),
        ("ln -f ../new old.yaml", "new"),
        ("ln -sf ../new old.yaml", "new"),
        ("rm old.yaml && ln ../new old.yaml && rm ../new", "new"),
        ("truncate -s 2 old.yaml", "ol"),
        ("dd if=../new of=old.yaml conv=notrunc status=none", "new"),
        ("chmod 600 old.yaml", "old"),
        ("tar cf ../t.tar old.yaml && rm old.yaml && tar xf ../t.tar", "old"),
    ],
)
def test_what_commands_do(watched: Watched, command: str, text: str) -> None:
    (watched.folder.parent / "new").write_text("new")
    subprocess.run(command, shell=True, check=True, cwd=watched.folder)
    assert watched.wait() >= 1
    assert watched.texts == {"old.yaml": text}


def test_vim_saves(watched: Watched) -> None:
    """With a backup that it renames, removed in the end."""
    (watched.folder / ".old.yaml.swp").write_text("b0VIM")
    (watched.folder / "4913").touch()
    (watched.folder / "4913").unlink()
    os.rename(watched.folder / "old.yaml", watched.folder / "old.yaml~")
    with (watched.folder / "old.yaml").open("w") as file:
        file.write("new")
    (watched.folder / "old.yaml~").unlink()
    (watched.folder / ".old.yaml.swp").unlink()
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "new"})


def test_emacs_saves(watched: Watched) -> None:
    """With a lock that is a link to nowhere, an automatic save, and a backup that stays."""
    os.symlink("me@host.1:2", watched.folder / ".#old.yaml")
    (watched.folder / "#old.yaml#").write_text("ne")
    assert (watched.wait(3.0), watched.texts) == (0, {"old.yaml": "old"})
    os.rename(watched.folder / "old.yaml", watched.folder / "old.yaml~")
    (watched.folder / "old.yaml").write_text("new")
    (watched.folder / "#old.yaml#").unlink()
    (watched.folder / ".#old.yaml").unlink()
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "new"})


def test_an_editor_writes_in_place(watched: Watched) -> None:
    with (watched.folder / "old.yaml").open("w") as file:  # nano, VS Code: truncated here
        assert (watched.wait(3.0), watched.texts) == (0, {"old.yaml": "old"})
        file.write("new")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "new"})


def test_rsync_copies(watched: Watched) -> None:
    with (watched.folder / ".old.yaml.Xa31bC").open("w") as file:
        file.write("ne")
        file.flush()
        assert watched.wait(3.0) == 0
        file.write("w")
    os.replace(watched.folder / ".old.yaml.Xa31bC", watched.folder / "old.yaml")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "new"})


def test_files_of_all_other_names_are_told_of(watched: Watched) -> None:
    (watched.folder / "ctr.mdl.json").write_text("{}")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "old", "ctr.mdl.json": "{}"})


def test_hidden_files_and_those_of_editors_are_not(watched: Watched) -> None:
    for name in (".hidden.yaml", "#old.yaml#", "old.yaml~"):
        (watched.folder / name).write_text("x")
    assert watched.wait(3.0) == 0


def test_two_edits_that_leave_no_trace_but_in_the_text(watched: Watched) -> None:
    """Of one size, in one tick of a file system's coarse clock."""
    status = (watched.folder / "old.yaml").stat()
    with (watched.folder / "old.yaml").open("r+") as file:
        file.write("new")
        file.flush()
        os.utime(watched.folder / "old.yaml", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "new"})


def test_nothing_is_told_of_reading(watched: Watched) -> None:
    (watched.folder / "old.yaml").read_text()
    list(watched.folder.iterdir())
    assert watched.wait(30.0) == 0


# What somebody is writing


def test_a_file_that_is_copied_piece_by_piece_is_not_read_before_its_end(watched: Watched) -> None:
    with (watched.folder / "big.yaml").open("w") as file:
        for _ in range(5):
            file.write("piece ")
            file.flush()
            assert (watched.wait(3.0), watched.texts) == (0, {"old.yaml": "old"})
            assert watched.watch.unfinished(watched.folder / "big.yaml")
    assert not watched.watch.unfinished(watched.folder / "big.yaml")
    assert (watched.wait(0.06), watched.texts["big.yaml"]) == (1, "piece " * 5)


def test_a_file_is_unfinished_from_its_first_byte_on(watched: Watched) -> None:
    with (watched.folder / "old.yaml").open("r+") as file:
        assert not watched.watch.unfinished(watched.folder / "old.yaml")
        file.write("n")
        file.flush()
        assert watched.watch.unfinished(watched.folder / "old.yaml")


def test_what_else_changes_is_told_of_meanwhile(watched: Watched) -> None:
    with (watched.folder / "old.yaml").open("w") as file:
        file.write("half")
        file.flush()
        (watched.folder / "new.yaml").write_text("new")
        assert (watched.wait(), watched.texts) == (1, {"old.yaml": "old", "new.yaml": "new"})


def test_a_writer_that_never_closes_is_waited_for_ten_seconds(watched: Watched) -> None:
    with (watched.folder / "log.yaml").open("w") as file:
        file.write("half")
        file.flush()
        assert watched.wait(9.0) == 0
        file.write(" and half")
        file.flush()
        assert watched.wait(9.0) == 0
        assert (watched.wait(4.0), watched.texts["log.yaml"]) == (1, "half and half")
        file.write(", more")
        file.flush()
        assert watched.watch.unfinished(watched.folder / "log.yaml")
    assert (watched.wait(), watched.texts["log.yaml"]) == (1, "half and half, more")


def test_a_file_that_is_renamed_while_it_is_written_is_not_read_before_its_end(watched: Watched) -> None:
    with (watched.folder / ".tmp").open("w") as file:
        file.write("ha")
        file.flush()
        os.replace(watched.folder / ".tmp", watched.folder / "old.yaml")
        assert (watched.wait(3.0), watched.texts) == (0, {"old.yaml": "old"})
        file.write("lf")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "half"})


def test_somebody_who_writes_on_to_what_was_replaced_is_not_waited_for(watched: Watched, tmp_path: Path) -> None:
    with (watched.folder / "old.yaml").open("a") as file:
        (tmp_path / "tmp").write_text("new")
        os.replace(tmp_path / "tmp", watched.folder / "old.yaml")
        file.write("x")
        file.flush()
        assert not watched.watch.unfinished(watched.folder / "old.yaml")
        assert (watched.wait(0.06), watched.texts) == (1, {"old.yaml": "new"})


def test_a_file_that_is_edited_by_another_of_its_names(watched: Watched, tmp_path: Path) -> None:
    os.link(watched.folder / "old.yaml", tmp_path / "elsewhere")
    watched.wait()
    with (tmp_path / "elsewhere").open("w") as file:
        file.write("ha")
        file.flush()
        assert (watched.wait(3.0), watched.texts) == (0, {"old.yaml": "old"})
        file.write("lf")
    assert (watched.wait(0.06), watched.texts) == (1, {"old.yaml": "half"})


def test_files_elsewhere_are_none_of_its_business(watched: Watched, tmp_path: Path) -> None:
    with (watched.folder / "old.yaml").open("w"):
        assert watched.watch.unfinished(watched.folder / "old.yaml")
        assert watched.watch.unfinished(watched.folder / ".." / "models.d" / "old.yaml")
        assert not watched.watch.unfinished(tmp_path / "old.yaml")
    watched.watch.stop()
    assert not watched.watch.unfinished(watched.folder / "old.yaml")


# Links


@pytest.fixture
def target(watched: Watched, tmp_path: Path) -> Path:
    """What models.d/link.yaml leads to, over a link of a folder."""
    target = tmp_path / "releases" / "1" / "target.yaml"
    target.parent.mkdir(parents=True)
    target.write_text("one")
    os.symlink("releases/1", tmp_path / "current")
    os.symlink("../current/target.yaml", watched.folder / "link.yaml")
    assert (watched.wait(0.06), watched.texts["link.yaml"]) == (1, "one")
    watched.wait()
    return target


def test_the_target_of_a_link_is_edited_in_place(watched: Watched, target: Path) -> None:
    with target.open("w") as file:
        file.write("t")
        file.flush()
        assert (watched.wait(3.0), watched.texts["link.yaml"]) == (0, "one")
        assert watched.watch.unfinished(watched.folder / "link.yaml")
        file.write("wo")
    assert (watched.wait(0.06), watched.texts["link.yaml"]) == (1, "two")


def test_the_target_of_a_link_is_replaced(watched: Watched, target: Path, tmp_path: Path) -> None:
    for text in ("two", "three"):
        (tmp_path / "tmp").write_text(text)
        os.replace(tmp_path / "tmp", target)
        assert (watched.wait(0.06), watched.texts["link.yaml"]) == (1, text)
        watched.wait()


def test_the_target_of_a_link_is_removed_and_made_again_slowly(watched: Watched, target: Path) -> None:
    target.unlink()
    assert (watched.wait(), watched.texts["link.yaml"]) == (1, "nothing")
    with target.open("w") as file:
        file.write("t")
        file.flush()
        assert (watched.wait(3.0), watched.texts["link.yaml"]) == (0, "nothing")
        file.write("wo")
    assert (watched.wait(0.06), watched.texts["link.yaml"]) == (1, "two")


def test_vim_saves_the_target_of_a_link(watched: Watched, target: Path) -> None:
    os.rename(target, f"{target}~")
    target.write_text("two")
    os.unlink(f"{target}~")
    assert (watched.wait(), watched.texts["link.yaml"]) == (1, "two")


def test_a_link_on_the_way_is_swapped(watched: Watched, target: Path, tmp_path: Path) -> None:
    (tmp_path / "releases" / "2").mkdir()
    (tmp_path / "releases" / "2" / "target.yaml").write_text("two")
    os.symlink("releases/2", tmp_path / "next")
    os.replace(tmp_path / "next", tmp_path / "current")
    assert (watched.wait(0.06), watched.texts["link.yaml"]) == (1, "two")
    watched.wait()
    (tmp_path / "releases" / "2" / "target.yaml").write_text("three")
    assert (watched.wait(0.06), watched.texts["link.yaml"]) == (1, "three")


def test_a_folder_on_the_way_is_moved_away_and_comes_again(watched: Watched, target: Path, tmp_path: Path) -> None:
    os.rename(tmp_path / "releases", tmp_path / "gone")
    assert (watched.wait(), watched.texts["link.yaml"]) == (1, "nothing")
    os.rename(tmp_path / "gone", tmp_path / "releases")
    assert (watched.wait(), watched.texts["link.yaml"]) == (1, "one")
    target.write_text("two")
    assert (watched.wait(), watched.texts["link.yaml"]) == (1, "two")


def test_a_link_leads_somewhere_at_last(watched: Watched, tmp_path: Path) -> None:
    os.symlink(tmp_path / "a" / "b" / "c.yaml", watched.folder / "link.yaml")
    assert (watched.wait(), watched.texts["link.yaml"]) == (1, "nothing")
    (tmp_path / "a").mkdir()
    watched.wait()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "c.yaml").write_text("c")
    os.rename(tmp_path / "tmp", tmp_path / "a" / "b")
    watched.wait(4.0)
    assert watched.texts["link.yaml"] == "c"


def test_links_in_circles(watched: Watched) -> None:
    os.symlink("b.yaml", watched.folder / "a.yaml")
    os.symlink("a.yaml", watched.folder / "b.yaml")
    assert watched.wait() == 1
    (watched.folder / "a.yaml").unlink()
    (watched.folder / "a.yaml").write_text("a")
    watched.wait()
    assert watched.texts == {"old.yaml": "old", "a.yaml": "a", "b.yaml": "a"}


def mount_config_map(folder: Path, version: str, files: dict[str, str]) -> None:
    """As the kubelet's atomic writer does it."""
    before = folder / os.readlink(folder / "..data") if (folder / "..data").exists() else None
    (folder / f"..{version}").mkdir()
    for name, text in files.items():
        (folder / f"..{version}" / name).write_text(text)
    os.symlink(f"..{version}", folder / "..data_tmp")
    os.replace(folder / "..data_tmp", folder / "..data")
    for name in files:
        if not (folder / name).is_symlink():
            os.symlink(f"..data/{name}", folder / name)
    for file in folder.iterdir():
        if file.is_symlink() and not file.name.startswith("..") and file.name not in files:
            file.unlink()
    if before is not None:
        for file in before.iterdir():
            file.unlink()
        before.rmdir()


def test_a_config_map_of_kubernetes(watched: Watched) -> None:
    for version, files in enumerate(
        [
            {"a.yaml": "a1", "b.yaml": "b1"},
            {"a.yaml": "a2", "b.yaml": "b1"},
            {"a.yaml": "a2", "c.yaml": "c1"},
            {"a.yaml": "a3", "b.yaml": "b2", "c.yaml": "c1"},
        ]
    ):
        mount_config_map(watched.folder, f"2026_11_2{version}", files)
        assert (watched.wait(0.06), watched.texts) == (1, {"old.yaml": "old", **files})
        watched.wait()


# The folder itself


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[str, str], Path]:
    """Makes a folder with one file."""

    def make(name: str, text: str) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "old.yaml").write_text(text)
        return tmp_path / name

    return make


Tree = Callable[[str, str], Path]


def test_the_folder_is_replaced_by_another(watched: Watched, tree: Tree, tmp_path: Path) -> None:
    tree("next", "new")
    os.rename(watched.folder, tmp_path / "before")
    os.rename(tmp_path / "next", watched.folder)
    assert (watched.wait(0.06), watched.texts) == (1, {"old.yaml": "new"})
    watched.wait()
    (watched.folder / "old.yaml").write_text("newer")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "newer"})
    (tmp_path / "before" / "old.yaml").write_text("nobody's")
    assert watched.wait(3.0) == 0


def test_the_folder_is_removed_and_made_again(watched: Watched, tree: Tree) -> None:
    (watched.folder / "old.yaml").unlink()
    watched.folder.rmdir()
    assert watched.wait() == 1
    tree("models.d", "new")
    watched.wait(4.0)
    assert watched.texts == {"old.yaml": "new"}
    (watched.folder / "old.yaml").write_text("newer")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "newer"})


def test_the_folder_is_removed_while_somebody_stands_in_it(watched: Watched, tree: Tree) -> None:
    """No event of its own comes before they leave."""
    fd = os.open(watched.folder, os.O_RDONLY)
    (watched.folder / "old.yaml").unlink()
    watched.folder.rmdir()
    tree("models.d", "new")
    watched.wait()
    (watched.folder / "old.yaml").write_text("newer")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "newer"})
    os.close(fd)


def test_the_folder_comes_later(tmp_path: Path, tree: Tree) -> None:
    (tmp_path / "conf").mkdir()
    watched = Watched(tmp_path / "conf" / "models.d").start()
    tree("conf/models.d", "new")
    assert watched.wait() >= 1
    watched.wait(4.0)
    assert watched.texts == {"old.yaml": "new"}
    watched.watch.stop()


def test_a_file_that_was_being_written_when_its_folder_was_found_is_held_back(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "models.d").start()
    watched.folder.mkdir()
    with (watched.folder / "a.yaml").open("w") as file:
        for _ in range(5):
            file.write("piece ")
            file.flush()
            watched.wait(1.0)
            assert watched.texts == {}
    watched.wait(0.3)
    assert watched.texts == {"a.yaml": "piece " * 5}
    watched.watch.stop()


def test_the_folder_is_a_link_that_is_swapped(tmp_path: Path, tree: Tree) -> None:
    for version in "12":
        tree(version, f"text {version}")
    os.symlink("1", tmp_path / "models.d")
    watched = Watched(tmp_path / "models.d").start()
    os.symlink("2", tmp_path / "next")
    os.replace(tmp_path / "next", tmp_path / "models.d")
    assert (watched.wait(0.06), watched.texts) == (1, {"old.yaml": "text 2"})
    watched.wait()
    (tmp_path / "2" / "old.yaml").write_text("new")
    assert (watched.wait(0.06), watched.texts) == (1, {"old.yaml": "new"})
    (tmp_path / "1" / "old.yaml").write_text("nobody's")
    assert watched.wait(3.0) == 0
    watched.watch.stop()


def test_a_folder_above_is_moved_away_and_comes_again(watched: Watched, tmp_path: Path) -> None:
    os.rename(tmp_path, f"{tmp_path}.gone")
    assert watched.wait() == 1
    os.rename(f"{tmp_path}.gone", tmp_path)
    assert watched.wait() == 1
    (watched.folder / "old.yaml").write_text("new")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "new"})


def test_a_file_where_the_folder_should_be(tmp_path: Path, tree: Tree) -> None:
    (tmp_path / "models.d").write_text("no folder")
    watched = Watched(tmp_path / "models.d").start()
    (tmp_path / "models.d").unlink()
    tree("models.d", "new")
    watched.wait(4.0)
    assert watched.texts == {"old.yaml": "new"}
    watched.watch.stop()


def test_another_folder_is_followed_from_now_on(watched: Watched, tree: Tree) -> None:
    before = watched.folder
    watched.folder = tree("other", "other")
    watched.watch.follow(watched.folder)
    (before / "old.yaml").write_text("nobody's")
    assert watched.wait(3.0) == 0
    (watched.folder / "old.yaml").write_text("new")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "new"})


def test_following_the_same_folder_misses_nothing(watched: Watched) -> None:
    (watched.folder / "old.yaml").write_text("new")
    watched.watch.follow(watched.folder / ".." / "models.d")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "new"})


# How often


def test_many_files_at_once_are_few_calls(watched: Watched) -> None:
    for number in range(1000):
        (watched.folder / f"{number}.yaml").write_text("x")
        if number % 10 == 0:
            watched.wait(0.01)
    watched.wait()
    assert len(watched.texts) == 1001
    assert len(watched.calls) <= 4


def test_a_folder_that_changes_all_the_time_is_told_of_all_the_time(watched: Watched) -> None:
    for number in range(500):
        (watched.folder / "old.yaml").write_text(str(number))
        watched.wait(0.01)
        if number > 50:
            assert number - int(watched.texts["old.yaml"]) <= 60
    assert all(later - call >= 0.25 for call, later in pairwise(watched.calls))


class Counting(AtOnce):
    """Counts the looks."""

    looks = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.looks += 1
        return super().submit(fn, *args, **kwargs)


@pytest.mark.parametrize(("inotify", "looks"), [(Inotify, 10), (Deaf, 50)])
def test_an_idle_folder_costs_slow_looks(folder: Path, inotify: type[Inotify], looks: int) -> None:
    reactor, executor = HandMoved(), Counting()
    watch = FolderWatch(reactor, folder, lambda: None, executor, inotify)
    watch.start()
    (folder / "old.yaml").write_text("new")  # shows whether events come
    reactor.wait(10.0)
    before = executor.looks
    reactor.wait(100.0)
    assert executor.looks - before == looks
    watch.stop()


# Where events do not tell


def test_looks_find_what_changes(polled: Watched) -> None:
    new = polled.folder / "new.yaml"
    new.write_text("one")
    assert (polled.wait(4.1), polled.texts) == (1, {"old.yaml": "old", "new.yaml": "one"})
    new.write_text("two")
    assert (polled.wait(4.1), polled.texts) == (1, {"old.yaml": "old", "new.yaml": "two"})
    new.unlink()
    assert (polled.wait(4.1), polled.texts) == (1, {"old.yaml": "old"})


def test_looks_wait_for_what_is_being_written(polled: Watched) -> None:
    with (polled.folder / "old.yaml").open("w") as file:
        for _ in range(6):
            file.write("piece ")
            file.flush()
            assert (polled.wait(1.7), polled.texts) == (0, {"old.yaml": "old"})
    assert (polled.wait(4.1), polled.texts) == (1, {"old.yaml": "piece " * 6})


def test_looks_do_not_mistake_a_rename_for_a_removal(polled: Watched) -> None:
    os.rename(polled.folder / "old.yaml", polled.folder / "old.yaml~")
    polled.wait(2.1)
    os.rename(polled.folder / "old.yaml~", polled.folder / "old.yaml")
    assert (polled.wait(6.0), polled.texts) == (0, {"old.yaml": "old"})


def test_looks_find_a_config_map_of_kubernetes_swapped(polled: Watched) -> None:
    for version in "12":
        mount_config_map(polled.folder, version, {"a.yaml": version})
        assert (polled.wait(4.1), polled.texts) == (1, {"old.yaml": "old", "a.yaml": version})


def test_looks_find_the_folder_replaced_as_by_a_mount(polled: Watched, tree: Tree, tmp_path: Path) -> None:
    tree("mounted", "new")
    os.rename(polled.folder, tmp_path / "below")
    os.rename(tmp_path / "mounted", polled.folder)
    polled.wait(4.1)
    assert polled.texts == {"old.yaml": "new"}


def test_what_changed_while_events_were_lost_is_told_of_when_it_is_finished(watched: Watched, tmp_path: Path) -> None:
    (watched.folder / "closed.yaml").touch()
    watched.wait()
    with (watched.folder / "open.yaml").open("w") as file, (watched.folder / "closed.yaml").open("w") as closed:
        closed.write("closed")
        closed.flush()
        watched.wait()
        fill_queue(watched.folder)
        closed.close()
        file.write("half")
        file.flush()
        assert "closed.yaml" in watched.texts
        watched.wait(1.0)
        assert "open.yaml" not in watched.texts
        watched.wait(2.0)
        assert watched.texts["closed.yaml"] == "closed"
        file.write(" and half")
    watched.wait()
    assert watched.texts["open.yaml"] == "half and half"


def fill_queue(folder: Path) -> None:
    """Cause more events than are kept."""
    size = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    a, b = folder / ".a", folder / ".b"
    a.touch()
    b.touch()
    for _ in range(size // 2 + 1):
        os.utime(a)
        os.utime(b)


def test_the_limit_of_instances_is_told_with_its_remedy_and_gets_over(folder: Path) -> None:
    attempts = iter([no_instances, no_instances, Inotify])

    def inotify() -> Inotify:
        return next(attempts)()

    with capturedLogs() as logged:
        watched = Watched(folder, inotify).start()
        watched.wait(3.0)
        (told,) = map(formatEvent, logged)
        assert "max_user_instances" in str(told)
        watched.wait(2.0)
        assert "told again" in str(formatEvent(logged[-1]))
    (folder / "old.yaml").write_text("new")
    assert (watched.wait(0.06), watched.texts) == (1, {"old.yaml": "new"})
    watched.watch.stop()


def test_the_limit_of_watches_is_told_with_its_remedy_and_gets_over(folder: Path) -> None:
    full = True

    class Full(Inotify):
        def add(self, path: str, mask: int) -> int:
            if full and mask & CLOSE_WRITE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().add(path, mask)

    with capturedLogs() as logged:
        watched = Watched(folder, Full).start()
        (folder / "old.yaml").write_text("new")
        assert (watched.wait(4.1), watched.texts) == (1, {"old.yaml": "new"})
        full = False
        watched.wait(2.1)
        first, second = map(str, map(formatEvent, logged))
        assert f"{folder}: " in first
        assert "max_user_watches" in first
        assert "told again" in second
    (folder / "old.yaml").write_text("newer")
    assert (watched.wait(0.06), watched.texts) == (1, {"old.yaml": "newer"})
    watched.watch.stop()


# Starting and stopping


def test_stopping_leaves_nothing_behind(watched: Watched) -> None:
    (reader,) = watched.reactor.readers
    descriptor = reader.fileno()
    (watched.folder / "old.yaml").write_text("new")
    watched.wait(0.02)
    watched.watch.stop()
    watched.watch.stop()
    assert watched.reactor.readers == []
    assert watched.reactor.getDelayedCalls() == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert watched.wait(30.0) == 0


def test_what_changed_while_it_was_stopped_is_for_who_starts_it_to_read(watched: Watched) -> None:
    watched.watch.stop()
    (watched.folder / "old.yaml").write_text("new")
    watched.start()
    assert (watched.wait(30.0), watched.texts) == (0, {"old.yaml": "new"})
    (watched.folder / "old.yaml").write_text("newer")
    assert (watched.wait(), watched.texts) == (1, {"old.yaml": "newer"})


def test_starting_twice_is_starting_once(watched: Watched) -> None:
    watched.watch.start()
    (watched.folder / "old.yaml").write_text("new")
    assert watched.wait() == 1
    assert len(watched.reactor.readers) == 1


class Slow(Executor):
    """Does work when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, lambda: fn(*args, **kwargs)))
        return future

    def finish(self) -> None:
        """Do all work."""
        while self.waiting:
            future, work = self.waiting.pop(0)
            future.set_result(work())


def test_a_look_that_hangs_hangs_nobody_and_is_the_only_one(folder: Path) -> None:
    reactor, executor, calls = HandMoved(), Slow(), []
    watch = FolderWatch(reactor, folder, lambda: calls.append("told"), executor)
    watch.start()
    (folder / "old.yaml").write_text("new")
    reactor.wait(30.0)
    (folder / "old.yaml").write_text("newer")
    reactor.wait(30.0)
    assert len(executor.waiting) == 1
    executor.finish()
    reactor.wait(0.01)
    assert calls == ["told"]
    watch.stop()


def test_a_look_that_ends_after_the_end_is_nobodys(folder: Path) -> None:
    reactor, executor, calls = HandMoved(), Slow(), []
    watch = FolderWatch(reactor, folder, lambda: calls.append("told"), executor)
    watch.start()
    (folder / "old.yaml").write_text("new")
    reactor.wait(0.1)
    watch.stop()
    watch.start()
    executor.finish()
    reactor.wait(30.0)
    executor.finish()
    reactor.wait(0.01)
    assert calls == []
    watch.stop()


def test_a_fault_of_who_is_told_is_logged_and_ends_nothing(folder: Path) -> None:
    reactor, calls = HandMoved(), []

    def changed() -> None:
        calls.append("told")
        raise ZeroDivisionError

    watch = FolderWatch(reactor, folder, changed, AtOnce())
    watch.start()
    with capturedLogs() as logged:
        for _ in range(2):
            (folder / "old.yaml").write_text("new")
            reactor.wait(0.3)
    assert calls == ["told", "told"]
    assert [event["log_failure"].type for event in logged] == [ZeroDivisionError] * 2
    watch.stop()


# Whatever happens


class World:
    """A watched folder, another that its links lead to, and people who write files in both.

    A file is whole if it ends as it began: `<...>`.
    """

    NAMES = ("a.yaml", "b.yaml", ".tmp", "link.yaml")

    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0
        self.writers: list[tuple[int, TextIO]] = []  # the inode each writes to
        for folder in ("models.d", "1", "2"):
            (root / folder).mkdir()
        for folder in "12":
            (root / folder / "target.yaml").write_text(f"<{folder}>")
        os.symlink("1", root / "current")
        os.symlink("../current/target.yaml", root / "models.d" / "link.yaml")
        self.watched = Watched(root / "models.d").start()

    def path(self, name: str) -> Path:
        """By one of NAMES, or in another folder."""
        return self.root / name if "/" in name else self.watched.folder / name

    def written(self, path: Path) -> bool:
        """Whether somebody has it open."""
        return path.exists() and path.stat().st_ino in [inode for inode, _ in self.writers]

    def begin(self, name: str) -> None:
        """Somebody begins to write a file anew."""
        path = self.path(name)
        if not self.written(path) and (not path.is_symlink() or path.exists()):
            file = path.open("w")
            self.writers.append((path.stat().st_ino, file))
            self.write(0)

    def write(self, index: int) -> None:
        """Somebody writes on."""
        if self.writers:
            _, file = self.writers[index % len(self.writers)]
            self.count += 1
            file.write(f"<{self.count}" if file.tell() == 0 else f" {self.count}")
            file.flush()

    def finish(self, index: int) -> None:
        """Somebody is done."""
        if self.writers:
            _, file = self.writers.pop(index % len(self.writers))
            file.write(">" if file.tell() else "<>")
            file.close()

    def drop(self, name: str) -> None:
        """A finished file is renamed into place."""
        self.count += 1
        (self.root / "tmp").write_text(f"<{self.count}>")
        os.replace(self.root / "tmp", self.path(name))

    def rename(self, name: str, to: str) -> None:
        """Whatever it is, also while somebody writes it, where that can be known: not elsewhere, nor by a link."""
        link = self.path(name).is_symlink()
        if self.path(name).exists() and not ((link or "/" in name) and self.written(self.path(name))):
            os.replace(self.path(name), self.path(to))
            if link:
                self.watched.wait()

    def remove(self, name: str) -> None:
        """Likewise."""
        self.path(name).unlink(missing_ok=True)

    def link(self, name: str, to: str) -> None:
        """A second name for a file that nobody is writing."""
        if self.path(name).is_file() and not self.written(self.path(name)) and not os.path.lexists(self.path(to)):
            os.link(self.path(name), self.path(to))
            self.watched.wait()  # until the file is watched by both

    def lead(self, name: str, version: str) -> None:
        """Have a link lead to a file elsewhere that nobody is writing."""
        if not self.written(self.root / version / "target.yaml"):
            os.symlink(f"../{version}/target.yaml", self.root / "tmp")
            os.replace(self.root / "tmp", self.path(name))
            self.watched.wait()

    def swap(self, version: str) -> None:
        """Swap the folder on the way."""
        if not self.written(self.root / version / "target.yaml"):
            os.symlink(version, self.root / "tmp")
            os.replace(self.root / "tmp", self.root / "current")
            self.watched.wait()

    def check(self) -> None:
        """Nothing is read that is not whole."""
        for text in self.watched.texts.values():
            assert text == "nothing" or (text[0], text[-1], text.count("<")) == ("<", ">", 1), self.watched.texts

    def end(self) -> None:
        """All are done, and all is told of."""
        while self.writers:
            self.finish(0)
        self.watched.wait(0.6)
        self.check()
        assert self.watched.texts == self.watched.actual()
        assert not any(self.watched.watch.unfinished(self.path(name)) for name in self.watched.texts)
        calls = self.watched.calls
        assert all(later - call >= 0.25 for call, later in pairwise(calls))


inside = st.sampled_from(World.NAMES)
outside = st.sampled_from(["1/target.yaml", "2/target.yaml"])
anywhere = inside | outside
versions = st.sampled_from("12")
pauses_s = st.sampled_from([0.0, 0.0, 0.01, 0.05, 0.06, 0.3, 1.0])
STEPS = st.one_of(
    st.tuples(st.just(World.begin), anywhere),
    st.tuples(st.just(World.write), st.integers(0, 3)),
    st.tuples(st.just(World.finish), st.integers(0, 3)),
    st.tuples(st.just(World.drop), anywhere),
    st.tuples(st.just(World.rename), inside, inside),
    st.tuples(st.just(World.rename), outside, outside),
    st.tuples(st.just(World.remove), anywhere),
    st.tuples(st.just(World.link), inside, inside),
    st.tuples(st.just(World.lead), inside, versions),
    st.tuples(st.just(World.swap), versions),
)


@settings(max_examples=100)
@given(st.lists(st.tuples(STEPS, pauses_s), max_size=30))
def test_whatever_people_do_all_that_is_finished_is_read_and_nothing_else(
    steps: list[tuple[tuple[Any, ...], float]],
) -> None:
    with TemporaryDirectory() as root:
        world = World(Path(root))
        try:
            for (act, *arguments), pause_s in steps:
                act(world, *arguments)
                world.watched.wait(pause_s)
                world.check()
            world.end()
        finally:
            world.watched.watch.stop()
            for _, file in world.writers:
                file.close()


ON_A_REACTOR = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from twisted.internet import reactor
from vwserve.daemon.folder import FolderWatch

folder = Path(sys.argv[1])
executor = ThreadPoolExecutor(1)

def changed():
    print((folder / "old.yaml").read_text())
    watch.stop()
    reactor.stop()

watch = FolderWatch(reactor, folder, changed, executor)
watch.start()
(folder.parent / "tmp").write_text("new")
reactor.callWhenRunning(os.replace, folder.parent / "tmp", folder / "old.yaml")
reactor.callLater(60, os._exit, 1)
reactor.run()
executor.shutdown()
"""


def test_on_a_real_reactor_with_a_real_thread(folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ON_A_REACTOR, str(folder)], capture_output=True, text=True, check=False, timeout=90
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "new\n", "")
