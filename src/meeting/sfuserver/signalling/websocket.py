"""The signalling port: an HTTP resource that lets in or refuses before the upgrade, and the socket behind it.

Every answer carries Access-Control-Allow-Origin, refusals too: a browser cannot read why its socket failed, so
livekit-client asks the /validate path next, and without that header it can only say "unreachable".
"""

from __future__ import annotations

from collections import deque
from typing import Any
from urllib.parse import parse_qs

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest, RequestResponse, SignalResponse
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.web.resource import Resource
from zope.interface import implementer

from meeting.daemon.errors import BadRequest, MeetingError
from meeting.daemon.secret import Secret
from meeting.sfuserver.room.outgoing import Outgoing
from meeting.sfuserver.signalling.admission import Admission, admit, door
from meeting.sfuserver.signalling.lobby import Lobby
from meeting.sfuserver.signalling.session import Session
from meeting.sfuserver.signalling.wire import BadFrame, parse_frame

__all__ = ["SignalFactory", "SignalProtocol", "SignalResource"]

log = Logger()

MAXIMUM_FRAME = 1024 * 1024
"""Bytes of one message; the offer of a client with a hundred tracks has some 200 000."""
MAXIMUM_QUEUE = 4 * 1024 * 1024
"""Bytes that wait for a client that does not read; more, and it has to come back."""
MAXIMUM_BAD_FRAMES = 10
GOING_AWAY = 1001
PING_SECONDS = 10
HANDSHAKE_SECONDS = 10
CLOSE_SECONDS = 2


@implementer(IPushProducer)
class SignalProtocol(WebSocketServerProtocol):
    """One socket. It is its session's outbox and the producer of its transport: what cannot be sent yet waits here."""

    def __init__(self, admission: Admission, lobby: Lobby, clock: IReactorTime) -> None:
        super().__init__()
        self._admission = admission
        self._lobby = lobby
        self._clock = clock
        self._session: Session | None = None
        self._json = False
        self._paused = False
        self._closing: str | None = None
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._queued = 0
        self._bad_frames = 0

    # What autobahn tells

    def onOpen(self) -> None:
        # Until the upgrade the HTTP channel was the transport's producer.
        transport: Any = self.transport
        transport.unregisterProducer()
        transport.registerProducer(self, True)
        self._session = self._lobby.enter(self._admission, self, self._clock.seconds())

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self._json = not isBinary
        if self._session is None or self._closing is not None:
            return
        now = self._clock.seconds()
        try:
            request = parse_frame(payload, binary=isBinary)
        except BadFrame as error:
            self._refuse_frame(error)
            return
        try:
            self._session.request(request, now)
        except Exception:
            # A fault of ours with one client's request ends with this client.
            log.failure("request {name} stumbled", name=request.WhichOneof("message"))
            self._session.room.dismiss(
                self._session.participant, DisconnectReason.STATE_MISMATCH, now, LeaveRequest.RECONNECT
            )

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if self._session is not None:
            now = self._clock.seconds()
            self._session.socket_lost(now, for_good=wasClean and code == GOING_AWAY)
            self._session = None

    # Outbox

    def send(self, outgoing: Outgoing) -> None:
        payload = outgoing.text.encode() if self._json else outgoing.binary
        if self._closing is not None:
            return
        if not self._paused:
            self.sendMessage(payload, isBinary=not self._json)
            return
        self._queue.append((payload, not self._json))
        self._queued += len(payload)
        if self._queued > MAXIMUM_QUEUE:
            log.info("a client does not read; its socket is closed")
            self._queue.clear()
            self.dropConnection(abort=True)

    def close(self, reason: str) -> None:
        if self._closing is None:
            self._closing = reason
            if not self._queue:
                self._close_now()

    # IPushProducer

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        while self._queue and not self._paused:
            payload, binary = self._queue.popleft()
            self._queued -= len(payload)
            self.sendMessage(payload, isBinary=binary)
        if self._closing is not None and not self._queue:
            self._close_now()

    def stopProducing(self) -> None:
        self._queue.clear()

    def _close_now(self) -> None:
        self.sendClose(1000, (self._closing or "")[:100])

    def _refuse_frame(self, error: BadFrame) -> None:
        self._bad_frames += 1
        if self._bad_frames > MAXIMUM_BAD_FRAMES:
            self.close("too many messages that are none")
            return
        response = RequestResponse(reason=RequestResponse.INVALID_REQUEST, message=str(error))
        self.send(Outgoing(SignalResponse(request_response=response)))


class SignalFactory(WebSocketServerFactory):
    """The settings that all signalling sockets share."""

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor=reactor)
        self.setProtocolOptions(
            maxFramePayloadSize=MAXIMUM_FRAME,
            maxMessagePayloadSize=MAXIMUM_FRAME,
            openHandshakeTimeout=HANDSHAKE_SECONDS,
            closeHandshakeTimeout=CLOSE_SECONDS,
            # Browsers slow the timers of hidden pages down, so LiveKit's own pings may stop; these do not.
            autoPingInterval=PING_SECONDS,
            autoPingTimeout=PING_SECONDS,
            autoPingRestartOnAnyTraffic=True,
            tcpNoDelay=True,
            webStatus=False,
        )


class SignalResource(Resource):
    """/rtc, /rtc/v1 and their /validate."""

    isLeaf = True

    def __init__(self, secret: Secret, lobby: Lobby, factory: SignalFactory, clock: IReactorTime) -> None:
        super().__init__()
        self._secret = secret
        self._lobby = lobby
        self._factory = factory
        self._clock = clock

    def render(self, request: Any) -> Any:
        request.setHeader(b"Access-Control-Allow-Origin", b"*")
        request.setHeader(b"Cross-Origin-Resource-Policy", b"cross-origin")
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        if request.method == b"OPTIONS":
            request.setHeader(b"Access-Control-Allow-Headers", b"Authorization")
            request.setResponseCode(204)
            return b""
        try:
            where = door(request.path.decode("ascii", "replace"))
            query = parse_qs(request.uri.partition(b"?")[2].decode("ascii", "replace"))
            admission = admit(self._secret, where, request.getHeader("authorization"), query, self._clock.seconds())
            if where.validate:
                return b"success"
            if request.method != b"GET" or (request.getHeader("upgrade") or "").lower() != "websocket":
                raise BadRequest("This address speaks WebSocket only.")
        except MeetingError as error:
            request.setResponseCode(error.status)
            return str(error).encode()
        return self._upgrade(request, admission)

    def _upgrade(self, request: Any, admission: Admission) -> Any:
        protocol = SignalProtocol(admission, self._lobby, self._clock)
        protocol.factory = self._factory
        return WebSocketResource(_Ready(protocol)).render(request)


class _Ready:
    """The factory autobahn's resource asks for a protocol: it has the one for this request."""

    def __init__(self, protocol: SignalProtocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, address: object) -> SignalProtocol:
        return self._protocol
