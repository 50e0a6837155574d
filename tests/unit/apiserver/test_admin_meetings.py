"""Administrators find what is scheduled, and see whom the invitations reached."""

from typing import Any

import pytest
from sqlalchemy import Connection, update

from meeting.apiserver.mail.tables import mail
from tests.support.hub import Browser, Hub, MakeHub

ROOT, ADA, BOB, CAROL = (f"{name}@example.com" for name in ("root", "ada", "bob", "carol"))
MEETINGS = "/api/v1/admin/meetings"


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    return make_hub("--administrator", ROOT)


@pytest.fixture
def root(hub: Hub) -> Browser:
    return hub.sign_in(ROOT)


def titles(root: Browser, query: str = "") -> list[str]:
    found: list[dict[str, Any]] = []
    path: str | None = f"{MEETINGS}?limit=2&{query}"
    while path:
        page = root.get(path).json
        found += page["meetings"]
        path = page["next"]
    return [each["title"] for each in found]


def at(day: int) -> dict[str, str]:
    return {"begin_at": f"2026-12-{day:02}T14:00:00Z", "end_at": f"2026-12-{day:02}T15:00:00Z"}


def test_what_is_to_come_is_found_by_title_owner_and_who_is_invited(hub: Hub, root: Browser) -> None:
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    bob.schedule(title="Third", invitees=[CAROL], **at(9))
    ada.schedule(title="First", invitees=[BOB], **at(7))
    ada.schedule(title="Second of 100 %", invitees=[BOB, CAROL], **at(8))
    ada.instant()
    assert titles(root) == ["First", "Second of 100 %", "Third"]
    assert titles(root, "text=SECOND") == ["Second of 100 %"]
    assert titles(root, "text=0%20%25") == ["Second of 100 %"], "a sign of LIKE is a sign like others"
    assert titles(root, f"text={BOB}") == ["First", "Second of 100 %", "Third"], "owner or invited"
    assert titles(root, f"text={CAROL}") == ["Second of 100 %", "Third"]
    assert titles(root, "text=bob%40") == titles(root, "text=nothing") == []


def test_what_is_over_or_cancelled_is_past(hub: Hub, root: Browser) -> None:
    ada = hub.sign_in(ADA)
    cancelled = ada.schedule(title="Not to be", invitees=[BOB], **at(9))
    assert ada.delete(f"/api/v1/meetings/{cancelled['code']}").status == 204
    ada.schedule(title="To be", **at(10))
    assert titles(root) == ["To be"]
    (past,) = root.get(f"{MEETINGS}?when=past").json["meetings"]
    assert (past["title"], past["cancelled"], past["recurs"]) == ("Not to be", True, False)


def test_whom_the_invitations_reached_and_what_they_answered(hub: Hub, root: Browser) -> None:
    ada, bob = hub.sign_in(ADA), hub.sign_in(BOB)
    bob.patch("/api/v1/me", {"name": "Bob"})
    meeting = ada.schedule(invitees=[BOB, CAROL])
    assert bob.post(f"/api/v1/meetings/{meeting['code']}/reply", {"answer": "accepted"}).status < 300

    def fail(transaction: Connection) -> None:
        to_carol = update(mail).where(mail.c.recipient == CAROL)
        transaction.execute(to_carol.values(state="failed", last_error="550 5.1.1 no such user"))

    hub.sql(fail)
    (found,) = root.get(MEETINGS).json["meetings"]
    assert (found["owner"]["email"], found["code"]) == (ADA, meeting["code"])
    assert [found[each] for each in ("invited", "accepted", "declined", "not_reached")] == [2, 1, 0, 1]
    invitations = root.get(f"{MEETINGS}/{found['id']}/invitations").json["invitations"]
    assert [(each["email"], each["name"], each["reply"]) for each in invitations] == [
        (BOB, "Bob", "accepted"),
        (CAROL, "", "none"),
    ]
    assert [each["delivery"]["state"] for each in invitations] == ["sent", "failed"]
    assert invitations[1]["delivery"]["trouble"] == "unknown-address"


def test_a_meeting_that_is_not_there_has_no_invitations(hub: Hub, root: Browser) -> None:
    instant = hub.sign_in(ADA).instant()
    for meeting_id in ("0" * 32, instant["id"]):
        assert root.get(f"{MEETINGS}/{meeting_id}/invitations").status == 404
