"""The documents that somebody has open: each loaded once, its updates committed, its frames passed on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.apiserver.minutes.sync import Close, CloseCode, Document, Effect, Limits, Send, Store
from meeting.apiserver.minutes.use_cases import Minutes
from meeting.daemon.errors import MeetingError, PleaseWait

#: Seconds between two frames to a client that hears nothing else; y-websocket's client gives up after 30.
KEEP_ALIVE = 10.0


class Connection(Protocol):
    """Somebody at the other end."""

    def send(self, frame: bytes) -> None:
        """Deliver a frame, or end if too many wait."""

    def close(self, code: int, reason: str) -> None:
        """End. Nothing more is heard from it."""


class LiveMinutes(Service):
    """All open documents of this hub. As a service it breaks the silence, and ends what is open when it stops."""

    log = Logger()

    def __init__(
        self, minutes: Minutes, clock: IReactorTime, limits: Limits, *, compact_after: int = 500, connections: int = 200
    ) -> None:
        """`compact_after`: rows; `connections`: most that one document takes."""
        self._minutes = minutes
        self._limits = limits
        self._compact_after = compact_after
        self._connections = connections
        self._open: dict[str, _OpenDocument] = {}
        self._loading: dict[str, list[Deferred[_OpenDocument]]] = {}
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

    async def _document(self, meeting_id: str) -> _OpenDocument:
        """The open document; loaded once, however many come at the same time."""
        if meeting_id in self._open:
            return self._open[meeting_id]
        if meeting_id in self._loading:
            waiting: Deferred[_OpenDocument] = Deferred()
            self._loading[meeting_id].append(waiting)
            return await waiting
        others = self._loading[meeting_id] = []
        try:
            updates = await self._minutes.load(meeting_id)
            document = _OpenDocument(self, meeting_id, Document.load(updates, self._limits), len(updates))
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

    # --- for its documents

    def forget(self, document: _OpenDocument) -> None:
        """It is not needed any more, or failed."""
        if self._open.get(document.meeting_id) is document:
            del self._open[document.meeting_id]

    def work(self, work: Deferred[None]) -> None:
        """Wait for this when stopping."""
        self._at_work.add(work)
        work.addBoth(lambda result: self._at_work.discard(work))

    async def append(self, meeting_id: str, updates: tuple[bytes, ...]) -> None:
        """Commit updates."""
        await self._minutes.append(meeting_id, updates)

    async def compact(self, meeting_id: str) -> None:
        """Make a snapshot; when it fails, nothing is lost and it is tried again later."""
        try:
            await self._minutes.compact(meeting_id)
        except MeetingError as error:
            self.log.warn("minutes were not compacted: {error}", error=str(error))

    @property
    def compact_after(self) -> int:
        """Rows that make a snapshot worth while."""
        return self._compact_after

    @property
    def most_connections(self) -> int:
        """How many may have one document open."""
        return self._connections


class Seat:
    """One connection's place at a document."""

    def __init__(self, receive: Callable[[bytes], None], leave: Callable[[], None]) -> None:
        self.receive = receive
        self.leave = leave


class _OpenDocument:
    log = Logger()

    def __init__(self, live: LiveMinutes, meeting_id: str, document: Document, rows: int) -> None:
        self._live = live
        self.meeting_id = meeting_id
        self._document = document
        self._rows = rows
        self._compacting = False
        self._connections: dict[int, Connection] = {}

    def join(self, number: int, connection: Connection, name: str, may_write: bool) -> Seat:
        if len(self._connections) >= self._live.most_connections:
            connection.close(CloseCode.TOO_MANY, "Too many people have these minutes open.")
            return Seat(lambda frame: None, lambda: None)
        self._connections[number] = connection
        self._do(self._document.join(number, name, may_write))
        return Seat(lambda frame: self._do(self._document.receive(number, frame)), lambda: self._leave(number))

    def keep_alive(self) -> None:
        self._do(self._document.keep_alive())

    def send_all_away(self) -> None:
        for number, connection in list(self._connections.items()):
            self._leave(number)
            connection.close(CloseCode.TRY_AGAIN, "The hub is restarting.")

    def _leave(self, number: int) -> None:
        if self._connections.pop(number, None) is not None:
            self._do(self._document.leave(number))

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                if effect.client in self._connections:
                    self._connections[effect.client].send(effect.frame)
            elif isinstance(effect, Close):
                if (connection := self._connections.pop(effect.client, None)) is not None:
                    connection.close(effect.code, effect.reason)
            else:
                self._live.work(Deferred.fromCoroutine(self._store(effect)))
        if self._document.is_over or self._document.is_quiet:
            self._live.forget(self)

    async def _store(self, store: Store) -> None:
        try:
            await self._live.append(self.meeting_id, store.updates)
        except MeetingError as error:
            self.log.error("minutes of {meeting} not saved: {error}", meeting=self.meeting_id, error=str(error))
            self._do(self._document.not_stored())
        except Exception:
            self.log.failure("minutes of {meeting} not saved", meeting=self.meeting_id)
            self._do(self._document.not_stored())
        else:
            self._rows += len(store.updates)
            self._do(self._document.stored())
            if self._rows >= self._live.compact_after and not self._compacting:
                self._compacting, self._rows = True, 0
                await self._live.compact(self.meeting_id)
                self._compacting = False
