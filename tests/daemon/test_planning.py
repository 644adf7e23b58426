"""What the daemon would do with a drop is what it then does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.running import Ran, recording
from tests.durability.states import flip

GOOD = b"1 |u a |v b\n" * 20


@pytest.fixture
def ran(tmp_path: Path) -> Iterator[Ran]:
    with recording() as logged:
        ran = Ran(tmp_path, logged)
        ran.drop("ctr", "-b 10")
        ran.start()
        yield ran
        ran.stop()


def plan(ran: Ran, text: str, name: str = "ctr") -> dict[str, Any]:
    """What would be done with a file of this text that lies elsewhere."""
    file = ran.folder / "new" / f"{name}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text + "\n")
    told: dict[str, Any] = ran.ctl(f"plan {file}")
    assert told["file"] == str(file)
    return told


def carried_out(ran: Ran, text: str, name: str = "ctr") -> dict[str, Any]:
    """What would be done with a file, which is then dropped."""
    before = (ran.ctl("models"), sorted((ran.folder / "state").rglob("*")))
    told = plan(ran, text, name)
    assert (ran.ctl("models"), sorted((ran.folder / "state").rglob("*"))) == before  # nothing was
    (ran.folder / "new" / f"{name}.yaml").replace(ran.folder / "models.d" / f"{name}.yaml")
    assert ran.reload() == [each.replace("/new/", "/models.d/") for each in told.get("problems", [])]
    return told


def test_a_new_model_is_added(ran: Ran) -> None:
    told = carried_out(ran, "vw: -b 11", "cvr")
    assert (told["model"], told["plan"], told["text"]) == ("cvr", "add", "it is new")
    assert "problems" not in told
    assert ran.stats("cvr")["lineage"] == 1


def test_a_model_that_comes_back_goes_on(ran: Ran) -> None:
    ran.ask(GOOD)
    (ran.folder / "models.d" / "ctr.yaml").unlink()
    ran.reload()
    told = carried_out(ran, "vw: -b 10")
    assert (told["plan"], told["examples"], told["lineage"]) == ("add", 20, 1)
    assert ran.stats()["learned"] == 20


@pytest.mark.parametrize("served", [True, False])
@pytest.mark.parametrize(
    ("text", "word", "lineage", "learned"),
    [
        ("vw: -b 10 -l 0.1", "keep", 2, 20),
        ("vw: -b 10 -q uv", "keep", 2, 20),
        ("vw: -b 11\non_change: replay", "replay", 2, 20),
        ("vw: -b 11\non_change: fresh", "fresh", 2, 0),
        ("vw: -b 11", "refuse", None, None),
    ],
)
def test_a_model_that_is_made_otherwise(
    text: str, word: str, lineage: int | None, learned: int | None, served: bool, ran: Ran
) -> None:
    ran.ask(GOOD)
    if not served:
        (ran.folder / "models.d" / "ctr.yaml").unlink()
        ran.reload()
    told = carried_out(ran, text)
    assert (told["plan"], told["examples"], told["lineage"]) == (word, 20, 1)
    if lineage is not None:
        figures = ran.stats()
        assert (figures["lineage"], figures["learned"]) == (lineage, learned)
    else:
        (why,) = told["problems"]
        assert "ctr.yaml: this model learned 20 examples otherwise" in why
        assert ran.ask(b"!models\n") == (b"ctr\n" if served else b"\n")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("vw: -b 10", "nothing"),
        ("# a comment\nvw: '-b 10'", "nothing"),
        ("vw: -b 10\nsnapshot: {every: 10s}", "configure"),
        ("vw: -b 10\njournal: false", "configure"),
        ("vw: -b 10\nlearn: false", "configure"),
    ],
)
def test_a_model_that_goes_on_as_it_is(text: str, word: str, ran: Ran) -> None:
    ran.ask(GOOD)
    assert carried_out(ran, text)["plan"] == word
    assert ran.stats()["learned"] == 20


def test_a_model_that_has_learned_nothing_begins_anew(ran: Ran) -> None:
    told = carried_out(ran, "vw: -b 11")
    assert (told["plan"], told["examples"], told["text"]) == ("fresh", 0, "it begins anew")


def test_a_journal_is_learned_again_as_far_back_as_it_goes(ran: Ran) -> None:
    ran.ask(GOOD)
    journal = ran.folder / "state" / "ctr" / "journal"
    times = journal / f"{1:020}.times"
    aside = times.rename(ran.folder / "aside")
    (journal / f"{1:020}.dat").rename(journal / f"{5:020}.dat")
    assert plan(ran, "vw: -b 11\non_change: replay")["plan"] == "replay"
    (journal / f"{5:020}.dat").rename(journal / f"{1:020}.dat")
    aside.rename(times)


def test_a_static_model_is_replaced(ran: Ran) -> None:
    ran.drop("s", "-b 10\nlearn: false")
    ran.reload()
    assert carried_out(ran, "vw: -b 10\nlearn: false", "s")["plan"] == "nothing"
    assert carried_out(ran, "vw: -b 10\nlearn: false\non_change: fresh", "s")["plan"] == "configure"
    assert carried_out(ran, "vw: -b 11\nlearn: false", "s")["plan"] == "replace"
    assert carried_out(ran, "vw: -b 11", "s")["plan"] == "replace"


def test_a_version_that_is_pinned(ran: Ran) -> None:
    ran.ask(GOOD)
    ran.ctl("snapshot ctr")
    text = "vw: -b 10\nversion: {pin: 1}"
    told = carried_out(ran, text)
    assert (told["plan"], told["snapshot"], told["examples"]) == ("replace", 1, 20)
    assert carried_out(ran, text)["plan"] == "nothing"
    told = plan(ran, text.replace("1}", "7}"))
    assert told["plan"] == "problems"
    assert "has no snapshot 7; the newest are 1" in told["problems"][0]
    told = plan(ran, text.replace("-b 10", "-b 11"))
    assert "snapshot 1 is of a model made otherwise" in told["problems"][0]
    flip(ran.folder / "state" / "ctr" / "snapshots" / "1.vw")
    assert "1.vw is not as it was taken" in plan(ran, text)["problems"][0]
    assert [each["current"] for each in ran.ctl("snapshots ctr")] == [True]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("vw: --loss_functoin logistic", ":1: vw: unknown VW option '--loss_functoin'"),
        ("vw: [", ":2: not YAML"),
        ("vw: -b 10\ninitial: no.vw", ":2: initial: cannot read "),
        ("vw: -b 10\nlean: false", ":2: lean: unknown key"),
    ],
)
def test_what_cannot_be_served_is_told_with_all_that_is_wrong(text: str, problem: str, ran: Ran) -> None:
    told = plan(ran, text)
    assert told["plan"] == "problems"
    assert problem in told["problems"][0]
    assert ran.ctl("models")[0]["state"] == "ok"


def test_a_file_that_is_not_there_is_a_problem(ran: Ran) -> None:
    told = ran.ctl(f"plan {ran.folder}/none.yaml")
    assert (told["model"], told["plan"]) == (None, "problems")
    assert "none.yaml" in told["problems"][0]
