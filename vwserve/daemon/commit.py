"""Group commit: answers wait until what was learned for them is on the disk; one sync serves all that came together.

A sync takes a lone line ten times as long as to be learned, on some disks a thousand times. So where a journal says
`sync: always`, the answers that rest on it are held. At the end of the turn of the reactor each such journal is synced
once, in the background, while others are read and answered; what is appended meanwhile is for the next sync. The more
connections there are, the more answers share one (DeWitt et al., "Implementation Techniques for Main Memory Database
Systems", SIGMOD 1984).

Where a sync fails, nobody can say what is on the disk: the answers are never given, and their connections are closed as
if the machine had crashed. An append that fails, as on a full disk, takes nothing from what was appended before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from twisted.logger import Logger

from vwserve.durability import Journal, JournalError


class Client(Protocol):
    """A connection whose answers are held; it has none others meanwhile."""

    def committed(self, text: bytes) -> None:
        """Send the answers: what they rest on is on the disk."""

    def abandon(self) -> None:
        """Close now: the answers will never be given."""


class Scheduler(Protocol):
    """What is needed of a reactor."""

    def callLater(self, delay: float, callable: Callable[..., object], /) -> object:
        """Call a function after so many seconds; with 0, at the end of this turn."""

    def callFromThread(self, callable: Callable[..., object], argument: Journal, /) -> object:
        """Call a function with an argument in the reactor's thread, from any."""


@dataclass(slots=True)
class _Held:
    client: Client
    text: bytes
    journals: int  # how many of those that it rests on are not synced so far; 0 also once it is given up


@dataclass(slots=True)
class _Queue:
    """Who waits for a journal: up to which sequence number it must be synced, in that order."""

    owed: int = 0
    syncing: bool = False
    waiting: deque[tuple[int, _Held]] = field(default_factory=deque)


class GroupCommit:
    """Holds answers until the journals that they rest on are synced; one for the daemon.

    Whoever appends to a journal that promises so calls `owe`. Whoever has a model answer compares `appended` before and
    after: where it grew, the answers are not to be sent but to be held. `appended` counts all appends that were owed.
    """

    log = Logger()

    def __init__(self, reactor: Scheduler) -> None:
        self.appended = 0
        self._reactor = reactor
        self._owed: list[Journal] = []  # this turn's, append by append
        self._turn_began = 0  # what `appended` was then
        self._queues: dict[Journal, _Queue] = {}

    def owe(self, journal: Journal) -> None:
        """Something was just appended to `journal`, and whoever sent it is to be answered once it is on the disk."""
        if not self._owed:
            self._reactor.callLater(0, self._end_turn)
        self.appended += 1
        self._owed.append(journal)
        self._queues.setdefault(journal, _Queue()).owed = journal.last

    def hold(self, client: Client, text: bytes, appended: int) -> None:
        """Give `text` to `client` once all is on the disk that was appended since `appended`, which was ours then.

        That must have been in this very call of the reactor.
        """
        journals = set(self._owed[appended - self._turn_began :])
        held = _Held(client, text, len(journals))
        for journal in journals:
            self._queues[journal].waiting.append((journal.last, held))

    def _end_turn(self) -> None:
        """Whatever could be read in this turn was: one sync for all of it."""
        owed, self._owed, self._turn_began = self._owed, [], self.appended
        for journal in dict.fromkeys(owed):
            queue = self._queues.get(journal)
            if queue is not None and not queue.syncing:
                self._advance(journal, queue)

    def _sync_ended(self, journal: Journal) -> None:
        queue = self._queues[journal]
        queue.syncing = False
        journal.settle()
        self._advance(journal, queue)

    def _advance(self, journal: Journal, queue: _Queue) -> None:
        """Sync again if anything is owed still, and give the answers that need not wait any longer."""
        ready = []
        while queue.waiting and queue.waiting[0][0] <= journal.synced:
            held = queue.waiting.popleft()[1]
            held.journals -= 1
            if held.journals == 0:
                ready.append(held)
        if queue.owed <= journal.synced:
            del self._queues[journal]
        else:
            try:
                journal.begin_sync(partial(self._reactor.callFromThread, self._sync_ended, journal))
                queue.syncing = True
            except JournalError as error:
                self._give_up(journal, error)
        for held in ready:
            self._deliver(held)

    def _deliver(self, held: _Held) -> None:
        try:
            held.client.committed(held.text)
        except Exception:
            self.log.failure("a fault of vwserve; closing a connection")
            held.client.abandon()

    def _give_up(self, journal: Journal, error: JournalError) -> None:
        held = [each for _, each in self._queues.pop(journal).waiting if each.journals > 0]
        if held:
            text = "{error}; closing {clients} connections unanswered, since what they had learned may be lost"
            self.log.error(text, error=error, clients=len(held))
        for each in held:
            each.journals = 0
            each.client.abandon()
