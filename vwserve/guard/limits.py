"""What one client and one connection may cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from vwserve.learner import Bounds


@dataclass(frozen=True, slots=True)
class Limits:
    """The `limits:` of vwserve.yaml, with its defaults; `bounds` are those that hold for each example."""

    line_bytes: int = 1 << 20
    connections: int = 1024
    idle_s: float = 3600.0
    request_bytes: int = 1 << 20
    bounds: Bounds = field(default_factory=Bounds)
