"""The hub's HTTP face as a whole: its document, its page, whose requests it takes, and what it does with nonsense."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from twisted.web.test.requesthelper import DummyRequest

from meeting.apiserver.static import WebClient, content_security_policy
from tests.support.hub import HOST, ORIGIN, Hub, MakeHub
from tests.support.oidc import ARGUMENTS as SINGLE_SIGN_ON


def operations(hub: Hub) -> list[tuple[str, str, dict[str, Any]]]:
    document = hub.request("GET", "/api/openapi.json").json
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_is_openapi_and_names_each_operation_once(hub: Hub) -> None:
    answer = hub.request("GET", "/api/openapi.json")
    assert answer.headers["Content-Type"] == "application/vnd.oai.openapi+json"
    validate(answer.json)
    names = [operation["operationId"] for _, _, operation in operations(hub)]
    assert len(names) == len(set(names))
    assert "/api/v1/meetings/{code}/join" in answer.json["paths"]


def test_the_copy_that_the_web_clients_types_are_made_from_is_the_hubs(make_hub: MakeHub) -> None:
    hub = make_hub(*SINGLE_SIGN_ON)
    served = hub.request("GET", "/api/openapi.json").json
    copy = json.loads((Path(__file__).parents[3] / "web" / "openapi.json").read_text())
    assert copy == served, "the API has changed; renew the copy in web/: make api"


def test_every_change_from_a_page_of_somebody_else_is_refused(hub: Hub) -> None:
    ada = hub.sign_in("ada@example.com")
    cookie = f"meeting_session={ada.cookies['meeting_session']}"
    tried = 0
    for method, path, operation in operations(hub):
        if method == "GET" or operation["x-callers"] == ["daemon"]:
            continue
        for headers in (
            {"Origin": "https://evil.example.com"},
            {"Origin": "null"},
            {"Origin": f"http://{HOST}"},
            {"Origin": f"{ORIGIN}.evil.example.com"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {},
        ):
            at = re.sub(r"\{\w+\}", "0" * 32, path.replace("{code}", "aaa-aaaa-aaa"))
            answer = hub.request(method, at, json_body={}, headers={"Cookie": cookie, **headers})
            assert (answer.status, answer.problem) == (403, "origin"), (method, path, headers)
            tried += 1
    assert tried >= 7 * 8
    assert ada.get("/api/v1/me").json["person"] is not None


def test_a_browser_without_origin_may_say_that_it_is_our_own_page(hub: Hub) -> None:
    assert hub.request("POST", "/api/v1/sign-out", headers={"Sec-Fetch-Site": "same-origin"}).status == 204


def test_json_that_is_none_or_too_much_is_refused(hub: Hub) -> None:
    ours = {"Origin": ORIGIN, "Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b"null", b'{"email": 1}', b'{"email": "a@b.de", "x": 1}', b"\xff", b"[" * 100_000):
        answer = hub.request("POST", "/api/v1/sign-in/codes", body=body, headers=ours)
        assert (answer.status, answer.problem) == (400, "bad-request"), body[:20]
    announced = f"POST /api/v1/sign-in/codes HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {(1 << 20) + 1}\r\n\r\n"
    refused = hub.send(announced.encode()).value()
    assert refused.startswith(b"HTTP/1.1 413 ")
    assert b"urn:meeting:problem:too-large" in refused
    answer = hub.request("POST", "/api/v1/sign-in/codes", body=b"email=a@b.de", headers={"Origin": ORIGIN})
    assert (answer.status, answer.problem) == (415, "media-type")


def test_what_is_not_there_is_a_problem(hub: Hub) -> None:
    assert hub.request("GET", "/api/v1/nothing").problem == "not-found"
    assert hub.request("DELETE", "/api/v1/me").status == 405


def test_health_tells_whether_requests_should_be_sent_here(hub: Hub) -> None:
    assert hub.request("GET", "/healthz").json == {"alive": True}
    assert hub.request("GET", "/readyz").json == {"ready": True, "checks": {"database": "ready"}}
    hub.server.database.ready = False
    assert hub.request("GET", "/readyz").status == 503
    assert hub.request("GET", "/healthz").status == 200
    answer = hub.request("GET", "/api/v1/meetings", headers={"Cookie": "meeting_session=x"})
    assert (answer.status, answer.problem) == (503, "please-wait")
    hub.server.database.ready = True


def test_metrics_are_not_for_everybody(hub: Hub) -> None:
    request: Any = DummyRequest([b"metrics"])
    request.method = b"GET"
    assert b"meeting_database_seconds_count" in hub.server.status.render(request)
    assert b"meeting_database" not in hub.request("GET", "/metrics").body


def test_the_mailbox_is_a_demos_only(make_hub: MakeHub) -> None:
    hub = make_hub()
    hub.sign_in("ada@example.com").schedule(title="<script>alert(1)</script>", invitees=["bob@example.com"])
    page = hub.request("GET", "/mailbox")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"to bob@example.com" in page.body
    assert b"<script>" not in page.body
    assert "script-src" not in page.headers["Content-Security-Policy"]


# -- the web client


@pytest.fixture
def client(tmp_path: Path) -> Any:
    """The page and its files, served from a directory; takes a path, gives the request after it."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Meeting</title>")
    (tmp_path / "icon.svg").write_text("<svg/>")
    (tmp_path / "assets" / "main-0a1b2c3d.js").write_text("let x = 1")
    (tmp_path.parent / "secret.txt").write_text("not for you")
    resource = WebClient(tmp_path, ORIGIN)

    def get(path: str) -> Any:
        from twisted.web.server import NOT_DONE_YET

        request: Any = DummyRequest([part.encode() for part in path.split("/")])
        request.method = b"GET"
        result = resource.render(request)
        if result is not NOT_DONE_YET:
            request.write(result)
        return request

    return get


def header(request: Any, name: str) -> str:
    return (request.responseHeaders.getRawHeaders(name) or [""])[-1]  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", ["", "m/abc-defg-hij", "sign-in", "meetings/past", "m/abc-defg-hij/"])
def test_the_page_answers_every_address_that_the_client_routes(client: Any, path: str) -> None:
    request = client(path)
    assert b"<title>Meeting</title>" in b"".join(request.written)
    assert header(request, "Cache-Control") == "no-store"
    assert header(request, "Content-Type").startswith("text/html")
    assert header(request, "Content-Security-Policy") == content_security_policy(ORIGIN)


def test_hashed_files_are_kept_for_ever_and_others_asked_for_again(client: Any) -> None:
    script = client("assets/main-0a1b2c3d.js")
    assert header(script, "Cache-Control") == "public, max-age=31536000, immutable"
    assert header(script, "Content-Type") == "text/javascript"
    assert header(client("icon.svg"), "Cache-Control") == "no-cache"


@pytest.mark.parametrize("path", ["assets/main-gone.js", "../secret.txt", "assets/../../secret.txt", ".env", "a\0.js",
                                  "..\\secret.txt", "assets/%2e%2e/x.js", "favicon.ico"])  # fmt: skip
def test_what_is_no_file_of_the_client_is_not_found(client: Any, path: str) -> None:
    request = client(path)
    assert request.responseCode == 404
    assert json.loads(b"".join(request.written))["type"] == "urn:meeting:problem:not-found"


def test_a_client_that_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    request: Any = DummyRequest([b""])
    request.method = b"GET"
    body = WebClient(tmp_path / "nowhere", ORIGIN).render(request)
    assert request.responseCode == 503
    assert "make web" in json.loads(body)["title"]


def test_the_policy_allows_plain_connections_only_to_a_plain_server() -> None:
    strict = content_security_policy("https://meet.example.com")
    assert "connect-src 'self' wss: https:;" in strict
    assert "http: " not in strict
    assert "'unsafe-eval'" not in strict
    assert "script-src 'self' 'wasm-unsafe-eval';" in strict
    assert " ws: http:;" in content_security_policy("http://localhost:8080")
