"""A request as a handler sees it, and what a handler answers with."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from meeting.daemon.errors import BadRequest, MeetingError
from meeting.daemon.route import Route


class UnsupportedMediaType(MeetingError):
    """The body is not JSON, or does not say so."""

    status = 415
    problem = "media-type"
    title = "The body has to be JSON, sent as application/json."


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

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        return self.body.model_dump_json().encode() if isinstance(self.body, BaseModel) else self.body or b""


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
    caller: Any = None
    """Who is calling, as the gate found (`Api`); what that is, the daemon knows."""
    new_id: str | None = None
    """Under which id to make what an idempotent call makes: the same at each try. None: under a fresh one."""

    def header(self, name: str) -> str | None:
        """A header's value (the last, if it was sent several times)."""
        value: str | None = self.request.getHeader(name)
        return value


def call_of(request: Any) -> Call:
    """The call that a request of `meeting.daemon.site` is."""
    scheme = getattr(request, "scheme", "https" if request.isSecure() else "http")
    host = getattr(request, "requested_host", None) or request.getHeader("Host") or ""
    address = str(getattr(request, "client_address", None) or getattr(request.getClientAddress(), "host", ""))
    return Call(request, getattr(request, "id", ""), address, _cookies(request), f"{scheme}://{host}")


def arguments(route: Route, request: Any) -> dict[str, BaseModel]:
    """The models that the handler takes, read from query and body. Raises BadRequest, UnsupportedMediaType."""
    found: dict[str, BaseModel] = {}
    if (query := route.query) is not None:
        fields = {name.decode(errors="replace"): _text(values) for name, values in request.args.items()}
        with _problems_in("query"):
            found["query"] = query.model_validate(fields, extra=_extra(query))
    if (body := route.body) is not None:
        if (request.getHeader("Content-Type") or "").split(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType()
        with _problems_in("body"):
            found["body"] = body.model_validate_json(request.content.read(), extra=_extra(body))
    return found


def _cookies(request: Any) -> Mapping[str, str]:
    jar: SimpleCookie = SimpleCookie()
    for line in request.requestHeaders.getRawHeaders("Cookie") or ():
        try:
            jar.load(line)
        except CookieError:
            # Another application's cookie on the same host is no reason to refuse a person.
            continue
    return {name: morsel.value for name, morsel in jar.items()}


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
