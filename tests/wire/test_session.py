"""One connection's line protocol, against real models."""

import json
import tracemalloc
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from vwserve.wire import Models, Session

Talk = Callable[..., bytes]
MakeModels = Callable[..., Models]
Weights = Callable[[Models], list[list[float]]]

SHARED, BEST, OTHER = b"shared 'q |s a", b"0:0.1:0.5 |a x", b"|a y"
GROUP = b"\n".join([SHARED, BEST, OTHER, b"\n"])


def kinds(answers: bytes) -> list[str]:
    """For each answer its error code, or `ok`."""
    lines = answers.split(b"\n")[:-1]
    return [line.split()[1].decode() if line.startswith(b"!error ") else "ok" for line in lines]


# -- plain VW ------------------------------------------------------------------------------------------------------


def test_a_labelled_line_is_answered_by_the_prediction_before_it_is_learned(models: Models, talk: Talk) -> None:
    first, second = talk(models, b"1 |u a\n|u a\n").split()
    assert first == b"0.500000"
    assert second > first
    assert talk(models, b"|u a\n").split() == [second]


def test_a_tag_comes_back(models: Models, talk: Talk) -> None:
    answers = talk(models, b"'x|u a\n1 y|u b\n-1 'z |u c\n").split(b"\n")[:-1]
    assert answers[0] == b"0.500000 x"
    assert [answer.split()[1] for answer in answers] == [b"x", b"y", b"z"]


def test_a_blank_line_to_a_single_line_learner_has_no_answer(models: Models, talk: Talk) -> None:
    assert talk(models, b"\n|u a\n\n\r\n|u a\n\n") == b"0.500000\n" * 2


def test_a_malformed_line_is_refused_alone(models: Models, talk: Talk) -> None:
    answers = talk(models, b"|u a\ngarbage\n|u a\n 1 1e30 |u a\n   \n|u a\n")
    assert kinds(answers) == ["ok", "bad-example", "ok", "bad-example", "bad-example", "ok"]


def test_a_multi_line_example_ends_at_a_blank_line(models: Models, talk: Talk) -> None:
    assert talk(models, GROUP, "adf", end=False) == b"0:0.5,1:0.5 q\n\n"
    assert talk(models, b"|a x\n|a y\n", "adf", end=False) == b""


def test_blank_lines_between_multi_line_examples_have_no_answer(models: Models, talk: Talk) -> None:
    assert talk(models, b"\n\n" + GROUP + b"\n\n", "adf") == b"0:0.5,1:0.5 q\n\n"


def test_multi_line_examples_of_costs_are_answered_line_by_line(models: Models, talk: Talk) -> None:
    assert talk(models, b"1:0 'a|x a\n2:1 'b|x b\n\n", "ldf") == b"1 a\n0 b\n\n"


def test_probabilities_are_answered_as_vw_does(models: Models, talk: Talk) -> None:
    assert talk(models, b"'x|f a\n", "chances") == b"1:0.333333 2:0.333333 3:0.333333 x\n"


def test_an_error_of_a_multi_line_example_is_one_line(models: Models, talk: Talk) -> None:
    answers = talk(models, b"|a x\nno bar\n|a y\n\n" + GROUP, "adf")
    assert answers.startswith(b"!error bad-example line 2: ")
    assert answers.endswith(b"\n0:0.5,1:0.5 q\n\n")
    assert answers.count(b"\n") == 3


@pytest.mark.parametrize("stranger", [b"@ctr |u a", b"!ping", b"@ctr batch |u a"])
def test_in_a_multi_line_example_every_line_belongs_to_it(stranger: bytes, models: Models, talk: Talk) -> None:
    answers = talk(models, b"|a x\n" + stranger + b"\n|a y\n\n!ping\n", "adf")
    assert kinds(answers) == ["bad-example", "ok"]
    assert answers.endswith(b"\npong\n")


def test_without_a_model_of_its_own_a_listener_answers_plain_lines_by_an_error(models: Models, talk: Talk) -> None:
    answers = talk(models, b"|u a\n1 |u b\nsave\n@cvr |u a\n", "")
    assert answers.startswith(b"!error no-model this listener has no model of its own; address one: @MODEL EXAMPLE\n")
    assert kinds(answers) == ["no-model", "no-model", "no-model", "ok"]
    assert talk(models, b"|u a\n", "gone") == b"!error no-model no model is called 'gone'; !models lists them\n"


def test_plain_lines_go_to_the_only_model_where_none_is_named(make_models: MakeModels, talk: Talk) -> None:
    assert talk(make_models("cvr"), b"|u a\n", "") == b"0\n"


# -- saving --------------------------------------------------------------------------------------------------------


def learned(models: Models, *names: str) -> list[object]:
    """How many examples each of them has learned."""
    figures = [models.statistics(name) for name in names]
    return [each["learned"] for each in figures if each is not None]


class Saves:
    """Takes note of saves, of models that are those of `inner`."""

    def __init__(self, inner: Models) -> None:
        self._inner = inner
        self.saved: list[tuple[str, str]] = []
        self.get = inner.get
        self.names = inner.names
        self.together = inner.together
        self.statistics = inner.statistics

    def save(self, name: str, export: str) -> None:
        """Take note."""
        self.saved.append((name, export))


@pytest.mark.parametrize(("line", "export"), [(b"save", ""), (b"'save", ""), (b"save_a/b.vw", "a/b.vw")])
def test_save_commands_have_no_answer(line: bytes, export: str, models: Models, talk: Talk) -> None:
    noting = Saves(models)
    assert talk(noting, b"|u a\n" + line + b"\n|u a\n") == b"0.500000\n" * 2
    assert noting.saved == [("ctr", export)]


def test_a_save_takes_what_was_learned_before_it(models: Models, talk: Talk) -> None:
    found: list[object] = []

    class Looks(Saves):
        def save(self, name: str, export: str) -> None:
            found.extend(learned(models, name))

    talk(Looks(models), b"1 |u a\n1 |u a\nsave\n1 |u a\nsave\n")
    assert found == [2, 3]


def test_a_save_inside_a_multi_line_example_is_no_line_of_it(models: Models, talk: Talk) -> None:
    noting = Saves(models)
    assert talk(noting, b"|a x\nsave\n|a y\n\n", "adf") == b"0:0.5,1:0.5\n\n"
    assert noting.saved == [("adf", "")]


def test_a_listener_may_refuse_saves(models: Models, talk: Talk) -> None:
    noting = Saves(models)
    answers = talk(noting, b"save\nsave_x\n|u a\n", saves=False)
    assert answers.startswith(b"!error bad-request this listener takes no save commands\n")
    assert kinds(answers) == ["bad-request", "bad-request", "ok"]
    assert not noting.saved


def test_an_addressed_save_is_no_command(models: Models, talk: Talk) -> None:
    noting = Saves(models)
    assert kinds(talk(noting, b"@ctr save\n@cvr save_x\n")) == ["bad-example"] * 2
    assert not noting.saved


# -- half-close ----------------------------------------------------------------------------------------------------


def test_a_last_line_without_a_newline_is_answered(models: Models, talk: Talk) -> None:
    assert talk(models, b"|u a\n|u a") == b"0.500000\n" * 2
    assert talk(models, b"@ctr |u a") == b"0.500000\n"
    assert talk(models, b"!ping") == b"pong\n"


def test_an_unfinished_request_is_answered_at_the_end(models: Models, talk: Talk) -> None:
    assert talk(models, b"@ctr batch\n|u a\n|u b") == b"0.500000 0.500000\n"
    assert talk(models, b"@ctr batch") == b"\n"
    assert talk(models, b"|a x\n|a y", "adf") == b"0:0.5,1:0.5\n\n"
    assert talk(models, b"@adf |a x") == b"0:1\n"


def test_nothing_is_computed_ahead_of_a_client_that_does_not_read(models: Models) -> None:
    session = Session(models, "ctr", line_bytes=1 << 16, request_bytes=1 << 16)
    session.receive(b"1 |u a\n" * 1000)
    answers = session.answers()
    assert next(answers).count(b"\n") == 250
    assert learned(models, "ctr") == [250]
    assert not session.idle
    assert b"".join(answers).count(b"\n") == 750
    assert session.idle


# -- addressed -----------------------------------------------------------------------------------------------------


def test_an_addressed_line_goes_to_its_model(models: Models, talk: Talk) -> None:
    talk(models, b"@cvr 1 |u a\n" * 3)
    answers = talk(models, b"@ctr |u a\n@cvr |u a\n@kind |u a\n").split()
    assert answers[::2] == [b"0.500000", b"1"]
    assert answers[1] > b"0.500000"
    assert learned(models, "ctr", "cvr") == [0, 3]


def test_several_models_are_asked_at_once(models: Models, talk: Talk) -> None:
    assert talk(models, b"@ctr,cvr |u a\n@cvr,ctr 'x|u a\n@kind,ctr 1 'y |u a\n") == (
        b"0.500000\t0\n0\t0.500000 x\n1\t0.500000 y\n"
    )


def test_several_models_learn_from_one_line(models: Models, talk: Talk) -> None:
    talk(models, b"@ctr,cvr 1 |u a\n")
    assert learned(models, "ctr", "cvr") == [1, 1]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"@nobody |u a", "no-model"),
        (b"@ctr,nobody |u a", "no-model"),
        (b"@ctr|u a", "no-model"),
        (b"@ctr\t|u a", "no-model"),
        (b"@\xff\0 |u a", "no-model"),
        (b"@", "bad-request"),
        (b"@ |u a", "bad-request"),
        (b"@ctr,,cvr |u a", "bad-request"),
        (b"@ctr,ctr |u a", "bad-request"),
        (b"@ctr", "bad-example"),
        (b"@ctr ", "bad-example"),
        (b"@ctr u a", "bad-example"),
        (b"@ctr @cvr |u a", "bad-example"),
        (b"@ctr !ping", "bad-example"),
        (b"@ctr |u a\0", "bad-example"),
        (b"@ctr,cvr nan |u a", "bad-example"),
    ],
)
def test_what_is_wrong_with_an_addressed_line_is_one_error(line: bytes, code: str, models: Models, talk: Talk) -> None:
    assert kinds(talk(models, line + b"\n!ping\n")) == [code, "ok"]
    # A line like the others of its chunk takes another way to its answer.
    assert kinds(talk(models, (line + b"\n") * 3 + b"!ping\n")) == [code] * 3 + ["ok"]


def test_an_error_of_one_of_several_models_is_the_answer_and_none_learns(models: Models, talk: Talk) -> None:
    answers = talk(models, b"@ctr,kind -1 |u a\n")
    assert answers.startswith(b"!error bad-example kind: ")
    assert answers.count(b"\n") == 1
    assert learned(models, "ctr", "kind") == [0, 0]


@pytest.mark.parametrize(
    ("names", "label"), [("ctr,cvr", b"1 "), ("cvr,kind", b"2 "), ("kind,ctr", b"1 "), ("cvr,bandit", b"")]
)
def test_several_models_answer_each_line_however_many_come_at_once(
    names: str, label: bytes, make_models: MakeModels, talk: Talk, weights: Weights
) -> None:
    address = b"@" + names.encode() + b" "
    lines = [label + b"'tag%d |u u%d age:%d\n" % (row, row % 7, row) for row in range(600)]
    lines[3::50] = [label + b"|u a%d\n" % row for row in range(len(lines[3::50]))]
    together, apart = make_models(*names.split(",")), make_models(*names.split(","))
    whole = talk(together, b"".join(address + line for line in lines), "")
    assert whole == b"".join(talk(apart, address + line, "") for line in lines)
    assert whole.count(b"\n") == 600
    assert weights(together) == weights(apart)


def test_the_answers_of_several_models_are_their_own_one_by_one(make_models: MakeModels, talk: Talk) -> None:
    lines = [b"1 'tag%d |u u%d age:%d\n" % (row, row % 7, row) for row in range(300)]
    both = talk(make_models("cvr", "kind"), b"".join(b"@cvr,kind " + line for line in lines), "")
    one, other = (
        talk(make_models(name), b"".join(b"@" + name.encode() + b" " + line for line in lines), "")
        for name in ("cvr", "kind")
    )
    expected = [
        first.replace(b" ", b"\t" + second.split()[0] + b" ")
        for first, second in zip(one.split(b"\n"), other.split(b"\n"))
        if first
    ]
    assert both.split(b"\n")[:-1] == expected


def test_one_bad_line_among_many_for_several_models_is_refused_alone(models: Models, talk: Talk) -> None:
    lines = [b"@ctr,cvr -1 |u a%d\n" % row for row in range(400)]
    lines[300] = b"@ctr,cvr -1 |u a:nan\n"
    lines[301] = b"@ctr,cvr -2 |u a\n"  # a label for one of them
    answers = talk(models, b"".join(lines)).split(b"\n")[:-1]
    assert len(answers) == 400
    assert [answer.startswith(b"!error bad-example ctr: ") for answer in answers] == [
        row in (300, 301) for row in range(400)
    ]


def test_a_model_whose_answers_end_in_an_empty_line_is_answered_by_one_line(
    make_models: MakeModels, talk: Talk
) -> None:
    models = make_models("bandit", "cvr", "sets")
    line = b"'q |u a\n"
    assert talk(models, line, "bandit") == b"0 q\n\n"
    assert talk(models, b"@bandit " + line, "") == b"0 q\n"
    assert talk(models, b"@bandit |u a\n" * 300, "").split() == [b"0"] * 300
    assert talk(models, b"@bandit,cvr |u a\n" * 300, "") == b"0\t0\n" * 300
    assert talk(models, b"@bandit batch\n|u a\n'q |u b\n\n", "") == b"0 0\n"
    assert talk(models, b"@bandit batch\n" + b"|u a\n" * 300 + b"\n", "").split() == [b"0"] * 300


def test_lists_of_labels_stand_beside_other_answers(make_models: MakeModels, talk: Talk) -> None:
    models = make_models("sets", "cvr")
    talk(models, b"0,2 |u a\n" * 40, "sets")
    assert talk(models, b"@sets,cvr 'q |u a\n@cvr,sets |u a\n", "") == b"0,2\t0 q\n0\t0,2\n"


def test_a_list_of_labels_may_be_empty_and_is_for_no_batch(make_models: MakeModels, talk: Talk) -> None:
    models = make_models("sets", "cvr")
    assert talk(models, b"@sets |u a\n@sets 'q |u a\n@cvr,sets |u a\n@sets,cvr 'q |u a\n", "") == (
        b"\n q\n0\t\n\t0 q\n"
    )
    assert kinds(talk(models, b"@sets batch\n|u a\n\n!ping\n", "")) == ["bad-request", "ok"]


@pytest.mark.parametrize("option", ["oaa", "csoaa"])
def test_nothing_is_learned_from_a_batch_in_which_a_label_shuts_out_a_later_one(
    option: str, make_models: MakeModels, talk: Talk, weights: Weights
) -> None:
    name, cost = ("unsettled", b"") if option == "oaa" else ("costed", b":1")
    models, fresh = make_models(name), make_models(name)
    answer = talk(models, b"@%s batch\n0%s |a b\n5%s |a c\n\n" % (name.encode(), cost, cost), "")
    assert answer.startswith(b"!error bad-example candidate 2: class '5' is not in 0..4")
    assert weights(models) == weights(fresh)
    assert talk(models, b"5%s |a b\n" % cost, name) != b""


def test_a_line_that_one_model_refuses_settles_nothing_for_the_others(
    make_models: MakeModels, talk: Talk, weights: Weights
) -> None:
    models = make_models("unsettled", "cvr")
    lines = [b"0 |a zz", b"5 |a zz", b"0 |a:nan x", b"0 |a z"]
    answers = talk(models, b"".join(b"@unsettled,cvr " + line + b"\n" for line in lines), "")
    assert kinds(answers) == ["ok", "bad-example", "bad-example", "ok"]
    without = make_models("unsettled", "cvr")
    talk(without, b"".join(b"@unsettled,cvr " + line + b"\n" for line in (lines[0], lines[3])), "")
    assert weights(models) == weights(without)
    # What is a class of one and no label of the other.
    models = make_models("unsettled", "ctr")
    answers = talk(models, b"@unsettled,ctr 5 |a b\n@unsettled,ctr 0 |a b\n", "")
    assert kinds(answers) == ["bad-example", "ok"]


def test_a_byte_order_mark_behind_an_address_is_none_of_the_example(models: Models, talk: Talk) -> None:
    mark = b"\xef\xbb\xbf"
    assert talk(models, b"@ctr,cvr " + mark + b"'x |f a\n" + mark + b"@ctr " + mark + b"'x |f a\n") == (
        b"0.500000\t0 x\n0.500000 x\n"
    )
    assert talk(models, b"@ctr batch\n" + mark + b"|u a\n\n") == b"0.500000\n"


@pytest.mark.parametrize("line", [b"save_user |f a", b"'save |u", b"saved|u a"])
def test_a_line_with_a_bar_is_an_example_whatever_it_begins_with(line: bytes, models: Models, talk: Talk) -> None:
    noting = Saves(models)
    assert kinds(talk(noting, line + b"\n")) == ["bad-example" if line == b"save_user |f a" else "ok"]
    assert not noting.saved


def test_a_long_name_makes_no_long_error(models: Models, talk: Talk) -> None:
    assert len(talk(models, b"@" + b"n" * 10_000 + b" |u a\n")) < 200


def test_an_addressed_multi_line_example_is_one_line(models: Models, talk: Talk) -> None:
    assert talk(models, b"@adf " + GROUP + b"@ctr |u a\n") == b"0:0.5,1:0.5 q\n0.500000\n"
    answer = talk(models, b"@ldf 1:0 |a x\n2:1 |a y\n\n")
    assert len(answer.split()) == 2
    assert answer.count(b"\n") == 1


def test_a_blank_line_ends_an_addressed_multi_line_example_only(models: Models, talk: Talk) -> None:
    assert talk(models, b"@ctr |u a\n\n@ctr |u a\n@adf |a x\n\n\n|u a\n") == b"0.500000\n" * 2 + b"0:1\n0.500000\n"


def test_several_models_answer_a_multi_line_example(make_models: MakeModels, talk: Talk) -> None:
    models = make_models("adf", "adf2")
    assert talk(models, b"@adf,adf2 " + GROUP) == b"0:0.5,1:0.5\t0:0.5,1:0.5 q\n"


def test_a_multi_line_example_cannot_be_shared_with_a_single_line_model(models: Models, talk: Talk) -> None:
    answers = talk(models, b"@adf,ctr " + GROUP + b"!ping\n")
    assert answers == b"!error bad-request an example of 'ctr' is one line, not several up to a blank one\npong\n"


def test_a_word_that_is_a_label_and_opens_a_batch_opens_a_batch(make_models: MakeModels, talk: Talk) -> None:
    models = make_models("named")
    answers = talk(models, b"@named batch |u a\n" + b"|u b\n" * 2 + b"\n@named other |u a\n@named batch |u a\n")
    assert answers == b"batch batch\nbatch\n\n"


# -- batches -------------------------------------------------------------------------------------------------------


def test_a_batch_is_one_line_of_predictions(models: Models, talk: Talk) -> None:
    assert talk(models, b"@ctr batch\n|u a\n|u b\n|u c\n\n@ctr |u a\n") == b"0.500000 0.500000 0.500000\n0.500000\n"


def test_shared_features_are_those_of_each_candidate(models: Models, talk: Talk) -> None:
    talk(models, b"1 |u a |a x\n-1 |u a |a y\n" * 20)
    batch = talk(models, b"@ctr batch |u a\n|a x\n|a y\n\n")
    assert batch.split() == talk(models, b"|a x |u a\n|a y |u a\n").split()
    assert batch.count(b"\n") == 1


def test_the_tag_of_a_batch_comes_last_and_those_of_candidates_never(models: Models, talk: Talk) -> None:
    assert talk(models, b"@cvr batch 'req |u a\n'x|a x\n|a y\n\n") == b"0 0 req\n"


def test_several_models_answer_a_batch_in_groups(models: Models, talk: Talk) -> None:
    assert talk(models, b"@ctr,kind,cvr batch 't |u a\n|a x\n|a y\n\n") == b"0.500000 0.500000\t1 1\t0 0 t\n"


def test_a_batch_of_no_candidates_is_answered_by_an_empty_line(models: Models, talk: Talk) -> None:
    assert talk(models, b"@ctr batch |u a\n\n@ctr batch 't\n\n!ping\n") == b"\n t\npong\n"


def test_a_batch_for_a_model_whose_answers_have_spaces_is_refused(make_models: MakeModels, talk: Talk) -> None:
    answer = talk(make_models("spread", "cvr"), b"@spread batch\n|u a\n\n", "cvr")
    assert kinds(answer) == ["bad-request"]


def test_long_batches_for_several_models_are_those_of_each(make_models: MakeModels, talk: Talk) -> None:
    candidates = b"".join(b"%d |u a%d\n" % (1 - 2 * (row % 2), row % 9) for row in range(700)) + b"\n"
    both = talk(make_models("ctr", "cvr"), b"@ctr,cvr batch |a x\n" + candidates, "")
    each = [
        talk(make_models(name), b"@" + name.encode() + b" batch |a x\n" + candidates, "").rstrip(b"\n")
        for name in ("ctr", "cvr")
    ]
    assert both == b"\t".join(each) + b"\n"
    assert len(both.split()) == 1400


def test_a_batch_may_be_longer_than_a_chunk(models: Models, talk: Talk) -> None:
    assert talk(models, b"@cvr batch |u a\n" + b"|a x\n" * 1000 + b"\n") == b" ".join([b"0"] * 1000) + b"\n"


@pytest.mark.parametrize("count", [3, 300])
@pytest.mark.parametrize("bad", [b"no bar", b"!ping", b"@cvr |u a", b"save", b"1e30 |u a"])
def test_one_bad_candidate_refuses_the_batch_and_nothing_is_learned(
    count: int, bad: bytes, models: Models, talk: Talk
) -> None:
    answers = talk(models, b"@ctr batch |u a\n" + b"1 |a x\n" * count + bad + b"\n1 |a y\n\n!ping\n")
    assert answers.startswith(b"!error bad-example candidate %d: " % (count + 1))
    assert answers.endswith(b"\npong\n")
    assert answers.count(b"\n") == 2
    assert learned(models, "ctr") == [0]


@pytest.mark.parametrize(
    ("opening", "code"),
    [
        (b"@nobody batch |u a", "no-model"),
        (b"@ctr,nobody batch", "no-model"),
        (b"@chances batch |u a", "bad-request"),
        (b"@adf batch |u a", "bad-request"),
        (b"@ctr batch 1 |u a", "bad-request"),
        (b"@ctr batch |u a:nan", "bad-example"),
        (b"@ctr,ctr batch |u a", "bad-request"),
        (b"@ batch |u a", "bad-request"),
    ],
)
def test_a_batch_that_cannot_be_served_takes_its_candidates_with_it(
    opening: bytes, code: str, models: Models, talk: Talk
) -> None:
    assert kinds(talk(models, opening + b"\n1 |a x\n|a y\n\n!ping\n")) == [code, "ok"]
    assert talk(models, b"|u a\n") == b"0.500000\n"


# -- limits --------------------------------------------------------------------------------------------------------


def test_a_line_that_is_too_long_is_refused_in_its_place(models: Models, talk: Talk) -> None:
    answers = talk(models, b"|u a\n|u " + b"x" * 100 + b"\n|u a\n", line_bytes=64)
    assert answers == b"0.500000\n!error too-long the line is longer than 64 bytes\n0.500000\n"


@pytest.mark.parametrize(
    ("own", "opening"),
    [
        ("ctr", b"@ctr batch |u "),
        ("ctr", b"@ctr,cvr batch |u "),
        ("ctr", b"@adf |a "),
        ("adf", b"|a "),
        ("adf", b"@ctr batch |u "),
    ],
)
def test_a_request_whose_first_line_is_too_long_is_refused_whole(
    own: str, opening: bytes, models: Models, talk: Talk
) -> None:
    answers = talk(models, opening + b"x" * 100 + b"\n1 |a x\n|a y\n\n!ping\n", own, line_bytes=64)
    assert answers == b"!error too-long the line is longer than 64 bytes\npong\n"


@pytest.mark.parametrize("opening", [b"@ctr batch |u a\n|a x\n", b"@adf |a x\n"])
def test_a_request_with_a_line_that_is_too_long_is_refused_whole(opening: bytes, models: Models, talk: Talk) -> None:
    answers = talk(models, opening + b"|a " + b"x" * 100 + b"\n|a y\n\n!ping\n", line_bytes=64)
    assert answers == b"!error too-long the line is longer than 64 bytes\npong\n"


@pytest.mark.parametrize(("own", "opening"), [("ctr", b"@ctr batch\n"), ("ctr", b"@adf |a x\n"), ("adf", b"|a x\n")])
def test_a_request_that_is_too_long_is_refused_and_not_kept(
    own: str, opening: bytes, models: Models, talk: Talk
) -> None:
    answers = talk(models, opening + b"|a y\n" * 100 + b"\n!ping\n", own, request_bytes=4096)
    assert answers == b"!error too-long the request is longer than 4096 bytes\npong\n"


def test_shared_features_count_once_for_each_candidate(models: Models, talk: Talk) -> None:
    shared = b"@ctr batch |u " + b"x" * 1000 + b"\n"
    assert kinds(talk(models, shared + b"|a x\n" * 3 + b"\n", request_bytes=4096)) == ["ok"]
    assert kinds(talk(models, shared + b"|a x\n" * 4 + b"\n", request_bytes=4096)) == ["too-long"]


def test_a_candidate_counts_once_for_each_model(models: Models, talk: Talk) -> None:
    candidates = b"|a xx\n" * 30 + b"\n"  # 30 lines of 5 bytes and 64 more
    assert kinds(talk(models, b"@ctr batch\n" + candidates, request_bytes=4096)) == ["ok"]
    assert kinds(talk(models, b"@ctr,cvr batch\n" + candidates, request_bytes=4096)) == ["too-long"]


def test_a_request_that_is_never_finished_holds_no_more_than_the_limit(models: Models) -> None:
    session = Session(models, "ctr", line_bytes=4096, request_bytes=4096)
    session.receive(b"@ctr batch\n")
    read = b"|a yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n" * 10
    tracemalloc.start()
    for _ in range(1000):
        session.receive(read)
        assert not list(session.answers())
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held_bytes < 20_000


# -- order ---------------------------------------------------------------------------------------------------------


def test_a_query_sees_what_was_learned_before_it_and_nothing_else(models: Models, talk: Talk) -> None:
    answers = talk(models, b"1 |u a\n!stats ctr\n1 |u a\n!stats ctr\n").split(b"\n")
    assert [json.loads(answers[place])["learned"] for place in (1, 3)] == [1, 2]


def test_models_are_shown_examples_only(models: Models, talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    model, shown = models.get("ctr"), []

    def noting(name: str) -> Callable[[bytes], object]:
        inner = getattr(model, name)

        def note(chunk: bytes) -> object:
            shown.append(chunk)
            return inner(chunk)

        return note

    for name in ("answer_ordinary", "answer"):
        monkeypatch.setattr(model, name, noting(name))
    talk(models, b"!ping\n!ping\n|u a\n")
    talk(models, b"|u a!b\n|u c@d\n!ping\n|u b\n")
    talk(models, b"|u a\n@cvr |f a\n|u b\n")
    assert shown == [b"|u a\n", b"|u a!b\n|u c@d\n", b"|u b\n", b"|u a\n", b"|u b\n"]


def test_a_batch_sees_what_was_learned_before_it_and_nothing_else(models: Models, talk: Talk) -> None:
    first, batch, last, _ = talk(models, b"@cvr 1 |u a\n@cvr batch\n1 |u a\n\n@cvr |u a\n").split(b"\n")
    assert float(first) < float(batch) < float(last)


# -- models that come and go ---------------------------------------------------------------------------------------


class Changing:
    """Models whose `ctr` can be replaced."""

    def __init__(self, inner: Models) -> None:
        self._inner = inner
        self.ctr: str | None = "ctr"
        self.names = inner.names
        self.save = inner.save

    def get(self, name: str) -> object:
        """The model of this name, or what `ctr` is now."""
        return self._inner.get(name) if name != "ctr" else self.ctr and self._inner.get(self.ctr)


@pytest.mark.parametrize(("after", "code"), [("cvr", "bad-request"), (None, "no-model")])
@pytest.mark.parametrize(("own", "address"), [("ctr", b""), ("cvr", b"@ctr ")])
def test_a_model_replaced_in_the_middle_of_a_multi_line_example_costs_only_that(
    own: str, address: bytes, after: str | None, code: str, models: Models
) -> None:
    changing = Changing(models)
    changing.ctr = "adf"
    session = Session(cast(Models, changing), own, line_bytes=4096, request_bytes=4096)
    session.receive(address + b"|a x\n|a y\n")
    assert not list(session.answers())
    changing.ctr = after
    session.receive(b"\n!ping\n")
    assert kinds(b"".join(session.answers())) == [code, "ok"]


def test_a_model_removed_in_the_middle_of_a_batch_costs_only_that(models: Models) -> None:
    changing = Changing(models)
    session = Session(cast(Models, changing), "cvr", line_bytes=4096, request_bytes=4096)
    session.receive(b"@ctr batch\n|a x\n")
    assert not list(session.answers())
    changing.ctr = None
    session.receive(b"\n!ping\n")
    assert kinds(b"".join(session.answers())) == ["no-model", "ok"]


# -- the ways to an answer -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [b"\n", b"\r\n"])
@pytest.mark.parametrize("reads", [1, 3, 7, 1000])
def test_however_bytes_arrive_the_answers_are_the_same(
    separator: bytes, reads: int, make_models: MakeModels, talk: Talk
) -> None:
    requests: Sequence[bytes] = [
        *[b"1 |u a", b"\xef\xbb\xbf-1 'x |u b", b"nonsense", b"", b"@cvr 1 |u a"] * 2,
        *[b"@ctr,cvr |u a |a b", b"!models", b"@ctr batch |u a", b"|a x", b"|a y", b"", b"save", b"@ |", b"|u a"],
    ]
    data = separator.join(requests)
    pieces = [data[start : start + reads] for start in range(0, len(data), reads)]
    expected = talk(make_models(), [line + b"\n" for line in requests])
    assert expected.count(b"\n") == len(requests) - 6
    assert talk(make_models(), pieces) == expected


def test_a_save_ends_the_turn(models: Models) -> None:
    noting = Saves(models)
    session = Session(noting, "ctr", line_bytes=1000, request_bytes=1000)
    session.receive(b"1 |u a\nsave\n|u a\nsave_x\n")
    first, second = (b"".join(session.answers()) for _ in range(2))
    assert (first.count(b"\n"), second.count(b"\n")) == (1, 1)
    assert session.idle
