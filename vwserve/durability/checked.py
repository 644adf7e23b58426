"""JSON with a checksum of its own, in which every key has a line: what describes a model's state on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vwserve.durability.disk import Disk, write_all

_CHECKSUM = "checksum"


def to_text(content: Mapping[str, Any]) -> bytes:
    """The text of a file with this content."""
    keys = {**content, _CHECKSUM: _checksum(content)}
    return ("{\n" + ",\n".join(f" {json.dumps(key)}: {json.dumps(keys[key])}" for key in keys) + "\n}\n").encode()


def from_text(text: bytes, version: int) -> dict[str, Any]:
    """The content of such a file; raises ValueError, whose text says what is wrong with it.

    Its key `format` must have the value `version`.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or _CHECKSUM not in content:
        raise ValueError("it has no checksum")
    if content.pop(_CHECKSUM) != _checksum(content):
        raise ValueError("its checksum is wrong")
    if content.get("format") != version:
        raise ValueError(f"it is of format {content.get('format')!r}, which this version does not read")
    return content


def write_in_place(disk: Disk, file: Path, content: Mapping[str, Any]) -> None:
    """Write such a file in place of the one there is, so that a crash leaves one of both whole; raises OSError."""
    draft = file.with_name(f".{file.name}.part")
    disk.unlink(draft)
    fd = disk.create(draft)
    try:
        write_all(disk, fd, to_text(content))
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(draft, file)
    disk.sync_folder(file.parent)


def _checksum(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
