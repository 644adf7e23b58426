"""A forked child that works apart from the process that it is a copy of, and does it no harm.

The copy has the daemon's sockets, signal handlers and threads' locks. So the child closes what it inherited, or a
connection would stay open that the daemon has closed; it leaves signals to the daemon, which drains while the child
finishes; it ends with `_exit`, so that nothing of the daemon's is flushed or torn down twice; and it is what the
system kills first where memory runs out. What it runs may take no lock that a thread could have held in the moment of
the fork: no logging, no imports. It never outlives the daemon, whose successor may write the same files.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import warnings
from collections.abc import Callable, Collection

_PR_SET_PDEATHSIG = 1
_FIRST_INHERITED = 3  # after the standard streams
_NICER = 5  # more, and on a busy machine it would take minutes, all the while copying what the daemon writes
_LEFT_TO_PARENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def fork_apart(work: Callable[[], int], keep: Collection[int], within_s: float) -> int:
    """Run `work` in a child, which exits with what it returns, and return the child's process number.

    The child keeps the descriptors `keep`, and kills itself (SIGALRM) once `within_s` seconds have passed. `work` must
    not raise. Raises OSError where the system makes no child.
    """
    prctl = ctypes.CDLL(None).prctl  # before the fork: loading takes locks
    parent = os.getpid()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of threads: this module is what has to be done about them.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            _work_apart(work, keep, within_s, parent, prctl)
        return child
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _work_apart(
    work: Callable[[], int], keep: Collection[int], within_s: float, parent: int, prctl: Callable[[int, int], object]
) -> None:
    code = os.EX_SOFTWARE
    try:
        gc.disable()  # what it would collect is the parent's, and it would copy the memory that it looks at
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in _LEFT_TO_PARENT:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, within_s)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _close_but(keep)
        _volunteer()
        os.nice(_NICER)
        if os.getppid() == parent:  # it may have died before it was asked to take this child with it
            code = work()
    finally:
        os._exit(code)


def _close_but(keep: Collection[int]) -> None:
    start = _FIRST_INHERITED
    for fd in sorted(keep):
        os.closerange(start, fd)
        start = fd + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def _volunteer() -> None:
    """Be the first that is killed where memory runs out; a system that knows no such thing is asked in vain."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:
        return
    os.write(fd, b"1000")
    os.close(fd)
