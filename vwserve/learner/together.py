"""One block for several learners: judged once where they judge alike, parsed once where they read alike."""

from __future__ import annotations

from collections.abc import Sequence

from vwserve.learner.learner import Learner


def take_together(learners: Sequence[Learner], block: bytes) -> bool:
    """Whether every line of a block is an ordinary example for all learners."""
    judges = {learner.judging: learner for learner in learners}
    return all([learner.takes(block) for learner in judges.values()])


def answer_together(learners: Sequence[Learner], block: bytes) -> list[bytes]:
    """Answer a block, at most CHUNK_LINES lines that all learners take, by each of them in VW's form.

    A block without labels is parsed once for all plain linear models that read lines alike (the same hash, the same
    namespaces left out); interactions, learning rules and numbers of weights may differ.
    """
    answers: dict[int, bytes] = {}
    for reading in {learner.reading for learner in learners} - {None}:
        alike = [learner for learner in learners if learner.reading == reading]
        # The one with the most weights keeps all of a hash; the others mask off what they have no use for.
        parser = max(alike, key=lambda learner: learner.bits)
        others = [learner for learner in alike if learner is not parser]
        if others and (texts := parser.predict_with(others, block)) is not None:
            answers.update(zip(map(id, (parser, *others)), texts))
    return [answers[id(each)] if id(each) in answers else each.answer(block) for each in learners]
