"""The in-process ceiling does the work that it is compared for."""

from pathlib import Path

import pylibvw
import pytest

from vwserve.bench.ceiling import CHUNK_LINES, Ceiling, chunks, one_pass
from vwserve.bench.workloads import WORKLOADS, BenchError, Workload
from vwserve.learner import Learner
from vwserve.learner.scalars import format_scalars


def test_chunks_are_the_lines() -> None:
    lines = [b"1 |f a%d\n" % number for number in range(600)]
    parts = list(chunks(lines))
    assert [part.count(b"\n") + 1 for part in parts] == [CHUNK_LINES, CHUNK_LINES, 100]
    assert b"\n".join(parts) + b"\n" == b"".join(lines)


@pytest.mark.parametrize("learn", [True, False])
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: str(workload.name))
def test_a_pass_predicts_what_the_learner_predicts(workload: Workload, learn: bool, tmp_path: Path) -> None:
    learner = Learner(" ".join(workload.arguments))
    learner.answer(b"".join(workload.lines(300, learn=True)))
    learner.save(tmp_path / "model.vw")
    lines = workload.lines(600, learn)
    vw = pylibvw.vw([*workload.arguments, "-i", str(tmp_path / "model.vw"), "--quiet", "--no_stdin"])
    same = Learner(" ".join(workload.arguments), initial=tmp_path / "model.vw")
    answers = [answer.split(b" ")[0] for answer in same.answer(b"".join(lines)).splitlines()]
    assert format_scalars(one_pass(vw, list(chunks(lines)), learn)).splitlines() == answers


def test_the_process_makes_passes(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"1 |f a b\n-1 |f b c\n" * 100)
    with Ceiling(tmp_path / "lines", ["--loss_function", "logistic"], True, None) as ceiling:
        assert ceiling.pass_s() > 0
        assert ceiling.pass_s() > 0


def test_a_process_that_failed_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Ceiling(tmp_path / "missing", [], True, None) as ceiling, pytest.raises(BenchError, match="ceiling is gone"):
        ceiling.pass_s()
    assert "missing" in capfd.readouterr().err
