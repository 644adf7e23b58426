"""For authors of plugins: one battery of checks that any transform can be put through."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np

from vwserve.learner import Bounds
from vwserve.transforms import Artifact, Batch, NumberReader, Transform, TransformError
from vwserve.transforms.artifact import digest, reread
from vwserve.transforms.errors import told
from vwserve.transforms.stated import Fingerprint, Stated, make, texts_of
from vwserve.transforms.transform import LabelledBatch

# A value that VW takes for a word: `city:berlin`.
_WORD = re.compile(rb"[^0-9.+\-eEiInN]")

_HEADS = (b"", b"1 ", b"-7.5 2 ", b"0 1 0.5 'tag", b"'t ")

_LINES = 60
_BATCH_LINES = 25
_CALLS = 2000


def check_transform(transform: type[Transform[Any]], options: Any, lines: Sequence[bytes], *, seed: int = 0) -> None:
    """Check that a transform keeps what the interface promises, on `lines` like those that it is meant for.

    Lines are labelled if the transform is fitted. Raises AssertionError, with the promise that is broken, where

    * fitting the same lines twice gives different artifacts, or one that JSON cannot hold;
    * `reads`, `writes`, `arguments`, `remarks` or `describe` fail, or give anything but lists or tuples of texts;
    * `apply` gives another text for a line when other lines stand with it, or in another order, the second time or
      after some thousand calls;
    * it changes the batch, or depends on a namespace that it does not read, or on label, importance or tag;
    * it does not give one text a line for exactly the namespaces that it writes, or gives one that is no features, or a
      number for one of the lines that a daemon would refuse;
    * it fails on lines without the namespaces that it reads, or with words or great numbers where it expects others.
    """
    chance = random.Random(seed)
    artifact = _fitted(transform, options, lines) if transform.fitted else {}
    stated = _made(transform, options, artifact)
    sample = list(islice(lines, _LINES))
    strange = [*sample, *(_mutated(line, stated.reads, chance) for line in sample), b"|", b"1 |zz q", b"no bar"]
    for line in sample:
        for namespace, features in _derived(stated, [line])[0].items():
            _check_magnitude(namespace, features)
    alone = [_derived(stated, [line])[0] for line in strange]
    assert _derived(stated, strange) == alone, "a line's features change when other lines stand with it"
    assert _derived(stated, strange) == alone, "the second time gives something else"
    order = list(range(len(strange)))
    chance.shuffle(order)
    mixed = _derived(stated, [strange[place] for place in order])
    assert mixed == [alone[place] for place in order], "a line's features change with the order of the lines"
    again = _made(transform, options, reread(artifact))
    assert _derived(again, strange) == alone, "an equal transform gives something else"
    _check_unread(stated, strange, alone, chance)
    for _ in range(_CALLS):
        with _promise("`apply` gives features for any line"):
            stated.transform.apply(Batch(strange[:1]))
    assert _derived(stated, strange) == alone, f"after {_CALLS} calls it gives something else"


def _made(transform: type[Transform[Any]], options: Any, artifact: Artifact) -> Stated:
    with _promise("it can be made, and states lists or tuples of texts"):
        return make(transform, options, artifact, Fingerprint(transform.kind, transform.version, "", ""))


def _fitted(transform: type[Transform[Any]], options: Any, lines: Sequence[bytes]) -> Artifact:
    with _promise("`fit` learns a dictionary that JSON can hold"):
        first, second = (reread(transform.fit(options, _Examples(lines))) for _ in range(2))
    assert digest(first) == digest(second), "fitting the same lines twice gives different artifacts"
    with _promise("`describe` gives lines of text"):
        texts_of(transform.describe(first), "what it gives")
    return first


@contextmanager
def _promise(promise: str) -> Iterator[None]:
    """Tell whatever is raised as the promise that it breaks."""
    try:
        yield
    except TransformError as error:
        raise AssertionError(f"broken: {promise}: {error}") from error
    except AssertionError:
        raise
    except (Exception, SystemExit) as error:
        raise AssertionError(f"broken: {promise}: {told(error)}") from error


def _derived(stated: Stated, lines: Sequence[bytes]) -> list[dict[str, list[bytes]]]:
    """What a transform adds to each line, as sorted features."""
    batch, untouched = Batch(lines), Batch(lines)
    _shared(batch, stated.reads)  # so that it gets what others get, too
    with _promise("`apply` gives features for any line"):
        derived = stated.transform.apply(batch)
    assert _same(_shared(batch, stated.reads), _shared(untouched, stated.reads)), "it changed the batch"
    assert isinstance(derived, Mapping), f"`apply` gives a {type(derived).__name__}, not a mapping of namespaces"
    written = set(stated.writes)
    assert derived.keys() == written, f"it writes {set(derived)}, but says {written}"
    for namespace, texts in derived.items():
        assert isinstance(texts, (list, tuple)), (
            f"`apply` gives a {type(texts).__name__} for {namespace!r}, not a list of a text for each line"
        )
        assert len(texts) == len(lines), f"{len(texts)} texts for {len(lines)} lines in {namespace!r}"
        for text in texts:
            assert type(text) is bytes, f"`apply` gives a {type(text).__name__} in {namespace!r}; its texts are bytes"
            _check_features(text)
    return [{name: derived[name][place].split() for name in sorted(derived)} for place in range(len(lines))]


def _shared(batch: Batch, namespaces: Sequence[str]) -> list[Any]:
    """What a batch gives to all transforms: its lines, and of the namespaces the features and some numbers."""
    shared: list[Any] = [batch.lines]
    for namespace in namespaces:
        features = tuple(batch.features(namespace))
        names = sorted({word.partition(b":")[0] for text in features for word in text.split()})[:5]
        reader = NumberReader([name.decode("utf-8", "replace") for name in names])
        shared += [features, tuple(batch.rows(namespace, reader)), batch.numbers(namespace, reader)]
    return shared


def _same(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Whether two batches give the same; NaN is equal to itself there."""
    return len(left) == len(right) and all(repr(one) == repr(other) for one, other in zip(left, right))


def _check_unread(
    stated: Stated, lines: Sequence[bytes], expected: Sequence[Mapping[str, Sequence[bytes]]], chance: random.Random
) -> None:
    """Alter, one after another, all that the transform does not say it reads."""
    other = "it depends on the namespace {!r}, which it does not say it reads"
    if "unread_namespace" not in stated.reads:
        more = [line + b" |unread_namespace some:1 features" if b"|" in line else line for line in lines]
        assert _derived(stated, more) == expected, "it depends on a namespace that it does not say it reads"
    names = dict.fromkeys(name for line in lines for name, _ in _namespaces(line))
    for name in names:
        if name.decode("utf-8", "replace") in stated.reads:
            continue
        for change in (_without, _altered):
            changed = [change(line, name, chance) for line in lines]
            assert _derived(stated, changed) == expected, other.format(name.decode("utf-8", "replace"))
    headed = [chance.choice(_HEADS) + line[line.index(b"|") :] if b"|" in line else line for line in lines]
    assert _derived(stated, headed) == expected, "it depends on label, importance or tag, which it is not given to read"


def _namespaces(line: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name of each namespace of a line, and its text from the name on."""
    for text in line.split(b"|")[1:]:
        head = re.split(rb"[ \t]", text, maxsplit=1)[0]
        yield head.partition(b":")[0], text


def _without(line: bytes, name: bytes, _: random.Random) -> bytes:
    """The line without a namespace."""
    if b"|" not in line:
        return line
    kept = [text for each, text in _namespaces(line) if each != name]
    return line.partition(b"|")[0] + b"|" + b"|".join(kept)


def _altered(line: bytes, name: bytes, chance: random.Random) -> bytes:
    """The line with other features in a namespace."""
    if b"|" not in line:
        return line
    other = b"%s other%d:%d " % (name, chance.randrange(9), chance.randrange(9))
    return b"|".join([line.partition(b"|")[0], *(other if each == name else text for each, text in _namespaces(line))])


def _check_features(text: bytes) -> None:
    assert not any(byte < ord(" ") or byte in b"|\x7f" for byte in text), f"{text!r} has a byte that no feature has"
    for feature in text.split():
        name, colon, value = feature.partition(b":")
        assert name, f"{feature!r} has no name"
        assert not colon or _WORD.match(value) or _is_finite(value), f"{feature!r} has no finite value"


def _is_finite(value: bytes) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except ValueError:
        return False


def _check_magnitude(namespace: str, features: Sequence[bytes]) -> None:
    """Check that a daemon would take the features."""
    most = Bounds().magnitude
    for feature in features:
        _, colon, value = feature.partition(b":")
        if colon and not _WORD.match(value):
            assert abs(float(value)) <= most, f"{feature!r} in {namespace!r} is beyond {most:g}: it is refused"


def _mutated(line: bytes, reads: Sequence[str], chance: random.Random) -> bytes:
    """The line with some of its features gone, doubled, or with a value that is none of those expected."""
    head, *namespaces = line.split(b"|")
    kept = []
    for namespace in namespaces:
        name, *features = namespace.split() or [b""]
        if name.decode("utf-8", "replace") in reads and chance.random() < 0.1:
            continue
        for place, feature in enumerate(features):
            plain = feature.partition(b":")[0]
            values = [b"", b":0", b":-0.0", b":1e30", b":-7", b":word", b":0.1", feature[len(plain) :]]
            features[place] = plain + chance.choice(values)
        chosen = [feature for feature in features if chance.random() < 0.8] + features[:1] * chance.randrange(2)
        kept.append(b" ".join([name, *chosen]))
    return b"|".join([head, *(each + b" " for each in kept)]) if kept else head + b"|"


class _Examples:
    """The lines as `fit` gets them."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[LabelledBatch]:
        for start in range(0, len(self._lines), _BATCH_LINES):
            lines = self._lines[start : start + _BATCH_LINES]
            heads = [_head(line) for line in lines]
            labels = np.array([label for label, _ in heads], np.float64)
            weights = np.array([weight for _, weight in heads], np.float64)
            yield LabelledBatch(Batch(lines), labels, weights)


def _head(line: bytes) -> tuple[float, float]:
    """The label of a line, NaN where it has none, and its importance."""
    words = line.partition(b"|")[0].partition(b"'")[0].split()
    numbers = []
    for word in words[:2]:
        try:
            numbers.append(float(word))
        except ValueError:  # a tag, or a label that is no number
            break
    label, weight = [*numbers, *(np.nan, 1.0)[len(numbers) :]]
    return label, weight
