"""Splits: each example goes to one model, answers keep their order, and each model is asked as if alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.daemon.named import Named
from tests.learner.weights import weights
from vwserve.daemon.routing import Router
from vwserve.daemon.splitting import each_answer
from vwserve.learner import Learner
from vwserve.model.servable import Servable

CTR = "vw: -b 10 -l 0.3"
CTR_B = "vw: -b 10 -l 0.1 -q uv"
ADF = "vw: --cb_explore_adf -b 10"
UPPER = "transforms: [{kind: upper, input: u, output: m}]"
SPLIT = "split: {ctr: 70, ctr-b: 30}"


@pytest.fixture
def named(tmp_path: Path) -> Named:
    """Two models, a split of both, and a model beside it."""
    named = Named(tmp_path)
    named.drop(ctr=CTR, ctr_b=CTR_B, ads=SPLIT, cvr=CTR)
    return named


def lines(count: int, form: str = "{label} '{tag} |u u{user} |v p{page}") -> list[bytes]:
    """Examples with a tag of their own each; every third has no label."""
    return [
        form.format(label=place % 2 if place % 3 else "", tag=f"t{place}", user=place % 7, page=place % 5).encode()
        for place in range(count)
    ]


def block(some: Iterable[bytes]) -> bytes:
    return b"".join([line + b"\n" for line in some])


def addressed(address: str, some: Iterable[bytes]) -> bytes:
    return block([f"@{address} ".encode() + line for line in some])


def arms(named: Named, split: str = "ads") -> dict[str, Mapping[str, Any]]:
    """What a split tells of its models."""
    told: Any = named.traffic.statistics(split)["split"]
    return {each["model"]: each for each in told}


def divided(some: Sequence[bytes], router: Router | None = None) -> list[list[bytes]]:
    """Which lines go to each of two models."""
    router = router or Router("ads", [70, 30])
    return [[line for line in some if router.place(line) == place] for place in (0, 1)]


def as_each_alone(some: Sequence[bytes]) -> tuple[bytes, list[float], list[float]]:
    """The answers of two models that are asked by themselves, put back in order, and the weights of both."""
    models = [Servable("m", text.removeprefix("vw: ")) for text in (CTR, CTR_B)]
    answered = [iter(m.answer(block(part)).splitlines(True)) for m, part in zip(models, divided(some))]
    router = Router("ads", [70, 30])
    answers = b"".join([next(answered[router.place(line)]) for line in some])
    return answers, weights(models[0].learner), weights(models[1].learner)


# -- doors -------------------------------------------------------------------------------------------------------------

BAD = [*lines(20), b"garbage", b"nan 't |u u1", *lines(30)]


@pytest.mark.parametrize("some", [lines(600), lines(1), BAD, BAD[20:22]], ids=["many", "one", "bad ones", "bad alone"])
@pytest.mark.parametrize("address", ["", "ads"])
def test_each_line_is_answered_by_its_model_in_the_order_of_the_lines(
    address: str, some: list[bytes], named: Named
) -> None:
    asked = addressed(address, some) if address else block(some)
    expected, ctr, ctr_b = as_each_alone(some)
    assert named.talk(asked, "ads") == expected
    assert weights(named.servables["ctr"].learner) == ctr
    assert weights(named.servables["ctr-b"].learner) == ctr_b


def test_a_label_goes_to_the_model_that_predicted(named: Named) -> None:
    for form in ("{label} '{tag} |u u{user}", "{label} |u u{user} |v p{page}"):
        examples = [line.partition(b" ")[2] for line in lines(50, form)]
        named.talk(block(examples), "ads")
        predicted = [servable.examples for servable in named.servables.values()]
        named.talk(block([b"1 " + each for each in examples]), "ads")
        assert [servable.examples for servable in named.servables.values()] == [2 * count for count in predicted]
        named.drop(ctr=CTR, ctr_b=CTR_B)


def test_it_may_go_by_a_namespace(named: Named) -> None:
    named.drop(ads=f"{SPLIT}\nsplit_by: u")
    some = lines(70)
    named.talk(block(some), "ads")
    users = divided([b"|u u%d" % user for user in range(7)], Router("ads", [70, 30], "u"))
    assert min(map(len, users)) > 0
    assert named.servables["ctr"].examples == 10 * len(users[0])
    assert named.servables["ctr-b"].examples == 10 * len(users[1])


def test_a_chunk_is_one_call_for_each_model(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    answer = Learner.answer_ordinary

    def counted(learner: Learner, chunk: bytes, learn: bool = True) -> bytes | None:
        calls.append(chunk.count(b"\n"))
        return answer(learner, chunk, learn)

    monkeypatch.setattr(Learner, "answer_ordinary", counted)
    named.talk(block(lines(250)), "ads")
    assert sorted(calls) == sorted(map(len, divided(lines(250))))


@pytest.mark.parametrize("address", ["ads,cvr", "cvr,ads"])
@pytest.mark.parametrize("some", [lines(300), BAD], ids=["good", "bad ones"])
def test_beside_another_model_it_answers_in_its_place(address: str, some: list[bytes], named: Named) -> None:
    """A line that one refuses is served by none, so only the good ones are asked of each alone."""
    good = [line for line in some if b"|" in line and not line.startswith(b"nan")]
    answers = named.talk(addressed(address, some)).splitlines()
    refused = [place for place, line in enumerate(some) if line not in good]
    assert [place for place, answer in enumerate(answers) if answer.startswith(b"!error bad-example")] == refused
    split, ctr, ctr_b = as_each_alone(good)
    cvr = Servable("cvr", CTR.removeprefix("vw: ")).answer(block(good))
    rows = [tuple(text.partition(b" ")[0] for text in row) for row in zip(split.splitlines(), cvr.splitlines())]
    expected = [b"\t".join(row if address == "ads,cvr" else row[::-1]) for row in rows]
    served = [answer.partition(b" ")[0] for answer in answers if not answer.startswith(b"!error")]
    assert served == expected
    assert weights(named.servables["ctr"].learner) == ctr
    assert weights(named.servables["ctr-b"].learner) == ctr_b
    assert named.servables["cvr"].examples == len(good)


def test_what_a_model_of_a_split_refuses_the_other_models_do_not_meet(named: Named) -> None:
    named.drop(ctr=f"{CTR}\n{UPPER}", ctr_b=f"{CTR_B}\n{UPPER}")
    answers = named.talk(addressed("cvr,ads", [b"1 |u u1", b"1 |u boom", b"1 |u u2"])).splitlines()
    assert answers[1].startswith(b"!error internal ads: transform upper failed")
    assert [servable.labelled for servable in named.servables.values()].count(0) <= 1
    assert sum(named.servables[name].labelled for name in ("ctr", "ctr-b")) == 2
    assert named.servables["cvr"].labelled == 2


@pytest.mark.parametrize("address", ["ads,ctr", "ctr-b,ads", "ads,web", "cvr,ads,ctr"])
def test_a_request_that_might_ask_one_model_twice_is_refused(address: str, named: Named) -> None:
    named.drop(web="split: {ctr: 1, cvr: 1}")
    asked = [addressed(address, lines(1)), block([f"@{address} batch".encode(), b"1 |u u1", b""])]
    for each in asked:
        assert named.talk(each).startswith(b"!error bad-request ")
    assert b"both lead to 'ctr" in named.talk(asked[0])
    assert sum(servable.examples for servable in named.servables.values()) == 0


def test_two_splits_of_different_models_may_be_asked_together(named: Named) -> None:
    named.drop(cvr_b=CTR, web="split: {cvr: 1, cvr-b: 1}")
    answers = named.talk(addressed("ads,web", lines(100))).splitlines()
    assert all(answer.count(b"\t") == 1 for answer in answers)
    assert [named.servables[name].examples > 0 for name in ("ctr", "ctr-b", "cvr", "cvr-b")] == [True] * 4
    assert sum(servable.examples for servable in named.servables.values()) == 200


# -- batches and multi-line examples -----------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["ads", "ads,cvr"])
@pytest.mark.parametrize("by", ["tag", "u"])
def test_a_batch_goes_to_one_model_as_a_whole(by: str, address: str, named: Named) -> None:
    """Its candidates are to be compared with each other."""
    named.drop(ads=f"{SPLIT}\nsplit_by: {by}")
    router = Router("ads", [70, 30], by)
    expected = {"ctr": 0, "ctr-b": 0}
    for user in range(20):
        opening = b"'t%d |u u%d" % (user, user)
        asked = [f"@{address} batch ".encode() + opening, b"1 |v p1", b"|v p2", b"'own |v p3", b""]
        answer = named.talk(block(asked))
        assert answer.count(b" ") == (3 if address == "ads" else 5)
        assert answer.endswith(b" t%d\n" % user)
        expected["ctr-b" if router.place(opening) else "ctr"] += 3
    assert {name: named.servables[name].examples for name in expected} == expected
    assert min(expected.values()) > 0
    assert {name: arm["requests"] for name, arm in arms(named).items()} == expected


def test_a_batch_without_a_key_goes_by_what_its_candidates_share_or_by_the_first(named: Named) -> None:
    router = Router("ads", [70, 30])
    for user in range(10):
        named.talk(block([b"@ads batch |u u%d" % user, b"|v p1", b"|v p2", b""]))
        named.talk(block([b"@ads batch", b"|v p%d" % user, b"|v x", b""]))
    expected = [0, 0]
    for user in range(10):
        expected[router.place(b"|u u%d" % user)] += 2
        expected[router.place(b"|v p%d" % user)] += 2
    assert [named.servables["ctr"].examples, named.servables["ctr-b"].examples] == expected


def test_a_batch_with_a_bad_candidate_is_refused_and_nothing_is_learned(named: Named) -> None:
    answer = named.talk(block([b"@ads batch |u u1", b"1 |v p1", b"garbage", b""]))
    assert answer.startswith(b"!error bad-example candidate 2: ")
    assert [servable.labelled for servable in named.servables.values()] == [0, 0, 0]
    assert named.talk(b"@ads batch\n\n") == b"\n"


@pytest.mark.parametrize("own", ["ads", ""])
def test_a_multi_line_example_goes_by_its_first_line(own: str, named: Named) -> None:
    named.drop(ctr=ADF, ctr_b=f"{ADF} --epsilon 0.2", other=ADF)
    router = Router("ads", [70, 30])
    models = [Servable("m", named.servables[name].arguments) for name in ("ctr", "ctr-b")]
    for number in range(20):
        opening = b"shared 'r%d |u u%d" % (number, number)
        group = [opening, b"0:1:0.5 |v p1", b"|v p2"]
        (alone,) = models[router.place(opening)].answer_groups([group])
        if own:
            assert named.talk(block([*group, b""]), own) == alone
        else:
            assert named.talk(b"@ads " + block([*group, b""])) == alone.strip(b"\n") + b"\n"
    labelled = [named.servables[name].labelled for name in ("ctr", "ctr-b")]
    assert labelled == [model.labelled for model in models]
    assert min(labelled) > 0
    together = named.talk(block([b"@other,ads shared 'r1 |u u1", b"|v p1", b"|v p2", b""]))
    assert together.count(b"\t") == 1
    assert named.talk(block([b"@ads shared 'r1 |u u1", b"garbage", b""])).startswith(b"!error bad-example line 2")


# -- models of all kinds -----------------------------------------------------------------------------------------------


def test_models_whose_answers_differ_in_their_lines_keep_each_its_own(named: Named) -> None:
    named.drop(ctr="vw: -b 10 --cb_explore 2", ctr_b="vw: -b 10 --cb 2")
    some = [b"'t%d |u u%d" % (number, number) for number in range(30)]
    alone: dict[bytes, bytes] = {}
    for name, part in zip(("ctr", "ctr-b"), divided(some)):
        servable = Servable(name, named.servables[name].arguments)
        alone |= zip(part, [servable.answer(line + b"\n") for line in part])
    assert named.talk(block(some), "ads") == b"".join([alone[line] for line in some])
    assert named.talk(addressed("ads", some)).count(b"\n") == 30


def test_models_with_shadows_and_transforms_may_be_in_a_split(named: Named) -> None:
    named.drop(ctr=f"{CTR}\n{UPPER}", ctr_b=f"{CTR_B}\n{UPPER}\nshadow: ctr", cvr=f"{CTR}\nshadow: ctr-b")
    assert named.problems == [
        "cvr.yaml:2: shadow: ctr-b is a shadow itself; name the model that it follows, ctr; "
        "until then cvr follows nobody"
    ]
    some = lines(300)
    named.talk(block(some), "ads")
    named.talk(addressed("ads,cvr", some))
    by_split, fed = (len(part) for part in divided(some))
    assert named.servables["ctr"].examples == 2 * by_split
    assert named.servables["ctr-b"].examples == 2 * fed + 2 * by_split
    told = named.shadowing.statistics("ctr-b")
    assert told is not None
    assert told["examples"] == named.servables["ctr"].labelled


LINES = st.lists(
    st.sampled_from([*lines(12), *lines(6, "{label} |u u{user}"), b"garbage", b"nan |u u1", b"1 2 3 4 |u", b"|u"]),
    max_size=40,
)


@settings(max_examples=30)
@given(LINES, st.sampled_from(["plain", "ads", "ads,cvr", "batch"]), st.integers(1, 300))
def test_whatever_is_sent_each_request_is_answered_once_and_served_by_one(
    some: list[bytes], door: str, read_bytes: int
) -> None:
    with TemporaryDirectory() as folder:
        named = Named(Path(folder))
        named.drop(ctr=CTR, ctr_b=CTR_B, ads=SPLIT, cvr=CTR)
        if door == "batch":
            asked = block([b"@ads batch", *some, b""])
        else:
            asked = block(some) if door == "plain" else addressed(door, some)
        reads = [asked[start : start + read_bytes] for start in range(0, len(asked), read_bytes)]
        answers = named.talk(reads, "ads").splitlines()
        assert len(answers) == (1 if door == "batch" else len(some))
        refused = sum(answer.startswith(b"!error") for answer in answers)
        served = named.servables["ctr"].examples + named.servables["ctr-b"].examples
        if door == "batch":
            assert served == (0 if refused else len(some))
        else:
            assert served + refused == len(some)
            if door == "plain":
                assert b"".join([each + b"\n" for each in answers]) == as_each_alone(some)[0]
        # What is refused by several models together, or as a batch, has come to none.
        assert sum(arm["requests"] for arm in arms(named).values()) == served + (
            refused if door in ("plain", "ads") else 0
        )


# -- figures -----------------------------------------------------------------------------------------------------------


def test_it_tells_what_came_through_it_for_each_model(named: Named) -> None:
    named.talk(addressed("ctr", lines(40)))  # which is none of its business
    some = lines(300)
    before = {name: named.servables[name].totals() for name in ("ctr", "ctr-b")}
    named.talk(block([*some, b"garbage"]), "ads")
    told = named.statistics("ads")
    assert told is not None and json.loads(json.dumps(told)) == told
    assert (told["model"], told["examples"], told["errors"], told["split_by"]) == ("ads", 300, 1, "tag")
    for place, (name, share) in enumerate({"ctr": 0.7, "ctr-b": 0.3}.items()):
        arm, after = arms(named)[name], named.servables[name].totals()
        part = divided([*some, b"garbage"])[place]
        labelled = sum(line.startswith((b"0", b"1")) for line in part)
        assert (arm["share"], arm["served_by"]) == (pytest.approx(share), name)
        assert (arm["requests"], arm["labelled"]) == (len(part), labelled)
        assert arm["loss"] == pytest.approx((after.sum_loss - before[name].sum_loss) / labelled)
    assert told["loss"] == pytest.approx(sum(arm["loss"] * arm["labelled"] for arm in arms(named).values()) / 200)


def test_its_figures_go_on_until_it_divides_otherwise(named: Named) -> None:
    named.talk(block(lines(50)), "ads")
    named.drop(cvr=CTR_B)
    assert sum(arm["requests"] for arm in arms(named).values()) == 50
    named.drop(ads="split: {ctr: 60, ctr-b: 40}")
    assert sum(arm["requests"] for arm in arms(named).values()) == 0


def test_models_of_different_losses_have_no_loss_in_common(named: Named) -> None:
    named.drop(ctr_b="vw: -b 10 --loss_function logistic")
    named.talk(block(lines(100, "{label} '{tag} |u u{user}")), "ads")
    told = named.statistics("ads")
    assert told is not None and told["loss"] is None
    assert all(arm["loss"] is not None for arm in arms(named).values())


# -- models that are missing -------------------------------------------------------------------------------------------


def test_the_share_of_a_missing_model_goes_to_the_largest_and_comes_back(named: Named) -> None:
    named.drop(ads="split: {ctr: 20, ctr-b: 30, cvr: 50}")
    router = Router("ads", [20, 30, 50])
    some = lines(100)
    places = [router.place(line) for line in some]
    named.drop(ctr_b=None)
    assert named.problems == [
        "ads.yaml:1: split: no model is called 'ctr-b'; add its file, or name another; until then its share goes to cvr"
    ]
    assert b"!error" not in named.talk(block(some), "ads")
    assert named.servables["ctr"].examples == places.count(0)
    assert named.servables["cvr"].examples == places.count(1) + places.count(2)
    assert arms(named)["ctr-b"]["served_by"] == "cvr"
    named.drop(ctr_b=CTR_B)
    assert named.problems == []
    named.talk(block(some), "ads")
    assert [named.servables[name].examples for name in ("ctr", "ctr-b", "cvr")] == [
        2 * places.count(0),
        places.count(1),
        places.count(1) + 2 * places.count(2),
    ]


def test_a_split_of_missing_models_is_not_served(named: Named) -> None:
    named.drop(ads="split: {x: 1, y: 1}")
    assert named.problems == [
        f"ads.yaml:1: split: no model is called '{name}'; add its file, or name another; until then ads is not served"
        for name in "xy"
    ]
    assert named.talk(b"|u u1\n", "ads").startswith(b"!error no-model ")
    assert "ads" not in named.names()


def test_a_split_names_no_split_and_no_model_of_another_kind(named: Named) -> None:
    named.drop(web="split: {ads: 50, cvr: 40, ldf: 10}", ldf="vw: --csoaa_ldf m -b 10")
    assert named.problems == [
        "web.yaml:1: split: ads is a split itself; name its models instead; until then its share goes to cvr",
        "web.yaml:1: split: an example of ldf is several lines, one of cvr one line; leave one of them out; "
        "until then its share goes to cvr",
    ]
    assert b"!error" not in named.talk(block(lines(50)), "web")
    assert named.servables["cvr"].examples == 50


# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count", "answers"),
    [
        (b"1\n2\n", 2, [b"1\n", b"2\n"]),
        (b"1\n\n2\n\n", 2, [b"1\n\n", b"2\n\n"]),
        (b"1\n\n!error x\n2\n\n", 3, [b"1\n\n", b"!error x\n", b"2\n\n"]),
        (b"\n\n", 2, [b"\n", b"\n"]),
        (b"", 0, []),
    ],
)
def test_answers_are_told_apart(text: bytes, count: int, answers: list[bytes]) -> None:
    assert each_answer(text, count) == answers
