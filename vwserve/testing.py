"""For authors of plugins: one battery of checks that any transform can be put through."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from vwserve.transforms import Artifact, Batch, Transform
from vwserve.transforms.artifact import digest
from vwserve.transforms.transform import LabelledBatch

# A value that VW takes for a word: `city:berlin`.
_WORD = re.compile(rb"[^0-9.+\-eEiInN]")

_LINES = 60
_BATCH_LINES = 25


def check_transform(transform: type[Transform[Any]], options: Any, lines: Sequence[bytes], *, seed: int = 0) -> None:
    """Check that a transform keeps what the interface promises, on `lines` like those that it is meant for.

    Lines are labelled if the transform is fitted. Raises AssertionError, with the promise that is broken, where

    * fitting the same lines twice gives different artifacts, or one that JSON cannot hold;
    * `apply` gives another text for a line when other lines stand with it, or in another order, or the second time;
    * it changes the batch, or depends on a feature that it does not read;
    * it does not give one text a line for exactly the namespaces that it writes, or gives one that is no features;
    * it fails on lines without the namespaces that it reads, or with words where it expects numbers.
    """
    chance = random.Random(seed)
    artifact = _fitted(transform, options, lines) if transform.fitted else {}
    made = transform(options, artifact)
    sample = list(islice(lines, _LINES))
    strange = [*sample, *(_mutated(line, made.reads, chance) for line in sample), b"|", b"1 |zz q", b"no bar"]
    alone = [_derived(made, [line])[0] for line in strange]
    assert _derived(made, strange) == alone, "a line's features change when other lines stand with it"
    assert _derived(made, strange) == alone, "the second time gives something else"
    order = list(range(len(strange)))
    chance.shuffle(order)
    mixed = _derived(made, [strange[place] for place in order])
    assert mixed == [alone[place] for place in order], "a line's features change with the order of the lines"
    assert _derived(transform(options, _reread(artifact)), strange) == alone, "an equal transform gives something else"
    unread = [line + b" |unread_namespace some:1 features" if b"|" in line else line for line in strange]
    if not {"unread_namespace"} & set(made.reads):
        assert _derived(made, unread) == alone, "it depends on a namespace that it does not say it reads"


def _fitted(transform: type[Transform[Any]], options: Any, lines: Sequence[bytes]) -> Artifact:
    first, second = (transform.fit(options, _Examples(lines)) for _ in range(2))
    assert digest(first) == digest(second), "fitting the same lines twice gives different artifacts"
    assert all(isinstance(text, str) for text in transform.describe(first)), "`describe` gives no lines of text"
    return _reread(first)


def _reread(artifact: Artifact) -> Artifact:
    """The artifact as it comes back from its file."""
    stored = json.loads(json.dumps(artifact, allow_nan=False))
    assert digest(stored) == digest(artifact), "the artifact does not survive being written as JSON"
    return dict(stored)


def _derived(transform: Transform[Any], lines: Sequence[bytes]) -> list[dict[str, list[bytes]]]:
    """What a transform adds to each line, as sorted features."""
    batch = Batch(list(lines))
    derived = transform.apply(batch)
    assert list(batch.lines) == list(lines), "it changed the lines"
    assert derived.keys() == set(transform.writes), f"it writes {set(derived)}, but says {set(transform.writes)}"
    for namespace, texts in derived.items():
        assert len(texts) == len(lines), f"{len(texts)} texts for {len(lines)} lines in {namespace!r}"
        for text in texts:
            _check_features(text)
    return [{name: derived[name][place].split() for name in sorted(derived)} for place in range(len(lines))]


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
            heads = [line.partition(b"|")[0].split() for line in lines]
            labels = np.array([float(words[0]) if words else np.nan for words in heads])
            weights = np.array([float(words[1]) if words[1:] and words[1][:1] != b"'" else 1.0 for words in heads])
            yield LabelledBatch(Batch(lines), labels, weights)
