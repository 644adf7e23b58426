"""Columns of numbers with classes and weights, the same each time. As a program, prints them for freeze_orange.py."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

ROWS = 400
FROZEN = Path(__file__).with_name("orange_cuts.json")


@dataclass(frozen=True)
class Sample:
    """Numbers, the class of each, and its weight."""

    values: list[float]
    labels: list[int]
    weights: list[float]


def samples() -> Iterator[tuple[str, Sample]]:
    """All samples by name."""
    for seed in range(3):
        random = Random(seed)
        uniform = [random.random() for _ in range(ROWS)]
        grid = [float(int(random.random() * 12)) for _ in range(ROWS)]
        wide = [random.gauss(0, 1) * 10.0 ** int(random.random() * 9 - 4) for _ in range(ROWS)]
        whole = [1.0 + int(random.random() * 4) for _ in range(ROWS)]
        eighths = [(1 + int(random.random() * 16)) / 8 for _ in range(ROWS)]
        ones = [1.0] * ROWS

        step = [noisy(random, int(value > 0.4), 2, 0.15) for value in uniform]
        yield f"one step, {seed}", Sample(uniform, step, ones)
        waves = [noisy(random, int(value * 5) % 2, 2, 0.1) for value in uniform]
        yield f"five steps, {seed}", Sample(uniform, waves, ones)
        chance = [int(random.random() * 2) for _ in range(ROWS)]
        yield f"nothing to tell, {seed}", Sample(uniform, chance, ones)
        three = [noisy(random, int(value * 3), 3, 0.2) for value in uniform]
        yield f"three classes, {seed}", Sample(uniform, three, ones)
        seven = [noisy(random, int(value * 7), 7, 0.2) for value in uniform]
        yield f"seven classes, {seed}", Sample(uniform, seven, ones)
        ties = [noisy(random, int(value > 3) + int(value > 8), 3, 0.2) for value in grid]
        yield f"few values, {seed}", Sample(grid, ties, ones)
        signs = [noisy(random, int(value > 0) + int(value > 1), 3, 0.05) for value in wide]
        yield f"wide range, {seed}", Sample(wide, signs, ones)
        yield f"constant, {seed}", Sample([7.0] * ROWS, chance, ones)
        yield f"whole weights, {seed}", Sample(uniform, waves, whole)
        yield f"fractional weights, {seed}", Sample(uniform, three, eighths)
        yield f"few values, fractional weights, {seed}", Sample(grid, ties, eighths)


def noisy(random: Random, label: int, classes: int, share: float) -> int:
    """The label, or in some share of cases any."""
    return int(random.random() * classes) if random.random() < share else label


def real_columns(data: Path, names: tuple[str, ...] = ("adult", "elec2")) -> Iterator[tuple[str, Sample]]:
    """The numbers of real data by the name of file and feature; there is no missing value among them."""
    for name in names:
        columns: dict[str, Sample] = {}
        for line in gzip.decompress((data / f"{name}.vw.gz").read_bytes()).decode("ascii").splitlines():
            label, _, rest = line.partition(" |n ")
            for feature in rest.partition(" |")[0].split():
                key, _, value = feature.partition(":")
                column = columns.setdefault(f"{name} {key}", Sample([], [], []))
                column.values.append(float(value))
                column.labels.append(int(label))
                column.weights.append(1.0)
        yield from columns.items()


def main(data: Path) -> None:
    """Print all of them."""
    columns = {"samples": samples(), "real": real_columns(data)}
    json.dump({part: {name: asdict(each) for name, each in named} for part, named in columns.items()}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
