"""What a line asks for, read from its first bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vwserve.errors import RequestError

_SAVE = re.compile(rb"'?save(?:_(?P<name>.+?))? *")
_BATCH = re.compile(rb"batch(?:[ \t]+(?:'(?P<tag>[^ \t|]*)[ \t]*)?(?P<shared>\|.*)?)?")


@dataclass(frozen=True, slots=True)
class Addressed:
    """`@NAME[,NAME...] REST`: a request to named models."""

    models: tuple[str, ...]
    rest: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """`batch ['TAG] [FEATURES]`: what opens a batch, behind the address."""

    tag: bytes
    shared: bytes


@dataclass(frozen=True, slots=True)
class Save:
    """`save` or `save_NAME`, VW's own command; `name` is empty for the first."""

    name: str


def parse_address(line: bytes) -> Addressed:
    """Read a line that begins with `@`; raises RequestError where it names no model."""
    names, _, rest = line[1:].partition(b" ")
    models = tuple(name.decode("utf-8", "replace") for name in names.split(b","))
    if not all(models):
        raise RequestError("bad-request", "an address is @NAME or @NAME,NAME, then a space and the example")
    return Addressed(models, rest.lstrip(b" "))


def opens_batch(rest: bytes) -> bool:
    """Whether what follows an address opens a batch; `batch|u a` is an example with a tag."""
    return rest == b"batch" or rest.startswith((b"batch ", b"batch\t"))


def parse_batch(rest: bytes) -> Batch:
    """Read what follows an address and opens a batch; raises RequestError where it is neither tag nor features."""
    match = _BATCH.fullmatch(rest)
    if match is None:
        raise RequestError("bad-request", "after 'batch' come features that all candidates share, such as |u age:33")
    return Batch(match["tag"] or b"", match["shared"] or b"")


def parse_save(line: bytes) -> Save | None:
    """Read one of VW's save commands; None where the line is none."""
    match = _SAVE.fullmatch(line)
    return Save((match["name"] or b"").decode("utf-8", "replace")) if match else None
