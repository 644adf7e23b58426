"""The transform `tree`: which leaf of each tree of an ensemble an example falls into, as categorical features.

    {kind: tree, input: n, output: t, artifact: ctr.tree.json}

A boosted ensemble is a supervised encoding of features, and a linear model over its leaves keeps learning after the
trees have stopped (He et al. 2014, "Practical Lessons from Predicting Clicks on Ads at Facebook"). A leaf is written as
a number: that of its tree, then its own in the tree, both in a fixed number of digits. Leaf 7 of tree 12 is `1207`. VW
takes the number for the hash, so that leaves never collide with each other, and all texts have one length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from vwserve.transforms import Artifact, Batch, Examples, NumberReader, Transform, TransformError
from vwserve_tree.ensemble import Ensemble, from_content, to_content
from vwserve_tree.growing import grow
from vwserve_tree.masks import Masks, fits
from vwserve_tree.model_file import read_model
from vwserve_tree.options import Options
from vwserve_tree.sample import Sample
from vwserve_tree.splits import split_trees
from vwserve_tree.traversal import Traversal

_FEW_LEAVES = 240  # to find fewer than these, for all lines of a batch, arrays cost more than they save
_SHOWN = 20  # features, in a description


class Tree(Transform[Options]):
    """The leaves of a tree ensemble."""

    kind: ClassVar[str] = "tree"
    fitted: ClassVar[bool] = True
    options_type: ClassVar[type] = Options

    def __init__(self, options: Options, artifact: Artifact) -> None:
        super().__init__(options, artifact)
        ensemble = from_content(artifact)
        trees = split_trees(ensemble)
        self._scorer = Masks(trees) if fits(trees) else Traversal(trees)
        self._numbers = NumberReader(ensemble.features)
        tokens = _tokens(ensemble)
        self._few_rows = _FEW_LEAVES // len(tokens)
        self._row_text = self._scorer.reader(tokens) if self._few_rows else None
        # Each token as a row of bytes, the space after it included: the tokens of a line are then one piece of memory.
        joined = b" ".join(token for each in tokens for token in each) + b" "
        self._token_bytes = np.frombuffer(joined, np.uint8).reshape(sum(map(len, tokens)), -1)

    @property
    def reads(self) -> Sequence[str]:
        """The namespace of the numeric features."""
        return (self.options.input,)

    @property
    def writes(self) -> Sequence[str]:
        """The namespace of the leaves."""
        return (self.options.output,)

    @property
    def remarks(self) -> Sequence[str]:
        """Which features of a model that was taken over never stood in the data."""
        return _remarks(self.artifact)

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        """One feature a tree for each line; what a line does not have, is missing to the trees."""
        if self._row_text and len(batch) <= self._few_rows:
            return {self.options.output: list(map(self._row_text, batch.rows(self.options.input, self._numbers)))}
        leaves = self._scorer.leaves(batch.numbers(self.options.input, self._numbers))
        text = self._token_bytes.take(leaves.ravel(), axis=0).tobytes()
        length = len(text) // len(leaves)
        return {self.options.output: [text[start : start + length - 1] for start in range(0, len(text), length)]}

    @classmethod
    def fit(cls, options: Options, examples: Examples) -> Artifact:
        """Take over the trees of `model`, or grow them on a sample of the examples; raises TransformError."""
        if options.model is not None:
            source, ensemble = read_model(options.model, options.features)
            unseen = _unseen(ensemble.features, options, examples)
        else:
            source, unseen = "LightGBM", []
            sample = Sample(options.rows, options.seed)
            for each in examples:
                sample.add(each.batch.features(options.input), each.labels, each.weights)
            ensemble = grow(sample, options)
        return {**to_content(ensemble), "source": source, "unseen": unseen}

    @classmethod
    def describe(cls, artifact: Artifact) -> Sequence[str]:
        """How many trees and leaves, how often each feature is split on, and features that the data never had."""
        ensemble = from_content(artifact)
        leaves = [len(tree.leaves) for tree in ensemble.trees]
        splits = Counter(ensemble.features[feature] for tree in ensemble.trees for feature in tree.feature)
        most = ", ".join(f"{name} {count}" for name, count in splits.most_common(_SHOWN))
        lines = [
            f"{len(leaves)} trees of {min(leaves)} to {max(leaves)} leaves, {sum(leaves)} leaves in all",
            f"splits on {len(splits)} of {len(ensemble.features)} features: {most or 'none'}",
        ]
        lines += _remarks(artifact)
        return lines


def _tokens(ensemble: Ensemble) -> Sequence[Sequence[bytes]]:
    """The features that the leaves of each tree are written as, all of one length."""
    tree_digits = len(str(len(ensemble.trees) - 1))
    leaf_digits = len(str(max(max(tree.leaves) for tree in ensemble.trees)))
    return [
        [b"%0*d%0*d" % (tree_digits, number, leaf_digits, leaf) for leaf in tree.leaves]
        for number, tree in enumerate(ensemble.trees)
    ]


def _remarks(artifact: Artifact) -> list[str]:
    unseen = artifact.get("unseen")
    return [f"never in the data, so always missing to the trees: {', '.join(unseen)}"] if unseen else []


def _unseen(features: Sequence[str], options: Options, examples: Examples) -> list[str]:
    """Those of a model's features that the data never has as numbers; raises TransformError where it has none."""
    reader = NumberReader(features)
    seen = np.zeros(len(features), bool)
    for each in examples:
        seen |= ~np.isnan(each.batch.numbers(options.input, reader)).all(axis=0)
        if seen.all():
            break
    if not seen.any():
        names = ", ".join(features[:_SHOWN])
        raise TransformError(
            f"the data has none of the model's features ({names}) as numbers in the namespace {options.input!r}; "
            f"name the model's columns, in order, with 'features'"
        )
    return [name for name, was_seen in zip(features, seen) if not was_seen]
