"""Seeded streams of example lines, one generator for each kind of label: labelled, unlabelled, tagged, plain and odd.

The first feature of an example tells its label, so that a model that learns answers otherwise than one that does not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

Stream = Callable[[random.Random], bytes]

_WORDS = ["a", "b", "bb", "city:berlin", "ü", "x^y", "12", "-7", "1e5", "u_s.e/r", "=", '"q"', "naïve", "(", "%41"]


def features(rng: random.Random, hint: object = 0) -> bytes:
    """The namespaces of an example: weights, values, anonymous ones, empty ones, tabs and runs of spaces."""
    parts = [f"|f h{hint}"]
    for _ in range(rng.randrange(1, 6)):
        name, value = rng.choice(_WORDS), _number(rng)
        parts.append(name if rng.random() < 0.5 or ":" in name else f"{name}:{value}")
    if rng.random() < 0.2:
        parts.append(rng.choice([":2.5", ":-1", " tabbed\tfeature:3", "zero:0", "colons:a:b"]))
    parts += [f"|{rng.choice('gh')} n{rng.randrange(9)} m{rng.randrange(9)}:{_number(rng)}"]
    if rng.random() < 0.4:
        parts.append(
            rng.choice(
                ["|w:2.5 heavy", "| anonymous :3", "|empty", "|", "|f again:2", "|long_name k1 k2", "|t\ttab  gap"]
            )
        )
    return " ".join(parts).encode() + (b" " if rng.random() < 0.1 else b"")


def _number(rng: random.Random) -> str:
    return rng.choice(
        [
            f"{rng.uniform(-2, 2):.3f}",
            f"{rng.uniform(0, 1):.6g}",
            str(rng.randrange(5)),
            rng.choice([".5", "1.", "-.25", "1e-3", "2E-1", "+2", "1e+1", "0.00001", "007", "0.1234567890123"]),
        ]
    )


def tag(rng: random.Random) -> bytes:
    """What may stand between a label and the first bar: mostly nothing, else a tag in one of its forms."""
    return rng.choice(
        [b" ", b" ", b" ", b"   ", b" 'tag%d " % rng.randrange(99), b" 't", b" '", b" bare%d" % rng.randrange(9)]
    )


def simple(rng: random.Random, labels: Iterable[str] = ("-1", "1", "0.5", "2.25", "0", "-3e-1", "+1")) -> bytes:
    """`[label [importance [initial]]] ['tag]`."""
    label = rng.choice([*labels])
    more = rng.choice(["", "", "", " 2", " 0.5", " 1 0.25", " 2  -0.5", " 0"])
    return _maybe(rng, label + more) + features(rng, label)


def unweighted(rng: random.Random) -> bytes:
    """A label, and no importance."""
    return _maybe(rng, rng.choice(("-1", "1", "0.5", "2.25", "0"))) + features(rng)


def binary(rng: random.Random) -> bytes:
    """A label of -1 or 1."""
    return simple(rng, ("-1", "1"))


def counts(rng: random.Random) -> bytes:
    """A label that counts something."""
    return simple(rng, ("0", "1", "2", "5"))


def shares(rng: random.Random) -> bytes:
    """A label from 0 to 1."""
    return simple(rng, ("0", "1", "0.25", ".5"))


def multiclass(rng: random.Random, classes: Iterable[object] = range(1, 6)) -> bytes:
    """`[class [importance]] ['tag]`."""
    label = str(rng.choice([*classes]))
    return _maybe(rng, label + rng.choice(["", "", " 2", " 0.5"])) + features(rng, label)


def zero_based(rng: random.Random) -> bytes:
    """Classes from zero."""
    return multiclass(rng, range(5))


def named(rng: random.Random) -> bytes:
    """Classes with names."""
    return multiclass(rng, ("cat", "dog", "bird"))


def costs(rng: random.Random) -> bytes:
    """`[class:cost ...] ['tag]`."""
    classes = sorted(rng.sample(range(1, 6), rng.choice([1, 3, 5])))
    known = rng.random() < 0.8
    label = " ".join(f"{each}:{rng.choice(['0', '1', '2.5', '-1'])}" if known else str(each) for each in classes)
    return _maybe(rng, label) + features(rng, classes[0])


def bandit(rng: random.Random) -> bytes:
    """`[action:cost:probability] ['tag]`."""
    action = rng.randrange(1, 6)
    label = f"{action}:{rng.choice(['0', '1', '-2', '0.5'])}:{rng.choice(['0.2', '1', '.75', '0.05'])}"
    return _maybe(rng, label) + features(rng, action)


def continuous(rng: random.Random) -> bytes:
    """`[ca action:cost:density] ['tag]`."""
    label = f"ca {rng.uniform(0, 32):.2f}:{rng.choice(['0', '1', '0.5'])}:{rng.choice(['0.05', '0.5', '1.5'])}"
    return _maybe(rng, label) + features(rng, label[3])


def multilabel(rng: random.Random) -> bytes:
    """`[class,...] ['tag]`."""
    classes = sorted(rng.sample(range(5), rng.randrange(1, 4)))
    return _maybe(rng, ",".join(map(str, classes))) + features(rng, classes[0])


def _maybe(rng: random.Random, label: str) -> bytes:
    """The label and a tag, or in one of five lines no label."""
    if rng.random() < 0.2:
        return rng.choice([b"", b"", b"'tag ", b"  ", b"bare", b"'t"])
    return label.encode() + tag(rng)


# -- multi-line examples ---------------------------------------------------------------------------------------------


def actions(rng: random.Random, form: Callable[[random.Random, int], str]) -> list[bytes]:
    """An example of two to five lines, sometimes after a shared line; `form` gives the label of the chosen one."""
    count = rng.randrange(2, 6)
    chosen = rng.randrange(count) if rng.random() < 0.8 else -1
    lines = [b"shared " + features(rng)] if rng.random() < 0.5 else []
    for action in range(count):
        label = form(rng, action).encode() + b" " if action == chosen else b""
        lines.append(label + rng.choice([b"", b"", b"'tag "]) + features(rng, action))
    return lines


def bandit_actions(rng: random.Random) -> list[bytes]:
    """For `--cb_adf` and `--cb_explore_adf`."""
    return actions(
        rng, lambda rng, action: f"{action}:{rng.choice(['0', '1', '-0.5'])}:{rng.choice(['0.25', '0.5', '1'])}"
    )


def costed_actions(rng: random.Random) -> list[bytes]:
    """For `--csoaa_ldf` and `--wap_ldf`: all lines have a cost, or none."""
    known = rng.random() < 0.8
    lines = [b"shared " + features(rng)] if rng.random() < 0.4 else []
    for action in range(1, rng.randrange(3, 6)):
        label = f"{action}:{rng.choice(['0', '1', '2.5'])} " if known else f"{action} "
        lines.append(label.encode() + rng.choice([b"", b"", b"'tag "]) + features(rng, action))
    return lines


def slots(rng: random.Random) -> list[bytes]:
    """For `--ccb_explore_adf`."""
    count = rng.randrange(2, 5)
    lines = [b"ccb shared " + features(rng)]
    lines += [b"ccb action " + features(rng, action) for action in range(count)]
    for _ in range(rng.randrange(1, count + 1)):
        outcome = rng.choice(["", f"{rng.randrange(count)}:{rng.choice(['0', '1', '-1'])}:0.5 ", "1:1:0.75,0:0.25 "])
        included = rng.choice(["", "", ",".join(map(str, range(count))) + " "])
        lines.append(f"ccb slot {outcome}{included}".encode() + features(rng, "slot"))
    return lines


def slates(rng: random.Random) -> list[bytes]:
    """For `--slates`."""
    offered = [rng.randrange(1, 4) for _ in range(rng.randrange(1, 4))]
    known = rng.random() < 0.7
    lines = [b"slates shared " + (b"%d " % rng.randrange(-1, 2) if known else b"") + features(rng)]
    for slot, count in enumerate(offered):
        lines += [b"slates action %d " % slot + features(rng, choice) for choice in range(count)]
    for count in offered:
        label = b"%d:0.5 " % rng.randrange(count) if known else b""
        lines.append(b"slates slot " + label + features(rng, "slot"))
    return lines


def words(rng: random.Random) -> list[bytes]:
    """For `--search`: a sentence, each word with its class."""
    return [multiclass(rng, (1, 2, 3)) for _ in range(rng.randrange(1, 5))]


def stream(form: Stream, count: int, seed: int = 1) -> list[bytes]:
    """`count` lines of a form."""
    rng = random.Random(seed)
    return [form(rng) for _ in range(count)]


def groups(form: Callable[[random.Random], list[bytes]], count: int, seed: int = 1) -> list[list[bytes]]:
    """`count` multi-line examples of a form."""
    rng = random.Random(seed)
    return [form(rng) for _ in range(count)]


# -- what is no example ----------------------------------------------------------------------------------------------

_WORDS_ASTRAY = (
    b"nan inf -inf 1e30 1e-99 0e99 0x1f 1. .5e3 -0 + - . e E5 1e12 1e6 1e-45 99999999999999999999 4294967295 "
    b"1:2 1:2:0.5 1:2:3:4 0:1:0.5 1:1:0 1:1:1e-30 1:1:-1 1:1:2 0:1:0.5,1:0.5 0:0.5,1:0.5 1,2 2,1 , : :: 0 1 5 6 "
    b"shared label:3 ca save @ ! ' | || |f:0 |f:1e12 |:2 |f:2:3 |f:x a:1e12 a:-1e12 a:1x a:e a: :nan a:b|"
)
_SPLINTERS = [
    *_WORDS_ASTRAY.split(),
    *(b"ccb slot", b"ccb action", b"slates slot", b"slates action 1", b"ca 1:2:3", b"ca nan:1:1", b"1 1 1", b"1 -1"),
    *(b"1 0", b"0" * 5000, b"1" * 5000, b" ", b"\t", b"\r", b"\0", b"\x7f", b"\xff", b"\xef\xbb\xbf"),
]


def mutated(rng: random.Random, line: bytes, others: Sequence[bytes]) -> bytes:
    """A line with a few bytes flipped, left out, put in, or with the end of another; never with a newline."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        # Half of the faults are in the label.
        reach = line.find(b"|") + 2 if rng.random() < 0.5 else len(line)
        start = rng.randrange(max(1, min(reach, len(line))))
        before, after = line[:start], line[start:]
        words = line.split(b" ")
        words[rng.randrange(len(words))] = rng.choice(_SPLINTERS)
        line = rng.choice(
            [
                before + bytes([(after or b"x")[0] ^ (1 << rng.randrange(8))]) + after[1:],
                before + after[rng.randrange(1, 6) :],
                before + rng.choice(_SPLINTERS) + after,
                before + b" " + rng.choice(_SPLINTERS) + b" " + after,
                before + bytes([rng.choice(b" :|'\t.-+e0159,@ax")]) + after,
                before + rng.choice(others)[start:],
                b" ".join(words),
            ]
        ).replace(b"\n", b"")
    return line or b"x"


def spoilt(form: Stream, count: int, seed: int = 1) -> list[bytes]:
    """A stream of a form in which two of three lines are mutated."""
    rng = random.Random(seed)
    sound = stream(form, 100, seed)
    return [mutated(rng, line, sound) if rng.random() < 0.67 else line for line in rng.choices(sound, k=count)]
