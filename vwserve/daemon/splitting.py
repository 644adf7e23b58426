"""Splits: names that have no model of their own, but share their examples among several; see `routing`.

A chunk is cut by model, and each model is asked once, so that a split costs the search for the keys and little more.
Journals, snapshots and figures are those of the models; a split counts besides what came through it.

Where a model of a split is missing, the one with the largest share of those that are there takes its examples: clients
of a split see no error because somebody removed a file, and the keys of the others stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import itemgetter
from typing import TypeAlias, TypeVar

from vwserve.daemon.routing import Router
from vwserve.daemon.shadowing import Shadowed
from vwserve.errors import RequestError
from vwserve.learner import Judge, Reply
from vwserve.lines import block_of, lines_of
from vwserve.model.account import Account
from vwserve.model.drop import BY_TAG
from vwserve.model.servable import Servable
from vwserve.model.together import Together
from vwserve.wire.models import Divided, DividedJoint, Fault

View: TypeAlias = Servable | Shadowed
"""A model as connections see it, which is no split."""

Example = TypeVar("Example")
Answer = TypeVar("Answer")


def servable_of(view: View) -> Servable:
    """The servable that answers."""
    return view.primary if isinstance(view, Shadowed) else view


@dataclass(slots=True)
class Arm:
    """A model of a split, by its name: its part of all examples, and what those came to that came through the split."""

    name: str
    share: float
    came_to: Account = field(default_factory=Account)


class Split(Divided):
    """A split as connections see it; see vwserve.wire.models.Model.

    `views` are the models of the arms, None where one is missing; at least one is not, and all are alike multi-line or
    not. `router` gives places among the arms, by what `by` says.
    """

    def __init__(self, arms: Sequence[Arm], views: Sequence[View | None], router: Router, by: str = BY_TAG) -> None:
        there = [place for place, view in enumerate(views) if view is not None]
        stand_in = max(there, key=lambda place: arms[place].share)
        self.arms = arms
        self._router = router
        self._by = by
        self._serving = [place if place in there else stand_in for place in range(len(arms))]
        self._views = {place: view for place, view in enumerate(views) if view is not None}
        self.multiline = self._views[stand_in].multiline
        self.spaceless = all(view.spaceless for view in self._views.values())

    @property
    def parts(self) -> Sequence[str]:
        """The names of its models."""
        return [arm.name for arm in self.arms]

    def arm_of(self, line: bytes) -> int:
        """The place of the arm that serves an example which this line opens."""
        return self._serving[self._router.place(line)]

    def divided(self, lines: Sequence[bytes]) -> dict[int, list[int]]:
        """The places of the arms that serve examples which these lines open, each with the numbers of its lines."""
        arms: dict[int, list[int]] = {}
        for number, line in enumerate(lines):
            arms.setdefault(self.arm_of(line), []).append(number)
        return arms

    def view(self, arm: int) -> View:
        """The model of an arm that serves."""
        return self._views[arm]

    def count(self, arm: int, before: Account) -> None:
        """Count what the model of an arm did for this split since it stood so."""
        came = Account.of(servable_of(self._views[arm])).since(before)
        self.arms[arm].came_to = self.arms[arm].came_to.plus(came)

    def answer_ordinary(self, chunk: bytes) -> bytes | None:
        """Answer a chunk of single-line examples in VW's form; None, having done nothing, where a line is unusual."""
        lines = lines_of(chunk)
        arms = self.divided(lines)
        if len(arms) == 1:
            (arm,) = arms
            return self._ask(arm, lambda view: view.answer_ordinary(chunk))
        if not self.spaceless:
            return None  # an answer may be of one line here and of two there, and whoever asks takes all for alike
        return self._answer_ordinary(lines, arms)

    def _answer_ordinary(self, lines: Sequence[bytes], arms: Mapping[int, Sequence[int]]) -> bytes | None:
        """Answer lines that go to several arms, if all take theirs.

        All but the one with the most lines are asked first whether they do; that one tells by its answer.
        """
        *others, most = sorted(arms, key=lambda arm: len(arms[arm]))
        parts = [_Part.of([self.view(arm)], [0], arms[arm], lines, (self, arm)) for arm in others]
        if not all([part.together.takes() for part in parts]):
            return None
        block = block_of([lines[number] for number in arms[most]])
        text = self._ask(most, lambda view: view.answer_ordinary(block))
        if text is None:
            return None
        answers = [b""] * len(lines)
        for numbers, some in [(arms[most], text), *((part.numbers, part.answer_ordinary()[0]) for part in parts)]:
            for number, answer in zip(numbers, each_answer(some, len(numbers)), strict=True):
                answers[number] = answer
        return b"".join(answers)

    def answer(self, chunk: bytes) -> bytes:
        """Answer a chunk of single-line examples in VW's form, by one error line each that is none."""

        def ask(view: View, some: Sequence[bytes]) -> Sequence[bytes]:
            return each_answer(view.answer(block_of(some)), len(some))

        lines = lines_of(chunk)
        return b"".join(self._answers(lines, lines, ask))

    def answer_each(self, lines: Sequence[bytes]) -> Sequence[Reply]:
        """Answer single-line examples one by one."""

        def ask(view: View, some: Sequence[bytes]) -> Sequence[Reply]:
            return view.answer_each(some)

        return self._answers(lines, lines, ask)

    def answer_groups(self, groups: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
        """Answer multi-line examples, each in VW's form (several lines) or by one error line."""

        def ask(view: View, some: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
            return view.answer_groups(some)

        return self._answers([group[0] for group in groups], groups, ask)

    def group_fault(self, lines: Sequence[bytes]) -> RequestError | None:
        """Say why lines make no multi-line example of the model that they go to."""
        return self.view(self.arm_of(lines[0])).group_fault(lines)

    def statistics(self) -> dict[str, object]:
        """What `!stats` tells of what came through it; null where a figure is none of a split."""
        total = Account()
        for arm in self.arms:
            total = total.plus(arm.came_to)
        losses = {servable_of(view).loss for view in self._views.values()}
        return {
            "state": "ok",
            "learn": any(servable_of(view).learner.learns for view in self._views.values()),
            "multiline": self.multiline,
            "examples": total.examples,
            "learned": total.learned,
            "errors": total.refused,
            "shed": 0,
            "loss": _loss(total) if len(losses) == 1 else None,
            "auc": None,
            "calibration": None,
            "load_factor": 1.0,
            "snapshot": None,
            "journal": None,
            "version": None,
            "transforms": [],
            "split_by": self._by,
            "split": [self._told(place, arm) for place, arm in enumerate(self.arms)],
        }

    def _told(self, place: int, arm: Arm) -> dict[str, object]:
        return {
            "model": arm.name,
            "share": arm.share,
            "served_by": self.arms[self._serving[place]].name,
            "requests": arm.came_to.examples + arm.came_to.refused,
            "labelled": arm.came_to.labelled,
            "loss": _loss(arm.came_to),
        }

    def _ask(self, arm: int, ask: Callable[[View], Answer]) -> Answer:
        view = self.view(arm)
        before = Account.of(servable_of(view))
        answer = ask(view)
        self.count(arm, before)
        return answer

    def _answers(
        self,
        openings: Sequence[bytes],
        examples: Sequence[Example],
        ask: Callable[[View, Sequence[Example]], Sequence[Answer]],
    ) -> list[Answer]:
        """The answers to examples, each by the model that the line goes to which opens it, in their order."""
        answers: dict[int, Answer] = {}
        for arm, numbers in self.divided(openings).items():
            some = [examples[number] for number in numbers]
            answered = self._ask(arm, partial(_applied, ask, some))
            answers.update(zip(numbers, answered, strict=True))
        return [answers[number] for number in range(len(examples))]


@dataclass(frozen=True, slots=True)
class _Part:
    """The lines of these numbers, which all go to these models, each at a place among those that were asked.

    With `arm` they go to one model, which is that of a split.
    """

    views: Sequence[View]
    places: Sequence[int]
    numbers: Sequence[int]
    lines: Sequence[bytes]
    together: Together
    arm: tuple[Split, int] | None = None

    @classmethod
    def of(
        cls,
        views: Sequence[View],
        places: Sequence[int],
        numbers: Sequence[int],
        lines: Sequence[bytes],
        arm: tuple[Split, int] | None = None,
    ) -> _Part:
        """Those lines of a request that have these numbers."""
        some = [lines[number] for number in numbers]
        return cls(views, places, numbers, some, Together(list(map(servable_of, views)), some), arm)

    def answer_ordinary(self) -> Sequence[bytes]:
        """Each model's answers to the lines, which they take."""
        before = self._accounts()
        texts = self.together.answer_ordinary()
        assert texts is not None, "they take them"
        self._count(before)
        for view, stood, text in zip(self.views, before, texts):
            if isinstance(view, Shadowed):
                view.owe_lines(stood, block_of(self.lines), text, self.together)
        return texts

    def answer_each(self, positions: Sequence[int]) -> Sequence[Sequence[Reply]]:
        """Each model's answers to the lines at these positions among its own."""
        before = self._accounts()
        replies = self.together.answer_each(positions)
        self._count(before)
        for view, stood, each in zip(self.views, before, replies):
            if isinstance(view, Shadowed):
                view.owe_replies(stood, [self.lines[position] for position in positions], each)
        return replies

    def _accounts(self) -> list[Account]:
        return [Account.of(servable_of(view)) for view in self.views]

    def _count(self, before: Sequence[Account]) -> None:
        """Have the split count what came through it since its model stood so."""
        if self.arm is not None:
            split, arm = self.arm
            split.count(arm, before[0])


class Joint(DividedJoint):
    """Single-line examples for several models, splits and models with shadows among them.

    Models that are no splits share what servables do (see `Together`); those of a split are asked by themselves, each
    once. No model may be asked twice, be it as one of a split. See vwserve.wire.models.Joint.
    """

    def __init__(self, models: Sequence[View | Split], lines: Sequence[bytes]) -> None:
        self._models = models
        self._lines = lines
        self._opening: bytes | None = None

    def go_together(self, opening: bytes) -> None:
        """Have all lines go to the same models as an example would which this line opens."""
        self._opening = opening

    def answer_ordinary(self) -> list[bytes] | None:
        """Each model's answers in VW's form; None, having served nothing, where a line is unusual for one."""
        if not all([part.together.takes() for part in self._parts]):
            return None
        answers = [[b""] * len(self._lines) for _ in self._models]
        for part in self._parts:
            for place, text in zip(part.places, part.answer_ordinary()):
                for number, answer in zip(part.numbers, each_answer(text, len(part.lines)), strict=True):
                    answers[place][number] = answer
        return list(map(b"".join, answers))

    def faults(self) -> list[Fault | None]:
        """Why each line cannot be served by all, given that those before it are served as far as they can be."""
        standing: dict[View, Judge] = {}
        ways: list[list[tuple[int, View, bytes | RequestError]]] = [[] for _ in self._lines]
        for part in self._parts:
            for number, row in zip(part.numbers, part.together.rows):
                ways[number] += zip(part.places, part.views, row)
            standing |= {view: servable_of(view).learner.trial() for view in part.views}
        return [_fault(standing, sorted(way, key=itemgetter(0))) for way in ways]

    def answer_each(self, places: Sequence[int]) -> list[Sequence[Reply]]:
        """Each model's answers to the lines at these places, which have no fault."""
        wanted = frozenset(places)
        replies: list[dict[int, Reply]] = [{} for _ in self._models]
        for part in self._parts:
            chosen = [position for position, number in enumerate(part.numbers) if number in wanted]
            for place, each in zip(part.places, part.answer_each(chosen)):
                replies[place].update(zip([part.numbers[position] for position in chosen], each, strict=True))
        return [[each[place] for place in places] for each in replies]

    @cached_property
    def _parts(self) -> list[_Part]:
        lines, numbers = self._lines, range(len(self._lines))
        undivided = {place: model for place, model in enumerate(self._models) if not isinstance(model, Split)}
        parts = [_Part.of(list(undivided.values()), list(undivided), numbers, lines)] if undivided else []
        for place, model in enumerate(self._models):
            if isinstance(model, Split):
                arms: Mapping[int, Sequence[int]] = (
                    model.divided(lines) if self._opening is None else {model.arm_of(self._opening): numbers}
                )
                parts += [_Part.of([model.view(arm)], [place], some, lines, (model, arm)) for arm, some in arms.items()]
        return parts


def _loss(account: Account) -> float | None:
    return account.sum_loss / account.weight if account.weight else None


def together(models: Sequence[View | Split], lines: Sequence[bytes]) -> Together | Joint:
    """The same lines for several models."""
    servables = [model for model in models if isinstance(model, Servable)]
    return Together(servables, lines) if len(servables) == len(models) else Joint(models, lines)


def each_answer(text: bytes, count: int) -> list[bytes]:
    """The answers to `count` single-line examples as they stand, each with the empty line that some learners add."""
    lines = text.split(b"\n")[:-1]
    if len(lines) == count:
        return [line + b"\n" for line in lines]
    answers: list[bytes] = []
    for line in lines:
        if line or not answers:
            answers.append(line + b"\n")
        else:
            answers[-1] += b"\n"
    return answers


def _applied(
    ask: Callable[[View, Sequence[Example]], Sequence[Answer]], examples: Sequence[Example], view: View
) -> Sequence[Answer]:
    return ask(view, examples)


def _fault(standing: dict[View, Judge], way: Sequence[tuple[int, View, bytes | RequestError]]) -> Fault | None:
    """The first fault of a line that goes this way; without one, the judges move on."""
    after = {view: standing[view].trial() for _, view, _ in way}
    for place, view, text in way:
        error = text if isinstance(text, RequestError) else after[view].take(text)
        if error is not None:
            return place, error
    standing.update(after)  # what one model refuses, none has met
    return None
