"""The Klein base: models in and out, problems, and what a handler sees of its call."""

from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel, Field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.server import Site

from meeting.daemon.errors import Conflict, NotFound, PleaseWait
from meeting.daemon.web import Api, Call, Cookie, Limits, Reply, Tree, Who, site
from tests.support.http import Connection, exchange


class Greeting(BaseModel):
    name: str = Field(max_length=20)
    loud: bool = False


class Page(BaseModel):
    after: int = 0


class Said(BaseModel):
    text: str


class Hub:
    """A small API and what happened in it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.waiting: list[Deferred[None]] = []
        self.finished: list[str] = []
        self.calls: list[Call] = []
        self.api = api = Api("test", "1", reactor=self.clock, limits=Limits(request_time=30))
        self.site: Site = site(Tree({}, api.resource), self.clock, limits=Limits(request_time=30), log_access=False)

        @api.route(
            "POST",
            "/api/v1/rooms/<room>/greet",
            callers=Who.PUBLIC,
            body=Greeting,
            answer=Said,
            errors=(NotFound, Conflict),
        )
        async def greet(call: Call, body: Greeting, room: str) -> Said:
            self.calls.append(call)
            if room == "none":
                raise NotFound("There is no such room.")
            return Said(text=f"{body.name} in {room}")

        @api.route("GET", "/api/v1/page", callers=Who.PUBLIC, query=Page, answer=Said)
        async def page(call: Call, query: Page) -> Said:
            return Said(text=str(query.after))

        @api.route("GET", "/api/v1/wait", callers=Who.PUBLIC, errors=(PleaseWait,))
        async def wait(call: Call) -> None:
            raise PleaseWait(1.2)

        @api.route("GET", "/api/v1/broken", callers=Who.PUBLIC)
        async def broken(call: Call) -> None:
            raise ZeroDivisionError("the secret is hunter2")

        @api.route("GET", "/api/v1/slow", callers=Who.PUBLIC, answer=Said)
        async def slow(call: Call) -> Said:
            waiting: Deferred[None] = Deferred()
            self.waiting.append(waiting)
            await waiting
            self.finished.append("slow")
            return Said(text="at last")

        @api.route("POST", "/api/v1/reply", callers=Who.PUBLIC, status=201)
        async def reply(call: Call) -> Reply:
            return Reply(202, b"raw", {"X-Odd": "yes"}, [Cookie("a", "b", max_age=60, secure=True)])

        @api.route("DELETE", "/api/v1/thing", callers=Who.PUBLIC, status=204)
        async def delete(call: Call) -> None:
            return None

        @api.route("GET", "/api/v1/raw", callers=Who.PUBLIC, raw=True)
        async def raw(call: Call) -> None:
            call.request.setHeader(b"Content-Length", b"3")
            call.request.write(b"raw")
            call.request.finish()


@pytest.fixture
def hub() -> Hub:
    return Hub()


def test_models_go_in_and_out(hub: Hub) -> None:
    answer = exchange(hub.site, "POST", "/api/v1/rooms/r1/greet", json={"name": "Ada"})
    assert (answer.status, answer.json) == (200, {"text": "Ada in r1"})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_query_is_a_model_too(hub: Hub) -> None:
    assert exchange(hub.site, "GET", "/api/v1/page?after=7").json == {"text": "7"}
    answer = exchange(hub.site, "GET", "/api/v1/page?after=x")
    assert (answer.status, answer.json["errors"][0]["where"]) == (400, "query.after")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{", "body"),
        (b"", "body"),
        (b"[]", "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 5000, "body"),
        (b"{}", "body.name"),
        (b'{"name": "%s"}' % (b"x" * 21), "body.name"),
        (b'{"name": "x", "admin": true}', "body.admin"),
    ],
)
def test_a_bad_body_is_told_where_it_is_wrong(hub: Hub, body: bytes, where: str) -> None:
    answer = exchange(
        hub.site, "POST", "/api/v1/rooms/r/greet", body=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["type"] == "urn:meeting:problem:bad-request"
    assert [each["where"] for each in answer.json["errors"]] == [where]


@pytest.mark.parametrize("kind", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/jsonx"}])
def test_a_body_that_does_not_say_it_is_json_is_refused(hub: Hub, kind: dict[str, str]) -> None:
    answer = exchange(hub.site, "POST", "/api/v1/rooms/r/greet", body=b'{"name": "x"}', headers=kind)
    assert (answer.status, answer.json["type"]) == (415, "urn:meeting:problem:media-type")


def test_an_error_is_a_problem_with_the_requests_id(hub: Hub) -> None:
    answer = exchange(hub.site, "POST", "/api/v1/rooms/none/greet", json={"name": "x"})
    assert answer.status == 404
    assert answer.json == {
        "type": "urn:meeting:problem:not-found",
        "title": NotFound.title,
        "status": 404,
        "detail": "There is no such room.",
        "request_id": answer.headers["X-Request-Id"],
    }


def test_please_wait_says_how_long(hub: Hub) -> None:
    answer = exchange(hub.site, "GET", "/api/v1/wait")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


def test_an_unknown_path_and_a_wrong_method_are_problems(hub: Hub) -> None:
    assert exchange(hub.site, "GET", "/api/v1/nothing").json["type"] == "urn:meeting:problem:not-found"
    answer = exchange(hub.site, "DELETE", "/api/v1/page")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_a_fault_of_ours_is_logged_and_not_shown(hub: Hub, logged_failures: list[Failure]) -> None:
    answer = exchange(hub.site, "GET", "/api/v1/broken")
    assert answer.status == 500
    assert b"hunter2" not in answer.body and b"Zero" not in answer.body
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()


@pytest.mark.parametrize("path", ["/%ff", "/api/v1/%ff/x", "//", "/api//page", "/..", "/api/v1/rooms/%2e%2e/greet"])
def test_odd_paths_are_answered_with_a_problem(hub: Hub, path: str) -> None:
    answer = exchange(hub.site, "GET", path)
    assert answer.status in (400, 404, 405)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_host_that_is_no_text_is_refused(hub: Hub) -> None:
    connection = Connection(hub.site)
    connection.send(b"GET /api/v1/page HTTP/1.1\r\nHost: \xff\r\n\r\n")
    assert connection.answer().status == 400


def test_a_handler_goes_on_when_its_client_disconnects(hub: Hub) -> None:
    connection = Connection(hub.site)
    connection.send(b"GET /api/v1/slow HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.transport.loseConnection()
    hub.waiting[0].callback(None)
    assert hub.finished == ["slow"]


def test_a_handler_that_takes_too_long_is_ended(hub: Hub) -> None:
    connection = Connection(hub.site)
    connection.send(b"GET /api/v1/slow HTTP/1.1\r\nHost: x\r\n\r\n")
    hub.clock.advance(31)
    answer = connection.answer()
    assert (answer.status, answer.json["type"]) == (504, "urn:meeting:problem:took-too-long")
    assert hub.finished == []


def test_a_reply_sets_status_headers_and_cookies(hub: Hub) -> None:
    answer = exchange(hub.site, "POST", "/api/v1/reply")
    assert (answer.status, answer.body, answer.headers["X-Odd"]) == (202, b"raw", "yes")
    cookie = answer.headers["Set-Cookie"].lower()
    for part in ("a=b", "max-age=60", "path=/", "secure", "httponly", "samesite=lax"):
        assert part in cookie


def test_no_content_has_no_body(hub: Hub) -> None:
    answer = exchange(hub.site, "DELETE", "/api/v1/thing")
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (204, b"", None)


def test_a_raw_handler_owns_its_answer(hub: Hub) -> None:
    connection = Connection(hub.site)
    assert connection.request("GET", "/api/v1/raw").body == b"raw"
    assert connection.request("GET", "/api/v1/page").status == 200, "the connection goes on"


def test_a_call_knows_its_client_and_cookies(hub: Hub) -> None:
    cookies = {"Cookie": "meeting_session=abc; other=1", "X-Forwarded-For": "10.9.9.9", "User-Agent": "t"}
    exchange(hub.site, "POST", "/api/v1/rooms/r/greet", json={"name": "x"}, headers=cookies)
    call = hub.calls[0]
    assert call.client_address == "192.0.2.7", "nobody's X-Forwarded-For is believed unless a proxy is trusted"
    assert call.cookies["meeting_session"] == "abc"
    assert call.header("user-agent") == "t"
    assert call.url_root == "http://meeting.test"


def test_openapi_is_valid_and_complete(hub: Hub) -> None:
    document: Any = hub.api.openapi()
    validate(document)
    greet = document["paths"]["/api/v1/rooms/{room}/greet"]["post"]
    assert set(greet["responses"]) == {"200", "400", "401", "403", "404", "409", "413", "415", "429", "503"}
    assert greet["security"][0] == {}, "it is public"
    assert greet["parameters"][0]["name"] == "room"
    assert document["components"]["schemas"]["Greeting"]["additionalProperties"] is False
    assert document["paths"]["/api/v1/page"]["get"]["parameters"][0]["name"] == "after"
