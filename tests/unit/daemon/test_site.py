"""The HTTP server under every daemon: what it bounds, what every answer carries, what its log never shows."""

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from meeting.daemon.errors import Forbidden
from meeting.daemon.web import Limits, Tree, site
from tests.support.http import Connection, exchange
from tests.support.logs import captured_events, text_of

LIMITS = Limits(body=1000, headers=2000, request_time=10, idle=60)


class Echo(Resource):
    """Answers with path and body; `fail` and `forbid` in the path raise."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        if b"fail" in request.path:
            raise ZeroDivisionError("hunter2")
        if b"forbid" in request.path:
            raise Forbidden("Not you.")
        return b"%s %s" % (b"/".join(request.postpath), request.content.read())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def echo(clock: Clock) -> Site:
    return site(Echo(), clock, limits=LIMITS, log_access=False)


def test_every_answer_has_an_id_and_the_security_headers(echo: Site) -> None:
    first, second = exchange(echo, "GET", "/a"), exchange(echo, "GET", "/a")
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in first.headers["Content-Security-Policy"]
    assert first.headers["Strict-Transport-Security"] is None, "never over plain http"
    assert first.headers["Server"] is None


def test_https_is_remembered_by_the_browser(clock: Clock) -> None:
    behind_proxy = site(Echo(), clock, trusted_proxies=[ip_network("192.0.2.0/24")], log_access=False)
    answer = exchange(behind_proxy, "GET", "/", headers={"X-Forwarded-Proto": "https"})
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_body_over_the_limit_is_refused_before_it_is_sent(echo: Site) -> None:
    connection = Connection(echo)
    connection.send(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")
    answer = connection.answer()
    assert (answer.status, answer.json["type"]) == (413, "urn:meeting:problem:too-large")
    assert answer.headers["Connection"] == "close"
    connection.transport.loseConnection()


def test_a_chunked_body_over_the_limit_is_refused(echo: Site) -> None:
    connection = Connection(echo)
    connection.send(b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.send(b"200\r\n" + b"a" * 512 + b"\r\n")
    assert not connection.transport.value()
    connection.send(b"200\r\n" + b"a" * 512 + b"\r\n")
    assert connection.answer().status == 413
    connection.transport.loseConnection()


def test_a_body_at_the_limit_is_taken(echo: Site) -> None:
    answer = exchange(echo, "POST", "/x", body=b"a" * 1000)
    assert (answer.status, len(answer.body)) == (200, 1002)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 3000,
        b"GET / HTTP/1.1\r\nX: " + b"a" * 3000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: abc\r\n" * 400,
    ],
)
def test_headers_over_the_limit_are_refused(echo: Site, head: bytes) -> None:
    connection = Connection(echo)
    connection.send(head)
    answer = connection.answer()
    assert (answer.status, answer.json["status"]) == (431, 431)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert connection.is_closed


def test_what_arrives_after_a_refusal_is_not_read(echo: Site) -> None:
    connection = Connection(echo)
    connection.send(b"\x00\r\n")
    assert connection.answer().status == 400
    # TLS delivers until the other side has closed too.
    for line in (b"\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        connection.send(line)
    assert connection.transport.value() == b""


def test_headers_that_drip_are_ended(echo: Site, clock: Clock) -> None:
    connection = Connection(echo)
    for byte in b"GET / HTTP/1.1\r\nX: a":
        if connection.transport.value():
            break
        connection.send(bytes([byte]))
        clock.advance(1)
    assert connection.answer().status == 408
    assert connection.is_closed


def test_a_body_that_drips_is_ended(echo: Site, clock: Clock) -> None:
    connection = Connection(echo)
    connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
    for _ in range(11):
        connection.send(b"a")
        clock.advance(1)
    assert connection.answer().status == 408
    connection.transport.loseConnection()


def test_an_idle_connection_is_closed(echo: Site, clock: Clock) -> None:
    connection = Connection(echo)
    connection.request("GET", "/")
    clock.pump([1] * 61)
    assert connection.is_closed


def test_nothing_is_left_on_the_clock_when_a_client_disconnects(echo: Site, clock: Clock) -> None:
    for begun in (b"GE", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n12", b""):
        connection = Connection(echo)
        connection.send(begun)
        connection.transport.loseConnection()
    assert clock.getDelayedCalls() == []


def test_two_requests_on_one_connection(echo: Site) -> None:
    connection = Connection(echo)
    assert connection.request("POST", "/a", b"1").body == b"a 1"
    assert connection.request("GET", "/b").body == b"b "


def test_an_error_in_a_resource_is_a_problem_and_logged(echo: Site, logged_failures: list[Failure]) -> None:
    answer = exchange(echo, "GET", "/fail")
    assert (answer.status, answer.json["request_id"]) == (500, answer.headers["X-Request-Id"])
    assert b"hunter2" not in answer.body
    assert len(logged_failures) == 1
    logged_failures.clear()
    assert exchange(echo, "GET", "/forbid").json["detail"] == "Not you."


def test_the_access_log_shows_no_query(clock: Clock) -> None:
    logging_site = site(Echo(), clock, limits=LIMITS)
    with captured_events() as events:
        exchange(logging_site, "GET", "/rtc?access_token=hunter2", headers={"Authorization": "Bearer hunter3"})
    assert "GET /rtc 200" in text_of(events)
    assert "hunter" not in text_of(events)


# --- who asks


class Who(Resource):
    isLeaf = True

    def render(self, request: Any) -> bytes:
        return f"{request.client_address} {request.scheme}://{request.requested_host}".encode()


@pytest.mark.parametrize(
    ("peer", "headers", "who"),
    [
        ("10.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, "203.0.113.9 http://meeting.test"),
        ("10.0.0.1", {"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.0.0.2"}, "203.0.113.9 http://meeting.test"),
        ("10.0.0.1", {"X-Forwarded-For": "garbage"}, "garbage http://meeting.test"),
        ("10.0.0.1", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "m.example"}, "10.0.0.1 https://m.example"),
        (
            "192.0.2.7",
            {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"},
            "192.0.2.7 http://meeting.test",
        ),
    ],
)
def test_forwarded_headers_are_believed_from_trusted_proxies_only(
    clock: Clock, peer: str, headers: dict[str, str], who: str
) -> None:
    behind = site(Who(), clock, trusted_proxies=[ip_network("10.0.0.0/8")], log_access=False)
    assert exchange(behind, "GET", "/", headers=headers, peer=peer).body.decode() == who


# --- the tree


def test_a_tree_routes_by_the_first_segment_and_consumes_nothing(clock: Clock) -> None:
    tree = site(Tree({b"rtc": Tree({b"rtc": Echo()})}, default=Who()), clock, log_access=False)
    assert exchange(tree, "GET", "/rtc/v1").body == b"rtc/v1 "
    assert exchange(tree, "GET", "/other").body.startswith(b"192.0.2.7")


def test_a_tree_without_a_branch_answers_not_found(clock: Clock) -> None:
    answer = exchange(site(Tree({b"a": Echo()}), clock, log_access=False), "GET", "/b")
    assert (answer.status, answer.json["type"]) == (404, "urn:meeting:problem:not-found")


def test_a_tree_passes_streamed_bodies_on(clock: Clock) -> None:
    class Receiver:
        data = b""

        def write(self, data: bytes) -> None:
            self.data += data

        def abort(self, reason: Failure) -> None:
            raise AssertionError

    class Files(Resource):
        isLeaf = True

        def receive_body(self, request: Any, length: int | None) -> Receiver:
            assert (request.path, length) == (b"/objects/1", 5000)
            return Receiver()

        def render(self, request: Any) -> Any:
            request.write(b"%d" % len(request.receiver.data))
            request.finish()
            return NOT_DONE_YET

    tree = site(Tree({b"objects": Files()}, default=Echo()), clock, limits=LIMITS, log_access=False)
    assert exchange(tree, "PUT", "/objects/1", body=b"x" * 5000).body == b"5000"
    connection = Connection(tree)
    connection.send(b"PUT /other HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n")
    assert connection.answer().status == 413
    connection.transport.loseConnection()


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300)
    | st.builds(lambda a, b: b"POST /" + a + b" HTTP/1.1\r\n" + b, st.binary(max_size=30), st.binary(max_size=300))
)
@example(b"\x00\r\n\r\n")
def test_any_bytes_leave_the_server_standing(data: bytes) -> None:
    clock = Clock()
    echo = site(Echo(), clock, limits=LIMITS, log_access=False)
    connection = Connection(echo)
    connection.send(data)
    if not connection.is_closed:
        connection.transport.loseConnection()
    assert [call for call in clock.getDelayedCalls() if call.active()] == []
    assert exchange(echo, "GET", "/").status == 200
