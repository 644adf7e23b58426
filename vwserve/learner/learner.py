"""A model that learns online: a VW workspace that sees only lines which are examples.

Lines come in blocks, none of them blank (see `vwserve.lines`). A line that is no example costs only itself; VW never
sees it. `judge` says which lines are examples, `serving` takes them through VW, `engine` holds the workspace.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from vwserve.errors import ArgumentsError, ModelError, RequestError
from vwserve.learner.arguments import split_arguments
from vwserve.learner.bounds import Bounds
from vwserve.learner.engine import Engine
from vwserve.learner.grammar import Shape
from vwserve.learner.header import largest_label
from vwserve.learner.judge import Judge, rules_of
from vwserve.learner.losses import loss_of
from vwserve.learner.options import bits_of, check_static, scale_of
from vwserve.learner.resuming import Standing
from vwserve.learner.serving import ERROR, GroupRecorder, Recorder, Serving
from vwserve.learner.tally import Tally
from vwserve.learner.targets import targets
from vwserve.lines import CHUNK_LINES, block_of, chunks_of, lines_of, one_line, tag_of


class Reply(NamedTuple):
    """The answer to one request: one line of text without its tag, or an error line."""

    text: bytes
    tag: bytes

    @property
    def refused(self) -> bool:
        """Whether the text is an error."""
        return self.text.startswith(ERROR)


class Learner:
    """VW with `arguments`, started from the model file `initial`; with `learn` false labels are ignored.

    With `standing` the file is one that such a learner saved when it stood so, and it goes on as if it had not stopped.
    Every example is within `bounds`. Raises ArgumentsError where VW refuses the arguments, and ModelError where it
    takes them but not the file.
    """

    def __init__(
        self,
        arguments: str = "",
        *,
        learn: bool = True,
        initial: Path | None = None,
        standing: Standing | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self._engine = Engine(([] if learn else ["-t"]) + split_arguments(arguments), initial, standing)
        workspace = self._engine.workspace
        options = workspace.options
        self.learns = self._engine.learns
        self.tally = Tally()
        self.multiline = workspace.multiline
        self.spaceless = workspace.spaceless
        self.scale = scale_of(options)
        self._label_kind = workspace.label_kind
        self.loss = loss_of(options, self._label_kind)
        self.bits = bits_of(options)
        self.reading = workspace.reading
        standing = standing or Standing(reach=largest_label(initial) if initial else 0.0)
        try:
            if not self.learns:
                check_static(options)
            rules = rules_of(
                options,
                self._label_kind,
                multiline=self.multiline,
                learns=self.learns,
                reach=standing.reach,
                settled_first=standing.first_class,
            )
        except ArgumentsError as error:
            self.close()
            if initial is None:
                raise
            raise ModelError(f"{initial}: {error}") from error
        self._class_names = rules.classes.names
        self._judge = Judge(rules, bounds or Bounds())
        self._serving = Serving(self._engine, self._judge, self.tally)

    @property
    def summary(self) -> str:
        """What kind of labels it takes, whether its examples are several lines, how many weights it has."""
        lines = "several lines an example" if self.multiline else "one line an example"
        return f"{self._label_kind} labels, {lines}, {1 << self.bits:,} weights"

    @property
    def sum_loss(self) -> float:
        """The progressive loss summed over the labelled examples, as VW accounts it."""
        return self._engine.sum_loss

    # -- single-line examples ----------------------------------------------------------------------------------------

    def answer_ordinary(self, chunk: bytes, learn: bool = True) -> bytes | None:
        """Answer a chunk in VW's form; None, having done nothing, if some line is unusual.

        Labelled lines are learned, unless `learn` is false or the model does not learn.
        """
        shape = self._judge.shape(chunk)
        return None if shape is None else self._serving.block(chunk, shape, learn)

    def answer(self, block: bytes, learn: bool = True) -> bytes:
        """Answer each line of `block` in VW's form, by one error line each that is no example."""
        texts = []
        for chunk in chunks_of(block):
            text = self.answer_ordinary(chunk, learn)
            texts.append(self._sift(chunk, learn) if text is None else text)
        return b"".join(texts)

    def answer_each(self, lines: Sequence[bytes], learn: bool = True) -> list[Reply]:
        """Answer each line by one line, whatever VW prints for it."""
        if self._engine.sink is None:
            texts = lines_of(self.answer(block_of(lines), learn))
        else:
            texts = [one_line(self.answer(line + b"\n", learn)) for line in lines]
        return [_reply(text, tag_of(line)) for text, line in zip(texts, lines)]

    def takes(self, block: bytes) -> bool:
        """Whether every line of a block is an ordinary example; where not, `fault` tells of each line what it is."""
        return all(self._judge.shape(chunk) is not None for chunk in chunks_of(block))

    def fault(self, line: bytes) -> RequestError | None:
        """Say why `line` cannot be served as an example now."""
        return self._judge.fault(line)

    def trial(self) -> Judge:
        """What judges a sequence of lines as they would be served from now on, without serving any."""
        return self._judge.trial()

    def targets(self, lines: Iterable[bytes]) -> list[tuple[float, float]]:
        """The label of each line, which must be an example, as a number and its importance; NaN where it is none."""
        return targets(self._label_kind, self._class_names, lines)

    def _sift(self, chunk: bytes, learn: bool) -> bytes:
        """Answer a chunk in which some line is no ordinary example."""
        out = []
        judged = [(line, self._judge.take(line, learn)) for line in lines_of(chunk)]
        for good, run in groupby(judged, key=lambda pair: pair[1] is None):
            if good:
                out.append(self._serving.block(block_of(line for line, _ in run), Shape.MIXED, learn))
            else:
                out += [self.refuse(error) for _, error in run if error is not None]
        return b"".join(out)

    # -- multi-line examples -----------------------------------------------------------------------------------------

    def answer_groups(self, groups: Sequence[Sequence[bytes]], learn: bool = True) -> list[bytes]:
        """Answer multi-line examples, each by VW's lines for it or by one error line."""
        out: list[bytes] = []
        ready: list[Sequence[bytes]] = []
        for group in groups:
            error = self._judge.take_group(group)
            if ready and (error or sum(map(len, ready)) + len(group) > CHUNK_LINES):
                out += self._serving.groups(ready, learn)
                ready = []
            if error:
                out.append(self.refuse(error))
            else:
                ready.append(group)
        if ready:
            out += self._serving.groups(ready, learn)
        return out

    def group_fault(self, lines: Sequence[bytes]) -> RequestError | None:
        """Say why `lines` cannot be served as one multi-line example."""
        return self._judge.group_fault(lines)

    # -- several learners --------------------------------------------------------------------------------------------

    @property
    def judging(self) -> Hashable:
        """How lines are judged: equal for learners that take the same ones."""
        return self._judge.key

    def predict_with(self, others: Sequence[Learner], chunk: bytes) -> list[bytes] | None:
        """Answer a chunk of ordinary examples by this learner, then by others of the same `reading`; see `together`.

        None, having done nothing, where a line has a label.
        """
        return self._serving.predict_with([other._serving for other in others], chunk)

    # -- the model ---------------------------------------------------------------------------------------------------

    def limit(self, bounds: Bounds) -> None:
        """Take from now on only examples within `bounds`."""
        self._judge.limit(bounds)

    def record(self, record: Recorder | None, record_groups: GroupRecorder | None) -> None:
        """Have examples recorded before they are learned; see `Serving`."""
        self._serving.record, self._serving.record_groups = record, record_groups

    def refuse(self, error: RequestError) -> bytes:
        """The error line that answers a request, which is counted as refused."""
        return self._serving.refuse(error)

    def save(self, path: Path) -> None:
        """Write the model to `path`, where `vw -i` reads it; raises ModelError where that cannot be done."""
        self._engine.save(path)

    def pour(self, pipe: int, folder: Path) -> None:
        """Write the model to the descriptor of a pipe, by links that are left in `folder`; raises OSError."""
        self._engine.pour(pipe, folder)

    @property
    def descriptors(self) -> list[int]:
        """The descriptors that saving reads from: a forked child that saves keeps them open."""
        return self._engine.descriptors

    @property
    def standing(self) -> Standing:
        """What has to be known, besides the file that `save` writes, to go on from here."""
        return self._judge.standing

    @property
    def tells_all(self) -> bool:
        """Whether with these both another learner goes on exactly; some of VW's reductions keep more to themselves."""
        return self._engine.tells_all

    @property
    def replays_exactly(self) -> bool:
        """Whether the examples that it learned, learned again alone, make the same model.

        That is not so where predictions in between change what is learned after them.
        """
        return self._engine.replays_exactly

    def close(self) -> None:
        """Free what the model holds."""
        self._engine.close()


def _reply(text: bytes, tag: bytes) -> Reply:
    # VW ends a list of labels with a space.
    return Reply(text if text.startswith(ERROR) else text.removesuffix(b" " + tag).rstrip(b" "), tag)
