"""Shadows: models that are given what another model was asked, without being answered, and compared with it.

Who waits for whom: nobody for a shadow. What a model was asked is noted, its answer goes out, and its shadows are given
it at the end of the turn of the reactor, in the order in which it came. So a shadow that takes ten times as long to
answer, whose disk hangs or which fails altogether costs its model's clients no more than what any other work of the
daemon does. What waits is what one turn has read; beyond MOST_WAITING_BYTES, and while shadows are paused, examples are
left out and counted.

What a shadow is given: every example that its model was asked by itself, also one that the model refuses, and those of
batches and of requests to several models if they are served. What several transforms of both have in common is applied
once.

How they are compared: by the progressive loss on the labelled examples that both have taken, portion by portion, a
portion being what the model was asked in one go; see `vwserve.model.comparison`. Of a portion of which the model has
refused lines, the others count. One of which the shadow refuses a labelled line that the model took does not count at
all: what the model lost on that line by itself nobody has noted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import NamedTuple, TypeAlias, TypeVar

from vwserve.errors import RequestError
from vwserve.learner import Reply
from vwserve.lines import block_of, lines_of
from vwserve.model.account import Account
from vwserve.model.comparison import CONFIDENCE, Comparison, Estimate
from vwserve.model.servable import Servable
from vwserve.model.together import Together
from vwserve.transforms.errors import told
from vwserve.wire.addressing import one_each

MOST_WAITING_BYTES = 16 << 20
"""The most of examples that wait for the end of a turn."""

Groups: TypeAlias = Sequence[Sequence[bytes]]

Example = TypeVar("Example")

_NOTHING = Account()
_ERROR = b"!error "
_SHOWN_BYTES = 200  # of an error that goes to the log


class Stretch(NamedTuple):
    """Consecutive examples, a block of lines or multi-line ones, all of which the model took, or none."""

    asked: bytes | Groups
    taken: bool = True

    def answered_by(self, servable: Servable) -> bytes:
        """The answers of another model to them."""
        if isinstance(self.asked, bytes):
            return servable.answer(self.asked)
        return b"".join(servable.answer_groups(self.asked))


class Portion(NamedTuple):
    """What a model was asked in one go, and what that came to.

    A portion that is lines of which none was refused may have them as `joint`, with what transforms gave for them.
    """

    primary: Servable
    came_to: Account
    stretches: Sequence[Stretch]
    size_bytes: int
    joint: Together | None = None

    @property
    def examples(self) -> int:
        """How many examples there are."""
        return self.came_to.examples + self.came_to.refused

    def given(self, servable: Servable) -> tuple[Account, bytes]:
        """Give it to another model: what those came to that this one took, and the first error of these."""
        came_to, refusal = _NOTHING, b""
        for stretch in self.stretches:
            before = Account.of(servable)
            text = self._together(servable)
            if text is None:
                text = stretch.answered_by(servable)
            if stretch.taken:
                came = Account.of(servable).since(before)
                came_to = came if came_to is _NOTHING else came_to.plus(came)
                if came.refused and not refusal:
                    refusal = next((line for line in text.split(b"\n") if line.startswith(_ERROR)), b"")
        return came_to, refusal

    def _together(self, servable: Servable) -> bytes | None:
        answers = None if self.joint is None else self.joint.again([servable]).answer_ordinary()
        return None if answers is None else answers[0]


@dataclass(slots=True)
class Findings:
    """What came of feeding a shadow: examples that it was not given, that it alone refused, and that it failed on.

    `reported` are the kinds of failure that the log has.
    """

    comparison: Comparison = field(default_factory=Comparison)
    left_out: int = 0
    refused: int = 0
    failed: int = 0
    reported: set[str] = field(default_factory=set)


class Shadow:
    """A model that follows another; both may be replaced, and the comparison begins anew then."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.findings = Findings()
        self._report = report
        self._primary: Servable | None = None
        self.servable: Servable | None = None

    def follow(self, primary: Servable) -> None:
        """Be compared with this one from now on."""
        if primary is not self._primary:
            self._primary, self.findings = primary, Findings()

    def become(self, servable: Servable | None) -> None:
        """Be this servable from now on, which gets what waits, too; be given nothing, where there is none."""
        if servable is not self.servable:
            self.servable, self.findings = servable, Findings()

    def take(self, portion: Portion) -> None:
        """Be given what a model was asked."""
        servable, findings = self.servable, self.findings
        if servable is None:
            return
        primary, ours = portion.primary, portion.came_to
        try:
            theirs, refusal = portion.given(servable)
        except (
            Exception
        ) as error:  # a fault of the program or a plugin: the model that it follows goes on, and so do we
            findings.failed += portion.examples
            self._tell(type(error).__name__, f"fails on what {primary.name} was asked: {told(error)}")
            return
        if theirs.refused:
            findings.refused += theirs.refused
            code, _, text = refusal[len(_ERROR) :][:_SHOWN_BYTES].decode("utf-8", "replace").partition(" ")
            self._tell(code, f"refuses what {primary.name} takes: {code} {text}")
        if 0 < theirs.labelled == ours.labelled and primary is self._primary:
            findings.comparison.add(ours.labelled, ours.weight, theirs.sum_loss - ours.sum_loss)

    def _tell(self, kind: str, text: str) -> None:
        """Have the log know of a kind of failure, once."""
        if kind not in self.findings.reported:
            self.findings.reported.add(kind)
            self._report(f"as a shadow it {text} (further ones are only counted, in its figures)")

    def statistics(self) -> dict[str, object]:
        """What `!stats` tells of the comparison; null where a figure is not known."""
        primary, servable, findings = self._primary, self.servable, self.findings
        assert primary is not None and servable is not None, "it follows a model"
        overall, recent, remark = findings.comparison.overall, findings.comparison.recent, None
        if primary.loss != servable.loss:
            overall, recent = (Estimate(each.examples, None, None, None) for each in (overall, recent))
            remark = (
                f"the losses cannot be compared: that of {servable.name} is {servable.loss}, "
                f"that of {primary.name} is {primary.loss}"
            )
        return {
            "of": primary.name,
            **_told(overall),
            "confidence": CONFIDENCE,
            "recent": _told(recent),
            "refused": findings.refused,
            "failed": findings.failed,
            "left_out": findings.left_out,
            "remark": remark,
        }


def _told(estimate: Estimate) -> dict[str, object]:
    return {
        "examples": estimate.examples,
        "loss_difference": estimate.difference,
        "low": estimate.low,
        "high": estimate.high,
    }


class Shadowing:
    """The shadows of a daemon.

    `later` has something called at the end of the turn of the reactor. `report` takes the name of a shadow and what the
    log should say of it. While `paused` is true, shadows are given nothing.
    """

    def __init__(self, later: Callable[[Callable[[], None]], object], report: Callable[[str, str], None]) -> None:
        self.paused = False
        self._later = later
        self._report = report
        self._shadows: dict[str, Shadow] = {}
        self._waiting: list[tuple[Portion, Sequence[Shadow]]] = []
        self._waiting_bytes = 0
        self._expected = False  # the end of the turn

    def arrange(self, followed: Mapping[str, str], servables: Mapping[str, Servable]) -> dict[str, Shadowed]:
        """Have each model whose name is a key of `followed` be a shadow of the one named, and no other be any.

        Returns the models that have shadows, by their names. `servables` are all models. Comparisons of the same two go
        on. What waits is given to the shadows that were, as far as they are still served.
        """
        for name, shadow in self._shadows.items():
            shadow.become(servables.get(name))
        self.settle()
        for name in self._shadows.keys() - followed.keys():
            self._shadows.pop(name).become(None)
        shadows: dict[str, list[Shadow]] = {}
        for name, primary in followed.items():
            if name not in self._shadows:
                self._shadows[name] = Shadow(partial(self._report, name))
            shadow = self._shadows[name]
            shadow.become(servables[name])
            shadow.follow(servables[primary])
            shadows.setdefault(primary, []).append(shadow)
        return {name: Shadowed(servables[name], each, self.owe) for name, each in shadows.items()}

    def statistics(self, name: str) -> dict[str, object] | None:
        """What `!stats` tells of a model as a shadow; None where it is none."""
        shadow = self._shadows.get(name)
        return None if shadow is None else shadow.statistics()

    def owe(self, portion: Portion, shadows: Sequence[Shadow]) -> None:
        """Give a portion to these shadows at the end of the turn."""
        if self.paused or self._waiting_bytes + portion.size_bytes > MOST_WAITING_BYTES:
            for shadow in shadows:
                shadow.findings.left_out += portion.examples
            return
        self._waiting.append((portion, shadows))
        self._waiting_bytes += portion.size_bytes
        if not self._expected:
            self._expected = True
            self._later(self._end_turn)

    def settle(self) -> None:
        """Give what waits now: before a model is closed, for one."""
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for portion, shadows in waiting:
            for shadow in shadows:
                shadow.take(portion)

    def close(self) -> None:
        """Give what waits, and nothing any more: the models are going to be closed."""
        self.arrange({}, {name: shadow.servable for name, shadow in self._shadows.items() if shadow.servable})

    def _end_turn(self) -> None:
        self._expected = False
        self.settle()


class Shadowed:
    """A model with shadows, as connections see it; see vwserve.wire.models.Model.

    `owe` sees to it that a portion comes to the shadows.
    """

    def __init__(
        self, primary: Servable, shadows: Sequence[Shadow], owe: Callable[[Portion, Sequence[Shadow]], None]
    ) -> None:
        self.primary = primary
        self.multiline = primary.multiline
        self.spaceless = primary.spaceless
        self._shadows = shadows
        self._owe = owe
        self._shares = bool(primary.fingerprints)  # it may have a transform in common with a shadow

    def answer_ordinary(self, chunk: bytes) -> bytes | None:
        """Answer a chunk of single-line examples in VW's form; None, having done nothing, where a line is unusual."""
        before = Account.of(self.primary)
        joint = None
        if self._shares:
            joint = Together([self.primary], lines_of(chunk))
            answers = joint.answer_ordinary()
            text = None if answers is None else answers[0]
        else:
            text = self.primary.answer_ordinary(chunk)
        if text is not None:
            self.owe_lines(before, chunk, text, joint)
        return text

    def answer(self, chunk: bytes) -> bytes:
        """Answer a chunk of single-line examples in VW's form, by one error line each that is none."""
        before = Account.of(self.primary)
        text = self.primary.answer(chunk)
        self.owe_lines(before, chunk, text)
        return text

    def answer_each(self, lines: Sequence[bytes]) -> Sequence[Reply]:
        """Answer single-line examples one by one."""
        before = Account.of(self.primary)
        replies = self.primary.answer_each(lines)
        self.owe_replies(before, lines, replies)
        return replies

    def answer_groups(self, groups: Groups) -> Sequence[bytes]:
        """Answer multi-line examples, each in VW's form (several lines) or by one error line."""
        before = Account.of(self.primary)
        texts = self.primary.answer_groups(groups)
        refused = [text.startswith(_ERROR) for text in texts]
        stretches = [Stretch(each, not wrong) for each, wrong in _runs(groups, refused)]
        size_bytes = sum(len(line) for group in groups for line in group)
        self._owe_portion(before, stretches, size_bytes)
        return texts

    def group_fault(self, lines: Sequence[bytes]) -> RequestError | None:
        """Say why lines make no multi-line example of this model."""
        return self.primary.group_fault(lines)

    # -- for those who ask the primary themselves ----------------------------------------------------------------------

    def owe_lines(self, before: Account, chunk: bytes, text: bytes, joint: Together | None = None) -> None:
        """Have the shadows given a chunk that the primary has answered by `text` since it stood at `before`."""
        came_to = Account.of(self.primary).since(before)
        if not came_to.refused:
            self._owe(Portion(self.primary, came_to, [Stretch(chunk)], len(chunk), joint), self._shadows)
            return
        lines = lines_of(chunk)
        answers = one_each(text, len(lines))
        if len(answers) == len(lines):
            self._owe_sifted(before, lines, [each.startswith(_ERROR) for each in answers])
        else:  # nobody can say which were refused
            self._owe_portion(before, [Stretch(chunk, taken=False)], len(chunk))

    def owe_replies(self, before: Account, lines: Sequence[bytes], replies: Sequence[Reply]) -> None:
        """Have the shadows given lines that the primary has answered by `replies` since it stood at `before`."""
        self._owe_sifted(before, lines, [reply.refused for reply in replies])

    def _owe_sifted(self, before: Account, lines: Sequence[bytes], refused: Sequence[bool]) -> None:
        stretches = [Stretch(block_of(each), not wrong) for each, wrong in _runs(lines, refused)]
        self._owe_portion(before, stretches, sum(map(len, lines)))

    def _owe_portion(self, before: Account, stretches: Sequence[Stretch], size_bytes: int) -> None:
        if stretches:
            came_to = Account.of(self.primary).since(before)
            self._owe(Portion(self.primary, came_to, stretches, size_bytes), self._shadows)


def _runs(examples: Sequence[Example], refused: Sequence[bool]) -> list[tuple[list[Example], bool]]:
    """The consecutive examples that were refused, or were not, with which of it they were."""
    pairs = zip(examples, refused, strict=True)
    return [([each for each, _ in run], wrong) for wrong, run in groupby(pairs, key=lambda pair: pair[1])]
