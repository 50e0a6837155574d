"""What port 80 is for: answers to HTTP-01 challenges (RFC 8555, section 8.3), and the way to https.

A challenge is answered from the account's thumbprint alone, whatever its token: nothing has to be agreed upon with
the order that is under way, and each of several replicas that have the same account's key can answer for the others.
"""

import re
from collections.abc import Callable
from typing import Any

from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from meeting.daemon.errors import MeetingError, NotFound, PleaseWait
from meeting.daemon.site import write_problem

CHALLENGES = b"/.well-known/acme-challenge/"
_TOKEN = re.compile(rb"[A-Za-z0-9_-]{16,256}")
NO_CERTIFICATE_RETRY = 60.0


class HttpsNeeded(MeetingError):
    """What would change something is not sent on: it went over the wire in clear once already."""

    status = 403
    problem = "https-needed"
    title = "This is served by https only."


class Port80(Resource):
    """Challenges and the redirect; nothing else is ever served here."""

    isLeaf = True

    def __init__(
        self, origin: str | None, thumbprint: Callable[[], str] | None = None, ready: Callable[[], bool] = lambda: True
    ) -> None:
        """`origin`: https://host[:port], without a slash; None: there is no such place. `ready`: whether https works
        there yet.
        """
        super().__init__()
        self._origin = None if origin is None else origin.encode("ascii")
        self._thumbprint = thumbprint
        self._ready = ready

    def render(self, request: IRequest) -> Any:
        """The challenge's answer, the redirect, or a refusal in words."""
        path: bytes = request.path
        reading = request.method in (b"GET", b"HEAD")
        if path.startswith(CHALLENGES) and reading:
            return self._challenge(request, path.removeprefix(CHALLENGES))
        if self._origin is None:
            return write_problem(request, NotFound())
        if not reading:
            return write_problem(request, HttpsNeeded())
        if not self._ready():
            return write_problem(
                request, PleaseWait(NO_CERTIFICATE_RETRY, "This server has no certificate yet; it is getting one.")
            )
        uri = request.uri
        # A request line may name a whole URL; only its path goes on, to our own origin.
        target = uri if uri.startswith(b"/") else b"/"
        request.setResponseCode(301)
        request.setHeader(b"Location", self._origin + target)
        request.setHeader(b"Content-Length", b"0")
        return b""

    def _challenge(self, request: Any, token: bytes) -> bytes:
        if self._thumbprint is None or _TOKEN.fullmatch(token) is None:
            return write_problem(request, NotFound())
        answer = token + b"." + self._thumbprint().encode("ascii")
        request.setHeader(b"Content-Type", b"application/octet-stream")
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"Content-Length", b"%d" % len(answer))
        return b"" if request.method == b"HEAD" else answer
