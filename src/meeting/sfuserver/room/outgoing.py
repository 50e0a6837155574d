"""Messages on their way to clients, turned into bytes at most once however many get them."""

from __future__ import annotations

from typing import Protocol

from google.protobuf.json_format import MessageToJson
from livekit.protocol.rtc import SignalResponse

__all__ = ["Outbox", "Outgoing"]


class Outgoing:
    """A SignalResponse in both forms of the wire: protobuf for binary frames, JSON for text frames."""

    __slots__ = ("_binary", "_text", "message")

    def __init__(self, message: SignalResponse) -> None:
        self.message = message
        self._binary: bytes | None = None
        self._text: str | None = None

    @property
    def binary(self) -> bytes:
        if self._binary is None:
            self._binary = self.message.SerializeToString()
        return self._binary

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = MessageToJson(self.message, indent=None)
        return self._text


class Outbox(Protocol):
    """The way to one client: its WebSocket, while it has one."""

    def send(self, outgoing: Outgoing) -> None:
        """Queue a message; never blocks. Too long a queue closes the socket."""

    def close(self, reason: str) -> None:
        """End the socket after what is queued; `reason` is for the log. No word comes back."""
