"""What one client, one connection and one example may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The `limits:` of vwserve.yaml, with its defaults."""

    line_bytes: int = 1 << 20
    features: int = 100_000
    connections: int = 1024
    idle_s: float = 3600.0
    request_bytes: int = 16 << 20
    unread_bytes: int = 1 << 20
    importance: float = 1e6
    magnitude: float = 1e12
