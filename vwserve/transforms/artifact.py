"""Artifacts on disk: what a transform learned, with its kind, version and provenance, as a file of JSON.

    {"format": 1, "kind": "mdl", "version": "1", "provenance": {...}, "content": {...}}

The provenance says what the content was learned from; it tells people, not programs, and no identity depends on it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vwserve.transforms.errors import TransformError
from vwserve.transforms.transform import Artifact, Transform

FORMAT = 1
_LARGEST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """An artifact as it was read; `digest` identifies its content."""

    content: Artifact
    provenance: Mapping[str, Any]
    digest: str


def digest(content: Artifact) -> str:
    """SHA-256 of the canonical JSON of a content."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def read_artifact(path: Path, transform: type[Transform[Any]]) -> StoredArtifact:
    """Read an artifact of a transform; raises TransformError where the file is none of that kind and version."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # to read a pipe may take for ever
            raise TransformError(f"{path} is not a regular file")
        if status.st_size > _LARGEST_BYTES:
            raise TransformError(f"{path} is larger than {_LARGEST_BYTES} bytes")
        stored = json.loads(path.read_bytes(), parse_constant=_refuse_constant, parse_float=_finite)
        identity = digest(stored["content"]) if isinstance(stored, dict) and "content" in stored else ""
    except FileNotFoundError as error:
        raise TransformError(f"{path} is not there; `vwserve fit` makes it from data") from error
    except OSError as error:
        raise TransformError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise TransformError(f"{path} is no artifact: {error}; make it again with `vwserve fit`") from error
    if not isinstance(stored, dict) or not isinstance(stored.get("content"), dict) or "kind" not in stored:
        raise TransformError(f"{path} is no artifact; make it with `vwserve fit`")
    if stored["kind"] != transform.kind:
        raise TransformError(f"{path} is an artifact of kind {stored['kind']!r}, not {transform.kind!r}")
    if stored.get("format") != FORMAT or stored.get("version") != transform.version:
        theirs, ours = (stored.get("format"), stored.get("version")), (FORMAT, transform.version)
        raise TransformError(f"{path} is of format and version {theirs}, not {ours}; make it again with `vwserve fit`")
    provenance = stored.get("provenance")
    content = stored["content"]
    return StoredArtifact(content, provenance if isinstance(provenance, dict) else {}, identity)


def reread(content: object) -> Artifact:
    """A content as it comes back from its file; raises TransformError where JSON cannot hold it."""
    if not isinstance(content, dict):
        raise TransformError(f"it learned a value of type {type(content).__name__}, not a dictionary")
    try:
        return dict(json.loads(_canonical(content)))
    except (ValueError, TypeError, RecursionError) as error:
        raise TransformError(f"it learned what JSON cannot hold: {error}") from error


def write_artifact(
    path: Path, transform: type[Transform[Any]], content: Artifact, provenance: Mapping[str, Any]
) -> None:
    """Write an artifact, whole or not at all; raises TransformError where that cannot be done."""
    stored = {
        "format": FORMAT,
        "kind": transform.kind,
        "version": transform.version,
        "provenance": provenance,
        "content": content,
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(stored, file, allow_nan=False, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise TransformError(f"cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _canonical(content: Artifact) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is greater than any number")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
