"""Closed segments, compressed by gzip so that `vw -d` reads them still.

The file says in the comment of its header (RFC 1952, section 2.3) how many examples it holds, from which on, so that
nobody has to decompress it to know what follows, and so that another name is noticed. It appears under its name only
once it is on the disk whole; after that the plain file goes.
"""

from __future__ import annotations

import gzip
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vwserve.durability.disk import Disk, write_all
from vwserve.durability.errors import JournalError
from vwserve.durability.segments import COMPRESSED, DRAFT, PLAIN, READ_BYTES, examples_in, path_of, whole_blocks

_COMMENTED = b"\x1f\x8b\x08\x10" + bytes(4) + b"\x00\x03"  # no time; made on Unix
_COMMENT = re.compile(re.escape(_COMMENTED) + rb"([0-9]{1,20}) examples(?: from ([0-9]{1,20}))?\x00")
_HEADER_BYTES = 96
_LEVEL = 4  # twice as fast as the usual 6, and a few percent larger
_PIECE_BYTES = 1 << 20


def compress(disk: Disk, folder: Path, first: int, examples: int) -> None:
    """Put the compressed file in the place of the plain one, which must be on the disk; raises OSError.

    After a crash at any moment at least one of the two is whole. Where there is no plain one, all is done.
    """
    plain, draft = path_of(folder, first, PLAIN), path_of(folder, first, DRAFT)
    if not plain.exists():
        return
    disk.unlink(draft)
    with plain.open("rb", buffering=0) as source:
        fd = disk.create(draft)
        try:
            for piece in _compressed(source, first, examples):
                write_all(disk, fd, piece)
            disk.sync(fd)
            # The time of the last example, where `times` is lost.
            status = os.fstat(source.fileno())
            os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            disk.close(fd)
    disk.rename(draft, path_of(folder, first, COMPRESSED))
    disk.sync_folder(folder)
    disk.unlink(plain)


def _compressed(source: BinaryIO, first: int, examples: int) -> Iterator[bytes]:
    """The gzip file of a text, in pieces."""
    deflate = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
    checksum, size = 0, 0
    yield _COMMENTED + b"%d examples from %d\x00" % (examples, first)
    while piece := source.read(_PIECE_BYTES):
        checksum, size = zlib.crc32(piece, checksum), size + len(piece)
        yield deflate.compress(piece)
    yield deflate.flush() + struct.pack("<II", checksum, size & 0xFFFFFFFF)


def pieces_of(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The text of a compressed segment, in pieces; raises JournalError where it is damaged."""
    try:
        with gzip.GzipFile(fileobj=file) as text:
            while piece := text.read1(READ_BYTES):
                yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise JournalError(f"{path} is damaged: {error}; restore it from a copy") from error


def examples_of(path: Path, multiline: bool) -> int:
    """How many examples a compressed segment holds, by its header or, where another program wrote it, its text."""
    with path.open("rb") as file:
        if match := _COMMENT.match(file.read(_HEADER_BYTES)):
            return int(match[1])
        file.seek(0)
        return sum(examples_in(block, multiline) for block in whole_blocks(pieces_of(file, path), multiline))


def first_of(path: Path) -> int | None:
    """The number of the first example of a compressed segment, None where its header does not say; raises OSError."""
    with path.open("rb") as file:
        match = _COMMENT.match(file.read(_HEADER_BYTES))
    return int(match[2]) if match and match[2] else None


def is_whole(path: Path) -> bool:
    """Whether a compressed segment can be read to its end, where its checksum stands."""
    with path.open("rb") as file:
        try:
            for _ in pieces_of(file, path):
                pass
        except JournalError:
            return False
    return True
