"""VW's argument line as a model's author wrote it: what vwserve does itself is refused, and a typo named."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable

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
    return words


def with_suggestion(error: ArgumentsError, known: Iterable[str]) -> ArgumentsError:
    """The same error, with the nearest option's name where VW did not recognise one."""
    found = _UNRECOGNISED.search(str(error))
    near = difflib.get_close_matches(found[1].partition("=")[0], known, n=1, cutoff=0.6) if found else []
    if not found:
        return error
    return ArgumentsError(f"unknown VW option '--{found[1]}'" + (f"; did you mean '--{near[0]}'?" if near else ""))
