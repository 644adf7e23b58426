"""Whatever happened to a model, it is bit for bit the one that learned the examples of its lineage in their order.

What it should be is kept apart, in lists: each example with its number, and what each snapshot had learned.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from tests.durability.states import Around, assert_same, blueprint, flip, kill, learn, roll_back
from vwserve.durability.durable import Durable
from vwserve.errors import StateError


@dataclass(frozen=True)
class Kind:
    """A kind of model: some configurations, of which one is drawn at each start, and its examples by number."""

    texts: tuple[str, ...]
    example: Callable[[int], Sequence[bytes]]
    others: Sequence[bytes] = (b"|f a", b"no example")


def features(n: int) -> bytes:
    """Features of which some are those of other examples."""
    return b"|f %s x%d |g y%d:0.%d" % (b"abcdefg"[n * 5 % 7 :][:1], n % 11, n % 5, n)


KINDS = {
    "regression": Kind(
        ("vw: -b 10", "vw: -b 10 --noconstant", "vw: -b 10 --ignore g"), lambda n: [b"%d " % (n % 3) + features(n)]
    ),
    "classes": Kind(("vw: -b 10 --oaa 3", "vw: -b 10 --oaa 4"), lambda n: [b"%d " % (n % 3 + 1) + features(n)]),
    "networks": Kind(("vw: -b 10 --nn 2", "vw: -b 10 --nn 3"), lambda n: [b"%d " % (n % 3) + features(n)]),
    "transforms": Kind(
        (
            "vw: -b 10\ntransforms: [{kind: upper, input: f, output: F}]",
            "vw: -b 10\ntransforms: [{kind: upper, input: g, output: F}]",
        ),
        lambda n: [b"%d " % (n % 3) + features(n)],
        (b"|f a", b"1 |f boom |g boom"),
    ),
    "bandits": Kind(
        ("vw: -b 10 --cb_adf", "vw: -b 10 --cb_adf --cb_type dr"),
        lambda n: [b"shared " + features(n), b"0:%d:0.5 |a b%d" % (n % 3, n % 7), b"|a c", b""],
        (b"shared |f a", b"|a c", b"|a d", b""),
    ),
}


@dataclass
class Taken:
    """A snapshot: what counted then for its model, and what that had really learned."""

    text: str
    counting: list[int]
    learned: list[int]
    position: int
    good: bool = True
    described: bool = True


@dataclass
class Expected:
    """What a model should be: which examples came, which of them count, and which it has learned, in that order.

    `learned`, `journaled` and `left_out` are sequence numbers. What is in neither, up to `position`, is lost.
    """

    text: str
    lines: dict[int, Sequence[bytes]] = field(default_factory=dict)
    journaled: set[int] = field(default_factory=set)
    learned: list[int] = field(default_factory=list)
    left_out: set[int] = field(default_factory=set)
    position: int = 0
    taken: dict[int, Taken] = field(default_factory=dict)

    def counting(self, after: int, upto: int) -> list[int]:
        """The numbers that count for this model."""
        return [n for n in range(after + 1, upto + 1) if n not in self.left_out]

    def base(self, wanted: list[int]) -> tuple[list[int], list[int]]:
        """What the newest snapshot on the way to these had learned, and which of these are to be learned again."""
        for _, each in sorted(self.taken.items(), reverse=True):
            if each.good and each.text == self.text and each.counting == wanted[: len(each.counting)]:
                return each.learned, wanted[len(each.counting) :]
        return [], wanted

    def forget(self) -> None:
        """The process died: what was in no journal and no snapshot never came."""
        described = [each.position for each in self.taken.values() if each.described]
        self.position = max([0, *described, *self.journaled, *self.left_out])

    def recover(self) -> bool:
        """Expect the model from what is left; false where nothing is."""
        wanted = self.counting(0, self.position)
        base, again = self.base(wanted)
        if again == wanted and again and again[0] not in self.journaled:
            return False
        self.learned = [*base, *(n for n in again if n in self.journaled)]
        self.left_out |= {n for n in again if n not in self.journaled}
        return True


class History:
    """One model, to which a random sequence of things happens in `folder`; `story` tells of them."""

    def __init__(self, kind: Kind, rng: Random, folder: Path) -> None:
        self.kind = kind
        self.rng = rng
        self.folder = folder
        self.state = folder / "state" / "m"
        self.around = Around()
        self.expected = Expected(kind.texts[0])
        self.journal, self.count, self.synced = True, 0, 0
        self.story: list[str] = []
        self.durable = self.open()

    def go_on(self) -> None:
        """Something happens."""
        happens = self.rng.choices(
            [self.learn, self.predict, self.tick, self.snapshot, self.roll_back, self.harm_a_snapshot, self.restart],
            [6, 1, 1, 4, 3, 1, 3],
        )[0]
        happens()
        assert self.durable.unready == ""
        assert self.durable.position == self.expected.position

    def end(self) -> None:
        """Whatever it was, the process is killed in the end."""
        self.check()
        kill(self.durable, self.state)

    def open(self, text: str | None = None, on_change: str = "refuse") -> Durable:
        """Open the state."""
        journal = "{sync: everysec, keep: 7d}" if self.journal else "false"
        text = f"{text or self.expected.text}\njournal: {journal}\non_change: {on_change}\n"
        return self.around.open(blueprint(self.folder, text), self.state)

    def check(self) -> None:
        """See whether the model is what it should be."""
        lines = [line for number in self.expected.learned for line in self.expected.lines[number]]
        assert_same(self.durable.servable, self.durable.blueprint, lines, self.kind.others)

    # -- what clients do -----------------------------------------------------------------------------------------------

    def learn(self) -> None:
        """Examples come, perhaps among lines of which nothing is learned."""
        expected, odd = self.expected, self.rng.random() < 0.3
        sent: list[bytes] = []
        for _ in range(self.rng.randint(1, 6)):
            self.count += 1
            lines = self.kind.example(self.count)
            expected.position += 1
            expected.lines[expected.position] = lines
            expected.learned.append(expected.position)
            if self.journal:
                expected.journaled.add(expected.position)
            sent += [*lines, *self.kind.others] if odd else lines
        self.story.append(f"learn up to {expected.position}")
        learn(self.durable, sent)

    def predict(self) -> None:
        """Requests come that teach nothing."""
        learn(self.durable, self.kind.others)

    # -- what the daemon does ------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Time passes."""
        self.around.clock.now += 1.5
        assert not self.durable.tick()
        self.synced = self.expected.position

    def snapshot(self) -> None:
        """A snapshot is taken, perhaps while the model learns."""
        expected = self.expected
        taken = Taken(expected.text, expected.counting(0, expected.position), [*expected.learned], expected.position)
        self.durable.take()
        self.story.append(f"take at {taken.position}")
        if self.rng.random() < 0.3:
            self.learn()
        snapshot = self.durable.finish()
        assert snapshot.moment.journal == taken.position
        expected.taken[snapshot.number] = taken
        self.synced = max(self.synced, taken.position)

    # -- what the operator does ----------------------------------------------------------------------------------------

    def roll_back(self) -> None:
        """Go back to a snapshot, perhaps learn again what came then, or some of it."""
        expected, rng = self.expected, self.rng
        there = [number for number, each in expected.taken.items() if each.described]
        number = rng.choice([*there, *there, 0])
        to = expected.taken[number] if number else Taken(expected.text, [], [], 0)
        at, until = expected.position, None
        skip: list[tuple[int, int]] = []
        if self.journal and rng.random() < 0.7:
            until = rng.choice([None, rng.randint(to.position, at)])
            for _ in range(rng.randint(0, 2)):
                first = rng.randint(1, at + 2)
                skip.append((first, rng.randint(first, at + 2)))
        self.story.append(f"back to {number} until {until} without {skip} at {at}")
        upto = until if until is not None else at if skip else to.position
        skipped = {n for first, last in skip for n in range(first, last + 1)}
        wanted = [n for n in [*to.counting, *range(to.position + 1, upto + 1)] if n not in skipped]
        base, again = expected.base(wanted)
        with ExitStack() as refused:
            if to.text != expected.text:
                refused.enter_context(pytest.raises(StateError, match="is of a model made otherwise"))
            elif not expected.journaled.issuperset(again):
                refused.enter_context(pytest.raises(StateError, match="to be learned again"))
            roll_back(self.durable, self.durable.described(number) if number else None, until, skip)
            expected.left_out = set(range(1, at + 1)).difference(wanted)
            expected.learned = [*base, *again]
            self.check()

    def harm_a_snapshot(self) -> None:
        """A file is spoilt."""
        expected = self.expected
        numbers = [number for number, each in expected.taken.items() if each.good]
        if not numbers:
            return
        number, description = self.rng.choice([*numbers[-2:], *numbers]), self.rng.random() < 0.3
        file = self.state / "snapshots" / f"{number}.{'json' if description else 'vw'}"
        if description:
            os.truncate(file, file.stat().st_size // 2)
        else:
            flip(file)
        self.story.append(f"harm {file.name}")
        expected.taken[number].good, expected.taken[number].described = False, not description

    def restart(self) -> None:
        """The process ends, one way or another, and another begins, perhaps with another configuration."""
        expected, rng = self.expected, self.rng
        if rng.random() < 0.4:
            self.close()
        else:
            self.story.append("kill")
            kill(self.durable, self.state)
            if rng.random() < 0.4:
                self.cut_the_power()
        self.journal = self.journal != (rng.random() < 0.3)
        text = rng.choice([expected.text, expected.text, *self.kind.texts])
        on_change = rng.choice(["refuse", "fresh", "replay"] if self.journal else ["refuse", "fresh"])
        self.story.append(f"open {text!r} {on_change} {'with' if self.journal else 'without'} a journal")
        expected.forget()
        if text != expected.text:
            learned = bool(expected.counting(0, expected.position))
            if learned and on_change == "refuse":
                with pytest.raises(StateError, match="otherwise"):
                    self.open(text, on_change)
                text = expected.text
            else:
                expected.text = text
                if not learned or on_change == "fresh":
                    expected.left_out = set(range(1, expected.position + 1))
        if not expected.recover():
            with pytest.raises(StateError, match="this model needs those from"):
                self.open(text, on_change)
            self.story.append("begin anew")
            shutil.rmtree(self.state)
            self.expected = Expected(text)
        self.durable = self.open(text, on_change)
        self.synced = expected.position
        self.check()

    def cut_the_power(self) -> None:
        """What was not synced is gone from the end of the journal, where half an example may be left."""
        expected, rng = self.expected, self.rng
        unsynced = sorted(n for n in expected.journaled if n > self.synced)
        lost = unsynced[rng.randint(0, len(unsynced)) :]
        if lost:
            self.story.append(f"cut the power, lose {lost}")
            file = max((self.state / "journal").glob("*.dat"))
            lost_bytes = sum(len(line) + 1 for n in lost for line in expected.lines[n])
            os.truncate(file, file.stat().st_size - lost_bytes + rng.choice([0, 7]))
            expected.journaled.difference_update(lost)

    def close(self) -> None:
        """End as the daemon does: with a last snapshot of what is new."""
        expected, changed = self.expected, self.durable.changed
        self.story.append(f"close, changed: {changed}")
        self.durable.close()
        numbers = {int(path.stem) for path in (self.state / "snapshots").glob("*.json")} - set(expected.taken)
        assert len(numbers) == changed
        counting = expected.counting(0, expected.position)
        for number in numbers:
            expected.taken[number] = Taken(expected.text, counting, [*expected.learned], expected.position)


@pytest.mark.parametrize(
    ("kind", "seed"), [*(("regression", seed) for seed in range(1, 5)), *((kind, 0) for kind in KINDS)]
)
def test_a_model_is_always_the_one_that_learned_the_examples_of_its_lineage(
    kind: str, seed: int, tmp_path: Path
) -> None:
    history = History(KINDS[kind], Random(seed), tmp_path)
    try:
        for _ in range(30):
            history.go_on()
        history.end()
    except BaseException:
        print(*history.story, sep="\n")
        raise
