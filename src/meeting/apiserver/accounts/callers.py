"""Who is calling, told from a request: the session cookie, and that a page of ours sent it.

Any request that can change something, and any WebSocket, must come from our own origin (docs/protocols/tokens.md): a
browser says so in `Origin`, or at least in `Sec-Fetch-Site`, and no page of somebody else can make it say otherwise.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from meeting.apiserver.accounts import rules
from meeting.apiserver.accounts.people import NOBODY, Caller, Person
from meeting.apiserver.accounts.rules import GUEST_SESSION_LIFETIME, SESSION_LIFETIME, Device
from meeting.apiserver.accounts.sessions import Sessions
from meeting.daemon.errors import Forbidden, SignInNeeded
from meeting.daemon.route import Route
from meeting.daemon.throttle import Throttle, source_of
from meeting.daemon.web import Call, Cookie, Who

COOKIE = "meeting_session"

_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})


class WrongOrigin(Forbidden):
    """The request was sent by a page that is not ours."""

    problem = "origin"
    title = "This request was not sent by a page of this server."


class OutOfScope(Forbidden):
    """The API token was not made for this."""

    problem = "scope"
    title = "This API token is not good for this."


@dataclass(frozen=True)
class Rates:
    """How many calls in a minute are answered."""

    person: int
    """Of a person, a guest or a token."""
    address: int
    """Of all together who are not signed in and come from one address."""


class Callers:
    """The gate before every route (`daemon.web.Gate`): tells who is calling and keeps out who may not, as far as the
    route's declaration says it without looking at the thing that the path names.
    """

    def __init__(
        self,
        sessions: Sessions,
        public_url: str,
        *,
        of_token: Callable[[str], Awaitable[Caller]],
        throttle: Throttle,
        rates: Rates,
    ) -> None:
        """`of_token`: whom an API token stands for; raises SignInNeeded."""
        self._sessions = sessions
        self._of_token = of_token
        self._throttle = throttle
        self._rates = rates
        self._public_origin = origin_of(public_url)

    async def enter(self, route: Route, call: Call) -> Caller:
        """Who is calling. Raises WrongOrigin where the origin matters and is not ours, SignInNeeded, Forbidden,
        TooManyRequests.
        """
        if route.callers == Who.DAEMON:
            return NOBODY  # the signature is over what only the handler reads
        try:
            caller = await self._identified(call)
        except SignInNeeded:
            self._count(route, call, NOBODY)
            raise
        self._count(route, call, caller)
        if caller.token_id is not None:
            _check_scope(route, caller)
        if caller.person is not None:
            if route.callers & Who.PERSON == Who.ADMINISTRATOR and not caller.person.administrator:
                raise Forbidden("Only administrators of this server may do this.")
        elif not route.is_public and (caller.guest is None or Who.GUEST not in route.callers):
            raise SignInNeeded()
        return caller

    def _count(self, route: Route, call: Call, caller: Caller) -> None:
        """Everybody who is known has a measure of their own, however many share an address; the others share it."""
        known = caller.token_id or (caller.person and caller.person.id) or (caller.guest and caller.guest.id)
        whom = known or source_of(call.client_address)
        rate = self._rates.person if known else self._rates.address
        levels = [self._throttle.take("person" if known else "address", whom, rate)]
        if route.limit is not None:
            levels.append(self._throttle.take(f"{route.method} {route.path}", whom, route.limit))
        least = min(levels, key=lambda level: (not level.wait, level.left))
        for name, value in least.headers.items():
            call.request.setHeader(name.encode("ascii"), value.encode("ascii"))
        least.check()

    async def caller(self, call: Call) -> Caller:
        """Who is calling, as the gate has found."""
        caller: Caller = call.caller
        return caller

    async def again(self, call: Call) -> Caller:
        """Who is calling by now, for what goes on after it was let in: the session may have ended."""
        return await self._identified(call)

    async def person(self, call: Call) -> Person:
        """The person who is calling; raises SignInNeeded for anyone else."""
        caller = await self.caller(call)
        if caller.person is None:
            raise SignInNeeded()
        return caller.person

    async def administrator(self, call: Call) -> Person:
        """The administrator who is calling; raises SignInNeeded for nobody known, Forbidden for anyone else."""
        person = await self.person(call)
        if not person.administrator:
            raise Forbidden("Only administrators of this server may do this.")
        return person

    async def _identified(self, call: Call) -> Caller:
        """By token or by cookie. No page of somebody else knows a token: where one is sent the origin is no matter."""
        scheme, _, token = (call.header("Authorization") or "").partition(" ")
        if scheme.lower() == "bearer":
            return await self._of_token(token.strip())
        self.check_origin(call)
        return await self._sessions.caller(call.cookies.get(COOKIE), device(call))

    def check_origin(self, call: Call) -> None:
        """Raises WrongOrigin when a request that may change something, or opens a WebSocket, is not from a page of
        ours.
        """
        if call.request.method in _SAFE and (call.header("Upgrade") or "").lower() != "websocket":
            return
        origin = call.header("Origin")
        if origin is None and call.header("Sec-Fetch-Site") == "same-origin":
            return
        if origin is None or origin.lower() not in (self._public_origin, self._own_origin(call)):
            raise WrongOrigin("Open the page of this server itself, and send the Origin it has.")

    def session_cookie(self, call: Call, cookie: str, *, guest: bool = False) -> Cookie:
        """The session's cookie, to be set. Its life in the browser is the session's in the database."""
        lifetime = GUEST_SESSION_LIFETIME if guest else SESSION_LIFETIME
        return self._cookie(call, cookie, int(lifetime.total_seconds()))

    def no_cookie(self, call: Call) -> Cookie:
        """The session's cookie, to be deleted."""
        return self._cookie(call, "", 0)

    def _cookie(self, call: Call, value: str, max_age: int) -> Cookie:
        return Cookie(COOKIE, value, max_age=max_age, secure=self._own_origin(call).startswith("https:"))

    def _own_origin(self, call: Call) -> str:
        """The origin under which this request reached us.

        A server has more names than one (localhost, for example). Under the public name the public scheme counts: a
        proxy may have taken TLS off, and what came by plain http may be anybody's page.
        """
        addressed = origin_of(call.url_root)
        same_name = urlsplit(addressed).netloc == urlsplit(self._public_origin).netloc
        return self._public_origin if same_name else addressed


def _check_scope(route: Route, caller: Caller) -> None:
    if route.scope is None and not route.is_public:
        raise OutOfScope("No token opens this; it is for people, in the web client.")
    if route.scope is not None and route.scope not in caller.scopes:
        raise OutOfScope(f"It needs the scope {route.scope}.", extra={"scope": route.scope})


def device(call: Call) -> Device:
    """What the request says of where it comes from."""
    return rules.device(call.header("User-Agent"), call.client_address, call.id)


def origin_of(url: str) -> str:
    """The origin of a URL as a browser writes it (RFC 6454 section 6.2): the scheme's own port is left out."""
    parts = urlsplit(url.lower())
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(default) if default else parts.netloc}"
