"""Series as their people live with them: joined each time, changed in part, answered, reminded of, subscribed to."""

import re
from typing import Any

import pytest

from meeting.apiserver.meetings.invitations.reminders import DEFAULT_MINUTES
from tests.support.hub import Browser, Hub

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
DAY = 86400


def daily(browser: Browser, **more: Any) -> dict[str, Any]:
    """14:00 to 15:00 UTC, in two hours and on the two days after."""
    return browser.schedule(**{"recurrence": "FREQ=DAILY;COUNT=3", "invitees": [BOB], "zone": "UTC", **more})


def path_of(meeting: dict[str, Any]) -> str:
    return f"/api/v1/meetings/{meeting['code']}"


def titles(hub: Hub, to: str = BOB) -> list[str]:
    return [mail["subject"].partition(":")[0] for mail in hub.mails() if mail["to"] == to and mail["calendar"]]


def token_in(mail: dict[str, Any]) -> str:
    found = re.search(r"/r\?answer=accepted#(\S+)", mail["text"])
    assert found
    return found[1]


def advance(hub: Hub, seconds: float, step: float = 300) -> None:
    """Let time pass as it does, so that each round has its turn."""
    hub.clock.pump([step] * int(seconds // step) + [seconds % step])


def test_a_series_can_be_joined_each_time(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    meeting = daily(ada)
    path = path_of(meeting)
    assert (meeting["occurrence"], meeting["begin_at"]) == ("2026-11-23T14:00:00Z", "2026-11-23T14:00:00Z")
    assert meeting["series"]["recurrence"] == "FREQ=DAILY;COUNT=3"
    advance(hub, 2.5 * 3600)
    assert ada.post(f"{path}/end").status == 204
    assert ada.get(path).json["state"] == "ended"
    advance(hub, 3600 + 60)
    tomorrow = ada.get(path).json
    assert (tomorrow["state"], tomorrow["begin_at"]) == ("scheduled", "2026-11-24T14:00:00Z")
    past = ada.get("/api/v1/meetings?when=past").json["meetings"]
    assert [(each["begin_at"], each["state"]) for each in past] == [("2026-11-23T14:00:00Z", "ended")]
    advance(hub, 3 * DAY, 1800)
    assert ada.get(path).json["state"] == "ended"
    assert ada.get("/api/v1/meetings").json["meetings"] == []
    assert len(ada.get("/api/v1/meetings?when=past").json["meetings"]) == 3


def test_a_series_that_is_left_before_it_begins_is_still_to_come(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    path = path_of(daily(ada))
    assert ada.post(f"{path}/end").status == 204
    assert ada.get(path).json["state"] == "scheduled"


def test_only_what_differs_of_one_meeting_is_changed(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    path = path_of(daily(ada))
    second = {"scope": "this", "occurrence": "2026-11-24T14:00:00Z"}
    changed = ada.patch(path, {**second, "title": "Special", "begin_at": "2026-11-24T16:00:00Z"})
    assert (changed.json["title"], changed.json["end_at"]) == ("Special", "2026-11-24T17:00:00Z")
    listed = ada.get("/api/v1/meetings").json["meetings"]
    assert [(each["title"], each["begin_at"][8:13]) for each in listed] == [
        ("Plans", "23T14"),
        ("Special", "24T16"),
        ("Plans", "25T14"),
    ]
    assert titles(hub) == ["Changed", "Invitation"]
    refused: list[dict[str, Any]] = [{"invitees": []}, {"recurrence": "FREQ=DAILY;COUNT=2"}, {"zone": "Europe/Berlin"}]
    for wrong in refused:
        assert ada.patch(path, {**second, **wrong}).problem == "bad-request"
    assert ada.patch(path, {"scope": "this", "title": "x"}).problem == "bad-request"
    assert ada.patch(path, {**second, "occurrence": "2026-11-24T15:00:00Z", "title": "x"}).problem == "bad-request"
    advance(hub, 2 * DAY, 1800)
    assert ada.patch(path, {**second, "title": "Too late"}).problem == "meeting-over"


def test_this_and_following_is_another_series_and_the_link_leads_on(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    meeting = daily(ada, options={"passcode": "4711", "lobby": True})
    second = {"scope": "following", "occurrence": "2026-11-24T14:00:00Z", "title": "Later"}
    times = {"begin_at": "2026-11-24T18:00:00Z", "end_at": "2026-11-24T18:30:00Z"}
    after = ada.patch(path_of(meeting), {**second, **times}).json
    assert after["code"] != meeting["code"]
    assert (after["series"]["recurrence"], after["options"]["passcode"]) == ("FREQ=DAILY;COUNT=2", "4711")
    assert [each["email"] for each in after["invitees"]] == [BOB]
    *both, first = titles(hub)
    assert (sorted(both), first) == (["Changed", "Invitation"], "Invitation")  # of one moment: in any order
    assert [each["begin_at"][8:13] for each in ada.get("/api/v1/meetings").json["meetings"]] == [
        "23T14",
        "24T18",
        "25T18",
    ]
    assert ada.get(path_of(meeting)).json["begin_at"] == "2026-11-23T14:00:00Z"
    advance(hub, DAY, 1800)
    assert ada.get(path_of(meeting)).json["code"] == after["code"], "the first link leads to where it goes on"


def test_one_the_following_or_all_are_cancelled(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    path = path_of(daily(ada, recurrence="FREQ=DAILY;COUNT=5"))
    for _ in range(2):
        assert ada.delete(f"{path}?scope=this&occurrence=2026-11-24T14:00:00Z").status == 204
    assert titles(hub) == ["Cancelled", "Invitation"]
    assert ada.delete(f"{path}?scope=following&occurrence=2026-11-26T14:00:00Z").status == 204
    assert [each["begin_at"][8:10] for each in ada.get("/api/v1/meetings").json["meetings"]] == ["23", "25"]
    assert ada.delete(path).status == 204
    assert titles(hub) == ["Cancelled", "Changed", "Cancelled", "Invitation"]
    assert ada.get(path).json["state"] == "cancelled"


def test_a_meeting_becomes_a_series_and_is_one_no_more(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    path = path_of(ada.schedule())
    assert ada.patch(path, {"recurrence": "FREQ=WEEKLY;COUNT=4"}).json["series"] is not None
    assert len(ada.get("/api/v1/meetings").json["meetings"]) == 4
    assert ada.patch(path, {"recurrence": ""}).json["series"] is None
    assert len(ada.get("/api/v1/meetings").json["meetings"]) == 1


def test_options_are_kept_and_the_passcode_is_the_owners(hub: Hub) -> None:
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    wanted = {
        "passcode": " abcd12 ",
        "lobby": True,
        "presenters": "hosts",
        "minutes_writers": "named",
        "max_minutes": 45,
    }
    meeting = ada.schedule(invitees=[BOB], writers=[BOB], options=wanted)
    assert meeting["options"] == {
        "guests_allowed": True,
        "e2ee": False,
        "reminders": True,
        **wanted,
        "passcode": "abcd12",
    }
    assert meeting["invitees"][0]["writes_minutes"] is True
    assert "Passcode: abcd12" in hub.mails()[0]["text"]
    assert bob.get(path_of(meeting)).json["options"]["passcode"] is None
    changed = ada.patch(path_of(meeting), {"options": {"passcode": "", "max_minutes": 0}}).json
    assert (changed["options"]["passcode"], changed["options"]["max_minutes"]) == (None, None)
    assert changed["options"]["lobby"] is True
    for wrong in ({"passcode": "abc"}, {"passcode": "a b c d"}, {"max_minutes": 3}, {"presenters": "nobody"}):
        assert ada.patch(path_of(meeting), {"options": wrong}).problem == "bad-request", wrong


def test_an_answer_by_link_reaches_the_owner(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    meeting = daily(ada)
    token, stranger = token_in(hub.mails()[0]), hub.browser("198.51.100.7")
    asked = stranger.post("/api/v1/replies/look", {"token": token}).json
    assert (asked["email"], asked["reply"], asked["owner"]) == (BOB, "none", "Ada")
    assert ada.get(path_of(meeting)).json["invitees"][0]["reply"] == "none", "looking answers nothing"
    answered = stranger.post("/api/v1/replies", {"token": token, "answer": "tentative"})
    assert answered.json["reply"] == "tentative"
    assert ada.get(path_of(meeting)).json["invitees"][0]["reply"] == "tentative"
    ada.patch(path_of(meeting), {"begin_at": "2026-11-23T15:00:00Z", "end_at": "2026-11-23T16:00:00Z"})
    assert ada.get(path_of(meeting)).json["invitees"][0]["reply"] == "none", "another time is another question"


def test_an_answer_to_one_of_a_series_is_of_that_one(hub: Hub) -> None:
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    meeting = daily(ada)
    body = {"answer": "declined", "occurrence": "2026-11-24T14:00:00Z"}
    assert bob.post(f"{path_of(meeting)}/reply", body).json["reply"] == "declined"
    assert bob.post(f"{path_of(meeting)}/reply", {"answer": "accepted"}).json["reply"] == "accepted"
    replies = [each["reply"] for each in bob.get("/api/v1/meetings").json["meetings"]]
    assert replies == ["accepted", "declined", "accepted"]
    assert bob.post(f"{path_of(meeting)}/reply", {**body, "occurrence": "2026-11-24T15:00:00Z"}).status == 400


@pytest.mark.parametrize("change", [lambda t: t[:-2], lambda t: "A" + t[1:], lambda t: "", lambda t: "ä" * 20])
def test_a_reply_link_that_was_tampered_with_opens_nothing(hub: Hub, change: Any) -> None:
    daily(hub.sign_in(ADA))
    answer = hub.browser().post("/api/v1/replies", {"token": change(token_in(hub.mails()[0])), "answer": "accepted"})
    assert (answer.status, answer.problem) == (410, "reply-link")


def test_who_is_not_invited_any_more_cannot_answer(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    meeting = daily(ada)
    token = token_in(hub.mails()[0])
    ada.patch(path_of(meeting), {"invitees": [EVE]})
    assert hub.browser().post("/api/v1/replies", {"token": token, "answer": "accepted"}).problem == "reply-link"
    assert hub.sign_in(BOB).post(f"{path_of(meeting)}/reply", {"answer": "accepted"}).problem == "forbidden"


def test_guessing_reply_links_is_limited(hub: Hub) -> None:
    guesser = hub.browser("198.51.100.8")
    statuses = [guesser.post("/api/v1/replies/look", {"token": f"x{n}"}).status for n in range(61)]
    assert statuses == [410] * 60 + [429]


def reminders(hub: Hub) -> dict[str, int]:
    mails = [mail for mail in hub.mails() if mail["subject"].startswith("Soon:")]
    return {to: sum(mail["to"] == to for mail in mails) for to in {mail["to"] for mail in mails}}


def test_reminders_come_once_before_each_meeting_to_those_who_may_come(hub: Hub) -> None:
    ada, bob, eve = hub.sign_in(ADA), hub.sign_in(BOB), hub.sign_in(EVE)
    meeting = daily(ada, invitees=[BOB, EVE, "gone@example.com", "guest@example.com"])
    assert bob.get("/api/v1/me/calendar").json["reminder_minutes"] == DEFAULT_MINUTES
    assert bob.patch("/api/v1/me/calendar", {"reminder_minutes": 60}).status == 200
    assert eve.patch("/api/v1/me/calendar", {"reminder_minutes": None}).status == 200
    token = token_in(next(mail for mail in hub.mails() if mail["to"] == "gone@example.com"))
    assert hub.browser().post("/api/v1/replies", {"token": token, "answer": "declined"}).status == 200
    advance(hub, 3600 + 120, 60)
    assert reminders(hub) == {BOB: 1}
    advance(hub, 50 * 60, 60)
    assert reminders(hub) == {BOB: 1, ADA: 1, "guest@example.com": 1}
    advance(hub, DAY)
    assert reminders(hub) == {BOB: 2, ADA: 2, "guest@example.com": 2}
    assert ada.patch(path_of(meeting), {"options": {"reminders": False}}).status == 200
    advance(hub, DAY)
    assert reminders(hub) == {BOB: 2, ADA: 2, "guest@example.com": 2}


def test_a_calendar_feed_is_good_until_it_is_renewed_or_revoked(hub: Hub) -> None:
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    daily(ada)
    assert bob.get("/api/v1/me/calendar").json["feed"] is None
    first = bob.post("/api/v1/me/calendar/feed").json["feed"].partition("meet.example.com")[2]
    assert b"SUMMARY:Plans" in hub.request("GET", first).body
    second = bob.post("/api/v1/me/calendar/feed").json["feed"].partition("meet.example.com")[2]
    assert hub.request("GET", first).problem == "not-found"
    assert hub.request("GET", second).status == 200
    assert hub.request("GET", second[:-3] + "abc").problem == "not-found"
    assert bob.delete("/api/v1/me/calendar/feed").status == 204
    assert hub.request("GET", second).problem == "not-found"


def test_a_group_is_its_owners_and_invites_its_members(hub: Hub) -> None:
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    made = ada.post("/api/v1/groups", {"name": "Team", "emails": [BOB, EVE, BOB.upper()]})
    assert (made.status, made.json["emails"]) == (201, [BOB, EVE])
    assert ada.post("/api/v1/groups", {"name": "Team", "emails": [BOB]}).problem == "conflict"
    path = f"/api/v1/groups/{made.json['id']}"
    for answer in (bob.patch(path, {"name": "Mine"}), bob.delete(path)):
        assert answer.problem == "not-found"
    assert bob.get("/api/v1/groups").json["groups"] == []
    meeting = ada.schedule(invitees=["zoe@example.com"], groups=[made.json["id"]])
    assert [each["email"] for each in meeting["invitees"]] == ["zoe@example.com", BOB, EVE]
    body = {"kind": "scheduled", "title": "x", "begin_at": "2026-11-23T14:00:00Z", "end_at": "2026-11-23T15:00:00Z"}
    assert bob.post("/api/v1/meetings", {**body, "groups": [made.json["id"]]}).problem == "bad-request"
    assert ada.patch(path, {"emails": [EVE]}).json["emails"] == [EVE]
    assert ada.delete(path).status == 204
    assert ada.get("/api/v1/groups").json["groups"] == []
