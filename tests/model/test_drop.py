"""Drops: one model a file; a folder of them, where a bad file does not hide the others."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.samples import KINDS, Sizes, Upper
from vwserve.configuration import Node
from vwserve.errors import ConfigurationError, Place
from vwserve.model.drop import SPLIT_SCHEMA, ModelDrop, Shares, drop_schema, read_drop
from vwserve.model.drop_folder import read_drops
from vwserve.model.policy import Policy

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a drop and returns its path."""

    def write(content: str, name: str = "ctr.yaml") -> Path:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write


def problems(path: Path) -> list[str]:
    """What is wrong with a file, each without the folder."""
    with pytest.raises(ConfigurationError) as caught:
        read_drop(path, KINDS)
    return [str(problem).removeprefix(f"{path.parent}/") for problem in caught.value.problems]


def test_reads_a_drop(write: Write, tmp_path: Path) -> None:
    (tmp_path / "seed.vw").write_bytes(b"model")
    drop = read_drop(write("# clicks\nmodel: ads.ctr-2\nvw: --oaa 3 -q 'a b'\nlearn: false\ninitial: seed.vw\n"))
    assert (drop.name, drop.vw, drop.learn) == ("ads.ctr-2", "--oaa 3 -q 'a b'", False)
    assert drop.initial == tmp_path / "seed.vw"
    assert drop.without_effect == ()


def test_everything_but_one_key_may_be_left_out(write: Write) -> None:
    drop = read_drop(write("learn: true\n"))
    assert (drop.name, drop.vw, drop.learn, drop.initial) == ("ctr", "", True, None)


def test_an_empty_file_is_not_a_model_yet(write: Write) -> None:
    assert problems(write("# vw: --oaa 3\n")) == ["ctr.yaml: is empty; a model needs at least 'vw: ARGUMENTS'"]


def test_arguments_may_be_a_list_of_words(write: Write) -> None:
    drop = read_drop(write("vw: [--oaa, 3, -l, 0.5, --interactions, 'a b']\n"))
    assert drop.vw == "--oaa 3 -l 0.5 --interactions 'a b'"


def test_arguments_may_be_folded_over_lines(write: Write) -> None:
    assert read_drop(write("vw: >\n  --oaa 3\n  -q ab\n")).vw == "--oaa 3 -q ab"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("vw: 22", "vw: expects a text, and '22' is a number in YAML; put it in quotes if it is meant as text"),
        ('vw: "-q \'ab"', "vw: no closing quotation; a shell would not take it either"),
        ("vw: {oaa: 3}", "vw: expects a text, not keys with values"),
        ("vw:", "vw: has no value; give it one, or remove the key for the default"),
        ("vw: []", "vw: expects a list of at least 1; it has 0"),
        ("learn: 1", "learn: expects true or false, not '1'"),
        ("initial: no.vw", "initial: cannot read {folder}/no.vw: No such file or directory"),
        ("initial: .", "initial: {folder} is not a regular file"),
        ("lern: true", "lern: unknown key; did you mean 'learn'?"),
        (
            "args: -q ab",
            "args: unknown key; known: model, vw, learn, initial, transforms, snapshot, journal, on_change, shadow, "
            "version, guard",
        ),
        ("snapshot: {every: 5}", "snapshot.every: '5' has no unit: write 5s for seconds; units are ms s m h d"),
        ("snapshot: {keep: 0}", "snapshot.keep: 0 is not in 1..1000000"),
        ("snapshot: {hourly: -1}", "snapshot.hourly: expects a whole number in 0..1000000, not '-1'"),
        ("snapshot: 5m", "snapshot: expects keys with values (every, keep, hourly, daily), not '5m'"),
        ("snapshot: false", "snapshot: expects keys with values (every, keep, hourly, daily), not 'false'"),
        ("journal: {sync: never}", "journal.sync: unknown 'never'; known: always, everysec, os"),
        ("journal: {keep: 7}", "journal.keep: '7' has no unit: write 7s for seconds; units are ms s m h d"),
        ("journal: os", "journal: expects keys with values (sync, keep), true or false, not 'os'"),
        ("on_change: replace", "on_change: unknown 'replace'; known: refuse, replay, fresh"),
        ("on_change: true", "on_change: unknown 'true'; known: refuse, replay, fresh"),
        (
            "shadow: a b",
            "shadow: 'a b' is not a model's name: at most 100 letters, digits, _ . and -, the first neither . nor -",
        ),
        ("shadow: [a, b]", "shadow: expects a text, not a list"),
        ("shadow: ctr", "shadow: a model cannot be its own shadow; name the one that it follows"),
        ("version: 3", "version: expects keys with values (pin), not '3'"),
        ("version: {pin: 0}", "version.pin: 0 is not in 1..1000000000000000"),
        ("version: {pin: newest}", "version.pin: expects a whole number in 1..1000000000000000, not 'newest'"),
        ("guard: {action: frieze}", "guard.action: unknown 'frieze'; known: alert, freeze, rollback"),
        ("transforms: [{kind: hahs}]", "transforms[0].kind: unknown 'hahs'; known: sizes, upper"),
        (
            "transforms: [{kind: sizes, input: n, output: t}]",
            "transforms[0].artifact: is missing; add it",
        ),
        (
            "transforms: [{kind: upper, input: 'n|', output: m}]",
            "transforms[0].input: 'n|' is not a namespace: it has neither '|' nor ':'",
        ),
        (
            "transforms: [{kind: upper, input: n, output: m, artifact: x}]",
            "transforms[0].artifact: unknown key; known: kind, input, output",
        ),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_line(write: Write, content: str, problem: str) -> None:
    path = write(f"# a comment\n{content}\n")
    assert problems(path) == [f"ctr.yaml:2: {problem.format(folder=path.parent)}"]


@pytest.mark.parametrize(
    "name", ["a b", "a,b", "a|b", "@a", "!a", "a/b", ".", "..", ".a", "-a", "ä", "a\\tb", "x" * 101, "a\\nb"]
)
def test_a_name_that_no_request_could_address_is_refused(write: Write, name: str) -> None:
    (problem,) = problems(write(f'model: "{name}"\nvw: -q ab\n'))
    assert problem.startswith("ctr.yaml:1: model: ")
    assert "is not a model's name: at most 100 letters, digits, _ . and -" in problem


@pytest.mark.parametrize("name", ["ctr", "0", "_x", "A.b-c_2", "x" * 100])
def test_other_names_are_taken(write: Write, name: str) -> None:
    assert read_drop(write(f"model: '{name}'\nvw: -q ab\n")).name == name


def test_a_file_whose_name_is_no_model_name_must_say_one(write: Write) -> None:
    (problem,) = problems(write("vw: -q ab\n", "my model.yaml"))
    assert problem.startswith("my model.yaml: model: the file's name 'my model' is not a model's name")
    assert problem.endswith("name it with 'model:'")
    assert read_drop(write("vw: -q ab\nmodel: mine\n", "my model.yaml")).name == "mine"


def test_reads_transforms_in_their_order(write: Write, tmp_path: Path) -> None:
    text = """vw: -q ab
transforms:
  - {kind: upper, input: n, output: m}
  - {kind: sizes, input: m, output: t, artifact: ctr.sizes.json}
"""
    first, second = read_drop(write(text), KINDS).transforms
    assert (first.declaration.type, first.line) == (Upper, 3)
    assert (second.declaration.type, second.line) == (Sizes, 4)
    assert (second.declaration.options.input, second.declaration.options.output) == ("m", "t")
    assert second.declaration.artifact == tmp_path / "ctr.sizes.json"
    assert read_drop(write(text), KINDS).files == (tmp_path / "ctr.sizes.json",)


def test_other_transforms_are_another_model(write: Write) -> None:
    def digest(transforms: str) -> str:
        return read_drop(write(f"vw: -q ab\ntransforms: [{transforms}]\n"), KINDS).digest

    before = digest("{kind: upper, input: n, output: m}")
    assert digest("{output: m, kind: upper, input: n}") == before
    assert digest("{kind: upper, input: n, output: o}") != before
    assert digest("{kind: upper, input: n, output: m}, {kind: upper, input: n, output: o}") != before


@pytest.mark.parametrize(
    ("content", "policy"),
    [
        ("", Policy()),
        ("snapshot: {every: 90s}", Policy(snapshot_every_s=90.0)),
        ("snapshot: {keep: 3, hourly: 24, daily: 30}", Policy(snapshots=3, hourly=24, daily=30)),
        ("journal: {sync: always, keep: 2h}", Policy(sync="always", journal_keep_s=7200.0)),
        ("journal: {sync: os}\non_change: replay", Policy(sync="os", on_change="replay")),
        ("journal: true", Policy()),
        ("journal: false", Policy(journal=False)),
        ("journal: no\non_change: fresh\nsnapshot: {every: 1s}", Policy(1.0, journal=False, on_change="fresh")),
    ],
)
def test_how_a_model_is_kept_is_its_policy(write: Write, content: str, policy: Policy) -> None:
    drop = read_drop(write(f"vw: -q ab\n{content}\n"))
    assert drop.policy == policy
    assert (drop.without_effect, drop.idle) == ((), ())


@pytest.mark.parametrize("order", [("journal: false", "on_change: replay"), ("on_change: replay", "journal: false")])
def test_there_is_nothing_to_replay_without_a_journal(write: Write, order: tuple[str, str]) -> None:
    path = write("\n".join(["vw: -q ab", *order]))
    assert problems(path) == [
        f"ctr.yaml:{2 + order.index('on_change: replay')}: on_change: replay learns the journal again, "
        "and 'journal: false' keeps none; keep one, or choose refuse or fresh"
    ]


def test_a_model_may_be_the_shadow_of_another_or_pinned(write: Write) -> None:
    drop = read_drop(write("vw: -q ab\n"))
    assert (drop.shadow, drop.pin, drop.split) == (None, None, None)
    drop = read_drop(write("vw: -q ab\nshadow: ads\nversion: {pin: 17}\n"))
    assert (drop.shadow, drop.pin, drop.without_effect) == ("ads", 17, ())


def test_being_a_shadow_or_pinned_makes_no_other_model(write: Write) -> None:
    digest = read_drop(write("vw: -q ab\n")).digest
    assert read_drop(write("vw: -q ab\nshadow: ads\n")).digest == digest
    assert read_drop(write("vw: -q ab\nversion: {pin: 17}\n")).digest == digest


# -- splits ------------------------------------------------------------------------------------------------------------


def test_a_split_names_models_and_their_shares_in_its_order(write: Write) -> None:
    drop = read_drop(write("split: {z: 90, ctr-b: 9.5, '7': .5}\n", "ads.yaml"))
    assert (drop.name, drop.split) == ("ads", Shares((("z", 90.0), ("ctr-b", 9.5), ("7", 0.5)), "tag"))
    drop = read_drop(write("model: x\nsplit_by: user\nsplit:\n  a: 1\n"))
    assert (drop.name, drop.split) == ("x", Shares((("a", 1.0),), "user"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("split: {}", "split: expects names with values, like {ctr: 90, ctr-b: 10}, not keys with values"),
        ("split: [a, b]", "split: expects names with values, like {ctr: 90, ctr-b: 10}, not a list"),
        ("split: a", "split: expects names with values, like {ctr: 90, ctr-b: 10}, not 'a'"),
        ("split: {a: 0}", "split.a: 0 is not between 0 and 1e+09"),
        ("split: {a: -1, b: 1}", "split.a: -1 is not between 0 and 1e+09"),
        ("split: {a: 90%}", "split.a: expects a number between 0 and 1e+09, not '90%'"),
        ("split: {a: }", "split.a: has no value; give it one, or remove the key"),
        ("split: {a: 1, a: 2}", "split.a: a second time; the first is in line 2: remove one"),
        (
            "split: {ads: 1, b: 1}",
            "split.ads: a split cannot send examples to itself; give it another name than that of",
        ),
        ("split: {.b: 1}", "split..b: '.b' is not a model's name: at most 100 letters, digits, _ . and -, the first"),
        ("split: {a: 1}\nsplit_by: a b", "split_by: 'a b' is not 'tag' or the name of a namespace"),
        ("split: {a: 1}\nsplit_by: 'u|'", "split_by: 'u|' is not 'tag' or the name of a namespace"),
        ("split_by: tag", "split: is missing; add it"),
        ("split: {a: 1}\nslit_by: tag", "slit_by: unknown key; did you mean 'split_by'?"),
    ],
)
def test_a_wrong_split_is_refused_with_its_line(write: Write, content: str, problem: str) -> None:
    (found,) = problems(write(f"# a comment\n{content}\n", "ads.yaml"))
    place, _, text = found.partition(": ")
    assert text.startswith(problem)
    assert place == f"ads.yaml:{3 if problem.startswith(('split_by', 'slit_by')) else 1 if 'missing' in problem else 2}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vw", "-q ab"),
        ("learn", "false"),
        ("initial", "seed.vw"),
        ("transforms", "[{kind: upper, input: n, output: m}]"),
        ("snapshot", "{keep: 3}"),
        ("journal", "false"),
        ("on_change", "fresh"),
        ("shadow", "ctr"),
        ("version", "{pin: 3}"),
        ("guard", "{action: alert}"),
    ],
)
def test_what_belongs_to_a_model_has_no_place_in_a_split(write: Write, key: str, value: str) -> None:
    assert problems(write(f"split: {{a: 1}}\n{key}: {value}\n", "ads.yaml")) == [
        f"ads.yaml:2: {key}: has no place in a split, which has no model of its own; it belongs into the files of its "
        "models"
    ]
    assert key in drop_schema(KINDS).fields


def test_other_shares_are_another_split(write: Write) -> None:
    def digest(text: str) -> str:
        return read_drop(write(text, "ads.yaml")).digest

    before = digest("split: {a: 90, b: 10}\n")
    assert digest("# the same\nsplit_by: tag\nsplit:\n  a: 90.0\n  b: 10\n") == before
    for other in ("split: {a: 80, b: 20}", "split: {b: 10, a: 90}", "split: {a: 90, b: 10}\nsplit_by: u"):
        assert digest(other) != before


# -- what has no effect ------------------------------------------------------------------------------------------------


def test_keys_without_effect_are_checked_and_told(write: Write) -> None:
    content = """vw: -q ab
snapshot: {every: 5m, keep: 288}
journal: {sync: everysec, keep: 7d}
guard: {action: freeze}
"""
    assert read_drop(write(content)).without_effect == ("guard",)


def test_keys_that_a_static_model_has_no_use_for_are_checked_and_told(write: Write) -> None:
    content = "vw: -q ab\non_change: fresh\nsnapshot: {every: 5m}\njournal: false\nlearn: false\n"
    assert read_drop(write(content)).idle == ("snapshot", "journal")
    assert problems(write(content.replace("5m", "5"))) == [
        "ctr.yaml:3: snapshot.every: '5' has no unit: write 5s for seconds; units are ms s m h d"
    ]


@pytest.mark.parametrize(
    "same",
    [
        "# a comment\nvw: --oaa 3 -q ab\nlearn: true\n",
        "vw: '--oaa   3 -q \"ab\"'\n",
        "learn: yes\nmodel: ctr\nvw: [--oaa, 3, -q, ab]\n",
        "vw: --oaa 3 -q ab\nsnapshot: {keep: 3}\njournal: {sync: os}\non_change: replay\n",
        "vw: --oaa 3 -q ab\njournal: false\n",
    ],
)
def test_files_that_mean_the_same_have_the_same_digest(write: Write, same: str) -> None:
    before = read_drop(write("vw: --oaa 3 -q ab\n")).digest
    assert read_drop(write(same)).digest == before


@pytest.mark.parametrize(
    "other",
    [
        "vw: --oaa 4 -q ab\n",
        "vw: --oaa 3 -q ab\nlearn: false\n",
        "vw: --oaa 3 -q ab\nmodel: x\n",
        "vw: --oaa 3 -q ab\ninitial: ctr.yaml\n",
    ],
)
def test_files_that_mean_something_else_have_another_digest(write: Write, other: str) -> None:
    before = read_drop(write("vw: --oaa 3 -q ab\n")).digest
    assert read_drop(write(other)).digest != before


def test_what_is_found_wrong_later_stands_at_the_line_of_its_key(write: Write) -> None:
    path = write("# a comment\nvw:\n  - --oaa\n  - 3\n")
    drop = read_drop(path)
    assert drop.problem("vw", "x").place == Place(path, 2)
    assert drop.problem("initial", "x").place == Place(path)


# -- the folder --------------------------------------------------------------------------------------------------------


def names(drops: list[ModelDrop]) -> list[str]:
    return [drop.name for drop in drops]


def test_a_folder_is_read_in_the_order_of_its_files(write: Write, tmp_path: Path) -> None:
    for file in ("b.yaml", "a.yml", "c.yaml"):
        write("vw: -q ab\n", file)
    drops, wrong = read_drops(tmp_path)
    assert (names(drops), wrong) == (["a", "b", "c"], [])


def test_what_editors_leave_behind_is_no_drop(write: Write, tmp_path: Path) -> None:
    for file in (".hidden.yaml", "#a.yaml#", "a.yaml~", ".a.yaml.swp", "a.yaml.bak", "readme.md", "a.json", "#b.yaml"):
        write("not: a: drop\n", file)
    os.symlink("user@host.1", tmp_path / ".#a.yaml")
    assert read_drops(tmp_path) == ([], [])


def test_a_bad_file_does_not_hide_the_others(write: Write, tmp_path: Path) -> None:
    write("vw: -q ab\n", "a.yaml")
    write("wv: -q ab\nlearn: 2\n", "b.yaml")
    write("\t", "c.yaml")
    write("vw: -q ab\n", "d.yaml")
    (tmp_path / "e.yaml").mkdir()
    drops, wrong = read_drops(tmp_path)
    assert names(drops) == ["a", "d"]
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in wrong] == [
        "b.yaml:1: wv: unknown key; did you mean 'vw'?",
        "b.yaml:2: learn: expects true or false, not '2'",
        "c.yaml:1: a tab; YAML is indented with spaces",
        "e.yaml: cannot read it: not a regular file",
    ]


def test_of_two_files_for_one_model_the_first_counts(write: Write, tmp_path: Path) -> None:
    write("vw: -q ab\n", "a.yaml")
    write("vw: -q cd\nmodel: a\n", "b.yaml")
    drops, (problem,) = read_drops(tmp_path)
    assert [drop.vw for drop in drops] == ["-q ab"]
    assert problem.place == Place(tmp_path / "b.yaml", 2)
    assert f"{tmp_path / 'a.yaml'} already describes a model 'a'" in problem.text


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    drops, (problem,) = read_drops(tmp_path / "models.d")
    assert drops == []
    assert str(problem).startswith(f"{tmp_path / 'models.d'}: cannot read the folder of models: No such file")
    assert "name another under 'models:'" in problem.text


# -- anything ----------------------------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**6),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["--oaa 3", "-q 'ab", "5m", "sizes", "upper", "always", "freeze", "replay", "ua", "u^age", "../x"]),
)
KEYS = st.one_of(
    st.sampled_from(
        sorted(
            {
                *drop_schema(KINDS).fields,
                *SPLIT_SCHEMA.fields,
                "kind",
                "input",
                "output",
                "artifact",
                "namespaces",
                "features",
            }
        )
    ),
    st.sampled_from(["every", "keep", "hourly", "sync", "action", "x"]),
    st.text(max_size=4),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
FILES = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(str.encode),
    st.text("ab:-[]{}&*!|>'\"#%@,? \n\t<=~", max_size=40).map(str.encode),
    st.dictionaries(KEYS, VALUES, max_size=5).map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode()),
)


@given(FILES)
def test_any_file_is_a_drop_or_refused_with_its_place(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.yaml")
        path.write_bytes(content)
        try:
            known = {*drop_schema(KINDS).fields, *SPLIT_SCHEMA.fields}
            assert known >= {*read_drop(path, KINDS).lines}
        except ConfigurationError as error:
            assert error.problems
            assert all(problem.place.file == path and problem.text for problem in error.problems)
        drops, wrong = read_drops(Path(folder), KINDS)
        assert len(drops) == (not wrong)


# -- the options of plugins --------------------------------------------------------------------------------------------


def read_key(error: BaseException) -> Callable[[Node], str]:
    """A reader that fails."""

    def read(_: Node) -> str:
        raise error

    return read


class Untellable:
    """A value without a text."""

    def __str__(self) -> str:
        raise RecursionError("around and around")

    __repr__ = __str__


@dataclass(frozen=True)
class Checked:
    """Options that refuse in whatever way."""

    input: str = ""
    keyed: Annotated[str, read_key(KeyError("k"))] = ""
    exits: Annotated[str, read_key(SystemExit(2))] = ""
    untold: Annotated[object, lambda _: Untellable()] = ""

    def __post_init__(self) -> None:
        if self.input == "key":
            raise KeyError("nothing there")
        if self.input == "exit":
            raise SystemExit("bye")
        if self.input == "value":
            raise ValueError("is not liked")


class Picky(Upper):
    """Has such options."""

    kind: ClassVar[str] = "picky"
    options_type: ClassVar[type] = Checked


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("input: key", "transform picky: its options fail: KeyError: 'nothing there'"),
        ("input: exit", "transform picky: its options fail: SystemExit: bye"),
        ("input: value", "transform picky: is not liked"),
        ("keyed: x", "transforms[0].keyed: cannot be read: KeyError: 'k'"),
        ("exits: x", "transforms[0].exits: cannot be read: SystemExit: 2"),
        ("untold: x", "transform picky: its options fail: RecursionError: around and around"),
    ],
)
def test_options_whose_own_code_fails_are_refused_at_their_line(write: Write, options: str, said: str) -> None:
    path = write(f"vw: -b 10\ntransforms:\n  - {{kind: picky, {options}}}\n")
    with pytest.raises(ConfigurationError) as caught:
        read_drop(path, {"picky": Picky})
    assert str(caught.value).startswith(f"{path}:3: transforms[0]")
    assert said in str(caught.value)
