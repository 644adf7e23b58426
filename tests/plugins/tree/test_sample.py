"""A sample of a stream is uniform, bounded, and does not depend on how the stream is cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vwserve_tree import sample as module
from vwserve_tree.sample import Sample

from vwserve.transforms import TransformError


def sampled(count: int, rows: int, seed: int = 0, cuts: list[int] | None = None) -> Sample:
    """A sample of the numbers below `count`, added in pieces that end at `cuts`."""
    sample = Sample(rows, seed)
    ends = [0, *sorted(cut for cut in cuts or () if cut < count), count]
    for start, end in pairwise(ends):
        numbers = np.arange(start, end)
        sample.add(
            [b"%d" % number for number in numbers.tolist()],
            numbers.astype(np.float64),
            (numbers + 1).astype(np.float64),
        )
    return sample


def test_fewer_than_fit_are_all_kept_in_order() -> None:
    sample = sampled(50, 50, cuts=[7, 30])
    assert sample.texts == [b"%d" % number for number in range(50)]
    assert (sample.labels, sample.weights) == ([float(n) for n in range(50)], [float(n + 1) for n in range(50)])


@given(cuts=st.lists(st.integers(0, 400)), seed=st.integers(0, 1 << 31))
def test_it_does_not_depend_on_the_batches(cuts: list[int], seed: int) -> None:
    whole, cut = sampled(400, 20, seed), sampled(400, 20, seed, cuts)
    assert (whole.texts, whole.labels, whole.weights) == (cut.texts, cut.labels, cut.weights)
    assert [float(text) for text in cut.texts] == cut.labels == [weight - 1 for weight in cut.weights]
    assert (len(set(cut.texts)), cut.seen) == (20, 400)


def test_each_example_is_as_likely_as_any_other() -> None:
    counts = np.zeros(40)
    for seed in range(2000):
        counts[np.array(sampled(40, 10, seed).labels, int)] += 1
    # 2000 draws of probability 1/4: the mean is 500, the deviation 19.4.
    assert abs(counts - 500).max() < 5 * 19.4


def test_unlabelled_examples_and_those_of_no_importance_are_passed_over() -> None:
    sample = Sample(10, 0)
    sample.add([b"a", b"b", b"c"], np.array([1.0, np.nan, 0.0]), np.array([1.0, 1.0, 0.0]))
    assert (sample.texts, sample.seen) == ([b"a"], 1)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_TEXT_BYTES", 1000)
    sample = Sample(10, 0)
    for _ in range(100):  # what is replaced does not count
        sample.add([b"x" * 100] * 10, np.ones(10), np.ones(10))
    with pytest.raises(TransformError, match="10 examples fill 1000 bytes; sample fewer 'rows'"):
        sample.add([b"x" * 101] * 1000, np.ones(1000), np.ones(1000))
