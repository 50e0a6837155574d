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
#: One round; True: there is more to do.
Round = Callable[[], Coroutine[Deferred[Any], Any, bool | None]]


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
    """Does `work` again and again, the next round after the last one is over.

    That is `interval` seconds later; at once, when somebody has called `wake` or the round gave back True (there is
    more). With a `longest`, rounds that nobody has woken come ever later, up to it: what this process has to do it is
    woken for, and what another left undone can wait so long.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        interval: float,
        work: Round,
        *,
        longest: float | None = None,
        patient: bool = False,
    ) -> None:
        """`patient`: a round that runs when this stops is waited for, and not ended."""
        self.name = name
        self._clock = clock
        self._interval = interval
        self._longest = interval if longest is None else longest
        self._patient = patient
        self._work = work
        self._pause = interval
        self._woken = False
        self._next: IDelayedCall | None = None
        self._round: Deferred[bool | None] | None = None

    def startService(self) -> None:
        super().startService()
        self._next = self._clock.callLater(self._interval, self._begin)

    def stopService(self) -> Deferred[None]:
        """Ends the round that runs, or waits for it."""
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        if self._round is None:
            return succeed(None)
        ended: Deferred[None] = Deferred()
        self._round.addBoth(lambda _: ended.callback(None))
        if not self._patient:
            self._round.cancel()
        return ended

    def wake(self) -> None:
        """There is something to do: begin now, or again after the round that runs."""
        self._woken = True
        if self._next is not None and self._next.active():
            self._next.reset(0)

    def _begin(self) -> None:
        if self._woken:
            self._woken, self._pause = False, self._interval
        self._round = Deferred.fromCoroutine(self._work())
        self._round.addBoth(self._over)

    def _over(self, result: object) -> None:
        self._round = None
        if isinstance(result, Failure) and not result.check(CancelledError, PleaseWait):  # the database will be back
            self.log.failure("{name}", result, name=self.name)
        if self.running:
            at_once = self._woken or result is True
            self._next = self._clock.callLater(0 if at_once else self._pause, self._begin)
            if not at_once:
                self._pause = min(self._pause * 2, self._longest)
