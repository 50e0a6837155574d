"""API tokens: made once, shown once, good for their scopes only, and over when they are revoked."""

import re
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.hub import Answer, Browser, Hub, MakeHub

DAY = 86400


def token(browser: Browser, *scopes: str, **more: Any) -> str:
    """A new token's secret."""
    answer = browser.post("/api/v1/tokens", {"name": "Robot", "scopes": list(scopes), **more})
    assert answer.status == 201, answer.body
    return str(answer.json["secret"])


def bearing(hub: Hub, secret: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """A request as a program makes it."""
    return hub.request(method, path, json_body=body, headers={"Authorization": f"Bearer {secret}", **headers})


@pytest.fixture
def ada(hub: Hub) -> Browser:
    return hub.sign_in("ada@example.com")


def test_a_token_speaks_for_its_person_without_cookie_and_origin(hub: Hub, ada: Browser) -> None:
    secret = token(ada, "meetings:read", "meetings:write")
    assert re.fullmatch(r"mtg_[A-Za-z0-9_-]{43}", secret)
    made = bearing(hub, secret, "POST", "/api/v1/meetings", {"kind": "instant"})
    assert (made.status, made.json["owner"]["name"]) == (201, "Ada")
    listed = bearing(hub, secret, "GET", "/api/v1/meetings", Origin="https://elsewhere.example.com")
    assert [each["code"] for each in listed.json["meetings"]] == [made.json["code"]]


def test_a_mail_tells_the_owner_of_a_new_token_without_its_secret(hub: Hub, ada: Browser) -> None:
    ada.patch("/api/v1/me", {"language": "de"})
    secret = token(ada, "meetings:read", "me:read")
    (mail,) = (each for each in hub.mails() if each["to"] == "ada@example.com" and "API-Token" in each["subject"])
    assert "Robot" in mail["text"] and "me:read, meetings:read" in mail["text"]
    assert secret not in mail["text"]
    refused = ada.post("/api/v1/tokens", {"name": "Robot", "scopes": ["admin:write"]})
    assert refused.status == 403
    assert len([each for each in hub.mails() if "API-Token" in each["subject"]]) == 1


def test_a_token_opens_what_its_scopes_say_and_nothing_else(hub: Hub, ada: Browser) -> None:
    secret = token(ada, "meetings:read")
    code = ada.instant()["code"]
    for method, path, body in (
        ("POST", "/api/v1/meetings", {"kind": "instant"}),
        ("PATCH", "/api/v1/me", {"name": "Eve"}),
        ("GET", "/api/v1/me", None),
        ("POST", f"/api/v1/meetings/{code}/join", {"device": "abcd1234"}),
    ):
        answer = bearing(hub, secret, method, path, body)
        assert (answer.status, answer.problem) == (403, "scope"), path
        assert answer.json["scope"] in answer.json["detail"]
    assert ada.get("/api/v1/me").json["person"]["name"] == "Ada"


def test_no_token_makes_or_ends_a_token(hub: Hub, ada: Browser) -> None:
    secret = token(ada, "me:read", "me:write", "meetings:write")
    mine = ada.get("/api/v1/tokens").json["tokens"]
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", f"/{mine[0]['id']}")):
        answer = bearing(hub, secret, method, f"/api/v1/tokens{path}", {})
        assert (answer.status, answer.problem) == (403, "scope")
    assert [each["id"] for each in ada.get("/api/v1/tokens").json["tokens"]] == [mine[0]["id"]]


@pytest.mark.parametrize("bad", ["", "mtg_", "x", "mtg_" + "A" * 43, "mtg_" + "A" * 5000, "eyJhbGciOiJIUzI1NiJ9.e30.x"])
def test_what_is_no_token_is_refused_even_with_a_good_cookie(hub: Hub, ada: Browser, bad: str) -> None:
    for path in ("/api/v1/me", "/api/v1/meetings"):
        answer = ada.request("GET", path, Authorization=f"Bearer {bad}")
        assert (answer.status, answer.problem, answer.headers["WWW-Authenticate"]) == (401, "token", "Bearer")


def test_a_token_in_the_address_or_a_cookie_is_none(hub: Hub, ada: Browser) -> None:
    secret = token(ada, "meetings:read")
    for name in ("token", "access_token", "authorization"):
        assert hub.request("GET", f"/api/v1/meetings?{name}={secret}").status in (400, 401)
    assert hub.request("GET", "/api/v1/meetings", headers={"Cookie": f"meeting_session={secret}"}).status == 401


def test_a_token_is_shown_once_and_kept_as_a_digest(hub: Hub, ada: Browser) -> None:
    secret = token(ada, "meetings:read")
    assert secret not in ada.get("/api/v1/tokens").body.decode()
    rows = hub.sql(lambda transaction: transaction.execute(text("SELECT * FROM api_token")).all())
    assert len(rows) == 1
    assert secret[4:] not in str(rows)


def test_a_revoked_token_opens_nothing_any_more(hub: Hub, ada: Browser) -> None:
    kept, ended = token(ada, "meetings:read"), token(ada, "meetings:read")
    identifier = ada.get("/api/v1/tokens").json["tokens"][0]["id"]
    assert ada.delete(f"/api/v1/tokens/{identifier}").status == 204
    assert bearing(hub, ended, "GET", "/api/v1/meetings").status == 401
    assert bearing(hub, kept, "GET", "/api/v1/meetings").status == 200
    assert ada.delete(f"/api/v1/tokens/{identifier}").status == 404


def test_a_token_ends_by_itself_and_is_forgotten_later(hub: Hub, ada: Browser) -> None:
    secret = token(ada, "meetings:read", days=2)
    hub.clock.advance(2 * DAY - 60)
    assert bearing(hub, secret, "GET", "/api/v1/meetings").status == 200
    hub.clock.advance(120)
    assert bearing(hub, secret, "GET", "/api/v1/meetings").problem == "token"
    assert len(ada.get("/api/v1/tokens").json["tokens"]) == 1, "its person sees why it stopped"
    hub.clock.advance(31 * DAY)
    assert hub.sign_in("ada@example.com").get("/api/v1/tokens").json["tokens"] == []


def test_when_a_token_was_used_is_noted_seldom(hub: Hub, ada: Browser) -> None:
    secret = token(ada, "meetings:read")

    def used() -> Any:
        return ada.get("/api/v1/tokens").json["tokens"][0]["used_at"]

    assert used() is None
    bearing(hub, secret, "GET", "/api/v1/meetings")
    first = used()
    hub.clock.advance(300)
    bearing(hub, secret, "GET", "/api/v1/meetings")
    assert used() == first
    hub.clock.advance(400)
    bearing(hub, secret, "GET", "/api/v1/meetings")
    assert used() > first


def test_one_sees_and_ends_ones_own_tokens_only(hub: Hub, ada: Browser) -> None:
    secret = token(ada, "meetings:read")
    identifier = ada.get("/api/v1/tokens").json["tokens"][0]["id"]
    bob = hub.sign_in("bob@example.com")
    assert bob.get("/api/v1/tokens").json["tokens"] == []
    assert bob.delete(f"/api/v1/tokens/{identifier}").status == 404
    assert bearing(hub, secret, "GET", "/api/v1/meetings").status == 200


def test_scopes_of_administrators_are_theirs_and_end_with_their_office(make_hub: MakeHub) -> None:
    hub = make_hub("--administrator", "root@example.com")
    root, ada = hub.sign_in("root@example.com"), hub.sign_in("ada@example.com")
    refused = ada.post("/api/v1/tokens", {"name": "x", "scopes": ["admin:read"]})
    assert (refused.status, refused.problem) == (403, "forbidden")
    weak, strong = token(root, "meetings:read"), token(root, "admin:read", "admin:write")
    of_ada = token(ada, "meetings:read")
    assert bearing(hub, weak, "GET", "/api/v1/admin/tokens").problem == "scope"
    assert bearing(hub, of_ada, "GET", "/api/v1/admin/tokens").status == 403
    held = bearing(hub, strong, "GET", "/api/v1/admin/tokens").json["tokens"]
    assert [each["person"]["email"] for each in held] == ["ada@example.com", "root@example.com", "root@example.com"]
    assert bearing(hub, strong, "DELETE", f"/api/v1/admin/tokens/{held[0]['id']}").status == 204
    assert bearing(hub, of_ada, "GET", "/api/v1/meetings").status == 401
    hub.sql(lambda transaction: transaction.execute(text("UPDATE person SET administrator = 0")))
    assert bearing(hub, strong, "GET", "/api/v1/admin/tokens").problem == "forbidden"


def test_a_token_that_cannot_be_is_refused_with_what_is_wrong(hub: Hub, ada: Browser) -> None:
    for body, word in (
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["everything"]}, "meetings:read"),
        ({"name": " ", "scopes": ["me:read"]}, "name"),
        ({"name": "x", "scopes": ["me:read"], "days": 0}, "days"),
        ({"name": "x", "scopes": ["me:read"], "days": 400}, "days"),
    ):
        answer = ada.post("/api/v1/tokens", body)
        assert (answer.status, answer.problem) == (400, "bad-request")
        assert word in answer.json["detail"]


def test_tokens_are_bounded_and_come_in_pages(make_hub: MakeHub) -> None:
    hub = make_hub()
    ada = hub.sign_in("ada@example.com")
    for _ in range(50):
        hub.clock.advance(5)
        token(ada, "me:read")
    hub.clock.advance(5)
    assert ada.post("/api/v1/tokens", {"name": "x", "scopes": ["me:read"]}).status == 409
    seen, at = [], "/api/v1/tokens?limit=20"
    while at:
        page = ada.get(at).json
        assert len(page["tokens"]) <= 20
        seen += [each["id"] for each in page["tokens"]]
        at = page["next"]
    assert len(set(seen)) == len(seen) == 50
    assert ada.get("/api/v1/tokens?cursor=nonsense").problem == "bad-request"
