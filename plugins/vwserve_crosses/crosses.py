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
            if len(set(listed)) != len(listed):
                raise TransformError(f"{what}: the same cross stands there twice")
        self._crosses = [[_split(name) for name in cross] for cross in options.features]
        self._reads = tuple(dict.fromkeys(namespace for cross in self._crosses for namespace, _ in cross))

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
        sections = {namespace: list(map(_values, batch.features(namespace))) for namespace in self._reads}
        texts = []
        for row in range(len(batch)):
            found = (
                _crossed([(name, sections[space][row].get(name)) for space, name in cross]) for cross in self._crosses
            )
            texts.append(b" ".join(filter(None, found)))
        return {self.options.output: texts}


def _split(feature: str) -> tuple[str, bytes]:
    namespace, _, name = feature.partition("^")
    return namespace, name.encode()


def _values(section: bytes) -> dict[bytes, bytes]:
    """The value of each feature of a section, empty for one without; of one that stands there twice the last counts."""
    pairs = (feature.partition(b":") for feature in section.split())
    return {name: value for name, _, value in pairs}


def _crossed(parts: Sequence[tuple[bytes, bytes | None]]) -> bytes:
    """One feature of several, empty where one of them is missing."""
    names, product = [], 1.0
    for name, value in parts:
        if value is None:
            return b""
        number = _number(value)
        if number is None:
            names.append(b"%s=%s" % (name, value))
        else:
            names.append(name)
            product *= number
    name = b"^".join(names)
    # Nine digits tell any two numbers of single precision apart, which is what VW reads; more take it longer to judge.
    return name if product == 1.0 else b"%s:%.9g" % (name, product)


def _number(value: bytes) -> float | None:
    if not value:
        return 1.0
    try:
        return float(value)
    except ValueError:
        return None
