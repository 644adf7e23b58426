"""A servable: a configured model, its learner, and what it has come to."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vwserve.errors import ArgumentsError, RequestError
from vwserve.learner import Bounds, Learner, Observer, Reply, interaction_terms
from vwserve.lines import BYTE_ORDER_MARK, one_line
from vwserve.model.progress import Progress
from vwserve.model.recording import Keep, Recording
from vwserve.model.state import Counts, Resumed, State
from vwserve.model.transformed import Transformed
from vwserve.transforms import TransformError
from vwserve.transforms.pipeline import Pipeline, Request
from vwserve.transforms.stated import Fingerprint


class Totals(NamedTuple):
    """What a servable has come to: requests, and the importance and progressive loss of the labelled ones, summed."""

    examples: int
    labelled: int
    refused: int
    weight: float
    sum_loss: float


class Servable:
    """One version of one model, ready to answer; the daemon and a notebook use the same.

    `multiline` tells whether an example is several lines, up to a blank one, and `spaceless` whether the text of a
    prediction has no space. `pipeline` is what its lines go through before VW reads them, and `arguments` are VW's,
    those that the pipeline contributes included. `loss` names the loss that VW accounts, `scale` what its scores are.

    With `resumed` it goes on, as if it had not stopped, from what such a servable saved, and `initial` is not read.

    Not thread-safe: one owner each. Raises ArgumentsError, or ModelError for a file, where VW cannot make the model.
    """

    def __init__(
        self,
        name: str,
        arguments: str = "",
        *,
        learn: bool = True,
        initial: Path | None = None,
        resumed: Resumed | None = None,
        bounds: Bounds | None = None,
        pipeline: Pipeline | None = None,
        version: int = 1,
    ) -> None:
        self.name = name
        self.version = version
        self._pipeline = pipeline or Pipeline()
        self.arguments = with_contributed(arguments, self._pipeline.arguments)
        self.learner = Learner(
            self.arguments,
            learn=learn,
            initial=resumed.file if resumed else initial,
            standing=resumed.state.standing if resumed else None,
            bounds=bounds,
        )
        self._examples: Learner | Transformed = self.learner
        if self._pipeline.derives:
            self._examples = Transformed(self.learner, self._pipeline)
        self._progress = Progress(self.learner.scale)
        self.multiline = self.learner.multiline
        self.spaceless = self.learner.spaceless
        self._tally = self.learner.tally
        self._tally.observe = self._progress.add
        self.scale = self.learner.scale
        self.loss = self.learner.loss
        self._earlier_loss = 0.0  # that VW does not know of: under -t it begins at zero
        if resumed:
            self._resume(resumed.state)

    @property
    def summary(self) -> str:
        """What kind of model it is, in a few words."""
        return self.learner.summary + ("" if self.learner.learns else ", static")

    @property
    def remarks(self) -> Sequence[str]:
        """What its transforms want known."""
        return self._pipeline.remarks

    # -- in process ------------------------------------------------------------------------------------------------

    def predict(self, lines: Iterable[bytes | str]) -> list[str]:
        """One answer a line, or a multi-line example where a blank line ends each; labels are not learned."""
        return self._serve(lines, learn=False)

    def learn(self, lines: Iterable[bytes | str]) -> list[str]:
        """Learn the labelled lines; one answer each, the prediction made before the update."""
        return self._serve(lines, learn=True)

    def _serve(self, lines: Iterable[bytes | str], learn: bool) -> list[str]:
        if isinstance(lines, (str, bytes)):
            raise TypeError("lines are several; give a list, also of a single one")
        encoded = [line.encode() if isinstance(line, str) else line for line in lines]
        stripped = [line.rstrip(b"\r\n").removeprefix(BYTE_ORDER_MARK) for line in encoded]
        if stray := next((line for line in stripped if b"\n" in line), None):
            raise RequestError("bad-request", f"an example has a newline in it: {stray[:40]!r}; give each its own item")
        if self.multiline:
            groups = self._examples.answer_groups(list(_groups(stripped)), learn)
            texts = [one_line(text) for text in groups]
        else:
            replies = self._examples.answer_each([line for line in stripped if line], learn)
            texts = [
                reply.text + b" " + reply.tag if reply.tag and not reply.refused else reply.text for reply in replies
            ]
        return [text.decode("utf-8", "replace") for text in texts]

    def save(self, path: str | Path) -> None:
        """Write the model to `path`, where `vw -i` reads it; raises ModelError where that cannot be done."""
        self.learner.save(Path(path))

    def state(self) -> State:
        """What has to be known, besides the file that `save` writes, to go on from here."""
        tally = self._tally
        tally.flush()
        counts = Counts(tally.examples, tally.labelled, tally.learned, tally.refused, tally.weight, self._sum_loss)
        return State(counts, self._progress.pairs, self.learner.standing)

    def _resume(self, state: State) -> None:
        tally, counts = self._tally, state.counts
        tally.examples, tally.labelled = counts.examples, counts.labelled
        tally.learned, tally.refused, tally.weight = counts.learned, counts.refused, counts.weight
        self._earlier_loss = counts.sum_loss - self.learner.sum_loss
        self._progress.resume(state.pairs)

    @property
    def _sum_loss(self) -> float:
        return self._earlier_loss + self.learner.sum_loss

    @property
    def fingerprints(self) -> Sequence[Fingerprint]:
        """What identifies its transforms, in their order."""
        return self._pipeline.fingerprints

    def record(self, keep: Keep) -> None:
        """Have `keep` take what is about to be learned, as clients sent it; see `recording.Keep`."""
        original = self._examples.original if isinstance(self._examples, Transformed) else None
        recording = Recording(keep, original)
        self.learner.record(recording.chunk, recording.groups)

    def warm(self) -> None:
        """Have done beforehand what the first request would wait for; nothing is served."""
        with suppress(TransformError):  # requests will be told
            self.learner.takes(self.text([b"|"]))

    def limit(self, bounds: Bounds) -> None:
        """Take from now on only examples within `bounds`."""
        self.learner.limit(bounds)

    def close(self) -> None:
        """Free what the model holds."""
        self.learner.close()

    # -- offline ---------------------------------------------------------------------------------------------------

    def observe(self, observer: Observer) -> None:
        """Hand the pairs of prediction and label, where predictions are plain numbers, to `observer`, too."""

        def both(scores: Sequence[float], labels: Sequence[float]) -> None:
            self._progress.add(scores, labels)
            observer(scores, labels)

        self._tally.flush()
        self._tally.observe = both

    def totals(self) -> Totals:
        """The totals as of now; all pairs up to now have been handed to observers."""
        tally = self._tally
        tally.flush()
        return Totals(tally.examples, tally.labelled, tally.refused, tally.weight, self._sum_loss)

    @property
    def examples(self) -> int:
        """How many examples were served."""
        return self._tally.examples

    @property
    def labelled(self) -> int:
        """How many labelled examples were served, learned or not."""
        return self._tally.labelled

    def text(self, lines: Sequence[bytes]) -> bytes:
        """The lines as VW reads them, with what the transforms add; each ended by a newline. Raises TransformError."""
        return self.derived(Request(lines))

    def derived(self, request: Request) -> bytes:
        """The lines of a request as VW reads them; several servables may share it. Raises TransformError."""
        return self._pipeline.text(request)

    def remember(self, lines: Sequence[bytes], text: bytes) -> None:
        """Take `text` for what `lines` derive, before the learner itself is given it: they may have to be recorded."""
        if isinstance(self._examples, Transformed):
            self._examples.remember(lines, text)

    # -- the line protocol, see vwserve.wire.models.Model ------------------------------------------------------------

    def answer_ordinary(self, chunk: bytes) -> bytes | None:
        """Answer a chunk of single-line examples in VW's form; None, having done nothing, where a line is unusual."""
        return self._examples.answer_ordinary(chunk)

    def answer(self, chunk: bytes) -> bytes:
        """Answer a chunk of single-line examples in VW's form, by one error line each that is none."""
        return self._examples.answer(chunk)

    def answer_each(self, lines: Sequence[bytes]) -> Sequence[Reply]:
        """Answer single-line examples one by one."""
        return self._examples.answer_each(lines)

    def answer_groups(self, groups: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
        """Answer multi-line examples, each in VW's form (several lines) or by one error line."""
        return self._examples.answer_groups(groups)

    def group_fault(self, lines: Sequence[bytes]) -> RequestError | None:
        """Say why lines make no multi-line example of this model."""
        return self._examples.group_fault(lines)

    def statistics(self) -> Mapping[str, object]:
        """What `!stats` tells; None where a figure is not known."""
        self._tally.flush()
        return {
            "model": self.name,
            "state": "ok",
            "learn": self.learner.learns,
            "multiline": self.multiline,
            "examples": self._tally.examples,
            "learned": self._tally.learned,
            "errors": self._tally.refused,
            "shed": 0,
            "loss": self._sum_loss / self._tally.weight if self._tally.weight else None,
            "auc": self._progress.auc,
            "calibration": self._progress.calibration,
            "load_factor": 1.0,
            "snapshot": None,
            "journal": None,
            "version": self.version,
            "transforms": [
                {"kind": step.stated.kind, "output": list(step.stated.writes), "applied": step.applied}
                for step in self._pipeline.steps
            ],
        }


def with_contributed(arguments: str, contributed: Sequence[str]) -> str:
    """The model's own arguments and those of its transforms; raises ArgumentsError where two cross the same."""
    if not contributed:
        return arguments
    own = {"".join(sorted(term)) for term in interaction_terms(shlex.split(arguments))}
    theirs: set[str] = set()
    for term in interaction_terms(contributed):
        cross = "".join(sorted(term))
        if cross in own:
            raise ArgumentsError(f"the transforms cross {term!r}, and so do these arguments; leave it to one of them")
        if cross in theirs:
            raise ArgumentsError(f"the transforms cross {term!r} twice, in whatever order; leave it to one of them")
        theirs.add(cross)
    return f"{arguments} {shlex.join(contributed)}"


def _groups(lines: Iterable[bytes]) -> Iterable[list[bytes]]:
    """The runs of lines between blank ones."""
    group: list[bytes] = []
    for line in lines:
        if line:
            group.append(line)
        elif group:
            yield group
            group = []
    if group:
        yield group
