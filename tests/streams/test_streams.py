"""The example streams: the same for a seed, in the promised shape, and worth learning from."""

import gzip
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vwserve.learner import Learner
from vwserve.streams import clicks, criteo, texts

Stream = Callable[..., Iterator[bytes]]
STREAMS = (clicks, texts, criteo)

CLICK = re.compile(
    rb"-?1 \|u u[0-9]+ age[0-9]+ city[0-9]+ seg[0-9]+ \|a ad[0-9]+ adv[0-9]+ cat[0-9]+ pos[0-9]+ "
    rb"\|c h[0-9]+ dow[0-9]+ dev[0-9]+ site[0-9]+\n"
)
TEXT = re.compile(rb"-?1 \|f(?: [0-9]{1,5}:[0-9]\.[0-9]{7}e-[0-9]{2}){79}\n")
CRITEO = re.compile(rb"-?1 '[0-9]{8} \|n(?: I[0-9]{1,2}:-?[0-9]+)+ \|c(?: C[0-9]{1,2}=[0-9a-f]{8})+\n")


@pytest.mark.parametrize(
    ("stream", "digest"),
    [
        (clicks, "1f3cc91d5c004da329c0964fa83abd4efeb2743b07cbe30891fcd88162b2918d"),
        (texts, "fcc580a4294282062a1aac11d147db09aa92552cb9bbb9db47014bfe02b7c5dd"),
        (criteo, "47b35e4e4cdc70c3a56f467984f9d79313fa5d993cd0135e6231b87d35e2709c"),
    ],
)
def test_a_seed_gives_the_same_bytes_for_ever(stream: Stream, digest: str) -> None:
    assert hashlib.sha256(b"".join(stream(1000, seed=1))).hexdigest() == digest


@pytest.mark.parametrize("stream", STREAMS)
def test_another_seed_gives_other_lines(stream: Stream) -> None:
    assert list(stream(50, seed=1)) != list(stream(50, seed=2))


@pytest.mark.parametrize("stream", STREAMS)
def test_fewer_lines_are_the_beginning_of_more(stream: Stream) -> None:
    many = list(stream(9000, seed=3))
    assert len(many) == 9000
    assert list(stream(4097, seed=3)) == many[:4097]
    assert list(stream(0, seed=3)) == []


@pytest.mark.parametrize("stream", STREAMS)
def test_lines_without_labels_have_the_same_features(stream: Stream) -> None:
    labelled = [line.partition(b" ") for line in stream(200, seed=4)]
    assert {label for label, _, _ in labelled} == {b"1", b"-1"}
    assert [rest for _, _, rest in labelled] == list(stream(200, seed=4, labelled=False))


@pytest.mark.parametrize(
    ("stream", "form"), [(clicks, CLICK), (texts, TEXT), (criteo, CRITEO)], ids=["clicks", "texts", "criteo"]
)
@settings(max_examples=15)  # each draws a hidden model and a block of thousands of lines
@given(seed=st.integers(0, 2**64 - 1))
def test_lines_have_the_promised_shape(stream: Stream, form: re.Pattern[bytes], seed: int) -> None:
    assert all(form.fullmatch(line) for line in islice(stream(1000, seed=seed), 100))


@pytest.mark.parametrize("stream", STREAMS)
def test_every_line_is_an_example_to_the_learner(stream: Stream) -> None:
    learner = Learner("--loss_function logistic")
    learner.answer(b"".join(stream(1000)))
    assert (learner.tally.examples, learner.tally.learned, learner.tally.refused) == (1000, 1000, 0)


def test_texts_have_ascending_terms_and_length_one() -> None:
    for line in texts(100, seed=5, labelled=False):
        pairs = [feature.split(b":") for feature in line.split()[1:]]
        terms = [int(term) for term, _ in pairs]
        assert terms == sorted(set(terms))
        assert sum(float(weight) ** 2 for _, weight in pairs) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("stream", "share"), [(clicks, 0.27), (texts, 0.5), (criteo, 0.25)])
def test_the_share_of_positive_labels(stream: Stream, share: float) -> None:
    assert fmean(line.startswith(b"1") for line in stream(5000, seed=6)) == pytest.approx(share, abs=0.04)


def loss(lines: Sequence[bytes], arguments: str) -> float:
    """The mean progressive loss of one pass, the second half alone: what was learned in the first helps there."""
    learner = Learner(f"--loss_function logistic {arguments}")
    half = len(lines) // 2
    learner.answer(b"".join(lines[:half]))
    before = learner.sum_loss
    learner.answer(b"".join(lines[half:]))
    return (learner.sum_loss - before) / (len(lines) - half)


@pytest.mark.parametrize("stream", STREAMS)
def test_features_tell_about_the_label(stream: Stream) -> None:
    lines = list(stream(20_000, seed=7))
    constant = [line.partition(b" ")[0] + b" |f a\n" for line in lines]
    assert loss(lines, "") < 0.97 * loss(constant, "")


def test_clicks_are_learned_better_with_users_and_ads_crossed() -> None:
    lines = list(clicks(20_000, seed=8))
    assert loss(lines, "-q ua") < 0.95 * loss(lines, "")


def test_criteo_lines_are_missing_values_as_often_as_the_real_ones(real_data: Path) -> None:
    with gzip.open(real_data / "criteo-tiny.vw.gz") as file:
        real = file.readlines()
    made = list(criteo(4000, seed=9))
    for name in [b" I%d:" % number for number in range(1, 14)] + [b" C%d=" % number for number in range(1, 27)]:
        assert fmean(name in line for line in made) == pytest.approx(fmean(name in line for line in real), abs=0.04)
    assert fmean(map(len, made)) == pytest.approx(fmean(map(len, real)), rel=0.03)
