"""Roles: promotions as data, which survive a restart, can be taken back, and give way to what the drops say."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.durability.power import QuickDisk, RecordingDisk
from vwserve.daemon.roles import Declared, Division, Promotion, Roles
from vwserve.durability.checked import to_text
from vwserve.durability.disk import Disk
from vwserve.errors import RequestError, StateError
from vwserve.model.drop import read_drop

NAMES = ("ctr", "ctr-b", "ctr-c", "cvr")
SHADOWS = Declared({"ctr-b": "ctr", "ctr-c": "ctr"})
HALVED: Division = (("ctr", 90.0), ("ctr-b", 10.0))
SPLIT = Declared({}, {"ads": HALVED})


def promoted(roles: Roles, model: str, declared: Declared = SHADOWS) -> Promotion:
    return roles.promoted(model, declared, NAMES)


def after(declared: Declared, *models: str) -> Roles:
    """The roles after these promotions, one after the other."""
    roles = Roles()
    for model in models:
        roles = promoted(roles, model, declared).roles
    return roles


def refusal(roles: Roles, model: str, declared: Declared = SHADOWS) -> str:
    with pytest.raises(RequestError) as caught:
        promoted(roles, model, declared)
    return str(caught.value)


# -- shadows -----------------------------------------------------------------------------------------------------------


def test_a_shadow_that_is_promoted_exchanges_names_with_its_model() -> None:
    promotion = promoted(Roles(), "ctr-b")
    assert promotion.roles.models(SHADOWS) == {"ctr": "ctr-b", "ctr-b": "ctr"}
    assert promotion.told == {"promoted": "ctr-b", "answers_to": "ctr", "shadow": "ctr"}
    assert promotion.undo == "promote ctr"


def test_promoting_the_other_one_takes_it_back() -> None:
    assert after(SHADOWS, "ctr-b", "ctr") == Roles()
    assert promoted(after(SHADOWS, "ctr-b"), "ctr").undo == "promote ctr-b"


def test_of_several_shadows_each_may_be_promoted_and_each_promotion_taken_back() -> None:
    both = after(SHADOWS, "ctr-b", "ctr-c")
    assert both.models(SHADOWS) == {"ctr": "ctr-c", "ctr-b": "ctr", "ctr-c": "ctr-b"}
    assert promoted(after(SHADOWS, "ctr-b"), "ctr-c").undo == "promote ctr-b"
    assert after(SHADOWS, "ctr-b", "ctr-c", "ctr-b") == after(SHADOWS, "ctr-b")
    assert after(SHADOWS, "ctr-b", "ctr-c", "ctr").models(SHADOWS) == {"ctr-b": "ctr-c", "ctr-c": "ctr-b"}


@given(st.lists(st.sampled_from(["ctr", "ctr-b", "ctr-c"]), max_size=12))
def test_whatever_is_promoted_each_name_has_a_model_of_its_own_and_the_last_is_first(models: list[str]) -> None:
    roles = Roles()
    for model in models:
        answering = roles.models(SHADOWS)
        if answering.get("ctr", "ctr") == model:
            assert refusal(roles, model).startswith("bad-request")
            continue
        promotion = promoted(roles, model)
        assert promotion.roles.models(SHADOWS).get("ctr", "ctr") == model
        assert promotion.undo is not None
        undone = promoted(promotion.roles, promotion.undo.removeprefix("promote "))
        assert undone.roles.models(SHADOWS) == answering
        roles = promotion.roles
    answering = {name: roles.models(SHADOWS).get(name, name) for name in NAMES}
    assert sorted(answering.values()) == sorted(NAMES)
    assert answering["cvr"] == "cvr"


def test_the_drops_have_the_last_word() -> None:
    roles = after(SHADOWS, "ctr-b")
    assert roles.models(Declared({"ctr-b": "ctr"})) == roles.models(SHADOWS)  # the other shadow is not concerned
    assert roles.models(Declared({"ctr": "ctr-b"})) == {}  # the files say now what was promoted
    assert roles.models(Declared({"ctr-c": "ctr"})) == {}
    assert roles.models(Declared({"ctr-b": "cvr"})) == {}
    assert roles.models(Declared({"ctr-b": "ctr", "ctr": "cvr"})) == {}


def test_what_does_not_count_for_a_while_is_kept_also_over_the_promotion_of_others() -> None:
    declared = Declared({"ctr-b": "ctr", "cvr-b": "cvr"})
    roles = after(declared, "ctr-b")
    meanwhile = Declared({"cvr-b": "cvr"})
    roles = roles.promoted("cvr-b", meanwhile, (*NAMES, "cvr-b")).roles
    assert roles.models(meanwhile) == {"cvr": "cvr-b", "cvr-b": "cvr"}
    assert roles.models(declared) == {"ctr": "ctr-b", "ctr-b": "ctr", "cvr": "cvr-b", "cvr-b": "cvr"}


def test_what_does_not_count_is_forgotten_where_others_take_its_place() -> None:
    roles = after(Declared({"ctr-b": "ctr"}), "ctr-b")
    now = Declared({"ctr-c": "ctr"})
    roles = promoted(roles, "ctr-c", now).roles
    assert roles.models(now) == {"ctr": "ctr-c", "ctr-c": "ctr"}
    assert roles.models(SHADOWS) == {"ctr": "ctr-c", "ctr-c": "ctr"}


def test_nobody_is_promoted_who_is_first_already_or_follows_nobody() -> None:
    assert refusal(after(SHADOWS, "ctr-b"), "ctr-b") == (
        "bad-request ctr-b was promoted already, and answers to ctr; promote ctr or ctr-c to undo that"
    )
    assert refusal(Roles(), "ctr").startswith("bad-request ctr is neither a shadow nor a model of a split; `shadow:`")
    assert refusal(Roles(), "cvr").startswith("bad-request cvr is neither a shadow nor a model of a split")
    assert refusal(Roles(), "nobody").startswith("no-model no model is called 'nobody'")
    gone = Declared({"ctr-b": "gone"})
    assert refusal(Roles(), "ctr-b", gone).startswith("bad-request ctr-b follows no model now")
    chain = Declared({"ctr-b": "ctr", "ctr": "cvr"})
    assert refusal(Roles(), "ctr-b", chain).startswith("bad-request ctr-b follows no model now")


# -- splits ------------------------------------------------------------------------------------------------------------


def test_a_model_of_a_split_that_is_promoted_exchanges_shares_with_the_largest() -> None:
    promotion = promoted(Roles(), "ctr-b", SPLIT)
    assert promotion.roles.division("ads", SPLIT) == (("ctr", 10.0), ("ctr-b", 90.0))
    assert promotion.roles.models(SPLIT) == {}
    assert promotion.told == {"promoted": "ctr-b", "splits": {"ads": {"ctr": 10.0, "ctr-b": 90.0}}}
    assert promotion.undo == "promote ctr"
    assert after(SPLIT, "ctr-b", "ctr") == Roles()


def test_of_three_only_two_exchange() -> None:
    declared = Declared({}, {"ads": (("ctr", 50.0), ("ctr-b", 30.0), ("cvr", 20.0))})
    assert after(declared, "cvr").division("ads", declared) == (("ctr", 20.0), ("ctr-b", 30.0), ("cvr", 50.0))


def test_the_largest_cannot_get_more() -> None:
    assert refusal(Roles(), "ctr", SPLIT) == "bad-request no model has a larger share than ctr in ads"
    even = Declared({}, {"ads": (("ctr", 5.0), ("ctr-b", 5.0))})
    assert refusal(Roles(), "ctr-b", even) == "bad-request no model has a larger share than ctr-b in ads"


def test_a_model_of_several_splits_gets_the_largest_share_of_each() -> None:
    declared = Declared(
        {}, {"ads": HALVED, "web": (("cvr", 60.0), ("ctr-b", 40.0)), "own": (("ctr-b", 2.0), ("ctr", 1.0))}
    )
    promotion = promoted(Roles(), "ctr-b", declared)
    assert promotion.roles.division("ads", declared) == (("ctr", 10.0), ("ctr-b", 90.0))
    assert promotion.roles.division("web", declared) == (("cvr", 40.0), ("ctr-b", 60.0))
    assert promotion.roles.division("own", declared) == (("ctr-b", 2.0), ("ctr", 1.0))
    assert promotion.undo is None  # it takes two commands


@pytest.mark.parametrize(
    "now",
    [
        (("ctr", 10.0), ("ctr-b", 90.0)),  # the file says now what was promoted
        (("ctr", 80.0), ("ctr-b", 20.0)),
        (("ctr-b", 10.0), ("ctr", 90.0)),
        (("ctr", 90.0), ("ctr-b", 10.0), ("cvr", 5.0)),
    ],
)
def test_a_split_whose_drop_has_changed_is_what_the_drop_says(now: Division) -> None:
    assert after(SPLIT, "ctr-b").division("ads", Declared({}, {"ads": now})) == now


def test_a_shadow_in_a_split_exchanges_names() -> None:
    declared = Declared({"ctr-b": "ctr"}, {"ads": HALVED})
    roles = after(declared, "ctr-b")
    assert roles.models(declared) == {"ctr": "ctr-b", "ctr-b": "ctr"}
    assert roles.division("ads", declared) == HALVED
    assert after(declared, "ctr-b", "ctr") == Roles()
    assert "was promoted already" in refusal(roles, "ctr-b", declared)


def test_what_drops_say_is_read_from_them(tmp_path: Path) -> None:
    texts = {"ctr": "vw: -b 10", "ctr-b": "vw: -b 10\nshadow: ctr", "ads": "split: {ctr: 90, ctr-b: 10}"}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    drops = [read_drop(tmp_path / f"{name}.yaml") for name in texts]
    assert Declared.of(drops) == Declared({"ctr-b": "ctr"}, {"ads": HALVED})


# -- on disk -----------------------------------------------------------------------------------------------------------

BOTH = Declared({"ctr-b": "ctr"}, {"ads": (("cvr", 2.5), ("ctr-c", 0.5))})
ROLES = after(BOTH, "ctr-b", "ctr-c")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    state = tmp_path / "var" / "state"
    assert Roles.read(state) == Roles()
    ROLES.write(Disk(), state)
    assert Roles.read(state) == ROLES
    Roles().write(Disk(), state)
    assert Roles.read(state) == Roles()
    assert os.listdir(state) == ["roles.json"]


@given(st.integers(1, 400), st.integers(1, 255))
def test_a_changed_byte_is_an_error_that_says_what_to_do_or_means_the_same(place: int, flip: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "roles.json")
        ROLES.write(QuickDisk(), file.parent)
        text = bytearray(file.read_bytes())
        text[place % len(text)] ^= flip
        file.write_bytes(text)
        try:
            read = Roles.read(file.parent)
        except StateError as error:
            assert str(error).startswith(f"{file} is not as it was written")
            assert "restore it, or remove it" in str(error)
        else:
            assert read == ROLES


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"answering": {"a": "b"}, "shadows": {}, "shares": {}},
        {"answering": {"a": "b", "c": "b"}, "shadows": {}, "shares": {}},
        {"answering": {"a": 1}, "shadows": {}, "shares": {}},
        {"answering": [], "shadows": 7, "shares": {}},
        {"answering": {}, "shadows": {}, "shares": {"ads": []}},
        {"answering": {}, "shadows": {}, "shares": {"ads": {"drop": [["a", 1]], "instead": [["a", "x"]]}}},
        {"answering": {}, "shadows": {}, "shares": {"ads": {"drop": [["a", 1]], "instead": [["a"]]}}},
    ],
)
def test_what_another_program_wrote_is_refused_by_name(content: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "roles.json").write_bytes(to_text({"format": 1, **content}))
    with pytest.raises(StateError, match=r"roles\.json is not as it was written"):
        Roles.read(tmp_path)


def test_a_file_that_the_system_does_not_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "roles.json").mkdir()
    with pytest.raises(StateError, match=r"cannot read .*roles\.json: Is a directory"):
        Roles.read(tmp_path)


@pytest.mark.parametrize("call", ["unlink", "create", "write", "sync", "close", "rename", "make_folder"])
def test_a_disk_that_fails_at_any_step_leaves_the_roles_of_before(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    state = tmp_path / "state"
    if call != "make_folder":
        ROLES.write(Disk(), state)
    with monkeypatch.context() as context:
        context.setattr(Disk, call, full)
        with pytest.raises(StateError, match=r"cannot write .*roles\.json: No space left .*; nothing was promoted"):
            Roles().write(Disk(), state)
    assert Roles.read(state) == (ROLES if call != "make_folder" else Roles())
    Roles().write(Disk(), state)  # whatever was left over
    assert Roles.read(state) == Roles()


@given(st.data())
def test_a_power_cut_at_any_moment_leaves_the_roles_of_before_or_the_new_ones(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as later:
        folder = Path(name)
        ROLES.write(QuickDisk(), folder)
        disk = RecordingDisk(folder)
        Roles().write(disk, folder)
        changes = data.draw(st.integers(disk.start, len(disk.changes)))
        contents = disk.contents(changes)
        for path, number in contents.named(lambda _: data.draw(st.booleans())).items():
            now, safe = contents.now[number], contents.safe[number]
            kept = data.draw(st.integers(len(safe), len(now))) if now.startswith(safe) else len(now)
            Path(later, path.name).write_bytes(now[:kept])
        found = Roles.read(Path(later))
        assert found in (ROLES, Roles())
        assert found == Roles() or changes < len(disk.changes)
