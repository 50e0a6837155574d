"""What those who lead do to a room, and every "no" to those who do not."""

import json
from typing import Any

import pytest

from meeting.daemon.secret import verify_access_token
from tests.support.hub import Browser, Hub, MakeHub
from tests.support.rooms import FakeRoom
from tests.unit.apiserver.reports import report_of

ADA, BOB, CLAIRE, EVE, ROOT = (f"{name}@example.com" for name in ("ada", "bob", "claire", "eve", "root"))
SFU = "1.sfu.example.com:443"
EVERYTHING = ("microphone", "camera", "screen")


class Standup:
    """Ada hosts; Bob and Claire are signed in, Grace is a guest; Eve hosts another meeting. All send everything."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        hub.beat("sfu", SFU)
        hub.clock.advance(1)
        self.ada, self.bob, self.claire, self.eve = (hub.sign_in(email) for email in (ADA, BOB, CLAIRE, EVE))
        self.grace = hub.browser()
        self.meeting = self.ada.instant()
        self.path = f"/api/v1/meetings/{self.meeting['code']}"
        self.eve.instant()
        self.room = FakeRoom(hub, SFU, self.meeting["id"])
        self.joined: dict[str, dict[str, Any]] = {}
        for name in ("ada", "bob", "claire", "grace"):
            self.enter(name)

    def join(self, name: str, **more: Any) -> Any:
        body = {"device": "abcd1234", **({"name": "Grace"} if name == "grace" else {}), **more}
        return getattr(self, name).post(f"{self.path}/join", body)

    def enter(self, name: str) -> None:
        joined = self.join(name).json
        self.joined[name] = joined
        claims = verify_access_token(self.hub.secret, joined["token"], self.hub.clock.seconds())
        info = self.room.enter(joined, *EVERYTHING, grants={**claims.grants, "attributes": claims.attributes})
        report_of(self.hub, "participant_joined", self.meeting, info.sid, info.identity, info, self.room.metadata)

    def identity(self, name: str) -> str:
        return str(self.joined[name]["identity"])

    def id(self, name: str) -> str:
        return self.identity(name).partition(":")[0]

    def attributes(self, name: str) -> dict[str, str]:
        return dict(self.room.participants[self.identity(name)].attributes)

    def sources(self, name: str) -> list[int]:
        return list(self.room.participants[self.identity(name)].permission.can_publish_sources)

    def told(self) -> dict[str, Any]:
        """What everybody is told of the room."""
        told: dict[str, Any] = json.loads(self.room.metadata)
        return told

    def make(self, name: str, role: str, by: str = "ada") -> int:
        return int(getattr(self, by).request("PUT", f"{self.path}/roles/{self.id(name)}", {"role": role}).status)

    def post(self, by: str, what: str, body: Any) -> int:
        return int(getattr(self, by).post(f"{self.path}/{what}", body).status)


@pytest.fixture
def standup(hub: Hub) -> Standup:
    return Standup(hub)


def test_one_is_muted_and_the_others_are_not(standup: Standup) -> None:
    assert standup.post("ada", "room/mute", {"identity": standup.identity("bob")}) == 204
    assert standup.room.muted(standup.identity("bob")) == {"microphone"}
    assert standup.post("ada", "room/mute", {"identity": standup.identity("bob"), "medium": "camera"}) == 204
    assert standup.room.muted(standup.identity("bob")) == {"microphone", "camera"}
    assert not standup.room.muted(standup.identity("claire"))


def test_all_are_muted_but_the_one_who_says_so(standup: Standup) -> None:
    assert standup.post("ada", "room/mute", {}) == 204
    muted = {name: standup.room.muted(standup.identity(name)) for name in standup.joined}
    assert muted == {"ada": set(), **{key: {"microphone"} for key in ("bob", "claire", "grace")}}


def test_closed_microphones_stay_closed_until_they_are_opened(standup: Standup) -> None:
    assert standup.make("claire", "presenter") == 204
    assert standup.ada.patch(f"{standup.path}/room", {"microphones_closed": True}).status == 204
    assert standup.told()["microphones_closed"] is True
    for name in ("bob", "grace"):
        assert standup.sources(name) == [1, 3, 4], "camera and screen"
    for name in ("ada", "claire"):
        assert standup.sources(name) == [], "everything"
    again = standup.join("bob").json
    grants = verify_access_token(standup.hub.secret, again["token"], standup.hub.clock.seconds()).grants
    assert "microphone" not in grants["canPublishSources"]
    assert standup.ada.patch(f"{standup.path}/room", {"microphones_closed": False}).status == 204
    assert standup.sources("bob") == []


def test_only_presenters_share_where_only_hosts_present(standup: Standup) -> None:
    assert standup.ada.patch(f"{standup.path}/room", {"presenters": "hosts"}).status == 204
    assert standup.sources("bob") == [2, 1], "microphone and camera"
    assert standup.make("bob", "presenter") == 204
    assert standup.sources("bob") == []
    assert standup.make("bob", "participant") == 204
    assert standup.sources("bob") == [2, 1]


def test_a_screen_that_is_stopped_is_over_and_may_be_shared_again(standup: Standup) -> None:
    assert standup.post("ada", "room/mute", {"identity": standup.identity("bob"), "medium": "screen"}) == 204
    bob = standup.room.participants[standup.identity("bob")]
    assert {track.source for track in bob.tracks} == {1, 2}
    assert standup.sources("bob") == []


def test_who_is_asked_to_speak_is_asked_by_the_server_and_nobody_else_hears_it(standup: Standup) -> None:
    assert standup.post("ada", "room/ask", {"identity": standup.identity("bob")}) == 204
    [asked] = standup.room.sent
    assert (list(asked.destination_identities), asked.topic) == ([standup.identity("bob")], "meeting.ask")
    assert json.loads(asked.data) == {"ask": "microphone"}
    assert standup.post("ada", "room/ask", {"identity": "nobody"}) == 404


def test_hands_are_raised_in_the_order_in_which_the_hub_took_note(standup: Standup) -> None:
    for name in ("claire", "grace", "bob"):
        assert standup.post(name, "room/hand", {"device": "abcd1234", "raised": True}) == 204
        standup.hub.clock.advance(1)
    standup.post("claire", "room/hand", {"device": "abcd1234", "raised": True})
    hands = {name: int(standup.attributes(name)["hand"]) for name in ("claire", "grace", "bob")}
    assert sorted(hands, key=lambda name: hands[name]) == ["claire", "grace", "bob"], "once more changes nothing"
    claims = verify_access_token(standup.hub.secret, standup.join("grace").json["token"], standup.hub.clock.seconds())
    assert int(claims.attributes["hand"]) == hands["grace"], "a lost connection does not cost the place"
    assert standup.post("grace", "room/hand", {"device": "abcd1234", "raised": False}) == 204
    assert "hand" not in standup.attributes("grace")
    assert standup.post("ada", "room/hands/lower", {"identity": standup.identity("bob")}) == 204
    assert ("hand" in standup.attributes("bob"), "hand" in standup.attributes("claire")) == (False, True)
    assert standup.post("ada", "room/hands/lower", {}) == 204
    assert "hand" not in standup.attributes("claire")


def test_a_hand_is_down_when_its_owner_has_left(standup: Standup) -> None:
    standup.post("bob", "room/hand", {"device": "abcd1234", "raised": True})
    sid = standup.room.participants[standup.identity("bob")].sid
    report_of(standup.hub, "participant_left", standup.meeting, sid, standup.identity("bob"))
    claims = verify_access_token(standup.hub.secret, standup.join("bob").json["token"], standup.hub.clock.seconds())
    assert "hand" not in claims.attributes


def test_the_spotlight_and_the_lock_are_told_to_all_and_to_a_room_that_is_new(standup: Standup) -> None:
    shown = {"locked": True, "spotlight": standup.identity("bob")}
    assert standup.ada.patch(f"{standup.path}/room", shown).status == 204
    assert {name: standup.told()[name] for name in shown} == shown
    standup.room.metadata = ""  # as after a restart of the sfuserver
    standup.enter("claire")
    assert {name: standup.told()[name] for name in shown} == shown
    standup.ada.patch(f"{standup.path}/room", {"spotlight": ""})
    assert standup.told()["spotlight"] is None


def test_a_co_host_leads_and_cannot_touch_the_host_or_the_role(standup: Standup) -> None:
    assert standup.make("bob", "co-host") == 204
    assert standup.attributes("bob")["role"] == "co-host"
    assert standup.join("bob").json["role"] == "co-host"
    assert standup.post("bob", "room/mute", {"identity": standup.identity("claire")}) == 204
    assert standup.make("claire", "presenter", by="bob") == 204
    assert standup.make("claire", "co-host", by="bob") == 403
    assert standup.make("ada", "participant", by="bob") == 403
    assert standup.post("bob", "room/remove", {"id": standup.id("ada")}) == 403
    assert standup.make("claire", "co-host") == 204
    assert standup.post("bob", "room/remove", {"id": standup.id("claire")}) == 403
    assert standup.make("bob", "participant", by="claire") == 403
    assert standup.bob.patch(standup.path, {"title": "Mine"}).status == 403
    assert standup.make("bob", "participant") == 204
    assert standup.post("bob", "room/mute", {}) == 403


def test_a_guest_can_be_presenter_and_not_co_host(standup: Standup) -> None:
    assert standup.make("grace", "presenter") == 204
    assert standup.attributes("grace")["role"] == "presenter"
    assert standup.make("grace", "co-host") == 400
    assert standup.make("grace", "participant") == 204
    assert standup.attributes("grace")["role"] == "guest"


def test_whoever_is_removed_is_out_and_comes_back_only_by_knocking(standup: Standup) -> None:
    token = standup.joined["bob"]["token"]
    assert standup.post("ada", "room/remove", {"id": standup.id("bob")}) == 204
    assert standup.identity("bob") not in standup.room.participants
    [removed] = standup.room.removed
    nbf = verify_access_token(standup.hub.secret, token, standup.hub.clock.seconds()).not_before
    assert removed.revoke_token_ts >= nbf, "the sfuserver refuses the token that he has"
    assert standup.bob.get(f"{standup.path}/chat").status == 403
    answer = standup.join("bob")
    assert (answer.status, answer.json["reason"]) == (202, "removed")
    standup.ada.post(f"{standup.path}/lobby/admit", {"ids": [standup.id("bob")]})
    assert standup.join("bob").status == 200
    assert standup.bob.get(f"{standup.path}/chat").status == 200


def test_an_old_token_lets_nobody_stay_who_was_removed(standup: Standup) -> None:
    bob = standup.room.participants[standup.identity("bob")]
    standup.post("ada", "room/remove", {"id": standup.id("bob")})
    standup.room.participants[bob.identity] = bob  # the sfuserver was restarted, and has forgotten
    report_of(standup.hub, "participant_joined", standup.meeting, "PA_9", bob.identity, bob, standup.room.metadata)
    assert bob.identity not in standup.room.participants


def test_an_old_token_gives_nobody_more_than_they_may_today(standup: Standup) -> None:
    standup.make("bob", "co-host")
    bob = standup.room.participants.pop(standup.identity("bob"))
    standup.make("bob", "participant")
    standup.ada.patch(f"{standup.path}/room", {"microphones_closed": True})
    assert bob.attributes["role"] == "co-host"
    standup.room.participants[bob.identity] = bob
    report_of(standup.hub, "participant_joined", standup.meeting, "PA_9", bob.identity, bob, standup.room.metadata)
    assert standup.attributes("bob")["role"] == "participant"
    assert standup.sources("bob") == [1, 3, 4]


def test_an_old_token_opens_no_meeting_that_is_over(standup: Standup) -> None:
    bob = standup.room.participants[standup.identity("bob")]
    assert standup.ada.post(f"{standup.path}/end").status == 204
    standup.room.closed = False
    standup.room.participants[bob.identity] = bob
    report_of(standup.hub, "participant_joined", standup.meeting, "PA_9", bob.identity, bob)
    assert standup.room.closed


def test_a_token_of_the_livekit_key_pair_is_left_alone(standup: Standup) -> None:
    recorder = standup.room.enter({"identity": "recorder", "name": "Recorder"}, grants={})
    report_of(standup.hub, "participant_joined", standup.meeting, "PA_9", "recorder", recorder, standup.room.metadata)
    standup.ada.patch(f"{standup.path}/room", {"microphones_closed": True})
    assert "recorder" in standup.room.participants
    assert not recorder.permission.can_publish_sources


def test_whoever_is_banned_stays_out_until_the_ban_is_lifted(standup: Standup) -> None:
    assert standup.post("ada", "room/remove", {"id": standup.id("bob"), "ban": True}) == 204
    assert (standup.join("bob").status, standup.join("bob").problem) == (403, "banned")
    bans = standup.ada.get(f"{standup.path}/bans").json["bans"]
    assert [(ban["id"], ban["name"]) for ban in bans] == [(standup.id("bob"), "Bob")]
    assert standup.ada.delete(f"{standup.path}/bans/{standup.id('bob')}").status == 204
    assert standup.ada.delete(f"{standup.path}/bans/{standup.id('bob')}").status == 404
    assert standup.join("bob").status == 202


def test_a_banned_guest_does_not_come_back_as_somebody_else(standup: Standup) -> None:
    standup.post("ada", "room/remove", {"id": standup.id("grace"), "ban": True})
    again = standup.hub.browser()  # without the cookie, from the same address
    body = {"device": "zzzz1234", "name": "Alan"}
    assert again.post(f"{standup.path}/join", body).problem == "banned"
    elsewhere = standup.hub.browser("198.51.100.9")
    assert elsewhere.post(f"{standup.path}/join", body).status == 200
    assert standup.join("claire").status == 200, "people with an account are not their address"


def test_an_address_of_ipv6_is_a_network(make_hub: MakeHub) -> None:
    standup = Standup(make_hub())
    standup.grace.source = "2001:db8:1:2::77"
    standup.grace.cookies.clear()
    standup.enter("grace")
    standup.post("ada", "room/remove", {"id": standup.id("grace"), "ban": True})
    body = {"device": "zzzz1234", "name": "Alan"}
    assert standup.hub.browser("2001:db8:1:2:9::1").post(f"{standup.path}/join", body).problem == "banned"
    assert standup.hub.browser("2001:db8:1:3::1").post(f"{standup.path}/join", body).status == 200


REFUSED: list[tuple[str, str, Any]] = [
    ("PATCH", "room", {"locked": True}),
    ("PATCH", "room", {"lobby": True}),
    ("PATCH", "room", {"microphones_closed": True}),
    ("PATCH", "room", {"presenters": "hosts"}),
    ("PATCH", "room", {"spotlight": ""}),
    ("PATCH", "room", {}),
    ("POST", "room/mute", {}),
    ("POST", "room/mute", {"identity": "CLAIRE"}),
    ("POST", "room/ask", {"identity": "CLAIRE"}),
    ("POST", "room/hands/lower", {}),
    ("POST", "room/remove", {"id": "CLAIRE'S"}),
    ("POST", "room/remove", {"id": "CLAIRE'S", "ban": True}),
    ("PUT", "roles/CLAIRE'S", {"role": "presenter"}),
    ("PUT", "roles/CLAIRE'S", {"role": "co-host"}),
    ("GET", "bans", None),
    ("DELETE", "bans/CLAIRE'S", None),
    ("GET", "attendance", None),
    ("GET", "attendance.csv", None),
    ("POST", "end", None),
]


@pytest.mark.parametrize("who", ["bob", "grace", "eve", "nobody"])
def test_nobody_else_leads(standup: Standup, who: str) -> None:
    caller: Browser = standup.hub.browser() if who == "nobody" else getattr(standup, who)
    before = {name: str(info) for name, info in standup.room.participants.items()}
    standup.room.diary.clear()
    for method, path, body in REFUSED:
        path = path.replace("CLAIRE'S", standup.id("claire"))
        text = json.dumps(body).replace("CLAIRE'S", standup.id("claire")).replace("CLAIRE", standup.identity("claire"))
        answer = caller.request(method, f"{standup.path}/{path}", json.loads(text))
        assert answer.status in ((401, 403) if who in ("nobody", "grace") else (403,)), (method, path, answer.body)
    assert {name: str(info) for name, info in standup.room.participants.items()} == before
    assert standup.room.diary == []


@pytest.mark.parametrize("who", ["eve", "nobody"])
def test_nobody_raises_a_hand_from_outside(standup: Standup, who: str) -> None:
    caller = standup.hub.browser() if who == "nobody" else standup.eve
    body = {"device": "abcd1234", "raised": True}
    assert caller.post(f"{standup.path}/room/hand", body).status in (401, 403)


def test_an_administrator_ends_and_removes_and_does_not_lead(make_hub: MakeHub) -> None:
    standup = Standup(make_hub("--administrator", ROOT))
    root = standup.hub.sign_in(ROOT)
    assert root.post(f"{standup.path}/room/mute", {}).status == 403
    assert root.get(f"{standup.path}/lobby").status == 403
    assert root.post(f"{standup.path}/room/remove", {"id": standup.id("ada")}).status == 403, "nobody removes the host"
    assert root.post(f"{standup.path}/room/remove", {"id": standup.id("bob")}).status == 204
    assert root.get(f"{standup.path}/chat").status == 403
    assert root.post(f"{standup.path}/end").status == 204
    assert standup.room.closed


def test_what_is_decided_holds_though_the_media_server_is_slow(standup: Standup) -> None:
    services, standup.hub.agent.services = standup.hub.agent.services, {}
    body = json.dumps({"id": standup.id("bob")}).encode()
    headers = {"Host": "meet.example.com", "Origin": "https://meet.example.com", "Content-Type": "application/json"}
    headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in standup.ada.cookies.items())
    answer = standup.hub.begin("POST", f"{standup.path}/room/remove", body, headers)
    standup.hub.clock.advance(3)
    assert answer().status == 204
    assert standup.join("bob").status == 202, "it is written down"
    assert standup.identity("bob") in standup.room.participants
    standup.hub.agent.services = services
    standup.hub.clock.advance(1)
    assert standup.identity("bob") not in standup.room.participants, "and done as soon as it can be"


def test_muting_says_so_when_the_media_server_does_not_answer(standup: Standup) -> None:
    standup.hub.agent.services = {}
    headers = {"Host": "meet.example.com", "Origin": "https://meet.example.com", "Content-Type": "application/json"}
    headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in standup.ada.cookies.items())
    answer = standup.hub.begin("POST", f"{standup.path}/room/mute", b"{}", headers)
    standup.hub.clock.advance(5)
    told = answer()
    assert (told.status, told.problem) == (502, "unreachable")


def test_where_nobody_is_nobody_is_muted(hub: Hub) -> None:
    hub.beat("sfu", SFU)
    ada = hub.sign_in(ADA)
    path = f"/api/v1/meetings/{ada.schedule()['code']}"
    assert ada.post(f"{path}/room/mute", {}).problem == "not-in-the-room"
    assert ada.request("PUT", f"{path}/roles/nobody", {"role": "presenter"}).status == 404
    assert ada.request("PUT", f"{path}/roles/{'0' * 32}", {"role": "presenter"}).status == 404
    assert ada.patch(f"{path}/room", {"locked": True}).status == 204, "beforehand, too"


def test_a_meeting_ends_when_it_has_lasted_as_long_as_it_may(hub: Hub) -> None:
    standup = Standup(hub)

    def limit(transaction: Any) -> None:
        from meeting.apiserver.meetings.tables import meeting

        mine = meeting.update().where(meeting.c.id == standup.meeting["id"])
        transaction.execute(mine.values(max_minutes=5))

    hub.sql(limit)
    standup.enter("bob")
    assert standup.told()["ends_at"] is not None, "everybody is told when"
    for _ in range(100):
        hub.clock.advance(2.9)
        hub.beat("sfu", SFU)
    assert not standup.room.closed
    for _ in range(10):
        hub.clock.advance(2.9)
        hub.beat("sfu", SFU)
    assert standup.room.closed
    assert standup.ada.get(standup.path).json["state"] == "ended"
