"""Request bodies that are not kept in memory: the resource hears them as they come.

`meeting.daemon.web.site` makes its requests from `StreamedRequest`. When the headers of a request are in, the site's
root
resource is asked `receive_body(request, length)` (`IStreamedBody`; a `Tree` passes the question on by the first
segment):

* None: an ordinary body, bounded by the site's limits.
* a `BodyReceiver`: hears every chunk. When the body is complete the resource is rendered as always, and finds the
  receiver
  as `request.receiver`. A connection that ends before that is told by `abort`.
* a `MeetingError` raised: the body is refused. The answer leaves at once, before the body is read, so that nobody sends
  100 MB to hear "no". Closing a socket with unread bytes makes the kernel reset it, and the client then loses the
  answer;
  so what still arrives is thrown away for a short while (as nginx's `lingering_close`) before the connection ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import Attribute, Interface

from meeting.daemon.errors import MeetingError


class BodyReceiver(Protocol):
    """Hears one body. Neither method may raise; both are called in the reactor's thread."""

    def write(self, data: bytes) -> None:
        """The next bytes of the body (at most 64 KiB at a time)."""

    def abort(self, reason: Failure) -> None:
        """The connection ended before the body did. Nothing more will be heard, and nobody is there to be answered."""


class IStreamedBody(Interface):
    """A resource that takes some bodies as they come."""

    isLeaf = Attribute("as every IResource")

    def receive_body(request: Any, length: int | None) -> Any:
        """A `BodyReceiver`, or None for an ordinary body.

        `request` has its method, uri, path, args and headers; its body has not begun. `length` is the Content-Length in
        bytes, None when the client sends chunks.

        :raise MeetingError: the body is refused, with this answer.
        """


@dataclass(frozen=True)
class Linger:
    """How long and how much is read from somebody who was refused."""

    seconds: float = 5.0
    size: int = 1 << 20


class Flow:
    """Stops and starts the socket a body comes from: back-pressure of a receiver slower than the network."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause = pause
        self._resume = resume
        self.paused = False

    def pause(self) -> None:
        """Read no more from this connection, until `resume`. Repeating it does nothing."""
        if not self.paused:
            self.paused = True
            self._pause()

    def resume(self) -> None:
        """Read on. Without a `pause` before, it does nothing."""
        if self.paused:
            self.paused = False
            self._resume()


class StreamedRequest(Request):
    """A request whose body may be streamed into its resource."""

    channel: Any
    linger = Linger()
    receiver: BodyReceiver | None = None
    _refused: _Refused | None = None
    _body_complete = False
    _log = Logger()

    def clock(self) -> IReactorTime:
        """Where a refusal's short wait is counted."""
        raise NotImplementedError

    def write_error(self, error: MeetingError) -> None:
        """Write the whole answer for `error`, with its Content-Length, but do not finish the request."""
        raise NotImplementedError

    def flow(self) -> Flow:
        """What a receiver slows its sender down with."""
        transport = self.channel.transport
        return Flow(transport.pauseProducing, transport.resumeProducing)

    @property
    def is_streamed(self) -> bool:
        """Whether this body went to a receiver (or was refused), not to `content`."""
        return self.receiver is not None or self._refused is not None

    def gotLength(self, length: int | None) -> None:
        """The headers are complete (called by the channel)."""
        self._take_request_line()
        offer = getattr(self.channel.site.resource, "receive_body", None)
        try:
            if offer is not None:
                self.receiver = offer(self, length)
        except MeetingError as error:
            self.refuse(error)
        if self.is_streamed:
            self.content = BytesIO()
        else:
            super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        """A piece of the body (called by the channel)."""
        if self._refused is not None:
            self._refused.drain(len(data))
        elif self.receiver is not None:
            self.receiver.write(data)
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The body is complete (called by the channel)."""
        self._body_complete = True
        if self._refused is not None:
            self._refused.end()
            self.finish()
        else:
            super().requestReceived(command, path, version)

    def connectionLost(self, reason: Failure) -> None:
        """The connection ended (called by the channel)."""
        if self._refused is not None:
            self._refused.end()
        elif self.receiver is not None and not self._body_complete:
            self.receiver.abort(reason)
        super().connectionLost(reason)

    def _take_request_line(self) -> None:
        """Twisted tells a request its method and address only after the body; its channel knows them now."""
        self.method = self.channel._command
        self.uri = self.channel._path
        self.clientproto = self.channel._version
        self.path = self.uri.split(b"?", 1)[0]

    def refuse(self, error: MeetingError) -> None:
        """Answer now, though the body has not ended; a receiver calls this when it will take no more."""
        if self._refused is not None or self._body_complete:
            return
        # "100 Continue" after a final answer would be read as the answer to the next request.
        self.requestHeaders.removeHeader(b"Expect")
        self.setHeader(b"Connection", b"close")
        self.channel.persistent = False
        self._refused = _Refused(self.clock(), self.linger, self.channel)
        self.write_error(error)


class _Refused:
    """Reads and forgets what a refused client still sends, for a bounded time and size."""

    def __init__(self, clock: IReactorTime, linger: Linger, channel: Any) -> None:
        self._channel = channel
        self._left = linger.size
        self._deadline = clock.callLater(linger.seconds, self._close)

    def drain(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            self._close()

    def end(self) -> None:
        if self._deadline.active():
            self._deadline.cancel()

    def _close(self) -> None:
        self.end()
        self._channel.loseConnection()
