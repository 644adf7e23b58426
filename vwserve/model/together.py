"""One request for several servables: what they share is done once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vwserve.learner import answer_together, take_together
from vwserve.lines import CHUNK_LINES
from vwserve.model.servable import Servable
from vwserve.transforms import TransformError
from vwserve.transforms.pipeline import Request


def answer_all(servables: Sequence[Servable], lines: Sequence[bytes]) -> list[bytes] | None:
    """Each servable's answers to single-line examples, in VW's form.

    Transforms that several declare alike are applied once, lines that several read alike are parsed once. None, having
    done nothing, where a line is no ordinary example for one of them.
    """
    chunks = [lines[start : start + CHUNK_LINES] for start in range(0, len(lines), CHUNK_LINES)]
    try:
        texts = [_texts(servables, chunk) for chunk in chunks]
    except TransformError:
        return None
    readers = [pair for each in texts for pair in _readers(each)]
    learners = [servable.learner for servable in servables]
    if not all(take_together([learners[place] for place in places], text) for text, places in readers):
        return None
    answers: list[list[bytes]] = [[] for _ in servables]
    for text, places in readers:
        for place, answer in zip(places, answer_together([learners[place] for place in places], text)):
            answers[place].append(answer)
    return list(map(b"".join, answers))


def _texts(servables: Sequence[Servable], lines: Sequence[bytes]) -> list[bytes]:
    """The lines as each servable's learner reads them."""
    request = Request(lines)
    return [servable.derived(request) for servable in servables]


def _readers(texts: Sequence[bytes]) -> Iterator[tuple[bytes, list[int]]]:
    """The different texts, each with the places of those whose learners read it."""
    places: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        places.setdefault(id(text), []).append(place)
    return ((texts[each[0]], each) for each in places.values())
