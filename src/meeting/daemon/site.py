"""The HTTP server under every daemon: bounded requests, request ids, security headers, problems, an access log.

Twisted's `Site` is built on here where it is too trusting for a port open to everybody: bodies have a limit and a
deadline, headers a deadline, errors are problem+json (RFC 9457), and the access log never shows a query, because
access tokens and signatures travel in it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from io import BytesIO
from ipaddress import IPv4Network, IPv6Network, ip_address
from secrets import token_hex
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource, getChildForRequest
from twisted.web.server import Site

from meeting.daemon.errors import MeetingError, NotFound, TooLarge
from meeting.daemon.streaming import StreamedRequest

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Limits:
    """What one connection may cost. Sizes in bytes, times in seconds."""

    body: int = 1 << 20
    """A body that is not streamed into its resource."""
    headers: int = 128 << 10
    """Request line and headers together. Reconnecting LiveKit clients send long WebSocket addresses."""
    request_time: float = 60.0
    """From the first byte of a request to the end of its headers; from there to the end of a body that is not
    streamed; from there until the handler has answered."""
    idle: float = 75.0
    """An open connection on which nothing arrives. Longer than the 60 s that reverse proxies keep one for reuse, so
    that it is the proxy who closes (RFC 9112, section 9.5)."""


class RequestTimeout(MeetingError):
    """The request took too long to arrive."""

    status = 408
    problem = "request-timeout"
    title = "The request took too long to arrive."


SECURITY_HEADERS: Mapping[bytes, bytes] = {
    # A page's own resource (the web client) replaces the policy; an API's answer is no page.
    b"Content-Security-Policy": b"default-src 'none'; frame-ancestors 'none'",
    b"Cross-Origin-Opener-Policy": b"same-origin",
    b"Referrer-Policy": b"no-referrer",
    b"X-Content-Type-Options": b"nosniff",
    b"X-Frame-Options": b"DENY",
}
STRICT_TRANSPORT_SECURITY = b"max-age=31536000"


def site(
    resource: IResource,
    reactor: Any,
    *,
    limits: Limits | None = None,
    log_access: bool = True,
    trusted_proxies: Sequence[Network] = (),
) -> Site:
    """The factory of an HTTP port that serves `resource`.

    `trusted_proxies`: whose `X-Forwarded-For`, `-Proto` and `-Host` are believed; anybody else's are ignored.
    """
    return _Site(resource, reactor, limits or Limits(), log_access, trusted_proxies)


class Tree(Resource):
    """Routes by the first segment of the path and consumes nothing: the resource behind it sees the whole path.

    So a daemon's own root can be hung beside another's, WebSocket upgrades and streamed bodies included.
    """

    isLeaf = True

    def __init__(self, branches: Mapping[bytes, IResource], default: IResource | None = None) -> None:
        super().__init__()
        self._branches = dict(branches)
        self._default = default

    def render(self, request: IRequest) -> Any:
        """Render the resource that the first segment names."""
        # LiveKit's clients write //rtc when the server's address ends in a slash.
        branch = self._branch(next((segment for segment in request.postpath if segment), b""))
        if branch is None:
            return write_problem(request, NotFound())
        return getChildForRequest(branch, request).render(request)

    def receive_body(self, request: Any, length: int | None) -> Any:
        """Pass the question on (meeting.daemon.streaming.IStreamedBody)."""
        branch = self._branch(request.path.lstrip(b"/").split(b"/", 1)[0])
        offer = getattr(branch, "receive_body", None)
        return None if offer is None else offer(request, length)

    def _branch(self, segment: bytes) -> IResource | None:
        return self._branches.get(segment, self._default)


def write_problem(request: Any, error: MeetingError) -> bytes:
    """Put status and headers of `error` on the answer, give back its body: the one place where errors become HTTP."""
    problem = error.as_problem()
    identifier = getattr(request, "id", None)
    if identifier is not None:
        problem["request_id"] = identifier
    body = json.dumps(problem, ensure_ascii=False).encode(errors="replace")
    request.setResponseCode(error.status)
    request.setHeader(b"Content-Type", b"application/problem+json")
    request.setHeader(b"Cache-Control", b"no-store")
    for name, value in error.headers.items():
        request.setHeader(name.encode("ascii"), value.encode())
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body


_access = Logger("meeting.access")


class _Site(Site):
    displayTracebacks = False
    noisy = False

    def __init__(
        self, resource: IResource, reactor: Any, limits: Limits, log_access: bool, trusted_proxies: Sequence[Network]
    ) -> None:
        super().__init__(
            resource,
            requestFactory=_Request,
            timeout=limits.idle,
            reactor=reactor,
            parsePOSTFormSubmission=False,
        )
        self.protocol = partial(_Channel, limits)  # type: ignore[assignment, method-assign]
        self.limits = limits
        self.clock = IReactorTime(reactor)
        self._log_access = log_access
        self._trusted_proxies = trusted_proxies
        self.trusts = lru_cache(1000)(self._trusts)

    def log(self, request: Any) -> None:
        """One event for each answer, without the query."""
        if self._log_access:
            _access.info(
                "{client} {method} {path} {status} {size} B {milliseconds:.1f} ms [{request_id}]",
                client=request.client_address,
                method=_text(request.method),
                path=_text(request.path),
                status=request.code,
                size=request.sentLength,
                milliseconds=1000 * (self.clock.seconds() - request.began_at),
                request_id=request.id,
            )

    def _trusts(self, address: str) -> bool:
        """Whether `address` belongs to a reverse proxy of ours."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._trusted_proxies)


class _Channel(HTTPChannel):
    """One connection. Its headers must arrive within a deadline, however slowly bytes drip."""

    site: _Site
    transport: Any

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits
        self.MAX_LENGTH = limits.headers
        self.totalHeadersSize = limits.headers
        self._headers_deadline: IDelayedCall | None = None
        self._in_body = False
        self._refused = False

    def dataReceived(self, data: bytes) -> None:
        if self._refused:
            # TLS delivers on until the other side closes too; of a request that was refused nothing is read.
            return
        if self._headers_deadline is None and not self._in_body and not self._handlingRequest:
            self._headers_deadline = self.site.clock.callLater(self._limits.request_time, self._too_slow)
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:
        self._stop_deadline()
        self._in_body = True
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        self._in_body = False
        super().allContentReceived()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_deadline()
        super().connectionLost(reason)

    def lineLengthExceeded(self, line: bytes) -> None:
        self._refuse(b"431 Request Header Fields Too Large")

    def _respondToBadRequestAndDisconnect(self) -> None:
        too_large = self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders
        self._refuse(b"431 Request Header Fields Too Large" if too_large else b"400 Bad Request")

    def _too_slow(self) -> None:
        self._headers_deadline = None
        self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        """Before there is a request there is no answer of its own: the problem is written here."""
        self._stop_deadline()
        if self._refused:
            return
        self._refused = True
        code, title = status.decode("ascii").split(" ", 1)
        problem = {
            "type": f"urn:meeting:problem:{title.lower().replace(' ', '-')}",
            "title": title,
            "status": int(code),
        }
        body = json.dumps(problem).encode()
        lines = [
            b"HTTP/1.1 " + status,
            b"Content-Type: application/problem+json",
            b"Content-Length: %d" % len(body),
            b"Connection: close",
        ]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.loseConnection()

    def _stop_deadline(self) -> None:
        if self._headers_deadline is not None:
            self._headers_deadline.cancel()
            self._headers_deadline = None


class _Request(StreamedRequest):
    """One request: an id, a bounded body, the headers that every answer carries."""

    defaultContentType = None
    channel: Any
    site: _Site
    _received = 0
    _body_deadline: IDelayedCall | None = None

    def __init__(self, channel: Any, *args: Any, **keywords: Any) -> None:
        super().__init__(channel, *args, **keywords)
        self.id = token_hex(8)
        self.began_at: float = channel.site.clock.seconds()

    # --- where it came from

    @cached_property
    def client_address(self) -> str:
        """The nearest address that is not one of our own proxies."""
        address = getattr(self.getClientAddress(), "host", "unix")
        forwarded = self.requestHeaders.getRawHeaders("X-Forwarded-For") or []
        hops = [hop.strip() for line in forwarded for hop in line.split(",")]
        while hops and self.channel.site.trusts(address):
            address = hops.pop()
        return str(address)[:64]

    @property
    def scheme(self) -> str:
        """`https` or `http`, as the client sees it."""
        return "https" if self.isSecure() or self._forwarded("X-Forwarded-Proto") == "https" else "http"

    @property
    def requested_host(self) -> str:
        """The host that the client asked for, with its port."""
        return self._forwarded("X-Forwarded-Host") or self.getHeader("Host") or ""

    def _forwarded(self, name: str) -> str | None:
        peer = getattr(self.getClientAddress(), "host", "")
        return self.getHeader(name) if self.channel.site.trusts(peer) else None

    # --- its body

    def clock(self) -> IReactorTime:
        clock: IReactorTime = self.channel.site.clock
        return clock

    def gotLength(self, length: int | None) -> None:
        super().gotLength(length)
        limits: Limits = self.channel.site.limits
        if self.is_streamed or length == 0:
            return
        if length is not None and length > limits.body:
            self._refuse_body(TooLarge(f"The body has {length} bytes; {limits.body} are allowed."))
            return
        self._body_deadline = self.clock().callLater(limits.request_time, self._body_is_late)

    def handleContentChunk(self, data: bytes) -> None:
        if not self.is_streamed:
            self._received += len(data)
            limit = self.channel.site.limits.body
            if self._received > limit:
                self._refuse_body(TooLarge(f"The body has more than the {limit} bytes that are allowed."))
        super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        self._stop_deadline()
        super().requestReceived(command, path, version)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_deadline()
        super().connectionLost(reason)

    def _body_is_late(self) -> None:
        self._body_deadline = None
        self._refuse_body(RequestTimeout())

    def _refuse_body(self, error: MeetingError) -> None:
        self._stop_deadline()
        self.content = BytesIO()
        self.refuse(error)

    def _stop_deadline(self) -> None:
        if self._body_deadline is not None:
            self._body_deadline.cancel()
            self._body_deadline = None

    # --- its answer

    def write_error(self, error: MeetingError) -> None:
        self._common_headers()
        self.write(write_problem(self, error))

    def render(self, resource: IResource) -> None:
        self._common_headers()
        super().render(resource)

    def processingFailed(self, reason: Failure) -> Any:
        """What nobody expected: logged here, and the outside hears the id only."""
        if self._disconnected:
            return reason
        if isinstance(reason.value, MeetingError):
            error = reason.value
        else:
            self._log.failure(
                "request {request_id} failed", failure=reason, request_id=self.id, level=LogLevel.critical
            )
            error = MeetingError("The fault is ours; it was written down under this request's id.")
        if self.startedWriting:
            # Half an answer cannot be taken back; a cut connection tells the client that it is no whole one.
            self.channel.transport.abortConnection()
        else:
            self.write_error(error)
            self.finish()
        return reason

    def _common_headers(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.setHeader(name, value)
        if self.scheme == "https":
            self.setHeader(b"Strict-Transport-Security", STRICT_TRANSPORT_SECURITY)
        self.setHeader(b"X-Request-Id", self.id.encode("ascii"))
        self.responseHeaders.removeHeader(b"Server")


def _text(data: bytes) -> str:
    return data.decode("ascii", "backslashreplace")
