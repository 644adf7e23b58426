"""The interactions that an argument line asks for, read from its words alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_OPTIONS = ("--quadratic", "--cubic", "--interactions")


def interaction_terms(words: Sequence[str]) -> Iterator[str]:
    """The terms of `-q ua`, `-qua`, `--quadratic=ua`, `--cubic abc` and `--interactions abcd`."""
    following = iter(words)
    for word in following:
        option, equals, value = word.partition("=")
        if option in _OPTIONS or word == "-q":
            yield value if equals else next(following, "")
        elif word.startswith("-q") and not word.startswith("--"):
            yield word[2:]
