"""One request for several servables: what they share is done once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from vwserve.errors import RequestError
from vwserve.learner import Reply, answer_together, take_together
from vwserve.lines import CHUNK_LINES, block_of, lines_of
from vwserve.model.servable import Servable
from vwserve.model.transformed import internal_error
from vwserve.transforms import TransformError
from vwserve.transforms.pipeline import Request


class Together:
    """Single-line examples for several servables.

    Transforms that several declare alike are applied once, whether lines are then judged, served or both; lines that
    several read alike are parsed once. See vwserve.wire.models.Joint.
    """

    def __init__(
        self, servables: Sequence[Servable], lines: Sequence[bytes], requests: Sequence[Request] | None = None
    ) -> None:
        self._servables = servables
        self._lines = lines
        starts = range(0, len(lines), CHUNK_LINES)
        self._requests = requests or [Request(lines[start : start + CHUNK_LINES]) for start in starts]

    def again(self, servables: Sequence[Servable]) -> Together:
        """The same lines for other servables; what was applied to them is not applied again."""
        return Together(servables, self._lines, self._requests)

    def takes(self) -> bool:
        """Whether every line is an ordinary example for all servables."""
        return self._ordinary is not None

    def answer_ordinary(self) -> list[bytes] | None:
        """Each servable's answers in VW's form; None, having served nothing, where a line is unusual for one."""
        readers = self._ordinary
        if readers is None:
            return None
        learners = [servable.learner for servable in self._servables]
        answers: list[list[bytes]] = [[] for _ in learners]
        for request, text, places in readers:
            for place in places:
                self._servables[place].remember(request.lines, text)
            for place, answer in zip(places, answer_together([learners[place] for place in places], text)):
                answers[place].append(answer)
        return list(map(b"".join, answers))

    def faults(self) -> list[tuple[int, RequestError] | None]:
        """Why each line cannot be served by all, given that those before it are served as far as they can be.

        A fault is that of the first servable that has one, with its place.
        """
        standing = [servable.learner.trial() for servable in self._servables]
        faults: list[tuple[int, RequestError] | None] = []
        for row in self.rows:
            after = [each.trial() for each in standing]
            found = [each if isinstance(each, RequestError) else trial.take(each) for trial, each in zip(after, row)]
            fault = next(((place, error) for place, error in enumerate(found) if error is not None), None)
            if fault is None:  # what one servable refuses, none has met
                standing = after
            faults.append(fault)
        return faults

    def answer_each(self, places: Sequence[int]) -> list[Sequence[Reply]]:
        """Each servable's answers to the lines at these places, which have no fault."""
        lines = [self._lines[place] for place in places]
        rows = [self.rows[place] for place in places]
        replies: list[Sequence[Reply]] = []
        for number, servable in enumerate(self._servables):
            derived = [text for row in rows if isinstance(text := row[number], bytes)]
            servable.remember(lines, block_of(derived))
            replies.append(servable.learner.answer_each(derived))
        return replies

    @cached_property
    def _ordinary(self) -> list[tuple[Request, bytes, list[int]]] | None:
        """The texts of the lines with the places of those who read them; None where a line is unusual for one."""
        learners = [servable.learner for servable in self._servables]
        try:
            readers = [(request, *each) for request in self._requests for each in self._readers(request)]
        except TransformError:
            return None
        taken = all(take_together([learners[place] for place in places], text) for _, text, places in readers)
        return readers if taken else None

    @cached_property
    def rows(self) -> list[Sequence[bytes | RequestError]]:
        """Each line as each servable's learner reads it; an error, where a transform fails on it."""
        rows: list[Sequence[bytes | RequestError]] = []
        for request in self._requests:
            try:
                rows += zip(*[lines_of(servable.derived(request)) for servable in self._servables])
            except TransformError:
                rows += [self._row(Request([line])) for line in request.lines]
        return rows

    def _row(self, request: Request) -> list[bytes | RequestError]:
        row: list[bytes | RequestError] = []
        for servable in self._servables:
            try:
                row.append(servable.derived(request)[:-1])
            except TransformError as error:
                row.append(internal_error(error))
        return row

    def _readers(self, request: Request) -> Iterator[tuple[bytes, list[int]]]:
        """The different texts of the lines, each with the places of those whose learners read it."""
        texts = [servable.derived(request) for servable in self._servables]
        places: dict[int, list[int]] = {}
        for place, text in enumerate(texts):
            places.setdefault(id(text), []).append(place)
        return ((texts[each[0]], each) for each in places.values())
