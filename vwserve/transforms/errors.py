"""What goes wrong in transforms, their own code included, which may raise anything."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from vwserve.errors import VwserveError


class TransformError(VwserveError):
    """A transform that cannot be made, fitted or applied; whoever knows where it is declared says so."""


def told(error: BaseException) -> str:
    """The type and the text of an error, in one line, whatever its own `__str__` does."""
    try:
        text = " ".join(str(error).split())
    except Exception as other:  # a fault of the plugin that the error is from
        text = f"(its text cannot be told: {type(other).__name__})"
    return f"{type(error).__name__}: {text}"


def is_interrupt(error: BaseException) -> bool:
    """Whether it is Ctrl-C of whoever runs the program; a daemon handles that signal itself, so there it never is."""
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Raise TransformError, which begins with `what`, in place of whatever the code of a plugin raises."""
    try:
        yield
    except VwserveError:
        raise
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise TransformError(f"{what}: {told(error)}") from error
