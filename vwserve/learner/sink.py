"""VW's own prediction text, caught in memory."""

from __future__ import annotations

import os
import weakref

_KEPT_BYTES = 1 << 20


class PredictionSink:
    """An in-memory file that a workspace made with `-p` prints its predictions to.

    VW opens `path` for writing and keeps its own offset, so the file is read from where the last read ended, and what
    has been read is given back to the system by truncating: the offset goes on growing, the memory does not.
    """

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("vwserve-predictions", os.MFD_CLOEXEC)
        self._forget = weakref.finalize(self, os.close, self._descriptor)  # also where nobody closes it
        self._offset = 0
        self._truncated_at = 0

    @property
    def path(self) -> str:
        """The path under which VW, in this process, opens the file."""
        return f"/proc/self/fd/{self._descriptor}"

    def take(self) -> bytes:
        """Everything printed since the last take."""
        size = os.fstat(self._descriptor).st_size - self._offset
        if size <= 0:
            return b""
        text = os.pread(self._descriptor, size, self._offset)
        self._offset += len(text)
        if self._offset - self._truncated_at >= _KEPT_BYTES:
            os.ftruncate(self._descriptor, 0)
            self._truncated_at = self._offset
        return text

    def close(self) -> None:
        """Give the memory back."""
        self._forget()
