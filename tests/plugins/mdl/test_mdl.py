"""The transform `mdl`: options, what is derived from a line, what an artifact may be, what people are told."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vwserve_mdl.mdl import Mdl, Options

from tests.plugins.mdl.fitting import fitted
from vwserve.configuration import load
from vwserve.errors import ConfigurationError
from vwserve.testing import check_transform
from vwserve.transforms import Batch, TransformError
from vwserve.transforms.artifact import digest
from vwserve.transforms.options import options_reader
from vwserve.transforms.plugins import find_plugins

PLAIN = Options(("n",), "m")
# Below 10 one class, to 20 the other, above it the first again; `rich` tells nothing and is missing now and then.
LINES = [
    b"%d |n age:%d %s|c x" % (1 if 10 <= age < 20 else -1, age, b"rich:1 " if age % 3 else b"")
    for age in range(30)
    for _ in range(10)
]


def derived(artifact: dict[str, Any], *lines: bytes, options: Options = PLAIN) -> list[bytes]:
    """What lines get."""
    return list(Mdl(options, artifact).apply(Batch(list(lines)))[options.output])


def artifact(*features: tuple[str, str, list[float], float], **options: Any) -> dict[str, Any]:
    """An artifact of features with input, name, cuts and share of missing values."""
    keys = ("input", "name", "cuts", "missing")
    rest = {"entropy": 1.0, "gain": 0.5, "complete": True, "dropped_bits": 0}
    given = {"input": ["n"], "features": [], "most_bins": 32, **options}
    return {"options": given, "classes": [], "features": [dict(zip(keys, each)) | rest for each in features]}


def options(text: str, folder: Path) -> Options:
    """Options as a drop gives them."""
    (folder / "o.yaml").write_text(text)
    return options_reader(Options, {})(load(folder / "o.yaml"))


# -- options -----------------------------------------------------------------------------------------------------------


def test_it_is_a_plugin() -> None:
    assert find_plugins().kinds["mdl"] is Mdl


def test_input_is_one_namespace_or_several(tmp_path: Path) -> None:
    assert options("{input: n, output: m}", tmp_path) == Options(("n",), "m", (), 32)
    read = options("{input: [n, k], output: m, features: [age, c], most_bins: 4}", tmp_path)
    assert read == Options(("n", "k"), "m", ("age", "c"), 4)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{output: m}", "input: is missing"),
        ("{input: [n, n], output: m}", "input: names a namespace twice"),
        ("{input: 'a|b', output: m}", "input: 'a|b' is not a namespace"),
        ("{input: [], output: m}", "input: expects a list of at least 1"),
        ("{input: n, output: m, features: [a, a]}", "features: names a feature twice"),
        ("{input: n, output: m, features: age}", "features: expects a list, like .age, income."),
        ("{input: n, output: m, features: ['a:1']}", "'a:1' is not a feature"),
        ("{input: n, output: m, most_bins: 1}", "most_bins: 1 is not in 2..1000"),
        ("{input: n, output: m, most_bin: 4}", "unknown key; did you mean 'most_bins'"),
    ],
)
def test_wrong_options_are_refused(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        options(text, tmp_path)


def test_it_reads_its_inputs_and_writes_its_output() -> None:
    made = Mdl(Options(("n", "k"), "m"), artifact(input=["n", "k"]))
    assert (made.reads, made.writes, made.arguments) == (("n", "k"), ("m",), ())


# -- what is derived ---------------------------------------------------------------------------------------------------


def test_a_number_becomes_its_bin() -> None:
    cuts = artifact(("n", "age", [10.0, 20.5], 0.0))
    values = [b"-5", b"9.999", b"10", b"20.4", b"20.5", b"1e300"]
    expected = [b"age=0", b"age=0", b"age=1", b"age=1", b"age=2", b"age=2"]
    assert derived(cuts, *(b"|n age:" + value for value in values)) == expected
    assert [derived(cuts, b"|n age:" + value) for value in values] == [[text] for text in expected]


@pytest.mark.parametrize(
    "line", [b"|n", b"|k age:1", b"|n age:nan", b"|n age:inf", b"|n age:-inf", b"|n age:old", b"|n Age:1", b"x"]
)
def test_what_is_no_finite_number_is_a_bin_of_its_own_also_if_it_never_was_in_the_data(line: bytes) -> None:
    assert derived(artifact(("n", "age", [10.0], 0.0)), line) == [b"age=?"]
    assert derived(artifact(("n", "age", [10.0], 0.0)), *[line] * 20) == [b"age=?"] * 20


def test_a_feature_without_a_cut_gives_at_most_that_it_is_missing() -> None:
    cuts = artifact(("n", "age", [10.0], 0.0), ("n", "never", [], 0.0), ("n", "often", [], 0.4))
    lines = [b"|n age:1 never:1 often:1", b"|n age:1"]
    assert derived(cuts, *lines) == [b"age=0", b"age=0 often=?"]
    assert derived(cuts, *lines * 10) == [b"age=0", b"age=0 often=?"] * 10


def test_where_nothing_tells_anything_nothing_is_derived() -> None:
    assert derived(artifact(("n", "age", [], 0.0)), b"|n age:1", b"|n") == [b"", b""]
    assert derived(artifact(), *[b"|n age:1"] * 20) == [b""] * 20
    assert derived(artifact()) == []


def test_names_that_several_inputs_have_carry_their_namespace() -> None:
    both = Options(("n", "k"), "m")
    cuts = artifact(("n", "a", [1.0], 0.0), ("n", "b", [1.0], 0.0), ("k", "a", [5.0, 6.0], 0.0), input=["n", "k"])
    assert derived(cuts, b"|k a:7 |n a:0 b:2", options=both) == [b"n^a=0 b=1 k^a=2"]
    assert derived(cuts, *[b"|k a:7 |n a:0 b:2"] * 9, options=both) == [b"n^a=0 b=1 k^a=2"] * 9


def test_names_that_cannot_be_told_apart_are_refused() -> None:
    clash = artifact(
        *[(space, name, [1.0], 0.0) for space, name in [("n", "a"), ("k", "a"), ("n", "n^a")]], input=["n", "k"]
    )
    with pytest.raises(TransformError, match=r"two features would both be called 'n\^a'"):
        Mdl(Options(("n", "k"), "m"), clash)


CUTS = [-1e300, -2.5, 0.0, 5e-324, 0.1, 1.0, 3.0, 1e17, 1.7e308]
NUMBERS = st.one_of(
    st.sampled_from([*CUTS, -0.0, math.nan, math.inf, -math.inf, 1.7976931348623157e308]),
    st.floats(),
    st.sampled_from(CUTS).map(lambda cut: math.nextafter(cut, math.inf)),
    st.sampled_from(CUTS).map(lambda cut: math.nextafter(cut, -math.inf)),
)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.booleans()), min_size=8, max_size=40), st.integers(0, len(CUTS)))
def test_many_lines_few_lines_and_the_definition_give_the_same(
    numbers: list[tuple[float, float, bool]], count: int
) -> None:
    cuts = {"a": CUTS, "b": CUTS[:count]}
    fitted_to = artifact(*(("n", name, each, 0.1) for name, each in cuts.items()))
    lines = [b"|n a:%r" % a + (b" b:%r" % b if there else b"") for a, b, there in numbers]

    def expected(name: str, value: float, there: bool) -> bytes:
        if not there or not math.isfinite(value):
            return b" %s=?" % name.encode()
        return b" %s=%d" % (name.encode(), sum(value >= cut for cut in cuts[name])) if cuts[name] else b""

    texts = [(expected("a", a, True) + expected("b", b, there)).strip() for a, b, there in numbers]
    made = Mdl(PLAIN, fitted_to)
    assert list(made.apply(Batch(lines))["m"]) == texts
    assert [text for line in lines for text in made.apply(Batch([line]))["m"]] == texts
    assert [text for at in range(0, len(lines), 7) for text in made.apply(Batch(lines[at : at + 7]))["m"]] == texts


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9, unique=True))
def test_cuts_come_back_from_json_as_they_were(cuts: list[float]) -> None:
    before = artifact(("n", "a", sorted(cut + 0.0 for cut in cuts), 0.0))
    lines = [b"|n a:%r" % value for cut in cuts for value in (cut, math.nextafter(cut, -math.inf))]
    assert derived(json.loads(json.dumps(before)), *lines) == derived(before, *lines)


# -- fitting -----------------------------------------------------------------------------------------------------------


def test_it_finds_what_tells_the_classes_apart() -> None:
    learned = fitted(LINES)
    assert [(each["name"], each["cuts"], each["missing"]) for each in learned["features"]] == [
        ("age", [9.5, 19.5], 0.0),
        ("rich", [], pytest.approx(1 / 3)),
    ]
    assert learned["classes"] == [{"label": -1.0, "weight": 200.0}, {"label": 1.0, "weight": 100.0}]
    assert derived(learned, *LINES[90:210:40]) == [b"age=0 rich=?", b"age=1", b"age=1"]


def test_it_keeps_what_the_interface_promises() -> None:
    check_transform(Mdl, PLAIN, LINES)
    check_transform(Mdl, Options(("n", "c"), "m", ("age",), 2), LINES)


def test_the_order_of_rows_and_the_size_of_batches_are_irrelevant() -> None:
    lines = [line.replace(b" |n", b" 0.%d |n" % (3 + place % 7), 1) for place, line in enumerate(LINES)]
    learned = digest(fitted(lines))
    assert digest(fitted(lines[::-1], batch_lines=17)) == learned
    assert digest(fitted(sorted(lines, key=lambda line: line[::-1]))) == learned


def test_importance_counts_as_repetition() -> None:
    lines = [line.replace(b" |n", b" %d |n" % (1 + place % 3), 1) for place, line in enumerate(LINES)]
    repeated = [line for place, line in enumerate(LINES) for _ in range(1 + place % 3)]
    assert digest(fitted(lines)) == digest(fitted(repeated))


def test_classes_may_be_many() -> None:
    lines = [b"%d |n a:%d" % (1 + value // 10, value) for value in range(70) for _ in range(5)]
    learned = fitted(lines)
    assert [each["label"] for each in learned["classes"]] == [1, 2, 3, 4, 5, 6, 7]
    assert learned["features"][0]["cuts"] == [9.5, 19.5, 29.5, 39.5, 49.5, 59.5]


def test_the_cap_on_bins_is_kept_and_told() -> None:
    lines = [b"%d |n a:%d" % (1 + value // 10, value) for value in range(70) for _ in range(5)]
    for most in range(2, 9):
        learned = fitted(lines, most_bins=most)
        (feature,) = learned["features"]
        assert len(feature["cuts"]) == min(most, 7) - 1
        assert feature["complete"] == (most >= 7)
        assert ("more were left out" in Mdl.describe(learned)[1]) == (most < 7)


def test_features_stand_in_the_order_asked_for_else_by_name() -> None:
    lines = [line.replace(b"|n", b"|n z:1 b:2") for line in LINES]
    assert [each["name"] for each in fitted(lines)["features"]] == ["age", "b", "rich", "z"]
    named = fitted(lines, features=("z", "age"))
    assert [each["name"] for each in named["features"]] == ["z", "age"]


@pytest.mark.parametrize(
    ("lines", "more", "fault"),
    [
        ([], {}, "no example has a label"),
        ([b"|n age:1"], {}, "no example has a label"),
        ([b"1 |n age:1", b"1 |n age:2"], {}, "all labels are 1; mdl needs examples of two classes"),
        ([b"1 |n age:x", b"2 |k age:2"], {}, "no feature of 'n' is a number"),
        (LINES, {"input": ("n", "k"), "features": ("age", "agee")}, "'agee' is never a number in 'n' and 'k'; correct"),
    ],
)
def test_data_that_teaches_nothing_is_refused(lines: list[bytes], more: dict[str, Any], fault: str) -> None:
    with pytest.raises(TransformError, match=fault):
        fitted(lines, **more)


# -- artifacts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"cuts": [2.0, 1.0]}, r"features\[0\] cuts: they do not ascend"),
        ({"cuts": [1.0, 1.0]}, "cuts: they do not ascend"),
        ({"cuts": [math.nan]}, "cuts: not a list of finite numbers"),
        ({"cuts": [math.inf]}, "cuts: not a list of finite numbers"),
        ({"cuts": [10**400]}, "cuts: not a list of finite numbers"),
        ({"cuts": ["1"]}, "cuts: not a list of finite numbers"),
        ({"cuts": [True]}, "cuts: not a list of finite numbers"),
        ({"cuts": 1.0}, "cuts: not a list of finite numbers"),
        ({"name": "a b"}, "name: 'a b' is not a word"),
        *[({"name": f"a{c}b"}, "is not a word without space, control") for c in "\t\x00\x01\x1b\x7f\x85|:"],
        ({"name": ""}, "name: '' is not a word"),
        ({"name": None}, "name: None is not a word"),
        ({"input": "k"}, "has bins of 'k', which is no input"),
        ({"missing": -1}, "missing: -1 is not a number from 0"),
        ({"gain": None}, "gain: None is not a number"),
        ({"complete": 1}, "complete: 1 is not true or false"),
        ({"dropped_bits": 64}, "dropped_bits: 64 is not"),
    ],
)
def test_an_artifact_that_no_fit_makes_is_refused(change: dict[str, Any], fault: str) -> None:
    wrong = copy.deepcopy(fitted(LINES))
    wrong["features"][0] |= change
    with pytest.raises(TransformError, match=fault):
        Mdl(PLAIN, wrong)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({}, "has no list 'features'"),
        ({"features": {}}, "has no list 'features'"),
        ({"features": [1]}, r"features\[0\] is not an object"),
        (
            {"features": artifact(*[("n", f"a{number}", [1.0], 0.0) for number in range(1001)])["features"]},
            "the artifact has 1001 features; 1000 is the most",
        ),
        ({"features": []}, "does not say which options it was fitted with"),
        (
            {"features": artifact(*[("n", "a", [1.0], 0.0)] * 2)["features"]},
            r"features\[1\] 'a' of 'n' stands there twice",
        ),
    ],
)
def test_an_artifact_of_another_shape_is_refused(wrong: dict[str, Any], fault: str) -> None:
    with pytest.raises(TransformError, match=fault):
        Mdl(PLAIN, wrong)


def test_an_artifact_fitted_with_other_options_is_refused() -> None:
    learned = fitted(LINES)
    Mdl(Options(("n",), "elsewhere"), learned)
    for other, fault in [
        (Options(("k",), "m"), r"fitted with input: \['n'\], and the model has input: \['k'\]; fit it again"),
        (Options(("n",), "m", ("age",)), r"fitted with features: \[\], and the model has features: \['age'\]"),
        (Options(("n",), "m", (), 7), "fitted with most_bins: 32, and the model has most_bins: 7"),
    ]:
        with pytest.raises(TransformError, match=fault):
            Mdl(other, learned)


# -- what people are told ----------------------------------------------------------------------------------------------


def test_describe_tells_classes_cuts_gain_and_missing_values() -> None:
    assert Mdl.describe(fitted(LINES)) == [
        "300 examples of 2 classes (-1: 200, 1: 100)",
        "n^age: 2 cuts, gain 0.9183 of 0.9183 bits, never missing: 9.5 19.5",
        "n^rich: no cut, missing 0.333 of 1",
    ]


def test_describe_tells_where_values_were_not_told_apart() -> None:
    learned = fitted(LINES)
    learned["features"][0]["dropped_bits"] = 39
    assert "approximate: too many values, so the last 39 of 64 bits were not looked at" in Mdl.describe(learned)[1]


def test_describe_shows_the_first_of_many_cuts() -> None:
    cuts = artifact(("n", "a", [float(cut) for cut in range(40)], 0.0), most_bins=100)
    cuts["classes"] = [{"label": 1.0, "weight": 2.5}]
    line = "n^a: 40 cuts, gain 0.5 of 1 bits, never missing: 0 1 2 3 4 5 6 7 8 9 10 11 ..."
    assert Mdl.describe(cuts) == ["2.5 examples of 1 classes (1: 2.5)", line]
