"""The Klein application that every daemon builds on: routes with models in and out, errors as problem+json, OpenAPI.

    api = Api("meeting hub", version, gate=callers, reactor=reactor)

    @api.route("POST", "/api/v1/meetings/<code>/join", callers=Who.PUBLIC, scope="meetings:join", audit="meeting.join",
               body=JoinRequest, answer=JoinAnswer, summary="Join a meeting.", errors=(NotFound, PleaseWait),
               tags=("meetings",))
    async def join(call: Call, body: JoinRequest, code: str) -> JoinAnswer: ...

Who may call a route is declared with it (`meeting.daemon.route`), and the gate asks before anything of the body is
read. What depends on the thing that the path names (is this the meeting's host?) the handler's use case decides.

A handler goes on when its client disconnects: what it had begun to write down is not left half done. It ends after
`Limits.request_time`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from klein import Klein
from pydantic import BaseModel
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter

from meeting.daemon.call import Call, Cookie, Reply, arguments, call_of
from meeting.daemon.errors import BadRequest, MeetingError, NotFound, TooManyRequests
from meeting.daemon.measure import Measure
from meeting.daemon.observe import Metrics
from meeting.daemon.openapi import document
from meeting.daemon.route import Route, Who
from meeting.daemon.site import Limits, Tree, site, write_problem

__all__ = ["Api", "Call", "Cookie", "Done", "Gate", "Limits", "Reply", "Tree", "Who", "site", "write_problem"]

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])


class MethodNotAllowed(MeetingError):
    """The path is right, the method is not."""

    status = 405
    problem = "method-not-allowed"
    title = "This cannot be done here."


class TookTooLong(MeetingError):
    """The handler did not answer in time."""

    status = 504
    problem = "took-too-long"
    title = "This took too long here; please try again."


class Gate(Protocol):
    """What stands before every handler."""

    async def enter(self, route: Route, call: Call) -> Any:
        """Who is calling: becomes `Call.caller`. Raises what keeps them out (SignInNeeded, Forbidden, …)."""


class Once(Protocol):
    """What makes a call with an `Idempotency-Key` once."""

    async def answer(self, route: Route, call: Call, handler: Callable[[Call], Awaitable[Reply]]) -> Reply:
        """What `handler` answers now, or has answered to the same call before."""


@dataclass(frozen=True)
class Done:
    """What a call to a route with an audit word came to."""

    route: Route
    call: Call
    variables: Mapping[str, Any]
    """Of the path."""
    status: int
    answer: bytes | BaseModel | None = None
    problem: str | None = None
    """The problem's word, where the call was refused."""


Witness = Callable[[Done], Awaitable[None]]


class Api:
    """Routes, collected; a resource that serves them; their OpenAPI document."""

    _log = Logger()

    def __init__(
        self,
        title: str,
        version: str,
        *,
        reactor: Any,
        limits: Limits | None = None,
        gate: Gate | None = None,
        once: Once | None = None,
        witness: Witness | None = None,
        metrics: Metrics | None = None,
        slow: float = 2.0,
    ) -> None:
        """`gate`: without one, everybody may call everything. `once` answers the calls of idempotent routes. `witness`
        hears of each call to a route with an audit word, done or refused, before it is answered. What takes longer
        than `slow` seconds is logged.
        """
        self.title = title
        self.version = version
        self.routes: list[Route] = []
        self._limits = limits or Limits()
        self._clock = IReactorTime(reactor)
        self._gate = gate
        self._once = once
        self._witness = witness
        self._measure = Measure(metrics or Metrics(), self._clock, slow)
        self._app = Klein()
        self._app.url_map.converters = {**self._app.url_map.converters, "id": _Id}
        self._app.url_map.strict_slashes = False
        self._app.url_map.merge_slashes = False
        self._app.handle_errors(Exception)(self._unrouted)
        self.resource: IResource = _ApiResource(self._app.resource())

    def route(
        self,
        method: str,
        path: str,
        *,
        callers: Who,
        scope: str | None = None,
        limit: int | None = None,
        idempotent: bool = False,
        audit: str | None = None,
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        answer: type[BaseModel] | None = None,
        status: int = 200,
        also: Sequence[int] = (),
        summary: str = "",
        errors: Sequence[type[MeetingError]] = (),
        tags: Sequence[str] = (),
        raw: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Declare a route. `path` is Werkzeug's (`/m/<code>`, `/people/<id:id>`); its variables, `body` and `query`
        become keywords.

        `callers`, `scope`, `limit`, `idempotent`, `audit`: as `Route` has them. `raw`: the handler owns `call.request`
        and finishes it; what it returns is ignored.
        """

        def declare(handler: Handler) -> Handler:
            route = Route(
                method=method,
                path=path,
                handler=handler,
                callers=callers,
                scope=scope,
                limit=limit,
                idempotent=idempotent,
                audit=audit,
                body=body,
                query=query,
                answer=answer,
                status=status,
                also=tuple(also),
                summary=summary,
                errors=tuple(errors),
                tags=tuple(tags),
                raw=raw,
            )

            def endpoint(request: Any, **variables: Any) -> Any:
                return self._serve_raw(route, request, variables) if raw else self._serve(route, request, variables)

            endpoint.__name__ = f"{method} {path}"
            self._app.route(path, methods=[method])(endpoint)
            self.routes.append(route)
            return handler

        return declare

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document, made from the routes."""
        return document(self.title, self.version, self.routes)

    def _serve(self, route: Route, request: Any, variables: dict[str, Any]) -> Deferred[bytes]:
        running = Deferred.fromCoroutine(self._answer(route, request, variables))
        shielded = self._shielded(running.addTimeout(self._limits.request_time, self._clock), request)
        return self._measure.watch(shielded, request, route)

    def _serve_raw(self, route: Route, request: Any, variables: dict[str, Any]) -> Deferred[bytes]:
        finished: Deferred[None] = request.notifyFinish().addErrback(lambda _: None)

        async def own() -> bytes:
            call = await self._enter(route, call_of(request))
            await route.handler(call, **arguments(route, request), **variables)
            # Klein finishes a request whose handler has returned; so it hears of the return after the end.
            await finished
            return b""

        return self._measure.watch(self._shielded(Deferred.fromCoroutine(own()), request), request, route)

    async def _answer(self, route: Route, request: Any, variables: dict[str, Any]) -> bytes:
        call = call_of(request)

        async def handle(call: Call) -> Reply:
            result = await route.handler(call, **models, **variables)
            return result if isinstance(result, Reply) else Reply(route.status, result)

        try:
            call = await self._enter(route, call)
            models = arguments(route, request)
            if route.idempotent and self._once is not None:
                reply = await self._once.answer(route, call, handle)
            else:
                reply = await handle(call)
        except MeetingError as error:
            if route.audit and self._witness is not None and error.status < 500:
                await self._witness(Done(route, call, variables, error.status, problem=error.problem))
            raise
        if route.audit and self._witness is not None:
            await self._witness(Done(route, call, variables, reply.status, reply.body))
        return _write(request, reply)

    async def _enter(self, route: Route, call: Call) -> Call:
        return call if self._gate is None else replace(call, caller=await self._gate.enter(route, call))

    def _shielded(self, running: Deferred[bytes], request: Any) -> Deferred[bytes]:
        """The answer of `running`. Klein cancels what it gets when the client disconnects; `running` goes on."""
        shield: Deferred[bytes] = Deferred()
        running.addErrback(self._failed, request).chainDeferred(shield)
        return shield

    def _unrouted(self, request: Any, failure: Failure) -> bytes:
        """Klein's last resort: no such route, no such method."""
        answer = self._failed(failure, request)
        self._measure.count(request, None)
        return answer

    def _failed(self, failure: Failure, request: Any) -> bytes:
        error: BaseException | None = failure.value
        if isinstance(error, TimeoutError):
            error = TookTooLong()
        elif isinstance(error, HTTPException):
            error = _from_werkzeug(error)
        if not isinstance(error, MeetingError):
            identifier = getattr(request, "id", "?")
            self._log.failure("request {request_id} failed", failure=failure, request_id=identifier)
            error = MeetingError("The fault is ours; it was written down under this request's id.")
        return write_problem(request, error)


class _Id(BaseConverter):
    """`<id:name>`: one of our ids; what has another form is not found."""

    regex = "[0-9a-f]{32}"


class _ApiResource(Resource):
    """Klein's resource, behind a check that path and host are text; Klein would log a stranger's bytes as our error."""

    isLeaf = True

    def __init__(self, resource: Any) -> None:
        super().__init__()
        self._resource = resource

    def render(self, request: IRequest) -> Any:
        try:
            b"/".join([*request.prepath, *request.postpath]).decode()
            request.getRequestHostname().decode()
        except UnicodeDecodeError:
            return write_problem(request, BadRequest("The address is not UTF-8."))
        return self._resource.render(request)


def _write(request: Any, reply: Reply) -> bytes:
    """Put status, headers and cookies of `reply` on the answer, give back its body."""
    content = reply.content
    request.setResponseCode(reply.status)
    request.setHeader(b"Cache-Control", b"no-store")
    if isinstance(reply.body, BaseModel):
        request.setHeader(b"Content-Type", b"application/json")
    elif content:
        request.setHeader(b"Content-Type", b"application/octet-stream")
    for name, value in reply.headers.items():
        request.setHeader(name.encode("ascii"), value.encode())
    for cookie in reply.cookies:
        request.addCookie(
            cookie.name,
            cookie.value,
            max_age=None if cookie.max_age is None else str(cookie.max_age),
            path=cookie.path,
            secure=cookie.secure,
            httpOnly=cookie.http_only,
            sameSite=cookie.same_site,
        )
    if reply.status not in (204, 304):
        request.setHeader(b"Content-Length", b"%d" % len(content))
    return content


def _from_werkzeug(error: HTTPException) -> MeetingError:
    if error.code == 405:
        methods = getattr(error, "valid_methods", None) or ()
        return MethodNotAllowed(headers={"Allow": ", ".join(sorted(methods))})
    if error.code == 429:
        return TooManyRequests("", 1)
    return NotFound() if error.code == 404 else BadRequest(error.description or "")
