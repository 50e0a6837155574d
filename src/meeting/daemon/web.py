"""The Klein application that every daemon builds on: routes with models in and out, errors as problem+json, OpenAPI.

    api = Api("meeting hub", version, reactor=reactor)

    @api.route("POST", "/api/v1/meetings/<code>/join", body=JoinRequest, answer=JoinAnswer, summary="Join a meeting.",
               errors=(NotFound, PleaseWait), tags=("meetings",))
    async def join(call: Call, body: JoinRequest, code: str) -> JoinAnswer: ...

A handler goes on when its client disconnects: what it had begun to write down is not left half done. It ends after
`Limits.request_time`.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any, Literal, TypeVar

from klein import Klein
from pydantic import BaseModel, ValidationError
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from werkzeug.exceptions import HTTPException

from meeting.daemon.errors import BadRequest, MeetingError, NotFound, TooManyRequests
from meeting.daemon.openapi import Route, document
from meeting.daemon.site import Limits, Tree, site, write_problem

__all__ = ["Api", "Call", "Cookie", "Limits", "Reply", "Tree", "site", "write_problem"]

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])


class MethodNotAllowed(MeetingError):
    """The path is right, the method is not."""

    status = 405
    problem = "method-not-allowed"
    title = "This cannot be done here."


class UnsupportedMediaType(MeetingError):
    """The body is not JSON, or does not say so."""

    status = 415
    problem = "media-type"
    title = "The body has to be JSON, sent as application/json."


class TookTooLong(MeetingError):
    """The handler did not answer in time."""

    status = 504
    problem = "took-too-long"
    title = "This took too long here; please try again."


@dataclass(frozen=True)
class Cookie:
    """A cookie to set. `max_age` in seconds; None: until the browser closes, 0: delete it."""

    name: str
    value: str
    max_age: int | None = None
    path: str = "/"
    http_only: bool = True
    secure: bool = False
    same_site: str = "lax"


@dataclass(frozen=True)
class Reply:
    """An answer that is more than a model and the route's status."""

    status: int
    body: bytes | BaseModel | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Sequence[Cookie] = ()


@dataclass(frozen=True)
class Call:
    """One request, as a handler sees it."""

    request: Any
    """The `twisted.web.iweb.IRequest` itself."""
    id: str
    """The request's id, in the logs and in `X-Request-Id`."""
    client_address: str
    """Who asks, looking through trusted proxies."""
    cookies: Mapping[str, str]
    url_root: str
    """`https://host[:port]`, as the client addressed us."""

    def header(self, name: str) -> str | None:
        """A header's value (the last, if it was sent several times)."""
        value: str | None = self.request.getHeader(name)
        return value


class Api:
    """Routes, collected; a resource that serves them; their OpenAPI document."""

    _log = Logger()

    def __init__(self, title: str, version: str, *, limits: Limits | None = None, reactor: Any) -> None:
        self.title = title
        self.version = version
        self._limits = limits or Limits()
        self._clock = IReactorTime(reactor)
        self._routes: list[Route] = []
        self._app = Klein()
        self._app.url_map.strict_slashes = False
        self._app.url_map.merge_slashes = False
        self._app.handle_errors(Exception)(self._unrouted)
        self.resource: IResource = _ApiResource(self._app.resource())

    def route(
        self,
        method: str,
        path: str,
        *,
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        answer: type[BaseModel] | None = None,
        status: int = 200,
        summary: str = "",
        errors: Sequence[type[MeetingError]] = (),
        tags: Sequence[str] = (),
        raw: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Declare a route. `path` is Werkzeug's (`/m/<code>`); its variables, `body` and `query` become keywords.

        `raw`: the handler owns `call.request` and finishes it; what it returns is ignored.
        """

        def declare(handler: Handler) -> Handler:
            route = Route(method, path, body, query, answer, status, summary, tuple(errors), tuple(tags), handler)

            def endpoint(request: Any, **variables: Any) -> Any:
                return self._serve_raw(route, request, variables) if raw else self._serve(route, request, variables)

            endpoint.__name__ = f"{method} {path}"
            self._app.route(path, methods=[method])(endpoint)
            self._routes.append(route)
            return handler

        return declare

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document, made from the routes."""
        return document(self.title, self.version, self._routes)

    def _serve(self, route: Route, request: Any, variables: dict[str, Any]) -> Deferred[bytes]:
        running = Deferred.fromCoroutine(self._answer(route, request, variables))
        return self._shielded(running.addTimeout(self._limits.request_time, self._clock), request)

    def _serve_raw(self, route: Route, request: Any, variables: dict[str, Any]) -> Deferred[bytes]:
        finished: Deferred[None] = request.notifyFinish().addErrback(lambda _: None)

        async def own() -> bytes:
            await route.handler(_call(request), **_arguments(route, request), **variables)
            # Klein finishes a request whose handler has returned; so it hears of the return after the end.
            await finished
            return b""

        return self._shielded(Deferred.fromCoroutine(own()), request)

    async def _answer(self, route: Route, request: Any, variables: dict[str, Any]) -> bytes:
        result = await route.handler(_call(request), **_arguments(route, request), **variables)
        reply = result if isinstance(result, Reply) else Reply(route.status, result)
        request.setResponseCode(reply.status)
        request.setHeader(b"Cache-Control", b"no-store")
        if isinstance(reply.body, BaseModel):
            content = reply.body.model_dump_json().encode()
            request.setHeader(b"Content-Type", b"application/json")
        else:
            content = reply.body or b""
            if content:
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

    def _shielded(self, running: Deferred[bytes], request: Any) -> Deferred[bytes]:
        """The answer of `running`. Klein cancels what it gets when the client disconnects; `running` goes on."""
        shield: Deferred[bytes] = Deferred()
        running.addErrback(self._failed, request).chainDeferred(shield)
        return shield

    def _unrouted(self, request: Any, failure: Failure) -> bytes:
        """Klein's last resort: no such route, no such method."""
        return self._failed(failure, request)

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


def _call(request: Any) -> Call:
    scheme = getattr(request, "scheme", "https" if request.isSecure() else "http")
    host = getattr(request, "requested_host", None) or request.getHeader("Host") or ""
    address = str(getattr(request, "client_address", None) or getattr(request.getClientAddress(), "host", ""))
    return Call(request, getattr(request, "id", ""), address, _cookies(request), f"{scheme}://{host}")


def _cookies(request: Any) -> Mapping[str, str]:
    jar: SimpleCookie = SimpleCookie()
    for line in request.requestHeaders.getRawHeaders("Cookie") or ():
        try:
            jar.load(line)
        except CookieError:
            # Another application's cookie on the same host is no reason to refuse a person.
            continue
    return {name: morsel.value for name, morsel in jar.items()}


def _arguments(route: Route, request: Any) -> dict[str, BaseModel]:
    arguments: dict[str, BaseModel] = {}
    if (query := route.query) is not None:
        fields = {name.decode(errors="replace"): _text(values) for name, values in request.args.items()}
        with _problems_in("query"):
            arguments["query"] = query.model_validate(fields, extra=_extra(query))
    if (body := route.body) is not None:
        if (request.getHeader("Content-Type") or "").split(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType()
        with _problems_in("body"):
            arguments["body"] = body.model_validate_json(request.content.read(), extra=_extra(body))
    return arguments


def _extra(model: type[BaseModel]) -> Literal["forbid"] | None:
    """Unknown members are errors, unless the model itself says what becomes of them."""
    return None if "extra" in model.model_config else "forbid"


def _text(values: Sequence[bytes]) -> str | list[str]:
    texts = [value.decode(errors="replace") for value in values]
    return texts[0] if len(texts) == 1 else texts


@contextmanager
def _problems_in(where: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        errors = [
            {"where": ".".join(map(str, (where, *each["loc"]))), "what": each["msg"]}
            for each in error.errors(include_url=False, include_context=False, include_input=False)[:50]
        ]
        first = errors[0]
        raise BadRequest(f"{first['where']}: {first['what']}", extra={"errors": errors}) from None


def _from_werkzeug(error: HTTPException) -> MeetingError:
    if error.code == 405:
        methods = getattr(error, "valid_methods", None) or ()
        return MethodNotAllowed(headers={"Allow": ", ".join(sorted(methods))})
    if error.code == 429:
        return TooManyRequests("", 1)
    return NotFound() if error.code == 404 else BadRequest(error.description or "")
