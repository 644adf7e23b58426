"""Every comparison of the libraries comes to `value <= edge` of doubles."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vwserve_tree.ensemble import Ensemble, Tree
from vwserve_tree.splits import last_left, split_trees

SINGLES = st.floats(width=32, allow_nan=False, allow_infinity=False)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.one_of(
    SINGLES, DOUBLES, st.sampled_from([0.0, -0.0, 5e-324, 2.0**128, -(2.0**128), 3.4028234663852886e38])
)


def compares(value: float, threshold: float, comparison: str, precision: str) -> bool:
    """What the library does."""
    with np.errstate(over="ignore", under="ignore"):
        number = np.float64(np.float32(value)) if precision == "single" else np.float64(value)
    return bool(number <= threshold if comparison == "<=" else number < threshold)


def beside(value: float, precision: str) -> list[float]:
    """The value, and doubles around it and around where float32 changes its mind."""
    with np.errstate(over="ignore", under="ignore"):
        single = np.float32(value)
        steps = [np.nextafter(single, np.float32(way)) for way in (-np.inf, np.inf)]
        values = [value, float(single), *map(float, steps)]
        values += [(a + b) / 2.0 for a in values for b in values if np.isfinite(a + b)]
        around = [float(np.nextafter(each, way)) for each in values for way in (-np.inf, np.inf)]
    return [each for each in values + around if np.isfinite(each)]


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("comparison", ["<=", "<"])
@given(threshold=NUMBERS.filter(lambda number: number < sys.float_info.max), other=NUMBERS)
def test_the_last_double_that_compares(comparison: str, precision: str, threshold: float, other: float) -> None:
    edge = last_left(np.array([threshold]), comparison, precision).item()  # type: ignore[arg-type]  # from parametrize
    for value in [other, *beside(threshold, precision)]:
        assert (value <= edge) == compares(value, threshold, comparison, precision), value


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("comparison", ["<=", "<"])
def test_all_values_compare_to_the_greatest_double(comparison: str, precision: str) -> None:
    greatest = np.array([sys.float_info.max])
    assert last_left(greatest, comparison, precision).item() == np.inf  # type: ignore[arg-type]  # from parametrize


def only_split(categories: list[int], comparison: str, precision: str) -> tuple[float, ...]:
    """The edges of a split on categories."""
    tree = Tree([0], [0.0], [-1], [-2], [0], [0, 1], categories={0: categories})
    ensemble = Ensemble(["a"], [tree], comparison, precision)  # type: ignore[arg-type]  # from parametrize
    ((split,),) = split_trees(ensemble).trees
    assert (split.left, split.right, split.missing_left) == (-2, -1, True)
    return tuple(split.edges)


def test_neighbouring_categories_are_one_interval() -> None:
    assert len(only_split([7, 3, 4, 5], "<=", "double")) == 4
    assert only_split([], "<=", "double") == ()


@pytest.mark.parametrize(
    ("comparison", "precision", "value", "inside"),
    [
        ("<=", "double", -0.9999, True),
        ("<=", "double", -1.0, False),
        ("<=", "double", 0.9999, True),
        ("<=", "double", 1.0, False),
        ("<", "single", -0.9999, False),
        ("<", "single", -1e-46, True),  # rounds to -0.0
        ("<", "single", 0.9999, True),
        ("<", "single", 0.99999999, False),  # rounds to 1
    ],
)
def test_category_zero_begins_where_the_library_has_it(
    comparison: str, precision: str, value: float, inside: bool
) -> None:
    edges = np.array(only_split([0], comparison, precision))
    assert bool(edges.searchsorted(value) & 1) == inside
