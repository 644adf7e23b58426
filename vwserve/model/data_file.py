"""A file of examples as it lies on the disk: read in pieces, once or again, plain or compressed by gzip.

Nothing of a file is held but the piece at hand, so that its size does not matter.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vwserve.errors import VwserveError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ_BYTES = 1 << 16

_GZIP = b"\x1f\x8b"  # RFC 1952, section 2.3.1


class DataFile:
    """The file at `path`; with `stream` that instead, which can be read only once.

    `read_bytes` are those read in the pass under way, `size_bytes` all of the file where that is known, both as they
    lie on the disk. `sha256` is that of the file, once a pass that hashes has come to its end.
    """

    def __init__(self, path: Path, stream: BinaryIO | None = None) -> None:
        self.name = "standard input" if stream is not None else str(path)
        self.read_bytes = 0
        self.size_bytes: int | None = None
        self.sha256: str | None = None
        self._path = path
        self._stream = stream
        self._passes = 0
        if stream is None:
            with self._reporting(), path.open("rb") as file:
                self.size_bytes = file.seek(0, io.SEEK_END) if file.seekable() else None

    @property
    def rereadable(self) -> bool:
        """Whether it can be read more than once."""
        return self._stream is None

    def chunks(self, *, hashing: bool = False) -> Iterator[bytes]:
        """The text from the start, in pieces of at most READ_BYTES; raises VwserveError where it cannot be read."""
        self._passes += 1
        if self._stream is not None and self._passes > 1:
            raise VwserveError("standard input can be read only once, and this needs to read it again; give a file")
        with self._reporting(), self._opened() as file:
            counted = _Counted(file, self, hashing=hashing)
            buffered = io.BufferedReader(counted, READ_BYTES)
            compressed = buffered.peek(len(_GZIP)).startswith(_GZIP)
            text = gzip.GzipFile(fileobj=buffered) if compressed else buffered
            while data := text.read1(READ_BYTES):
                yield data
            if hashing:
                self.sha256, self.size_bytes = counted.digest.hexdigest(), self.read_bytes

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self._stream is not None:
            yield self._stream
        else:
            with self._path.open("rb", buffering=0) as file:
                yield file

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise VwserveError(f"cannot read {self.name}: {reason}") from error


class _Counted(io.RawIOBase):
    """What is read from `file`, counted and hashed on its way."""

    def __init__(self, file: BinaryIO, owner: DataFile, *, hashing: bool) -> None:
        self._read = file.read1 if isinstance(file, io.BufferedReader) else file.read
        self._owner = owner
        self._hashing = hashing
        self.digest = hashlib.sha256()
        owner.read_bytes = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read at most as much as the buffer holds."""
        view = memoryview(buffer)
        data = self._read(len(view))
        view[: len(data)] = data
        self._owner.read_bytes += len(data)
        if self._hashing:
            self.digest.update(data)
        return len(data)
