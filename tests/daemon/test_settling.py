"""Which files are finished, by events and looks that the test makes up."""

import pytest

from vwserve.daemon.inotify import (
    ATTRIB,
    CLOSE_WRITE,
    CREATE,
    DELETE,
    IS_DIRECTORY,
    MODIFY,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
)
from vwserve.daemon.look import File, Status
from vwserve.daemon.settling import Settling


def file(path: str, version: int = 1, size_bytes: int = 10, links: int = 1) -> File:
    """A file at a path; another version is another file."""
    return File(path, Status(1, version, 0o100644, 0, 0, size_bytes, version), links)


class Folder:
    """A folder /d with the file `a` in it, and what is known of it; a look is a second after the one before it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.files = {"": file("/d"), "a": file("/d/a")}
        self.settling = Settling(dict(self.files))

    def hear(self, path: str, *masks: int, cookie: int = 0) -> bool:
        """Events of a path; whether the last was worth a look."""
        return [self.settling.hear(path, mask, cookie, self.now_s) for mask in masks][-1]

    def look(self, after_s: float = 1.0, hearing: bool = True, **files: File | None) -> bool:
        """Another look, at files that changed, or vanished; whether to tell."""
        self.now_s += after_s
        for name, found in files.items():
            if found is None:
                del self.files[name]
            else:
                self.files[name] = found
        return self.settling.judge(dict(self.files), hearing, self.now_s)

    def waits(self) -> bool:
        """Whether looks are to be frequent for a file's sake."""
        return self.settling.waiting

    def trusts(self) -> bool:
        """Whether they may be rare, since events tell."""
        return self.settling.trusted

    def unfinished(self) -> set[str]:
        """The names of all that are."""
        return {name for name in [*self.files, "b"] if self.settling.unfinished(name)}


@pytest.fixture
def folder() -> Folder:
    """A folder that was looked at once."""
    return Folder()


def test_what_is_there_at_first_is_finished_and_known(folder: Folder) -> None:
    assert folder.unfinished() == set()
    assert not folder.look()


def test_a_file_is_unfinished_from_the_first_write_to_the_close(folder: Folder) -> None:
    assert folder.hear("/d/a", MODIFY)
    assert folder.unfinished() == {"a"}
    assert not folder.look(a=file("/d/a", 2))
    assert folder.waits()
    assert folder.hear("/d/a", CLOSE_WRITE)
    assert folder.unfinished() == set()
    assert folder.look()
    assert not folder.waits()
    assert not folder.look()


def test_writing_on_is_not_worth_another_look(folder: Folder) -> None:
    assert folder.hear("/d/a", MODIFY)
    assert not folder.hear("/d/a", MODIFY, MODIFY)


def test_a_new_file_that_is_empty_may_be_about_to_be_written(folder: Folder) -> None:
    folder.hear("/d/b", CREATE)
    assert folder.unfinished() == {"b"}
    assert not folder.look(b=file("/d/b", size_bytes=0))
    folder.hear("/d/b", CLOSE_WRITE)
    assert folder.look()


def test_a_new_file_with_bytes_that_nobody_wrote_was_linked(folder: Folder) -> None:
    folder.hear("/d/b", CREATE)
    assert folder.look(b=file("/d/b"))
    assert folder.unfinished() == set()


def test_a_new_file_that_has_another_name_was_linked_even_if_it_is_empty(folder: Folder) -> None:
    folder.hear("/d/b", CREATE)
    assert folder.look(b=file("/d/b", size_bytes=0, links=2))


def test_a_new_file_with_bytes_that_somebody_wrote_is_being_written(folder: Folder) -> None:
    folder.hear("/d/b", CREATE, MODIFY)
    assert not folder.look(b=file("/d/b"))
    assert folder.unfinished() == {"b"}


def test_a_new_link_is_finished(folder: Folder) -> None:
    folder.hear("/d/b", CREATE)
    assert folder.look(b=file("/e/t"))
    folder.hear("/d/c", CREATE)
    assert folder.look(c=File("/e/missing", None))
    folder.hear("/d/e", CREATE)
    assert folder.look(e=File("/d/e", None))  # in circles
    assert folder.unfinished() == set()


def test_a_file_is_unfinished_while_what_it_leads_to_is(folder: Folder) -> None:
    folder.hear("/d/b", CREATE)
    folder.look(b=file("/e/t"))
    folder.hear("/e/t", MODIFY)
    assert folder.unfinished() == {"b"}
    assert not folder.look(b=file("/e/t", 2))
    folder.hear("/e/t", CLOSE_WRITE)
    assert folder.look()


def test_a_file_that_is_renamed_into_place_is_finished(folder: Folder) -> None:
    folder.hear("/d/a", MODIFY)
    folder.hear("/d/a", MOVED_TO, cookie=7)
    assert folder.unfinished() == set()
    assert folder.look(a=file("/d/a", 2))


def test_a_file_that_is_renamed_while_it_is_written_takes_its_writer_along(folder: Folder) -> None:
    folder.hear("/d/.tmp", CREATE, MODIFY)
    folder.hear("/d/.tmp", MOVED_FROM, cookie=7)
    folder.hear("/d/a", MOVED_TO, cookie=7)
    assert not folder.look(a=file("/d/a", 2))
    assert folder.unfinished() == {"a"}
    folder.hear("/d/a", CLOSE_WRITE)
    assert folder.look()


def test_the_writer_of_another_rename_is_not_taken_along(folder: Folder) -> None:
    folder.hear("/d/.tmp", CREATE, MODIFY)
    folder.hear("/d/.tmp", MOVED_FROM, cookie=7)
    folder.hear("/d/a", MOVED_TO, cookie=8)
    assert folder.look(a=file("/d/a", 2))


def test_a_file_that_is_deleted_takes_its_writer_along(folder: Folder) -> None:
    folder.hear("/d/a", MODIFY, DELETE)
    assert folder.look(a=None)
    assert folder.unfinished() == set()


def test_a_change_that_cannot_be_seen_is_told_of_once(folder: Folder) -> None:
    folder.hear("/d/a", MODIFY, CLOSE_WRITE)
    assert folder.look()
    assert not folder.look()


def test_a_close_without_a_write_is_no_change(folder: Folder) -> None:
    folder.hear("/d/a", CLOSE_WRITE)
    assert not folder.look()


def test_a_change_of_attributes_is_one_if_it_is_seen(folder: Folder) -> None:
    folder.hear("/d/a", ATTRIB)
    assert not folder.look()
    folder.hear("/d/a", ATTRIB)
    assert folder.look(a=file("/d/a", 2))


def test_who_does_not_close_for_ten_seconds_is_forgotten_until_they_write_again(folder: Folder) -> None:
    folder.hear("/d/a", MODIFY)
    assert not folder.look(9.0, a=file("/d/a", 2))  # a change starts the wait anew
    assert not folder.look(9.0)
    assert folder.look(1.0)
    assert folder.hear("/d/a", MODIFY)
    assert folder.unfinished() == {"a"}
    assert not folder.look(9.0)
    folder.hear("/d/a", MODIFY)  # so does an event
    assert not folder.look(9.0)
    assert folder.look(1.0)


def test_a_change_that_no_event_told_of_counts_once_it_is_seen_twice(folder: Folder) -> None:
    assert not folder.look(a=file("/d/a", 2))
    assert folder.unfinished() == {"a"}
    assert not folder.look(2.0, a=file("/d/a", 3))
    assert not folder.look(1.0)
    assert folder.look(1.0)
    assert folder.unfinished() == set()


def test_a_file_that_vanished_without_an_event_counts_as_gone_once_it_is_missed_twice(folder: Folder) -> None:
    assert not folder.look(a=None)
    assert folder.look(2.0)
    assert folder.unfinished() == set()
    assert not folder.look(a=file("/d/a", 2))
    assert folder.look(2.0)


def test_a_file_that_vanished_for_a_moment_was_never_gone(folder: Folder) -> None:
    assert not folder.look(a=None)
    assert not folder.look(2.0, a=file("/d/a"))
    assert not folder.look(2.0)


def test_a_close_ends_the_doubt_early(folder: Folder) -> None:
    assert not folder.look(a=file("/d/a", 2))
    folder.hear("/d/a", CLOSE_WRITE)
    assert folder.look(0.1)


def test_a_touch_does_not(folder: Folder) -> None:
    assert not folder.look(a=file("/d/a", 2))
    folder.hear("/d/a", ATTRIB)
    assert not folder.look(0.1)


def test_events_are_no_evidence_while_not_all_is_watched(folder: Folder) -> None:
    folder.hear("/d/a", MOVED_TO)
    assert not folder.look(a=file("/d/a", 2), hearing=False)
    assert folder.look(2.0, hearing=False)


def test_an_event_explains_what_the_look_after_the_next_one_finds(folder: Folder) -> None:
    """It may come between the look and its judgement."""
    folder.hear("/d/a", MODIFY, CLOSE_WRITE)
    assert folder.look()
    assert folder.look(a=file("/d/a", 2))
    assert not folder.look(a=file("/d/a", 3))


def test_where_a_name_leads_elsewhere_both_are_finished(folder: Folder) -> None:
    folder.hear("/d/..data", MOVED_TO)
    assert folder.look(a=file("/d/..2/a"))
    assert folder.look(a=file("/d/..3/a"))


def test_a_folder_that_is_renamed_into_place_is_full_of_finished_files(folder: Folder) -> None:
    folder.hear("/d", MOVED_TO | IS_DIRECTORY)
    assert folder.look(a=file("/d/a", 2), b=file("/d/b"))


def test_a_folder_that_is_made_is_not(folder: Folder) -> None:
    folder.hear("/", CREATE | IS_DIRECTORY)
    assert not folder.look(a=file("/d/a", 2), b=file("/d/b"))
    assert folder.unfinished() == {"a", "b"}
    assert folder.look(2.0)


@pytest.mark.parametrize("mask", [DELETE, MOVED_FROM, MOVE_SELF])
def test_what_is_gone_with_its_folder_is_gone(folder: Folder, mask: int) -> None:
    folder.hear("/", mask | IS_DIRECTORY)
    assert folder.look(a=None)


def test_what_was_written_when_events_were_lost_counts_once_it_is_seen_twice(folder: Folder) -> None:
    folder.hear("/d/b", CREATE, MODIFY)
    folder.look(b=file("/d/b"))
    folder.hear("/d/a", MODIFY, CLOSE_WRITE)
    folder.settling.lose(folder.now_s)
    assert folder.unfinished() == {"b"}
    assert not folder.look(a=file("/d/a", 2))
    assert folder.unfinished() == {"a", "b"}
    folder.hear("/d/a", MODIFY)  # that one still has it open
    assert folder.look(2.0)
    assert folder.unfinished() == {"a"}


def test_events_are_trusted_by_the_last_change(folder: Folder) -> None:
    assert not folder.trusts()
    folder.look()
    assert not folder.trusts()
    folder.hear("/d/a", MODIFY, CLOSE_WRITE)
    folder.look(a=file("/d/a", 2))
    assert folder.trusts()
    folder.look()
    assert folder.trusts()
    folder.look()
    folder.look(a=file("/d/a", 3))
    assert not folder.trusts()


def test_a_link_that_leads_elsewhere_without_any_event_is_no_evidence_for_them(folder: Folder) -> None:
    folder.look(a=file("/d/..2/a"))
    assert not folder.trusts()
    folder.hear("/d/..data", MOVED_TO)
    folder.look(a=file("/d/..3/a"))
    assert folder.trusts()


def test_nobody_is_waited_for_where_nothing_leads_any_more(folder: Folder) -> None:
    folder.hear("/d/b", CREATE)
    folder.look(b=file("/e/t"))
    folder.hear("/e/t", MODIFY)
    folder.look(b=file("/e/t", 2))
    folder.hear("/d/b", MOVED_TO)
    assert folder.look(b=file("/f/t"))
    folder.hear("/d/b", MOVED_TO)
    assert folder.look(b=file("/e/t", 3))
    assert folder.unfinished() == set()
