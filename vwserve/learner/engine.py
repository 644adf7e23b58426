"""A workspace, the sink that it prints to, and another workspace in its place once VW has raised.

A workspace that has raised is not safe to use again (see `binding`): what it had learned is saved, and a new one goes
on from there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from vwserve.errors import ArgumentsError, ModelError, VwserveError
from vwserve.learner.arguments import with_suggestion
from vwserve.learner.binding import Workspace
from vwserve.learner.origin import Origin
from vwserve.learner.resuming import EACH_MODEL, Nature, Standing, replays_exactly, resuming_arguments, tells_all
from vwserve.learner.saving import link_to, replacing
from vwserve.learner.sink import PredictionSink

_TEST_ONLY = frozenset({"-t", "--testonly"})


class Engine:
    """VW with `arguments`, started from the model file `initial`, or gone on from it where `standing` is given.

    `workspace` is the one in use, and `sink` what it prints to, None where its predictions are plain numbers.
    `tells_all` says whether what is saved has all that the model goes on from, and `replays_exactly` whether what it
    learned makes the same model again. Raises ArgumentsError where VW refuses the arguments, and ModelError where it
    takes them but not the file.
    """

    def __init__(self, arguments: Sequence[str], initial: Path | None, standing: Standing | None = None) -> None:
        self._arguments = arguments
        self.sink: PredictionSink | None = None
        self.learns = _TEST_ONLY.isdisjoint(arguments)
        self._lost_before = 0.0  # what the workspaces before this one lost that it does not know of: one under -t
        self.workspace = self._open_initial(initial, standing)
        self._origin = Origin(initial) if initial and not self.learns else None
        self.tells_all = self.replays_exactly = True
        if self.learns:
            nature = Nature.of(self.workspace)
            self.tells_all, self.replays_exactly = tells_all(nature), replays_exactly(nature)

    def renew(self, standing: Standing) -> None:
        """Replace a workspace that raised by one that knows what it had learned."""
        spoilt, read, sum_loss = self.workspace, self.sink, self.sum_loss
        with tempfile.TemporaryDirectory(prefix="vwserve-") as folder:
            model = Path(folder, "renewed.vw")
            self.save(model)
            if read is not None:  # a workspace prints from the start of its file
                self.sink = PredictionSink()
            self.workspace = self._open(model, standing)
        self._lost_before = sum_loss - self.workspace.sum_loss
        spoilt.close()
        if read is not None:
            read.close()

    @property
    def sum_loss(self) -> float:
        """The progressive loss summed over the labelled examples, as VW accounts it."""
        return self._lost_before + self.workspace.sum_loss

    def save(self, path: Path) -> None:
        """Write the model to `path`, where `vw -i` reads it; raises ModelError where that cannot be done."""
        with replacing(path) as draft:
            self._write(draft)

    def pour(self, pipe: int, folder: Path) -> None:
        """Write the model to the descriptor of a pipe, by links that are left in `folder`; raises OSError."""
        self._write(link_to(pipe, folder))

    @property
    def descriptors(self) -> list[int]:
        """Those that saving reads from."""
        return [self._origin.descriptor] if self._origin else []

    def close(self) -> None:
        """Free what the model holds."""
        self.workspace.close()
        if self._origin is not None:
            self._origin.close()
        if self.sink is not None:
            self.sink.close()

    def _write(self, path: Path) -> None:
        if self.learns:
            self.workspace.save(path)
        elif self._origin is not None:
            self._origin.copy(path)
        else:
            untrained = Workspace([word for word in self._arguments if word not in _TEST_ONLY])
            untrained.save(path)
            untrained.close()

    def _open_initial(self, model: Path | None, standing: Standing | None) -> Workspace:
        try:
            try:
                return self._open(model, standing)
            except ArgumentsError as error:
                if model is None:
                    raise
                # Whose fault it is shows without the file: arguments that are wrong by themselves are wrong here too.
                self._open(None).close()
                raise ModelError(f"VW cannot start these arguments from {model}: {error}") from error
        except VwserveError:
            if self.sink is not None:
                self.sink.close()
            raise

    def _open(self, model: Path | None, standing: Standing | None = None) -> Workspace:
        if model is None:
            arguments = list(self._arguments)
        elif standing is None:
            arguments = ["-i", str(model), *self._arguments]
        else:
            arguments = resuming_arguments(self._arguments, model, standing)
        each_model = [EACH_MODEL] if model is None and self.learns else []
        try:
            if self.sink is None:
                workspace = Workspace(arguments)
                single = workspace.reading is not None
                if workspace.prints_plain_scalars and (single or not each_model):
                    return workspace
                workspace.close()
                if workspace.prints_plain_scalars:
                    return Workspace([*each_model, *arguments])
                self.sink = PredictionSink()
            return Workspace([*each_model, *arguments], self.sink)
        except ArgumentsError as error:
            raise with_suggestion(error, Workspace([]).options) from error
