"""A journal through a model, as recovery learns it: without the line protocol, by which its lines have gone already."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vwserve.model.curve import Curve
from vwserve.model.servable import Servable
from vwserve.replay.stream import Replayed, end_of_lines
from vwserve.wire.models import Model


def relearn(
    servable: Servable,
    blocks: Iterable[bytes],
    write: Callable[[bytes], object],
    curve: Curve,
    *,
    model: Model | None = None,
    watch: Callable[[int], None] | None = None,
) -> Replayed:
    """Answer the examples in `blocks` of whole ones by a servable that learns.

    The answers go to `write`. `model` is what stands before the servable, if it is not the servable itself. `watch` is
    told the rows now and then.
    """
    answer = _answer_groups if servable.multiline else _answer_lines
    done, before = Replayed(), servable.examples
    for block in blocks:
        for text in answer(model or servable, block, curve):
            write(text)
            done.look_for_errors(text)
            curve.settle()
        done.examples = servable.examples - before
        if watch is not None:
            watch(done.rows)
    curve.finish()
    return done


def _answer_lines(model: Model, block: bytes, curve: Curve) -> Iterable[bytes]:
    start = 0
    while start < len(block):
        end = end_of_lines(block, start, curve.remaining)
        yield model.answer(block[start:end])
        start = end


def _answer_groups(model: Model, block: bytes, curve: Curve) -> Iterable[bytes]:
    groups = [group.split(b"\n") for group in block.split(b"\n\n")[:-1]]
    while groups:
        now = groups[: curve.remaining]
        del groups[: len(now)]
        yield b"".join(model.answer_groups(now))
