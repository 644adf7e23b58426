"""`vwserve send` against a daemon without a reactor: a thread that answers each connection by a session."""

import io
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread

import pytest

from vwserve.cli import main
from vwserve.model.servable import Servable
from vwserve.model.together import Together
from vwserve.wire import Session

CLICKS = "--loss_function logistic --link logistic -b 10"


class Served:
    """The models of the daemon, as a connection sees them."""

    def __init__(self, models: dict[str, Servable]) -> None:
        self._models = models

    def get(self, name: str) -> Servable | None:
        return self._models.get(name)

    def together(self, names: Sequence[str], lines: Sequence[bytes]) -> Together:
        return Together([self._models[name] for name in names], lines)

    def names(self) -> list[str]:
        return sorted(self._models)

    def statistics(self, name: str) -> Mapping[str, object] | None:
        model = self._models.get(name)
        return None if model is None else model.statistics()

    def save(self, name: str, export: str) -> None:
        raise AssertionError("nothing here saves")


def answer(listener: socket.socket, models: Served) -> None:
    """Serve one connection."""
    connection, _ = listener.accept()
    session = Session(models, "ctr", line_bytes=1 << 20, request_bytes=1 << 20)
    with connection:
        while data := connection.recv(1 << 16):
            session.receive(data)
            for text in session.answers():
                connection.sendall(text)
        session.end()
        for text in session.answers():
            connection.sendall(text)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    models = Served({"ctr": Servable("ctr", CLICKS), "adf": Servable("adf", "--cb_explore_adf -b 10")})
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        daemon = Thread(target=answer, args=(listener, models), daemon=True)
        daemon.start()
        yield f"unix:{tmp_path}/socket"
        daemon.join(30)
        assert not daemon.is_alive()


Send = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def send(endpoint: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Send:
    def run(text: str, *options: str) -> tuple[int, list[str], str]:
        (tmp_path / "examples.vw").write_text(text)
        code = main(["send", "--to", endpoint, *options, str(tmp_path / "examples.vw")])
        out, err = capfdbinary.readouterr()
        return code, out.decode().splitlines(), err.decode()

    return run


def test_prints_an_answer_a_line(send: Send) -> None:
    answers = Servable("ctr", CLICKS).learn(["1 |u a", "|u b", "'t |u a"])
    assert send("1 |u a\n|u b\n't |u a\n") == (0, answers, "")


def test_addresses_every_line_of_a_single_line_model(send: Send) -> None:
    code, out, _ = send("1 't1 |u a\n\n|u b\n|u c", "--model", "ctr")
    assert code == 0
    assert len(out) == 3
    assert out[0] == "0.500000 t1"


def test_addresses_a_multi_line_example_by_its_first_line(send: Send) -> None:
    code, out, _ = send("shared |s x\n|a p\n|a q\n\n|a p\n|a q\n|a r\n", "--model", "adf")
    assert code == 0
    assert [line.count(":") for line in out] == [2, 3]


def test_errors_among_the_answers_exit_1(send: Send) -> None:
    code, out, err = send("1 |u a\ngarbage\n|u b\n")
    assert code == 1
    assert len(out) == 3
    assert err == "vwserve send: 1 of the answers are errors\n"


def test_a_model_that_is_not_served_exits_1(send: Send) -> None:
    code, out, err = send("|u a\n", "--model", "nosuch")
    assert (code, out) == (1, [])
    assert err.startswith("vwserve send: no-model no model is called 'nosuch'")


def test_reads_standard_input(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Input:
        buffer = io.BytesIO(b"|u a\n" * 100_000)

    monkeypatch.setattr("sys.stdin", Input)
    assert main(["send", "--to", endpoint]) == 0
    assert capfd.readouterr().out == "0.500000\n" * 100_000


def test_a_file_that_is_not_there_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send", "no/such/file.vw"]) == 1
    assert capsys.readouterr().err == "vwserve send: cannot read no/such/file.vw: No such file or directory\n"
