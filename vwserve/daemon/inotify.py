"""inotify(7), Linux's word on what happens in folders and to files: its three calls and its one record.

Twisted's own `twisted.internet.inotify` will not do: it closes the whole instance as soon as one watched thing is
deleted, drops the record that says that records were lost, cannot tell a limit that was reached from a file that is
missing, takes a folder that was made anew for one that it still watches, and hides which two records are one rename.
The package inotify_simple has none of these faults, but no types either, and is no more than what stands here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import NamedTuple

MODIFY = 0x00000002
ATTRIB = 0x00000004
CLOSE_WRITE = 0x00000008
MOVED_FROM = 0x00000040
MOVED_TO = 0x00000080
CREATE = 0x00000100
DELETE = 0x00000200
DELETE_SELF = 0x00000400
MOVE_SELF = 0x00000800
UNMOUNT = 0x00002000
OVERFLOW = 0x00004000  # records were lost; that one has no watch
IGNORED = 0x00008000  # the watch is gone
DONT_FOLLOW = 0x02000000
EXCLUDE_UNLINKED = 0x04000000
MASK_ADD = 0x20000000
IS_DIRECTORY = 0x40000000

_HEAD = struct.Struct("iIII")  # struct inotify_event: wd, mask, cookie, len; a name of len bytes follows
_READ_BYTES = 1 << 16


class Event(NamedTuple):
    """What happened (`mask`) to what is watched, or to `name` in it; the two events of a rename share a cookie."""

    watch: int
    mask: int
    cookie: int
    name: str


class Inotify:
    """An instance with a queue of its own, closed on exec, never waited for.

    Raises OSError where the system has no inotify (ENOSYS) or no instance to spare (EMFILE: the sysctl
    fs.inotify.max_user_instances, or the limit of open files).
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            init, self._add, self._remove = libc.inotify_init1, libc.inotify_add_watch, libc.inotify_rm_watch
        except AttributeError as error:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from error
        init.argtypes = [ctypes.c_int]
        self._add.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
        self._remove.argtypes = [ctypes.c_int, ctypes.c_int]
        self._fd = _checked(init(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """What becomes readable when there are events."""
        return self._fd

    def add(self, path: str, mask: int) -> int:
        """Watch what is at `path` now, wherever it goes, for the events of `mask`; its number, the same if it had one.

        Raises OSError; ENOSPC is the sysctl fs.inotify.max_user_watches.
        """
        return _checked(self._add(self._fd, os.fsencode(path), mask), path)

    def remove(self, watch: int) -> None:
        """End a watch; that there is none any more is no error."""
        self._remove(self._fd, watch)

    def read(self) -> list[Event]:
        """The next events, a thousand or more; none if there are none."""
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return []
        events = []
        at = 0
        while at < len(data):
            watch, mask, cookie, name_bytes = _HEAD.unpack_from(data, at)
            at += _HEAD.size + name_bytes
            name = os.fsdecode(data[at - name_bytes : at].rstrip(b"\0"))
            events.append(Event(watch, mask, cookie, name))
        return events

    def close(self) -> None:
        """End all watches."""
        os.close(self._fd)


def _checked(result: int, path: str | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result
