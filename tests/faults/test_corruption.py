"""Files that are not as they were written: the daemon says so, goes on from what is good, and serves all others."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Client
from tests.faults import reference
from tests.faults.clients import Kind, click
from tests.faults.daemons import CLICK, LYING, Daemon, Model, wait_until, write_drops

pytestmark = pytest.mark.fault

STRETCH, FEW = 200, 20  # requests
SMALL_SEGMENT = 4096  # some 70 examples


@dataclass(frozen=True)
class Case:
    """What is done to the state of a model, what the log says of it then, and whether the model is what it was."""

    damage: Callable[[Path], None]
    says: str
    unchanged: bool = True


def overwritten(path: Path, at: int, text: bytes) -> None:
    """Have a file say something else somewhere."""
    content = bytearray(path.read_bytes())
    content[at : at + len(text)] = text
    path.write_bytes(content)


def truncate_snapshot(state: Path) -> None:
    path = state / "snapshots" / "2.vw"
    path.write_bytes(path.read_bytes()[:-16])


def flip_a_bit_of_a_snapshot(state: Path) -> None:
    path = state / "snapshots" / "2.vw"
    content = path.read_bytes()
    path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])


def damage_a_description(state: Path) -> None:
    path = state / "snapshots" / "2.json"
    path.write_text(path.read_text().replace('"journal": ', '"journal": 1', 1))


def empty_a_description(state: Path) -> None:
    (state / "snapshots" / "2.json").write_bytes(b"")


def remove_a_snapshots_model(state: Path) -> None:
    (state / "snapshots" / "2.vw").unlink()


def spoil_all_snapshots(state: Path) -> None:
    for path in (state / "snapshots").glob("*.vw"):
        path.write_bytes(b"")


def tear_the_last_line(state: Path) -> None:
    with last_segment(state).open("ab") as file:
        file.write(b"1 'torn-1 |u a")


def leave_zeros(state: Path) -> None:
    with last_segment(state).open("ab") as file:
        file.write(bytes(100))


def drop_a_strange_file(state: Path) -> None:
    (state / "journal" / "notes.txt").write_text("mine\n")


def lose_a_segment_before_the_snapshot(state: Path) -> None:
    sorted((state / "journal").glob("*.dat*"))[1].unlink()


def lose_a_segment_after_the_snapshot(state: Path) -> None:
    sorted((state / "journal").glob("*.dat*"))[-2].unlink()


def damage_a_compressed_segment_before_the_snapshot(state: Path) -> None:
    overwritten(compressed(state)[1], 40, b"spoilt")


def last_segment(state: Path) -> Path:
    return sorted((state / "journal").glob("*.dat"))[-1]


def compressed(state: Path) -> list[Path]:
    return sorted((state / "journal").glob("*.dat.gz"))


CASES = {
    "truncated": Case(truncate_snapshot, "bytes; it was taken with"),
    "flipped": Case(flip_a_bit_of_a_snapshot, "its SHA-256 is another one"),
    "described": Case(damage_a_description, "2.json is not as it was written"),
    "emptied": Case(empty_a_description, "2.json is not as it was written"),
    "removed": Case(remove_a_snapshots_model, "2.vw"),
    "spoilt": Case(spoil_all_snapshots, "0 bytes; it was taken with"),
    "torn": Case(tear_the_last_line, "the last 14 bytes were no whole example"),
    "zeros": Case(leave_zeros, "the last 100 bytes were no whole example"),
    "strange": Case(drop_a_strange_file, "notes.txt: is no part of the journal"),
    "hole": Case(lose_a_segment_before_the_snapshot, "are missing"),
    "gap": Case(lose_a_segment_after_the_snapshot, "it goes on without the examples", unchanged=False),
    "unread": Case(damage_a_compressed_segment_before_the_snapshot, ""),
}
"""By the model's name."""


def model(name: str) -> Model:
    """A model of this name."""
    return Model(Kind(name, click, b"@%s " % name.encode()), CLICK.drop, CLICK.arguments)


def learn(daemon: Daemon, each: Model, part: str) -> None:
    """Have a model learn a stretch of requests, few at a time: what comes together is never cut in two files."""
    requests = islice(each.kind.requests(part, "corruption"), STRETCH)
    client = Client(daemon.connect())
    while few := list(islice(requests, FEW)):
        client.send(b"".join(request.text for request in few))
        assert not any(answer.startswith(b"!error") for answer in client.lines(len(few)))
    client.close()


def learned(folder: Path, names: list[str], daemons: list[Daemon]) -> dict[str, bytes]:
    """Have models learn, with a snapshot after the first and the second of three stretches; what they predict then."""
    models = [CLICK, *map(model, names)]
    write_drops(folder, models)
    daemon = start(folder, daemons)
    for part in ("first", "second", "third"):
        for each in models:
            learn(daemon, each, part)
            if part != "third":
                assert "number" in daemon.operate(f"snapshot {each.name}")
    wait_until(lambda: all(len(compressed(folder / "state" / each.name)) >= 2 for each in models))  # one a second each
    predicted = {each.name: daemon.ask(each.addressed(each.probes())) for each in models}
    daemon.crash()
    return predicted


def start(folder: Path, daemons: list[Daemon]) -> Daemon:
    """A daemon whose journals have small files, so that there are some to lose."""
    daemons.append(Daemon(folder, LYING, SEGMENT_BYTES=str(SMALL_SEGMENT)))
    return daemons[-1]


def said(daemon: Daemon, name: str) -> list[str]:
    """What the log has of a model."""
    return [line for line in daemon.log if f"{name}: " in line or f"/{name}/" in line or f"/{name}.yaml" in line]


def test_damage_is_told_and_the_model_goes_on_from_what_is_good(folder: Path, daemons: list[Daemon]) -> None:
    predicted = learned(folder, list(CASES), daemons)
    for name, case in CASES.items():
        case.damage(folder / "state" / name)
    daemon = start(folder, daemons)
    assert daemon.ask(b"!models\n").split() == sorted(name.encode() for name in predicted)
    for name, case in CASES.items():
        assert any(case.says in line for line in said(daemon, name)) == bool(case.says), name
        same = daemon.ask(model(name).addressed(model(name).probes())) == predicted[name]
        assert same == case.unchanged, name
        learn(daemon, model(name), "fourth")
    assert daemon.ask(CLICK.probes()) == predicted["click"]
    assert not said(daemon, "click")
    # What was said once is mended or still there; either way models are what they were.
    again = {name: daemon.ask(model(name).addressed(model(name).probes())) for name in CASES}
    daemon.crash()
    daemon = start(folder, daemons)
    assert {name: daemon.ask(model(name).addressed(model(name).probes())) for name in CASES} == again


def test_a_model_that_cannot_be_recovered_is_refused_with_a_remedy(folder: Path, daemons: list[Daemon]) -> None:
    predicted = learned(folder, ["lineage", "needed"], daemons)
    overwritten(folder / "state" / "lineage" / "lineage.json", 5, b"####")
    state = folder / "state" / "needed"
    spoil_all_snapshots(state)
    damaged = compressed(state)[1]
    whole = damaged.read_bytes()
    overwritten(damaged, 40, b"spoilt")
    daemon = start(folder, daemons)
    assert daemon.ask(b"!models\n") == b"click\n"
    assert daemon.ask(CLICK.probes()) == predicted["click"]
    assert any("lineage.json" in line and "restore it, or remove it" in line for line in said(daemon, "lineage"))
    assert any(damaged.name in line and "restore it from a copy" in line for line in said(daemon, "needed"))
    assert daemon.ask(b"@lineage |u a\n").startswith(b"!error no-model")
    # As it was told: one is removed, the other restored.
    (folder / "state" / "lineage" / "lineage.json").unlink()
    damaged.write_bytes(whole)
    assert daemon.operate("reload") == {"models": ["click", "lineage", "needed"], "problems": []}
    for name in ("lineage", "needed"):
        assert daemon.ask(model(name).addressed(model(name).probes())) == predicted[name]
        learn(daemon, model(name), "fourth")
    assert len(reference.tags_in(model("needed").journal(folder))) == daemon.statistics("needed")["learned"]
