"""Answers to requests that name their models: always exactly one line each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from vwserve.errors import RequestError
from vwserve.lines import CHUNK_LINES, block_of, one_line, tag_of
from vwserve.wire.models import Divided, DividedJoint, Fault, Joint, Model, Models, Reply
from vwserve.wire.requests import Batch, shown_name

Names = tuple[str, ...]


def error_line(error: RequestError) -> bytes:
    """The answer to a request that cannot be served."""
    return b"!error %s\n" % " ".join(str(error).split()).encode()


def unknown_model(name: str) -> RequestError:
    """The error of a request to a model that is not served."""
    return RequestError("no-model", f"no model is called {shown_name(name)}; !models lists them")


class Addressing:
    """Serves requests addressed to one model or several, all of which answer or none."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def several_lines(self, names: Names) -> bool:
        """Whether an example for these models is a group of lines."""
        return any(model is not None and model.multiline for model in map(self._models.get, names))

    def lines(self, names: Names, lines: Sequence[bytes]) -> bytes:
        """Answer single-line examples, each by every model."""
        try:
            models = self._found(names)
        except RequestError as error:
            return error_line(error) * len(lines)
        if len(models) == 1:
            return b"".join([_tagged(reply.text, reply) for reply in models[0].answer_each(lines)])
        joint = self._models.together(names, lines)
        if (predictions := _ordinary(models, joint, lines)) is not None:
            return b"".join(map(_row, zip(*predictions)))
        faults = joint.faults()
        served = zip(*joint.answer_each([place for place, fault in enumerate(faults) if fault is None]))
        return b"".join([error_line(_named(names, fault)) if fault else _joined(next(served)) for fault in faults])

    def groups(self, names: Names, groups: Sequence[Sequence[bytes]]) -> bytes:
        """Answer multi-line examples, each by every model."""
        try:
            models = self._found(names)
            _check(
                names,
                [each.multiline for each in models],
                "an example of {} is one line, not several up to a blank one",
            )
        except RequestError as error:
            return error_line(error) * len(groups)
        if len(models) == 1:
            return b"".join([one_line(text) + b"\n" for text in models[0].answer_groups(groups)])
        return b"".join([self._group(names, models, group) for group in groups])

    def _group(self, names: Names, models: Sequence[Model], group: Sequence[bytes]) -> bytes:
        if error := _first_fault(names, [model.group_fault(group) for model in models]):
            return error_line(error)
        texts = [one_line(model.answer_groups([group])[0]) for model in models]
        if refused := next(filter(_is_error, texts), None):
            return refused + b"\n"
        # VW prints the tag of the first line behind each model's prediction; here it belongs to the request.
        tag = b" " + tag_of(group[0])
        if len(tag) > 1 and all(text.endswith(tag) for text in texts):
            return b"\t".join([text.removesuffix(tag) for text in texts]) + tag + b"\n"
        return b"\t".join(texts) + b"\n"

    def batch(self, names: Names, batch: Batch, candidates: Sequence[bytes]) -> bytes:
        """Answer a batch: the predictions of all candidates, or one error and nothing learned."""
        try:
            models = self._found(names)
            _check(
                names,
                [each.spaceless for each in models],
                "no batch lists the predictions of {}: they are not one word",
            )
        except RequestError as error:
            return error_line(error)
        lines = [line + b" " + batch.shared for line in candidates] if batch.shared else candidates
        joint = self._models.together(names, lines)
        if isinstance(joint, DividedJoint):
            joint.go_together(_opening(batch, candidates))
        answers = _ordinary(models, joint, lines)
        if answers is not None:
            predictions = [list(map(_untagged, texts)) for texts in answers]
        else:
            for number, fault in enumerate(joint.faults(), 1):
                if fault:
                    refusal = _named(names, fault)
                    return error_line(RequestError(refusal.code, f"candidate {number}: {refusal.text}"))
            predictions = [[reply.text for reply in replies] for replies in joint.answer_each(range(len(lines)))]
        if refused := next(filter(_is_error, chain.from_iterable(predictions)), None):
            return refused + b"\n"
        text = b"\t".join(map(b" ".join, predictions))
        return (b"%s %s" % (text, batch.tag) if batch.tag else text) + b"\n"

    def _found(self, names: Names) -> list[Model]:
        models = []
        for name in names:
            model = self._models.get(name)
            if model is None:
                raise unknown_model(name)
            models.append(model)
        if len(models) > 1 and any([isinstance(model, Divided) for model in models]):
            _check_apart(names, models)
        return models


def _check(names: Names, fits: Sequence[bool], complaint: str) -> None:
    """Raise RequestError where a request is none for one of its models, whose name goes into the complaint."""
    for name, fit in zip(names, fits):
        if not fit:
            raise RequestError("bad-request", complaint.format(shown_name(name)))


def _check_apart(names: Names, models: Sequence[Model]) -> None:
    """Raise RequestError where two of these may be one model, which would be asked, and learn, twice."""
    asked: dict[str, str] = {}
    for name, model in zip(names, models):
        for part in model.parts if isinstance(model, Divided) else [name]:
            if part in asked:
                both = f"{shown_name(asked[part])} and {shown_name(name)}"
                raise RequestError("bad-request", f"{both} both lead to {shown_name(part)}; ask one of them")
            asked[part] = name


def _opening(batch: Batch, candidates: Sequence[bytes]) -> bytes:
    """The line by which a batch goes to one model of a divided one: its candidates are to be compared."""
    features = batch.shared or next(iter(candidates), b"")
    return b"'%s %s" % (batch.tag, features) if batch.tag else features


def _ordinary(models: Sequence[Model], joint: Joint, lines: Sequence[bytes]) -> list[list[bytes]] | None:
    """Each model's answers, tags included, to examples that are ordinary for all.

    None, having done nothing, where one is not. It costs a fraction of what asking each model about each line does.
    """
    if not lines or not all([model.spaceless for model in models]):
        return None
    texts: Sequence[bytes] | None
    if len(models) == 1 and len(lines) <= CHUNK_LINES and not isinstance(joint, DividedJoint):
        text = models[0].answer_ordinary(block_of(lines))
        texts = None if text is None else [text]
    else:
        texts = joint.answer_ordinary()
    return None if texts is None else [one_each(text, len(lines)) for text in texts]


def one_each(text: bytes, count: int) -> list[bytes]:
    """The answers to `count` examples, one each: some learners end theirs with an empty line."""
    answers = text.split(b"\n")[:-1]
    return answers if len(answers) == count else [answer for answer in answers if answer]


def _row(answers: Sequence[bytes]) -> bytes:
    """The answer of several models to one request, of which each has its own with the tag."""
    if not any([b" " in answer for answer in answers]):
        return b"\t".join(answers) + b"\n"
    if refused := next(filter(_is_error, answers), None):
        return refused + b"\n"
    tag = answers[0].partition(b" ")[2]
    text = b"\t".join(map(_untagged, answers))
    return (b"%s %s" % (text, tag) if tag else text) + b"\n"


def _untagged(answer: bytes) -> bytes:
    return answer if _is_error(answer) else answer.partition(b" ")[0]


def _first_fault(names: Names, faults: Sequence[RequestError | None]) -> RequestError | None:
    found = next(((place, error) for place, error in enumerate(faults) if error is not None), None)
    return _named(names, found) if found else None


def _named(names: Names, fault: Fault) -> RequestError:
    """The error of a fault; with the name of the model that refuses, where several were asked."""
    place, error = fault
    return error if len(names) == 1 else RequestError(error.code, f"{names[place]}: {error.text}")


def _joined(replies: Sequence[Reply]) -> bytes:
    """The answer of several models to one request; an error of one is the whole answer."""
    text = next((reply.text for reply in replies if reply.refused), b"\t".join([reply.text for reply in replies]))
    return _tagged(text, replies[0])


def _tagged(text: bytes, reply: Reply) -> bytes:
    return b"%s %s\n" % (text, reply.tag) if reply.tag and not _is_error(text) else text + b"\n"


def _is_error(text: bytes) -> bool:
    return text.startswith(b"!error ")
