"""Where a static model came from, which is what it is saved as.

What VW saves of a model under -t has lost most weights. The file is held open: its path may be another file's by the
time that it is needed.
"""

from __future__ import annotations

import os
import shutil
import weakref
from pathlib import Path


class Origin:
    """A model file as it is now."""

    def __init__(self, model: Path) -> None:
        self._descriptor = os.open(model, os.O_RDONLY)
        self._close = weakref.finalize(self, os.close, self._descriptor)

    @property
    def descriptor(self) -> int:
        """That of the open file."""
        return self._descriptor

    def copy(self, path: Path) -> None:
        """Write the file's content to `path`."""
        with open(f"/proc/self/fd/{self._descriptor}", "rb") as file, path.open("wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)  # a pipe is no file to copyfile

    def close(self) -> None:
        """Let go of the file."""
        self._close()
