"""Which lines make a multi-line example together: rules that VW checks only half way through learning.

A VW workspace that raises there is not safe to use again, so these are checked before. Sources: cb_adf.cc,
csoaa_ldf.cc, conditional_contextual_bandit.cc and slates.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from vwserve.lines import split_head

Labels = Sequence[Sequence[bytes]]  # the label's words of each line


def group_fault(kind: str, lines: Sequence[bytes]) -> str | None:
    """Say why `lines`, each an example for labels of `kind`, make no multi-line example; None where they do."""
    rule = _RULES.get(kind)
    return rule([split_head(line.partition(b"|")[0])[0] for line in lines]) if rule else None


def _actions(labels: Labels) -> tuple[Labels, str | None]:
    """The lines after a leading `shared`, and what is wrong with another one."""
    shared = bool(labels[0]) and labels[0][0] == b"shared"
    actions = labels[1:] if shared else labels
    if not actions:
        return actions, "no line but 'shared'; at least one action must follow"
    if any(words and words[0] == b"shared" for words in actions):
        return actions, "'shared' may only open a multi-line example"
    return actions, None


def _bandit(labels: Labels) -> str | None:
    actions, fault = _actions(labels)
    if fault is None and sum(any(b":" in word for word in words) for words in actions) > 1:
        return "more than one action has a cost; only the action that was taken has one"
    return fault


def _costs(labels: Labels) -> str | None:
    actions, fault = _actions(labels)
    if fault is None and len({any(b":" in word for word in words) for words in actions}) > 1:
        return "some lines have a cost and some have none"
    return fault


def _ccb(labels: Labels) -> str | None:
    kinds = [words[1] for words in labels]
    actions, slots = kinds.count(b"action"), kinds.count(b"slot")
    if kinds != [b"shared"] * (kinds[0] == b"shared") + [b"action"] * actions + [b"slot"] * slots:
        return "the lines are 'ccb shared', then each 'ccb action', then each 'ccb slot', in this order"
    if kinds[0] != b"shared" or not 0 < slots <= actions:
        return f"{actions} actions and {slots} slots; there is one 'ccb shared', a slot and no more slots than actions"
    for words in labels[1 + actions :]:
        numbers = [part.partition(b":")[0] for word in words[2:] for part in word.split(b",")]
        if any(int(number) >= actions for number in numbers):
            return f"a slot names an action that is not among the {actions} given"
    return None


def _slates(labels: Labels) -> str | None:
    kinds = [words[1] for words in labels]
    actions, slots = kinds.count(b"action"), kinds.count(b"slot")
    if kinds != [b"shared"] + [b"action"] * actions + [b"slot"] * slots or not actions or not slots:
        return "the lines are one 'slates shared', then each 'slates action', then each 'slates slot', in this order"
    choices = [int(words[2]) for words in labels[1 : 1 + actions]]
    if set(choices) != set(range(slots)):
        return f"every one of the {slots} slots needs an action, and every action one of these slots"
    chosen = labels[1 + actions :]
    if len({len(labels[0]) > 2, *(len(words) > 2 for words in chosen)}) > 1:
        return "either the shared line has a cost and every slot its action, or none of them"
    for slot, words in enumerate(chosen):
        offered = choices.count(slot)
        if any(int(pair.partition(b":")[0]) >= offered for word in words[2:] for pair in word.split(b",")):
            return f"slot {slot} names an action that is not among its {offered}"
    return None


_RULES: dict[str, Callable[[Labels], str | None]] = {
    "bandit": _bandit,
    "costs": _costs,
    "ccb": _ccb,
    "slates": _slates,
}


class Role(Enum):
    """What a line of a multi-line example is to the others."""

    SHARED = "its features are lent to every action"
    SLOT = "its features are lent to the actions that may stand in it"
    ACTION = "it is scored"


def role_of(line: bytes) -> Role:
    """The role of a line in its multi-line example."""
    words, _ = split_head(line.partition(b"|")[0])
    if b"shared" in words[:2]:
        return Role.SHARED
    return Role.SLOT if b"slot" in words[:2] else Role.ACTION


def with_lent(lines: Sequence[bytes], sizes: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """The largest value in each namespace of each line, given that of the line alone, with what VW lends it."""
    lent: dict[str, float] = {}
    for line, own in zip(lines, sizes):
        if role_of(line) is not Role.ACTION:
            lent = _largest(lent, own)
    return [_largest(lent, own) for own in sizes] if lent else list(sizes)


def _largest(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {letter: max(one.get(letter, 0.0), other.get(letter, 0.0)) for letter in (*one, *other)}
