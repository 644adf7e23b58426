"""One connection's side of the line protocol, without a socket.

What arrives is cut into chunks of lines. A chunk of ordinary examples for the listener's own model goes to it whole,
and so does one whose every line carries the same address. In any other chunk the lines are sorted: consecutive requests
to the same models make a run that is answered together, and a multi-line example or a batch is collected up to its
blank line. Whatever a line is, its answer keeps its place.

What a session holds is bounded: an unfinished line of `line_bytes`, an unfinished request of `request_bytes`, and the
chunks of the latest read that were not taken yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vwserve.errors import RequestError
from vwserve.wire.addressing import Addressing, Names, error_line, one_each, unknown_model
from vwserve.wire.framing import LineFramer, TooLong
from vwserve.wire.models import Model, Models
from vwserve.wire.queries import answer_query
from vwserve.wire.requests import Batch, opens_batch, parse_address, parse_batch, parse_save

# What begins a line that is no plain example, or has a byte order mark before it.
_NOT_PLAIN = (b"@", b"!", b"\n", b"save", b"'save", b"\xef")
_OWN: Names = ()  # the listener's own model, which plain lines go to
_LINE_COST_BYTES = 64  # what a held line costs beside its text, in memory and, roughly, in time


@dataclass(slots=True)
class _Group:
    """Lines on their way to a blank one: a multi-line example, or the candidates of a batch."""

    names: Names
    batch: Batch | None = None
    error: RequestError | None = None
    lines: list[bytes] = field(default_factory=list)
    held_bytes: int = 0

    def spoil(self, error: RequestError) -> None:
        """Answer the whole group by this error, unless there was one before."""
        self.error = self.error or error
        self.lines.clear()


@dataclass(slots=True)
class _Run:
    """Consecutive requests to the same models: single-line examples, or multi-line ones."""

    names: Names = _OWN
    lines: list[bytes] = field(default_factory=list)
    groups: list[list[bytes]] = field(default_factory=list)


class Session:
    """The state of one connection; plain lines go to the model called `own`, which may be missing.

    An empty `own` is the only model, while there is just one.
    """

    def __init__(self, models: Models, own: str, *, line_bytes: int, request_bytes: int, saves: bool = True) -> None:
        self._models = models
        self._addressing = Addressing(models)
        self._own = own
        self._framer = LineFramer(line_bytes)
        self._line_bytes = line_bytes
        self._request_bytes = request_bytes
        self._saves = saves
        self._ended = False
        self._group: _Group | None = None
        self._run = _Run()
        self._turn_over = False
        self._out: list[bytes] = []

    def lone_request(self, data: bytes) -> Model | None:
        """The model that a read asks which is nothing but one plain line, where nothing is to be answered before it.

        None for any other read. Whoever has the line answered by the model itself does not hand it to `receive`.
        """
        if data.find(b"\n") != len(data) - 1 or data.startswith(_NOT_PLAIN) or len(data) > self._line_bytes:
            return None
        if self._group is not None or not self._framer.empty or b"\r" in data:
            return None
        model = self._models.get(self._own)
        return None if model is None or model.multiline else model

    def receive(self, data: bytes) -> None:
        """Take what arrived in one read."""
        self._framer.feed(data)

    def end(self) -> None:
        """The client has sent all it will send: a last line needs no newline, a last group no blank line."""
        self._framer.finish()
        self._ended = True

    def answers(self) -> Iterator[bytes]:
        """The answers to what was received, a chunk at a time.

        Nothing is computed ahead: a caller whose client does not read stops here and goes on later. After a save, which
        takes its time, they end before `idle` is true, so that others have their turn.
        """
        chunks = self._framer.chunks
        while chunks:
            chunk = chunks.popleft()
            if text := self._too_long(chunk.head) if isinstance(chunk, TooLong) else self._answer(chunk):
                yield text
            if self._turn_over:
                self._turn_over = False
                return
        if self._ended and self._group is not None:
            self._close_group()
            yield self._taken()

    @property
    def idle(self) -> bool:
        """Whether all that was received is answered, as far as it is whole requests."""
        return not self._framer.chunks and not (self._ended and self._group is not None)

    # -- chunks ----------------------------------------------------------------------------------------------------

    def _answer(self, chunk: bytes) -> bytes:
        if self._group is None:
            text = None
            if chunk.startswith(b"@"):
                text = self._answer_addressed(chunk)
            elif _has_requests(chunk):
                pass  # which are no examples: no model is to look at them
            elif (model := self._models.get(self._own)) is not None and not model.multiline:
                text = model.answer_ordinary(chunk)
            if text is not None:
                return text
        lines = chunk.split(b"\n")[:-1]
        for place, line in enumerate(lines, 1):
            self._take(line)
            if self._turn_over and place < len(lines):
                self._framer.chunks.appendleft(b"".join([each + b"\n" for each in lines[place:]]))
                break
        return self._taken()

    def _answer_addressed(self, chunk: bytes) -> bytes | None:
        """Answer a chunk whose every line carries the same one-model address; None where it is not so."""
        address = chunk[: chunk.find(b" ") + 1]
        if len(address) < 3 or b"," in address or b"\n" in address or address + b"batch" in chunk:
            return None
        if chunk.count(b"\n" + address) != chunk.count(b"\n") - 1:
            return None
        model = self._models.get(address[1:-1].decode("utf-8", "replace"))
        if model is None or not model.spaceless:
            return None
        text = model.answer_ordinary(chunk[len(address) :].replace(b"\n" + address, b"\n"))
        if text is None or b"\n\n" not in text:
            return text
        return b"\n".join([*one_each(text, chunk.count(b"\n")), b""])

    def _taken(self) -> bytes:
        self._flush()
        out, self._out = self._out, []
        return b"".join(out)

    def _too_long(self, head: bytes) -> bytes:
        """Answer a line over the limit that begins with `head`; a group that it opens or stands in is spoilt."""
        error = RequestError("too-long", f"the line is longer than {self._line_bytes} bytes")
        if self._group is None:
            self._group = self._opened_by(head)
        if self._group is None:
            return error_line(error)
        self._group.spoil(error)
        return b""

    def _opened_by(self, head: bytes) -> _Group | None:
        """The group that a line with these first bytes opens; its other lines must not be taken for requests."""
        if not head.startswith(b"@"):
            model = self._own_model()
            return _Group(_OWN) if model is not None and model.multiline and not head.startswith(b"!") else None
        request = parse_address(head)
        if opens_batch(request.rest):
            return _Group(request.models, Batch(b"", b""))
        return _Group(request.models) if self._addressing.several_lines(request.models) else None

    # -- lines -----------------------------------------------------------------------------------------------------

    def _take(self, line: bytes) -> None:
        if self._group is not None and not (self._group.names == _OWN and self._is_save(line)):
            if line:
                self._hold(line)
            else:
                self._close_group()
        elif line.startswith(b"@"):
            self._take_addressed(line)
        elif line.startswith(b"!"):
            self._flush()  # a query sees what was learned before it
            self._out.append(answer_query(line, self._models))
        elif self._is_save(line):
            self._save(line)
        elif line:
            self._take_own(line)

    def _take_own(self, line: bytes) -> None:
        model = self._own_model()
        if model is None:
            self._say(error_line(self._no_own_model()))
        elif model.multiline:
            self._group = _Group(_OWN)
            self._hold(line)
        else:
            self._run_for(_OWN).lines.append(line)

    def _take_addressed(self, line: bytes) -> None:
        request = parse_address(line)
        if opens_batch(request.rest):
            self._group = _Group(request.models, Batch(b"", b""), request.error)
            try:
                self._group.batch = parse_batch(request.rest)
            except RequestError as error:
                self._group.spoil(error)
        elif request.error is not None:
            self._say(error_line(request.error))
        elif self._addressing.several_lines(request.models):
            self._group = _Group(request.models)
            self._hold(request.rest)
        else:
            self._run_for(request.models).lines.append(request.rest)

    # -- groups ----------------------------------------------------------------------------------------------------

    def _hold(self, line: bytes) -> None:
        group = self._group
        assert group is not None
        if group.error is not None:
            return
        # Each candidate of a batch becomes a line with the features that all share, for each model.
        line_bytes = len(line) + _LINE_COST_BYTES + (len(group.batch.shared) if group.batch else 0)
        group.held_bytes += line_bytes * max(1, len(group.names))
        if group.held_bytes > self._request_bytes:
            group.spoil(RequestError("too-long", f"the request is longer than {self._request_bytes} bytes"))
        else:
            group.lines.append(line)

    def _close_group(self) -> None:
        group, self._group = self._group, None
        assert group is not None
        if group.error is not None:
            self._say(error_line(group.error))
        elif group.batch is not None:
            self._flush()  # and so does a batch
            self._out.append(self._addressing.batch(group.names, group.batch, group.lines))
        else:
            self._run_for(group.names).groups.append(group.lines)

    # -- runs ------------------------------------------------------------------------------------------------------

    def _run_for(self, names: Names) -> _Run:
        if self._run.names != names:
            self._flush()
            self._run = _Run(names)
        return self._run

    def _flush(self) -> None:
        run, self._run = self._run, _Run()
        if run.names != _OWN:
            if run.lines:
                self._out.append(self._addressing.lines(run.names, run.lines))
            if run.groups:
                self._out.append(self._addressing.groups(run.names, run.groups))
            return
        model = self._own_model()
        if model is None:
            self._out.append(error_line(self._no_own_model()) * (len(run.lines) + len(run.groups)))
        elif run.lines:
            self._out.append(model.answer(b"".join([line + b"\n" for line in run.lines])))
        elif run.groups and model.multiline:
            self._out += model.answer_groups(run.groups)
        elif run.groups:
            error = RequestError("bad-request", "the model of this listener was replaced before the blank line came")
            self._out.append(error_line(error) * len(run.groups))

    def _say(self, text: bytes) -> None:
        """Answer out of a run, after what stands before."""
        self._flush()
        self._out.append(text)

    # -- the listener's own model ----------------------------------------------------------------------------------

    def _own_model(self) -> Model | None:
        return self._models.get(self._own)

    def _no_own_model(self) -> RequestError:
        if not self._own:
            return RequestError("no-model", "this listener has no model of its own; address one: @MODEL EXAMPLE")
        return unknown_model(self._own)

    def _is_save(self, line: bytes) -> bool:
        return line.startswith((b"save", b"'save")) and parse_save(line) is not None

    def _save(self, line: bytes) -> None:
        save = parse_save(line)
        assert save is not None
        if not self._saves:
            self._say(error_line(RequestError("bad-request", "this listener takes no save commands")))
        elif self._own_model() is None:
            self._say(error_line(self._no_own_model()))
        else:
            self._flush()
            self._models.save(self._own, save.name)
            self._turn_over = True


def _has_requests(chunk: bytes) -> bool:
    """Whether a chunk has queries or addresses in it; to look for one character first costs next to nothing."""
    if b"!" in chunk and (chunk.startswith(b"!") or b"\n!" in chunk):
        return True
    return b"@" in chunk and b"\n@" in chunk
