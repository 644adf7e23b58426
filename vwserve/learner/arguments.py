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
    **dict.fromkeys(("final_regressor", "f", "readable_model", "invert_hash", "save_per_pass"), _SAVES),
    **dict.fromkeys(("dump_json_weights_experimental", "output_feature_regularizer_binary"), _SAVES),
    **dict.fromkeys(("output_feature_regularizer_text", "extra_metrics"), _SAVES),
    **dict.fromkeys(("predictions", "p", "raw_predictions", "r", "audit", "a"), _ANSWERS),
    **dict.fromkeys(("span_server", "span_server_port", "total", "node", "unique_id", "sendto"), _CLUSTER),
    "initial_regressor": "name the model to start from under 'initial:'",
    "i": "name the model to start from under 'initial:'",
    "predict_only_model": "a model saved without the learner's state cannot learn on",
    "bfgs": "it needs several passes over the data",
    "lda": "its predictions come a minibatch late",
    "help": "it is not an option of a model",
    "h": "it is not an option of a model",
    "version": "it is not an option of a model",
    "dry_run": "a dry run serves nothing",
    "args": "write the options themselves",
}

_NAME = re.compile(r"--(?P<long>[A-Za-z_][\w-]*)|-(?P<short>[A-Za-z])")
_BITS = re.compile(r"(?:-b|--bit_precision)(?:=?(?P<bits>.+))?", re.DOTALL)
_WEIGHT_BYTES = 16  # a weight with its adaptive and normalised state, padded (stride shift 2 in gd.cc)
_OPENED = re.compile(r"Failed to open input data file '([^']+)'")
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
    if "active" in names and "simulation" not in names:
        raise ArgumentsError("option --active has no place here without --simulation: it would open a port of its own")
    if words and not words[0].startswith("-"):
        raise ArgumentsError(_no_option(words[0]))
    _check_size(words, 4 if "sgd" in names else _WEIGHT_BYTES)
    return words


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
    """The same error, with the nearest option's name where VW did not recognise one, and in our words a stray one."""
    if opened := _OPENED.search(str(error)):
        return ArgumentsError(_no_option(opened[1]))
    found = _UNRECOGNISED.search(str(error))
    near = difflib.get_close_matches(found[1].partition("=")[0], known, n=1, cutoff=0.6) if found else []
    if not found:
        return error
    return ArgumentsError(f"unknown VW option '--{found[1]}'" + (f"; did you mean '--{near[0]}'?" if near else ""))
