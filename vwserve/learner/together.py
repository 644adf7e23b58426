"""One block for several learners: what they read alike is parsed once, and judged once where they judge alike."""

from __future__ import annotations

from collections.abc import Sequence

from vwserve.learner.binding import CHUNK_LINES
from vwserve.learner.learner import Learner


def predict_together(learners: Sequence[Learner], block: bytes) -> list[bytes] | None:
    """Answer a block of unlabelled examples by several learners, each in VW's form.

    None, having done nothing, where a line is not such an example for one of them, where one reads lines unlike the
    others (other hashes, other namespaces left out) or is not a plain linear model, or where the block has more than
    CHUNK_LINES lines. Interactions, learning rules and numbers of weights may differ.
    """
    if learners[0].reading is None or any(learner.reading != learners[0].reading for learner in learners):
        return None
    if block.count(b"\n") > CHUNK_LINES:
        return None
    judges = {learner.judging: learner for learner in learners}
    if not all(judge.takes(block) for judge in judges.values()):
        return None
    # The one with the most weights keeps all of a hash; the others mask off what they have no use for.
    parser = max(learners, key=lambda learner: learner.bits)
    others = [learner for learner in learners if learner is not parser]
    texts = parser.predict_with(others, block)
    if texts is None:
        return None
    answers = dict(zip(map(id, (parser, *others)), texts))
    return [answers[id(learner)] for learner in learners]
