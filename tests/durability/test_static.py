"""A model that does not learn is what it had become when it did, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.states import PROBES, Around, blueprint, flip, fresh, kill, learn, roll_back, take
from tests.transforms.samples import Sizes
from vwserve.durability.durable import Durable
from vwserve.durability.static import build_static
from vwserve.errors import StateError
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.servable import Servable
from vwserve.transforms.artifact import write_artifact

LINES = [b"%d |f a%d b%d" % (n % 3, n % 7, n) for n in range(1, 101)]
VW = "vw: -b 10\n"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where the state is."""
    return tmp_path / "state"


@pytest.fixture
def durable(tmp_path: Path, state: Path) -> Iterator[Durable]:
    """The model while it still learned."""
    durable = Around().open(blueprint(tmp_path, VW), state)
    yield durable
    kill(durable, state)


@pytest.fixture
def said() -> list[str]:
    """What is reported."""
    return []


def static(state: Path, said: list[str], text: str = VW + "learn: false\n", bounds: Bounds | None = None) -> Servable:
    """The model as it is served when it learns no more."""
    return build_static(blueprint(state.parent, text), state, bounds or Bounds(), 7, said.append)


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(servable: Servable, made: Blueprint, lines: list[bytes]) -> None:
    """See whether it predicts as what has learned these lines, and learns nothing."""
    expected = fresh(made, lines)
    assert servable.totals()[1:] == expected.totals()[1:]
    for _ in range(2):
        assert servable.learn([b"1 |f a1", *PROBES]) == expected.predict([b"1 |f a1", *PROBES])
    assert servable.statistics()["learned"] == len(lines)
    assert not servable.learner.learns
    servable.close()
    expected.close()


def test_without_a_state_it_is_as_it_begins(state: Path, said: list[str]) -> None:
    servable = static(state, said)
    assert (servable.version, servable.predict([b"|f a1"]), said) == (7, ["0"], [])
    assert not state.exists()
    servable.close()


def test_it_is_what_it_had_learned(durable: Durable, state: Path, said: list[str]) -> None:
    learn(durable, LINES[:20])
    take(durable)
    learn(durable, LINES[20:50])
    kill(durable, state)
    before = contents(state)
    servable = static(state, said)
    assert servable.version == 1
    check(servable, durable.blueprint, LINES[:50])
    assert (contents(state), said) == (before, [])


def test_it_is_what_was_gone_back_to(durable: Durable, state: Path, said: list[str]) -> None:
    learn(durable, LINES[:30])
    roll_back(durable, None, until=10)
    kill(durable, state)
    servable = static(state, said)
    assert servable.version == 2
    check(servable, durable.blueprint, LINES[:10])


def test_it_may_be_read_while_another_process_learns(durable: Durable, state: Path, said: list[str]) -> None:
    learn(durable, LINES[:30])
    check(static(state, said), durable.blueprint, LINES[:30])
    learn(durable, LINES[30:40])
    check(static(state, said), durable.blueprint, LINES[:40])


@pytest.mark.parametrize("text", ["vw: -b 10 --oaa 3 --indexing 0\n", "vw: -b 10 --nn 2\n"])
def test_models_of_several_are_what_they_were(text: str, state: Path, said: list[str]) -> None:
    made = blueprint(state.parent, text)
    durable = Around().open(made, state)
    learn(durable, LINES[:50])
    durable.close()
    check(static(state, said, text + "learn: false\n"), made, LINES[:50])


def test_a_multi_line_model_is_what_it_was(state: Path, said: list[str]) -> None:
    text = "vw: -b 10 --cb_adf\n"
    durable = Around().open(blueprint(state.parent, text), state)
    learn(durable, [b"shared |s a", b"0:1:0.5 |a b", b"|a c", b""] * 5)
    groups = [[b"shared |s a", b"|a b", b"|a c"]]
    before = durable.servable.answer_groups(groups)
    durable.close()
    servable = static(state, said, text + "learn: false\n")
    assert servable.answer_groups(groups) == before
    servable.close()


def test_transforms_and_bounds_are_those_of_now(state: Path, said: list[str]) -> None:
    write_artifact(state.parent / "sizes.json", Sizes, {"most": 3}, {})
    text = VW + "transforms: [{kind: sizes, input: f, output: s, artifact: sizes.json}]\n"
    made = blueprint(state.parent, text)
    durable = Around().open(made, state)
    learn(durable, [*LINES[:20], b"1 |f a:5000"])
    durable.close()
    check(static(state, said, text + "learn: false\n"), made, [*LINES[:20], b"1 |f a:5000"])
    servable = static(state, said, text + "learn: false\n", Bounds(magnitude=100.0))
    assert servable.predict([b"|f a:5000"])[0].startswith("!error bad-example")
    assert said == []
    servable.close()


def test_what_had_been_made_otherwise_is_refused_unless_the_drop_says_otherwise(
    durable: Durable, state: Path, said: list[str]
) -> None:
    learn(durable, LINES[:20])
    kill(durable, state)
    other = "vw: -b 10 --noconstant\nlearn: false\n"
    with pytest.raises(StateError, match="learned 20 examples otherwise"):
        static(state, said, other)
    check(static(state, said, other + "on_change: fresh\n"), blueprint(state.parent, other), [])
    check(static(state, said, other + "on_change: replay\n"), blueprint(state.parent, other), LINES[:20])


def test_examples_of_another_kind_are_refused(durable: Durable, state: Path, said: list[str]) -> None:
    learn(durable, LINES[:20])
    kill(durable, state)
    with pytest.raises(StateError, match="examples of one line, which this model does not read"):
        static(state, said, "vw: -b 10 --cb_adf\nlearn: false\non_change: replay\n")


def test_what_is_wrong_is_reported(durable: Durable, state: Path, said: list[str]) -> None:
    for number in (20, 40):
        learn(durable, LINES[number - 20 : number])
        take(durable)
    kill(durable, state)
    flip(state / "snapshots" / "2.vw")
    check(static(state, said), durable.blueprint, LINES[:40])
    assert [each.partition(" is not")[0] for each in said] == [str(state / "snapshots" / "2.vw")]
    (state / "journal" / "00000000000000000001.dat").unlink()
    check(static(state, said), durable.blueprint, LINES[:20])
    assert "goes on without the examples 21-40" in said[-1]


def test_without_anything_to_go_on_from_it_is_refused(durable: Durable, state: Path, said: list[str]) -> None:
    learn(durable, LINES[:20])
    take(durable)
    kill(durable, state)
    flip(state / "snapshots" / "1.vw")
    (state / "journal" / "00000000000000000001.dat").unlink()
    with pytest.raises(StateError, match="this model needs those from 1 on"):
        static(state, said)


def test_a_spoilt_lineage_is_refused_and_without_it_the_newest_snapshot_counts(
    durable: Durable, state: Path, said: list[str]
) -> None:
    learn(durable, LINES[:20])
    take(durable)
    learn(durable, LINES[20:30])
    kill(durable, state)
    flip(state / "lineage.json")
    with pytest.raises(StateError, match="not as it was written"):
        static(state, said)
    (state / "lineage.json").unlink()
    before = contents(state)
    check(static(state, said), durable.blueprint, LINES[:30])
    assert said == [f"{state} has no lineage.json; it goes on from its newest snapshot, 1"]
    assert contents(state) == before


def test_what_was_left_without_a_journal_is_what_the_snapshot_has(state: Path, said: list[str]) -> None:
    made = blueprint(state.parent, VW + "journal: false\n")
    durable = Around().open(made, state)
    learn(durable, LINES[:20])
    durable.close()
    check(static(state, said), made, LINES[:20])
