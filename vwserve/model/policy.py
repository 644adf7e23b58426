"""How a model is kept on disk: what its drop says of snapshots, of the journal, and of what has changed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_DAY_S = 86_400.0

Sync = Literal["always", "everysec", "os"]
"""When what was appended to the journal is forced to the disk: before the answer, each second, or by the system."""

OnChange = Literal["refuse", "replay", "fresh"]
"""What becomes of a model whose drop is not the one that it learned with: the journal learned again, or begun anew from
`initial`; by itself it goes on where what it learned keeps its meaning, and is not served otherwise."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a model is kept on disk.

    A snapshot is taken every `snapshot_every_s`; kept are the newest `snapshots` of them, and the last of each of as
    many hours and days as `hourly` and `daily` say. Without `journal` a crash costs what was learned since the newest
    snapshot; with it, segments are kept for at least `journal_keep_s`.
    """

    snapshot_every_s: float = 300.0
    snapshots: int = 288
    hourly: int = 0
    daily: int = 0
    journal: bool = True
    sync: Sync = "everysec"
    journal_keep_s: float = 7 * _DAY_S
    on_change: OnChange = "refuse"
