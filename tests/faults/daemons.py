"""Real daemons that are killed, starved or lied to, and what must hold of their models afterwards."""

from __future__ import annotations

import json
import math
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tests.end_to_end.conftest import Process, free_port, write_models
from tests.faults import lying_disk, reference
from tests.faults.clients import PATIENCE_S, Control, Kind, Talker, bandit, click, numbers

PLAIN = (sys.executable, "-m", "vwserve")
LYING = (sys.executable, lying_disk.__file__)

PROBES = 300
_LOOK_S = 0.02


class Daemon(Process):
    """A daemon that listens on a port and has a control channel, with the configuration in its folder."""

    def __init__(self, folder: Path, command: Sequence[str] = PLAIN, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        (folder / "vwserve.yaml").write_text(
            f"listen: [{{endpoint: 'tcp:{self.port}:interface=127.0.0.1', model: click}}]\n"
            "control: unix:control.sock:mode=600\n"
        )
        if environment:
            command = ["env", *(f"{name}={value}" for name, value in environment.items()), *command]
        super().__init__([*command, "serve", "-c", "vwserve.yaml"], folder)
        self.wait_for("listening on tcp:")
        self.wait_for("listening on unix:")

    def connect(self) -> socket.socket:
        """A connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), 60.0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, data: bytes) -> bytes:
        """What a client is answered that sends this and shuts down its side."""
        with self.connect() as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))

    def statistics(self, model: str) -> dict[str, Any]:
        """What `!stats` tells."""
        found: dict[str, Any] = json.loads(self.ask(b"!stats %s\n" % model.encode()))
        return found

    def control(self) -> Control:
        """A client of the control channel."""
        return Control(self.folder / "control.sock")

    def operate(self, command: str) -> Any:
        """What is answered to one command on the control channel."""
        control = self.control()
        try:
            return control.ask(command)
        finally:
            control.close()

    def crash(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        assert self.exit_code() == -signal.SIGKILL
        self.kill()

    def stop(self) -> None:
        """Ask it to stop, which it does well."""
        self.signal(signal.SIGTERM)
        assert self.exit_code() == 0, "\n".join(self.log)
        self.kill()


@dataclass(frozen=True)
class Model:
    """A model under fault: its drop, how its requests look, and the drop's arguments as `vw` takes them.

    `derived` tells that `vw` is given what transforms make of the lines, with the arguments that they contribute.
    """

    kind: Kind
    drop: str
    arguments: str
    derived: bool = False

    @property
    def name(self) -> str:
        """That of the model."""
        return self.kind.model

    def talker(self, daemon: Daemon, name: str, window: int) -> Talker:
        """A client that talks to it, not started."""
        return Talker(daemon.connect(), name, self.kind, "load", window)

    def journal(self, folder: Path) -> bytes:
        """What its journal has."""
        return reference.journal_text(folder / "state" / self.name / "journal")

    def probes(self) -> bytes:
        """Examples without labels, to see what it predicts; without its address."""
        asked = (request.text for request in self.kind.requests("probe", "probes") if not request.tag)
        return b"".join(text.removeprefix(self.kind.address) for text in islice(asked, PROBES))

    def addressed(self, text: bytes) -> bytes:
        """Examples of its kind with its address before each."""
        if not self.kind.address:
            return text
        mark = b"\n\n" if b"\n\n" in text else b"\n"
        return b"".join(self.kind.address + example + mark for example in text.split(mark)[:-1])

    def check_against_vw(
        self, daemon: Daemon, answers: Mapping[bytes, bytes], scratch: Path, seen: Path | None = None
    ) -> None:
        """Hold what an idle daemon has of it against what `vw` learns from its journal, all of it bit for bit.

        That is the answers, by tag, to all requests that were learned; what it predicts now; its weights; its counts.
        What its lineage leaves out of the journal, `vw` is not given. `seen` is how we see its folder, where it has
        mounts of its own.
        """
        seen = seen or daemon.folder
        text = reference.learned_text(seen / "state" / self.name)
        tags = reference.tags_in(text)
        journal, arguments = self._as_vw_reads(text, daemon.folder, scratch / "journal.vw")
        theirs = reference.learn(arguments, journal, scratch)
        assert list(theirs.predictions) == list(tags)
        wrong = {tag: answer for tag, answer in answers.items() if theirs.predictions.get(tag, answer) != answer}
        assert not wrong, f"{len(wrong)} answers are not those of vw"
        probes, _ = self._as_vw_reads(self.probes(), daemon.folder, scratch / "probes.vw")
        predicted = reference.predict(arguments, theirs.model, probes, scratch).replace(b"\n\n", b"\n")
        assert daemon.ask(self.addressed(self.probes())) == predicted
        statistics = daemon.statistics(self.name)
        assert statistics["learned"] == len(tags)
        assert math.isclose(statistics["loss"], theirs.loss, rel_tol=1e-4, abs_tol=1e-6)
        snapshot = daemon.operate(f"snapshot {self.name}")
        file = seen / "state" / self.name / "snapshots" / f"{snapshot['number']}.vw"
        reference.same_weights(file, theirs.model)

    def _as_vw_reads(self, text: bytes, folder: Path, file: Path) -> tuple[Path, str]:
        """A file of these examples for `vw`, and its arguments: with transforms, what `vwserve replay` derives."""
        file.write_bytes(text)
        if not self.derived:
            return file, self.arguments
        dump = file.with_suffix(".derived")
        drop = folder / "models.d" / f"{self.name}.yaml"
        command = ["replay", str(drop), "--data", str(file), "--learn", "--dump", str(dump), "--json"]
        return dump, json.loads(vwserve(*command))["arguments"]


CLICK = Model(Kind("click", click), "vw: {}\n", "--loss_function logistic --link logistic -b 18 -q ua")
BANDIT = Model(Kind("bandit", bandit, b"@bandit "), "vw: {}\n", "--cb_explore_adf -b 18 -q ua")
FITTED = Model(
    Kind("fitted", numbers, b"@fitted "),
    """vw: {}
transforms:
  - {{kind: mdl, input: n, output: m, artifact: fitted.mdl.json}}
  - {{kind: crosses, namespaces: [mc], features: [[n^A, n^B]]}}
""",
    "--loss_function logistic --link logistic -b 18",
    derived=True,
)


def write_drops(folder: Path, models: Iterable[Model], more: str = "") -> None:
    """Write the drops of models, each with `more` of YAML, and fit the transforms of those that have any."""
    models = list(models)
    write_models(folder, {model.name: model.drop.format(model.arguments) + more for model in models})
    for model in models:
        if model.derived:
            fit(folder, model)


def fit(folder: Path, model: Model, seed: str = "fit") -> None:
    """Have `vwserve fit` make a model's artifacts of seeded data."""
    data = folder / "fit.vw"
    requests = islice(model.kind.requests("fit", seed), 3000)
    data.write_bytes(b"".join(request.text.removeprefix(model.kind.address) for request in requests))
    command = ["fit", str(folder / "models.d" / f"{model.name}.yaml"), "--data", str(data)]
    vwserve(*command)


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for something that a daemon does by itself."""
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s, "it did not come about"
        time.sleep(_LOOK_S)


def vwserve(*words: str) -> str:
    """What a command prints."""
    done = subprocess.run([*PLAIN, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers_of(talkers: Iterable[Talker]) -> Mapping[str, Mapping[bytes, bytes]]:
    """By model, the answers to requests that were learned, by their tags."""
    found: dict[str, dict[bytes, bytes]] = {}
    for talker in talkers:
        learned = {tag: answer for (_, tag), answer in talker.answers if tag and not answer.startswith(b"!error")}
        found.setdefault(talker.kind.model, {}).update(learned)
    return found


def check_nothing_missing(model: Model, folder: Path, talkers: Iterable[Talker]) -> int:
    """Hold the journal against what connections sent and were answered; how many examples it has of theirs.

    It has what each sent, in that order, up to some request, and all that were answered.
    """
    journaled = reference.by_connection(reference.tags_in(model.journal(folder)))
    found = 0
    for talker in talkers:
        assert not any(answer.startswith(b"!error") for _, answer in talker.answers)
        if talker.kind.model == model.name:
            there = journaled.get(talker.name, [])
            assert list(there) == list(talker.learned[: len(there)]), f"{talker.name}: not in the order sent"
            answered = sum(bool(request.tag) for request, _ in talker.answers)
            assert len(there) >= answered, f"{talker.name}: {answered - len(there)} answered requests are missing"
            found += len(there)
    return found


def check_only_refused_missing(model: Model, folder: Path, talkers: Iterable[Talker]) -> int:
    """See to it that the journal has just those requests of whom all were answered that were not refused; how many."""
    journaled = reference.by_connection(reference.tags_in(model.journal(folder)))
    found = 0
    for talker in talkers:
        if talker.kind.model == model.name:
            accepted = [tag for (_, tag), answer in talker.answers if tag and not answer.startswith(b"!error")]
            assert list(journaled.get(talker.name, [])) == accepted
            found += len(accepted)
    return found
