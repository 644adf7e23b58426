"""The battery of checks for authors of plugins: it accepts good transforms and finds each broken promise."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from tests.transforms.samples import InOut, Sizes, Upper
from vwserve.testing import check_transform
from vwserve.transforms import Artifact, Batch, Examples, NumberReader, Transform

LINES = [b"%d |n a:%d b%d |m x" % (1 - 2 * (number % 2), number, number % 5) for number in range(80)]
OPTIONS = InOut("n", "out")


HEADS = [b"1 2 't |n a:1", b"'t |n a", b"t|n b", b"1 |n a |n b", b" |n c", b"one |n a", b"-1 0.5 0.25 't |n a |m x"]


@pytest.mark.parametrize("transform", [Sizes, Upper])
def test_accepts_lines_of_all_forms(transform: type[Transform[InOut]]) -> None:
    check_transform(transform, OPTIONS, HEADS)


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


def applying(apply: Callable[[Batch], Any]) -> type[Transform[InOut]]:
    """A transform that applies this."""
    return type("Applying", (Upper,), {"apply": lambda self, batch: apply(batch)})


def out(texts: Iterable[bytes]) -> dict[str, list[bytes]]:
    """An answer."""
    return {"out": list(texts)}


class TiresOfIt(Upper):
    """Gives something else after its thousandth call."""

    calls = 0

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        self.calls += 1
        return out(b"n%d" % (self.calls > 1000) for _ in batch.lines)


class Overwrites(Upper):
    """Writes to the numbers that others read."""

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        numbers = batch.numbers("n", NumberReader(["a"]))
        numbers.flags.writeable = True
        numbers[:] = 0.0
        return out(b"x" for _ in batch.lines)


class Hides(Upper):
    """Alters the features that others read."""

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        batch._sections["n"] = [b"other:1"] * len(batch)
        return out(b"x" for _ in batch.lines)


class TwoNames(Sizes):
    """Describes itself in one text."""

    @classmethod
    def describe(cls, artifact: Artifact) -> Any:
        return "two"


class LearnsNothing(Sizes):
    """Gives no artifact."""

    @classmethod
    def fit(cls, options: InOut, examples: Examples) -> Any:
        return None


class LearnsSets(Sizes):
    """Gives what JSON has not."""

    @classmethod
    def fit(cls, options: InOut, examples: Examples) -> Any:
        return {"most": {1}}


def stating(member: str, value: object) -> type[Transform[InOut]]:
    """A transform that states this."""
    return type("Stating", (Upper,), {member: value})


FAILS = property(lambda self: 1 // 0)
LABELS = applying(lambda batch: out(line[:1].replace(b"|", b"") for line in batch.lines))
OTHER = applying(lambda batch: out(text.replace(b":", b"_") for text in batch.features("m")))
GREAT = applying(lambda batch: out(b"x:1e30" for _ in batch.lines))
STRINGS = applying(lambda batch: {"out": ["x"] * len(batch)})
NOTHING = applying(lambda batch: None)
FAILING = applying(lambda batch: 1 // 0)
EXITING = applying(lambda batch: sys.exit("bye"))
ONE_TEXT = applying(lambda batch: {"out": b"x" * len(batch)})
IN_WORDS = applying(lambda batch: out(b"x%d" % int(float(text.split(b":")[-1])) for text in batch.features("n")))


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (LABELS, "it depends on label, importance or tag"),
        (OTHER, "it depends on the namespace 'm', which it does not say it reads"),
        (GREAT, "is beyond .*: it is refused"),
        (STRINGS, "`apply` gives a str in 'out'; its texts are bytes"),
        (NOTHING, "`apply` gives a NoneType, not a mapping"),
        (ONE_TEXT, "`apply` gives a bytes for 'out', not a list"),
        (FAILING, "broken: `apply` gives features for any line: ZeroDivisionError"),
        (EXITING, "broken: `apply` gives features for any line: SystemExit: bye"),
        (IN_WORDS, "broken: `apply` gives features for any line: ValueError"),
        (TiresOfIt, "after 2000 calls it gives something else"),
        (Overwrites, "it changed the batch"),
        (Hides, "it changed the batch"),
        (stating("arguments", FAILS), "states lists or tuples of texts: its 'arguments' fails: ZeroDivisionError"),
        (stating("arguments", [18]), "its 'arguments' has an item of type int"),
        (stating("remarks", None), "its 'remarks' is of type NoneType"),
        (stating("writes", "out"), "its 'writes' is of type str"),
        (stating("reads", None), "its 'reads' is of type NoneType"),
        (TwoNames, "broken: `describe` gives lines of text: what it gives is of type str"),
        (LearnsNothing, "broken: `fit` learns a dictionary that JSON can hold: it learned a value of type NoneType"),
        (LearnsSets, "broken: `fit` learns a dictionary that JSON can hold: it learned what JSON cannot hold"),
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
