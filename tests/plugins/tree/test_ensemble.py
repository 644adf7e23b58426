"""Artifacts survive JSON, and spoilt ones are refused by what is wrong."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vwserve_tree.ensemble import Ensemble, Tree, from_content, to_content
from vwserve_tree.options import Options
from vwserve_tree.tree import Tree as Transform

from tests.plugins.tree.ensembles import ensembles
from vwserve.transforms import TransformError

SOUND = to_content(
    Ensemble(
        ["age", "height", "city"],
        [
            Tree([0, 1, 2], [33.5, 1.8, 0.0], [1, -1, -3], [2, -2, -4], [0, 1, 0], [0, 1, 2, 3], [1], {2: [4, 9]}),
            Tree([], [], [], [], [], [0]),
        ],
    )
)


@given(ensembles())
def test_an_ensemble_survives_json(ensemble: Ensemble) -> None:
    assert from_content(json.loads(json.dumps(to_content(ensemble), allow_nan=False))) == ensemble


def spoilt(*path: Any, value: Any) -> dict[str, Any]:
    """The sound artifact with something else in one place."""
    content = deepcopy(SOUND)
    *above, last = path
    inner: Any = content
    for key in above:
        inner = inner[key]
    inner[last] = value
    return content


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({}, "comparison and precision: None and None are unknown"),
        (spoilt("comparison", value=">"), "comparison and precision: '>' and 'double' are unknown"),
        (spoilt("precision", value="half"), "'half' are unknown"),
        (spoilt("features", value="age"), "features: is not a list of names"),
        (spoilt("features", 0, value=3), "features: is not a list of names"),
        (spoilt("features", 0, value="a b"), "'a b' cannot be the name of a feature"),
        *[(spoilt("features", 0, value=f"a{c}b"), "cannot be the name of a feature") for c in "\0\1\t\x1b\x7f|:"],
        (spoilt("features", 0, value="city"), "the feature 'city' stands there twice"),
        (spoilt("features", value=["age"]), r"trees\[0\].feature: is not a list of whole numbers in 0..0"),
        (spoilt("unseen", value=5), "unseen: is not a list of names"),
        (spoilt("unseen", value=[5]), "unseen: is not a list of names"),
        (spoilt("trees", value=[]), "trees: is not a list of trees"),
        (spoilt("trees", 0, value=[]), r"trees\[0\]: is not a tree"),
        (spoilt("trees", 1, value={}), r"trees\[1\].feature: is not a list"),
        (spoilt("trees", 0, "feature", 1, value=True), r"trees\[0\].feature: is not a list of whole numbers in 0..2"),
        (spoilt("trees", 0, "feature", 1, value=3), r"trees\[0\].feature: is not a list of whole numbers in 0..2"),
        (spoilt("trees", 0, "feature", value=[0]), r"trees\[0\].leaves: has 4 items, not 2"),
        (spoilt("trees", 0, "threshold", 0, value="1"), r"trees\[0\].threshold: is not a list of numbers"),
        (spoilt("trees", 0, "threshold", 0, value=10**400), r"trees\[0\].threshold: has a number that is not finite"),
        (spoilt("trees", 0, "threshold", 0, value=float("nan")), "has a number that is not finite"),
        (
            spoilt("trees", 0, "left", 0, value=-1),
            r"trees\[0\].left and right: some split or leaf has no parent, or two",
        ),
        (spoilt("trees", 0, "left", 1, value=1), "the child of split 1 does not stand after it"),
        (spoilt("trees", 0, "left", 1, value=0), "the child of split 1 does not stand after it"),
        (spoilt("trees", 0, "right", 0, value=7), r"trees\[0\].right: is not a list of whole numbers in -4..2"),
        (spoilt("trees", 0, "missing_left", 0, value=2), r"trees\[0\].missing_left: is not a list of whole numbers"),
        (spoilt("trees", 0, "leaves", 0, value=3), r"trees\[0\].leaves: has a leaf twice"),
        (spoilt("trees", 0, "leaves", 0, value=-3), r"trees\[0\].leaves: is not a list of whole numbers"),
        (
            spoilt("trees", 0, "zero_missing", value=[3]),
            r"trees\[0\].zero_missing: is not a list of whole numbers in 0..2",
        ),
        (spoilt("precision", value="single"), r"trees\[0\].zero_missing: goes with double precision only"),
        (spoilt("trees", 0, "categories", value=[]), r"trees\[0\].categories: does not map splits to their categories"),
        (spoilt("trees", 0, "categories", value={"3": []}), "categories: does not map splits to their categories"),
        (spoilt("trees", 0, "categories", value={"x": []}), "categories: does not map splits to their categories"),
        (spoilt("trees", 0, "categories", "2", value=[-1]), r"trees\[0\].categories.2: is not a list of whole numbers"),
    ],
)
def test_refuses_a_spoilt_artifact(content: dict[str, Any], text: str) -> None:
    with pytest.raises(TransformError, match=f"the artifact is spoilt: .*{text}.*; make it again with `vwserve fit`"):
        Transform(Options("n"), content)


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a JSON value."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


@given(
    place=st.sampled_from(places(SOUND)[1:]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        max_leaves=6,
    ),
)
def test_whatever_stands_in_it_an_artifact_works_or_is_refused(place: tuple[Any, ...], value: Any) -> None:
    try:
        from_content(spoilt(*place, value=value))
    except TransformError as error:
        assert str(error).startswith("the artifact is spoilt: ")


@pytest.fixture
def cut() -> Callable[[str], dict[str, Any]]:
    """Makes the sound artifact without one key of its first tree."""

    def without(key: str) -> dict[str, Any]:
        content = deepcopy(SOUND)
        del content["trees"][0][key]
        return content

    return without


@pytest.mark.parametrize("key", ["feature", "threshold", "left", "right", "missing_left", "leaves"])
def test_refuses_a_tree_without_one_of_its_arrays(cut: Callable[[str], dict[str, Any]], key: str) -> None:
    with pytest.raises(TransformError, match=rf"trees\[0\].{key}: is not a list"):
        from_content(cut(key))
