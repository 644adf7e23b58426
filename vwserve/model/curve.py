"""How a model did over a stream, window by window, as `vw` reports its progress.

A window is a number of labelled examples. Where that number is not given it grows with the stream, by joining windows
two by two, so that there are never more than `MOST_WINDOWS` of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vwserve.model.progress import Progress
from vwserve.model.servable import Servable, Totals

MOST_WINDOWS = 40

_FIRST_WIDTH = 125  # which doubles to 1000, 2000, 4000, ...


@dataclass(frozen=True, slots=True)
class Point:
    """One window, which ends after `examples` examples, of which `labelled` are labelled, all since the beginning.

    `loss_so_far` is the mean progressive loss since the beginning, `loss` that of the window alone, as are `auc` and
    `calibration`; None where a figure is not known.
    """

    examples: int
    labelled: int
    loss_so_far: float | None
    loss: float | None
    auc: float | None
    calibration: float | None


@dataclass(slots=True)
class _Window:
    """From one total to another, and the pairs of prediction and label between them."""

    before: Totals
    after: Totals
    progress: Progress

    def joined(self, later: _Window) -> _Window:
        self.progress.include(later.progress)
        return _Window(self.before, later.after, self.progress)

    def point(self) -> Point:
        before, after = self.before, self.after
        weight = after.weight - before.weight
        return Point(
            examples=after.examples,
            labelled=after.labelled,
            loss_so_far=after.sum_loss / after.weight if after.weight else None,
            loss=(after.sum_loss - before.sum_loss) / weight if weight else None,
            auc=self.progress.auc,
            calibration=self.progress.calibration,
        )


class Curve:
    """Watches a servable from now on; each window that will not change any more is handed to `take`.

    `every` is how many labelled examples a window has; None lets it grow. Whoever feeds the servable asks `remaining`
    how many labelled examples may come before the window is full, and calls `settle` after them, `finish` in the end.
    """

    def __init__(self, servable: Servable, take: Callable[[Point], None], every: int | None = None) -> None:
        self._servable = servable
        self._take = take
        self._grows = every is None
        self._width = every or _FIRST_WIDTH
        self._windows: list[_Window] = []
        self._before = servable.totals()
        self._progress = Progress(servable.scale)
        servable.observe(self._add)

    def _add(self, scores: Sequence[float], labels: Sequence[float]) -> None:
        self._progress.add(scores, labels)

    @property
    def remaining(self) -> int:
        """How many labelled examples the window lacks, at least 1."""
        return max(self._width - (self._servable.labelled - self._before.labelled), 1)

    def settle(self) -> None:
        """Close the window, where it is full."""
        if self._servable.labelled - self._before.labelled >= self._width:
            self._close()
            if self._grows and len(self._windows) == MOST_WINDOWS:
                self._windows = _joined_by_two(self._windows)
                self._width *= 2

    def finish(self) -> None:
        """The stream has ended: the last window may be a short one."""
        if self._servable.labelled > self._before.labelled:
            self._close()
        for window in self._windows:
            self._take(window.point())
        self._windows.clear()

    def _close(self) -> None:
        after = self._servable.totals()
        window = _Window(self._before, after, self._progress)
        self._before, self._progress = after, Progress(self._servable.scale)
        if self._grows:
            self._windows.append(window)
        else:
            self._take(window.point())


def _joined_by_two(windows: Sequence[_Window]) -> list[_Window]:
    return [early.joined(late) for early, late in zip(windows[::2], windows[1::2])]
