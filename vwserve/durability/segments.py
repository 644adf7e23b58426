"""The files of a journal: what they are called, and how many examples they hold.

`<first>.dat` holds the examples from the sequence number `first` on, up to those of the next file. `<first>.dat.next`
is one whose predecessor is not yet known to be on the disk to its end: only once it is, the file gets its lasting name,
and only then does anything in it count as safe. So after a power cut what a `.dat` file follows is there, and a `.next`
file that does not follow on what is there had nothing in it that was promised. `<first>.dat.gz` is a closed file,
compressed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

PLAIN, NEXT, COMPRESSED = ".dat", ".dat.next", ".dat.gz"
TIMES = ".times"
DRAFT = ".dat.gz.draft"
LOCK, TRIAL = "lock", "trial"
READ_BYTES = 1 << 16

_DIGITS = 20
_NAME = re.compile(rf"([0-9]{{{_DIGITS}}})(\.dat(?:\.next|\.gz)?)")
_ASIDE = re.compile(rf"([0-9]{{{_DIGITS}}})\.torn-[0-9]+")
_OURS = re.compile(rf"[0-9]{{{_DIGITS}}}(?:{TIMES}|{DRAFT}|\.torn-[0-9]+)".replace(".dat", r"\.dat"))
_NEWLINE = 10
_FEW_BYTES = 4096  # in which bytes.count is faster
_NUMBERED = re.compile(rf"([0-9]{{{_DIGITS}}})(\..+)")


class Segment(NamedTuple):
    """One file of a journal: the sequence number of its first example, and the ending of its name."""

    first: int
    ending: str
    folder: Path

    @property
    def path(self) -> Path:
        """The file itself."""
        return path_of(self.folder, self.first, self.ending)


def path_of(folder: Path, first: int, ending: str) -> Path:
    """The file that belongs to the segment from `first` on."""
    return folder / f"{first:0{_DIGITS}}{ending}"


def aside_of(folder: Path, first: int, offset: int) -> Path:
    """Where bytes go that are cut off a segment at an offset."""
    return path_of(folder, first, f".torn-{offset}")


def asides_of(folder: Path, first: int) -> list[Path]:
    """What was cut off a segment."""
    return [path for path in folder.iterdir() if (match := _ASIDE.fullmatch(path.name)) and int(match[1]) == first]


def segments_in(folder: Path) -> list[Segment]:
    """The segments in a folder, by sequence number; where one is there twice, the plain file is first."""
    names = [match for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return sorted(Segment(int(match[1]), match[2], folder) for match in names)


def numbers_in(folder: Path, ending: str) -> set[int]:
    """The numbers of which there is a file with this ending."""
    matches = (_NUMBERED.fullmatch(path.name) for path in folder.iterdir())
    return {int(match[1]) for match in matches if match and match[2] == ending}


def steady_segments_in(folder: Path) -> list[Segment]:
    """The same while files get other names: the system may leave out of a listing what is renamed meanwhile."""
    segments = segments_in(folder)
    while segments != (again := segments_in(folder)):
        segments = again
    return segments


def foreign_in(folder: Path) -> list[Path]:
    """What lies in a journal's folder and is no part of it."""
    return sorted(
        path
        for path in folder.iterdir()
        if not (_NAME.fullmatch(path.name) or _OURS.fullmatch(path.name) or path.name in (LOCK, TRIAL))
    )


def examples_in(block: bytes, multiline: bool) -> int:
    """How many examples a block of whole ones holds: lines, or runs of lines that a blank one ends."""
    if len(block) < _FEW_BYTES and not multiline:
        return block.count(b"\n")
    newlines = np.frombuffer(block, np.uint8) == _NEWLINE  # of a large block half the time that bytes.count takes
    return int(np.count_nonzero(newlines[1:] & newlines[:-1] if multiline else newlines))


def end_of(multiline: bool) -> bytes:
    """What ends an example."""
    return b"\n\n" if multiline else b"\n"


def whole_blocks(pieces: Iterable[bytes], multiline: bool) -> Iterator[bytes]:
    """Blocks of whole examples from a text in pieces; what stands after the last whole one is left out."""
    end = end_of(multiline)
    rest = b""
    for piece in pieces:
        text = rest + piece if rest else piece
        cut = text.rfind(end) + len(end)
        if cut < len(end):
            rest = text
            continue
        yield text if cut == len(text) else text[:cut]
        rest = text[cut:]
