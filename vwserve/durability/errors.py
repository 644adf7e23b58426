"""What is wrong with what a model keeps on disk, in words for who runs the daemon."""

from __future__ import annotations

from pathlib import Path

from vwserve.errors import StateError


class JournalError(StateError):
    """A journal that cannot be opened, written or read; its text names the file and says what to do."""


def disk_error(doing: str, path: Path, error: OSError, remedy: str) -> JournalError:
    """The system's refusal to do something with a file, with its reason."""
    return JournalError(f"cannot {doing} {path}: {error.strerror or error}; {remedy}")
