"""`vwserve fit`: artifacts from a file, and one clear line where there can be none."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vwserve.cli import main

PLUGIN = """
from tests.transforms.samples import Sizes, Upper
from vwserve.transforms import hookimpl

@hookimpl
def vwserve_transforms():
    return [Sizes, Upper]
"""
DROP = """vw: -b 10
transforms:
  - {kind: sizes, input: n, output: s, artifact: m.sizes.json}
  - {kind: upper, input: s, output: u}
"""
DATA = b"1 |n a b c\n-1 |n a\ngarbage\n|n a b\n"

Fit = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def fit(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fit:
    """Runs the command in a folder with a plugin, a drop and data; its exit code and what it wrote."""
    (tmp_path / "plugins.d").mkdir()
    (tmp_path / "plugins.d" / "samples.py").write_text(PLUGIN)
    (tmp_path / "m.yaml").write_text(DROP)
    (tmp_path / "data.vw").write_bytes(DATA)
    monkeypatch.chdir(tmp_path)

    def run(*words: str, data: str = "data.vw") -> tuple[int, list[str], list[str]]:
        code = main(["fit", "m.yaml", "--data", data, "--plugins", "plugins.d", *words])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run


def test_writes_the_artifact_and_prints_what_it_found(fit: Fit) -> None:
    assert fit() == (
        0,
        ["sizes: m.sizes.json fitted to 4 rows (2 labelled, 1 refused)", "  at most 3 features"],
        [],
    )
    assert json.loads(Path("m.sizes.json").read_text())["content"] == {"most": 3}


def test_the_fitted_model_passes_its_check(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    Path("vwserve.yaml").write_text("models: models.d\nplugins: plugins.d\n")
    assert main(["check", "-c", "vwserve.yaml", "m.yaml"]) == 1
    assert "m.sizes.json is not there; `vwserve fit` makes it from data" in capsys.readouterr().err
    fit()
    assert main(["check", "-c", "vwserve.yaml", "m.yaml"]) == 0


def test_reads_compressed_data(fit: Fit) -> None:
    Path("data.vw.gz").write_bytes(gzip.compress(DATA))
    code, out, _ = fit(data="data.vw.gz")
    assert (code, out[1]) == (0, "  at most 3 features")


def test_reads_standard_input(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(DATA)

    monkeypatch.setattr("sys.stdin", Input)
    code, out, _ = fit(data="-")
    assert (code, out[1]) == (0, "  at most 3 features")


def test_stops_after_so_many_rows(fit: Fit) -> None:
    code, out, _ = fit("--rows", "1")
    assert (code, out[0]) == (0, "sizes: m.sizes.json fitted to 1 rows (1 labelled)")


def test_an_epoch_that_is_set_gives_the_same_bytes(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    fit()
    first = Path("m.sizes.json").read_bytes()
    assert json.loads(first)["provenance"]["time"] == "1970-01-02T00:00:00+00:00"
    fit()
    assert Path("m.sizes.json").read_bytes() == first


@pytest.mark.parametrize(
    ("words", "data", "line"),
    [
        (["--only", "mdl"], "data.vw", "vwserve fit: m.yaml has no transform of kind 'mdl'; it has: sizes, upper"),
        (
            ["--only", "upper"],
            "data.vw",
            "vwserve fit: m.yaml: its transform 'upper' learns nothing from data, so there is nothing to fit",
        ),
        ([], "none.vw", "vwserve fit: cannot read none.vw: No such file or directory"),
        ([], "plugins.d", "vwserve fit: cannot read plugins.d: Is a directory"),
        (
            [],
            "m.yaml",
            "vwserve fit: m.yaml has no line to fit to: 4 rows, 4 of them no examples of this model, none with a label "
            "that is a number",
        ),
        (["--plugins", "none"], "data.vw", "vwserve fit: --plugins none is no folder"),
    ],
)
def test_wrong_input_exits_1_with_one_line(fit: Fit, words: list[str], data: str, line: str) -> None:
    assert fit(*words, data=data) == (1, [], [line])


def test_a_wrong_epoch_exits_1(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert fit() == (1, [], ["vwserve fit: SOURCE_DATE_EPOCH is 'yesterday'; it is a number of seconds since 1970"])


@pytest.mark.parametrize("rows", ["0", "-1", "many"])
def test_a_number_of_rows_that_is_none_exits_2(fit: Fit, rows: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        fit("--rows", rows)
    assert stopped.value.code == 2


def test_a_broken_plugin_is_told_but_does_not_hinder(fit: Fit) -> None:
    Path("plugins.d", "broken.py").write_text("import no_such_module\n")
    code, out, err = fit()
    assert (code, len(out)) == (0, 2)
    assert err == ["plugins.d/broken.py: cannot be used: ModuleNotFoundError: No module named 'no_such_module'"]
