"""Lines that are known to be examples, through VW and back as VW prints their predictions.

Should VW raise all the same, the example at fault is refused, and those before and after it are served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import compress

from vwserve.errors import RequestError
from vwserve.learner.binding import NO_LABEL, Examples
from vwserve.learner.engine import Engine
from vwserve.learner.grammar import Shape
from vwserve.learner.judge import Judge
from vwserve.learner.scalars import format_scalar, format_scalars
from vwserve.learner.sink import PredictionSink
from vwserve.learner.tally import Tally
from vwserve.lines import block_of, lines_of, tag_of

ERROR = b"!error "
_UNLABELLED, _LABELLED, _MIXED = Shape

Recorder = Callable[[bytes, Sequence[bool] | None], "RequestError | None"]
GroupRecorder = Callable[[Sequence[Sequence[bytes]]], "RequestError | None"]


class Serving:
    """Serves what `judge` takes by `engine`, and counts it.

    Where they are set, `record` and `record_groups` are called with examples that are about to be learned: a chunk and,
    unless all of its lines are, which of them; or multi-line examples. What they return is answered in their place, and
    then nothing of them is learned.
    """

    def __init__(self, engine: Engine, judge: Judge, tally: Tally) -> None:
        self.record: Recorder | None = None
        self.record_groups: GroupRecorder | None = None
        self._engine = engine
        self._judge = judge
        self._tally = tally

    def refuse(self, error: RequestError) -> bytes:
        """The error line that answers a request, which is counted as refused."""
        self._tally.refused += 1
        return ERROR + str(error).encode() + b"\n"

    # -- single-line examples ----------------------------------------------------------------------------------------

    def block(self, chunk: bytes, shape: Shape, learn: bool) -> bytes:
        """Answer a chunk whose every line is an example; what is to be learned is recorded first."""
        if self.record is not None and learn and self._engine.learns and shape is not _UNLABELLED:
            observed = None if shape is _LABELLED else self._judge.observed(chunk)
            if (observed is None or any(observed)) and (error := self.record(chunk, observed)):
                return self._unlearned(chunk, observed, error)
        return self._block(chunk, shape, learn)

    def _unlearned(self, chunk: bytes, observed: Sequence[bool] | None, error: RequestError) -> bytes:
        """Refuse the lines that were to be learned, and predict the others."""
        lines = lines_of(chunk)
        if observed is None:
            return b"".join([self.refuse(error) for _ in lines])
        return b"".join(
            [
                self.refuse(error) if labelled else self._block(line + b"\n", _MIXED, learn=True)
                for line, labelled in zip(lines, observed)
            ]
        )

    def _block(self, chunk: bytes, shape: Shape, learn: bool) -> bytes:
        try:
            examples = self._engine.workspace.parse(chunk)
        except RuntimeError as error:
            return self._recover(chunk, [], learn, error, parsed=False)
        if self._engine.sink is None:
            serve = self._scalars if len(examples) > 1 else self._scalar
            return serve(chunk, examples, shape, learn)
        return self._printed(self._engine.sink, chunk, examples, shape, learn)

    def predict_with(self, others: Sequence[Serving], chunk: bytes) -> list[bytes] | None:
        """Answer a chunk of ordinary examples here, then where the same parsed examples are read alike.

        None, having done nothing, where a line has a label.
        """
        tagged = self._judge.shape(chunk) is not _UNLABELLED
        if tagged and any(self._judge.observed(chunk)):
            return None
        workspace = self._engine.workspace
        examples = workspace.parse(chunk)
        tags = workspace.tags(examples) or _tags(lines_of(chunk)) if tagged else []
        scalars = workspace.predict_together([other._engine.workspace for other in others], examples)
        for each in (self, *others):
            each._tally.examples += len(examples)
        return [_tagged(format_scalars(each), tags) for each in scalars]

    def _scalar(self, chunk: bytes, examples: Examples, shape: Shape, learn: bool) -> bytes:
        """Answer one example whose prediction is a plain number: as `_scalars`, without what many lines need."""
        workspace = self._engine.workspace
        labels = workspace.labels(examples) if shape is not _UNLABELLED else []
        labelled = bool(labels) and labels[0] != NO_LABEL
        weight = workspace.weights(examples)[0] if labelled and shape is _MIXED else 1.0
        tags = workspace.tags(examples) or _tags(lines_of(chunk)) if shape is _MIXED else None
        scalars, error = self._through(examples, learn)
        if error is not None:
            return self._recover(chunk, scalars, learn, error, parsed=True)
        if labelled:
            self._tally.count([weight], learned=self._learns(learn))
            self._tally.pair(scalars, labels)
        text = format_scalar(scalars[0])
        return b"%s %s\n" % (text, tags[0]) if tags and tags[0] else text + b"\n"

    def _scalars(self, chunk: bytes, examples: Examples, shape: Shape, learn: bool) -> bytes:
        """Answer examples whose predictions are plain numbers."""
        workspace = self._engine.workspace
        labels = workspace.labels(examples) if shape is not _UNLABELLED else []
        observed = [label != NO_LABEL for label in labels] if shape is _MIXED else []
        weights = workspace.weights(list(compress(examples, observed))) if any(observed) else []
        tags = workspace.tags(examples) or _tags(lines_of(chunk)) if shape is _MIXED else []
        scalars, error = self._through(examples, learn)
        served = len(scalars)  # fewer than there are, where VW raised
        if shape is _LABELLED:
            self._tally.count_plain(served, learned=self._learns(learn))
            self._tally.pair(scalars, labels[:served])
        elif weights:
            observed = observed[:served]
            self._tally.count(weights[: sum(observed)], learned=self._learns(learn))
            self._tally.pair(compress(scalars, observed), compress(labels, observed))
        if error is not None:
            return self._recover(chunk, scalars, learn, error, parsed=True)
        return _tagged(format_scalars(scalars), tags)

    def _printed(self, sink: PredictionSink, chunk: bytes, examples: Examples, shape: Shape, learn: bool) -> bytes:
        """Answer examples whose predictions VW prints."""
        weights = self._engine.workspace.weights(examples) if shape is _MIXED else []
        scalars, error = self._through(examples, learn)
        served = len(scalars)
        if shape is _LABELLED:
            self._tally.count_plain(served, learned=self._learns(learn))
        elif shape is _MIXED:
            observed = self._judge.observed(chunk)[:served]
            self._tally.count(list(compress(weights, observed)), learned=self._learns(learn))
        if error is not None:
            return self._recover(chunk, scalars, learn, error, parsed=True)
        return sink.take()

    def _through(self, examples: Examples, learn: bool) -> tuple[list[float], RuntimeError | None]:
        """The predictions of examples; where VW raises, of those before it, and what it raised.

        Of what VW prints itself they have no meaning, but they tell how far it got.
        """
        workspace = self._engine.workspace
        scalars: list[float] = []
        raised = None
        try:
            if learn:
                workspace.learn(examples, scalars)
            else:
                workspace.predict(examples, scalars)
        except RuntimeError as error:
            raised = error
        self._tally.examples += len(scalars)
        return scalars, raised

    def _recover(self, chunk: bytes, scalars: list[float], learn: bool, error: RuntimeError, parsed: bool) -> bytes:
        """Answer the rest of a chunk at whose line `len(scalars)`, or somewhere while parsing it, VW raised."""
        lines = lines_of(chunk)
        if not parsed and len(lines) > 1:
            return b"".join([self._block(line + b"\n", _MIXED, learn) for line in lines])
        served = lines[: len(scalars)]
        sink = self._engine.sink
        texts = [sink.take() if sink else _tagged(format_scalars(scalars), _tags(served))]
        texts.append(self._renewed(error))
        if rest := lines[len(served) + 1 :]:
            texts.append(self._block(block_of(rest), _MIXED, learn))
        return b"".join(texts)

    # -- multi-line examples -----------------------------------------------------------------------------------------

    def groups(self, groups: Sequence[Sequence[bytes]], learn: bool) -> list[bytes]:
        """Answer multi-line examples that are some, each by VW's lines for it; see `block`."""
        if self.record_groups is None or not learn or not self._engine.learns:
            return self._groups(groups, learn)
        labelled = [any(self._judge.observed(block_of(group))) for group in groups]
        chosen = list(compress(groups, labelled))
        if not chosen or not (error := self.record_groups(chosen)):
            return self._groups(groups, learn)
        return [
            self.refuse(error) if refused else self._groups([group], learn)[0]
            for group, refused in zip(groups, labelled)
        ]

    def _groups(self, groups: Sequence[Sequence[bytes]], learn: bool) -> list[bytes]:
        sink, workspace = self._engine.sink, self._engine.workspace
        assert sink is not None, "the predictions of multi-line learners are printed by VW"
        out: list[bytes] = []
        try:
            examples = workspace.parse(b"\n".join([line for group in groups for line in group]))
        except RuntimeError as error:
            if len(groups) > 1:
                return [text for group in groups for text in self._groups([group], learn)]
            return [self._renewed(error)]
        try:
            for _ in workspace.answer_groups(examples, [len(group) for group in groups], learn):
                self._tally.examples += 1
                if any(self._judge.observed(block_of(groups[len(out)]))):
                    self._tally.count_plain(1, learned=self._learns(learn))
                out.append(sink.take())
        except RuntimeError as error:
            out.append(self._renewed(error))
            if rest := groups[len(out) :]:
                out += self._groups(rest, learn)
        return out

    # -- learning and refusing ---------------------------------------------------------------------------------------

    def _learns(self, learn: bool) -> bool:
        return learn and self._engine.learns

    def _renewed(self, error: RuntimeError) -> bytes:
        """Go on with another workspace, and refuse the example that VW raised on."""
        self._engine.renew(self._judge.standing)
        return self.refuse(RequestError("bad-example", "VW refuses it: " + " ".join(str(error).split())))


def _tags(lines: Iterable[bytes]) -> list[bytes]:
    return list(map(tag_of, lines))


def _tagged(text: bytes, tags: Sequence[bytes]) -> bytes:
    """Predictions, one a line, each followed by the tag of its example as VW prints it."""
    if not any(tags):
        return text
    predictions = text.split(b"\n")
    return b"".join([b"%s %s\n" % (value, tag) if tag else value + b"\n" for value, tag in zip(predictions, tags)])
