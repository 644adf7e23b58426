"""What holds for whatever a client sends: every request has its answer, in its place, and only examples teach."""

from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from vwserve.wire import Models
from vwserve.wire.requests import opens_batch, parse_address, parse_save

Talk = Callable[..., bytes]
MakeModels = Callable[..., Models]
Weights = Callable[[Models], list[list[float]]]

NAMES = st.sampled_from([b"a", b"b", b"age", b"x_1", "é".encode()])
VALUES = st.sampled_from([b"", b":1", b":0.25", b":-3", b":1e-3"])
FEATURES = st.lists(st.tuples(NAMES, VALUES).map(b"".join), max_size=3).map(b" ".join)
SPACES = st.tuples(st.sampled_from([b"|u ", b"|a ", b"| "]), FEATURES).map(b"".join)
BODIES = st.lists(SPACES, min_size=1, max_size=3).map(b" ".join)
LABELS = st.sampled_from([b"", b"", b"1 ", b"-1 ", b"1 2 ", b"-1 0.5 0.1 "])
TAGS = st.sampled_from([b"", b"", b"'t ", b"'t", b"q"])
EXAMPLES = st.tuples(LABELS, TAGS, BODIES).map(b"".join)

NOISE = st.one_of(
    st.binary(max_size=4),
    st.sampled_from(
        [b"|", b":", b"'", b" ", b"@", b"!", b"\t", b"nan", b"1e40", b"-", b"\0", b"\xff", b"save", b"batch"]
    ),
)


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A line that was an example before something in it was replaced, dropped or put in."""
    line = draw(EXAMPLES)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(line)))
        end = min(len(line), start + draw(st.integers(0, 3)))
        line = line[:start] + draw(NOISE) + line[end:]
    return line.replace(b"\n", b" ").rstrip(b"\r").removeprefix(b"\xef\xbb\xbf")


def is_one_request(line: bytes) -> bool:
    """Whether a line to a single-line model, whatever it says, is to be answered by one line."""
    opens = line.startswith(b"@") and opens_batch(parse_address(line).rest)
    return bool(line) and not opens and parse_save(line) is None


@settings(max_examples=150)
@given(st.lists(st.one_of(EXAMPLES, mutants()).filter(is_one_request), max_size=30))
def test_mutated_lines_are_answered_in_place_and_change_nothing(
    make_models: MakeModels, talk: Talk, weights: Weights, lines: Sequence[bytes]
) -> None:
    models = make_models()
    answers = talk(models, b"".join([line + b"\n" for line in lines])).split(b"\n")[:-1]
    assert len(answers) == len(lines)
    good = [(line, answer) for line, answer in zip(lines, answers) if not answer.startswith(b"!error ")]
    without = make_models()
    replies = talk(without, b"".join([line + b"\n" for line, _ in good])).split(b"\n")[:-1]
    assert replies == [answer for _, answer in good]
    assert weights(models) == weights(without)


@settings(max_examples=100)
@given(st.lists(st.one_of(EXAMPLES, mutants()).filter(is_one_request), min_size=1, max_size=10))
def test_mutated_candidates_refuse_their_batch_or_are_predicted(
    make_models: MakeModels, talk: Talk, weights: Weights, lines: Sequence[bytes]
) -> None:
    models = make_models()
    before = weights(models)
    answer = talk(models, b"".join([b"@ctr,cvr batch |u a\n", *[line + b"\n" for line in lines], b"\n"]))
    assert answer.count(b"\n") == 1
    if answer.startswith(b"!error "):
        assert weights(models) == before
    else:
        assert [len(group.split(b" ")) for group in answer.split(b"\t")] == [len(lines)] * 2


@st.composite
def groups(draw: st.DrawFn, name: str) -> bytes:
    """A multi-line example for adf or ldf, most often a good one, of which some line may have been mutated."""
    actions = draw(st.integers(1, 4))
    chosen = draw(st.sampled_from([None, *range(actions)]))
    shared = draw(st.sampled_from([[], [b"shared " + draw(SPACES)]])) if name == "adf" else []
    labels = [b"0:0.5:0.25 " if action == chosen else b"" for action in range(actions)]
    if name == "ldf":
        labels = [
            b"%d:%d " % (action + 1, action != chosen) if chosen is not None else b"" for action in range(actions)
        ]
    lines = [*shared, *(label + draw(SPACES) for label in labels)]
    if draw(st.booleans()):
        lines[draw(st.integers(0, len(lines) - 1))] = draw(mutants().filter(bool))
    if opens_batch(lines[0].lstrip(b" ")):
        lines[0] = b"|"
    return b"\n".join(lines) + b"\n\n"


@settings(max_examples=100)
@given(
    st.sampled_from(["adf", "ldf"]).flatmap(lambda name: st.tuples(st.just(name), st.lists(groups(name), max_size=10)))
)
def test_mutated_multi_line_examples_are_answered_in_place_and_change_nothing(
    make_models: MakeModels, talk: Talk, weights: Weights, case: tuple[str, Sequence[bytes]]
) -> None:
    name, sent = case
    address = b"@%s " % name.encode()
    models = make_models("ctr", name)
    answers = talk(models, b"".join([address + group for group in sent])).split(b"\n")[:-1]
    assert len(answers) == len(sent)
    good = [(group, answer) for group, answer in zip(sent, answers) if not answer.startswith(b"!error ")]
    without = make_models("ctr", name)
    replies = talk(without, b"".join([address + group for group, _ in good])).split(b"\n")[:-1]
    assert replies == [answer for _, answer in good]
    assert weights(models) == weights(without)


PLAIN = EXAMPLES.map(lambda line: line + b"\n")
ADDRESSED = st.tuples(st.sampled_from([b"@ctr ", b"@cvr ", b"@ctr,cvr ", b"@nobody "]), PLAIN).map(b"".join)
CANDIDATES = st.lists(st.one_of(PLAIN, PLAIN, PLAIN, st.just(b"?\n")), max_size=4).map(b"".join)
BATCHES = st.tuples(
    st.sampled_from([b"@ctr batch", b"@cvr batch |u a", b"@ctr,cvr batch 'q |u b", b"@nobody batch", b"@ctr batch 1"]),
    CANDIDATES,
).map(lambda parts: parts[0] + b"\n" + parts[1] + b"\n")
GROUPS = st.sampled_from([b"|a x\n|a y\n", b"shared |s a\n0:1:0.5 |a x\n|a y\n", b"shared |s a\n", b"?\n|a x\n"])
ACTIONS = GROUPS.map(lambda group: b"@adf " + group + b"\n")
OTHERS = st.sampled_from(
    [
        b"!ping\n",
        b"!models\n",
        b"!what\n",
        b"@\n",
        b"no bar\n",
        b"y" * 300 + b"\n",
        b"@ctr batch " + b"y" * 300 + b"\n|a x\n\n",
    ]
)
REQUESTS = st.one_of(PLAIN, ADDRESSED, BATCHES, ACTIONS, OTHERS)
SILENT = st.sampled_from([b"\n", b"\r\n", b"save\n", b"save_x\n"])


@settings(max_examples=150)
@given(st.lists(REQUESTS, max_size=25), st.lists(st.integers(0, 10_000), max_size=8), st.lists(SILENT, max_size=3))
def test_any_interleaving_over_any_reads_is_answered_like_line_by_line(
    make_models: MakeModels, talk: Talk, requests: Sequence[bytes], cuts: Sequence[int], silent: Sequence[bytes]
) -> None:
    names = ("ctr", "cvr", "adf")
    # What has no answer, put in between requests.
    for place, line in enumerate(silent):
        requests = [*requests[: 3 * place], line, *requests[3 * place :]]
    data = b"".join(requests)
    expected = talk(make_models(*names), data.splitlines(keepends=True), line_bytes=256)
    ends = sorted(cut % (len(data) + 1) for cut in cuts)
    reads = [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)])]
    assert talk(make_models(*names), reads, line_bytes=256) == expected
    assert expected.count(b"\n") == len(requests) - len(silent)


@settings(max_examples=25)
@given(st.lists(st.tuples(REQUESTS, st.integers(1, 400)), max_size=4), st.integers(1, 4000))
def test_long_runs_of_one_kind_are_answered_like_line_by_line(
    make_models: MakeModels, talk: Talk, runs: Sequence[tuple[bytes, int]], read_bytes: int
) -> None:
    names = ("ctr", "cvr", "adf")
    data = b"".join([request * times for request, times in runs])
    expected = talk(make_models(*names), data.splitlines(keepends=True), line_bytes=256)
    reads = [data[start : start + read_bytes] for start in range(0, len(data), read_bytes)]
    assert talk(make_models(*names), reads, line_bytes=256) == expected
    assert expected.count(b"\n") == sum(times for _, times in runs)
