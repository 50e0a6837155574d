"""What administrators decide about all meetings holds for all of them, whoever asks and by whichever way."""

from typing import Any

import pytest

from tests.support.hub import Browser, Hub, MakeHub

ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    return make_hub("--administrator", ADA)


def decide(hub: Hub, **values: Any) -> Browser:
    """Ada, who administers, and has decided this."""
    ada = hub.sign_in(ADA)
    assert ada.patch("/api/v1/admin/settings", {"version": 0, "values": values}).status == 200
    return ada


def test_where_administrators_make_the_meetings_others_may_not(hub: Hub) -> None:
    bob = hub.sign_in(BOB)
    mine = bob.post("/api/v1/meetings", {"kind": "instant"}).json
    ada = decide(hub, creators="administrators")
    for body in ({"kind": "instant"}, SCHEDULED):
        refused = bob.post("/api/v1/meetings", body)
        assert (refused.status, refused.problem) == (403, "forbidden")
        assert ada.post("/api/v1/meetings", body).status == 201
    assert bob.get(f"/api/v1/meetings/{mine['code']}").status == 200, "what he had made stays"


def test_where_guests_are_not_allowed_no_meeting_lets_them_in(hub: Hub) -> None:
    bob = hub.sign_in(BOB)
    code = bob.schedule(options={"guests_allowed": True})["code"]
    stranger = hub.browser()
    body = {"device": "abcd1234", "name": "Eve"}
    decide(hub, guests_allowed=False)
    refused = stranger.post(f"/api/v1/meetings/{code}/join", body)
    assert (refused.status, refused.problem, refused.json["guests_allowed"]) == (401, "sign-in-needed", False)


def test_a_new_meeting_has_what_the_house_usually_has_unless_its_owner_says_otherwise(hub: Hub) -> None:
    decide(hub, default_lobby=True, default_passcode=True)
    bob = hub.sign_in(BOB)
    usual, own = bob.schedule()["options"], bob.schedule(options={"lobby": False, "passcode": ""})["options"]
    assert usual["lobby"] and len(usual["passcode"]) == 6 and usual["passcode"].isdigit()
    assert not own["lobby"] and own["passcode"] is None
    assert bob.post("/api/v1/meetings", {"kind": "instant"}).json["options"]["lobby"]


def test_no_meeting_lasts_longer_than_the_house_allows(hub: Hub) -> None:
    decide(hub, max_minutes=60)
    bob = hub.sign_in(BOB)
    given = {None: 60, 30: 30, 600: 60}
    for asked, held in given.items():
        assert bob.schedule(options={} if asked is None else {"max_minutes": asked})["options"]["max_minutes"] == held
    meeting = bob.schedule(options={"max_minutes": 30})
    after = bob.patch(f"/api/v1/meetings/{meeting['code']}", {"options": {"max_minutes": 0}}).json
    assert after["options"]["max_minutes"] == 60


def test_the_house_says_when_people_are_reminded_unless_they_have_chosen(hub: Hub) -> None:
    decide(hub, reminder_minutes=30)
    assert hub.sign_in(BOB).get("/api/v1/me/calendar").json["reminder_minutes"] == 30


def test_a_calendar_feed_is_no_choice_of_a_reminder(hub: Hub) -> None:
    bob = hub.sign_in(BOB)
    bob.post("/api/v1/me/calendar/feed")
    decide(hub, reminder_minutes=30)
    assert bob.get("/api/v1/me/calendar").json["reminder_minutes"] == 30
    bob.patch("/api/v1/me/calendar", {"reminder_minutes": None})
    assert bob.get("/api/v1/me/calendar").json["reminder_minutes"] is None
    bob.post("/api/v1/me/calendar/feed")
    assert bob.get("/api/v1/me/calendar").json["reminder_minutes"] is None


def test_everybody_is_told_the_rules_of_the_house_and_its_name(hub: Hub) -> None:
    decide(hub, name="Acme Meet", default_lobby=True, max_minutes=90, creators="administrators")
    server = hub.browser().get("/api/v1/me").json["server"]
    assert server["name"] == "Acme Meet"
    assert server["house"] == {
        "creators": "administrators",
        "guests_allowed": True,
        "default_lobby": True,
        "default_passcode": False,
        "max_minutes": 90,
        "reminder_minutes": 10,
    }


def test_below_each_mail_stands_what_the_house_says_there(hub: Hub) -> None:
    decide(hub, mail_footer="Acme Ltd\nOne <Street>", imprint_url="https://acme.example/imprint")
    hub.browser().post("/api/v1/sign-in/codes", {"email": BOB})
    (mail,) = (each for each in hub.mails() if each["to"] == BOB)
    assert mail["text"].endswith("\n-- \nAcme Ltd\nOne <Street>\nImprint: https://acme.example/imprint\n")
    page = hub.request("GET", f"/mailbox/{mail['id']}").body.decode()
    assert "Acme Ltd<br>One &lt;Street&gt;<br>" in page and 'href="https://acme.example/imprint"' in page


SCHEDULED = {
    "kind": "scheduled",
    "title": "Planning",
    "begin_at": "2026-11-24T14:00:00Z",
    "end_at": "2026-11-24T15:00:00Z",
    "zone": "UTC",
}
