"""The commands of examples/transforms/README.md, run as they stand there, reach the losses that it tells."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "transforms"
PAGE = (FOLDER / "README.md").read_text("utf-8")
BARS = {"elec2": 0.36, "adult": 0.300}
# Another release of LightGBM may grow slightly other trees.
TOLERANCE = 0.005


def commands(name: str) -> str:
    """The lines of the page's shell block that are about one data set."""
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for line in block.splitlines() if name in line]
    assert len(lines) == 2
    return "\n".join(lines)


def told(name: str) -> float:
    """The loss of the drop on the page."""
    (cells,) = re.findall(r"\| with both and the crosses: the drop \| (\S+) \| (\S+) \|", PAGE)
    return dict(zip(("elec2", "adult"), map(float, cells)))[name]


@pytest.mark.parametrize("name", BARS)
def test_reaches_its_loss_on_the_rest_of_the_file(name: str, real_data: Path, tmp_path: Path) -> None:
    shutil.copy(FOLDER / f"{name}.yaml", tmp_path)
    scripts = Path(sys.executable).parent  # where `vwserve` is
    run = subprocess.run(
        ["/bin/sh", "-e", "-c", commands(name)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "VWSERVE_DATA": str(real_data)},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "0 errors" in run.stdout
    (loss,) = re.findall(r"^progressive loss +(\S+) logistic", run.stdout, re.MULTILINE)
    assert float(loss) <= BARS[name]
    assert float(loss) == pytest.approx(told(name), abs=TOLERANCE)
