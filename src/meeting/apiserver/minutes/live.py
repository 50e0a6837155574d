"""The documents that somebody has open: each loaded once, its updates committed, its frames passed on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.apiserver.events import Events
from meeting.apiserver.leases import Leases
from meeting.apiserver.minutes.effects import Limits
from meeting.apiserver.minutes.open_document import Connection, OpenDocument, Seat
from meeting.apiserver.minutes.use_cases import Minutes
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import MeetingError, PleaseWait

#: Seconds between two frames to a client that hears nothing else; y-websocket's client gives up after 30.
KEEP_ALIVE = 10.0
#: Seconds for which carets that move are gathered, to be shown as one.
GATHERING = 0.1


class LiveMinutes(Service):
    """All open documents of this hub. As a service it breaks the silence, and ends what is open when it stops."""

    log = Logger()

    def __init__(
        self,
        minutes: Minutes,
        events: Events,
        leases: Leases,
        clock: IReactorTime,
        limits: Limits,
        *,
        compact_after: int = 500,
        connections: int = 200,
    ) -> None:
        """`compact_after`: rows; `connections`: most that one document takes."""
        self.minutes = minutes
        self.events = events
        self.limits = limits
        self._leases = leases
        self._clock = clock
        self._compact_after = compact_after
        self._connections = connections
        self._open: dict[str, OpenDocument] = {}
        self._loading: dict[str, list[Deferred[OpenDocument]]] = {}
        self._numbers = count(1)
        self._silence = LoopingCall(self._break_silence)
        self._silence.clock = clock
        self._at_work: set[Deferred[None]] = set()

    def startService(self) -> None:
        """Begin to break the silence."""
        super().startService()
        self._silence.start(KEEP_ALIVE, now=False)

    def stopService(self) -> Deferred[None]:
        """Send everybody away; fires when all that was being committed is."""
        super().stopService()
        if self._silence.running:
            self._silence.stop()
        for document in list(self._open.values()):
            document.send_all_away()
        return Deferred.fromCoroutine(self._finish())

    async def _finish(self) -> None:
        while self._at_work:
            await DeferredList(self._at_work)

    async def join(self, meeting_id: str, connection: Connection, name: str, may_write: bool) -> Seat:
        """Open a meeting's minutes for somebody.

        :raise MeetingError: they cannot be loaded just now.
        """
        while True:
            document = await self._document(meeting_id)
            if not self.running:
                raise PleaseWait(1, "The hub is restarting.")
            # It may have been left by all, and forgotten, since it was loaded.
            if self._open.get(meeting_id) is document:
                return document.join(next(self._numbers), connection, name, may_write)

    async def _document(self, meeting_id: str) -> OpenDocument:
        """The open document; loaded once, however many come at the same time."""
        if meeting_id in self._open:
            return self._open[meeting_id]
        if meeting_id in self._loading:
            waiting: Deferred[OpenDocument] = Deferred()
            self._loading[meeting_id].append(waiting)
            return await waiting
        others = self._loading[meeting_id] = []
        try:
            document = OpenDocument(self, meeting_id)
            await document.open()
        except BaseException:
            failure = Failure()
            del self._loading[meeting_id]
            for other in others:
                other.errback(failure)
            raise
        del self._loading[meeting_id]
        self._open[meeting_id] = document
        for other in others:
            other.callback(document)
        return document

    def _break_silence(self) -> None:
        for document in list(self._open.values()):
            document.keep_alive()

    @property
    def open_documents(self) -> int:
        """For /metrics."""
        return len(self._open)

    # --- Shelf, for its documents

    def forget(self, document: OpenDocument) -> None:
        """Shelf.forget"""
        document.close()
        if self._open.get(document.meeting_id) is document:
            del self._open[document.meeting_id]

    def work(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        """Shelf.work"""
        begun = Deferred.fromCoroutine(work)
        self._at_work.add(begun)

        def over(result: object) -> None:
            self._at_work.discard(begun)
            if isinstance(result, Failure) and not result.check(PleaseWait):  # the database will be back
                self.log.failure("minutes", result)

        begun.addBoth(over)

    def now(self) -> datetime:
        """Shelf.now"""
        return utc_now(self._clock)

    def soon(self, work: Callable[[], None]) -> IDelayedCall:
        """Shelf.soon"""
        return self._clock.callLater(GATHERING, work)

    async def compact(self, meeting_id: str) -> None:
        """Shelf.compact"""
        try:
            await self._leases.do(f"compact {meeting_id}", partial(self.minutes.compact, meeting_id))
        except MeetingError as error:
            self.log.warn("minutes were not compacted: {error}", error=str(error))

    @property
    def compact_after(self) -> int:
        """Shelf.compact_after"""
        return self._compact_after

    @property
    def most_connections(self) -> int:
        """Shelf.most_connections"""
        return self._connections
