"""The transform: leaves as short features, the same for one line and for many, from grown and from brought models."""

import re
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from vwserve_tree import Tree, from_sklearn
from vwserve_tree.ensemble import to_content
from vwserve_tree.options import Options

import vwserve
from tests.learner.weights import weights as saved_weights
from tests.plugins.tree.ensembles import classes, data, ensembles
from tests.plugins.tree.streams import NAMES, Lines, labelled, line
from vwserve.model.servable import Servable
from vwserve.testing import check_transform
from vwserve.transforms import Batch, TransformError
from vwserve.transforms.artifact import read_artifact, write_artifact

LINES = labelled(800)
OPTIONS = Options("n", trees=12, leaves=12)
GROWN = Tree.fit(OPTIONS, Lines(LINES))
TRANSFORM = Tree(OPTIONS, GROWN)


def texts(lines: list[bytes], transform: Tree = TRANSFORM) -> list[bytes]:
    """What the lines get."""
    return list(transform.apply(Batch(lines))["t"])


def test_it_keeps_what_the_interface_promises() -> None:
    check_transform(Tree, OPTIONS, LINES[:300])


def test_a_leaf_is_its_tree_and_its_own_number_in_digits() -> None:
    (text,) = texts(LINES[:1])
    words = text.split(b" ")
    assert [word[:2] for word in words] == [b"%02d" % tree for tree in range(12)]
    assert all(len(word) == 4 and int(word[2:]) < 12 for word in words)


def test_leaves_of_different_trees_never_have_one_name() -> None:
    tokens = [token for text in texts(LINES) for token in text.split()]
    leaves = {(int(token[:2]), int(token[2:])) for token in tokens}
    assert len({int(token) for token in tokens}) == len(leaves) > 100


@given(ensemble=ensembles(), count=st.integers(1, 400), seed=st.integers(0, 1000))
def test_a_line_gets_the_same_alone_and_among_many(ensemble: Any, count: int, seed: int) -> None:
    transform = Tree(Options("n"), to_content(ensemble))
    values = np.random.default_rng(seed).choice([0.0, 1.0, 0.1, -1.0, 7.0, np.nan], (count, 3)).tolist()
    lines = [line(row, names=ensemble.features) for row in values]
    assert texts(lines, transform) == [text for each in lines[:30] for text in texts([each], transform)] + texts(
        lines[30:], transform
    )


def test_what_is_missing_or_no_finite_number_goes_the_way_of_missing_values() -> None:
    names = [name for name in NAMES if name != "plain"]
    plain, *others = [
        line([1.0, 7.0, 0.0, 3.0], names=names).replace(b"|n", b"|n " + odd)
        for odd in (b"", b"plain:word", b"plain:nan", b"plain:inf", b"plain:1e999")
    ]
    assert {text for other in others for text in texts([other] * 30)} == set(texts([plain]))


def test_a_line_without_the_namespace_has_all_missing() -> None:
    assert len(set(texts([b"1 |c x", b"|", b"no bar", b"|n other:3"]))) == 1


def test_values_beyond_all_thresholds_go_to_the_outer_leaves() -> None:
    huge, large = line([1e300] * 5), line([1e12] * 5)
    assert texts([huge]) == texts([large])


def test_no_lines_give_no_texts() -> None:
    assert texts([]) == []


def test_it_says_what_it_reads_and_writes() -> None:
    transform = Tree(Options("num", "leaf"), GROWN)
    assert (transform.reads, transform.writes, list(transform.apply(Batch([b"|num"])))) == (
        ("num",),
        ("leaf",),
        ["leaf"],
    )


def test_describe_counts_trees_leaves_and_splits() -> None:
    first, second = Tree.describe(GROWN)
    assert first == "12 trees of 12 to 12 leaves, 144 leaves in all"
    assert second.startswith("splits on 5 of 5 features: ")
    assert sum(int(part.split()[-1]) for part in second.partition(": ")[2].split(", ")) == 132


class TestModels:
    """Trees that were grown elsewhere."""

    matrix = data(800)

    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        """LightGBM's model file."""
        dataset = lightgbm.Dataset(self.matrix, classes(self.matrix), feature_name=list(NAMES))
        booster = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, dataset, 5)
        booster.save_model(tmp_path / "model.txt")
        return tmp_path / "model.txt"

    def test_fit_takes_a_model_over(self, model: Path) -> None:
        options = Options("n", model=model)
        transform = Tree(options, Tree.fit(options, Lines(LINES)))
        leaves = np.asarray(lightgbm.Booster(model_file=model).predict(self.matrix, pred_leaf=True)).tolist()
        lines = [line(row) for row in self.matrix.tolist()]
        assert [[int(word) % 100 for word in text.split()] for text in texts(lines, transform)] == leaves

    def test_features_rename_the_columns(self, model: Path) -> None:
        names = tuple(name.upper() for name in NAMES)
        options = Options("n", model=model, features=names)
        artifact = Tree.fit(options, Lines([text.upper().replace(b"|N", b"|n") for text in LINES]))
        assert artifact["features"] == list(names)

    def test_fit_tells_which_features_the_data_never_has(self, model: Path) -> None:
        options = Options("n", model=model)
        artifact = Tree.fit(options, Lines([b"1 |n plain:3 rare:word kind:1", b"|n round:3"]))
        assert Tree.describe(artifact)[-1] == "never in the data, so always missing to the trees: rare, large"
        assert len(Tree.describe(Tree.fit(options, Lines(LINES)))) == 2

    def test_fit_refuses_a_model_of_whose_features_the_data_has_none(self, model: Path) -> None:
        with pytest.raises(
            TransformError, match=r"none of the model's features \(round, plain, .*\) as numbers in the"
        ):
            Tree.fit(Options("n", model=model), Lines([b"1 |n age:3", b"1 |m plain:3"]))

    def test_fit_says_which_model_is_wrong(self, tmp_path: Path) -> None:
        with pytest.raises(TransformError, match=r"cannot read the model .*absent\.txt"):
            Tree.fit(Options("n", model=tmp_path / "absent.txt"), Lines(LINES))

    def test_an_artifact_of_scikit_learn_is_written_as_any_other(self, tmp_path: Path) -> None:
        matrix = np.nan_to_num(self.matrix)
        estimator = GradientBoostingClassifier(n_estimators=5).fit(matrix, classes(matrix))
        write_artifact(tmp_path / "t.json", Tree, from_sklearn(estimator, NAMES), {})
        stored = read_artifact(tmp_path / "t.json", Tree).content
        assert len(Tree.describe(stored)) == 2
        leaves = estimator.apply(matrix)[:, :, 0].astype(int).tolist()
        found = texts([line(row) for row in matrix.tolist()], Tree(Options("n"), stored))
        assert [[int(word[1:]) for word in text.split()] for text in found] == leaves


def test_the_example_for_scikit_learn_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "transforms" / "tree.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    matrix = data(200)[:, :2]
    monkeypatch.chdir(tmp_path)
    exec(example, {"model": RandomForestClassifier(3).fit(matrix, classes(data(200)))})
    stored = read_artifact(Path("ctr.tree.json"), Tree)
    assert (stored.content["features"], stored.provenance) == (["age", "income"], {"model": "trained in a notebook"})


def test_a_model_with_trees_learns_what_a_plain_one_cannot(tmp_path: Path) -> None:
    write_artifact(tmp_path / "m.tree.json", Tree, GROWN, {})
    vw = "vw: --loss_function logistic --link logistic"
    transforms = "transforms:\n  - {kind: tree, input: n, output: t, artifact: m.tree.json}\n"
    (tmp_path / "m.yaml").write_text(f"{vw}\n{transforms}")
    (tmp_path / "plain.yaml").write_text(f"{vw}\n")
    correct = {}
    for name in ("m", "plain"):
        servable = vwserve.load(tmp_path / f"{name}.yaml")
        answers = [float(answer.split()[0]) for answer in servable.learn(LINES * 2)]
        right = [(answer > 0.5) == (text[:1] == b"1") for answer, text in zip(answers, LINES * 2)]
        correct[name] = sum(right[800:])
    assert correct["plain"] < 450  # of 800: a guess
    assert correct["m"] > 550


@pytest.mark.parametrize(("arguments", "different"), [("-b 13", True), ("-b 9", False)])
def test_no_two_leaves_share_a_weight_where_the_largest_is_below_the_number_of_weights(
    arguments: str, different: bool
) -> None:
    leaves = [f"{tree:02}{leaf:02}" for tree in range(50) for leaf in range(31)]
    model = Servable("m", f"{arguments} --noconstant")
    model.learn([f"1 |t {leaf}" for leaf in leaves])
    found = sum(weight != 0.0 for weight in saved_weights(model.learner))
    assert (found == len(leaves)) == different
