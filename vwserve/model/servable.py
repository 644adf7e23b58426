"""A servable: a configured model, its learner, and what it has come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vwserve.errors import RequestError
from vwserve.learner import Bounds, Learner, Reply
from vwserve.model.progress import Progress


class Servable:
    """One version of one model, ready to answer; the daemon and a notebook use the same.

    `multiline` tells whether an example is several lines, up to a blank one, and `spaceless` whether the text of a
    prediction has no space.

    Not thread-safe: one owner each. Raises ArgumentsError, or ModelError for `initial`, where VW cannot make the model.
    """

    def __init__(
        self,
        name: str,
        arguments: str = "",
        *,
        learn: bool = True,
        initial: Path | None = None,
        bounds: Bounds | None = None,
        version: int = 1,
    ) -> None:
        self.name = name
        self.version = version
        self._learner = Learner(arguments, learn=learn, initial=initial, bounds=bounds)
        self._progress = Progress(self._learner.scale)
        self.multiline = self._learner.multiline
        self.spaceless = self._learner.spaceless
        self._tally = self._learner.tally
        self._tally.observe = self._progress.add

    @property
    def summary(self) -> str:
        """What kind of model it is, in a few words."""
        return self._learner.summary + ("" if self._learner.learns else ", static")

    # -- in process ------------------------------------------------------------------------------------------------

    def predict(self, lines: Iterable[bytes | str]) -> list[str]:
        """One answer a line, or a multi-line example where a blank line ends each; labels are not learned."""
        return self._serve(lines, learn=False)

    def learn(self, lines: Iterable[bytes | str]) -> list[str]:
        """Learn the labelled lines; one answer each, the prediction made before the update."""
        return self._serve(lines, learn=True)

    def _serve(self, lines: Iterable[bytes | str], learn: bool) -> list[str]:
        encoded = [line.encode() if isinstance(line, str) else line for line in lines]
        stripped = [line.rstrip(b"\r\n") for line in encoded]
        if stray := next((line for line in stripped if b"\n" in line), None):
            raise RequestError("bad-request", f"an example has a newline in it: {stray[:40]!r}; give each its own item")
        if self.multiline:
            groups = self._learner.answer_groups(list(_groups(stripped)), learn)
            texts = [text.strip(b"\n").replace(b"\n", b" ") for text in groups]
        else:
            replies = self._learner.answer_each([line for line in stripped if line], learn)
            texts = [
                reply.text + b" " + reply.tag if reply.tag and not reply.refused else reply.text for reply in replies
            ]
        return [text.decode("utf-8", "replace") for text in texts]

    def save(self, path: str | Path) -> None:
        """Write the model to `path`, where `vw -i` reads it; raises ModelError where that cannot be done."""
        self._learner.save(Path(path))

    def limit(self, bounds: Bounds) -> None:
        """Take from now on only examples within `bounds`."""
        self._learner.limit(bounds)

    def close(self) -> None:
        """Free what the model holds."""
        self._learner.close()

    # -- the line protocol, see vwserve.wire.models.Model ------------------------------------------------------------

    def answer_ordinary(self, chunk: bytes) -> bytes | None:
        """Answer a chunk of single-line examples in VW's form; None, having done nothing, where a line is unusual."""
        return self._learner.answer_ordinary(chunk)

    def answer(self, chunk: bytes) -> bytes:
        """Answer a chunk of single-line examples in VW's form, by one error line each that is none."""
        return self._learner.answer(chunk)

    def answer_each(self, lines: Sequence[bytes]) -> Sequence[Reply]:
        """Answer single-line examples one by one."""
        return self._learner.answer_each(lines)

    def answer_groups(self, groups: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
        """Answer multi-line examples, each in VW's form (several lines) or by one error line."""
        return self._learner.answer_groups(groups)

    def fault(self, line: bytes) -> RequestError | None:
        """Say why a line is no single-line example of this model."""
        return self._learner.fault(line)

    def group_fault(self, lines: Sequence[bytes]) -> RequestError | None:
        """Say why lines make no multi-line example of this model."""
        return self._learner.group_fault(lines)

    def statistics(self) -> Mapping[str, object]:
        """What `!stats` tells; None where a figure is not known."""
        self._tally.flush()
        return {
            "model": self.name,
            "state": "ok",
            "learn": self._learner.learns,
            "multiline": self.multiline,
            "examples": self._tally.examples,
            "learned": self._tally.learned,
            "errors": self._tally.refused,
            "shed": 0,
            "loss": self._learner.sum_loss / self._tally.weight if self._tally.weight else None,
            "auc": self._progress.auc,
            "calibration": self._progress.calibration,
            "load_factor": 1.0,
            "snapshot": None,
            "journal": None,
            "version": self.version,
        }


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
