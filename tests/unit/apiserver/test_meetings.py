"""Making, finding, changing, cancelling and ending meetings."""

from typing import Any

import pytest

from tests.support.hub import Hub

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"


def test_everyone_has_one_instant_meeting_with_a_stable_link(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    first = ada.post("/api/v1/meetings", {"kind": "instant"})
    again = ada.post("/api/v1/meetings", {"kind": "instant"})
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json
    meeting = first.json
    assert meeting["kind"] == "instant"
    assert meeting["begin_at"] is None
    assert meeting["is_owner"] is True
    assert meeting["link"] == f"https://meet.example.com/m/{meeting['code']}"
    assert hub.sign_in(BOB).instant()["code"] != meeting["code"]


def test_a_scheduled_meeting_is_as_it_was_asked_for(hub: Hub) -> None:
    meeting = hub.sign_in(ADA).schedule(title="  Plans\nfor Monday ", invitees=[BOB, BOB.upper(), ADA])
    assert meeting["title"] == "Plans for Monday"
    assert (meeting["begin_at"], meeting["end_at"]) == ("2026-11-23T14:00:00Z", "2026-11-23T15:00:00Z")
    assert meeting["state"] == "scheduled"
    delivery = {"state": "sent", "trouble": None, "detail": ""}
    bob = {"email": BOB, "name": "", "reply": "none", "writes_minutes": False, "delivery": delivery}
    assert meeting["invitees"] == [bob]
    assert meeting["owner"]["name"] == "Ada"


def test_the_invited_get_a_mail_with_the_time_of_the_meetings_zone(hub: Hub) -> None:
    meeting = hub.sign_in(ADA).schedule(title="Plans", invitees=[BOB])
    mail = hub.mails()[0]
    assert mail["to"] == BOB
    assert mail["subject"] == "Invitation: Plans, Mon, 23 Nov 2026, 15:00–16:00 (Europe/Berlin)"
    assert meeting["link"] in mail["text"]
    assert "Ada invites you" in mail["text"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": " "},
        {"title": "x" * 201},
        {"begin_at": "2026-11-23T15:00:00Z"},
        {"begin_at": "2026-11-23T16:00:00Z"},
        {"begin_at": "2026-11-23T14:00:00"},
        {"begin_at": "2026-11-20T14:00:00Z", "end_at": "2026-11-20T15:00:00Z"},
        {"end_at": "2026-12-23T15:00:00Z"},
        {"begin_at": "9999-12-31T23:00:00-12:00", "end_at": "9999-12-31T23:59:00-12:00"},
        {"begin_at": "2040-01-01T00:00:00Z", "end_at": "2040-01-01T01:00:00Z"},
        {"begin_at": "tomorrow"},
        {"begin_at": 10**30},
        {"zone": "Berlin"},
        {"invitees": ["nobody"]},
        {"invitees": [f"p{n}@example.com" for n in range(1001)]},
        {"kind": "weekly"},
        {"owner": "eve@example.com"},
    ],
)
def test_a_meeting_that_makes_no_sense_is_refused(hub: Hub, wrong: dict[str, Any]) -> None:
    ada = hub.sign_in(ADA)
    body = {"kind": "scheduled", "title": "Plans", "begin_at": "2026-11-23T14:00:00Z"}
    body |= {"end_at": "2026-11-23T15:00:00Z", "zone": "UTC", **wrong}
    answer = ada.post("/api/v1/meetings", body)
    assert (answer.status, answer.problem) == (400, "bad-request")
    assert answer.json["detail"]
    assert ada.get("/api/v1/meetings").json["meetings"] == []


def test_owner_and_invited_see_all_and_others_only_the_face(hub: Hub) -> None:
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    meeting = ada.schedule(invitees=[BOB])
    path = f"/api/v1/meetings/{meeting['code']}"
    assert ada.get(path).json == meeting
    seen = bob.get(path).json
    assert seen["id"] == meeting["id"]
    assert (seen["is_owner"], seen["invitees"]) == (False, None)
    face = {"code", "kind", "title", "begin_at", "end_at", "zone", "state", "owner", "guests_allowed", "e2ee"}
    for stranger in (hub.sign_in(EVE), hub.browser()):
        seen = stranger.get(path).json
        assert set(seen) == face
        assert seen["owner"] == {"name": "Ada"}


@pytest.mark.parametrize(
    "code", ["aaa-aaaa-aaa", "abc", "x" * 300, "%00", "aaa-aaaa-aaa%20", "AAA-AAAA-AAA", "..%2f..%2f"]
)
def test_a_link_that_leads_nowhere_says_so(hub: Hub, code: str) -> None:
    answer = hub.browser().get(f"/api/v1/meetings/{code}")
    assert (answer.status, answer.problem) == (404, "not-found")


def test_who_guesses_links_is_stopped_and_others_are_not(hub: Hub) -> None:
    meeting = hub.sign_in(ADA).instant()
    guesser = hub.browser("198.51.100.9")
    statuses = [guesser.get("/api/v1/meetings/aaa-aaaa-aaa").status for _ in range(61)]
    assert statuses == [404] * 60 + [429]
    assert hub.browser().get("/api/v1/meetings/aaa-aaaa-aaa").status == 404
    assert guesser.get(f"/api/v1/meetings/{meeting['code']}").status == 200


def test_the_list_has_what_one_owns_is_invited_to_or_has_joined(hub: Hub) -> None:
    ada, bob, eve = hub.sign_in(ADA), hub.sign_in(BOB), hub.sign_in(EVE)
    hub.beat("sfu", "sfu.example.com:443")
    late = ada.schedule(title="Late", begin_at="2026-11-24T14:00:00Z", end_at="2026-11-24T15:00:00Z", invitees=[BOB])
    soon = ada.schedule(title="Soon", invitees=[BOB])
    hers = eve.schedule(title="Hers")
    assert [m["id"] for m in bob.get("/api/v1/meetings").json["meetings"]] == [soon["id"], late["id"]]
    bob.post(f"/api/v1/meetings/{hers['code']}/join", {"device": "abcd1234"})
    assert {m["title"] for m in bob.get("/api/v1/meetings?when=upcoming").json["meetings"]} == {"Soon", "Late", "Hers"}
    assert [m["title"] for m in eve.get("/api/v1/meetings").json["meetings"]] == ["Hers"]
    assert bob.get("/api/v1/meetings?when=past").json["meetings"] == []
    hub.clock.advance(4 * 3600)
    assert [m["title"] for m in ada.get("/api/v1/meetings?when=upcoming").json["meetings"]] == ["Late"]
    past = ada.get("/api/v1/meetings?when=past").json["meetings"]
    assert [(m["title"], m["state"]) for m in past] == [("Soon", "ended")]
    assert ada.get("/api/v1/meetings?when=never").problem == "bad-request"


def test_a_change_is_mailed_to_those_it_concerns(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    meeting = ada.schedule(invitees=[BOB, EVE])
    hub.clock.advance(1)
    carol = "carol@example.com"
    answer = ada.patch(f"/api/v1/meetings/{meeting['code']}", {"title": "New plans", "invitees": [BOB, carol]})
    assert answer.status == 200
    assert answer.json["title"] == "New plans"
    assert answer.json["begin_at"] == meeting["begin_at"]
    assert [each["email"] for each in answer.json["invitees"]] == [BOB, carol]
    subjects = {mail["to"]: mail["subject"].partition(":")[0] for mail in hub.mails()[:3]}
    assert subjects == {BOB: "Changed", EVE: "Cancelled", carol: "Invitation"}
    assert ada.get(f"/api/v1/meetings/{meeting['code']}").json == answer.json


def test_a_change_that_is_no_news_is_not_mailed(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    meeting = ada.schedule(invitees=[BOB])
    before = len(hub.mails())
    assert (
        ada.patch(f"/api/v1/meetings/{meeting['code']}", {"title": meeting["title"], "invitees": [BOB]}).status == 200
    )
    assert len(hub.mails()) == before


def test_a_cancelled_meeting_is_mailed_once_and_is_over(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    meeting = ada.schedule(invitees=[BOB])
    path = f"/api/v1/meetings/{meeting['code']}"
    assert ada.delete(path).status == 204
    assert ada.delete(path).status == 204
    assert [mail["subject"].partition(":")[0] for mail in hub.mails() if mail["to"] == BOB] == [
        "Cancelled",
        "Invitation",
    ]
    assert ada.get(path).json["state"] == "cancelled"
    assert ada.patch(path, {"title": "Again"}).problem == "meeting-over"
    assert ada.post(f"{path}/end").problem == "meeting-over"
    answer = ada.post(f"{path}/join", {"device": "abcd1234"})
    assert (answer.status, answer.problem) == (410, "meeting-over")


def test_only_the_owner_changes_cancels_and_ends(hub: Hub) -> None:
    meeting = hub.sign_in(ADA).schedule(invitees=[BOB])
    path = f"/api/v1/meetings/{meeting['code']}"
    for browser, problem in ((hub.sign_in(BOB), "forbidden"), (hub.browser(), "sign-in-needed")):
        for answer in (browser.patch(path, {"title": "Mine"}), browser.delete(path), browser.post(f"{path}/end")):
            assert answer.problem == problem
    assert hub.sign_in(ADA).get(path).json == meeting


def test_an_instant_meeting_has_no_times_and_is_not_cancelled(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    path = f"/api/v1/meetings/{ada.instant()['code']}"
    assert ada.patch(path, {"title": "Tea"}).json["title"] == "Tea"
    assert ada.patch(path, {"begin_at": "2026-11-23T14:00:00Z"}).problem == "bad-request"
    assert ada.patch(path, {"invitees": [BOB]}).problem == "bad-request"
    assert ada.delete(path).problem == "bad-request"


def test_meetings_need_somebody_signed_in(hub: Hub) -> None:
    stranger = hub.browser()
    assert stranger.get("/api/v1/meetings").problem == "sign-in-needed"
    assert stranger.post("/api/v1/meetings", {"kind": "instant"}).problem == "sign-in-needed"


def test_a_meeting_that_runs_over_is_not_over(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    meeting = ada.schedule()
    hub.clock.advance(3 * 3600 + 29 * 60)
    assert ada.get(f"/api/v1/meetings/{meeting['code']}").json["state"] == "scheduled"
    hub.clock.advance(60)
    assert ada.get(f"/api/v1/meetings/{meeting['code']}").json["state"] == "ended"


def test_nobody_floods_the_world_with_invitations(hub: Hub) -> None:
    ada = hub.sign_in(ADA)
    crowd = [f"p{number}@example.com" for number in range(1000)]
    for number in range(5):
        ada.schedule(title=f"Plans {number}", invitees=crowd)
    body = {"kind": "scheduled", "title": "More", "begin_at": "2026-11-23T14:00:00Z", "end_at": "2026-11-23T15:00:00Z"}
    answer = ada.post("/api/v1/meetings", {**body, "invitees": [BOB]})
    assert (answer.status, answer.problem) == (429, "too-many-requests")
    assert len(ada.get("/api/v1/meetings").json["meetings"]) == 5
    assert ada.post("/api/v1/meetings", body).status == 201, "without mails it goes on"
    assert hub.sign_in(EVE).schedule(invitees=[BOB])["state"] == "scheduled"


def test_a_subject_is_one_line_whatever_the_title_holds(hub: Hub) -> None:
    hub.sign_in(ADA).schedule(title="Plans\r\nBcc: eve@example.com \u2028 x", invitees=[BOB])
    subject = hub.mails()[0]["subject"]
    assert subject.startswith("Invitation: Plans Bcc: eve@example.com x,")
    assert "\n" not in subject
