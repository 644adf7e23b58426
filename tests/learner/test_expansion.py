"""Features after interactions are known before VW makes them: never fewer than VW makes, and without making them."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pylibvw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.learner import lines
from vwserve.learner import Bounds, Learner
from vwserve.learner.binding import Workspace
from vwserve.learner.expansion import Expansion, Term, grams_per_feature
from vwserve.learner.grammar import feature_sizes
from vwserve.learner.options import expansion_of

ARGUMENTS = [
    "",
    "-q fg",
    "-q ff",
    "-q ::",
    "-q f:",
    "--cubic fff",
    "--cubic fgh",
    "--cubic ffg",
    "--cubic :::",
    "--interactions fgh --interactions ffff",
    "-q fg -q ff --cubic fgh",
    "-q ff --leave_duplicate_interactions",
    "--cubic fff --permutations",
    "-q :: --leave_duplicate_interactions",
    r"-q \x66\x67",
    "--experimental_full_name_interactions f|g",
    "--experimental_full_name_interactions long_name|f|f",
    "--ngram 2",
    "--ngram f3 -q ff",
    "--ngram 4 --skips 3",
    "--ngram f3 --skips f2 --cubic ffg",
    "--affix +2f,-3g,+1f",
    "--spelling f --spelling g",
    "--affix +1f -q :: --spelling f",
    "--redefine g:=f -q ff",
    "--redefine :=f --cubic fff",
    "--ignore f -q fg",
    "--ignore_linear f -q ff",
    "--noconstant -q fg",
    "--lrq fg3",
    "--lrqfa fgh2",
]


def made_by_vw(workspace: pylibvw.vw, line: bytes) -> int:
    """How many features VW comes to, without the constant, which is no feature of the line."""
    (example,) = workspace._parse(line)
    workspace.predict(example)
    features = example.get_feature_number() - example.num_features_in(128)
    workspace._finish_example(example)
    return features


def workspace_of(arguments: Iterable[str]) -> pylibvw.vw:
    """A workspace of VW's own."""
    return pylibvw.vw(["--quiet", "--no_stdin", *arguments])


def expansion_under(arguments: str) -> Expansion:
    """The interactions under these arguments."""
    workspace = Workspace(arguments.split())
    try:
        return expansion_of(workspace.options)
    finally:
        workspace.close()


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_the_size_is_never_less_than_what_vw_makes(arguments: str) -> None:
    workspace, expansion = workspace_of(arguments.split()), expansion_under(arguments)
    rng = random.Random(1)
    found = []
    for _ in range(60):
        line = lines.features(rng)
        if rng.random() < 0.3:
            line += b" " + b" ".join(b"x%d" % rng.randrange(99) for _ in range(rng.randrange(30)))
        found.append((expansion.size(line), made_by_vw(workspace, line)))
        assert expansion.size(line) <= expansion.at_most(len(line.split()) + line.count(b"|"))
    workspace.finish()
    assert [pair for pair in found if pair[0] < pair[1]] == []


@pytest.mark.parametrize("arguments", ["", "-q fg", "-q ff", "--cubic ffg", "--cubic fff --permutations"])
def test_the_size_is_exact_where_namespaces_are_named(arguments: str) -> None:
    workspace, expansion = workspace_of([*arguments.split(), "--noconstant"]), expansion_under(arguments)
    for line in (b"|f a b c |g d e", b"|f a|g b:2|h", b"|g a", b"|f a b c d e f g |h x", b"|f a |f b |g c"):
        assert expansion.size(line) == made_by_vw(workspace, line)
    workspace.finish()


@given(st.integers(1, 6), st.integers(0, 5), st.integers(1, 30))
def test_grams_are_never_more_than_counted(length: int, skips: int, features: int) -> None:
    # Every gram begins at a feature and takes its next ones out of a window (kskip_ngram_transformer.cc).
    workspace = workspace_of(["--noconstant", "--ngram", str(max(2, length)), "--skips", str(skips)])
    made = made_by_vw(workspace, b"|f " + b" ".join(b"x%d" % number for number in range(features)))
    workspace.finish()
    assert made <= features * grams_per_feature([max(2, length)], skips)


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 10**6))
def test_no_example_of_safe_size_passes_the_limit(features: int, order: int, limit: int) -> None:
    expansion = Expansion((Term(tuple("f" * order)),))
    safe = expansion.safe_features(limit)
    assert expansion.at_most(safe) <= limit < expansion.at_most(safe + 1)
    if features <= safe:
        assert expansion.size(b"|f " + b"a " * features) <= limit


def test_lines_of_any_shape_are_counted() -> None:
    expansion = Expansion((Term(("f", "f")),))
    assert expansion.size(b"|") == 0
    assert expansion.size(b"| a") == 1
    assert expansion.size(b"1 'tag |f") == 0
    assert expansion.size(b"|f a|f b|f c") == 3 + 6
    assert expansion.size(b"||f\ta\t\tb |") >= 2 + 3


@pytest.mark.parametrize(
    "arguments", ["-q ff", "--cubic fff", "-q ::", "--interactions ffff", "--ngram 3 --skips 5 -q ff"]
)
def test_an_explosion_is_refused_before_it_is_made(arguments: str) -> None:
    learner = Learner(arguments)
    exploding = b"|f " + b" ".join(b"x%d" % number for number in range(200_000))
    assert learner.answer(b"|f a b c\n" + exploding + b"\n|f a b c\n").split(b"\n")[0::2] == [b"0", b"0"]
    error = learner.fault(exploding)
    assert error is not None and error.code == "too-many-features"
    learner.close()


def test_the_limit_is_on_what_is_made_and_not_on_what_is_sent() -> None:
    learner = Learner("-q ff", bounds=Bounds(features=100))
    assert learner.fault(b"|f " + b"a " * 12) is None  # 12 and 78
    assert "104 features" in str(learner.fault(b"|f " + b"a " * 13))  # 13 and 91
    assert learner.fault(b"|f " + b"a " * 6 + b"|g " + b"b " * 70) is None
    learner.close()


def test_lines_of_a_multi_line_example_are_counted_with_what_they_share() -> None:
    learner = Learner("--cb_explore_adf -q ss", bounds=Bounds(features=100))
    shared = b"shared |s " + b"a " * 10
    assert learner.group_fault([shared, b"|a x"]) is None  # 11 and 55
    assert "132 features in all lines together" in str(learner.group_fault([shared, b"|a x", b"|a y"]))
    learner.close()


# -- how large values become -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line", "degree", "largest"),
    [
        ("", b"|f a:3 b:-5 |g c", 1, 5.0),
        ("", b"|f:10 a:3 b:-5 |g:-2 c:7", 1, 50.0),
        ("", b"|f:10 a |f b:12 | c:word :11", 1, 12.0),
        ("", b"|f a:0.5", 1, 0.5),
        ("", b"|", 1, 0.0),
        ("-q fg", b"|f a:3 b:-5 |g c:4", 2, 20.0),
        ("-q ff", b"|f:2 a:3 |g c:40", 2, 40.0),
        ("-q ff", b"|f:2 a:5 |g c:40", 2, 100.0),
        ("--cubic fgf", b"|f a:3 |g c:0.5", 3, 4.5),
        ("-q fg", b"|f\ta:1e3 b:-2e3 -3:-4 |g x:y c:--9", 2, 2000.0),
        ("-q ::", b"|f a:3 |g c:40", 2, 1600.0),
        ("-q f:", b"|f a:3 |g c:40", 2, 120.0),
        ("--interactions fgh -q fg", b"|f a:3 |g c:4 |hat d:2", 3, 24.0),
        ("-q fg", b"|f a:3", 2, 3.0),
        ("--lrq fg2", b"|f a:3 |g c:4", 2, 12.0),
    ],
)
def test_the_largest_value_after_interactions_is_the_product_of_the_largest(
    arguments: str, line: bytes, degree: int, largest: float
) -> None:
    expansion = expansion_under(arguments)
    assert expansion.degree == degree
    assert expansion.largest(feature_sizes(line)) == pytest.approx(largest)
