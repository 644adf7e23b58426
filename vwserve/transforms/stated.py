"""A transform with what it states about itself, read and checked once, when it is made.

What a plugin's properties raise or return is then a problem of the drop that asks for it, and of nothing that comes
later; and they are not run again while requests are served.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from vwserve.transforms.errors import TransformError, guarded
from vwserve.transforms.transform import Artifact, Transform

_WRITABLE = re.compile(r"[!-9;-{}~]{1,100}")  # printable ASCII without ':' and '|'


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What identifies a transform for good: two that are equal derive the same, unless a plugin lies about its version.

    `options` are JSON, `artifact` is the digest of its content, empty where the transform is not fitted.
    """

    kind: str
    version: str
    options: str
    artifact: str


@dataclass(frozen=True)
class Stated:
    """A transform and what it states: see `Transform`."""

    transform: Transform[Any]
    fingerprint: Fingerprint
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    arguments: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The kind of the transform."""
        return self.fingerprint.kind


def make(
    kind: type[Transform[Any]], options: Any, content: Artifact, fingerprint: Fingerprint, where: str = ""
) -> Stated:
    """Make a transform; raises TransformError, which `where` adds to, where it fails or states what it must not."""
    with guarded(f"cannot be made{where}"):
        transform = kind(options, content)
    reads, writes, arguments, remarks = (
        texts(transform, member) for member in ("reads", "writes", "arguments", "remarks")
    )
    for namespace in writes:
        if not _WRITABLE.fullmatch(namespace):
            raise TransformError(f"its 'writes' has {namespace!r}, which is no namespace: a word without '|' and ':'")
    return Stated(transform, fingerprint, reads, writes, arguments, remarks)


def texts(transform: Transform[Any], member: str) -> tuple[str, ...]:
    """The texts that a member of a transform gives; raises TransformError where it fails or gives anything else."""
    with guarded(f"its {member!r} fails"):
        return texts_of(getattr(transform, member), f"its {member!r}")


def texts_of(value: object, what: str) -> tuple[str, ...]:
    """A list or tuple of texts as a tuple; raises TransformError, which begins with `what`, where it is none."""
    if not isinstance(value, (list, tuple)):
        raise TransformError(f"{what} is of type {type(value).__name__}, not a list or tuple of texts")
    for each in value:
        if not isinstance(each, str):
            raise TransformError(f"{what} has an item of type {type(each).__name__}; all are texts (str)")
    return tuple(value)
