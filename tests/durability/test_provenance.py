"""What a model is made from: the same whatever does not matter, and another as soon as it would learn otherwise."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.durability.test_snapshot import PROVENANCE
from tests.transforms.samples import KINDS, Sizes, Upper
from vwserve.durability.provenance import Provenance, file_digest
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.drop import read_drop
from vwserve.model.servable import Servable
from vwserve.transforms.artifact import write_artifact
from vwserve.transforms.pipeline import TransformPool
from vwserve.transforms.plugins import TransformType, find_plugins
from vwserve.transforms.stated import Fingerprint

SIZES = "transforms: [{kind: sizes, input: n, output: s, artifact: sizes.json}]\n"
DROP = "vw: -b 10 --l2 0\ninitial: seed.vw\n" + SIZES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A drop's folder, with the files that it names."""
    seed(tmp_path, b"1 |n a")
    write_artifact(tmp_path / "sizes.json", Sizes, {"most": 3}, {})
    return tmp_path


def seed(folder: Path, line: bytes) -> None:
    """A model to start from."""
    servable = Servable("seed", "-b 10")
    servable.learn([line])
    servable.save(folder / "seed.vw")
    servable.close()


def blueprint(folder: Path, text: str = DROP, upper: TransformType = Upper) -> Blueprint:
    """The blueprint of a drop."""
    file = folder / "m.yaml"
    file.write_text(text)
    kinds: dict[str, TransformType] = {**find_plugins(None).kinds, **KINDS, "upper": upper}
    return Blueprint.of(read_drop(file, kinds), TransformPool())


def of(folder: Path, text: str = DROP, upper: TransformType = Upper) -> Provenance:
    """The provenance of a drop."""
    return Provenance.of(blueprint(folder, text, upper))


def test_it_is_read_as_it_was_written(folder: Path) -> None:
    for provenance in (of(folder), PROVENANCE):
        assert Provenance.parse(json.loads(json.dumps(provenance.content))) == provenance


@pytest.mark.parametrize("key", ["model", "arguments", "transforms", "drop", "initial"])
def test_what_lacks_a_key_is_none(key: str) -> None:
    content = PROVENANCE.content
    del content[key]
    with pytest.raises(KeyError):
        Provenance.parse(content)


@pytest.mark.parametrize(
    "transforms", [5, [5], [{}], [{"kind": "mdl"}], [{**PROVENANCE.content["transforms"][0], "x": 1}]]
)
def test_transforms_that_are_none_are_refused(transforms: object) -> None:
    with pytest.raises(TypeError):
        Provenance.parse({**PROVENANCE.content, "transforms": transforms})


def test_it_names_all_that_a_model_is_made_from(folder: Path) -> None:
    provenance = of(folder)
    assert (provenance.model, provenance.arguments) == ("m", "-b 10 --l2 0")
    assert provenance.initial == hashlib.sha256((folder / "seed.vw").read_bytes()).hexdigest()
    (fingerprint,) = provenance.transforms
    assert (fingerprint.kind, fingerprint.artifact != "") == ("sizes", True)


def test_it_is_that_of_what_is_built(folder: Path) -> None:
    crosses = DROP.replace("transforms: [", "transforms: [{kind: crosses, namespaces: [ua]}, ")
    made = blueprint(folder, crosses)
    servable = made.build(Bounds())
    provenance = Provenance.of(made)
    assert (provenance.arguments, provenance.transforms) == (servable.arguments, tuple(servable.fingerprints))
    servable.close()


def test_a_file_that_is_gone_is_an_error_that_names_it(folder: Path) -> None:
    made = blueprint(folder)
    (folder / "seed.vw").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        Provenance.of(made)
    assert caught.value.filename == str(folder / "seed.vw") or caught.value.filename == folder / "seed.vw"


# -- what is made alike ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "now",
    [
        "# a comment\n" + DROP,
        DROP.replace("-b 10 --l2 0", "'  -b   10 \"--l2\" 0 '"),
        DROP + "learn: false\n",
        DROP + "snapshot: {every: 1h}\njournal: {sync: always}\non_change: fresh\n",
    ],
)
def test_what_does_not_matter_is_no_change(now: str, folder: Path) -> None:
    assert of(folder).changes(of(folder, now)) == []


def test_a_drop_under_another_name_is_no_change() -> None:
    assert PROVENANCE.changes(replace(PROVENANCE, model="other", drop="other")) == []


def test_a_file_that_was_written_again_as_it_was_is_no_change(folder: Path) -> None:
    before = of(folder)
    (folder / "seed.vw").write_bytes((folder / "seed.vw").read_bytes())
    write_artifact(folder / "sizes.json", Sizes, {"most": 3}, {"made": "again"})
    assert before.changes(of(folder)) == []


# -- what is made otherwise --------------------------------------------------------------------------------------------


class Upper2(Upper):
    """The next version of a plugin."""

    version = "2"


def other_seed(folder: Path) -> str:
    seed(folder, b"2 |n a")
    return DROP


def other_artifact(folder: Path) -> str:
    write_artifact(folder / "sizes.json", Sizes, {"most": 4}, {})
    return DROP


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda _: DROP.replace("-b 10", "-b 11"), "arguments were '-b 10 --l2 0' and are '-b 11 --l2 0'"),
        (lambda _: DROP.replace("-b 10 --l2 0", "--l2 0 -b 10"), "arguments were"),
        (lambda _: DROP.replace("initial: seed.vw\n", ""), "'initial' is another"),
        (other_seed, "'initial' is another"),
        (lambda _: DROP.replace(SIZES, ""), "the transforms were sizes and are none"),
        (lambda _: DROP.replace("output: s", "output: t"), "transform sizes has other options"),
        (other_artifact, "transform sizes has other artifact"),
        (
            lambda _: DROP.replace(
                "s, artifact: sizes.json}", "s, artifact: sizes.json}, {kind: upper, input: n, output: u}"
            ),
            "the transforms were sizes and are sizes, upper",
        ),
    ],
)
def test_what_is_made_otherwise_is_named(change: Callable[[Path], str], text: str, folder: Path) -> None:
    before = of(folder)
    (said,) = before.changes(of(folder, change(folder)))
    assert text in said


def test_a_transform_of_another_version_is_named(folder: Path) -> None:
    drop = "transforms: [{kind: upper, input: n, output: u}]\n"
    (said,) = of(folder, drop).changes(of(folder, drop, Upper2))
    assert said == "transform upper has other version"


def test_crosses_that_a_transform_adds_are_a_change_of_arguments_too(folder: Path) -> None:
    drop = "transforms: [{kind: crosses, namespaces: [ua]}]\n"
    said = of(folder, drop).changes(of(folder, drop.replace("ua", "ub")))
    assert [each.split()[0] for each in said] == ["VW's", "transform"]


def test_all_that_changed_is_named_at_once() -> None:
    now = replace(PROVENANCE, arguments="", initial="ab", transforms=(Fingerprint("mdl", "2", "{}", "cd"),))
    assert len(PROVENANCE.changes(now)) == 3
    assert "mdl has other version, artifact" in PROVENANCE.changes(now)[2]


def test_a_large_file_is_digested_in_pieces(tmp_path: Path) -> None:
    content = b"0123456789abcdef" * (3 << 16) + b"end"
    (tmp_path / "file").write_bytes(content)
    assert file_digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()


# -- what is kept ------------------------------------------------------------------------------------------------------

MORE = "transforms: [{kind: upper, input: n, output: u}, {kind: crosses, namespaces: [nu]}]\n"


@pytest.mark.parametrize(
    "now",
    [
        DROP.replace("--l2 0", "--l2 1 -l 0.1 -q ab"),
        DROP.replace("output: s,", "output: s,").replace("}]", "}, {kind: upper, input: n, output: u}]"),
        DROP.replace("}]", "}, {kind: crosses, namespaces: [ns]}]"),
        DROP.replace("}]", "}, {kind: upper, input: n, output: u}]").replace("-b 10", "-b 10 -q nu"),
    ],
)
def test_further_transforms_and_interactions_and_other_rates_keep_what_was_learned(now: str, folder: Path) -> None:
    before, after = of(folder), of(folder, now)
    assert before.changes(after)
    assert before.kept_by(after)


@pytest.mark.parametrize(
    "change",
    [
        lambda _: DROP.replace("-b 10", "-b 11"),
        lambda _: DROP.replace(SIZES, ""),
        lambda _: DROP.replace(SIZES, MORE),
        lambda _: DROP.replace("transforms: [", "transforms: [{kind: upper, input: n, output: u}, "),
        lambda _: DROP.replace("output: s", "output: t"),
        lambda _: DROP.replace("initial: seed.vw\n", ""),
        other_seed,
        other_artifact,
    ],
)
def test_other_transforms_and_what_it_began_with_do_not(change: Callable[[Path], str], folder: Path) -> None:
    before = of(folder)
    assert not before.kept_by(of(folder, change(folder)))


def test_what_was_made_before_is_made_again_from_what_there_is_now(folder: Path) -> None:
    before = blueprint(folder, DROP.replace("}]", "}, {kind: crosses, namespaces: [ns]}]"))
    now = blueprint(
        folder,
        DROP.replace("--l2 0", "-l 1 --l2 0").replace(
            "}]", "}, {kind: crosses, namespaces: [ns]}, {kind: upper, input: n, output: u}]"
        ),
    )
    provenance = Provenance.of(before)
    assert provenance.kept_by(Provenance.of(now))
    former = now.former(provenance.arguments, len(provenance.transforms))
    assert former is not None
    assert Provenance.of(former).changes(provenance) == []
    assert former.drop.vw == before.drop.vw
    servable = former.build(Bounds())
    assert servable.arguments == before.arguments
    servable.close()


def test_what_its_transforms_did_not_contribute_is_not_taken_for_theirs(folder: Path) -> None:
    now = blueprint(folder, DROP.replace("}]", "}, {kind: crosses, namespaces: [ns]}]"))
    assert now.former("-b 10 --l2 0 --interactions xy", 2) is None
