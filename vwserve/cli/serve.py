"""`vwserve serve`: the daemon, in the foreground."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vwserve.errors import VwserveError

if TYPE_CHECKING:
    from vwserve.daemon.service import Daemon
    from vwserve.daemon.settings import Settings

NAME = "serve"
HELP = "run the daemon in the foreground"
EXAMPLE = "vwserve serve -c conf/vwserve.yaml"

_HERE = Path("conf", "vwserve.yaml")
_SWITCH_S = 0.001  # how long a thread that loads a model may hold up requests, when it is not VW that works


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "-c",
        "--configuration",
        metavar="FILE",
        type=Path,
        help=f"the configuration; without it {_HERE} here, else a demonstration",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT, which drain; a second one stops at once. SIGHUP reads the configuration again."""
    from twisted.logger import (
        FilteringLogObserver,
        LogLevel,
        LogLevelFilterPredicate,
        globalLogBeginner,
        textFileLogObserver,
    )

    from vwserve.daemon.reactor import install_reactor
    from vwserve.daemon.turn import Turn

    turn = Turn()
    reactor = install_reactor(turn)  # before anything imports Twisted's default one
    from vwserve.daemon.service import Daemon

    levels = LogLevelFilterPredicate(LogLevel.info)
    for namespace in ("twisted", "log_legacy"):  # whose remarks on starting and stopping say what ours do
        levels.setLogLevelForNamespace(namespace, LogLevel.warn)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [levels])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    read, try_it = _configuration(arguments.configuration)
    daemon = Daemon(reactor, read, time.time, turn)
    sys.setswitchinterval(_SWITCH_S)
    failures = _run(reactor, daemon, try_it)
    if failures:
        raise failures[0]
    return 0


def _configuration(named: Path | None) -> tuple[Callable[[], Settings], bool]:
    """How to read the settings, and whether they are the demonstration's, which keeps its state here."""
    from vwserve.daemon.settings import read_settings

    file, demonstration = configuration_file(named)
    if not demonstration:
        return partial(read_settings, file), False
    return lambda: replace(read_settings(file), state=Path("state").absolute()), True


def configuration_file(named: Path | None) -> tuple[Path, bool]:
    """The configuration named, else the one here, else the demonstration; and whether it is the demonstration."""
    if named is not None or _HERE.exists():
        return named or _HERE, False
    return Path(str(files("vwserve") / "demo" / "vwserve.yaml")), True


def _run(reactor: Any, daemon: Daemon, try_it: bool) -> Sequence[VwserveError]:
    """Run the reactor until a signal or a listener that cannot be opened; returns why it could not begin."""
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    failures: list[VwserveError] = []

    async def begin() -> None:
        try:
            await daemon.load()
            await daemon.listen()
        except VwserveError as error:
            failures.append(error)
            reactor.stop()
            return
        reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(daemon.stop()))
        if try_it:
            print(_how_to_try(), file=sys.stderr, flush=True)

    def hang_up() -> None:
        Deferred.fromCoroutine(daemon.reload()).addErrback(reload_failed)

    def reload_failed(failure: Failure) -> None:
        daemon.log.failure("a fault of vwserve while it read the configuration again", failure)

    def terminate() -> None:
        if reactor.running:
            reactor.stop()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    for number, act in ((signal.SIGTERM, terminate), (signal.SIGINT, terminate), (signal.SIGHUP, hang_up)):
        signal.signal(number, lambda *_, act=act: reactor.callFromThread(act))
    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(begin()))
    reactor.run(installSignalHandlers=False)
    return failures


def _how_to_try() -> str:
    return "try it: printf '1 |u age33 |a ad7\\n|u age33 |a ad7\\n' | nc -N 127.0.0.1 26542"
