"""Which snapshots to keep: the newest ones, and of the hours and days before them the last one each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_HOUR_S, _DAY_S = 3600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Keeping:
    """Keep the `newest` snapshots, and the last of each of as many hours and days (UTC) as have any."""

    newest: int = 288
    hourly: int = 0
    daily: int = 0

    def __post_init__(self) -> None:
        """Refuse to keep none: the newest is what a restart goes on from."""
        if self.newest < 1 or self.hourly < 0 or self.daily < 0:
            raise ValueError("at least one snapshot is kept, and no number of hours or days is negative")

    def superseded(self, times_s: Mapping[int, float]) -> list[int]:
        """Which of these snapshots, numbers with their times, need not be kept; the oldest first."""
        numbers = sorted(times_s, reverse=True)
        kept = set(numbers[: self.newest])
        for span_s, most in ((_HOUR_S, self.hourly), (_DAY_S, self.daily)):
            last: dict[float, int] = {}
            for number in numbers:
                last.setdefault(times_s[number] // span_s, number)
            kept.update(list(last.values())[:most])
        return [number for number in reversed(numbers) if number not in kept]
