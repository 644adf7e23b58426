"""Every kind of prediction that VW prints, line by line and byte for byte as the `vw` command prints it.

The streams are longer than the chunk in which examples are parsed, and what is compared are the answers before each
update: one wrong update shows in all answers that follow.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.learner import lines
from tests.learner.reference import joined, joined_groups, vw
from vwserve.learner import Learner

LINES = 300
GROUPS = 120

Line = Callable[[random.Random], bytes]
Group = Callable[[random.Random], list[bytes]]

SCALAR: dict[Line, list[str]] = {
    lines.simple: [
        "",
        "--loss_function quantile --quantile_tau 0.7",
        "--loss_function expectile --expectile_q 0.3",
        "--loss_function classic",
        "--min_prediction -1 --max_prediction 1",
        "-t",
        # Update rules and base learners.
        "--sgd",
        "--adaptive",
        "--normalized",
        "--invariant",
        "--power_t 0 -l 0.1",
        "--decay_learning_rate 0.9 --initial_t 5",
        "--l1 0.001 --l2 0.001 --no_bias_regularization",
        "--ftrl",
        "--pistol",
        "--coin",
        "--OjaNewton",
        "--rank 2 -q fg",
        "--new_mf 2 -q fg",
        # Weights.
        "-b 4",
        "-b 22 --sparse_weights",
        "--random_weights --random_seed 7",
        "--normal_weights",
        "--truncated_normal_weights",
        "--initial_weight 0.1",
        # Features.
        "-q fg",
        "-q ::",
        "--cubic fgf",
        "--interactions fgh --leave_duplicate_interactions",
        "--ngram f3 --skips f2",
        "--ngram 2 -q ff",
        "--ignore f",
        "--keep g",
        "--ignore_linear f",
        "--noconstant",
        "--constant 2",
        "--hash all",
        "--hash_seed 3",
        "--affix +2f,-3g",
        "--spelling f",
        "--feature_limit 3",
        "--sort_features",
        "--redefine g:=f -q ff",
        # Reductions.
        "--lrq fg2",
        "--lrq fg2 --lrqdropout",
        "--lrqfa fg2",
        "--marginal g",
        "--interact fg",
        "--stage_poly",
        "--autolink 2",
        "--baseline",
        "--bootstrap 3",
    ],
    lines.unweighted: ["--freegrad"],
    lines.binary: [
        "--loss_function logistic",
        "--loss_function logistic --link logistic",
        "--loss_function logistic --link glf1",
        "--loss_function hinge",
        "--binary",
        "--binary --loss_function logistic",
        "--nn 3",
        "--nn 3 --inpass --dropout",
        "--boosting 3",
        "--boosting 3 --alg logistic",
        "--boosting 3 --alg adaptive",
        "--classweight 1:2,-1:0.5",
        "--active_cover --loss_function logistic",
        "--bootstrap 3 --bs_type vote",
        "--replay_b 5 --loss_function logistic",
    ],
    lines.shares: ["--loss_function logistic --logistic_min 0 --logistic_max 1"],
    lines.counts: ["--loss_function poisson", "--loss_function poisson --link poisson"],
}

CLASSES: dict[Line, list[str]] = {
    lines.multiclass: [
        "--oaa 5",
        "--oaa 5 --indexing 1",
        "--oaa 5 --scores",
        "--oaa 5 --probabilities --loss_function logistic",
        "--oaa 5 --oaa_subsample 3",
        "--ect 5",
        "--ect 5 --error 2",
        "--log_multi 5",
        "--recall_tree 5",
        "--replay_m 5 --oaa 5",
        "--classweight 1:2 --oaa 5",
        "--cbify 5",
        "--memory_tree 5 --max_number_of_labels 5",
    ],
    lines.zero_based: ["--oaa 5", "--oaa 5 --indexing 0"],
    lines.named: ["--oaa 3 --named_labels cat,dog,bird", "--oaa 3 --named_labels cat,dog,bird --scores"],
    lines.costs: ["--csoaa 5", "--replay_c 5 --csoaa 5"],
    lines.multilabel: [
        "--multilabel_oaa 5",
        "--plt 5 --loss_function logistic",
        "--plt 5 --top_k 2 --loss_function logistic",
        "--plt 5 --top_k 2 --probabilities --loss_function logistic",
    ],
}

DECISIONS: dict[Line, list[str]] = {
    lines.bandit: [
        "--cb 5",
        "--cb 5 --cb_type ips",
        "--cb 5 --cb_type dm",
        "--cb 5 --cb_type dr",
        "--cb 5 --cb_force_legacy",
        "--cb_explore 5",
        "--cb_explore 5 --epsilon 0.2",
        "--cb_explore 5 --first 20",
        "--cb_explore 5 --bag 3",
        "--cb_explore 5 --cover 3",
        "--cb_explore 5 --softmax --lambda 2",
        "--cb_explore 5 --squarecb",
        "--cb_explore 5 --cb_type dm",
        "--cb_explore 5 --cb_force_legacy --bag 2",
    ],
    lines.continuous: [
        "--cats 4 --bandwidth 3 --min_value 0 --max_value 32",
        "--cats_pdf 4 --bandwidth 3 --min_value 0 --max_value 32",
        "--cbzo --policy constant",
    ],
}

MULTILINE: dict[Group, list[str]] = {
    lines.costed_actions: [
        "--csoaa_ldf m",
        "--csoaa_ldf mc",
        "--csoaa_ldf m --csoaa_rank",
        "--csoaa_ldf mc --probabilities --loss_function logistic",
        "--wap_ldf m",
    ],
    lines.bandit_actions: [
        "--cb_adf",
        "--cb_adf --rank_all",
        "--cb_adf --cb_type ips",
        "--cb_adf --cb_type dm",
        "--cb_adf --cb_type dr",
        "--cb_adf --cb_type sm",
        "--cb_sample --cb_explore_adf",
        "--cb_explore_adf",
        "--cb_explore_adf --epsilon 0.1 -q fg",
        "--cb_explore_adf --cb_type dr",
        "--cb_explore_adf --first 5",
        "--cb_explore_adf --bag 3",
        "--cb_explore_adf --bag 3 --greedify",
        "--cb_explore_adf --cover 3",
        "--cb_explore_adf --cover 3 --nounif",
        "--cb_explore_adf --softmax --lambda 3",
        "--cb_explore_adf --regcb",
        "--cb_explore_adf --regcbopt",
        "--cb_explore_adf --synthcover --synthcoversize 10",
        "--cb_explore_adf --squarecb",
        "--cb_explore_adf --squarecb --elim",
        "--cb_explore_adf --rnd 2 --epsilon 0.1",
        "--cb_explore_adf --large_action_space --max_actions 3",
        "--cb_explore_adf --cb_dro",
        "--cb_explore_adf --epsilon_decay --model_count 2",
        "--cb_explore_adf --automl 3 -q ::",
    ],
    lines.slots: ["--ccb_explore_adf", "--ccb_explore_adf --all_slots_loss", "--ccb_explore_adf -q ::"],
    lines.slates: ["--slates", "--slates -q fg --epsilon 0.1"],
    lines.words: ["--search 3 --search_task sequence"],
}


def cases(table: dict[Line, list[str]] | dict[Group, list[str]]) -> list[object]:
    """One case for each generator and argument line."""
    return [
        pytest.param(form, arguments, id=f"{form.__name__} {arguments}")
        for form, several in table.items()
        for arguments in several
    ]


def same(answer: bytes, expected: bytes) -> None:
    """Compare line by line, so that a failure shows the first that differs."""
    assert answer.split(b"\n") == expected.split(b"\n")


def check_lines(form: Line, arguments: str, folder: Path) -> None:
    """Serve a stream of single-line examples, and let `vw` do the same."""
    data = joined(lines.stream(form, LINES))
    expected = vw(arguments, data, folder)
    learner = Learner(arguments)
    answer = learner.answer(data)
    learner.close()
    assert b"!error" not in answer
    same(answer, expected)


@pytest.mark.parametrize(("form", "arguments"), cases(SCALAR))
def test_scalar_predictions_are_those_of_vw(form: Line, arguments: str, tmp_path: Path) -> None:
    check_lines(form, arguments, tmp_path)


@pytest.mark.parametrize(("form", "arguments"), cases(CLASSES))
def test_class_predictions_are_those_of_vw(form: Line, arguments: str, tmp_path: Path) -> None:
    check_lines(form, arguments, tmp_path)


@pytest.mark.parametrize(("form", "arguments"), cases(DECISIONS))
def test_decisions_are_those_of_vw(form: Line, arguments: str, tmp_path: Path) -> None:
    check_lines(form, arguments, tmp_path)


@pytest.mark.parametrize(("form", "arguments"), cases(MULTILINE))
def test_multi_line_predictions_are_those_of_vw(form: Group, arguments: str, tmp_path: Path) -> None:
    groups = lines.groups(form, GROUPS)
    expected = vw(arguments, joined_groups(groups), tmp_path)
    learner = Learner(arguments)
    answer = b"".join(learner.answer_groups(groups))
    learner.close()
    assert b"!error" not in answer
    same(answer, expected)


@pytest.mark.parametrize(
    ("arguments", "form"),
    [("", lines.simple), ("--oaa 5 --probabilities --loss_function logistic", lines.multiclass)],
)
def test_a_static_model_answers_as_vw_does_with_t(arguments: str, form: Line, tmp_path: Path) -> None:
    model = tmp_path / "model.vw"
    data = joined(lines.stream(form, LINES))
    vw(f"{arguments} -f {model}", data, tmp_path)
    expected = vw(f"-t -i {model} {arguments}", data, tmp_path)
    learner = Learner(arguments, learn=False, initial=model)
    same(learner.answer(data), expected)
    assert learner.tally.learned == 0
    learner.close()


# Static models whose every answer is drawn anew.
DRAWING = ("--cats 4", "--cb_sample", "--ccb_explore_adf", "--slates", "--boosting 3 --alg adaptive")
# Those that VW changes while they predict, which are refused; and one whose file VW does not load with its arguments.
NEVER_STATIC = ("--regcb", "--regcbopt", "--elim", "--random_seed")


def static_cases(*tables: dict[Line, list[str]] | dict[Group, list[str]]) -> list[object]:
    """The cases of these tables that may be static models."""
    kept: list[object] = []
    for table in tables:
        for form, several in table.items():
            left = [arguments for arguments in several if not set(NEVER_STATIC) & set(arguments.split())]
            kept += [pytest.param(form, arguments, id=f"{form.__name__} {arguments}") for arguments in left]
    return kept


@pytest.mark.parametrize(("form", "arguments"), static_cases(SCALAR, CLASSES, DECISIONS))
def test_a_static_model_answers_the_same_whatever_it_has_seen(form: Line, arguments: str, tmp_path: Path) -> None:
    learner = static(arguments, lambda learner: learner.answer(joined(lines.stream(form, 100))), tmp_path)
    probe = joined(lines.stream(form, 20, seed=9))
    first, second = learner.answer(probe), learner.answer(probe)
    assert (first != second) == arguments.startswith(DRAWING)
    learner.answer(joined(lines.spoilt(form, 300, seed=3)))
    assert arguments.startswith(DRAWING) or learner.answer(probe) == first
    assert learner.tally.learned == 0 < learner.tally.labelled
    learner.close()


@pytest.mark.parametrize(("form", "arguments"), static_cases(MULTILINE))
def test_a_static_multi_line_model_answers_the_same_whatever_it_has_seen(
    form: Group, arguments: str, tmp_path: Path
) -> None:
    learner = static(arguments, lambda learner: learner.answer_groups(lines.groups(form, 50)), tmp_path)
    probe = lines.groups(form, 20, seed=9)
    first, second = learner.answer_groups(probe), learner.answer_groups(probe)
    assert (first != second) == arguments.startswith(DRAWING)
    learner.answer_groups(lines.groups(form, 200, seed=3))
    assert arguments.startswith(DRAWING) or learner.answer_groups(probe) == first
    assert learner.tally.learned == 0 < learner.tally.labelled
    learner.close()


def static(arguments: str, teach: Callable[[Learner], object], folder: Path) -> Learner:
    """A static model that was taught before."""
    teacher, model = Learner(arguments), folder / "model.vw"
    teach(teacher)
    teacher.save(model)
    teacher.close()
    return Learner(arguments, learn=False, initial=model)


def test_a_model_that_vw_saved_is_learned_on(tmp_path: Path) -> None:
    model = tmp_path / "model.vw"
    first, second = lines.stream(lines.simple, LINES), lines.stream(lines.simple, LINES, seed=2)
    vw(f"-q fg -f {model}", joined(first), tmp_path)
    expected = vw(f"-q fg -i {model}", joined(second), tmp_path)
    learner = Learner("-q fg", initial=model)
    same(learner.answer(joined(second)), expected)
    learner.close()


def test_a_model_that_was_saved_here_is_learned_on_by_vw(tmp_path: Path) -> None:
    model = tmp_path / "model.vw"
    first, second = lines.stream(lines.simple, LINES), lines.stream(lines.simple, LINES, seed=2)
    learner = Learner("-q fg")
    learner.answer(joined(first))
    learner.save(model)
    same(learner.answer(joined(second)), vw(f"-q fg -i {model}", joined(second), tmp_path))
    learner.close()


def test_real_data_is_answered_as_vw_does(real_data: Path, tmp_path: Path) -> None:
    for name in ("elec2", "adult"):
        with gzip.open(real_data / f"{name}.vw.gz") as file:
            data = b"".join(file.readlines()[:3000])
        expected = vw("--loss_function logistic --link logistic", data, tmp_path)
        learner = Learner("--loss_function logistic --link logistic")
        answer = learner.answer(data)
        learner.close()
        same(answer, expected)


@pytest.mark.parametrize("size", [1, 2, 7, 249, 250, 251, LINES])
def test_how_lines_come_in_blocks_changes_no_answer(size: int) -> None:
    data = lines.stream(lines.simple, LINES)
    whole, pieces = Learner("--ftrl -q fg"), Learner("--ftrl -q fg")
    expected = whole.answer(joined(data))
    answer = b"".join(pieces.answer(joined(data[start : start + size])) for start in range(0, len(data), size))
    assert answer == expected
    whole.close()
    pieces.close()


def test_the_loss_is_the_progressive_loss_weighted_by_importance() -> None:
    rng = random.Random(1)
    observed = [(rng.choice([-1.0, 1.0]), rng.choice([0.5, 1.0, 2.0])) for _ in range(LINES)]
    data = [b"%g %g " % pair + lines.features(rng, pair[0]) for pair in observed]
    learner = Learner()
    predictions = map(float, learner.answer(joined(data)).split())
    loss = sum(weight * (prediction - label) ** 2 for (label, weight), prediction in zip(observed, predictions))
    assert learner.sum_loss == pytest.approx(loss, rel=1e-4)
    assert learner.tally.weight == sum(weight for _, weight in observed)
    assert learner.tally.learned == learner.tally.examples == LINES
    learner.close()
