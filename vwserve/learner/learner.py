"""A model that learns online: a VW workspace that sees only lines which are examples.

Lines come in blocks: bytes of whole lines, each ended by a newline, none of them blank. A line that is no example
costs only itself; VW never sees it. Should VW raise all the same, the line at fault is refused and the workspace, which
is then no longer safe to use, is renewed from what it has learned.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import compress, groupby
from pathlib import Path
from typing import NamedTuple

from vwserve.errors import ArgumentsError, ModelError, RequestError, VwserveError
from vwserve.learner.arguments import split_arguments, with_suggestion
from vwserve.learner.binding import CHUNK_LINES, NO_LABEL, Examples, Workspace
from vwserve.learner.bounds import Bounds
from vwserve.learner.grammar import Grammar, Shape, feature_sizes, split_head, tag_of
from vwserve.learner.groups import group_fault, merged
from vwserve.learner.header import largest_label
from vwserve.learner.headroom import UNLIMITED
from vwserve.learner.labels import Classes, label_form
from vwserve.learner.losses import loss_of
from vwserve.learner.options import bits_of, classes_of, expansion_of, headroom_of, scale_of, targets_of
from vwserve.learner.saving import replacing
from vwserve.learner.scalars import format_scalars
from vwserve.learner.sink import PredictionSink
from vwserve.learner.tally import Tally
from vwserve.learner.targets import targets

_ERROR = b"!error "
_TEST_ONLY = frozenset({"-t", "--testonly"})
_UNLABELLED, _LABELLED, _MIXED = Shape
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # VW takes it off every line as it reads it from a socket, but not here


class Reply(NamedTuple):
    """The answer to one request: one line of text without its tag, or an error line."""

    text: bytes
    tag: bytes

    @property
    def refused(self) -> bool:
        """Whether the text is an error."""
        return self.text.startswith(_ERROR)


class Learner:
    """VW with `arguments`, started from the model file `initial`; with `learn` false labels are ignored.

    Every example is within `bounds`. Raises ArgumentsError where VW refuses the arguments, and ModelError where it
    takes them but not the file.
    """

    def __init__(
        self,
        arguments: str = "",
        *,
        learn: bool = True,
        initial: Path | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self._arguments = ([] if learn else ["-t"]) + split_arguments(arguments)
        self._sink: PredictionSink | None = None
        self._workspace = self._open_initial(initial)
        options = self._workspace.options
        self.learns = _TEST_ONLY.isdisjoint(self._arguments)
        # What VW saves of a model under -t has lost most weights, so that a static model is saved as what it came from.
        self._origin = os.open(initial, os.O_RDONLY) if initial and not self.learns else None
        self._forget_origin = weakref.finalize(self, os.close, self._origin) if self._origin is not None else None
        self.tally = Tally()
        self.multiline = self._workspace.multiline
        self.spaceless = self._workspace.spaceless
        self.scale = scale_of(options)
        self._label_kind = self._workspace.label_kind
        self.loss = loss_of(options, self._label_kind)
        self.bits = bits_of(options)
        self.reading = self._workspace.reading
        try:
            self._classes = classes_of(options)
        except ArgumentsError as error:  # its own arguments are right: the file has them
            self.close()
            raise ModelError(f"{initial}: {error}") from error
        self._targets = targets_of(options)
        self._expansion = expansion_of(options)
        self._headroom = UNLIMITED
        if self.learns:
            self._headroom = headroom_of(options, self._label_kind, self._expansion.degree)
            self._headroom = self._headroom.after(largest_label(initial) if initial else 0.0)
        self.limit(bounds or Bounds())

    @property
    def summary(self) -> str:
        """What kind of labels it takes, whether its examples are several lines, how many weights it has."""
        lines = "several lines an example" if self.multiline else "one line an example"
        return f"{self._label_kind} labels, {lines}, {1 << self.bits:,} weights"

    @property
    def sum_loss(self) -> float:
        """The progressive loss summed over the labelled examples, as VW accounts it."""
        return self._workspace.sum_loss

    # -- single-line examples --------------------------------------------------------------------------------------

    def answer_ordinary(self, block: bytes, learn: bool = True) -> bytes | None:
        """Answer a block of at most CHUNK_LINES lines in VW's form; None, having done nothing, if some line is unusual.

        Labelled lines are learned, unless `learn` is false or the model does not learn.
        """
        shape = self._ordinary_shape(block)
        return None if shape is None else self._serve(block, shape, learn)

    def takes(self, block: bytes) -> bool:
        """Whether every line of a block is an ordinary example; where not, `fault` tells of each line what it is."""
        return all(self._ordinary_shape(piece) is not None for piece in _pieces(block))

    def _ordinary_shape(self, block: bytes) -> Shape | None:
        """The shape of a block of ordinary examples with few enough features; None for any other."""
        shape = self._grammar.shape(block)
        if shape is None or not (len(block) <= self._surely_small_bytes or self._lines_small(block)):
            return None
        if self._classes.unsettled and shape is not _UNLABELLED:
            return None
        return shape

    def answer(self, block: bytes, learn: bool = True) -> bytes:
        """Answer each line of `block` in VW's form, by one error line each that is no example."""
        texts = []
        for piece in _pieces(block):
            text = self.answer_ordinary(piece, learn)
            texts.append(self._sift(piece, learn) if text is None else text)
        return b"".join(texts)

    def answer_each(self, lines: Sequence[bytes], learn: bool = True) -> list[Reply]:
        """Answer each line by one line, whatever VW prints for it."""
        if self._sink is None:
            texts = self.answer(b"".join([line + b"\n" for line in lines]), learn).split(b"\n")
        else:
            texts = [self.answer(line + b"\n", learn).strip(b"\n").replace(b"\n", b" ") for line in lines]
        return [_reply(text, tag_of(line)) for text, line in zip(texts, lines)]

    def fault(self, line: bytes) -> RequestError | None:
        """Say why `line` cannot be served as an example."""
        line = line.removeprefix(_BYTE_ORDER_MARK)
        small = len(line) <= self._surely_small_bytes
        if small and self._grammar.shape(line + b"\n"):
            return None
        if text := self._grammar.fault(line):
            return RequestError("bad-example", text)
        return (None if small else self._size_fault(line)) or self._strain_fault([line], [line])

    def targets(self, lines: Iterable[bytes]) -> list[tuple[float, float]]:
        """The label of each line, which must be an example, as a number and its importance; NaN where it is none."""
        return targets(self._label_kind, self._classes.names, lines)

    def _sift(self, block: bytes, learn: bool) -> bytes:
        """Answer a block in which some line is no ordinary example."""
        out = []
        judged = [(line.removeprefix(_BYTE_ORDER_MARK), self._judge(line, learn)) for line in block.split(b"\n")[:-1]]
        for good, run in groupby(judged, key=lambda pair: pair[1] is None):
            if good:
                out.append(self._serve(b"".join([line + b"\n" for line, _ in run]), _MIXED, learn))
            else:
                out += [self.refuse(error) for _, error in run if error is not None]
        return b"".join(out)

    def _judge(self, line: bytes, learn: bool) -> RequestError | None:
        """Say why `line` cannot be served; where it can, its label may settle which classes the later ones may have."""
        unsettled, error = self._classes, self.fault(line)
        if error is None:
            self._meet([line.removeprefix(_BYTE_ORDER_MARK)])
        if error or not unsettled.unsettled:
            return error
        for word in split_head(line.partition(b"|")[0])[0]:
            name, colon, _ = word.partition(b":")
            settled = self._classes.settled(name)
            # Costs settle it also in a prediction (csoaa.cc), a class does when it is learned (oaa.cc).
            if settled and (self._label_kind == "costs" or (learn and self.learns)):
                self._settle(settled)
            if not colon:
                break  # an importance
        if error := self.fault(line):
            self._settle(unsettled)
        return error

    def _settle(self, classes: Classes) -> None:
        self._classes = classes
        self.limit(self._bounds)

    def _serve(self, block: bytes, shape: Shape, learn: bool) -> bytes:
        """Answer a block whose every line is an example."""
        try:
            examples = self._workspace.parse(block)
        except RuntimeError as error:
            return self._recover(block, [], learn, error, parsed=False)
        if self._sink is None:
            return self._serve_scalars(block, examples, shape, learn)
        return self._serve_printed(self._sink, block, examples, shape, learn)

    def _serve_scalars(self, block: bytes, examples: Examples, shape: Shape, learn: bool) -> bytes:
        """Answer examples whose predictions are plain numbers."""
        workspace = self._workspace
        scalars: list[float] = []
        labels = workspace.labels(examples) if shape is not _UNLABELLED else []
        observed = [label != NO_LABEL for label in labels] if shape is _MIXED else []
        weights = workspace.weights(list(compress(examples, observed))) if any(observed) else []
        tags = workspace.tags(examples) or _tags(block) if shape is _MIXED else []
        try:
            if learn:
                workspace.learn(examples, scalars)
            else:
                workspace.predict(examples, scalars)
        except RuntimeError as error:
            return self._recover(block, scalars, learn, error, parsed=True)
        self.tally.examples += len(scalars)
        if shape is _LABELLED:
            self._count_labelled(len(scalars), float(len(scalars)), learn)
            self.tally.pair(scalars, labels)
        elif weights:
            self._count_labelled(len(weights), sum(weights), learn)
            self.tally.pair(compress(scalars, observed), compress(labels, observed))
        return _tagged(format_scalars(scalars), tags)

    def _serve_printed(
        self, sink: PredictionSink, block: bytes, examples: Examples, shape: Shape, learn: bool
    ) -> bytes:
        """Answer examples whose predictions VW prints."""
        scalars: list[float] = []  # of no meaning here, but they tell how far VW got
        weights = self._workspace.weights(examples) if shape is _MIXED else []
        try:
            if learn:
                self._workspace.learn(examples, scalars)
            else:
                self._workspace.predict(examples, scalars)
        except RuntimeError as error:
            return self._recover(block, scalars, learn, error, parsed=True)
        self.tally.examples += len(scalars)
        if shape is _LABELLED:
            self._count_labelled(len(scalars), float(len(scalars)), learn)
        elif shape is _MIXED:
            observed = self._grammar.observed(block)
            self._count_labelled(sum(observed), sum(compress(weights, observed)), learn)
        return sink.take()

    def _recover(self, block: bytes, scalars: list[float], learn: bool, error: RuntimeError, parsed: bool) -> bytes:
        """Answer the rest of a block at whose line `len(scalars)`, or somewhere while parsing it, VW raised."""
        lines = [line + b"\n" for line in block.split(b"\n")[:-1]]
        if not parsed and len(lines) > 1:
            return b"".join([self._serve(line, _MIXED, learn) for line in lines])
        done = len(scalars)
        texts = [self._sink.take() if self._sink else _tagged(format_scalars(scalars), _tags(b"".join(lines[:done])))]
        self._renew()
        self.tally.examples += done
        observed = sum(self._grammar.observed(b"".join(lines[:done])))
        self._count_labelled(observed, float(observed), learn)
        texts.append(self.refuse(_vw_refusal(error)))
        if lines[done + 1 :]:
            texts.append(self._serve(b"".join(lines[done + 1 :]), _MIXED, learn))
        return b"".join(texts)

    # -- several learners ----------------------------------------------------------------------------------------------

    @property
    def judging(self) -> Hashable:
        """How lines are judged: equal for learners that take the same ones."""
        return (self._label_kind, self._classes, self._targets, self._caps, self._bounds, self._expansion)

    def predict_with(self, others: Sequence[Learner], block: bytes) -> list[bytes] | None:
        """Answer a block of ordinary examples by this learner, then by others of the same `reading`; see `together`.

        None, having done nothing, where a line has a label.
        """
        tagged = self._grammar.shape(block) is not _UNLABELLED
        if tagged and any(self._grammar.observed(block)):
            return None
        examples = self._workspace.parse(block)
        tags = self._workspace.tags(examples) or _tags(block) if tagged else []
        scalars = self._workspace.predict_together([other._workspace for other in others], examples)
        for learner in (self, *others):
            learner.tally.examples += len(examples)
        return [_tagged(format_scalars(each), tags) for each in scalars]

    # -- multi-line examples ---------------------------------------------------------------------------------------

    def answer_groups(self, groups: Sequence[Sequence[bytes]], learn: bool = True) -> list[bytes]:
        """Answer multi-line examples, each by VW's lines for it or by one error line."""
        out: list[bytes] = []
        ready: list[Sequence[bytes]] = []
        for marked in groups:
            group = [line.removeprefix(_BYTE_ORDER_MARK) for line in marked]
            error = self.group_fault(group)
            if ready and (error or sum(map(len, ready)) + len(group) > CHUNK_LINES):
                self._serve_groups(ready, out, learn)
                ready = []
            if error:
                out.append(self.refuse(error))
            else:
                self._meet(group)
                ready.append(group)
        self._serve_groups(ready, out, learn)
        return out

    def group_fault(self, lines: Sequence[bytes]) -> RequestError | None:
        """Say why `lines` cannot be served as one multi-line example."""
        block = b"\n".join(lines) + b"\n"
        if self._grammar.shape(block) is None or len(block) > self._surely_small_bytes:
            for number, (line, whole) in enumerate(zip(lines, merged(lines)), 1):
                if error := self.fault(line) or self._size_fault(whole):
                    return RequestError(error.code, f"line {number}: {error.text}")
            if error := self._strain_fault(lines, merged(lines)):
                return error
        fault = group_fault(self._label_kind, lines)
        return RequestError("bad-example", fault) if fault else None

    def _serve_groups(self, groups: Sequence[Sequence[bytes]], out: list[bytes], learn: bool) -> None:
        if not groups:
            return
        assert self._sink is not None, "the predictions of multi-line learners are printed by VW"
        served = 0
        try:
            examples = self._workspace.parse(b"\n".join([line for group in groups for line in group]))
        except RuntimeError as error:
            if len(groups) > 1:
                for group in groups:
                    self._serve_groups([group], out, learn)
                return
            self._renew()
            out.append(self.refuse(_vw_refusal(error)))
            return
        try:
            for _ in self._workspace.answer_groups(examples, [len(group) for group in groups], learn):
                out.append(self._sink.take())
                self.tally.examples += 1
                if any(self._grammar.observed(b"\n".join([*groups[served], b""]))):
                    self._count_labelled(1, 1.0, learn)
                served += 1
        except RuntimeError as error:
            self._renew()
            out.append(self.refuse(_vw_refusal(error)))
            self._serve_groups(groups[served + 1 :], out, learn)

    # -- the model -------------------------------------------------------------------------------------------------

    def limit(self, bounds: Bounds) -> None:
        """Take from now on only examples within `bounds`."""
        self._caps = self._headroom.caps(bounds)
        form = label_form(self._label_kind, self._classes, bounds, self.multiline, self._targets, self._caps)
        self._grammar = Grammar(form, bounds.magnitude, self._caps)
        self._bounds = bounds
        # A feature takes at least two bytes of its line, a separator and a name.
        self._surely_small = self._expansion.safe_features(bounds.features)
        self._surely_small_bytes = 2 * self._surely_small

    def save(self, path: Path) -> None:
        """Write the model to `path`, where `vw -i` reads it; raises ModelError where that cannot be done."""
        with replacing(path) as draft:
            if self.learns:
                self._workspace.save(draft)
            elif self._origin is not None:
                shutil.copyfile(f"/proc/self/fd/{self._origin}", draft)  # its path may be another file's by now
            else:
                untrained = Workspace([word for word in self._arguments if word not in _TEST_ONLY])
                untrained.save(draft)
                untrained.close()

    def close(self) -> None:
        """Free what the model holds."""
        self._workspace.close()
        if self._forget_origin is not None:
            self._forget_origin()
        if self._sink is not None:
            self._sink.close()

    def _open_initial(self, model: Path | None) -> Workspace:
        try:
            try:
                return self._open(model)
            except ArgumentsError as error:
                if model is None:
                    raise
                # Whose fault it is shows without the file: arguments that are wrong by themselves are wrong here too.
                self._open(None).close()
                raise ModelError(f"VW cannot start these arguments from {model}: {error}") from error
        except VwserveError:
            if self._sink is not None:
                self._sink.close()
            raise

    def _open(self, model: Path | None, *more: str) -> Workspace:
        arguments = [*more, *(["-i", str(model)] if model else []), *self._arguments]
        try:
            if self._sink is None:
                workspace = Workspace(arguments)
                if workspace.prints_plain_scalars:
                    return workspace
                workspace.close()
                self._sink = PredictionSink()
            return Workspace(arguments, self._sink)
        except ArgumentsError as error:
            raise with_suggestion(error, Workspace([]).options) from error

    def _renew(self) -> None:
        """Replace a workspace that raised by one that knows what it had learned."""
        spoilt, read = self._workspace, self._sink
        more = ["--preserve_performance_counters"]
        if self._classes.settles and not self._classes.unsettled:  # this a model file does not tell
            more += ["--indexing", str(self._classes.first)]
        with tempfile.TemporaryDirectory(prefix="vwserve-") as folder:
            model = Path(folder, "renewed.vw")
            self.save(model)
            if read is not None:  # a workspace prints from the start of its file
                self._sink = PredictionSink()
            self._workspace = self._open(model, *more)
        spoilt.close()
        if read is not None:
            read.close()

    # -- counting and refusing ---------------------------------------------------------------------------------------

    def _count_labelled(self, examples: int, weight: float, learn: bool) -> None:
        self.tally.labelled += examples
        self.tally.weight += weight
        if learn and self.learns:
            self.tally.learned += examples

    def refuse(self, error: RequestError) -> bytes:
        """The error line that answers a request, which is counted as refused."""
        self.tally.refused += 1
        return _ERROR + str(error).encode() + b"\n"

    def _lines_small(self, block: bytes) -> bool:
        """Whether no line has too many features; a line that is short enough is not even looked at."""
        start, most = 0, self._surely_small_bytes
        while len(block) - start > most:
            end = block.rfind(b"\n", start, start + most)
            if end < 0:
                end = block.index(b"\n", start)
                if self._size_fault(block[start:end]):
                    return False
            start = end + 1
        return True

    def _strain_fault(self, lines: Sequence[bytes], wholes: Sequence[bytes]) -> RequestError | None:
        """Say why the numbers of an example are too large together; `wholes` are its lines as VW learns them."""
        if not any(self._grammar.observed(b"".join([line + b"\n" for line in lines]))):
            return None  # nothing is learned
        labels = list(filter(None, map(self._grammar.label_sizes, lines)))
        target, importance = max(size for size, _ in labels), max(size for _, size in labels)
        value = max(self._expansion.largest(feature_sizes(whole)) for whole in wholes)
        if fault := self._headroom.fault(target, importance, value):
            return RequestError("bad-example", fault)
        return None

    def _meet(self, lines: Sequence[bytes]) -> None:
        """Remember the largest label, within which VW keeps its predictions from now on."""
        labels = list(filter(None, map(self._grammar.label_sizes, lines)))
        target, importance = (max(sizes, default=0.0) for sizes in zip(*labels)) if labels else (0.0, 0.0)
        before, self._headroom = self._headroom, self._headroom.after(target, importance)
        if self._headroom != before and self._headroom.caps(self._bounds) != self._caps:  # caps take long
            self.limit(self._bounds)

    def _size_fault(self, line: bytes) -> RequestError | None:
        # A space, a tab or a bar stands before each feature but an anonymous namespace's first, which has its bar.
        if line.count(b" ") + line.count(b"\t") + line.count(b"|") <= self._surely_small:
            return None
        size = self._expansion.size(line)
        limit = self._bounds.features
        if size <= limit:
            return None
        return RequestError("too-many-features", f"{size} features after interactions; the limit is {limit}")


def _vw_refusal(error: RuntimeError) -> RequestError:
    return RequestError("bad-example", "VW refuses it: " + " ".join(str(error).split()))


def _reply(text: bytes, tag: bytes) -> Reply:
    return Reply(text.removesuffix(b" " + tag) if tag and not text.startswith(_ERROR) else text, tag)


def _tags(block: bytes) -> list[bytes]:
    return [tag_of(line) for line in block.split(b"\n")[:-1]]


def _tagged(text: bytes, tags: Sequence[bytes]) -> bytes:
    """Predictions, one a line, each followed by the tag of its example as VW prints it."""
    if not any(tags):
        return text
    predictions = text.split(b"\n")
    return b"".join([b"%s %s\n" % (value, tag) if tag else value + b"\n" for value, tag in zip(predictions, tags)])


def _pieces(block: bytes) -> Iterator[bytes]:
    """Cut a block at newlines into pieces of at most CHUNK_LINES lines."""
    if block.count(b"\n") <= CHUNK_LINES:
        yield block
        return
    lines = block.split(b"\n")[:-1]
    for start in range(0, len(lines), CHUNK_LINES):
        yield b"".join([line + b"\n" for line in lines[start : start + CHUNK_LINES]])
