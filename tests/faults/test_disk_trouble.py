"""A disk that is full, read-only, gone, torn or slow: models predict, say why they do not learn, and learn again."""

import resource
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import IN_CI
from tests.faults.clients import Talker
from tests.faults.daemons import (
    BANDIT,
    CLICK,
    LYING,
    PLAIN,
    PROBES,
    Daemon,
    answers_of,
    check_only_refused_missing,
    wait_until,
    write_drops,
)

pytestmark = pytest.mark.fault

MODELS = (CLICK, BANDIT)
REASONS = {"full": "No space left on device", "read-only": "Read-only file system"}


def lying(folder: Path, daemons: list[Daemon]) -> Daemon:
    """A daemon whose disk does as it is told."""
    daemons.append(Daemon(folder, LYING, LYING_DISK=str(folder)))
    return daemons[-1]


@contextmanager
def talking(daemon: Daemon, name: str = "") -> Iterator[Sequence[Talker]]:
    """Clients that talk meanwhile; at the end all that they sent is answered."""
    talkers = [model.talker(daemon, f"{model.name}{name}{window}", window) for model in MODELS for window in (1, 20)]
    for talker in talkers:
        talker.start()
    yield talkers
    for talker in talkers:
        talker.stop()
        talker.join()
        assert not talker.lost


@contextmanager
def told(folder: Path, what: str) -> Iterator[None]:
    """What the disk is told meanwhile."""
    (folder / what).touch()
    yield
    (folder / what).unlink()


def refused(talkers: Sequence[Talker]) -> bool:
    """Whether what is to be learned is refused on all connections."""
    return all(talker.refused for talker in talkers)


def learning(talkers: Sequence[Talker]) -> bool:
    """Whether it is refused on none."""
    return not any(talker.refused for talker in talkers)


def check_refusing(daemon: Daemon, reason: str) -> None:
    """See to it that models say why they do not learn, and predict all the same."""
    for model in MODELS:
        assert reason in daemon.statistics(model.name)["not_ready"]
    check_predicting(daemon)


def check_predicting(daemon: Daemon) -> None:
    """See to it that models predict."""
    for model in MODELS:
        answers = daemon.ask(model.addressed(model.probes())).split(b"\n")[:-1]
        assert len(answers) == PROBES
        assert all(answer.endswith(b" asked") for answer in answers)


def check_all_kept(daemon: Daemon, seen: Path, talkers: Sequence[Talker], scratch: Path) -> None:
    """See to it that nothing that was learned is missing, that nothing else was learned, and nothing is wrong now."""
    for model in MODELS:
        assert daemon.statistics(model.name)["not_ready"] is None
        assert check_only_refused_missing(model, seen, talkers) > 0
        model.check_against_vw(daemon, answers_of(talkers)[model.name], scratch, seen)


@pytest.mark.parametrize("trouble", REASONS)
def test_a_disk_that_refuses_stops_learning_only_and_only_as_long_as_it_does(
    folder: Path, tmp_path: Path, daemons: list[Daemon], trouble: str
) -> None:
    write_drops(folder, MODELS, "snapshot: {every: 1s}\n")
    daemon = lying(folder, daemons)
    with talking(daemon) as talkers:
        for _ in range(2 if trouble == "full" else 1):
            wait_until(lambda: learning(talkers) and all(talker.answered > 20 for talker in talkers))
            with told(folder, trouble):
                wait_until(lambda: refused(talkers))
                check_refusing(daemon, REASONS[trouble])
                assert "error" in daemon.operate("snapshot click")
        wait_until(lambda: learning(talkers))
    check_all_kept(daemon, folder, talkers, tmp_path)
    assert all(b"!error not-ready" in answer for talker in talkers for _, answer in talker.answers if b"!" in answer)
    assert sum("it learns again" in line for line in daemon.log) >= len(MODELS)
    daemon.crash()
    check_all_kept(lying(folder, daemons), folder, talkers, tmp_path)


@pytest.mark.parametrize("trouble", REASONS)
def test_a_model_starts_on_a_disk_that_refuses_and_learns_once_it_can(
    folder: Path, tmp_path: Path, daemons: list[Daemon], trouble: str
) -> None:
    write_drops(folder, MODELS)
    daemon = lying(folder, daemons)
    with talking(daemon, "before") as before:
        wait_until(lambda: all(talker.answered > 20 for talker in before))
    probes = [model.addressed(model.probes()) for model in MODELS]
    predicted = [daemon.ask(probe) for probe in probes]
    daemon.operate("snapshot click")
    daemon.crash()
    with told(folder, trouble):
        daemon = lying(folder, daemons)
        assert [daemon.ask(probe) for probe in probes] == predicted
        with talking(daemon, "meanwhile") as meanwhile:
            wait_until(lambda: refused(meanwhile))
            check_refusing(daemon, REASONS[trouble])
    with talking(daemon, "after") as after:
        wait_until(lambda: learning(after) and all(talker.answered > 20 for talker in after))
    check_all_kept(daemon, folder, [*before, *after], tmp_path)


def test_a_new_model_starts_on_a_full_disk(folder: Path, tmp_path: Path, daemons: list[Daemon]) -> None:
    write_drops(folder, MODELS)
    (folder / "state").mkdir()
    with told(folder, "full"):
        daemon = lying(folder, daemons)
        with talking(daemon, "full") as meanwhile:
            wait_until(lambda: refused(meanwhile))
            check_refusing(daemon, REASONS["full"])
    with talking(daemon, "after") as after:
        wait_until(lambda: learning(after) and all(talker.answered > 20 for talker in after))
    check_all_kept(daemon, folder, after, tmp_path)


def test_a_line_that_was_written_in_part_leaves_nothing_behind(
    folder: Path, tmp_path: Path, daemons: list[Daemon]
) -> None:
    write_drops(folder, [CLICK])
    daemons.append(daemon := Daemon(folder, PLAIN))
    assert daemon.ask(b"1 'first-1 |u a |a b\n" * 10).count(b"first-1") == 10
    (segment,) = (folder / "state" / "click" / "journal").glob("*.dat")
    before = segment.read_bytes()
    # The system takes 5 bytes more of the next line, and of the trial file less than the daemon asks for.
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (len(before) + 5, resource.RLIM_INFINITY))
    assert daemon.ask(b"1 'second-1 |u a |a b\n").startswith(b"!error not-ready")
    assert segment.read_bytes() == before
    assert "File too large" in daemon.statistics("click")["not_ready"]
    assert daemon.ask(b"'asked |u a |a b\n").endswith(b" asked\n")
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until(lambda: daemon.statistics("click")["not_ready"] is None)
    assert daemon.ask(b"1 'third-1 |u a |a b\n").endswith(b" third-1\n")
    assert segment.read_bytes() == before + b"1 'third-1 |u a |a b\n"


def test_a_state_folder_that_vanishes_may_come_back(folder: Path, tmp_path: Path, daemons: list[Daemon]) -> None:
    write_drops(folder, MODELS, "snapshot: {every: 1s}\n")
    daemons.append(daemon := Daemon(folder, PLAIN))
    with talking(daemon) as talkers:
        wait_until(lambda: learning(talkers) and all(talker.answered > 20 for talker in talkers))
        (folder / "state").rename(folder / "away")
        wait_until(lambda: refused(talkers))
        check_refusing(daemon, "bring")
        # A disk that was unmounted leaves an empty folder behind, which is no place for a journal.
        (folder / "state").mkdir()
        counts = [talker.answered for talker in talkers]
        wait_until(lambda: all(talker.answered > count + 100 for talker, count in zip(talkers, counts)))
        assert refused(talkers)
        (folder / "state").rmdir()
        (folder / "away").rename(folder / "state")
        wait_until(lambda: learning(talkers))
    check_all_kept(daemon, folder, talkers, tmp_path)
    daemon.crash()
    daemons.append(restarted := Daemon(folder, PLAIN))
    check_all_kept(restarted, folder, talkers, tmp_path)


def test_serving_and_learning_do_not_wait_for_a_slow_disk(folder: Path, tmp_path: Path, daemons: list[Daemon]) -> None:
    write_drops(folder, MODELS, "snapshot: {every: 1s}\njournal: {sync: everysec}\n")
    daemon = lying(folder, daemons)
    with talking(daemon) as talkers, told(folder, "held"):
        wait_until(lambda: all(daemon.pid in held_up(folder, model.name) for model in MODELS))
        wait_until(lambda: any(held_up(folder, model.name) > {daemon.pid} for model in MODELS))  # a snapshot's process
        counts = [talker.answered for talker in talkers]
        wait_until(lambda: all(talker.answered > count + 500 for talker, count in zip(talkers, counts)))
        assert not any(b"!error" in answer for talker in talkers for _, answer in talker.answers)
    check_all_kept(daemon, folder, talkers, tmp_path)


def test_who_waits_for_a_slow_disk_holds_up_nobody_else(folder: Path, tmp_path: Path, daemons: list[Daemon]) -> None:
    write_drops(folder, MODELS, "journal: {sync: always}\n")
    daemon = lying(folder, daemons)
    with daemon.connect() as learner, talking(daemon) as talkers:
        wait_until(lambda: all(talker.answered > 20 for talker in talkers))
        with told(folder, "held"):
            learner.sendall(b"1 'held-1 |u a |a b\n")
            wait_until(lambda: all(held_up(folder, model.name) for model in MODELS))
            check_predicting(daemon)
            learner.setblocking(False)
            with pytest.raises(BlockingIOError):
                learner.recv(100)
            learner.setblocking(True)
        assert learner.recv(100).endswith(b" held-1\n")
        counts = [talker.answered for talker in talkers]
        wait_until(lambda: all(talker.answered > count + 20 for talker, count in zip(talkers, counts)))
    for model in MODELS:
        assert check_only_refused_missing(model, folder, talkers) > 0
        model.check_against_vw(daemon, answers_of(talkers)[model.name], tmp_path)


def held_up(folder: Path, model: str) -> set[int]:
    """The processes of which a sync of a model's file is or was held."""
    waits = (folder / "waits").read_text() if (folder / "waits").exists() else ""
    return {int(line.split("\t")[0]) for line in waits.splitlines() if f"/state/{model}/" in line}


# -- a disk of its own -------------------------------------------------------------------------------------------------


@pytest.fixture
def apart() -> Sequence[str]:
    """What begins a command that has mounts of its own. Where the system lets nobody do that, tests fail in CI."""
    for command in (["unshare", "--mount"], ["unshare", "--mount", "--user", "--map-root-user"]):
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    reason = "needs mounts of its own: `unshare --mount` as root, or --user --map-root-user allowed to others"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


def mounted(folder: Path, apart: Sequence[str], options: str, daemons: list[Daemon]) -> tuple[Daemon, Path]:
    """A daemon whose state is a small file system of its own, and how others see its folder."""
    (folder / "state").mkdir()
    mount = f'mount -t tmpfs -o {options} none state && exec "$@"'
    daemons.append(daemon := Daemon(folder, [*apart, "sh", "-c", mount, "sh", *PLAIN]))
    return daemon, Path(f"/proc/{daemon.pid}/root{folder}")


def test_a_file_system_that_really_is_full(
    folder: Path, tmp_path: Path, apart: Sequence[str], daemons: list[Daemon]
) -> None:
    write_drops(folder, MODELS)
    daemon, seen = mounted(folder, apart, "size=4m", daemons)
    with talking(daemon) as talkers:
        for _ in range(2):
            wait_until(lambda: learning(talkers) and all(talker.answered > 20 for talker in talkers))
            ballast = seen / "state" / "ballast"
            with suppress(OSError):  # full
                ballast.write_bytes(bytes(4 << 20))
            wait_until(lambda: refused(talkers))
            check_refusing(daemon, REASONS["full"])
            assert "error" in daemon.operate("snapshot click")
            ballast.unlink()
        wait_until(lambda: learning(talkers))
    check_all_kept(daemon, seen, talkers, tmp_path)


def test_a_file_system_that_really_is_read_only_at_the_start(
    folder: Path, tmp_path: Path, apart: Sequence[str], daemons: list[Daemon]
) -> None:
    write_drops(folder, MODELS)
    daemon, seen = mounted(folder, apart, "size=4m,ro", daemons)
    with talking(daemon, "meanwhile") as meanwhile:
        wait_until(lambda: refused(meanwhile))
        check_refusing(daemon, REASONS["read-only"])
    entering = [
        "nsenter",
        "-t",
        str(daemon.pid),
        "--mount",
        *(["--user", "--preserve-credentials"] if "--user" in apart else []),
    ]
    subprocess.run([*entering, "mount", "-o", "remount,rw", str(folder / "state")], check=True)
    with talking(daemon, "after") as after:
        wait_until(lambda: learning(after) and all(talker.answered > 20 for talker in after))
    check_all_kept(daemon, seen, after, tmp_path)
