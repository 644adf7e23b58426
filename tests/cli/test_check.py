"""`vwserve check`: one line for each file that is right, one for each thing that is wrong."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from vwserve import load
from vwserve.cli import main
from vwserve.errors import ConfigurationError
from vwserve.learner import Learner

Result = tuple[int, list[str], list[str]]
Check = Callable[..., Result]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Check:
    """Runs the command in an empty folder with these files; returns status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def check(*words: str, files: dict[str, str | bytes] | None = None) -> Result:
        for name, content in (files or {}).items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        status = main(["check", *words])
        out, err = capfd.readouterr()
        return status, out.splitlines(), err.splitlines()

    return check


def test_tells_what_each_file_describes(check: Check) -> None:
    files: dict[str, str | bytes] = {
        "v.yaml": "listen:\n- endpoint: tcp:1\n  model: ctr\nhttp: tcp:2\n",
        "models.d/a.yaml": "model: ctr\nvw: --loss_function logistic -b 12\n",
        "models.d/b.yaml": "vw: --cb_explore_adf -b 10\nlearn: false\nsnapshot: {keep: 3}\nguard: {action: alert}\n",
    }
    assert check("-c", "v.yaml", files=files) == (
        0,
        [
            "v.yaml: listens on tcp:1; models in models.d; without effect in this release: http",
            "models.d/a.yaml: model ctr: simple labels, one line an example, 4,096 weights",
            "models.d/b.yaml: model b: bandit labels, several lines an example, 1,024 weights, static; "
            "without effect in this release: guard; without effect on a static model: snapshot",
        ],
        [],
    )


def test_without_arguments_it_checks_what_serve_would_take(check: Check) -> None:
    status, out, err = check()
    assert (status, err) == (0, [])
    assert any("model demo: " in line for line in out)
    status, out, err = check(files={"conf/vwserve.yaml": "models: m\n", "conf/m/x.yaml": "vw: -b 10\n"})
    assert (status, err) == (0, [])
    assert out[1].startswith("conf/m/x.yaml: model x: ")


def test_named_models_are_checked_without_a_configuration(check: Check) -> None:
    status, out, err = check("a.yaml", files={"a.yaml": "vw: -b 10\n", "models.d/b.yaml": "wrong\n"})
    assert (status, len(out), err) == (0, 1, [])


def test_named_models_are_checked_with_the_configuration_beside_them(check: Check) -> None:
    files: dict[str, str | bytes] = {"a.yaml": "vw: -b 10\n", "v.yaml": "limits: {idle: 1}\n", "models.d/b.yaml": "x\n"}
    status, out, err = check("-c", "v.yaml", "a.yaml", files=files)
    assert (status, out) == (1, ["a.yaml: model a: simple labels, one line an example, 1,024 weights"])
    assert err == ["v.yaml:1: limits.idle: '1' has no unit: write 1s for seconds; units are ms s m h d"]


def test_tells_all_that_is_wrong_in_all_files(check: Check) -> None:
    files: dict[str, str | bytes] = {
        "v.yaml": "models: m\nlisten:\n- endpoint: tcp:1\n  model: god\n",
        "m/a.yaml": "# comment\nvw: --loss_funtion logistic -b 10\n",
        "m/b.yaml": "lern: true\nvw: --oaa\n",
        "m/good.yaml": "vw: -b 10\n",
    }
    status, out, err = check("-c", "v.yaml", files=files)
    assert (status, len(out)) == (1, 2)
    assert err == [
        "m/a.yaml:2: vw: unknown VW option '--loss_funtion'; did you mean '--loss_function'?",
        "m/b.yaml:1: lern: unknown key; did you mean 'learn'?",
        "v.yaml:3: listen[0].model: no file in m describes a model 'god'; did you mean 'good'?",
    ]


def test_a_listener_of_a_model_whose_file_is_wrong_is_not_wrong_too(check: Check) -> None:
    files: dict[str, str | bytes] = {
        "v.yaml": "listen:\n- endpoint: tcp:1\n  model: ctr\n",
        "models.d/ctr.yaml": "lern: true\n",
    }
    _, _, err = check("-c", "v.yaml", files=files)
    assert err == ["models.d/ctr.yaml:1: lern: unknown key; did you mean 'learn'?"]


@pytest.mark.parametrize(
    ("vw", "words"),
    [
        ("--lossfunction logistic", "unknown VW option '--lossfunction'; did you mean '--loss_function'?"),
        ("--daemon", "option --daemon has no place here"),
        ("train.vw -q ab", "'train.vw' belongs to no option; it would be a file of examples"),
        ("--noconstant train.vw", "'train.vw' belongs to no option; it would be a file of examples"),
        ("-b 40", "-b 40 asks for more weights than the memory holds; at most -b "),
        ("-b45", "-b 45 asks for more weights than the memory holds"),
        ("--bit_precision=9999", "-b 9999 asks for more weights than the memory holds"),
        ("--bit_precision 64", "-b 64 asks for more weights than the memory holds"),
        ("-b many", "option -b takes a number of bits, not 'many'"),
        ("-b -q ab", "option -b takes a number of bits, not '-q'"),
        ("-q", "Expected value for quadratic but found nothing"),
    ],
)
def test_arguments_that_vw_refuses_are_refused_at_their_line(check: Check, vw: str, words: str) -> None:
    status, out, (problem,) = check("m.yaml", files={"m.yaml": f"learn: true\nvw: {vw}\n"})
    assert (status, out) == (1, [])
    assert problem.startswith("m.yaml:2: vw: ")
    assert words in problem


@pytest.mark.parametrize("content", [b"", b"no model\n", b"\xff" * 4096])
def test_a_file_that_is_no_model_is_refused_at_its_own_line(check: Check, content: bytes) -> None:
    files: dict[str, str | bytes] = {"m.yaml": "vw: -b 10\ninitial: seed.vw\n", "seed.vw": content}
    status, _, (problem,) = check("m.yaml", files=files)
    assert status == 1
    assert problem.startswith("m.yaml:2: initial: VW cannot start these arguments from seed.vw: ")


def test_a_model_that_does_not_fit_the_arguments_is_refused_at_its_own_line(check: Check) -> None:
    learner = Learner("-b 12")
    learner.save(Path("seed.vw"))
    learner.close()
    status, _, (problem,) = check("m.yaml", files={"m.yaml": "initial: seed.vw\nvw: -b 10\n"})
    assert status == 1
    assert problem.startswith("m.yaml:1: initial: VW cannot start these arguments from seed.vw: ")


def test_wrong_arguments_are_not_blamed_on_the_model_they_start_from(check: Check) -> None:
    _, _, (problem,) = check(
        "m.yaml", files={"m.yaml": "initial: seed.vw\nvw: --loss_funtion hinge\n", "seed.vw": b"no model"}
    )
    assert problem == "m.yaml:2: vw: unknown VW option '--loss_funtion'; did you mean '--loss_function'?"


def test_a_missing_file_is_one_clear_line(check: Check) -> None:
    assert check("-c", "v.yaml") == (1, [], ["v.yaml: cannot read it: No such file or directory"])
    assert check("m.yaml") == (1, [], ["m.yaml: cannot read it: No such file or directory"])


def test_tells_of_splits_and_shadows_and_whom_they_name_in_vain(check: Check) -> None:
    files: dict[str, str | bytes] = {
        "conf/vwserve.yaml": "",
        "conf/models.d/ctr.yaml": "vw: -b 10\n",
        "conf/models.d/ctr-b.yaml": "vw: -b 10\nshadow: ctr\n",
        "conf/models.d/ads.yaml": "split: {ctr: 90, ctr-b: 6, ctr-c: 24}\nsplit_by: user\n",
        "conf/models.d/ctr-c.yaml": "vw: [\n",
    }
    status, out, err = check(files=files)
    assert (status, len(err)) == (1, 1)  # ctr-c may be meant to describe the model
    assert "conf/models.d/ads.yaml: split ads: 75 % ctr, 5 % ctr-b, 20 % ctr-c, by user" in out
    status, _, err = check(
        files={
            "conf/models.d/ctr-c.yaml": "vw: -b 10\nshadow: ctr-b\n",
            "conf/models.d/d.yaml": "vw: -b 10\nshadow: ads\n",
            "conf/models.d/e.yaml": "vw: -b 10\nshadow: nobody\n",
            "conf/models.d/web.yaml": "split:\n  ads: 1\n  nobody: 1\n",
        }
    )
    assert (status, err) == (
        1,
        [
            "conf/models.d/ctr-c.yaml:2: shadow: ctr-b is a shadow itself; name the model that it follows, ctr",
            "conf/models.d/d.yaml:2: shadow: ads is a split; name one of its models",
            "conf/models.d/e.yaml:2: shadow: no model is called 'nobody'; add its file, or name another",
            "conf/models.d/web.yaml:1: split: ads is a split itself; name its models instead",
            "conf/models.d/web.yaml:1: split: no model is called 'nobody'; add its file, or name another",
        ],
    )


def test_a_split_has_no_model_of_its_own(check: Check, tmp_path: Path) -> None:
    status, out, err = check("ads.yaml", files={"ads.yaml": "split: {ctr: 1, ctr-b: 2}\n"})
    assert (status, out, err) == (0, ["ads.yaml: split ads: 33.3333 % ctr, 66.6667 % ctr-b, by tag"], [])
    with pytest.raises(
        ConfigurationError, match=r"ads\.yaml:1: split: a split has no model of its own; use one of ctr"
    ):
        load(tmp_path / "ads.yaml")


# -- against a running daemon ------------------------------------------------------------------------------------------


@pytest.fixture
def daemon() -> Iterator[Asked]:
    """A daemon that answers each command as told."""
    with tempfile.TemporaryDirectory(prefix="vwserve-") as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/c.sock")
        listener.listen()
        asked = Asked(listener, f"unix:{folder}/c.sock")
        yield asked
        listener.shutdown(socket.SHUT_RDWR)
        asked.thread.join(30)


class Asked:
    """What a client asked of a daemon, which gives it these answers, one a line."""

    def __init__(self, listener: socket.socket, endpoint: str) -> None:
        self.endpoint = endpoint
        self.commands: list[str] = []
        self.answers: list[dict[str, object]] = []
        self._listener = listener
        self.thread = Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # nobody came before the end of the test
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                self.commands.append(line.decode().rstrip())
                stream.write(json.dumps(self.answers.pop(0)).encode() + b"\n")
                stream.flush()


GOOD: dict[str, object] = {"model": "a", "plan": "keep", "text": "it goes on"}
REFUSED: dict[str, object] = {
    "model": "b",
    "plan": "refuse",
    "text": "it is refused",
    "problems": ["/x/b.yaml: it learned otherwise"],
}
UNREAD: dict[str, object] = {
    "model": None,
    "plan": "problems",
    "text": "it cannot be served",
    "problems": ["/x/b.yaml:1: no", "and no"],
}


def test_a_daemon_says_what_it_would_do_with_each_file(check: Check, daemon: Asked, tmp_path: Path) -> None:
    daemon.answers = [GOOD, {**GOOD, "model": "c", "plan": "nothing"}]
    assert check("--against", daemon.endpoint, "a.yaml", "sub/c.yaml") == (
        0,
        ["a.yaml: model a: keep: it goes on", "sub/c.yaml: model c: nothing: it goes on"],
        [],
    )
    assert daemon.commands == [f"plan {tmp_path}/a.yaml", f"plan {tmp_path}/sub/c.yaml"]


def test_what_a_daemon_would_refuse_is_an_error(check: Check, daemon: Asked) -> None:
    daemon.answers = [REFUSED, UNREAD, GOOD]
    assert check("--against", daemon.endpoint, "b.yaml", "c.yaml", "a.yaml") == (
        1,
        [
            "b.yaml: model b: refuse: it is refused",
            "c.yaml: model: problems: it cannot be served",
            "a.yaml: model a: keep: it goes on",
        ],
        ["/x/b.yaml: it learned otherwise", "/x/b.yaml:1: no", "and no"],
    )


def test_without_files_all_drops_of_the_configuration_are_asked_for(
    check: Check, daemon: Asked, tmp_path: Path
) -> None:
    files: dict[str, str | bytes] = {"v.yaml": "models: m\n", "m/b.yaml": "[", "m/a.yaml": "vw: ''\n", "m/c.txt": ""}
    daemon.answers = [GOOD, GOOD]
    status, told, _ = check("--against", daemon.endpoint, "-c", "v.yaml", files=files)
    assert (status, [line.partition(":")[0] for line in told]) == (0, ["m/a.yaml", "m/b.yaml"])
    assert daemon.commands == [f"plan {tmp_path}/m/a.yaml", f"plan {tmp_path}/m/b.yaml"]


def test_an_error_of_the_daemon_ends_it(check: Check, daemon: Asked) -> None:
    daemon.answers = [{"error": "internal", "text": "a fault"}]
    assert check("--against", daemon.endpoint, "a.yaml") == (1, [], ["vwserve check: a fault"])


def test_without_a_daemon_it_says_so(check: Check, tmp_path: Path) -> None:
    status, told, (problem,) = check("--against", f"unix:{tmp_path}/none.sock", "a.yaml")
    assert (status, told) == (1, [])
    assert "is the daemon running, and is that its control endpoint?" in problem
