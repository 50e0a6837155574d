"""The WebSocket of the minutes: frames between a browser and `live.LiveMinutes`, and a bound on everything.

Who may connect is settled before the upgrade (routes.py). A reader that is too slow for what it is sent is not waited
for: its frames
are held up to a limit, then it is cut off; it comes back and is brought up to date by one message.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from meeting.apiserver.minutes.effects import CloseCode
from meeting.apiserver.minutes.live import LiveMinutes
from meeting.apiserver.minutes.open_document import Seat
from meeting.daemon.errors import MeetingError

_UNSUPPORTED_DATA = 3003  # RFC 6455's 1003, which is not an application's to send


@dataclass(frozen=True)
class SocketLimits:
    """Sizes in bytes, times in seconds."""

    message: int = (1 << 20) + 64
    held: int = 4 << 20
    """What waits for a slow reader (a whole document may), or is sent before the document is loaded."""
    ping_interval: float = 20.0
    ping_timeout: float = 20.0
    check_interval: float = 30.0
    """How long somebody whose session or rights have ended may go on."""


@dataclass(frozen=True)
class Visitor:
    """For whom a connection is."""

    meeting_id: str
    name: str
    may_write: bool
    check: Callable[[], Coroutine[Any, Any, bool]]
    """Whether they may write by now; raises MeetingError if they may not even read any longer."""


def serve(request: Any, live: LiveMinutes, visitor: Visitor, limits: SocketLimits, reactor: Any) -> None:
    """Answer the upgrade; the request's connection belongs to the WebSocket from here on."""
    # HTTP watched the connection as its producer; from now on the WebSocket does.
    request.channel.transport.unregisterProducer()
    WebSocketResource(_Factory(live, visitor, limits, reactor)).render(request)


class _Factory(WebSocketServerFactory):
    """Makes one protocol, for one visitor."""

    def __init__(self, live: LiveMinutes, visitor: Visitor, limits: SocketLimits, reactor: Any) -> None:
        super().__init__(reactor=reactor)
        self.setProtocolOptions(
            maxFramePayloadSize=limits.message,
            maxMessagePayloadSize=limits.message,
            autoPingInterval=limits.ping_interval,
            autoPingTimeout=limits.ping_timeout,
            openHandshakeTimeout=5,
            closeHandshakeTimeout=2,
            failByDrop=False,  # a client hears why
        )
        self._arguments = (live, visitor, limits, IReactorTime(reactor))

    def buildProtocol(self, address: Any) -> MinutesSocket:
        protocol = MinutesSocket(*self._arguments)
        protocol.factory = self
        return protocol


@implementer(IPushProducer)
class MinutesSocket(WebSocketServerProtocol):
    """One browser's connection: a `live.Connection`."""

    log = Logger()
    transport: Any

    def __init__(self, live: LiveMinutes, visitor: Visitor, limits: SocketLimits, clock: IReactorTime) -> None:
        super().__init__()
        self._clock = clock
        self._next_check: IDelayedCall | None = None
        self._live = live
        self._visitor = visitor
        self._limits = limits
        self._seat: Seat | None = None
        self._early: list[bytes] = []
        self._held: list[bytes] = []
        self._size = 0
        self._is_paused = False
        self._is_over = False

    # --- Autobahn's callbacks

    def onOpen(self) -> None:
        self.transport.registerProducer(self, True)
        Deferred.fromCoroutine(self._sit_down()).addErrback(self._failed)
        self._check_later()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self._is_over:
            return
        if not isBinary:
            self.close(_UNSUPPORTED_DATA, "Minutes are spoken in binary frames.")
        elif self._seat is not None:
            self._seat.receive(payload)
        else:
            self._early.append(payload)
            self._grow(len(payload))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self._is_over = True
        self._held.clear()
        if self._next_check is not None and self._next_check.active():
            self._next_check.cancel()
        if self._seat is not None:
            self._seat.leave()

    # --- live.Connection

    def send(self, frame: bytes) -> None:
        """Connection.send"""
        if self._is_over or self.state != self.STATE_OPEN:  # the client is saying good-bye; onClose comes
            return
        if self._is_paused:
            self._held.append(frame)
            self._grow(len(frame))
        else:
            self.sendMessage(frame, isBinary=True)

    def close(self, code: int, reason: str) -> None:
        """Connection.close"""
        if not self._is_over:
            self._is_over = True
            self._held.clear()
            # A connection whose producer is still registered is not closed by TLS.
            self.transport.unregisterProducer()
            self.sendClose(int(code), reason)

    # --- IPushProducer: the socket says how fast it takes

    def pauseProducing(self) -> None:
        """IPushProducer.pauseProducing"""
        self._is_paused = True

    def resumeProducing(self) -> None:
        """IPushProducer.resumeProducing"""
        self._is_paused = False
        while self._held and not self._is_paused and self.state == self.STATE_OPEN:
            frame = self._held.pop(0)
            self._size -= len(frame)
            self.sendMessage(frame, isBinary=True)

    def stopProducing(self) -> None:
        """IPushProducer.stopProducing"""
        self._is_over = True

    # --- inside

    async def _sit_down(self) -> None:
        visitor = self._visitor
        try:
            seat = await self._live.join(visitor.meeting_id, self, visitor.name, visitor.may_write)
        except MeetingError as error:
            self.close(CloseCode.TRY_AGAIN, error.title)
            return
        if self._is_over:
            seat.leave()
            return
        self._seat = seat
        early, self._early = self._early, []
        for frame in early:
            self._size -= len(frame)
            if not self._is_over:
                seat.receive(frame)

    def _check_later(self) -> None:
        self._next_check = self._clock.callLater(
            self._limits.check_interval, lambda: Deferred.fromCoroutine(self._check()).addErrback(self._failed)
        )

    async def _check(self) -> None:
        """A session may have been ended, a meeting be over, rights be others: then the connection ends."""
        try:
            if await self._visitor.check() != self._visitor.may_write:
                # Coming back, they get what they may do now.
                self.close(CloseCode.TRY_AGAIN, "What you may do here has changed.")
        except MeetingError as error:
            if error.status < 500:  # else it is our trouble, not theirs
                self.close(CloseCode.NOT_ALLOWED, error.title)
        if not self._is_over:
            self._check_later()

    def _failed(self, failure: Failure) -> None:
        self.log.failure("minutes could not be opened", failure)
        self.close(CloseCode.TRY_AGAIN, "The minutes cannot be opened just now.")

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._limits.held:
            self._is_over = True
            self._held.clear()
            self.transport.abortConnection()
