"""One document that somebody has open at this replica: `sync.Document`, its connections, its rows, its peers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from meeting.apiserver.events import Event, Events
from meeting.apiserver.minutes.effects import Close, CloseCode, Effect, Gather, Limits, Send, Store
from meeting.apiserver.minutes.frames import read_updates, updates_payload
from meeting.apiserver.minutes.peers import Peers, Word
from meeting.apiserver.minutes.sync import Document
from meeting.apiserver.minutes.updates import MissingPredecessor
from meeting.apiserver.minutes.use_cases import Minutes
from meeting.daemon.errors import MeetingError

#: Events that are kept while the document is being loaded; with more it is loaded again.
_MOST_EARLY = 1000


class Connection(Protocol):
    """Somebody at the other end."""

    def send(self, frame: bytes) -> None:
        """Deliver a frame, or end if too many wait."""

    def close(self, code: int, reason: str) -> None:
        """End. Nothing more is heard from it."""


class Seat:
    """One connection's place at a document."""

    def __init__(self, receive: Callable[[bytes], None], leave: Callable[[], None]) -> None:
        self.receive = receive
        self.leave = leave


class Shelf(Protocol):
    """Where an open document stands: what it needs of the hub round it (`live.LiveMinutes`)."""

    minutes: Minutes
    events: Events
    limits: Limits

    @property
    def compact_after(self) -> int:
        """Rows that make a snapshot worth while."""

    @property
    def most_connections(self) -> int:
        """How many may have one document open."""

    def now(self) -> datetime:
        """What time it is."""

    def soon(self, work: Callable[[], None]) -> IDelayedCall:
        """Do this when carets have been gathered for long enough."""

    def work(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        """Do this, and wait for it when stopping."""

    async def compact(self, meeting_id: str) -> None:
        """Make a snapshot; when it fails, nothing is lost and it is tried again later."""

    def forget(self, document: OpenDocument) -> None:
        """It is not needed any more, or failed."""


class OpenDocument:
    """An `events.Listener`. Usable when `open` has returned, until `close`."""

    log = Logger()

    def __init__(self, shelf: Shelf, meeting_id: str) -> None:
        self.meeting_id = meeting_id
        self._shelf = shelf
        self._topic = f"minutes:{meeting_id}"
        self._document = Document(shelf.limits)
        self._connections: dict[int, Connection] = {}
        self._peers = Peers()
        self._early: list[Event] | None = []
        self._rows = 0
        self._compacting = self._reloading = self._is_closed = False
        self._gathering: IDelayedCall | None = None
        self._stop_listening: Callable[[], None] = lambda: None

    async def open(self) -> None:
        """Load it. First listen, then load: what is stored meanwhile is heard, and some of it twice, which is no harm.

        :raise MeetingError: the database is away.
        """
        self._stop_listening = await self._shelf.events.subscribe(self._topic, self)
        try:
            updates = await self._shelf.minutes.load(self.meeting_id)
            self._document = Document.load(updates, self._shelf.limits)
        except BaseException:
            self._stop_listening()
            raise
        self._rows = len(updates)
        early, self._early = self._early or [], None
        if len(early) >= _MOST_EARLY:
            self.missed()
        else:
            for event in early:
                self.heard(event)
        self._tell(Word.HELLO)

    def close(self) -> None:
        """Nobody here has it open any more."""
        if not self._is_closed:
            self._is_closed = True
            self._stop_listening()
            if self._gathering is not None and self._gathering.active():
                self._gathering.cancel()
            if self._peers:
                self._tell(Word.BYE)

    # --- connections

    def join(self, number: int, connection: Connection, name: str, may_write: bool) -> Seat:
        """A new connection; the frames for it go there from now on."""
        if len(self._connections) >= self._shelf.most_connections:
            connection.close(CloseCode.TOO_MANY, "Too many people have these minutes open.")
            return Seat(lambda frame: None, lambda: None)
        self._connections[number] = connection
        self._do(self._document.join(number, name, may_write))
        return Seat(lambda frame: self._do(self._document.receive(number, frame)), lambda: self._leave(number))

    def keep_alive(self) -> None:
        """Each `live.KEEP_ALIVE`: break the silence, here and between replicas."""
        self._do(self._document.keep_alive())
        for replica in self._peers.forget_silent(self._shelf.now()):
            self._do(self._document.forget_replica(replica))
        if self._peers:
            self._tell(Word.HERE)

    def send_all_away(self) -> None:
        """The hub stops."""
        for number, connection in list(self._connections.items()):
            self._leave(number)
            connection.close(CloseCode.TRY_AGAIN, "The hub is restarting.")

    def _leave(self, number: int) -> None:
        if self._connections.pop(number, None) is not None:
            self._do(self._document.leave(number))

    # --- events.Listener

    def heard(self, event: Event) -> None:
        """Listener.heard"""
        if event.origin == self._shelf.events.origin or self._is_closed:
            return
        if self._early is not None:
            if len(self._early) < _MOST_EARLY:
                self._early.append(event)
            return
        if self._peers.hear(event.origin, event.kind, self._shelf.now()):
            self._tell(Word.CARETS, self._document.all_carets())
        if event.kind == Word.UPDATE:
            updates = read_updates(event.data)
            self._rows += len(updates)
            try:
                self._do(self._document.merge(updates))
            except MissingPredecessor:
                self.missed()
        elif event.kind == Word.CARETS:
            self._do(self._document.hear_carets(event.origin, event.data))
        elif event.kind == Word.BYE:
            self._do(self._document.forget_replica(event.origin))

    def missed(self) -> None:
        """Listener.missed"""
        if not self._reloading and self._early is None:
            self._reloading = True
            self._shelf.work(self._reload())

    async def _reload(self) -> None:
        try:
            updates = await self._shelf.minutes.load(self.meeting_id)
            if not self._is_closed:
                self._do(self._document.merge(updates))
                self._tell(Word.HELLO)
        except (MeetingError, MissingPredecessor) as error:
            self.log.warn("minutes of {meeting} could not be read again: {error}", meeting=self.meeting_id, error=error)
            self._do(self._document.not_stored())
        finally:
            self._reloading = False

    def _tell(self, word: Word, data: bytes = b"") -> None:
        self._shelf.work(self._shelf.events.tell(self._topic, word, data))

    # --- what the document asks for

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                if effect.client in self._connections:
                    self._connections[effect.client].send(effect.frame)
            elif isinstance(effect, Close):
                if (connection := self._connections.pop(effect.client, None)) is not None:
                    connection.close(effect.code, effect.reason)
            elif isinstance(effect, Store):
                self._shelf.work(self._store(effect))
            elif isinstance(effect, Gather):
                if not self._is_closed:
                    self._gathering = self._shelf.soon(self._show_carets)
            elif self._peers:
                self._tell(Word.CARETS, effect.carets)
        if self._document.is_over or self._document.is_quiet:
            self._shelf.forget(self)

    def _show_carets(self) -> None:
        self._do(self._document.show_carets())

    async def _store(self, store: Store) -> None:
        note = self._shelf.events.note(self._topic, Word.UPDATE, updates_payload(store.updates))
        try:
            await self._shelf.minutes.append(self.meeting_id, store.updates, note)
        except MeetingError as error:
            self.log.error("minutes of {meeting} not saved: {error}", meeting=self.meeting_id, error=str(error))
            self._do(self._document.not_stored())
        except Exception:
            self.log.failure("minutes of {meeting} not saved", meeting=self.meeting_id)
            self._do(self._document.not_stored())
        else:
            self._rows += len(store.updates)
            self._do(self._document.stored())
            if self._rows >= self._shelf.compact_after and not self._compacting:
                self._compacting, self._rows = True, 0
                await self._shelf.compact(self.meeting_id)
                self._compacting = False
