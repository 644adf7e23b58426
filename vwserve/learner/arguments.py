"""VW's argument line as a model's author wrote it: what vwserve does itself is refused, and a typo named."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Iterable, Sequence

from vwserve.errors import ArgumentsError

_TRAFFIC = "examples come over the line protocol"
_DAEMON = "vwserve is the daemon; see 'listen:' in vwserve.yaml"
_ONE_PASS = "a served model sees each example once"
_SAVES = "vwserve writes model files itself"
_ANSWERS = "predictions are the answers to the requests"
_CLUSTER = "vwserve distributes training itself"

REFUSED: dict[str, str] = {
    **dict.fromkeys(("daemon", "port", "port_file", "pid_file", "num_children", "foreground"), _DAEMON),
    **dict.fromkeys(("data", "d", "json", "dsjson", "csv", "flatbuffer", "compressed", "chain_hash_json"), _TRAFFIC),
    **dict.fromkeys(("cache", "c", "cache_file", "kill_cache", "k", "passes"), _ONE_PASS),
    **dict.fromkeys(
        ("examples", "early_terminate", "holdout_after", "holdout_period", "initial_pass_length"), _ONE_PASS
    ),
    **dict.fromkeys(("final_regressor", "f", "readable_model", "invert_hash", "save_per_pass"), _SAVES),
    **dict.fromkeys(("dump_json_weights_experimental", "output_feature_regularizer_binary"), _SAVES),
    **dict.fromkeys(("output_feature_regularizer_text", "extra_metrics", "audit_regressor"), _SAVES),
    **dict.fromkeys(("predictions", "p", "raw_predictions", "r", "audit", "a"), _ANSWERS),
    **dict.fromkeys(("span_server", "span_server_port", "total", "node", "unique_id", "sendto"), _CLUSTER),
    "initial_regressor": "name the model to start from under 'initial:'",
    "i": "name the model to start from under 'initial:'",
    "predict_only_model": "a model saved without the learner's state cannot learn on",
    "bfgs": "it needs several passes over the data",
    "conjugate_gradient": "it needs several passes over the data",
    "lda": "its predictions come a minibatch late",
    "cs_active": "it writes model files of its own while it learns",
    "cb_to_cbadf": "it is a part of --cb and --cb_explore, which take the same labels",
    "noop": "it learns nothing",
    "oas": "VW crashes on it",
    "print": "it prints the examples where nobody reads them",
    "ksvm": "it keeps the examples themselves, and VW crashes on some of them",
    "active": "it asks for labels over a port of its own, and its simulation depends on how far ahead VW has parsed",
    "graph_feedback": "VW takes minutes for an example of some hundred actions",
    "multiworld_test": "it evaluates policies on logged decisions, and learns even under -t",
    "eval": "it evaluates logged decisions and predicts none",
    "sample_pdf": "it is a part of --cats, which draws the actions itself",
    "help": "it is not an option of a model",
    "h": "it is not an option of a model",
    "version": "it is not an option of a model",
    "dry_run": "a dry run serves nothing",
    "strict_parse": "every line is checked as strictly as it is",
    "args": "write the options themselves",
}

# What VW takes without a word and then crashes, hangs or answers nonsense with: the counts that it bears.
_CLASSES = range(1, 1_000_001)
_COUNTS: dict[str, range] = {
    **dict.fromkeys(("oaa", "ect", "csoaa", "log_multi", "recall_tree", "multilabel_oaa", "search"), _CLASSES),
    **dict.fromkeys(("cb", "cb_explore", "cbify", "cats", "cats_pdf", "cats_tree"), _CLASSES),
    **dict.fromkeys(("plt", "warm_cb", "cbify_reg", "memory_tree", "max_number_of_labels"), _CLASSES),
    **dict.fromkeys(("bag", "cover", "bootstrap", "boosting", "nn", "epoch_size", "rank", "new_mf"), range(1, 10_001)),
    **dict.fromkeys(("batch_sz", "sketch_size", "rnd", "synthcoversize", "max_actions"), range(1, 10_001)),
    **dict.fromkeys(("replay_b", "replay_c", "replay_m", "swap_resistance"), range(1, 1_000_001)),
    "max_depth": range(1, 21),
    "kary_tree": range(2, 1_000_001),
    "top_k": range(1, 1_000_001),
    "autolink": range(1, 101),
}
# The same of numbers that may stand behind namespaces: `--ngram f3`, `--lrq ab4`.
_COUNTS_OF_NAMESPACES: dict[str, range] = {
    "ngram": range(2, 1_001),
    "skips": range(1_001),
    "lrq": range(1, 10_001),
    "lrqfa": range(1, 10_001),
}
# VW writes beyond its memory where one of the first is built on one of the second, each being several models in one.
_SEVERAL = frozenset({"bag", "rnd", "epsilon_decay", "automl"})
_SEVERAL_BELOW = frozenset({"nn", "boosting", "bootstrap", "lrq", "lrqfa", "new_mf"})
_TASKS = frozenset({"sequence", "sequencespan", "sequence_ctg", "argmax"})

# A label that the line protocol takes for something else, or VW for a tag, a cost or the end of the label.
_LABEL_NAME = re.compile(r"[^\s|:,@!'\x00-\x1f\x7f\ufeff][^\s|:,\x00-\x1f\x7f]*")
_WHOLE = re.compile(r"-?[0-9]+")
_LAST_WHOLE = re.compile(r"-?[0-9]+$")
_NAME = re.compile(r"--(?P<long>[A-Za-z_][\w-]*)|-(?P<short>[A-Za-z])")
_BITS = re.compile(r"(?:-b|--bit_precision)(?:=?(?P<bits>.+))?", re.DOTALL)
_WEIGHT_BYTES = 16  # a weight with its adaptive and normalised state, padded (stride shift 2 in gd.cc)
_OPENED = re.compile(r"Failed to open input data file '([^']+)'")
_NO_CHOICE = re.compile(r"'([^']*)' is not a valid choice for option (--\w+)\. Please select from \{([^}]*)\}")
_UNRECOGNISED = re.compile(r"unrecognised option '--?([^']+)'")


def split_arguments(line: str) -> list[str]:
    """The words of an argument line; raises ArgumentsError where vwserve does itself what an option asks for."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ArgumentsError(f"{error} in {line!r}") from error
    names = {match["long"] or match["short"] for word in words if (match := _NAME.match(word))}
    for name in sorted(names & REFUSED.keys()):
        raise ArgumentsError(f"option {'--' if len(name) > 1 else '-'}{name} has no place here: {REFUSED[name]}")
    if {"plt", "top_k"} <= names and _value(words, "top_k") > _value(words, "plt"):
        raise ArgumentsError("option --top_k asks for more labels than --plt has")
    if {"multilabel_oaa", "probabilities"} <= names:
        raise ArgumentsError("option --probabilities has no place with --multilabel_oaa: VW prints an older example's")
    if not (_SEVERAL.isdisjoint(names) or _SEVERAL_BELOW.isdisjoint(names)):
        above, below = min(names & _SEVERAL), min(names & _SEVERAL_BELOW)
        raise ArgumentsError(f"option --{below} has no place with --{above}: VW crashes on the two")
    if words and not words[0].startswith("-"):
        raise ArgumentsError(_no_option(words[0]))
    if "--" in words:
        raise ArgumentsError("'--' is no option")
    _check_size(words, 4 if "sgd" in names else _WEIGHT_BYTES)
    for word, following in zip(words, [*words[1:], ""]):
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--"):
            _check_value(name, value if equals else following)
    return words


def _value(words: Sequence[str], option: str) -> int:
    """The number that an option is given, 0 where it is none."""
    for word, following in zip(words, [*words[1:], ""]):
        name, equals, value = word.removeprefix("--").partition("=")
        number = value if equals else following
        if name == option and number.isascii() and number.isdecimal():
            return int(number[:18])
    return 0


def _check_value(name: str, value: str) -> None:
    """Refuse a value that VW takes but does not bear."""
    counts, number = _COUNTS.get(name), _WHOLE.fullmatch(value)
    if name in _COUNTS_OF_NAMESPACES:
        counts, number = _COUNTS_OF_NAMESPACES[name], _LAST_WHOLE.search(value)
    if counts and number and (len(number[0]) > 9 or int(number[0]) not in counts):
        raise ArgumentsError(f"option --{name} takes a number from {counts[0]} to {counts[-1]}, not {number[0]}")
    if name == "named_labels":
        check_named_labels(value)
    if name == "search_task" and value not in _TASKS:
        known = ", ".join(sorted(_TASKS))
        raise ArgumentsError(f"option --search_task {value} has no place here; the line protocol carries {known}")


def check_named_labels(names: str) -> None:
    """Refuse names of classes, separated by commas, that no line could carry as its label; raises ArgumentsError."""
    each = names.split(",")
    for place, name in enumerate(each, 1):
        if not name:
            raise ArgumentsError(f"option --named_labels has an empty name, number {place} of {len(each)}")
        if _LABEL_NAME.fullmatch(name) is None:
            raise ArgumentsError(
                f"option --named_labels: {name!r} cannot be a label in a line; a name begins with none of @ ! ' "
                "and has no space, '|' or ':' in it"
            )
        if name in each[: place - 1]:
            raise ArgumentsError(f"option --named_labels has {name!r} twice")


def _check_size(words: Sequence[str], weight_bytes: int) -> None:
    """Refuse a table of weights that this machine's memory cannot hold, before VW asks for it."""
    for word, following in zip(words, [*words[1:], ""]):
        if not (found := _BITS.fullmatch(word)):
            continue
        bits = found["bits"] or following
        if not (bits.isascii() and bits.isdecimal()):
            raise ArgumentsError(f"option -b takes a number of bits, not {bits!r}")
        memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if len(bits) > 2 or weight_bytes << int(bits) > memory_bytes:
            fitting = (memory_bytes // weight_bytes).bit_length() - 1
            raise ArgumentsError(
                f"-b {bits} asks for more weights than the memory holds; at most -b {fitting} fits here"
            )


def _no_option(word: str) -> str:
    return f"{word!r} belongs to no option; it would be a file of examples, and {_TRAFFIC}"


def with_suggestion(error: ArgumentsError, known: Iterable[str]) -> ArgumentsError:
    """The same error, with the nearest name where VW knows no such option or choice, and in our words a stray file."""
    if opened := _OPENED.search(str(error)):
        return ArgumentsError(_no_option(opened[1]))
    if choice := _NO_CHOICE.search(str(error)):
        near = _nearest(choice[1], choice[3].split(", "))
        return ArgumentsError(f"option {choice[2]} takes one of {choice[3]}, not {choice[1]!r}{near}")
    found = _UNRECOGNISED.search(str(error))
    if not found:
        return error
    name = found[1].partition("=")[0]
    return ArgumentsError(f"unknown VW option '--{name}'{_nearest(name, known, '--')}")


def _nearest(name: str, known: Iterable[str], dashes: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean '{dashes}{near[0]}'?" if near else ""
