"""Saving changes no later prediction: the script of VowpalWabbit's issue #641, by its arguments and with more saves.

There a daemon learned a file, was told `save`, and was asked about another; one that had not been told gave other
answers.
"""

from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Client
from tests.faults import reference
from tests.faults.clients import Operator
from tests.faults.daemons import BANDIT, CLICK, PLAIN, Daemon, Model, wait_until, write_drops

pytestmark = pytest.mark.fault

REPORTED = replace(
    CLICK,
    arguments="--holdout_off --loss_function logistic --learning_rate 5.0 --decay_learning_rate 0.95 --power_t 0 "
    "--initial_t 0 --l1 1e-8 --l2 1e-8",
)
SEVERAL = replace(BANDIT, kind=replace(BANDIT.kind, model="click", address=b""))
TRAINING, ADDITIONAL, CHUNK = 1500, 1500, 50


def requests(model: Model, count: int, part: str) -> list[bytes]:
    """So many requests, labelled or not."""
    return [request.text for request in islice(model.kind.requests(part, "saving"), count)]


def answers(daemon: Daemon, texts: list[bytes], several: bool, saves: tuple[bytes, ...] = ()) -> list[bytes]:
    """What a client is answered that now and then says one of `saves`, which have no answer."""
    client = Client(daemon.connect())
    said = chain(saves * len(texts))
    got: list[bytes] = []
    for start in range(0, len(texts), CHUNK):
        client.send(b"".join(texts[start : start + CHUNK]) + next(said, b""))
        count = len(texts[start : start + CHUNK])
        got += client.lines(count) if not several else [line for line in client.lines(2 * count) if line]
    client.close()
    return got


@pytest.mark.parametrize("model", [REPORTED, CLICK, SEVERAL], ids=["reported", "click", "several lines"])
def test_saving_changes_no_later_prediction(folder: Path, tmp_path: Path, daemons: list[Daemon], model: Model) -> None:
    several = model is SEVERAL
    training, additional = requests(model, TRAINING, "a"), requests(model, ADDITIONAL, "b")
    (tmp_path / "all.vw").write_bytes(b"".join([*training, *additional]))
    predictions = tmp_path / "predictions.txt"
    reference.vw([*model.arguments.split(), "-d", str(tmp_path / "all.vw"), "-p", str(predictions), "--quiet"])
    expected = [line for line in predictions.read_bytes().split(b"\n") if line]
    write_drops(folder, [model], "snapshot: {every: 1s}\n")
    daemons.append(daemon := Daemon(folder, PLAIN))
    assert answers(daemon, training, several) == expected[:TRAINING]
    # As reported, and again and again under load, by either command, with snapshots in between.
    assert daemon.ask(b"save\n") == b""
    operator = Operator(daemon.control(), ["click"])
    operator.start()
    saves = (b"save\n", b"save_copy.vw\n", b"", b"save_another\n")
    got = answers(daemon, additional[: ADDITIONAL // 2], several, saves)
    assert got == expected[TRAINING : TRAINING + ADDITIONAL // 2]
    operator.stop()
    operator.join()
    assert operator.taken
    exports = folder / "state" / "click" / "exports"
    wait_until(lambda: (exports / "copy.vw").exists() and (exports / "another").exists())
    # Nor does it change what a daemon predicts that goes on from what was saved.
    daemon.crash()
    daemons.append(daemon := Daemon(folder, PLAIN))
    assert answers(daemon, additional[ADDITIONAL // 2 :], several, saves) == expected[TRAINING + ADDITIONAL // 2 :]
