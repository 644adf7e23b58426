"""Who answers to which name: plain models at no cost, shadows, splits, and models that were promoted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.daemon.named import Named
from vwserve.daemon.roles import Roles
from vwserve.daemon.shadowing import Shadowed
from vwserve.daemon.splitting import Joint, Split
from vwserve.durability.disk import Disk
from vwserve.errors import RequestError
from vwserve.model.together import Together

CTR = "vw: -b 10"
CTR_B = "vw: -b 10 -l 0.1"
SHADOW = f"{CTR_B}\nshadow: ctr"


@pytest.fixture
def named(tmp_path: Path) -> Named:
    """Models by name, none yet."""
    return Named(tmp_path)


def examples(named: Named) -> dict[str, int]:
    """How many examples each model has served."""
    return {name: servable.examples for name, servable in named.servables.items()}


def figures(named: Named, name: str) -> dict[str, Any]:
    """What is told of a name besides its model's own figures."""
    return named.traffic.statistics(name)


def test_a_model_of_which_nothing_is_said_is_the_plain_servable(named: Named) -> None:
    named.drop(ctr=CTR, cvr=CTR)
    assert [named.get(name) for name in ("ctr", "cvr")] == list(named.servables.values())
    assert isinstance(named.together(["ctr", "cvr"], [b"|u a"]), Together)
    assert (named.get(""), named.get("x"), named.problems) == (None, None, [])
    assert (figures(named, "ctr"), named.traffic.behind("ctr"), named.traffic.behind("x")) == ({}, ["ctr"], [])


def test_names_lead_to_what_the_drops_say(named: Named) -> None:
    named.drop(ctr=CTR, ctr_b=SHADOW, cvr=CTR, ads="split: {ctr: 1, cvr: 1}")
    assert named.names() == ["ads", "ctr", "ctr-b", "cvr"]
    assert isinstance(named.get("ctr"), Shadowed)
    assert isinstance(named.get("ads"), Split)
    assert named.get("ctr-b") is named.servables["ctr-b"]
    assert named.traffic.behind("ads") == ["ctr", "cvr"]
    assert [isinstance(named.together([name, "cvr"], [b"|u a"]), Joint) for name in ("ctr", "ctr-b")] == [True, False]
    named.drop(ctr_b=CTR_B)
    assert named.get("ctr") is named.servables["ctr"]


def test_a_shadow_does_not_keep_its_model_from_being_the_only_one(named: Named) -> None:
    """A listener without a model of its own goes on serving when a shadow is dropped beside it."""
    named.drop(ctr=CTR, ctr_b=SHADOW)
    assert named.get("") is named.get("ctr")
    assert named.talk(b"1 |u a\n") == b"0\n"
    assert examples(named) == {"ctr": 1, "ctr-b": 1}
    named.drop(cvr=CTR)
    assert named.get("") is None
    named.drop(cvr=None, ctr=None)
    assert named.get("") is named.servables["ctr-b"]


@pytest.mark.parametrize(
    ("drops", "problem"),
    [
        ({"ctr_b": SHADOW}, "no model is called 'ctr'; add its file, or name another"),
        ({"ctr_b": SHADOW, "ctr": "split: {cvr: 1}", "cvr": CTR}, "ctr is a split; name one of its models"),
        (
            {"ctr_b": SHADOW, "ctr": f"{CTR}\nshadow: cvr", "cvr": CTR},
            "ctr is a shadow itself; name the model that it follows, cvr",
        ),
        (
            {"ctr_b": SHADOW, "ctr": "vw: --csoaa_ldf m -b 10"},
            "an example of ctr-b is one line, one of ctr several lines; name one of its kind",
        ),
    ],
)
def test_a_shadow_that_cannot_follow_is_served_by_itself(drops: dict[str, str], problem: str, named: Named) -> None:
    named.drop(**drops)
    assert named.problems == [f"ctr-b.yaml:2: shadow: {problem}; until then ctr-b follows nobody"]
    assert named.talk(b"@ctr-b 1 |u a\n") == b"0\n"
    assert "shadow" not in figures(named, "ctr-b")
    named.drop(ctr=CTR)
    assert named.problems == []
    named.talk(b"@ctr 1 |u a\n")
    assert figures(named, "ctr-b")["shadow"]["examples"] == 1


# -- promoting ---------------------------------------------------------------------------------------------------------


def test_a_promoted_shadow_answers_to_the_name_and_is_followed(named: Named) -> None:
    named.drop(ctr=CTR, ctr_b=SHADOW)
    assert named.promote("ctr-b") == {"promoted": "ctr-b", "answers_to": "ctr", "shadow": "ctr", "undo": "promote ctr"}
    named.talk(b"@ctr 1 |u a\n1 |u a\n", "ctr")
    assert named.get("ctr-b") is named.servables["ctr"]
    assert named.talk(b"@ctr |u a\n") == named.servables["ctr-b"].answer(b"|u a\n")
    assert named.talk(b"@ctr-b |u a\n") == named.servables["ctr"].answer(b"|u a\n")
    assert named.traffic.behind("ctr") == ["ctr-b"]
    assert figures(named, "ctr-b") == {"answers_to": "ctr"}
    assert figures(named, "ctr")["answers_to"] == "ctr-b"
    shadow = figures(named, "ctr")["shadow"]
    assert (shadow["of"], shadow["examples"]) == ("ctr-b", 2)
    named.promote("ctr")
    assert figures(named, "ctr") == {}
    assert figures(named, "ctr-b")["shadow"]["of"] == "ctr"


def test_what_was_asked_before_a_promotion_is_learned_by_the_shadow_of_then(named: Named) -> None:
    named.drop(ctr=CTR, ctr_b=SHADOW)
    named.talk(b"1 |u a\n", "ctr", ends_turn=False)
    named.promote("ctr-b")
    named.turns.end()
    assert [servable.labelled for servable in named.servables.values()] == [1, 1]


def test_a_promotion_survives_a_restart(named: Named, tmp_path: Path) -> None:
    named.drop(ctr=CTR, ctr_b=SHADOW)
    named.traffic.promotion("ctr-b").roles.write(Disk(), tmp_path / "state")
    again = Named(tmp_path, Roles.read(tmp_path / "state"))
    again.drop(ctr=CTR, ctr_b=SHADOW)
    assert again.traffic.behind("ctr") == ["ctr-b"]


def test_a_promoted_model_of_a_split_has_the_largest_share(named: Named) -> None:
    named.drop(ctr=CTR, ctr_b=CTR_B, ads="split: {ctr: 99, ctr-b: 1}")
    named.talk(b"".join([b"'t%d |u a\n" % number for number in range(300)]), "ads")
    before = examples(named)
    named.promote("ctr-b")
    assert [each["share"] for each in figures(named, "ads")["split"]] == [0.01, 0.99]
    named.talk(b"".join([b"'t%d |u a\n" % number for number in range(300)]), "ads")
    assert before["ctr-b"] < 15
    assert examples(named)["ctr-b"] > 285
    with pytest.raises(RequestError, match="larger share"):
        named.promote("ctr-b")
    named.promote("ctr")
    assert [each["share"] for each in figures(named, "ads")["split"]] == [0.99, 0.01]


def test_a_promoted_model_goes_on_answering_when_the_one_before_it_is_removed(named: Named) -> None:
    named.drop(ctr=CTR, ctr_b=SHADOW)
    named.promote("ctr-b")
    named.drop(ctr=None)
    named.talk(b"1 |u a\n", "ctr")
    assert named.names() == ["ctr", "ctr-b"]
    assert examples(named) == {"ctr-b": 1}


def test_the_name_of_a_promoted_model_that_is_removed_is_its_own_models_again(named: Named) -> None:
    named.drop(ctr=CTR, ctr_b=SHADOW)
    named.promote("ctr-b")
    named.drop(ctr_b=None)
    named.talk(b"1 |u a\n", "ctr")
    assert (named.names(), examples(named)) == (["ctr"], {"ctr": 1})


def test_in_a_split_the_name_counts(named: Named) -> None:
    named.drop(ctr=CTR, ctr_b=SHADOW, cvr=CTR, ads="split: {ctr: 1}")
    named.promote("ctr-b")
    named.talk(b"1 |u a\n", "ads")
    assert named.traffic.behind("ads") == ["ctr-b"]
    assert figures(named, "ctr")["shadow"]["examples"] == 1
