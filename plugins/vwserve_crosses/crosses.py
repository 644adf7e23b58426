"""The transform `crosses`: namespaces that VW crosses on the fly, and single features that are crossed here.

    {kind: crosses, namespaces: [ua, mc], features: [[u^age, a^ad]]}

`namespaces` are VW's own interactions, by the first letters of the namespaces, ':' standing for any: each costs nothing
in text, and VW makes the pairs in C++. `features` name single features, `namespace^name`. Their cross is one feature:
where all are numbers its value is their product, as in VW's interactions; the name of one that has a word as its value
(`city:berlin`) carries that word. An example without one of them has no such cross.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from vwserve.configuration import Node
from vwserve.configuration.schema import Items, Word
from vwserve.transforms import Artifact, Batch, Namespace, Transform, TransformError

_COLON, _SPACE = b": "
_TERM = Word(re.compile(r"[^\s|]{2,8}"), "a cross: the first letters of two to eight namespaces, ':' for any")
_FEATURE = Word(re.compile(r"[^\s|:^]+\^[^\s|:]+"), "a feature: namespace^name")


def _terms(node: Node) -> tuple[str, ...]:
    return Items(_TERM, example="[ua, mc]")(node)


def _features(node: Node) -> tuple[tuple[str, ...], ...]:
    return Items(Items(_FEATURE, least=2), example="[[u^age, a^ad]]")(node)


@dataclass(frozen=True)
class Options:
    """What is crossed; `output` is the namespace of the crossed single features."""

    namespaces: Annotated[tuple[str, ...], _terms] = ()
    features: Annotated[tuple[tuple[str, ...], ...], _features] = ()
    output: Namespace = "x"


class Crosses(Transform[Options]):
    """Crosses of namespaces and of single features."""

    kind: ClassVar[str] = "crosses"
    options_type: ClassVar[type] = Options

    def __init__(self, options: Options, artifact: Artifact) -> None:
        super().__init__(options, artifact)
        if not options.namespaces and not options.features:
            raise TransformError("crosses nothing; give it 'namespaces' or 'features'")
        for listed, what in ((options.namespaces, "namespaces"), (options.features, "features")):
            if len({tuple(sorted(cross)) for cross in listed}) != len(listed):  # in whatever order, it is one cross
                raise TransformError(f"{what}: the same cross stands there twice")
        for cross in options.features:
            if len(set(cross)) != len(cross):
                raise TransformError(f"features: [{', '.join(cross)}] crosses a feature with itself; name it once")
        self._crosses = list(map(_Cross, options.features))
        self._reads = tuple(dict.fromkeys(each.namespace for cross in self._crosses for each in cross.features))

    @property
    def reads(self) -> Sequence[str]:
        """The namespaces of the single features."""
        return self._reads

    @property
    def writes(self) -> Sequence[str]:
        """The namespace of the crossed single features, if there are any."""
        return (self.options.output,) if self.options.features else ()

    @property
    def arguments(self) -> Sequence[str]:
        """VW's interactions."""
        return [word for term in self.options.namespaces for word in ("--interactions", term)]

    def apply(self, batch: Batch) -> Mapping[str, Sequence[bytes]]:
        """The crossed single features of each line."""
        if not self._crosses:
            return {}
        sections = {namespace: list(map(_padded, batch.features(namespace))) for namespace in self._reads}
        crossed = [
            list(map(cross.text, *(map(each.value, sections[each.namespace]) for each in cross.features)))
            for cross in self._crosses
        ]
        if len(crossed) == 1:
            return {self.options.output: crossed[0]}
        return {self.options.output: [b" ".join(filter(None, row)) for row in zip(*crossed)]}


class _Cross:
    """A cross of single features."""

    def __init__(self, features: Sequence[str]) -> None:
        self.features = list(map(_Feature, features))
        self._name = b"^".join(each.name for each in self.features)

    def text(self, *values: bytes | None) -> bytes:
        """The crossed feature for a value of each of its features, empty where one of them is missing (None)."""
        product = 1.0
        try:
            for value in values:
                if value is None:
                    return b""
                product *= float(value) if value else 1.0
            name = self._name
        except ValueError:
            if None in values:
                return b""
            name, product = self._with_words([value or b"" for value in values])
        # Nine digits tell any two numbers of single precision apart, which is what VW reads; more take longer to judge.
        return name if product == 1.0 else b"%s:%.9g" % (name, product)

    def _with_words(self, values: Sequence[bytes]) -> tuple[bytes, float]:
        """The name that carries the words among the values, and the product of the others."""
        names, product = [], 1.0
        for feature, value in zip(self.features, values):
            try:
                product *= float(value) if value else 1.0
                names.append(feature.name)
            except ValueError:
                names.append(b"%s=%s" % (feature.name, value))
        return b"^".join(names), product


class _Feature:
    """A single feature, `namespace^name`, and how it is found: to take every line's features apart would cost more."""

    def __init__(self, feature: str) -> None:
        self.namespace, _, name = feature.partition("^")
        self.name = name.encode()
        self._start = b" " + self.name
        self._length = len(self._start)

    def value(self, section: bytes) -> bytes | None:
        """Its value in a padded section: empty where it stands without one, None where it does not stand.

        Of one that stands there twice the last counts.
        """
        at = section.rfind(self._start)
        while at >= 0:
            end = at + self._length
            if section[end] == _COLON:
                return section[end + 1 : section.index(b" ", end)]
            if section[end] == _SPACE:
                return b""
            at = section.rfind(self._start, 0, at)  # that was a longer name
        return None


def _padded(section: bytes) -> bytes:
    """A section with a space before and after each feature."""
    return b" %s " % section.replace(b"\t", b" ")
