"""Model files that are whole or not there.

VW removes the old file before it moves the new one into its place, says nothing where it could not open one, and leaves
what it had written where the disk was full.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vwserve.errors import ModelError

_ENDING = ".writing"  # VW opens the path with this ending, and then renames what it opened


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write a file that then takes the place of `path`; raises ModelError where that cannot be done."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    under_way = draft.with_name(draft.name + _ENDING)
    try:
        draft.touch()
        yield draft
        if not draft.stat().st_size:
            raise ModelError(f"cannot write the model to {path}: VW left it empty; is the disk full?")
        draft.replace(path)
    except OSError as error:
        raise ModelError(f"cannot write the model to {path}: {error.strerror}") from error
    except RuntimeError as error:
        raise ModelError(f"cannot write the model to {path}: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
        under_way.unlink(missing_ok=True)


def link_to(pipe: int, folder: Path) -> Path:
    """A path in `folder` by which VW writes to the descriptor `pipe`.

    What VW cannot write to a disk it leaves out without a word; whoever reads a pipe can write with more care.
    """
    path = folder / "model"
    for each in (path, path.with_name(path.name + _ENDING)):
        each.symlink_to(f"/proc/self/fd/{pipe}")
    return path
