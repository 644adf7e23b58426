"""Taking a snapshot while the model goes on serving: a forked child has the model as it was, and saves that.

The child makes a child of its own. That one saves through VW into a pipe; the first reads the pipe, writes, checks and
syncs. VW itself leaves out without a word what a full disk does not take, so it is never let near one. What the first
child has to say, the snapshot with its checksum or what went wrong, comes to the owner by another pipe, whose end can
be watched by a reactor or waited for.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vwserve.durability.disk import Disk
from vwserve.durability.forking import fork_apart
from vwserve.durability.snapshot import Snapshot, SnapshotError
from vwserve.durability.storing import CHUNK_BYTES, links_folder, remove, remove_links, store
from vwserve.errors import VwserveError
from vwserve.learner import Learner

WITHIN_S = 600.0
"""How long a child may take, unless told otherwise: a table of 256 MB takes seconds."""

MOST_IN_PROCESS_BYTES = 64 << 20
"""The largest model that is saved in the process itself where no child can be made: it takes up to 0.1 s."""

_GRACE_S = 0.5  # for the system to end a child that is killed

_RECORD_BYTES = 32  # of a weight in a model file at most: its index, and six numbers for --coin
_HEADER_BYTES = 1 << 20


class Taking:
    """A snapshot that is being taken; `fileno` is readable once `finish` would not wait.

    `remark` is then what went wrong afterwards, with old snapshots; empty where nothing did.
    """

    def __init__(self, folder: Path, disk: Disk, snapshot: Snapshot, within_s: float, pipe: int, child: int) -> None:
        self._folder = folder
        self._disk = disk
        self._snapshot = snapshot
        self._within_s = within_s
        self._pipe = pipe
        self._child = child
        self._handle = _handle_of(child, pipe) if child else pipe
        self._said = bytearray()
        self.remark = ""

    @property
    def number(self) -> int:
        """The number that the snapshot has or will have."""
        return self._snapshot.number

    def fileno(self) -> int:
        """What becomes readable at the end, and only then."""
        return self._handle

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end, at most so long; whether it has come."""
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000.0))

    def stop(self) -> None:
        """End it now; `finish` then raises."""
        if self._child:
            os.kill(self._child, signal.SIGKILL)

    def end(self) -> None:
        """End it now, and have nothing of it left; to be called instead of `finish`.

        A process that waits for a disk that does not answer outlives being killed: then a thread waits for its end, and
        what there is of the snapshot is left to whoever opens the folder next.
        """
        self.stop()
        if self.wait(_GRACE_S):
            with suppress(SnapshotError):  # it is to come to nothing
                self.finish()
        else:
            threading.Thread(target=self._ended, name="vwserve-child", daemon=True).start()

    def finish(self) -> Snapshot:
        """The snapshot, now that it is on disk; waits where it is not yet. To be called once.

        Raises SnapshotError where none came about; nothing is left of it then.
        """
        ending = self._ended()
        said = json.loads(self._said.partition(b"\n")[0] or b"{}")
        self.remark = said.get("remark", "")
        if not ending and "sha256" in said:
            return replace(self._snapshot, sha256=said["sha256"], size_bytes=said["bytes"])
        error = SnapshotError(f"no snapshot {self.number} in {self._folder}: {self._reason(said, ending)}")
        try:
            remove(self._disk, self._folder, self.number)
        except OSError as failed:
            raise SnapshotError(f"{error}; and what there is of it cannot be removed: {failed.strerror}") from failed
        raise error

    def _ended(self) -> int:
        """Wait for the end, and hear what is said; the exit code, or minus the signal that ended it."""
        while piece := os.read(self._pipe, CHUNK_BYTES):
            self._said += piece
        for fd in {self._pipe, self._handle}:
            os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1]) if self._child else 0

    def _reason(self, said: dict[str, str], ending: int) -> str:
        if "error" in said:
            return said["error"]
        if ending == -signal.SIGALRM:
            return f"it took more than {self._within_s:g} s, and was stopped; is the disk slow?"
        if ending < 0:
            return f"the process that saved was ended by {signal.Signals(-ending).name}; is the memory full?"
        return f"the process that saved ended with {ending}"


def _handle_of(child: int, pipe: int) -> int:
    """What becomes readable once a child is gone, which has a pipe to say so.

    The pipe does so before: between a child's last word and its end the system takes its memory apart, for a large
    model 20 to 40 ms, in which whoever waits for it would serve nobody.
    """
    try:
        return os.pidfd_open(child)
    except (AttributeError, OSError):  # before Linux 5.3
        return pipe


def take(
    learner: Learner,
    snapshot: Snapshot,
    folder: Path,
    disk: Disk,
    *,
    sync_first: Sequence[int] = (),
    names_first: Path | None = None,
    superseded: Callable[[], object] = lambda: None,
    within_s: float = WITHIN_S,
) -> Taking:
    """Begin to save a model, as it is now, as `snapshot` in `folder`.

    The files open as `sync_first`, and the names in the folder `names_first`, are on disk before it is. `superseded` is
    called in the child once the snapshot is, to remove others. Raises SnapshotError where nothing can be begun.
    """
    kept = [*learner.descriptors, *sync_first]

    def made() -> tuple[Snapshot, Learner]:
        _sync(disk, sync_first, names_first)
        return snapshot, learner

    def make_no_child(say: int, refusal: OSError) -> None:
        _sync(disk, sync_first, names_first)
        _take_here(learner, snapshot, folder, disk, say, refusal)

    return _begin(made, snapshot, folder, disk, kept, superseded, within_s, make_no_child)


def make_apart(
    make: Callable[[], tuple[Snapshot, Learner]],
    draft: Snapshot,
    folder: Path,
    disk: Disk,
    *,
    sync_first: Sequence[int] = (),
    names_first: Path | None = None,
    within_s: float,
) -> Taking:
    """Begin to make a model in a child, and save it as the snapshot that is made with it, of the number of `draft`.

    What is on disk before it is, is as for `take`. What `finish` returns then is the draft; the snapshot is in the
    folder. Raises SnapshotError where nothing can be begun.
    """

    def made() -> tuple[Snapshot, Learner]:
        _sync(disk, sync_first, names_first)
        return make()

    def make_no_child(say: int, refusal: OSError) -> None:
        raise refusal

    return _begin(made, draft, folder, disk, sync_first, lambda: None, within_s, make_no_child)


def _sync(disk: Disk, files: Sequence[int], names: Path | None) -> None:
    """Bring to the disk what a snapshot is to follow: a model must not know of examples that its journal has lost."""
    for fd in files:
        disk.sync(fd)
    if names is not None:
        disk.sync_folder(names)


def _begin(
    make: Callable[[], tuple[Snapshot, Learner]],
    draft: Snapshot,
    folder: Path,
    disk: Disk,
    kept: Sequence[int],
    superseded: Callable[[], object],
    within_s: float,
    make_no_child: Callable[[int, OSError], None],
) -> Taking:
    links = links_folder(folder, draft.number)

    def work() -> int:
        try:
            snapshot, learner = make()
            stored = _save_apart(learner, snapshot, folder, links, disk, say, within_s)
            remove_links(links)
        except (OSError, VwserveError) as error:
            return _say(say, {"error": _told(error)}, 1)
        message: dict[str, object] = {"sha256": stored.sha256, "bytes": stored.size_bytes}
        try:
            superseded()
        except OSError as error:
            message["remark"] = f"old snapshots in {folder} cannot be removed: {_told(error)}"
        return _say(say, message, 0)

    hear = say = -1
    try:
        hear, say = os.pipe()
        try:
            child = fork_apart(work, [say, *kept], within_s)
        except OSError as error:
            make_no_child(say, error)
            child = 0
        return Taking(folder, disk, draft, within_s, hear, child)
    except OSError as error:
        if hear >= 0:
            os.close(hear)
        raise SnapshotError(f"no snapshot {draft.number} in {folder}: {_told(error)}") from error
    finally:
        if say >= 0:
            os.close(say)


def _save_apart(
    learner: Learner, snapshot: Snapshot, folder: Path, links: Path, disk: Disk, say: int, within_s: float
) -> Snapshot:
    """Have a child save into a pipe, and store what comes out of it."""
    links.mkdir()
    out, into = os.pipe()

    def pour() -> int:
        try:
            learner.pour(into, links)
        except (OSError, VwserveError, RuntimeError) as error:
            return _say(say, {"error": f"VW cannot save: {error}"}, 1)
        return 0

    saver = fork_apart(pour, [into, say, *learner.descriptors], within_s)
    os.close(into)

    def read() -> bytes:
        piece = os.read(out, CHUNK_BYTES)
        if not piece and (ending := os.waitstatus_to_exitcode(os.waitpid(saver, 0)[1])):
            raise SnapshotError(f"the process in which VW saved ended with {ending}")
        return piece

    return store(disk, folder, snapshot, read)


def _take_here(learner: Learner, snapshot: Snapshot, folder: Path, disk: Disk, say: int, refusal: OSError) -> None:
    """Save in this process, while it serves nothing else, because the system has refused to make a child."""
    most_bytes = _HEADER_BYTES + (_RECORD_BYTES << learner.bits)
    if most_bytes > MOST_IN_PROCESS_BYTES:
        raise OSError(
            refusal.errno,
            f"the system makes no process to save in ({_told(refusal)}), and to save a model of "
            f"{1 << learner.bits:,} weights in this one would stall what it serves; give it memory or `-b` less",
        )
    draft = links_folder(folder, snapshot.number)
    try:
        # VW does not say where the disk was full, so that it must not be.
        if shutil.disk_usage(folder).free < 2 * most_bytes:
            raise OSError(0, f"less than {2 * most_bytes:,} bytes are free there")
        learner.save(draft)
        with draft.open("rb") as file:
            stored = store(disk, folder, snapshot, lambda: file.read(CHUNK_BYTES))
        message = {"sha256": stored.sha256, "bytes": stored.size_bytes}
    except (OSError, VwserveError) as error:
        message = {"error": _told(error)}
    finally:
        draft.unlink(missing_ok=True)
    _say(say, message, 0)


def _say(pipe: int, message: dict[str, object], code: int) -> int:
    os.write(pipe, json.dumps(message).encode() + b"\n")
    return code


def _told(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
