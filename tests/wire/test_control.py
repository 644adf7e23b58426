"""Commands of the control channel: what a line asks for, and the line that answers it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vwserve.errors import ErrorCode, ModelError, RequestError
from vwserve.wire.control import (
    FORMS,
    Command,
    Forget,
    ListModels,
    ListSnapshots,
    PlanDrop,
    Promote,
    Reload,
    RollBack,
    TakeSnapshot,
    TellReadiness,
    TellStatistics,
    answer_line,
    error_answer,
    parse_command,
)
from vwserve.wire.points import AtNumber, AtTime, Point, Skip, parse_skip, parse_until

NOW_S = 1_800_000_000.0
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "control.md").read_text("utf-8")


class Noted:
    """Operations that note what is asked of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def _note(self, *what: object) -> dict[str, object]:
        self.asked.append(what)
        return {"done": what[0]}

    def models(self) -> list[dict[str, object]]:
        """None."""
        return [self._note("models")]

    def ready(self) -> dict[str, object]:
        """No."""
        return self._note("ready")

    def stats(self, model: str) -> dict[str, object]:
        """None."""
        return self._note("stats", model)

    def snapshot(self, model: str) -> dict[str, object]:
        """None."""
        return self._note("snapshot", model)

    def snapshots(self, model: str) -> list[dict[str, object]]:
        """None."""
        return [self._note("snapshots", model)]

    def rollback(self, model: str, snapshot: int, until: Point | None, skip: Sequence[Skip]) -> dict[str, object]:
        """Nowhere."""
        return self._note("rollback", model, snapshot, until, tuple(skip))

    def promote(self, model: str) -> dict[str, object]:
        """Nobody."""
        return self._note("promote", model)

    def reload(self) -> dict[str, object]:
        """Nothing."""
        return self._note("reload")

    def plan(self, file: str) -> dict[str, object]:
        """None."""
        return self._note("plan", file)

    def forget(self, model: str) -> dict[str, object]:
        """Nothing."""
        return self._note("forget", model)


# -- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "command", "asks"),
    [
        (b"models", ListModels(), ("models",)),
        (b"  models\t", ListModels(), ("models",)),
        (b"ready", TellReadiness(), ("ready",)),
        (b"plan /x/ctr.yaml", PlanDrop("/x/ctr.yaml"), ("plan", "/x/ctr.yaml")),
        (b"forget ctr", Forget("ctr"), ("forget", "ctr")),
        (b"stats ctr", TellStatistics("ctr"), ("stats", "ctr")),
        (b"snapshot ctr", TakeSnapshot("ctr"), ("snapshot", "ctr")),
        (b"snapshots  ctr", ListSnapshots("ctr"), ("snapshots", "ctr")),
        (b"snapshots \xff", ListSnapshots("\ufffd"), ("snapshots", "\ufffd")),
        (b"rollback ctr 17", RollBack("ctr", 17), ("rollback", "ctr", 17, None, ())),
        (b"rollback ctr 0", RollBack("ctr", 0), ("rollback", "ctr", 0, None, ())),
        (
            b"rollback ctr 17 replay-until now",
            RollBack("ctr", 17, AtTime(NOW_S)),
            ("rollback", "ctr", 17, AtTime(NOW_S), ()),
        ),
        (
            b"rollback ctr 17 skip 5..9 replay-until #20 skip ..3",
            RollBack("ctr", 17, AtNumber(20), (Skip(AtNumber(5), AtNumber(9)), Skip(None, AtNumber(3)))),
            ("rollback", "ctr", 17, AtNumber(20), (Skip(AtNumber(5), AtNumber(9)), Skip(None, AtNumber(3)))),
        ),
        (b"promote ctr-b", Promote("ctr-b"), ("promote", "ctr-b")),
        (b"reload", Reload(), ("reload",)),
    ],
)
def test_a_line_asks_for_an_operation(line: bytes, command: Command, asks: tuple[object, ...]) -> None:
    operations = Noted()
    assert parse_command(line, NOW_S) == command
    parse_command(line, NOW_S).perform(operations)
    assert operations.asked == [asks]


def test_what_only_tells_is_known_from_what_changes() -> None:
    telling = {name for name, form in FORMS.items() if not parse_command(form.example.encode(), NOW_S).changes}
    assert telling == {"models", "plan", "ready", "stats", "snapshots"}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            b"snapshto ctr",
            r"unknown command 'snapshto'; did you mean 'snapshots?'\? known: models, ready, stats, .*, forget$",
        ),
        (b"Models", r"unknown command 'Models'; did you mean 'models'\? known: "),
        (b"!ping", r"unknown command '!ping'; known: models, "),
        (b"\xff\x00 x", r"unknown command '\ufffd\\x00'; known: "),
        (b"\xc2\xa0", r"unknown command '\\xa0'; known: "),
        (b"models ctr", r"models takes no argument, as in `models`$"),
        (b"stats", r"stats takes MODEL, as in `stats ctr`$"),
        (b"snapshot a b", r"snapshot takes MODEL, as in `snapshot ctr`$"),
        (b"rollback ctr", r"rollback takes MODEL and SNAPSHOT, as in `rollback ctr 17 "),
        (b"rollback ctr x", r"'x' is no number of a snapshot; `snapshots MODEL` lists them, and 0 is "),
        (b"rollback ctr -1", r"'-1' is no number of a snapshot"),
        (b"rollback ctr 1.5", r"'1.5' is no number of a snapshot"),
        (b"rollback ctr 9999999999999999999", r"is no number of a snapshot"),
        (b"rollback ctr 1 until now", r"unknown option 'until' of rollback; did you mean 'replay-until'\? known: "),
        (b"rollback ctr 1 now", r"unknown option 'now' of rollback; known: replay-until, skip$"),
        (b"rollback ctr 1 --skip 1..2", r"unknown option '--skip' of rollback; did you mean 'skip'"),
        (b"rollback ctr 1 skip", r"skip needs FROM\.\.TO, as in `rollback ctr 17 replay-until "),
        (b"rollback ctr 1 replay-until", r"replay-until needs TIME, as in `rollback"),
        (b"rollback ctr 1 replay-until now replay-until now", r"replay-until stands twice"),
        (b"rollback ctr 1 replay-until 25.11.2026", r"'25.11.2026' is no time; write it like "),
        (b"rollback ctr 1 skip 5", r"'5' is no stretch FROM\.\.TO, as in "),
    ],
)
def test_says_what_is_wrong_with_a_line(line: bytes, text: str) -> None:
    with pytest.raises(RequestError, match=text) as raised:
        parse_command(line, NOW_S)
    assert raised.value.code == "bad-request"


def test_the_examples_are_right() -> None:
    for name, form in FORMS.items():
        assert form.example.split()[0] == name
        parse_command(form.example.encode(), NOW_S)


WORDS = st.sampled_from([*(name.encode() for name in FORMS), b"ctr", b"17", b"skip", b"replay-until", b"now", b"1..2"])
LINES = st.binary(max_size=60) | st.lists(WORDS, max_size=8).map(b" ".join)


@given(LINES.filter(lambda line: bool(line.strip())))
def test_any_line_is_a_command_or_refused_by_one_line(line: bytes) -> None:
    try:
        command = parse_command(line, NOW_S)
    except RequestError as error:
        assert error.code == "bad-request"
        assert json.loads(error_answer(error))["error"] == "bad-request"
    else:
        command.perform(Noted())


# -- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"model": "ctr", "snapshot": None}, b'{"model": "ctr", "snapshot": null}\n'),
        ([{"number": 2}, {"number": 1}], b'[{"number": 2}, {"number": 1}]\n'),
        ([], b"[]\n"),
        ({"problems": ["a\nb", "\u2028ü"]}, b'{"problems": ["a\\nb", "\\u2028\\u00fc"]}\n'),
        ({"loss": float("nan"), "deep": [{"auc": float("inf")}]}, b'{"loss": null, "deep": [{"auc": null}]}\n'),
        ({"pair": (1, -float("inf"))}, b'{"pair": [1, null]}\n'),
    ],
)
def test_an_answer_is_one_line_of_json(answer: dict[str, object], line: bytes) -> None:
    assert answer_line(answer) == line


def test_an_error_is_one_line_with_its_code() -> None:
    assert error_answer(RequestError("no-model", "no model is called 'x'")) == (
        b'{"error": "no-model", "text": "no model is called \'x\'"}\n'
    )
    assert error_answer(ModelError("line 1\nline 2")) == b'{"error": "failed", "text": "line 1\\nline 2"}\n'


# -- the page ------------------------------------------------------------------------------------------------------


def test_the_page_has_every_command_and_no_other() -> None:
    table = PAGE[PAGE.index("\n## Commands") : PAGE.index("\n| option |")]
    rows = re.findall(r"^\| `([a-z]+)(?: ([A-Z ]+))?`", table, re.MULTILINE)
    assert [(name, tuple(arguments.split())) for name, arguments in rows] == [
        (name, form.arguments) for name, form in FORMS.items()
    ]


def test_the_page_has_every_option() -> None:
    for form in FORMS.values():
        for name, option in form.options.items():
            assert f"| `{name} {option.value}` |" in PAGE


def test_the_page_has_every_code() -> None:
    table = PAGE[PAGE.index("\n## Errors") :]
    unused = {"bad-example", "too-many-features"}  # which are about examples
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == {*get_args(ErrorCode), "failed"} - unused


def test_the_forms_of_time_on_the_page_are_read() -> None:
    table = PAGE[PAGE.index("\n## Times") : PAGE.index("\n## vwserve ctl")]
    forms = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(forms) >= 6
    for form in forms:
        (parse_skip if ".." in form else parse_until)(form, NOW_S)
