"""Joining: access tokens, guests, and everybody who stays outside."""

from typing import Any

from meeting.daemon.secret import verify_access_token
from tests.support.hub import Hub

ADA, BOB = "ada@example.com", "bob@example.com"
SFU = "1.sfu.example.com:443"
DEVICE = {"device": "abcd1234"}


def ready(hub: Hub) -> Hub:
    assert hub.beat("sfu", SFU).status == 200
    assert hub.beat("turn", "198.51.100.1:3478").status == 200
    return hub


def test_the_owner_gets_a_hosts_token_for_the_room(hub: Hub) -> None:
    ada = ready(hub).sign_in(ADA)
    meeting = ada.instant()
    answer = ada.post(f"/api/v1/meetings/{meeting['code']}/join", DEVICE)
    assert answer.status == 200
    joined = answer.json
    person = ada.get("/api/v1/me").json["person"]["id"]
    assert joined["url"] == f"wss://{SFU}"
    assert (joined["identity"], joined["name"], joined["role"]) == (f"{person}:abcd1234", "Ada", "host")
    assert joined["meeting"]["code"] == meeting["code"]
    claims = verify_access_token(hub.secret, joined["token"], hub.clock.seconds())
    assert claims.identity == joined["identity"]
    assert claims.room == meeting["id"]
    assert claims.turn == ("turn:198.51.100.1:3478?transport=udp",)
    assert claims.code == meeting["code"]
    assert claims.attributes == {"role": "host", "subject": person}
    # Nobody changes their own attributes (a role stands in them), and nobody acts on others but through the hub.
    assert {name for name, value in claims.grants.items() if value} == {
        *("roomJoin", "canSubscribe", "canPublish", "canPublishData")
    }
    assert claims.expires_at == int(hub.clock.seconds()) + 6 * 3600


def test_anyone_signed_in_with_the_link_is_a_participant(hub: Hub) -> None:
    meeting = ready(hub).sign_in(ADA).instant()
    joined = hub.sign_in(BOB).post(f"/api/v1/meetings/{meeting['code']}/join", DEVICE).json
    assert joined["role"] == "participant"
    claims = verify_access_token(hub.secret, joined["token"], hub.clock.seconds())
    assert "roomAdmin" not in claims.grants
    assert joined["meeting"]["is_owner"] is False


def test_a_guest_comes_with_a_name_and_stays_the_same_guest(hub: Hub) -> None:
    meeting = ready(hub).sign_in(ADA).instant()
    path = f"/api/v1/meetings/{meeting['code']}/join"
    guest = hub.browser()
    asked = guest.post(path, DEVICE)
    assert (asked.status, asked.problem, asked.json["guests_allowed"]) == (401, "sign-in-needed", True)
    joined = guest.post(path, {**DEVICE, "name": " Grace  Hopper "}).json
    assert (joined["name"], joined["role"]) == ("Grace Hopper", "guest")
    claims = verify_access_token(hub.secret, joined["token"], hub.clock.seconds())
    assert claims.attributes["role"] == "guest"
    assert guest.get("/api/v1/me").json["guest"] == {"id": claims.attributes["subject"], "name": "Grace Hopper"}
    again = guest.post(path, DEVICE).json
    assert again["identity"] == joined["identity"]


def test_a_guest_without_a_name_worth_showing_is_refused(hub: Hub) -> None:
    meeting = ready(hub).sign_in(ADA).instant()
    for name in ("", "  ", "\u202e", "x" * 101):
        answer = hub.browser().post(f"/api/v1/meetings/{meeting['code']}/join", {**DEVICE, "name": name})
        assert answer.problem == "bad-request"


def test_a_guests_session_is_for_one_meeting_and_a_day(hub: Hub) -> None:
    ready(hub)
    one, other = hub.sign_in(ADA).instant(), hub.sign_in(BOB).instant()
    guest = hub.browser()
    guest.post(f"/api/v1/meetings/{one['code']}/join", {**DEVICE, "name": "Grace"})
    assert guest.get(f"/api/v1/meetings/{one['code']}/chat").status == 200
    assert guest.get(f"/api/v1/meetings/{other['code']}/chat").problem == "forbidden"
    assert guest.post(f"/api/v1/meetings/{other['code']}/join", DEVICE).problem == "sign-in-needed"
    assert guest.get("/api/v1/meetings").problem == "sign-in-needed"
    hub.clock.advance(86_400)
    assert guest.get("/api/v1/me").json["guest"] is None


def test_a_device_is_eight_characters(hub: Hub) -> None:
    ada = ready(hub).sign_in(ADA)
    meeting = ada.instant()
    for device in ("", "abc", "ABCD1234", "abcd123:", "abcd12345"):
        assert ada.post(f"/api/v1/meetings/{meeting['code']}/join", {"device": device}).problem == "bad-request"


def test_without_a_media_server_people_wait_and_come_in_when_there_is_one(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    path = f"/api/v1/meetings/{ada.instant()['code']}/join"
    answer = ada.post(path, DEVICE)
    assert (answer.status, answer.problem, answer.headers["Retry-After"]) == (503, "please-wait", "2")
    ready(hub)
    assert ada.post(path, DEVICE).status == 200


def test_nobody_joins_a_meeting_that_has_ended(hub: Hub) -> None:
    ready(hub)
    ada = hub.sign_in(ADA)
    path = f"/api/v1/meetings/{ada.schedule()['code']}"
    assert ada.post(f"{path}/end").status == 204
    for browser in (ada, hub.sign_in(BOB), hub.browser()):
        answer = browser.post(f"{path}/join", {**DEVICE, "name": "Somebody"})
        assert (answer.status, answer.problem) == (410, "meeting-over")


def test_an_instant_meeting_that_was_ended_opens_when_its_owner_comes_back(hub: Hub) -> None:
    ready(hub)
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    path = f"/api/v1/meetings/{ada.instant()['code']}"
    assert bob.post(f"{path}/join", DEVICE).status == 200
    assert ada.post(f"{path}/end").status == 204
    assert bob.post(f"{path}/join", DEVICE).problem == "meeting-over"
    assert ada.post(f"{path}/join", DEVICE).json["meeting"]["state"] == "scheduled"
    assert bob.post(f"{path}/join", DEVICE).status == 200


def test_a_meeting_cancelled_while_its_servers_are_asked_for_is_not_joined(make_hub: Any) -> None:
    hub: Hub = make_hub("--allocateserver", "https://allocate.example.com/")
    hub.beat("sfu", "1.sfu.example.com:443")
    hub.agent.answers["https://1.sfu.example.com:443/rtc/validate"] = (200, b"success")
    ada = hub.sign_in(ADA)
    meeting = ada.schedule()
    guest = hub.browser()
    headers = {"Host": "meet.example.com", "Origin": "https://meet.example.com", "Content-Type": "application/json"}
    body = b'{"device": "abcd1234", "name": "Grace"}'
    answer = hub.begin("POST", f"/api/v1/meetings/{meeting['code']}/join", body, headers, guest.source)
    waiting = hub.agent.open[-1]
    assert ada.delete(f"/api/v1/meetings/{meeting['code']}").status == 204
    waiting.answer(200, b'{"sfu": "1.sfu.example.com:443"}')
    assert answer().problem == "meeting-over"


def test_ending_a_meeting_closes_its_room(hub: Hub) -> None:
    ready(hub)
    ada = hub.sign_in(ADA)
    meeting = ada.instant()
    path = f"/api/v1/meetings/{meeting['code']}"
    url = f"https://{SFU.removesuffix(':443')}/twirp/livekit.RoomService/DeleteRoom"
    hub.agent.answers[url] = (200, b"")
    ada.post(f"{path}/join", DEVICE)
    assert ada.post(f"{path}/end").status == 204
    asked = hub.agent.diary[-1]
    assert (asked.method, asked.url) == ("POST", url)
    bearer = (asked.headers.getRawHeaders("Authorization") or [""])[0].removeprefix("Bearer ")
    claims = verify_access_token(hub.secret, bearer, hub.clock.seconds())
    assert claims.room == meeting["id"]
    assert claims.grants == {"roomCreate": True, "roomAdmin": True}


def test_a_meeting_is_over_even_if_its_media_server_does_not_answer(hub: Hub) -> None:
    ready(hub)
    ada = hub.sign_in(ADA)
    path = f"/api/v1/meetings/{ada.instant()['code']}"
    ada.post(f"{path}/join", DEVICE)
    assert ada.post(f"{path}/end").status == 204
    assert ada.get(path).json["state"] == "ended"
    hub.clock.advance(6)


def test_a_later_load_moves_nobody(hub: Hub) -> None:
    ready(hub)
    ada = hub.sign_in(ADA)
    path = f"/api/v1/meetings/{ada.instant()['code']}/join"
    assert ada.post(path, DEVICE).json["url"] == f"wss://{SFU}"
    hub.beat("sfu", SFU, load=0.9)
    hub.beat("sfu", "2.sfu.example.com:443", load=0.1)
    assert ada.post(path, DEVICE).json["url"] == f"wss://{SFU}"
