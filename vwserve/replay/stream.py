"""What a connection's client would be answered who sends a file, without a daemon and without a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vwserve.guard.limits import Limits
from vwserve.model.curve import Curve
from vwserve.model.servable import Servable
from vwserve.model.together import Together
from vwserve.wire import Session
from vwserve.wire.models import Fault, Model, Reply

_ERROR = b"!error "


@dataclass(slots=True)
class Replayed:
    """What came of a replay, as far as it has got: answered lines or multi-line examples, and errors among them."""

    examples: int = 0
    errors: int = 0

    @property
    def rows(self) -> int:
        """All that was answered."""
        return self.examples + self.errors

    def look_for_errors(self, text: bytes) -> None:
        """Count the errors among answers, which are whole lines."""
        if _ERROR in text:
            self.errors += text.startswith(_ERROR) + text.count(b"\n" + _ERROR)


def replay(
    servable: Servable,
    chunks: Iterable[bytes],
    write: Callable[[bytes], object],
    curve: Curve,
    *,
    model: Model | None = None,
    limits: Limits | None = None,
    watch: Callable[[int], None] | None = None,
) -> Replayed:
    """Answer what comes in `chunks` as the daemon answers a connection whose own model this is.

    The answers go to `write`. `model` is what stands before the servable, if it is not the servable itself. `watch` is
    told the rows now and then. VW's save commands in the file have no answer, as in the daemon, and save nothing.
    """
    limits = limits or Limits()
    models = _TheOnly(servable, model or servable)
    session = Session(models, servable.name, line_bytes=limits.line_bytes, request_bytes=limits.request_bytes)
    done, before = Replayed(), servable.totals().examples

    def answer() -> None:
        pending = True
        while pending:  # the answers end after a save, in a daemon to give others their turn
            for text in session.answers():
                write(text)
                done.look_for_errors(text)
            pending = not session.idle
        curve.settle()

    for chunk in chunks:
        start = 0
        while start < len(chunk):
            end = end_of_lines(chunk, start, curve.remaining)
            session.receive(chunk[start:end])
            answer()
            start = end
        done.examples = servable.examples - before
        if watch is not None:
            watch(done.rows)
    session.end()
    answer()
    curve.finish()
    done.examples = servable.examples - before
    return done


def end_of_lines(chunk: bytes, start: int, lines: int) -> int:
    """Where the next so many lines end; the end of the chunk where it has no more."""
    if chunk.count(b"\n", start) <= lines:
        return len(chunk)
    for _ in range(lines):
        start = chunk.index(b"\n", start) + 1
    return start


class _TheOnly:
    """One servable, as a connection sees it; `model` is what answers for it."""

    def __init__(self, servable: Servable, model: Model) -> None:
        self._servable = servable
        self._model = model

    def get(self, name: str) -> Model | None:
        """The model, by its name or as the only one."""
        return self._model if name in ("", self._servable.name) else None

    def together(self, names: Sequence[str], lines: Sequence[bytes]) -> _Candidates:
        """The candidates of a batch, for there are no several models."""
        return _Candidates(Together([self._servable], lines), self._model, lines)

    def names(self) -> Sequence[str]:
        """Its name."""
        return [self._servable.name]

    def statistics(self, name: str) -> Mapping[str, object] | None:
        """What there is to tell of it."""
        return self._servable.statistics() if name in ("", self._servable.name) else None

    def save(self, name: str, export: str) -> None:
        """Nothing is saved of a replay."""


class _Candidates:
    """Lines for one model, judged by it and answered by what stands before it."""

    def __init__(self, judged: Together, model: Model, lines: Sequence[bytes]) -> None:
        self.faults: Callable[[], Sequence[Fault | None]] = judged.faults
        self._model = model
        self._lines = lines

    def answer_ordinary(self) -> Sequence[bytes] | None:
        """There is no short way past what stands before the model."""
        return None

    def answer_each(self, places: Sequence[int]) -> Sequence[Sequence[Reply]]:
        """See Joint."""
        return [self._model.answer_each([self._lines[place] for place in places])]
