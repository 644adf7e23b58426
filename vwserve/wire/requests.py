"""What a line asks for, read from its first bytes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from vwserve.errors import RequestError
from vwserve.lines import BYTE_ORDER_MARK, shown

_SAVE = re.compile(rb"'?save(?:_(?P<name>[^ \t|]+))? *")
_BATCH = re.compile(rb"batch(?:[ \t]+(?:'(?P<tag>[^ \t|]*)[ \t]*)?(?P<shared>\|.*)?)?")
_NAME_CHARACTERS = 80  # of one that is shown


@dataclass(frozen=True, slots=True)
class Addressed:
    """`@NAME[,NAME...] REST`: a request to named models; `error` says why the names are none."""

    models: tuple[str, ...]
    rest: bytes
    error: RequestError | None


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
    """Read a line that begins with `@`."""
    names, _, rest = line[1:].partition(b" ")
    models = tuple(name.decode("utf-8", "replace") for name in names.split(b","))
    return Addressed(models, rest.lstrip(b" ").removeprefix(BYTE_ORDER_MARK), _names_error(models))


def _names_error(names: tuple[str, ...]) -> RequestError | None:
    if not all(names):
        return RequestError("bad-request", "an address is @NAME or @NAME,NAME, then a space and the example")
    if len(names) > 1 and len(set(names)) < len(names):
        ((twice, _),) = Counter(names).most_common(1)
        return RequestError("bad-request", f"the address names {shown_name(twice)} more than once")
    return None


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


def shown_name(name: str) -> str:
    """A name that a client sent, quoted and shortened, fit for an error of one line."""
    return shown(name, _NAME_CHARACTERS)
