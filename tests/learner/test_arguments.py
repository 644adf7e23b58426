"""VW's argument line: what has no place in a served model is refused with its reason, and a typo is named."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.learner.reference import vw
from vwserve.errors import ArgumentsError, ModelError
from vwserve.learner import Bounds, Learner
from vwserve.learner.arguments import REFUSED, split_arguments


def refusal(arguments: str) -> str:
    """What a model's author is told of these arguments."""
    with pytest.raises(ArgumentsError) as caught:
        Learner(arguments)
    return str(caught.value)


def accepted(arguments: str, line: bytes = b"|f a") -> bytes:
    """The answer of a model with these arguments."""
    learner = Learner(arguments)
    answer = learner.answer(line + b"\n")
    learner.close()
    return answer


@pytest.mark.parametrize("name", sorted(REFUSED))
@pytest.mark.parametrize("form", ["{}", "{} x", "{}=x", "-b 10 {} 3 -q ff"])
def test_what_has_no_place_in_a_served_model_is_refused_in_every_spelling(name: str, form: str) -> None:
    option = f"--{name}" if len(name) > 1 else f"-{name}"
    with pytest.raises(ArgumentsError, match="no place here") as caught:
        split_arguments(form.format(option))
    assert option in str(caught.value) and REFUSED[name] in str(caught.value)


@pytest.mark.parametrize("arguments", ["-f/tmp/model", "-dfile", "-c", "-p/dev/stdout"])
def test_short_options_are_refused_with_their_value_attached(arguments: str) -> None:
    assert "no place here" in refusal(arguments)


@pytest.mark.parametrize(
    ("arguments", "option", "nearest"),
    [
        ("--loss_funktion logistic", "--loss_funktion", "--loss_function"),
        ("--lerning_rate=3", "--lerning_rate", "--learning_rate"),
        ("--oaaa 3", "--oaaa", "--oaa"),
        ("--ftlr", "--ftlr", "--ftrl"),
    ],
)
def test_a_typo_is_named_with_the_nearest_option(arguments: str, option: str, nearest: str) -> None:
    text = refusal(arguments)
    assert f"unknown VW option '{option}'" in text
    assert f"did you mean '{nearest}'?" in text


def test_vw_knows_no_abbreviations_and_neither_do_we() -> None:
    assert "did you mean '--loss_function'?" in refusal("--loss_func logistic")


def test_an_option_that_is_like_no_other_is_named_alone() -> None:
    assert refusal("--zzzzqqqq") == "unknown VW option '--zzzzqqqq'"


@pytest.mark.parametrize(
    "arguments",
    [
        "--loss_function logistic",
        "--loss_function=logistic",
        "'--loss_function' \"logistic\"",
        " --loss_function  logistic ",
    ],
)
def test_values_stand_behind_a_space_an_equals_sign_or_in_quotes(arguments: str) -> None:
    assert split_arguments(arguments) in (["--loss_function", "logistic"], ["--loss_function=logistic"])
    assert "0 is not" not in accepted(arguments).decode()


@pytest.mark.parametrize("arguments", ["-q ff", "-qff", "--quadratic ff", "--quadratic=ff"])
def test_interactions_are_understood_in_every_spelling(arguments: str) -> None:
    learner = Learner(arguments, bounds=Bounds(features=1))
    assert b"5 features after interactions" in learner.answer(b"|f a b\n")
    learner.close()


def test_unbalanced_quotes_are_named() -> None:
    assert "No closing quotation" in refusal("--loss_function 'logistic")


@pytest.mark.parametrize("arguments", ["data.vw", "--oaa 3 data.vw", "-", "-1"])
def test_a_word_that_belongs_to_no_option_is_no_file_of_examples(arguments: str) -> None:
    assert "belongs to no option" in refusal(arguments)


@pytest.mark.parametrize("arguments", ["--oaa", "-q", "--l1", "--loss_function", "--marginal f --oaa"])
def test_an_option_without_its_value_takes_none_of_ours_for_it(arguments: str) -> None:
    assert "quiet" not in refusal(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            "--oaa five",
            "-l nan",
            "-b 70",
            "--loss_function nothing",
            "--link nothing",
            "-q f",
            "--cubic ff",
            "--skips 3",
        ),
        *("--classweight x", "--affix z", "--named_labels a,b --oaa 3", "--coin --ftrl", "--cb_explore 5 --epsilon 2"),
        *("-b 18 -b 20", "--plt 5", "--csoaa_ldf x", "--cb_dro", "--get_pmf"),
    ],
)
def test_what_vw_refuses_is_refused_in_one_line(arguments: str) -> None:
    assert "\n" not in refusal(arguments)


@pytest.mark.parametrize(
    "option", ["oaa", "csoaa", "ect", "log_multi", "recall_tree", "bootstrap", "cbify", "search", "plt"]
)
@pytest.mark.parametrize("count", ["0", "-1", "100000000000000000000"])
def test_counts_that_vw_crashes_hangs_or_answers_nonsense_with_are_refused(option: str, count: str) -> None:
    for form in (f"--{option} {count}", f"--{option}={count}"):
        assert f"option --{option} takes a number from 1 to" in refusal(form)


@pytest.mark.parametrize(
    "arguments",
    [
        "--cb_explore_adf --bag 0",
        "--cb_explore 5 --cover 0",
        "--OjaNewton --epoch_size 0",
        "--recall_tree 5 --max_depth 40",
        "--plt 5 --kary_tree 0 --loss_function logistic",
        "--nn 10000000",
        "--log_multi 5 --swap_resistance 0",
    ],
)
def test_other_counts_that_it_does_not_bear_are_refused(arguments: str) -> None:
    assert "takes a number from" in refusal(arguments)


def test_more_labels_than_there_are_cannot_be_asked_for() -> None:
    assert "--top_k asks for more" in refusal("--plt 5 --top_k 6 --loss_function logistic")
    answer = accepted("--plt 5 --top_k 5 --loss_function logistic")
    assert sorted(answer.strip().split(b",")) == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("above", ["--bag 2", "--rnd=3", "--epsilon_decay", "--automl 3"])
@pytest.mark.parametrize("below", ["--nn 2", "--boosting=3", "--bootstrap 2", "--lrq fg2", "--lrqfa fg2", "--new_mf 2"])
def test_several_models_of_several_models_are_refused_since_vw_overruns_its_memory(above: str, below: str) -> None:
    option = re.match("--[a-z_]+", below)
    assert option is not None
    assert f"option {option[0]} has no place with --" in refusal(f"--cb_explore_adf {above} {below}")


def test_probabilities_that_vw_prints_of_another_example_are_refused() -> None:
    assert "VW prints an older example's" in refusal("--multilabel_oaa 3 --probabilities --loss_function logistic")


def test_a_search_whose_labels_the_line_protocol_does_not_carry_is_refused() -> None:
    for task in ("hook", "graph", "dep_parser", "entity_relation"):
        assert "--search_task" in refusal(f"--search 3 --search_task {task}")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ("cat,@dog", "'@dog' cannot be a label in a line"),
        ("!cat,dog", "'!cat' cannot be a label in a line"),
        ("'cat dog,bird'", "'cat dog' cannot be a label in a line"),
        ("cat,do:g", "'do:g' cannot be a label in a line"),
        ("'cat,d|og'", "'d|og' cannot be a label in a line"),
        ('"cat,\'dog"', "cannot be a label in a line"),
        ("'cat,d\tog'", "cannot be a label in a line"),
        ("cat,\ufeffdog", "cannot be a label in a line"),
        ("cat,,dog", "an empty name, number 2 of 3"),
        ("cat,dog,", "an empty name, number 3 of 3"),
        ("cat,dog,cat", "'cat' twice"),
    ],
)
def test_named_labels_that_no_line_could_carry_are_refused(names: str, reason: str) -> None:
    for form in ("--oaa 3 --named_labels {}", "--named_labels={} --oaa 3"):
        assert reason in refusal(form.format(names))


@pytest.mark.parametrize("names", ["cat,dog,bird", "naïve,c@t,d!g", "a-b,1.5,_", "it's,x^y,="])
def test_other_named_labels_are_learned(names: str) -> None:
    learner = Learner(f'--oaa {names.count(",") + 1} --named_labels "{names}"')
    for name in names.encode().split(b","):
        learner.answer(b"%s |f h%s\n" % (name, name) * 20)
        assert learner.answer(b"|f h%s\n" % name) == name + b"\n"
    learner.close()


def test_named_labels_of_a_model_file_are_looked_at_too(tmp_path: Path) -> None:
    model = tmp_path / "model.vw"
    vw(f"--oaa 2 --named_labels @cat,dog -f {model}", b"dog |f a\n", tmp_path)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ModelError, match=r"model\.vw: option --named_labels: '@cat' cannot be a label"):
        Learner(initial=model)
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize(
    "arguments",
    ["--lrq ab{}", "--lrq={}", "--lrqfa abc{}", "--ngram {}", "--ngram f{}", "--ngram=f{} --skips 1"],
)
def test_numbers_behind_namespaces_are_bounded_too(arguments: str) -> None:
    assert "takes a number from" in refusal(arguments.format(10**9))
    assert "takes a number from" in refusal(arguments.format(10**30))
    assert "takes a number from 0 to 1000" in refusal(f"--ngram f2 --skips f{10**9}")
    assert accepted("--lrq fg3 --lrq fh2 --ngram f2 --skips 0").startswith(b"0")


def test_a_choice_that_vw_does_not_know_is_named_with_those_there_are() -> None:
    assert refusal("--loss_function logistik") == (
        "option --loss_function takes one of classic, expectile, hinge, logistic, poisson, quantile, squared, "
        "not 'logistik'; did you mean 'logistic'?"
    )
    assert refusal("--cb 3 --cb_type foo").endswith("takes one of dm, dr, ips, mtr, sm, not 'foo'")


@pytest.mark.parametrize("option", ["--active", "--active --simulation", "--multiworld_test f", "--graph_feedback"])
def test_what_is_not_for_serving_is_refused(option: str) -> None:
    assert "has no place here" in refusal(option)


@pytest.mark.parametrize(
    "arguments",
    [
        "-t",
        "--testonly",
        "--save_resume",
        "--holdout_off",
        "--hash all",
        "--random_weights",
        "--quiet",
        "--no_stdin",
        "-P 1",
    ],
)
def test_what_does_no_harm_is_accepted(arguments: str) -> None:
    assert accepted(arguments).endswith(b"\n")


@pytest.mark.parametrize("arguments", ["-t", "--testonly", "-b 10 -t"])
def test_a_model_that_only_tests_does_not_learn(arguments: str) -> None:
    learner = Learner(arguments)
    assert not learner.learns
    assert learner.answer(b"1 |f a\n1 |f a\n") == b"0\n0\n"
    assert learner.tally.learned == 0
    learner.close()


def test_a_refused_model_leaves_no_open_file() -> None:
    before = os.listdir("/proc/self/fd")
    for _ in range(5):
        refusal("--oaa 5 --zzzz")
        refusal("--cb_explore_adf --epsilon 2")
    assert os.listdir("/proc/self/fd") == before
