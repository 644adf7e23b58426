"""The battery of checks for authors of plugins: it accepts good transforms and finds each broken promise."""

from collections.abc import Mapping, Sequence

import pytest

from tests.transforms.samples import InOut, Sizes, Upper
from vwserve.testing import check_transform
from vwserve.transforms import Artifact, Batch, Examples, Transform

LINES = [b"%d |n a:%d b%d |m x" % (1 - 2 * (number % 2), number, number % 5) for number in range(80)]
OPTIONS = InOut("n", "out")


@pytest.mark.parametrize("transform", [Sizes, Upper])
def test_accepts_a_good_transform(transform: type[Transform[InOut]]) -> None:
    check_transform(transform, OPTIONS, LINES)


class CountsLines(Upper):
    """Depends on what else is in the batch."""

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        return {"out": [b"n%d" % len(batch)] * len(batch)}


class CountsCalls(Upper):
    """Depends on the calls before."""

    calls = 0

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        self.calls += 1
        return {"out": [b"n%d" % self.calls] * len(batch)}


class ReadsMore(Upper):
    """Depends on the whole line."""

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        return {"out": [b"n%d" % len(line) for line in batch.lines]}


class WritesMore(Upper):
    """Writes what it does not say."""

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        return {"out": [b""] * len(batch), "more": [b""] * len(batch)}


class WritesBars(Upper):
    """Writes what is no feature."""

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        return {"out": [b"a|b"] * len(batch)}


class WritesInfinity(Upper):
    """Writes a value that is not finite."""

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        return {"out": [b"a:inf"] * len(batch)}


class FitsByChance(Sizes):
    """Learns something else each time."""

    fits = 0

    @classmethod
    def fit(cls, options: InOut, examples: Examples) -> Artifact:
        cls.fits += 1
        return {"most": cls.fits}


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (CountsLines, "when other lines stand with it"),
        (CountsCalls, "when other lines stand with it"),
        (ReadsMore, "depends on a namespace that it does not say it reads"),
        (WritesMore, "it writes"),
        (WritesBars, "has a byte that no feature has"),
        (WritesInfinity, "has no finite value"),
        (FitsByChance, "different artifacts"),
    ],
)
def test_finds_a_broken_promise(transform: type[Transform[InOut]], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_transform(transform, OPTIONS, LINES)
