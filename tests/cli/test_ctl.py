"""`vwserve ctl` against a daemon that is a thread on a UNIX socket: it notes one command, and answers as told."""

import socket
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread

import pytest

from vwserve.cli import main
from vwserve.wire.control import parse_command

SNAPSHOTS = b'[{"number": 17, "time": 1795600800.0, "examples": 5, "loss": 0.5, "bytes": 4096, "current": true}]\n'


class Daemon:
    """Answers one command of one client by these pieces, then closes."""

    def __init__(self, listener: socket.socket) -> None:
        self.heard = b""
        self.pieces: Sequence[bytes] = [b"{}\n"]
        self._listener = listener
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # nobody came before the end of the test
        with connection:
            while not self.heard.endswith(b"\n") and (data := connection.recv(1 << 16)):
                self.heard += data
            for piece in self.pieces:
                connection.sendall(piece)

    def stop(self) -> None:
        """Accept nobody any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, whose name is short enough for a UNIX socket."""
    with tempfile.TemporaryDirectory(prefix="vwserve-") as name:
        monkeypatch.chdir(name)
        yield Path(name)


@pytest.fixture
def daemon(folder: Path) -> Iterator[Daemon]:
    """A daemon whose control endpoint is `c.sock` in that folder."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "c.sock"))
        listener.listen()
        daemon = Daemon(listener)
        yield daemon
        daemon.stop()


Captured = pytest.CaptureFixture[str]


def ctl(captured: Captured, *words: str) -> tuple[int, list[str], list[str]]:
    """The exit status, and the lines of output and of errors."""
    status = main(["ctl", *words])
    out, err = captured.readouterr()
    return status, out.splitlines(), err.splitlines()


# -- commands ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["models"], b"models\n"),
        (["ready"], b"ready\n"),
        (["stats", "ctr"], b"stats ctr\n"),
        (["snapshot", "ctr"], b"snapshot ctr\n"),
        (["snapshots", "ctr"], b"snapshots ctr\n"),
        (["rollback", "ctr", "17"], b"rollback ctr 17\n"),
        (["rollback", "ctr", "17", "--replay-until", "now"], b"rollback ctr 17 replay-until now\n"),
        (["rollback", "ctr", "17", "--replay-until=#5"], b"rollback ctr 17 replay-until #5\n"),
        (
            ["rollback", "ctr", "17", "replay-until", "now", "skip", "1..2"],
            b"rollback ctr 17 replay-until now skip 1..2\n",
        ),
        (["rollback", "--skip", "1..2", "ctr", "--skip", "5..", "17"], b"rollback ctr 17 skip 1..2 skip 5..\n"),
        (["reload"], b"reload\n"),
    ],
)
def test_sends_a_command_as_the_daemon_reads_it(
    words: list[str], line: bytes, daemon: Daemon, capsys: Captured
) -> None:
    daemon.pieces = [b"[]\n" if words[0] in ("models", "snapshots") else b"{}\n"]
    status, _, err = ctl(capsys, "--to", "unix:c.sock", *words)
    assert (status, err) == (0, [])
    assert daemon.heard == line
    parse_command(line, 0.0)


@pytest.mark.parametrize("word", ["", "a b", "a\nreload", "\t"])
def test_a_word_with_a_space_in_it_is_not_sent(word: str, daemon: Daemon, capsys: Captured) -> None:
    status, out, (error,) = ctl(capsys, "--to", "unix:c.sock", "stats", word)
    assert (status, out) == (1, [])
    assert error == f"vwserve ctl: {word!r} is empty or has a space in it; no word of a command may"
    assert daemon.heard == b""


@pytest.mark.parametrize("words", [[], ["freez"], ["stats"], ["models", "ctr"], ["rollback", "ctr"]])
def test_wrong_usage_exits_2(words: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["ctl", *words])
    assert stopped.value.code == 2
    assert "usage: vwserve" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["models", "rollback"])
def test_each_command_has_help_with_an_example(command: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["ctl", command, "--help"])
    assert stopped.value.code == 0
    assert f"example: vwserve ctl {command}" in " ".join(capsys.readouterr().out.split())


# -- answers -------------------------------------------------------------------------------------------------------


def test_snapshots_are_a_table(daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = [SNAPSHOTS]
    status, out, err = ctl(capsys, "--to", "unix:c.sock", "snapshots", "ctr")
    assert (status, err) == (0, [])
    assert out[0].split() == ["NUMBER", "AGE", "TIME", "EXAMPLES", "LOSS", "BYTES"]
    assert out[1].split()[:2] == ["*", "17"]
    assert out[1].split()[3:] == ["2026-11-25T10:00:00Z", "5", "0.5", "4,096"]


def test_models_are_a_table(daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = [b'[{"model": "ctr", "examples": 5}]\n']
    assert ctl(capsys, "--to", "unix:c.sock", "models") == (0, ["MODEL  EXAMPLES", "ctr           5"], [])


def test_another_answer_is_lines_of_keys_and_values(daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = [b'{"model": "ctr", "loss": null}\n']
    assert ctl(capsys, "--to", "unix:c.sock", "stats", "ctr") == (0, ["model: ctr", "loss: -"], [])


@pytest.mark.parametrize("before", [True, False])
def test_json_is_the_line_of_the_daemon(before: bool, daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = [SNAPSHOTS]
    words = ["snapshots", "ctr", "--to", "unix:c.sock"]
    status, out, err = ctl(capsys, *(["--json", *words] if before else [*words, "--json"]))
    assert (status, out, err) == (0, [SNAPSHOTS.decode().strip()], [])


def test_an_answer_may_come_in_pieces(daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = [b'{"mod', b'el": "', b"x" * 100_000, b'"}', b"\n"]
    status, (line,), _ = ctl(capsys, "--to", "unix:c.sock", "stats", "ctr")
    assert (status, line) == (0, "model: " + "x" * 100_000)


def test_what_a_reload_finds_wrong_goes_to_stderr_and_exits_1(daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = [b'{"models": ["ctr", "cvr"], "problems": ["models.d/x.yaml:3: vw: is wrong"]}\n']
    assert ctl(capsys, "--to", "unix:c.sock", "reload") == (
        1,
        ["models: ctr cvr"],
        ["models.d/x.yaml:3: vw: is wrong"],
    )


def test_why_a_daemon_is_not_ready_goes_to_stderr_and_exits_1(daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = [b'{"ready": false, "reasons": ["no model is served", "it is stopping"]}\n']
    assert ctl(capsys, "--to", "unix:c.sock", "ready") == (1, ["ready: no"], ["no model is served", "it is stopping"])


def test_a_daemon_that_is_ready_exits_0(daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = [b'{"ready": true, "reasons": []}\n']
    assert ctl(capsys, "--to", "unix:c.sock", "ready") == (0, ["ready: yes"], [])


# -- errors --------------------------------------------------------------------------------------------------------

ERROR = b'{"error": "no-model", "text": "no model is called \'x\'"}\n'


def test_an_error_is_one_line_on_stderr_and_exits_1(daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = [ERROR]
    assert ctl(capsys, "--to", "unix:c.sock", "stats", "x") == (
        1,
        [],
        ["vwserve ctl: no model is called 'x'"],
    )


def test_an_error_as_json_exits_1_too(daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = [ERROR]
    status, out, err = ctl(capsys, "--to", "unix:c.sock", "--json", "stats", "x")
    assert (status, out) == (1, [ERROR.decode().strip()])
    assert len(err) == 1


def test_where_nobody_listens_it_says_so(folder: Path, capsys: Captured) -> None:
    assert ctl(capsys, "--to", "unix:c.sock", "models") == (
        1,
        [],
        [
            "vwserve ctl: cannot connect to unix:c.sock: No such file or directory; "
            "is the daemon running, and is that its control endpoint?"
        ],
    )


@pytest.mark.parametrize("pieces", [[], [b'{"model": ']])
def test_a_daemon_that_goes_before_it_answers_is_told(pieces: list[bytes], daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = pieces
    status, out, (error,) = ctl(capsys, "--to", "unix:c.sock", "models")
    assert (status, out) == (1, [])
    assert error.startswith("vwserve ctl: the daemon closed the connection before it answered")


def test_what_is_no_control_endpoint_is_told(daemon: Daemon, capsys: Captured) -> None:
    daemon.pieces = [b"!error bad-example no | in the line\n"]
    status, out, (error,) = ctl(capsys, "--to", "unix:c.sock", "models")
    assert (status, out) == (1, [])
    assert error.startswith("vwserve ctl: unix:c.sock is no control endpoint: it answered '!error bad-example ")


# -- where the daemon listens --------------------------------------------------------------------------------------


def write(name: str, text: str) -> None:
    """Write a configuration."""
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)


def test_the_configuration_here_says_where(daemon: Daemon, capsys: Captured) -> None:
    write("conf/vwserve.yaml", "control: unix:../c.sock:mode=660\n")
    assert ctl(capsys, "reload") == (0, [], [])
    assert daemon.heard == b"reload\n"


@pytest.mark.parametrize("behind", [True, False])
def test_another_configuration_says_where(behind: bool, daemon: Daemon, capsys: Captured) -> None:
    write("conf/vwserve.yaml", "control: unix:nowhere.sock\n")
    write("other/v.yaml", "control: unix:../c.sock\n")
    named = ["-c", "other/v.yaml"]
    assert ctl(capsys, *(["reload", *named] if behind else [*named, "reload"])) == (0, [], [])
    assert daemon.heard == b"reload\n"


def test_nothing_else_in_the_configuration_needs_to_be_right(daemon: Daemon, capsys: Captured) -> None:
    write("v.yaml", "control: unix:c.sock\nlimits: {line_byte: 5}\nmodels: v.yaml\n")
    assert ctl(capsys, "-c", "v.yaml", "reload") == (0, [], [])


@pytest.mark.parametrize(
    ("control", "reached"),
    [
        ("tcp:1", "tcp:127.0.0.1:1"),
        ("tcp:1:interface=0.0.0.0", "tcp:127.0.0.1:1"),
        ("tcp:port=1:interface=127.0.0.2", "tcp:127.0.0.2:1"),
        ("tcp6:1", "tcp:[::1]:1"),
        ("tcp6:1:interface=\\:\\:1", "tcp:[::1]:1"),
        ("unix:n.sock:backlog=5", "unix:n.sock"),
    ],
)
def test_an_endpoint_of_a_server_is_reached_as_a_client_does(
    control: str, reached: str, folder: Path, capsys: Captured
) -> None:
    write("v.yaml", f"control: '{control}'\n")
    status, _, (error,) = ctl(capsys, "-c", "v.yaml", "reload")
    assert status == 1
    assert error.startswith(f"vwserve ctl: cannot connect to {reached}: ")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "state: s\n",
            "v.yaml has no key control:; give the daemon one, as in `control: unix:run/control.sock:mode=660`",
        ),
        ("control: systemd:domain=UNIX:name=x\n", "v.yaml:1: control: does not say how a client reaches it; say where"),
        ("control: tcp:0\n", "v.yaml:1: control: does not say how a client reaches it; say where"),
        ("control: unix\n", "v.yaml:1: control: unix: has no address; write it like unix:run/vwserve.sock:mode=660"),
        ("{", "v.yaml:1: "),
    ],
)
def test_a_configuration_that_does_not_say_where_is_told(text: str, error: str, folder: Path, capsys: Captured) -> None:
    write("v.yaml", text)
    status, out, (line,) = ctl(capsys, "-c", "v.yaml", "reload")
    assert (status, out) == (1, [])
    assert line.startswith(f"vwserve ctl: {error}")


def test_without_any_configuration_it_says_what_to_do(folder: Path, capsys: Captured) -> None:
    status, out, (error,) = ctl(capsys, "reload")
    assert (status, out) == (1, [])
    assert error == (
        "vwserve ctl: there is no conf/vwserve.yaml here; name the daemon's configuration with -c, "
        "or say where the daemon listens with --to, as in --to unix:run/control.sock"
    )
