"""The lobby: who waits, who lets them in, and what they are told."""

from typing import Any

import pytest

from tests.support.hub import Answer, Browser, Hub
from tests.support.rooms import FakeRoom
from tests.unit.apiserver.reports import report_of

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
SFU = "1.sfu.example.com:443"


class Place:
    """A meeting of Ada's, and what people do at its door."""

    def __init__(self, hub: Hub, host: Browser, meeting: dict[str, Any]) -> None:
        self.hub = hub
        self.host = host
        self.meeting = meeting
        self.path = f"/api/v1/meetings/{meeting['code']}"

    def join(self, browser: Browser, **more: Any) -> Answer:
        return browser.post(f"{self.path}/join", {"device": "abcd1234", **more})

    def knock(self, browser: Browser, **more: Any) -> str:
        """Join, and have to wait; returns why."""
        answer = self.join(browser, **more)
        assert (answer.status, answer.json["state"], answer.headers["Retry-After"]) == (202, "waiting", "2")
        assert "token" not in answer.json
        return str(answer.json["reason"])

    def waiting(self, browser: Browser | None = None) -> list[str]:
        view = (browser or self.host).get(f"{self.path}/lobby")
        assert view.status == 200, view.body
        return [each["name"] for each in view.json["waiting"]]

    def ids(self) -> dict[str, str]:
        return {each["name"]: each["id"] for each in self.host.get(f"{self.path}/lobby").json["waiting"]}

    def lock(self, locked: bool = True) -> None:
        assert self.host.patch(f"{self.path}/room", {"locked": locked}).status == 204


@pytest.fixture
def place(hub: Hub) -> Place:
    """With the lobby on; Bob is invited."""
    hub.beat("sfu", SFU)
    ada = hub.sign_in(ADA)
    meeting = ada.schedule(invitees=[BOB])
    there = Place(hub, ada, meeting)
    FakeRoom(hub, SFU, meeting["id"])
    assert ada.patch(f"{there.path}/room", {"lobby": True}).status == 204
    return there


def test_a_guest_waits_until_somebody_lets_them_in(hub: Hub, place: Place) -> None:
    guest = hub.browser()
    assert place.knock(guest, name=" Grace\tHopper ") == "lobby"
    assert place.waiting() == ["Grace Hopper"]
    assert place.knock(guest) == "lobby"
    assert place.waiting() == ["Grace Hopper"], "who asks again waits once"
    assert place.host.post(f"{place.path}/lobby/admit", {"ids": list(place.ids().values())}).status == 204
    joined = place.join(guest)
    assert (joined.status, joined.json["role"], joined.json["name"]) == (200, "guest", "Grace Hopper")
    assert place.waiting() == []
    assert place.join(guest).status == 200, "coming back, as after a lost connection, is not knocking again"


def test_who_waits_sees_nothing_of_the_meeting(hub: Hub, place: Place) -> None:
    guest = hub.browser()
    place.knock(guest, name="Grace")
    for path in ("chat", "minutes", "attendance", "lobby"):
        assert guest.get(f"{place.path}/{path}").status in (401, 403), path
    assert guest.get(place.path).json.keys() == hub.browser().get(place.path).json.keys()


def test_the_host_and_the_invited_pass_and_others_who_are_signed_in_wait(hub: Hub, place: Place) -> None:
    assert place.join(place.host).status == 200
    assert place.join(hub.sign_in(BOB)).json["role"] == "participant"
    eve = hub.sign_in(EVE)
    assert place.knock(eve) == "lobby"
    assert place.host.post(f"{place.path}/lobby/admit", {}).status == 204
    assert place.join(eve).json["role"] == "participant"


def test_whoever_is_turned_away_is_told_so_and_may_knock_again_later(hub: Hub, place: Place) -> None:
    guest = hub.browser()
    place.knock(guest, name="Grace")
    assert place.host.post(f"{place.path}/lobby/deny", {"ids": list(place.ids().values())}).status == 204
    assert place.waiting() == []
    assert (place.join(guest).status, place.join(guest).problem) == (403, "turned-away")
    hub.clock.advance(31)
    hub.beat("sfu", SFU)
    assert place.knock(guest) == "lobby"


def test_a_page_that_is_gone_falls_off_the_list(hub: Hub, place: Place) -> None:
    guest, other = hub.browser(), hub.browser()
    place.knock(guest, name="Grace")
    place.knock(other, name="Alan")
    assert guest.post(f"{place.path}/lobby/leave").status == 204
    assert place.waiting() == ["Alan"]
    for _ in range(8):
        hub.clock.advance(10)
        place.knock(other)
    assert place.waiting() == ["Alan"], "whose page goes on asking"
    hub.clock.advance(76)
    assert place.waiting() == []
    assert hub.browser().post(f"{place.path}/lobby/leave").status == 204, "whoever never waited"


def test_only_those_who_lead_see_the_lobby_and_open_it(hub: Hub, place: Place) -> None:
    bob, eve, guest = hub.sign_in(BOB), hub.sign_in(EVE), hub.browser()
    assert place.join(bob).status == 200
    place.knock(guest, name="Grace")
    eve.instant()  # the host of another meeting
    for who, status in ((bob, 403), (eve, 403), (guest, 401), (hub.browser(), 401)):
        assert who.get(f"{place.path}/lobby").status == status
        for verb in ("admit", "deny"):
            assert who.post(f"{place.path}/lobby/{verb}", {}).status == status
    assert place.waiting() == ["Grace"]


def test_whether_somebody_is_there_to_open_is_told(hub: Hub, place: Place) -> None:
    guest = hub.browser()
    assert place.join(guest, name="Grace").json["host_present"] is False
    joined = place.join(place.host).json
    report_of(hub, "participant_joined", place.meeting, "PA_1", joined["identity"])
    assert place.join(guest).json["host_present"] is True
    report_of(hub, "participant_left", place.meeting, "PA_1", joined["identity"])
    assert place.join(guest).json["host_present"] is False


def test_a_locked_meeting_lets_in_nobody_new(hub: Hub, place: Place) -> None:
    bob, guest = hub.sign_in(BOB), hub.browser()
    assert place.host.patch(f"{place.path}/room", {"lobby": False}).status == 204
    assert place.join(bob).status == 200
    place.lock()
    assert place.join(bob).status == 200, "who was in it comes back"
    assert place.join(place.host).status == 200
    assert place.knock(guest, name="Grace") == "locked"
    assert place.knock(hub.sign_in(EVE)) == "locked"
    place.host.post(f"{place.path}/lobby/admit", {"ids": [place.ids()["Grace"]]})
    assert place.join(guest).status == 200
    assert place.waiting() == ["Eve"]
    place.lock(False)
    assert place.join(hub.sign_in(EVE)).status == 200


def test_after_the_end_everybody_knocks_again_and_nothing_is_locked(hub: Hub) -> None:
    hub.beat("sfu", SFU)
    ada = hub.sign_in(ADA)
    place = Place(hub, ada, ada.instant())
    FakeRoom(hub, SFU, place.meeting["id"])
    guest = hub.browser()
    assert place.join(guest, name="Grace").status == 200
    place.lock()
    assert ada.post(f"{place.path}/end").status == 204
    assert place.join(ada).status == 200
    assert ada.patch(f"{place.path}/room", {"lobby": True}).status == 204
    assert place.knock(guest) == "lobby", "not locked any more, and the pass is over"


def test_a_guest_without_the_passcode_waits_and_with_it_comes_in(hub: Hub, place: Place) -> None:
    with_passcode(hub, place, "2468")
    one, other = hub.browser("192.0.2.7"), hub.browser("192.0.2.8")
    assert place.knock(one, name="Grace") == "passcode"
    assert (place.join(one, passcode="1234").status, place.join(one, passcode="1234").problem) == (
        403,
        "wrong-passcode",
    )
    assert place.join(one, passcode=" 2468 ").status == 200
    assert place.join(one).status == 200, "who was let in is not asked again"
    assert place.join(hub.sign_in(BOB)).status == 200, "nor is who was invited"
    assert place.knock(other, name="Alan") == "passcode"
    place.host.post(f"{place.path}/lobby/admit", {})
    assert place.join(other).status == 200


def test_passcodes_cannot_be_guessed(hub: Hub, place: Place) -> None:
    with_passcode(hub, place, "2468")
    thief = hub.browser("192.0.2.66")
    place.knock(thief, name="Mallory")
    answers = [place.join(thief, passcode=f"{n:04}").status for n in range(22)]
    assert answers == [403] * 20 + [429] * 2
    assert place.join(thief, passcode="2468").status == 429, "the right one is refused, too"
    honest = hub.browser("192.0.2.7")
    assert place.join(honest, name="Grace", passcode="2468").status == 200, "from elsewhere it is not"


def test_too_many_do_not_wait(hub: Hub, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from meeting.apiserver.meetings.room import lobby

    monkeypatch.setattr(lobby, "MOST_WAITING", 2)
    browsers = [hub.browser() for _ in range(3)]
    answers = [place.join(browser, name="Grace") for browser in browsers]
    assert [answer.status for answer in answers] == [202, 202, 503]
    assert place.join(browsers[0]).status == 202, "who waits goes on waiting"


def with_passcode(hub: Hub, place: Place, passcode: str) -> None:
    """No lobby, and a passcode."""
    from meeting.apiserver.meetings.tables import meeting

    def write(transaction: Any) -> None:
        mine = meeting.update().where(meeting.c.id == place.meeting["id"])
        transaction.execute(mine.values(passcode=passcode, lobby=False))

    hub.sql(write)
