"""A journal is a VW data file: over it, `vw -d` learns the model that the journal's owner has."""

from __future__ import annotations

import gzip
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.durability.power import journal
from vwserve.durability.segments import examples_in
from vwserve.model.servable import Servable

PATIENCE_S = 120
WEIGHT = re.compile(r"^[0-9]+:[-+.0-9e]+(?: [-+.0-9e]+)*$", re.MULTILINE)

CASES = {
    "clicks": "--loss_function logistic -b 14 -q ua",
    "classes": "--oaa 3 -b 12",
    "action costs": "--csoaa_ldf mc -b 12 -q ua",
    "bandits": "--cb_explore_adf --epsilon 0.1 -b 12",
}


def texts(case: str, count: int) -> list[list[str]]:
    """The lines of random examples."""
    chance = random.Random(case)
    made = []
    for _ in range(count):
        user, ads = f"|u u{chance.randrange(50)} age:{chance.randrange(80)}", chance.sample(range(40), 3)
        if case == "clicks":
            made.append([f"{chance.choice([-1, 1])} {user} |a ad{ads[0]}"])
        elif case == "classes":
            made.append([f"{chance.randrange(1, 4)} {user} |a ad{ads[0]}"])
        elif case == "action costs":
            made.append([f"{i}:{chance.random():.3f} {user} |a ad{ad}" for i, ad in enumerate(ads, 1)])
        else:
            chosen = chance.randrange(3)
            actions = [f"{f'0:{chance.random():.3f}:0.4 ' if i == chosen else ''}|a ad{ad}" for i, ad in enumerate(ads)]
            made.append([f"shared {user}", *actions])
    return made


def weights(arguments: str, data: Path, folder: Path) -> str:
    """What the real `vw` learns from a file, as readable text."""
    model = folder / "theirs.vw"
    run([*shlex.split(arguments), "--save_resume", "-d", str(data), "-f", str(model), "--quiet", "--no_stdin"])
    return readable(model, folder)


def readable(model: Path, folder: Path) -> str:
    """The weights of a model file, with their adaptive and normalised state."""
    text = folder / "weights.txt"
    run(
        [
            "-i",
            str(model),
            "-t",
            "--save_resume",
            "--readable_model",
            str(text),
            "--quiet",
            "--no_stdin",
            "-d",
            "/dev/null",
        ]
    )
    return "\n".join(WEIGHT.findall(text.read_text()))


def run(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vowpalwabbit", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_vw_learns_from_a_journal_the_model_that_was_learned(tmp_path: Path, case: str, compressed: bool) -> None:
    folder = tmp_path / "journal"
    model = Servable("m", CASES[case])
    held = journal(folder, multiline=model.multiline, segment_bytes=2000 if compressed else 1 << 20)
    for lines in texts(case, 300):
        block = "".join(f"{line}\n" for line in lines) + ("\n" if model.multiline else "")
        held.append(block.encode(), examples_in(block.encode(), model.multiline))
        answers = model.learn([*lines, ""] if model.multiline else lines)
        assert not any(answer.startswith("!error") for answer in answers)
        held.tick()
    held.tick()
    held.close()
    *closed, last = sorted(folder.glob("*.dat*"))
    assert len(closed) > 1 if compressed else not closed
    if compressed:  # files of gzip, one after the other, are one
        data = tmp_path / "all.dat.gz"
        data.write_bytes(b"".join(path.read_bytes() for path in closed) + gzip.compress(last.read_bytes()))
    model.save(tmp_path / "ours.vw")
    ours = readable(tmp_path / "ours.vw", tmp_path)
    assert ours.count("\n") > 50
    assert ours == weights(CASES[case], data if compressed else last, tmp_path)
