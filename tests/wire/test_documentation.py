"""The examples of docs/protocol.md are what a session answers."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from tests.durability.power import Inline, QuickDisk
from vwserve.durability.durable import Durable
from vwserve.durability.surroundings import Surroundings
from vwserve.errors import ErrorCode
from vwserve.learner import Bounds
from vwserve.model.blueprint import Blueprint
from vwserve.model.drop import read_drop
from vwserve.transforms.pipeline import TransformPool
from vwserve.wire import Models

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text("utf-8")
BLOCK = re.compile(r"^```session (\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODELS = ("ctr", "cvr", "kind", "chances", "adf")


def turns(block: str) -> list[tuple[str, list[str]]]:
    """What is sent before answers are expected, and the answers, in turn."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        mark, text = line[:1], line[2:]
        if mark == ">":
            if not found or found[-1][1]:
                found.append(("", []))
            found[-1] = (found[-1][0] + text + "\n", [])
        else:
            assert mark == "<", line
            found[-1][1].append(text)
    return found


def matches(answer: str, expected: str) -> bool:
    """Whether an answer is the expected one, in which `...` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("..."))), answer) is not None


@pytest.mark.parametrize(
    ("own", "block"),
    [
        pytest.param(own, block, id=f"line {PAGE[: PAGE.index(block)].count(chr(10)) + 1}")
        for own, block in BLOCK.findall(PAGE)
    ],
)
def test_an_example_is_answered_as_the_page_says(
    own: str, block: str, make_models: Callable[..., Models], talk: Callable[..., bytes]
) -> None:
    models = make_models(*MODELS)
    for sent, expected in turns(block):
        answers = talk(models, sent.encode(), own, end=False).decode().split("\n")[:-1]
        assert len(answers) == len(expected), answers
        assert [text for text, answer in zip(expected, answers) if not matches(answer, text)] == [], answers


def test_the_page_has_examples_and_no_block_that_is_none() -> None:
    assert len(BLOCK.findall(PAGE)) > 8
    assert PAGE.count("```") == 2 * len(BLOCK.findall(PAGE))


def test_the_page_explains_every_error_code() -> None:
    table = PAGE[PAGE.index("\n## Errors") :]
    for code in get_args(ErrorCode):
        assert f"| `{code}` |" in table


def test_the_page_explains_every_figure(tmp_path: Path) -> None:
    drop = tmp_path / "ctr.yaml"
    drop.write_text("vw: -b 10\n")
    around = Surroundings(lambda: 1.7e9, Inline(), lambda _: None, disk=QuickDisk())
    durable = Durable(Blueprint.of(read_drop(drop), TransformPool()), tmp_path / "state", Bounds(), around)
    figures = {*durable.servable.statistics(), *durable.statistics()}
    durable.close()
    table = PAGE[PAGE.index("`!stats MODEL` is one line") : PAGE.index("\n## Errors")]
    assert set(re.findall(r"`(\w+)`", table)) >= figures
