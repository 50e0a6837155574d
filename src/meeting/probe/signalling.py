"""LiveKit's signalling from the client's side: protobuf messages over one WebSocket (v0, `/rtc`)."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlencode, urlsplit

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from google.protobuf.message import DecodeError
from livekit.protocol.rtc import SignalRequest, SignalResponse
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.task import LoopingCall

from meeting.probe.hub import CannotJoin

PING_EVERY = 5.0
MOST_WAITING = 1000


class Signalling(WebSocketClientProtocol):
    """One connection. `messages` hands out SignalResponse objects in order, and None once when the connection ended."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: Deferred[Signalling] = Deferred()
        self.messages: DeferredQueue[SignalResponse | None] = DeferredQueue(size=MOST_WAITING)
        self._ping = LoopingCall(self._send_ping)

    def onOpen(self) -> None:
        self._ping.clock = self.factory.reactor
        self._ping.start(PING_EVERY, now=False)
        self.opened.callback(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        try:
            self.messages.put(SignalResponse.FromString(payload))
        except DecodeError:
            self.sendClose(1007, "not a SignalResponse")

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if self._ping.running:
            self._ping.stop()
        opened, self.opened = self.opened, Deferred()
        if not opened.called:
            opened.errback(CannotJoin(f"the sfuserver refused the connection: {reason or code}"))
        self.messages.put(None)

    def send(self, request: SignalRequest) -> None:
        self.sendMessage(request.SerializeToString(), isBinary=True)

    def _send_ping(self) -> None:
        self.send(SignalRequest(ping=int(self.factory.reactor.seconds() * 1000)))


async def connect(
    reactor: object, url: str, token: str, tls: IOpenSSLClientConnectionCreator, *, timeout: float = 10.0
) -> Signalling:
    """Opens the signalling connection of the sfuserver at `url` (`ws://` or `wss://`).

    Raises CannotJoin, or the endpoint's own error.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    query = urlencode({"protocol": 15, "auto_subscribe": 1, "sdk": "python", "version": "0.1.0"})
    factory = WebSocketClientFactory(
        f"{url}/rtc?{query}", headers={"Authorization": f"Bearer {token}"}, reactor=reactor
    )
    factory.protocol = Signalling
    factory.setProtocolOptions(openHandshakeTimeout=timeout, maxMessagePayloadSize=4 * 1024 * 1024)
    port = parts.port or (443 if secure else 80)
    endpoint: IStreamClientEndpoint = HostnameEndpoint(reactor, parts.hostname or "", port, timeout=timeout)
    if secure:
        endpoint = wrapClientTLS(tls, endpoint)
    protocol = cast(Signalling, await endpoint.connect(factory))
    return await protocol.opened
