"""What VW's own program makes of a journal, and how a journal reads to somebody who knows nothing of vwserve."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pylibvw

PATIENCE_S = 300
PER_WEIGHT = 4  # places that VW has for a weight: itself, and what adaptive and normalised updates go by

_SEGMENT = re.compile(r"([0-9]{20})\.dat(?:\.next|\.gz)?")
_TAG = re.compile(rb"'([^ ]+) ")


def journal_text(folder: Path) -> bytes:
    """All of a journal: its files in the order of their names, decompressed where only that one is there."""
    return b"".join(text for _, text in _segments(folder))


def learned_text(state: Path) -> bytes:
    """Of a model's journal what it has learned, as `lineage.json` has it: stretches, the last without end."""
    stretches = json.loads((state / "lineage.json").read_text())["learned_from_journal"]
    examples: dict[int, bytes] = {}
    for first, text in _segments(state / "journal"):
        mark = b"\n\n" if b"\n\n" in text else b"\n"
        examples.update(enumerate((each + mark for each in text.split(mark)[:-1]), first))
    return b"".join(
        example
        for number, example in sorted(examples.items())
        if any(first <= number and (last is None or number <= last) for first, last in stretches)
    )


def _segments(folder: Path) -> Sequence[tuple[int, bytes]]:
    """The files of a journal, each by the number of its first example."""
    while True:
        try:
            return list(_read(folder))
        except FileNotFoundError:  # compressed or renamed meanwhile
            continue


def _read(folder: Path) -> Iterator[tuple[int, bytes]]:
    segments: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if match := _SEGMENT.fullmatch(path.name):
            segments.setdefault(match[1], path)  # of one that is there twice the plain file, which comes first
    for first, path in segments.items():
        yield int(first), gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def tags_in(text: bytes) -> Sequence[bytes]:
    """The tags of a journal's examples, in order."""
    return _TAG.findall(text)


def by_connection(tags: Sequence[bytes]) -> Mapping[str, Sequence[bytes]]:
    """The tags of each connection, in order."""
    found: dict[str, list[bytes]] = {}
    for tag in tags:
        found.setdefault(tag.rpartition(b"-")[0].decode(), []).append(tag)
    return found


@dataclass(frozen=True)
class Learned:
    """What `vw` made of a file: its model, and the prediction for each example before it was learned, by tag."""

    model: Path
    predictions: Mapping[bytes, bytes]
    loss: float


def learn(arguments: str, data: Path, folder: Path) -> Learned:
    """Have `vw` learn a file."""
    model, predictions = folder / "theirs.vw", folder / "theirs.txt"
    said = vw([*shlex.split(arguments), "--save_resume", "-d", str(data), "-f", str(model), "-p", str(predictions)])
    loss = re.search(r"^average loss = ([-+.0-9e]+)", said, re.MULTILINE)
    assert loss is not None, said
    return Learned(model, by_tag(predictions.read_bytes()), float(loss[1]))


def predict(arguments: str, model: Path, data: Path, folder: Path) -> bytes:
    """What `vw` predicts by a model for a file."""
    predictions = folder / "probed.txt"
    vw([*shlex.split(arguments), "-t", "-i", str(model), "-d", str(data), "-p", str(predictions)])
    return predictions.read_bytes()


def by_tag(predictions: bytes) -> Mapping[bytes, bytes]:
    """Lines of predictions by their tags, which end them; empty lines are left out."""
    return {line.rpartition(b" ")[2]: line for line in predictions.split(b"\n") if line}


def vw(arguments: Sequence[str]) -> str:
    """Run VW's own program; what it says."""
    command = [sys.executable, "-m", "vowpalwabbit", *arguments, "--no_stdin"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def weights(model: Path) -> npt.NDArray[np.float32]:
    """All weights of a model file, and what updates go by, in order: bit for bit what VW goes on from."""
    workspace = pylibvw.vw(["--quiet", "--no_stdin", "-i", str(model)])
    try:
        count = workspace.num_weights()
        columns = [[workspace.get_weight(index, place) for index in range(count)] for place in range(PER_WEIGHT)]
    finally:
        workspace.finish()
    return np.array(columns, np.float32)


def same_weights(ours: Path, theirs: Path) -> None:
    """Hold two model files against each other, weight for weight and bit for bit."""
    mine, others = weights(ours), weights(theirs)
    assert mine.shape == others.shape
    differing = np.flatnonzero((mine.view(np.uint32) != others.view(np.uint32)).any(axis=0))
    assert not len(differing), f"{len(differing)} weights differ, the first at {differing[0]}"
    assert np.count_nonzero(mine[0]) > 1, "nothing was learned"
