"""One's account: the sessions one has, what one says of oneself, the picture, the personal link."""

import re
import zlib
from base64 import b64encode
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.testing import StringTransportWithDisconnection

from meeting.apiserver.accounts import rules
from meeting.daemon.errors import BadRequest
from tests.support.hub import HOST, ORIGIN, Answer, Browser, Hub

ADA = "ada.lovelace@example.com"
BOB = "bob@example.com"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 "
    "Mobile/15E148 Safari/604.1"
)


def png(width: int = 2, height: int = 2, padding: int = 0) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(b"".join(b"\0" + b"\xff\0\0" * width for _ in range(height)))
    head = chunk(b"IHDR", pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    more = chunk(b"tEXt", b"x" * padding) if padding else b""
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def put(browser: Browser, picture: bytes) -> Answer:
    headers = {"Cookie": f"meeting_session={browser.cookies['meeting_session']}", "Origin": ORIGIN}
    return browser.hub.request("PUT", "/api/v1/me/picture", body=picture, headers=headers)


def guest_of(hub: Hub, code: str) -> Browser:
    hub.beat("sfu", "1.sfu.example.com:443", media=["203.0.113.7:7882"])
    guest = hub.browser()
    joined = guest.post(f"/api/v1/meetings/{code}/join", {"device": "abcdefg8", "name": "Gus"})
    assert joined.status == 200, joined.body
    return guest


# -- sessions -------------------------------------------------------------------------------------------------------


def test_people_see_where_they_are_signed_in(hub: Hub) -> None:
    first = hub.sign_in(ADA, "192.0.2.1")
    hub.clock.advance(3600)
    second = hub.sign_in(ADA, "198.51.100.7")
    hub.sign_in(BOB)
    first.request("GET", "/api/v1/me", **{"User-Agent": FIREFOX})
    hub.clock.advance(601)
    second.request("GET", "/api/v1/me", **{"User-Agent": SAFARI})
    found = second.get("/api/v1/me/sessions").json["sessions"]
    assert [(each["browser"], each["system"], each["address"], each["current"]) for each in found] == [
        ("Safari", "iPhone", "198.51.100.7", True),
        ("Firefox", "Linux", "192.0.2.1", False),
    ]
    assert found[0]["last_used_at"] > found[1]["last_used_at"] > found[1]["created_at"]


def test_a_session_that_is_ended_is_over_at_once_and_the_others_go_on(hub: Hub) -> None:
    here, there = hub.sign_in(ADA), hub.sign_in(ADA)
    other = next(each for each in here.get("/api/v1/me/sessions").json["sessions"] if not each["current"])
    assert here.delete(f"/api/v1/me/sessions/{other['id']}").status == 204
    assert there.get("/api/v1/me").json["person"] is None
    assert here.get("/api/v1/me").json["person"] is not None
    assert here.delete(f"/api/v1/me/sessions/{other['id']}").status == 404


def test_all_others_end_together(hub: Hub) -> None:
    others = [hub.sign_in(ADA) for _ in range(3)]
    here, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    assert here.delete("/api/v1/me/sessions").status == 204
    assert [browser.get("/api/v1/me").json["person"] for browser in others] == [None] * 3
    assert here.get("/api/v1/me").json["person"] is not None
    assert bob.get("/api/v1/me").json["person"] is not None


def test_nobody_ends_somebody_elses_session(hub: Hub) -> None:
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    session = ada.get("/api/v1/me/sessions").json["sessions"][0]["id"]
    assert bob.delete(f"/api/v1/me/sessions/{session}").status == 404
    assert ada.get("/api/v1/me").json["person"] is not None
    stranger = hub.browser()
    assert stranger.get("/api/v1/me/sessions").problem == "sign-in-needed"
    assert stranger.delete(f"/api/v1/me/sessions/{session}").problem == "sign-in-needed"
    assert stranger.delete("/api/v1/me/sessions").problem == "sign-in-needed"


def open_minutes(hub: Hub, browser: Browser, code: str) -> StringTransportWithDisconnection:
    """The connection of a browser that writes the minutes; an upgrade and what was sent since is in it."""
    head = [
        f"GET /api/v1/meetings/{code}/minutes/sync/{code} HTTP/1.1",
        *(f"Host: {HOST}", f"Origin: {ORIGIN}", f"Cookie: meeting_session={browser.cookies['meeting_session']}"),
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        f"Sec-WebSocket-Key: {b64encode(bytes(16)).decode()}",
    ]
    transport = hub.send("\r\n".join([*head, "", ""]).encode())
    assert transport.value().startswith(b"HTTP/1.1 101"), transport.value()
    return transport


def closed_with(transport: StringTransportWithDisconnection) -> int | None:
    """The code of the close frame at the end of what was sent (RFC 6455 section 5.5.1), if there is one."""
    found = re.search(rb"\x88[\x02-\x7d]([\x0f-\x13].)[^\x00]*\Z", transport.value(), re.DOTALL)
    return int.from_bytes(found[1], "big") if found else None


def test_open_minutes_end_when_the_session_was_ended(hub: Hub) -> None:
    here, there = hub.sign_in(ADA), hub.sign_in(ADA)
    code = here.instant()["code"]
    mine, other = open_minutes(hub, here, code), open_minutes(hub, there, code)
    assert here.delete("/api/v1/me/sessions").status == 204
    for _ in range(31):
        hub.clock.advance(1)
    assert (closed_with(mine), closed_with(other)) == (None, 4403)
    for transport in (mine, other):
        transport.protocol.dataReceived(b"\x88\x80" + bytes(4))  # a close, or the answer to one
        assert not transport.connected


@pytest.mark.parametrize("session", ["x", "0" * 31, "%00", "G" * 32])
def test_a_session_that_is_none_is_not_found(hub: Hub, session: str) -> None:
    assert hub.sign_in(ADA).delete(f"/api/v1/me/sessions/{session}").status == 404


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, ("Firefox", "Linux")),
        (SAFARI, ("Safari", "iPhone")),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 "
         "Safari/537.36 Edg/156.0.0.0", ("Edge", "Windows")),
        ("Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile "
         "Safari/537.36", ("Chrome", "Android")),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 "
         "Safari/605.1.15", ("Safari", "macOS")),
        ("curl/8.14.1", (None, None)),
        ("", (None, None)),
    ],
)  # fmt: skip
def test_a_browser_is_told_by_the_words_people_use(user_agent: str, words: tuple[str | None, str | None]) -> None:
    assert rules.browser_and_system(user_agent) == words


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text(max_size=2000), st.text(max_size=100))
def test_whatever_a_browser_says_of_itself_is_kept_short_and_in_one_line(user_agent: str, address: str) -> None:
    device = rules.device(user_agent, address)
    assert len(device.user_agent) <= 300
    assert len(device.address) <= 64
    assert device.user_agent.isprintable() or "\n" not in device.user_agent
    rules.browser_and_system(device.user_agent)


# -- the picture ----------------------------------------------------------------------------------------------------


def test_a_picture_is_shown_to_people_and_changes_its_address_when_it_changes(hub: Hub) -> None:
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    assert ada.get("/api/v1/me").json["person"]["picture"] is None
    answer = put(ada, png())
    assert answer.status == 200, answer.body
    path = answer.json["picture"]
    assert ada.get("/api/v1/me").json["person"]["picture"] == path
    shown = bob.get(path)
    assert (shown.status, shown.headers["Content-Type"], shown.body) == (200, "image/png", png())
    assert "immutable" in shown.headers["Cache-Control"]
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    again = bob.request("GET", path, **{"If-None-Match": shown.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert put(ada, png(3, 3)).json["picture"] != path
    old = bob.get(path)
    assert old.body == png(3, 3)
    assert "immutable" not in old.headers["Cache-Control"]
    assert ada.delete("/api/v1/me/picture").json["picture"] is None
    assert bob.get(path).status == 404


def test_a_guest_sees_the_pictures_of_their_own_meeting_only(hub: Hub) -> None:
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    of_ada, of_bob = put(ada, png()).json["picture"], put(bob, png()).json["picture"]
    guest = guest_of(hub, ada.instant()["code"])
    assert guest.get(of_ada).status == 200
    assert guest.get(of_bob).status == 404
    assert hub.browser().get(of_ada).problem == "sign-in-needed"


@pytest.mark.parametrize(
    ("picture", "problem"),
    [
        (b"", "no-picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no-picture"),
        (b"GIF89a\x01\x00\x01\x00", "no-picture"),
        (b"\x89PNG\r\n\x1a\n", "no-picture"),
        (png(padding=512 << 10), "too-large"),
        (png(1, 4097), "too-large"),
    ],
)
def test_what_is_no_picture_of_a_sane_size_is_refused(hub: Hub, picture: bytes, problem: str) -> None:
    ada = hub.sign_in(ADA)
    put(ada, png())
    assert put(ada, picture).problem == problem
    assert ada.get(ada.get("/api/v1/me").json["person"]["picture"]).body == png()


def test_a_picture_needs_somebody_signed_in(hub: Hub) -> None:
    answer = hub.request("PUT", "/api/v1/me/picture", body=png(), headers={"Origin": ORIGIN})
    assert answer.problem == "sign-in-needed"
    assert hub.browser().delete("/api/v1/me/picture").problem == "sign-in-needed"


# -- the personal link ----------------------------------------------------------------------------------------------


def test_a_personal_link_leads_to_the_same_meeting_for_everybody(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    assert ada.patch("/api/v1/me", {"handle": " Ada-Lovelace "}).json["handle"] == "ada-lovelace"
    found = hub.browser().get("/api/v1/personal-links/Ada-Lovelace")
    assert found.status == 200, found.body
    assert found.json == {"code": ada.instant()["code"], "name": "Ada Lovelace"}


def test_a_personal_link_is_somebodys_alone_until_they_give_it_up(hub: Hub) -> None:
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    ada.patch("/api/v1/me", {"handle": "ada"})
    answer = bob.patch("/api/v1/me", {"handle": "ADA", "name": "Robert"})
    assert (answer.status, answer.problem) == (409, "handle-taken")
    assert bob.get("/api/v1/me").json["person"]["name"] == "Bob", "nothing was changed"
    assert ada.patch("/api/v1/me", {"handle": ""}).json["handle"] is None
    assert hub.browser().get("/api/v1/personal-links/ada").status == 404
    assert bob.patch("/api/v1/me", {"handle": "ada"}).json["handle"] == "ada"


@pytest.mark.parametrize("handle", ["a", "ab", "x" * 41, "-ada", "ada-", "a--b", "ada lovelace", "ädä", "../me", "a/b"])
def test_a_handle_that_is_hard_to_read_aloud_is_refused_with_the_rule(hub: Hub, handle: str) -> None:
    answer = hub.sign_in(ADA).patch("/api/v1/me", {"handle": handle})
    assert answer.problem == "bad-request"
    assert "3 to 40 letters" in answer.json["detail"]


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_handle_or_refused(text: str) -> None:
    try:
        handle = rules.clean_handle(text)
    except BadRequest:
        return
    assert rules.clean_handle(handle) == handle


def test_who_guesses_personal_links_is_stopped_and_others_are_not(hub: Hub) -> None:
    hub.sign_in(ADA).patch("/api/v1/me", {"handle": "ada"})
    browser = hub.browser("198.51.100.7")
    assert [browser.get(f"/api/v1/personal-links/x{n}").status for n in range(61)] == [404] * 60 + [429]
    assert hub.browser().get("/api/v1/personal-links/ada").status == 200
