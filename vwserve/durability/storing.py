"""The files of a snapshot, written in an order in which a crash at any moment leaves a whole snapshot or none.

The model file is written under a hidden name, synced and renamed; then the description is. A snapshot exists once its
description does, and is good if the model file has the size and the checksum that stand there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vwserve.durability.disk import Disk, write_all
from vwserve.durability.snapshot import Snapshot

CHUNK_BYTES = 1 << 20
# Often, so that what others sync meanwhile, a journal above all, does not wait for the whole of a large model.
_SYNC_EVERY_BYTES = 8 << 20

NUMBERED = re.compile(r"([1-9][0-9]{0,17})\.(vw|json)")
UNFINISHED = re.compile(r"\.([1-9][0-9]{0,17})\.(vw|json|links)\.part")


def model_file(folder: Path, number: int) -> Path:
    """Where the model of a snapshot is."""
    return folder / f"{number}.vw"


def description_file(folder: Path, number: int) -> Path:
    """Where the description of a snapshot is."""
    return folder / f"{number}.json"


def links_folder(folder: Path, number: int) -> Path:
    """The folder of the links by which VW writes the model to a pipe."""
    return folder / f".{number}.links.part"


def remove_links(links: Path) -> None:
    """Remove such a folder, if it is there; raises OSError."""
    if links.is_dir():
        for link in links.iterdir():
            link.unlink()
        links.rmdir()
    links.unlink(missing_ok=True)


def unfinished(path: Path) -> Path:
    """What a file is called while it is being written."""
    return path.with_name(f".{path.name}.part")


def store(disk: Disk, folder: Path, snapshot: Snapshot, read: Callable[[], bytes]) -> Snapshot:
    """Write a snapshot whose model `read` gives piece by piece, and an empty one at its end.

    Returns it with checksum and size. Raises OSError, and whatever `read` raises where there is no more though it is
    not the end; parts may then be left over, but no snapshot.
    """
    digest, size = hashlib.sha256(), 0
    file = model_file(folder, snapshot.number)
    fd = disk.create(unfinished(file))
    try:
        unsynced = 0
        while piece := read():
            write_all(disk, fd, piece)
            digest.update(piece)
            size += len(piece)
            unsynced += len(piece)
            if unsynced >= _SYNC_EVERY_BYTES:
                disk.sync(fd)
                unsynced = 0
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(unfinished(file), file)
    disk.sync_folder(folder)
    snapshot = replace(snapshot, sha256=digest.hexdigest(), size_bytes=size)
    _describe(disk, folder, snapshot)
    return snapshot


def store_again(disk: Disk, folder: Path, number: int, snapshot: Snapshot) -> None:
    """Write a snapshot whose model is that of the snapshot `number`; raises OSError.

    The file gets a further name, or is copied where the file system has no such thing.
    """
    there, file = model_file(folder, number), model_file(folder, snapshot.number)
    try:
        disk.link(there, file)
    except OSError:
        _copy(disk, there, file)
    disk.sync_folder(folder)
    _describe(disk, folder, snapshot)


def _copy(disk: Disk, there: Path, file: Path) -> None:
    with there.open("rb", buffering=0) as source:
        fd = disk.create(unfinished(file))
        try:
            while piece := source.read(_SYNC_EVERY_BYTES):
                write_all(disk, fd, piece)
                disk.sync(fd)
        finally:
            disk.close(fd)
    disk.rename(unfinished(file), file)


def _describe(disk: Disk, folder: Path, snapshot: Snapshot) -> None:
    described = description_file(folder, snapshot.number)
    fd = disk.create(unfinished(described))
    try:
        write_all(disk, fd, snapshot.text())
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(unfinished(described), described)
    disk.sync_folder(folder)


def remove(disk: Disk, folder: Path, number: int) -> None:
    """Remove a snapshot, or what there is of it; the description first, since without it there is no snapshot."""
    for file in (description_file(folder, number), model_file(folder, number)):
        disk.unlink(file)
    remove_unfinished(disk, folder, number)


def remove_unfinished(disk: Disk, folder: Path, number: int) -> None:
    """Remove what was being written when the snapshot of this number was taken."""
    remove_links(links_folder(folder, number))
    for file in (description_file(folder, number), model_file(folder, number)):
        disk.unlink(unfinished(file))
