"""Every key of the configuration is documented and in a sample; the samples are right, commented keys too."""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from vwserve.configuration.schema import Record, keys
from vwserve.configuration.units import parse_duration, parse_size
from vwserve.daemon.endpoints import KINDS
from vwserve.daemon.settings import DEFAULT_LISTEN, SETTINGS, Admission, read_settings
from vwserve.guard.limits import Limits
from vwserve.model.drop import SPLIT_SCHEMA, Shares, drop_schema, read_drop
from vwserve.model.drop_folder import read_drops
from vwserve.model.policy import Policy
from vwserve.transforms.plugins import find_plugins

KINDS_OF_TRANSFORM = find_plugins().kinds
REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "configuration.md"
SAMPLES: Mapping[str, tuple[Record[Any], Path]] = {
    "the daemon": (SETTINGS, REPOSITORY / "conf" / "vwserve.yaml"),
    "a model": (drop_schema(KINDS_OF_TRANSFORM), REPOSITORY / "conf" / "models.d" / "ctr.yaml"),
    "a split": (SPLIT_SCHEMA, REPOSITORY / "conf" / "models.d" / "ads.yaml.sample"),
}


def documented() -> dict[str, str]:
    """The keys in the tables of the page, and the cell of their default."""
    return dict(re.findall(r"^\| `([a-z_.\[\]]+)` \| ([^|]*) \|", PAGE.read_text("utf-8"), re.MULTILINE))


def whole(what: str, folder: Path) -> Path:
    """The sample with all its keys, in another folder."""
    reader, sample = SAMPLES[what]
    # A key of the file, or an item or a key below one, after the mark of a comment; prose begins otherwise.
    commented_out = rf"^# (?=(?:{'|'.join(reader.fields)}):(?: |$)|  (?:- \{{|[a-z_]+: ))"
    path = folder / sample.name
    path.write_text(re.sub(commented_out, "", sample.read_text("utf-8"), flags=re.MULTILINE), "utf-8")
    return path


def test_the_page_lists_every_key_and_no_other() -> None:
    known = {key for reader, _ in SAMPLES.values() for key in keys(reader)}
    of_kinds = {key for key in known if key.startswith("transforms[].")} - {"transforms[].kind"}
    assert documented().keys() == known - of_kinds


@pytest.mark.parametrize("kind", KINDS_OF_TRANSFORM)
def test_each_kind_of_transform_has_a_page_that_lists_its_keys_and_no_other(kind: str) -> None:
    page = (PAGE.parent / "transforms" / f"{kind}.md").read_text("utf-8")
    own = {each.name for each in fields(KINDS_OF_TRANSFORM[kind].options_type)}
    assert set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE)) - {"artifact"} == own


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_shows_every_kind_of_endpoint(kind: str) -> None:
    assert f"| {kind} | `{KINDS[kind].example}` |" in PAGE.read_text("utf-8")


@pytest.mark.parametrize("what", SAMPLES)
def test_the_sample_has_every_key(what: str, tmp_path: Path) -> None:
    reader, sample = SAMPLES[what]
    text = whole(what, tmp_path).read_text("utf-8")
    for key in keys(reader):
        if key.startswith("transforms[]."):
            continue  # those of a kind are on its page
        assert re.search(rf"\b{key.rpartition('.')[2]}:", text), f"{sample} does not show {key}"


def test_the_sample_of_the_daemon_is_right_and_so_is_what_it_comments_out(tmp_path: Path) -> None:
    _, sample = SAMPLES["the daemon"]
    assert read_settings(sample).without_effect == ()
    assert read_settings(whole("the daemon", tmp_path)).without_effect == (
        "http",
        "processes",
        "admission",
    )


def test_the_sample_of_a_model_is_right_and_so_is_what_it_comments_out(tmp_path: Path) -> None:
    _, sample = SAMPLES["a model"]
    assert read_drop(sample).without_effect == ()
    (tmp_path / "seed.vw").touch()
    drop = read_drop(whole("a model", tmp_path), KINDS_OF_TRANSFORM)
    assert [each.declaration.type.kind for each in drop.transforms] == ["mdl", "tree", "crosses"]
    assert drop.initial == tmp_path / "seed.vw"
    assert (drop.shadow, drop.pin) == ("ctr-old", 17)
    assert drop.without_effect == ("guard",)


def test_the_sample_of_a_split_is_right_and_no_drop(tmp_path: Path) -> None:
    _, sample = SAMPLES["a split"]
    drop = read_drop(sample)
    assert drop == replace(read_drop(whole("a split", tmp_path)), path=sample)
    assert (drop.name, drop.split) == ("ads", Shares((("ctr", 90.0), ("ctr-b", 10.0))))
    assert sample not in [each.path for each in read_drops(sample.parent)[0]]


def test_the_sample_of_a_model_keeps_it_by_the_defaults_but_for_older_snapshots() -> None:
    assert replace(read_drop(SAMPLES["a model"][1]).policy, hourly=0, daily=0) == Policy()


def test_the_sample_of_the_daemon_shows_the_defaults(tmp_path: Path) -> None:
    settings = read_settings(whole("the daemon", tmp_path))
    assert settings.limits == Limits()
    assert settings.admission == Admission()
    assert settings.processes == 1
    assert [listen.endpoint for listen in settings.listen] == [DEFAULT_LISTEN.endpoint]
    assert (settings.models, settings.state) == (tmp_path / "models.d", tmp_path / "state")


def test_the_page_tells_the_defaults() -> None:
    limits, admission = Limits(), Admission()
    cells = {key: cell.strip("`") for key, cell in documented().items()}
    assert parse_size(cells["limits.line_bytes"]) == limits.line_bytes
    assert parse_size(cells["limits.features"]) == limits.bounds.features
    assert parse_size(cells["limits.connections"]) == limits.connections
    assert parse_duration(cells["limits.idle"]) == limits.idle_s
    assert parse_size(cells["limits.request_bytes"]) == limits.request_bytes
    assert parse_size(cells["limits.lines"]) == limits.bounds.lines
    assert float(cells["limits.importance"]) == limits.bounds.importance
    assert float(cells["limits.magnitude"]) == limits.bounds.magnitude
    assert parse_duration(cells["admission.deadline"]) == admission.deadline_s
    assert float(cells["admission.success_target"]) == admission.success_target


def test_the_page_tells_by_which_defaults_a_model_is_kept() -> None:
    policy = Policy()
    cells = {key: cell.strip("`") for key, cell in documented().items()}
    assert parse_duration(cells["snapshot.every"]) == policy.snapshot_every_s
    assert parse_size(cells["snapshot.keep"]) == policy.snapshots
    assert (parse_size(cells["snapshot.hourly"]), parse_size(cells["snapshot.daily"])) == (policy.hourly, policy.daily)
    assert policy.journal
    assert (cells["journal.sync"], parse_duration(cells["journal.keep"])) == (policy.sync, policy.journal_keep_s)
    assert cells["on_change"] == policy.on_change


@pytest.mark.parametrize("folder", ["conf", "vwserve/demo"])
def test_what_ships_is_right(folder: str) -> None:
    settings = read_settings(REPOSITORY / folder / "vwserve.yaml")
    drops, problems = read_drops(settings.models)
    assert problems == []
    assert {listen.model for listen in settings.listen} <= {drop.name for drop in drops}
