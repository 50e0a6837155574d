"""Work that nobody waits for, with an owner: what a request leaves to be done, and what is done again and again.

None of it may be lost for good when a process ends: what is started here is asked for again by a later request or the
next round, on whichever replica.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.daemon.errors import PleaseWait

Work = Callable[[], Coroutine[Deferred[Any], Any, None]]


class Errands(Service):
    """Runs work in the background; when it stops, what still runs is cancelled and waited for."""

    name = "errands"
    log = Logger()

    def __init__(self) -> None:
        self._running: set[Deferred[None]] = set()

    def run(self, what: str, work: Work) -> None:
        """Begin `work` now. A failure is logged as that of `what`."""
        begun = Deferred.fromCoroutine(work())
        self._running.add(begun)

        def over(result: object) -> None:
            self._running.discard(begun)
            if isinstance(result, Failure) and not result.check(CancelledError, PleaseWait):
                self.log.failure("{what}", result, what=what)

        begun.addBoth(over)

    def stopService(self) -> Deferred[None]:
        """Ends what runs."""
        super().stopService()
        running = list(self._running)
        for errand in running:
            errand.cancel()
        return DeferredList(running).addCallback(lambda _: None)


class Rounds(Service):
    """Does `work` every `interval` seconds, the next round after the last one is over."""

    log = Logger()

    def __init__(self, name: str, clock: IReactorTime, interval: float, work: Work) -> None:
        self.name = name
        self._clock = clock
        self._interval = interval
        self._work = work
        self._next: IDelayedCall | None = None
        self._round: Deferred[None] | None = None

    def startService(self) -> None:
        super().startService()
        self._next = self._clock.callLater(self._interval, self._begin)

    def stopService(self) -> Deferred[None]:
        """Ends the round that runs."""
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        running = self._round or succeed(None)
        running.cancel()
        return running

    def _begin(self) -> None:
        self._round = Deferred.fromCoroutine(self._work())
        self._round.addBoth(self._over)

    def _over(self, result: object) -> None:
        self._round = None
        if isinstance(result, Failure) and not result.check(CancelledError, PleaseWait):  # the database will be back
            self.log.failure("{name}", result, name=self.name)
        if self.running:
            self._next = self._clock.callLater(self._interval, self._begin)
