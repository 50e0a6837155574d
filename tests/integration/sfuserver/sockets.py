"""A WebSocket client that keeps what it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from livekit.protocol.rtc import SignalRequest, SignalResponse
from twisted.internet.defer import Deferred


class Socket(WebSocketClientProtocol):
    """One connection; `until` waits for what a test waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.responses: list[SignalResponse] = []
        self.texts: list[str] = []
        self.closed: tuple[int | None, str | None] | None = None
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if isBinary:
            self.responses.append(SignalResponse.FromString(payload))
        else:
            self.texts.append(payload.decode())
        self._look()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.closed = (code, reason)
        self._look()

    def until(self, condition: Callable[[], bool]) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._waiting.append((condition, done))
        self._look()
        return done

    def got(self, name: str) -> list[Any]:
        return [getattr(one, name) for one in self.responses if one.WhichOneof("message") == name]

    async def first(self, name: str) -> Any:
        await self.until(lambda: bool(self.got(name)))
        return self.got(name)[0]

    def ask(self, **message: Any) -> None:
        self.sendMessage(SignalRequest(**message).SerializeToString(), isBinary=True)

    def _look(self) -> None:
        for entry in list(self._waiting):
            if entry[0]():
                self._waiting.remove(entry)
                entry[1].callback(None)


async def connect(address: str, path: str, headers: dict[str, str] | None = None) -> Socket:
    """Open a WebSocket; one that is refused is closed, with the reason."""
    from twisted.internet import reactor as any_reactor

    reactor: Any = any_reactor
    opened: Deferred[Socket] = Deferred()

    class Opening(Socket):
        def onOpen(self) -> None:
            opened.callback(self)

        def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
            super().onClose(wasClean, code, reason)
            if not opened.called:
                opened.callback(self)

    factory = WebSocketClientFactory(f"ws://{address}{path}", headers=headers or {}, reactor=reactor)
    factory.protocol = Opening
    host, _, port = address.partition(":")
    reactor.connectTCP(host, int(port), factory)
    return await opened
