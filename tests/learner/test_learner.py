"""A model: blocks of lines in, answers out; what is no example, or what VW raises on, costs only itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.learner import lines
from tests.learner.reference import joined, vw
from tests.learner.weights import weights
from vwserve.errors import ArgumentsError, ModelError
from vwserve.learner import Bounds, Learner
from vwserve.learner.binding import Examples, Workspace

MARK = b"\xef\xbb\xbf"


# -- refusing --------------------------------------------------------------------------------------------------------


def test_one_bad_line_in_a_chunk_costs_only_itself() -> None:
    good, mixed = Learner("-b 10"), Learner("-b 10")
    first, last = lines.stream(lines.simple, 120), lines.stream(lines.simple, 120, seed=2)
    expected = good.answer(joined(first + last))
    answers = mixed.answer(joined([*first, b"garbage no pipe", *last])).split(b"\n")
    assert answers.pop(120) == b"!error bad-example 'garbage no pipe' has no '|' before its features"
    assert b"\n".join(answers) == expected
    assert weights(good) == weights(mixed)
    assert (mixed.tally.examples, mixed.tally.refused) == (240, 1)
    good.close()
    mixed.close()


@pytest.mark.parametrize("line", [b"x |f a", b"nan |f a", b"1 1e30 |f a", b"1 |f a:nan", b"save", b"1 1 1 1 1 |f a"])
def test_a_refused_line_changes_no_weight_and_no_count(line: bytes) -> None:
    learner = Learner("-b 10")
    learner.answer(b"1 |f a b\n")
    before = weights(learner), learner.sum_loss, learner.tally.learned, learner.tally.weight
    assert learner.answer(line + b"\n").startswith(b"!error bad-example ")
    assert (weights(learner), learner.sum_loss, learner.tally.learned, learner.tally.weight) == before
    learner.close()


def test_bounds_are_those_that_are_set_and_can_be_changed() -> None:
    learner = Learner(bounds=Bounds(importance=2, magnitude=10))
    assert b"importance '3' is beyond" in learner.answer(b"1 3 |f a\n")
    assert b"'11' is beyond" in learner.answer(b"1 2 |f a:11\n")
    learner.limit(Bounds())
    assert learner.answer(b"1 3 |f a:11\n") == b"0\n"
    learner.close()


@pytest.mark.parametrize(
    ("arguments", "bad", "good"),
    [
        ("--loss_function logistic", [b"2", b"-1.5"], [b"1", b"-1", b"0.5", b"0"]),
        ("--loss_function logistic --logistic_min 0", [b"-1", b"1.1"], [b"1", b"0", b"0.3"]),
        ("--loss_function hinge", [b"0", b"2", b"0.5"], [b"1", b"-1", b"+1.0"]),
        ("--binary", [b"0", b"0.5"], [b"1", b"-1"]),
        ("--loss_function poisson", [b"-1", b"-0.1"], [b"0", b"3", b"2.5"]),
        ("", [], [b"-1e6", b"3"]),
    ],
)
def test_labels_that_the_loss_is_not_defined_for_are_refused(
    arguments: str, bad: list[bytes], good: list[bytes]
) -> None:
    learner = Learner(arguments)
    for label in bad:
        assert b"as the loss function expects" in learner.answer(label + b" |f a\n")
    for label in good:
        assert not learner.answer(label + b" |f a\n").startswith(b"!")
    assert (learner.tally.refused, learner.tally.learned) == (len(bad), len(good))
    learner.close()


def test_class_numbers_outside_the_models_are_refused() -> None:
    learner = Learner("--ect 12")
    assert learner.answer(b"12 |f a\n") == b"1\n"
    for word in (b"0", b"13", b"-1", b"1.5", b"cat", b"9" * 5000):
        assert learner.answer(word + b" |f a\n").startswith(b"!error bad-example ")
    learner.close()


def test_a_byte_order_mark_that_is_left_where_lines_came_in_is_no_tag() -> None:
    learner, actions = Learner(), Learner("--cb_adf")
    for line in (b"|f a", b"1 |f a", b"'t |f a"):
        assert b"a second byte order mark" in learner.answer(MARK + line + b"\n")
    assert b"line 1: a second byte order mark" in actions.answer_groups([[MARK + b"shared |s x", b"|a y"]])[0]
    learner.close()
    actions.close()


# -- answering -------------------------------------------------------------------------------------------------------


def test_labelled_lines_are_learned_and_answered_with_the_prediction_before() -> None:
    learner = Learner()
    assert learner.answer(b"|f a\n1 |f a\n|f a\n") != b"0\n0\n0\n"
    assert learner.answer(b"1 |f new\n").endswith(b"\n")
    assert (learner.tally.examples, learner.tally.learned) == (4, 2)
    learner.close()


def test_lines_that_are_only_to_be_predicted_are_not_learned_whatever_their_labels() -> None:
    for arguments in ("", "--oaa 3", "--nn 2", "--cb_explore 3"):
        learner = Learner(f"{arguments} -b 10")
        label = b"1:1:0.5" if "cb" in arguments else b"1"
        learner.answer(b"|f a\n")  # some draw their first weights now
        before = weights(learner)
        learner.answer(label + b" |f a\n" + label + b" 'tag |f a\n|f a\n", learn=False)
        assert weights(learner) == before
        assert learner.tally.learned == 0
        learner.close()


def test_a_static_model_never_changes(tmp_path: Path) -> None:
    model = tmp_path / "model.vw"
    vw(f"-b 10 -f {model}", joined(lines.stream(lines.simple, 100)), tmp_path)
    learner = Learner("-b 10", learn=False, initial=model)
    saved, unlabelled = tmp_path / "saved.vw", joined(lines.stream(lines.simple, 100, seed=3))
    before = learner.answer(unlabelled)
    learner.answer(joined(lines.stream(lines.simple, 300, seed=2)))
    assert learner.answer(unlabelled) == before
    model.unlink()  # what it was once loaded from may be gone
    learner.save(saved)
    again, trained = Learner("-b 10", learn=False, initial=saved), Learner("-b 10", initial=saved)
    assert again.answer(unlabelled) == before
    assert trained.answer(unlabelled, learn=False) == before
    for each in (learner, again, trained):
        each.close()


@pytest.mark.parametrize("option", ["--regcb", "--regcbopt", "--squarecb --elim"])
def test_what_vw_changes_while_it_predicts_is_no_static_model(option: str, tmp_path: Path) -> None:
    arguments, model = f"--cb_explore_adf {option}", tmp_path / "model.vw"
    with pytest.raises(ArgumentsError, match="has no place in a static model"):
        Learner(arguments, learn=False)
    learner = Learner(arguments)
    learner.save(model)
    learner.close()
    with pytest.raises(ModelError, match=r"model\.vw: option --\w+ has no place in a static model"):
        Learner(learn=False, initial=model)


def test_a_static_model_without_a_file_is_saved_as_one_that_has_learned_nothing(tmp_path: Path) -> None:
    learner, saved = Learner("--oaa 3 -q ff", learn=False), tmp_path / "saved.vw"
    learner.save(saved)
    again = Learner(initial=saved)
    assert again.answer(b"3 |f a\n|f a\n") == b"1\n3\n"
    learner.close()
    again.close()


def test_each_line_gets_one_reply_with_its_tag_apart() -> None:
    learner = Learner()
    replies = learner.answer_each([b"|f a", b"1 'a |f a", b"x |f a", b"bare|f b"])
    assert [(reply.text, reply.tag, reply.refused) for reply in replies[:2]] == [
        (b"0", b"", False),
        (b"0", b"a", False),
    ]
    assert replies[2].refused
    assert (replies[3].tag, replies[3].refused) == (b"bare", False)
    learner.close()


def test_replies_of_several_lines_are_joined() -> None:
    learner = Learner("--cb_explore 2")
    replies = learner.answer_each([b"|f a", b"'t |f a"])
    assert [(reply.text, reply.tag) for reply in replies] == [(b"0:0.5,1:0.5", b""), (b"0:0.5,1:0.5", b"t")]
    learner.close()


def test_a_block_is_taken_if_every_line_is_an_ordinary_example() -> None:
    learner = Learner(bounds=Bounds(features=100))
    assert learner.takes(b"1 't |f a:2\n" * 600)
    for odd in (b"garbage\n", b"x |f a\n", b"1 |f a:1e9\n", b"|f" + b" a" * 101 + b"\n", MARK + b"|f a\n"):
        assert not learner.takes(b"1 |f a\n" * 300 + odd + b"|f a\n" * 300)
        assert (learner.fault(odd[:-1]) is None) == (odd == b"1 |f a:1e9\n")
    assert learner.tally.examples == learner.tally.refused == 0
    learner.close()


def test_until_classes_are_settled_only_unlabelled_blocks_are_taken() -> None:
    learner = Learner("--oaa 3")
    assert learner.takes(b"|f a\n") and not learner.takes(b"|f a\n1 |f a\n")
    learner.answer(b"3 |f a\n")
    assert learner.takes(b"|f a\n1 |f a\n") and not learner.takes(b"0 |f a\n")
    learner.close()


@pytest.mark.parametrize("count", [0, 1, 249, 250, 251, 500, 501])
def test_blocks_of_any_length_are_answered_line_by_line(count: int) -> None:
    learner = Learner()
    assert learner.answer(b"|f a\n" * count) == b"0\n" * count
    assert learner.answer(b"1 't |f a\n" * count).count(b" t\n") == count
    learner.close()


def test_scores_and_labels_are_handed_to_an_observer_in_pairs() -> None:
    learner = Learner()
    seen: list[tuple[float, float]] = []
    learner.tally.observe = lambda scores, labels: seen.extend(zip(scores, labels))
    learner.answer(b"1 |f a\n2 |f b\n")
    learner.answer(b"3 't |f c\n|f d\n4|f tagged\n5 2 |f e\n")
    learner.tally.flush()
    assert [label for _, label in seen] == [1, 2, 3, 5]
    assert learner.tally.weight == 5
    learner.close()


@pytest.mark.parametrize(
    ("arguments", "multiline", "spaceless", "scale"),
    [
        ("", False, True, "linear"),
        ("--loss_function logistic", False, True, "log-odds"),
        ("--loss_function logistic --link logistic", False, True, "probability"),
        ("--oaa 3", False, True, "linear"),
        ("--oaa 3 --scores", False, False, "linear"),
        ("--cb_explore_adf", True, False, "linear"),
    ],
)
def test_a_model_tells_how_it_answers(arguments: str, multiline: bool, spaceless: bool, scale: str) -> None:
    learner = Learner(arguments)
    assert (learner.multiline, learner.spaceless, learner.scale) == (multiline, spaceless, scale)
    learner.close()


# -- from zero or from one -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["oaa", "csoaa"])
@pytest.mark.parametrize(("settling", "out"), [(b"0", b"3"), (b"3", b"0")])
def test_the_first_label_at_either_end_settles_where_classes_count_from(
    option: str, settling: bytes, out: bytes, tmp_path: Path
) -> None:
    cost = b":1" if option == "csoaa" else b""
    good = [word + cost + b" |f a" + word for word in (b"1", b"2", settling, b"1", settling)]
    learner = Learner(f"--{option} 3")
    answer = learner.answer(joined(good))
    assert answer == vw(f"--{option} 3", joined(good), tmp_path)
    assert b"is not in" in learner.answer(out + cost + b" |f a\n")
    assert learner.answer(joined([settling + cost + b" |f a", b"|f a"])).count(b"!") == 0
    learner.close()


def test_what_is_only_predicted_settles_nothing() -> None:
    learner = Learner("--oaa 3")
    learner.answer(b"0 |f a\n", learn=False)
    assert learner.answer(b"3 |f a\n") == b"1\n"
    assert learner.answer(b"0 |f a\n").startswith(b"!error")
    learner.close()


def test_both_ends_in_one_label_are_refused_and_settle_nothing() -> None:
    learner = Learner("--csoaa 3")
    assert learner.answer(b"0:1 3:2 |f a\n").startswith(b"!error")
    assert not learner.answer(b"1:1 3:2 |f a\n").startswith(b"!error")
    learner.close()


# -- models ----------------------------------------------------------------------------------------------------------


def test_a_model_is_saved_where_vw_reads_it(tmp_path: Path) -> None:
    learner, model = Learner("--oaa 3 -q ff"), tmp_path / "model.vw"
    learner.answer(b"1 |f a\n3 |f b\n" * 20)
    learner.save(model)
    assert vw(f"-t -i {model}", b"|f a\n|f b\n", tmp_path) == b"1\n3\n" == learner.answer(b"|f a\n|f b\n")
    learner.close()


def test_a_model_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    learner = Learner()
    with pytest.raises(ModelError, match=r"cannot write the model to .*missing.*: No such file"):
        learner.save(tmp_path / "missing" / "model.vw")
    assert learner.answer(b"|f a\n") == b"0\n"
    learner.close()


def test_a_file_that_is_no_model_is_told_from_arguments_that_are_wrong(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.vw"
    nothing.write_bytes(b"this is no model")
    for file in (nothing, tmp_path / "missing.vw"):
        with pytest.raises(ModelError, match=file.name):
            Learner("", initial=file)
    with pytest.raises(ArgumentsError, match="unknown VW option"):
        Learner("--zzzz", initial=nothing)


def test_what_a_model_file_keeps_of_its_arguments_is_known(tmp_path: Path) -> None:
    model = tmp_path / "model.vw"
    vw(f"--oaa 3 --indexing 1 -q ff -f {model}", b"1 |f a\n2 |f b\n", tmp_path)
    learner = Learner(initial=model)
    assert learner.answer(b"4 |f a\n").startswith(b"!error bad-example class '4'")
    few = Bounds(features=4)
    learner.limit(few)
    assert learner.answer(b"|f a b\n").startswith(b"!error too-many-features 5 features after interactions")
    learner.close()


# -- renewal ---------------------------------------------------------------------------------------------------------


def raising_on(monkeypatch: pytest.MonkeyPatch, word: bytes) -> None:
    """Let VW raise while it learns an example that has this as its tag, as some of its reductions do."""

    class Raising(Workspace):
        def learn(self, examples: Examples, scalars: list[float]) -> None:
            for example in examples:
                if example.get_tag().encode() == word:
                    raise RuntimeError("half way\nthrough")
                super().learn([example], scalars)

    monkeypatch.setattr("vwserve.learner.engine.Workspace", Raising)


def test_a_save_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner, model = Learner("-b 10"), tmp_path / "model.vw"
    learner.save(model)
    before = model.read_bytes()
    learner.answer(b"1 |f a\n")
    monkeypatch.setattr(Workspace, "save", lambda self, path: None)
    with pytest.raises(ModelError, match="VW left it empty"):
        learner.save(model)
    assert model.read_bytes() == before
    assert list(tmp_path.iterdir()) == [model]
    learner.close()


@pytest.mark.parametrize("arguments", ["-q fg", "--ftrl", "--nn 3", "--loss_function logistic --link logistic"])
def test_after_vw_has_raised_all_is_as_if_it_had_never_seen_the_line(
    arguments: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lines.stream(lines.binary, 200)
    without = Learner(arguments + " -b 10")
    expected = without.answer(joined(data)).split(b"\n")
    raising_on(monkeypatch, b"bad")
    learner = Learner(arguments + " -b 10")
    answers = learner.answer(joined([*data[:100], b"1 'bad |f a", *data[100:]])).split(b"\n")
    assert answers.pop(100) == b"!error bad-example VW refuses it: half way through"
    if "nn" in arguments:  # it draws at random when it starts
        assert answers[:100] == expected[:100]
    else:
        assert answers == expected
        assert weights(learner) == weights(without)
        assert learner.sum_loss == pytest.approx(without.sum_loss, rel=1e-6)
    assert (learner.tally.examples, learner.tally.refused) == (200, 1)
    assert (learner.tally.learned, without.tally.learned) == (without.tally.learned, learner.tally.learned)
    learner.close()
    without.close()


def test_where_classes_count_from_is_not_forgotten_by_a_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    raising_on(monkeypatch, b"bad")
    learner = Learner("--oaa 3")
    answers = learner.answer(b"0 |f a\n" * 3 + b"1 'bad |f a\n" + b"|f a\n2 |f c\n|f a\n").split(b"\n")
    assert answers[3].startswith(b"!error") and answers[4:] == [b"0", b"0", b"0", b""]
    assert learner.answer(b"3 |f a\n").startswith(b"!error bad-example class '3' is not in 0..2")
    learner.close()


@pytest.mark.parametrize("arguments", ["-b 10", "--oaa 3 --indexing 1", "--ect 3", "--csoaa 3 -t", "-t"])
def test_every_line_that_vw_raises_on_is_refused_alone(arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raising_on(monkeypatch, b"bad")
    learner = Learner(arguments)
    answers = learner.answer(b"'bad |f a\n'first |f a\n'bad |f a\n'bad |f a\n'last |f a\n").split(b"\n")
    assert [answer.startswith(b"!error") for answer in answers[:-1]] == [True, False, True, True, False]
    assert (answers[1][2:], answers[4][2:]) == (b"first", b"last")
    learner.close()


def test_a_static_model_is_renewed_from_what_it_was_loaded_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model.vw"
    vw(f"-b 10 -f {model}", joined(lines.stream(lines.simple, 100)), tmp_path)
    raising_on(monkeypatch, b"bad")
    learner = Learner("-b 10", learn=False, initial=model)
    model.unlink()
    expected = learner.answer(b"1 |f a ha\n|f b h1\n")
    sum_loss = learner.sum_loss
    learner.answer(b"'bad |f a\n")
    assert learner.sum_loss == sum_loss > 0.0
    assert learner.answer(b"1 |f a ha\n|f b h1\n") == expected
    assert learner.sum_loss == pytest.approx(2 * sum_loss)
    learner.close()


@pytest.mark.parametrize("fails", ["answer_groups", "parse"])
def test_a_multi_line_example_that_vw_raises_on_is_refused_alone(fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Raising(Workspace):
        def parse(self, chunk: bytes) -> Examples:
            if fails == "parse" and b"'bad" in chunk:
                raise RuntimeError("half way through")
            return super().parse(chunk)

        def answer_groups(self, examples: Examples, sizes: Sequence[int], learn: bool) -> Iterator[None]:
            tags = [example.get_tag() for example in examples]
            for place, _ in enumerate(super().answer_groups(examples, sizes, learn)):
                if fails == "answer_groups" and "bad" in tags[3 * place : 3 * place + 3]:
                    raise RuntimeError("half way through")
                yield

    def group(tag: bytes) -> list[bytes]:
        return [b"shared |s x", b"1:1:0.5 '" + tag + b" |a x", b"|a y"]

    without = Learner("--cb_adf")
    expected = without.answer_groups([group(b"t")] * 3)
    monkeypatch.setattr("vwserve.learner.engine.Workspace", Raising)
    learner = Learner("--cb_adf")
    answers = learner.answer_groups([group(b"t"), group(b"bad"), group(b"t"), group(b"t")])
    assert answers.pop(1) == b"!error bad-example VW refuses it: half way through\n"
    assert answers == expected
    assert learner.tally.examples == learner.tally.learned == 3
    without.close()
    learner.close()
