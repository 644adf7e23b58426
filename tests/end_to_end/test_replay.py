"""Offline is online: the same bytes from a served model, from a replay and in process, transforms included."""

import gzip
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import vwserve
from tests.end_to_end.conftest import Daemon, StartDaemon
from tests.learner.reference import vw
from tests.transforms import samples

pytestmark = pytest.mark.e2e

# The tests' own transforms as a plugin: the daemon is another process, which cannot import them.
PLUGIN = (
    Path(samples.__file__).read_text("utf-8")
    + """
from vwserve.transforms import hookimpl


@hookimpl
def vwserve_transforms():
    return [Upper]
"""
)
TRANSFORMS = """
transforms:
  - {kind: upper, input: c, output: s}
  - {kind: crosses, namespaces: [cs], features: [[n^A, n^B]]}
"""
CLICKS = "vw: --loss_function logistic --link logistic -b 18 -l 0.3\n" + TRANSFORMS
FITTED = """vw: --loss_function logistic --link logistic -b 18 -l 0.3
transforms:
  - {kind: mdl, input: n, output: m, artifact: m.mdl.json}
  - {kind: crosses, namespaces: [mc]}
"""
ACTIONS = "vw: --cb_explore_adf -b 18 -q sx\n" + TRANSFORMS


def served(daemon: Daemon, data: bytes) -> bytes:
    """What a client is answered that sends all of it."""
    client = daemon.connect()

    def send() -> None:
        client.send(data)
        client.end()

    sender = threading.Thread(target=send)
    sender.start()
    answers = client.rest()
    sender.join()
    return answers


def replayed(folder: Path, data: Path, *words: str) -> bytes:
    """The predictions of the command."""
    drop = folder / "models.d" / "m.yaml"
    command = ["replay", str(drop), "--data", str(data), "--plugins", str(folder / "plugins.d"), "-p", "p.txt", *words]
    subprocess.run([sys.executable, "-m", "vwserve", *command], cwd=folder, check=True, capture_output=True)
    return (folder / "p.txt").read_bytes()


def relearned(folder: Path, journal: Path, *words: str) -> bytes:
    """The predictions of the command over a journal."""
    drop = folder / "models.d" / "m.yaml"
    command = ["replay", str(drop), "--journal", str(journal), "--plugins", str(folder / "plugins.d"), "-p", "p.txt"]
    subprocess.run([sys.executable, "-m", "vwserve", *command, *words], cwd=folder, check=True, capture_output=True)
    return (folder / "p.txt").read_bytes()


def start(start_daemon: StartDaemon, folder: Path, drop: str) -> Daemon:
    (folder / "plugins.d").mkdir()
    (folder / "plugins.d" / "upper.py").write_text(PLUGIN)
    return start_daemon({"m": drop}, settings="plugins: plugins.d\n")


@pytest.fixture
def elec2(real_data: Path, folder: Path) -> tuple[bytes, Path]:
    """The text, with some lines that are no examples and some without a label, and a compressed file of it."""
    lines = (
        gzip.decompress((real_data / "elec2.vw.gz").read_bytes()).replace(b"period", b"A").replace(b"nswprice", b"B")
    )
    rows = lines.splitlines(keepends=True)
    text = b"".join([*rows[:20_000], b"garbage\n\n'x |n A:1 |c slot=3\n", *rows[20_000:], b"|n A:2"])
    (folder / "data.vw.gz").write_bytes(gzip.compress(text, 1))
    return text, folder / "data.vw.gz"


def test_a_learning_model(start_daemon: StartDaemon, folder: Path, elec2: tuple[bytes, Path]) -> None:
    text, data = elec2
    answers = served(start(start_daemon, folder, CLICKS), text)
    assert answers.count(b"\n") == 45_315
    assert replayed(folder, data, "--learn") == answers
    model = vwserve.load(folder / "models.d" / "m.yaml", folder / "plugins.d")
    assert model.learn(text.split(b"\n")) == answers.decode().splitlines()
    # The figures are those of the daemon, too.
    statistics = model.statistics()
    assert (statistics["examples"], statistics["errors"]) == (45_314, 1)


def test_a_static_model(start_daemon: StartDaemon, folder: Path, elec2: tuple[bytes, Path]) -> None:
    text, data = elec2
    daemon = start(start_daemon, folder, CLICKS)
    served(daemon, text)
    daemon.ask(b"save_seed.vw\n")
    daemon.wait_for("seed.vw")
    (folder / "seed.vw").write_bytes((folder / "state" / "m" / "exports" / "seed.vw").read_bytes())
    static = CLICKS + "learn: false\ninitial: ../seed.vw\non_change: fresh\n"
    (folder / "models.d" / "m.yaml").write_text(static)
    assert daemon.terminate() == 0
    answers = served(start_daemon({"m": static}, "plugins: plugins.d\n"), text)
    assert len(set(answers.splitlines())) > 1000
    assert replayed(folder, data) == answers
    model = vwserve.load(folder / "models.d" / "m.yaml", folder / "plugins.d")
    assert model.learn(text.split(b"\n")) == answers.decode().splitlines()


def test_a_fitted_model(start_daemon: StartDaemon, folder: Path, tmp_path: Path, elec2: tuple[bytes, Path]) -> None:
    text, data = elec2
    (folder / "plugins.d").mkdir()
    (folder / "models.d").mkdir()
    (folder / "models.d" / "m.yaml").write_text(FITTED)
    command = ["fit", "models.d/m.yaml", "--data", str(data), "--rows", "10000"]
    subprocess.run([sys.executable, "-m", "vwserve", *command], cwd=folder, check=True, capture_output=True)
    answers = served(start_daemon({"m": FITTED}), text)
    assert replayed(folder, data, "--learn", "--dump", "d.vw") == answers
    model = vwserve.load(folder / "models.d" / "m.yaml")
    assert model.learn(text.split(b"\n")) == answers.decode().splitlines()
    dump = (folder / "d.vw").read_bytes()
    assert dump.count(b" |m ") > 45_000
    assert vw(model.arguments, dump, tmp_path) == b"".join(
        [line for line in answers.splitlines(keepends=True) if not line.startswith(b"!error ")]
    )


def test_a_model_of_several_lines(start_daemon: StartDaemon, folder: Path) -> None:
    groups = [
        f"shared |s user{number % 7}\n0:{number % 5}:0.5 |c a{number % 4} b\n|c x{number % 6} |n A:2 B:{number}\n"
        for number in range(3000)
    ]
    text = "\n".join([*groups[:1500], "|c a\nshared |s stray\n", *groups[1500:]]).encode()
    (folder / "data.vw").write_bytes(text)
    answers = served(start(start_daemon, folder, ACTIONS), text)
    assert answers.count(b"!error") == 1
    assert replayed(folder, folder / "data.vw", "--learn") == answers
    model = vwserve.load(folder / "models.d" / "m.yaml", folder / "plugins.d")
    assert model.learn(text.split(b"\n")) == [line for line in answers.decode().splitlines() if line]


def test_the_journal_of_a_daemon_that_goes_on_learning(
    start_daemon: StartDaemon, folder: Path, elec2: tuple[bytes, Path]
) -> None:
    rows = elec2[0].splitlines(keepends=True)[:20_000]  # all of them labelled
    daemon = start(start_daemon, folder, CLICKS)
    answers = served(daemon, b"".join(rows))
    daemon.ask(b"save_then.vw\n")
    daemon.wait_for("then.vw")
    more: list[bytes] = []
    learning = threading.Thread(target=lambda: more.append(served(daemon, b"".join(rows) * 3)))
    learning.start()
    journal = folder / "state" / "m" / "journal"
    assert relearned(folder, journal, "--until", "#20000", "--save", "ours.vw") == answers
    assert (folder / "ours.vw").read_bytes() == (folder / "state" / "m" / "exports" / "then.vw").read_bytes()
    learning.join()
    assert relearned(folder, journal) == answers + more[0]
