"""`vwserve serve`: the daemon, in the foreground."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from vwserve.errors import ConfigurationError

NAME = "serve"
HELP = "run the daemon in the foreground"
EXAMPLE = "vwserve serve -c conf/vwserve.yaml"

_HERE = Path("conf", "vwserve.yaml")


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
    """Serve until told to stop; SIGTERM and SIGINT drain, SIGHUP reads the configuration again."""
    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner, textFileLogObserver

    from vwserve.daemon.service import Daemon

    configuration = arguments.configuration or (_HERE if _HERE.exists() else demonstration())
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    daemon = Daemon(reactor, configuration)
    failures: list[ConfigurationError] = []

    def begin() -> None:
        daemon.load()
        daemon.startService()
        daemon.listen().addCallbacks(lambda _: _tell_how_to_try(daemon.addresses), failed)

    def failed(failure: object) -> None:
        failures.append(failure.value)
        reactor.stop()

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stopService)
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(daemon.reload))
    reactor.run()
    if failures:
        raise failures[0]
    return 0
