"""Answers of the control channel, as a person reads them."""

import pytest

from vwserve.cli.answers import age, key_lines, models_table, snapshots_table

NOW_S = 1_795_600_800.0


def test_snapshots_are_a_row_each_and_the_current_one_is_marked() -> None:
    snapshots: list[dict[str, object]] = [
        {
            "number": 18,
            "time": NOW_S - 61.5,
            "examples": 612400,
            "loss": 0.6931471805,
            "bytes": 212480,
            "current": False,
        },
        {"number": 9, "time": NOW_S - 86400 * 3, "examples": 0, "loss": None, "bytes": 4096, "current": True},
    ]
    assert list(snapshots_table(snapshots, NOW_S)) == [
        "   NUMBER  AGE  TIME                  EXAMPLES      LOSS    BYTES",
        "       18  61s  2026-11-25T09:58:58Z   612,400  0.693147  212,480",
        "*       9   3d  2026-11-22T10:00:00Z         0         -    4,096",
        "* current",
    ]


def test_where_no_snapshot_is_current_none_is_marked() -> None:
    lines = list(snapshots_table([{"number": 1, "time": NOW_S}], NOW_S))
    assert lines[1:] == ["       1   0s  2026-11-25T10:00:00Z         -     -      -"]


def test_models_are_a_row_each_with_the_figures_that_there_are() -> None:
    models: list[dict[str, object]] = [
        {"model": "ctr", "state": "ok", "learn": True, "examples": 1234567, "loss": 0.5, "snapshot": {"number": 17}},
        {"model": "static", "state": "ok", "learn": False, "examples": 3, "loss": None, "snapshot": None, "odd": 1},
    ]
    assert list(models_table(models)) == [
        "MODEL   STATE  LEARN   EXAMPLES  LOSS  SNAPSHOT",
        "ctr     ok       yes  1,234,567   0.5        17",
        "static  ok        no          3     -         -",
    ]


def test_a_model_that_is_not_ready_says_why() -> None:
    models: list[dict[str, object]] = [
        {"model": "ctr", "state": "ok", "journal": 5, "not_ready": "the disk is full"},
        {"model": "cvr", "state": "ok", "journal": None, "not_ready": None},
    ]
    assert list(models_table(models)) == [
        "MODEL  STATE  JOURNAL  NOT_READY",
        "ctr    ok           5  the disk is full",
        "cvr    ok           -  -",
    ]


def test_nothing_is_said_to_be_nothing() -> None:
    assert list(models_table([])) == ["no models"]
    assert list(snapshots_table([], NOW_S)) == ["no snapshots"]


def test_any_other_answer_is_a_line_for_each_value() -> None:
    answer = {
        "model": "ctr",
        "time": NOW_S + 0.5,
        "learn": True,
        "examples": 1234567,
        "loss": 0.51742134,
        "auc": None,
        "snapshot": {"number": 17, "age_s": 61.5},
        "transforms": [{"kind": "mdl", "output": ["m"]}, {"kind": "tree", "output": ["t", "l"]}],
        "models": [],
    }
    assert list(key_lines(answer)) == [
        "model: ctr",
        "time: 2026-11-25T10:00:00Z",
        "learn: yes",
        "examples: 1234567",
        "loss: 0.517421",
        "auc: -",
        "snapshot.number: 17",
        "snapshot.age_s: 61.5",
        "transforms[0].kind: mdl",
        "transforms[0].output: m",
        "transforms[1].kind: tree",
        "transforms[1].output: t l",
        "models: none",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (1e9, "11574d"),
    ],
)
def test_an_age_has_one_unit(seconds: float, text: str) -> None:
    assert age(seconds) == text
