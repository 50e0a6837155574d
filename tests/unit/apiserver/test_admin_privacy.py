"""What is kept of people: given out whole, forgotten for good, and nothing for longer than was decided."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from meeting.apiserver.admin.personal import tables
from meeting.apiserver.migrations import schema
from meeting.apiserver.schema import utc_now
from meeting.apiserver.settings.rules import RETENTION_KINDS
from tests.support.hub import Browser, Hub, MakeHub

ADA, GRACE = "ada@example.com", "grace@example.com"


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    return make_hub("--administrator", ADA)


@pytest.fixture
def ada(hub: Hub) -> Browser:
    return hub.sign_in(ADA)


def written(hub: Hub, browser: Browser) -> str:
    """A meeting of somebody in which they have said something; its code."""
    hub.beat("sfu", "1.sfu.example.com:443")
    hub.beat("fs", "fs.example.com:443")
    code = str(browser.schedule(invitees=["linus@example.com"])["code"])
    assert browser.post(f"/api/v1/meetings/{code}/join", {"device": "abcdefgh"}).status == 200
    assert browser.post(f"/api/v1/meetings/{code}/chat", {"id": "0" * 32, "text": "Hello"}).status == 201
    body = {"name": "a.png", "type": "image/png", "size": 10}
    assert browser.post(f"/api/v1/meetings/{code}/files", body).status == 201
    return code


def test_an_export_holds_what_somebody_has_left_everywhere_and_no_secret(hub: Hub, ada: Browser) -> None:
    grace = hub.sign_in(GRACE)
    written(hub, grace)
    id = grace.get("/api/v1/me").json["person"]["id"]
    answer = ada.get(f"/api/v1/admin/people/{id}/export")
    assert "attachment" in answer.headers["Content-Disposition"]
    found = answer.json
    assert {"person", "meeting", "member", "chat_message", "file", "session", "audit_entry"} <= set(found)
    assert found["person"][0]["email"] == GRACE and found["chat_message"][0]["text"] == "Hello"
    assert not [name for rows in found.values() for row in rows for name in row if "hash" in name or "digest" in name]
    assert all(row.get("author_id") == id for row in found["chat_message"])
    log = ada.get("/api/v1/admin/audit?word=person.export").json["entries"]
    assert log[0]["target"]["email"] == GRACE


def test_whoever_is_erased_is_named_nowhere_and_comes_back_as_somebody_new(hub: Hub, ada: Browser) -> None:
    grace = hub.sign_in(GRACE)
    code = written(hub, grace)
    id = grace.get("/api/v1/me").json["person"]["id"]
    path = f"/api/v1/admin/people/{id}/erase"
    assert ada.post(path, {"email": "wrong@example.com"}).problem == "bad-request"
    assert grace.get("/api/v1/me").json["person"] is not None
    erased = ada.post(path, {"email": GRACE})
    assert erased.status == 200, erased.body
    assert erased.json["name"] == "Erased person" and erased.json["erased_at"] is not None
    assert grace.get("/api/v1/me").json["person"] is None
    assert next(mail["subject"] for mail in hub.mails() if mail["to"] == "linus@example.com").startswith("Cancel")

    def everything(transaction: Connection) -> dict[str, str]:
        rows = {table.name: repr(transaction.execute(table.select()).all()) for table in schema().sorted_tables}
        # The mails that told others of it are theirs, and go when mails go.
        return {name: text for name, text in rows.items() if name != "mail"}

    left = hub.sql(everything)
    assert [name for name, text in left.items() if GRACE in text] == []
    assert "Hello" in left["chat_message"] and "Erased person" in left["chat_message"]
    assert ada.post(path, {"email": GRACE}).problem == "conflict"
    assert ada.get(f"/api/v1/meetings/{code}").json["state"] == "cancelled"
    assert hub.sign_in(GRACE).get("/api/v1/me").json["person"]["id"] != id


def test_every_column_that_refers_to_a_person_is_known_as_one() -> None:
    known = {table.name for table in tables()}
    for table in schema().sorted_tables:
        for key in table.foreign_keys:
            if key.column.table.name == "person":
                assert table.name in known, f"{table.name}.{key.parent.name}: name it as admin/personal.py knows it"
        for column in table.columns:
            if column.name.endswith("email"):
                assert table.name in known, f"{table.name}.{column.name}: name it as admin/personal.py knows it"


def test_a_sweep_removes_what_the_preview_counts_and_nothing_else(hub: Hub, ada: Browser) -> None:
    grace = hub.sign_in(GRACE)
    code = written(hub, grace)
    hub.clock.advance(40 * 86400)
    ada = hub.sign_in(ADA)
    retention = {"chat": 30, "files": 30, "meetings": None, "mails": 3650, "sessions": 3650, "guests": None}
    before = ada.post("/api/v1/admin/retention/preview", retention).json["rows"]
    assert before == {"chat": 1, "files": 1, "mails": 0, "sessions": 0}
    answer = ada.patch("/api/v1/admin/settings", {"version": 0, "values": {"retention": retention}})
    assert answer.status == 200, answer.body
    file = hub.sql(lambda tx: tx.exec_driver_sql("SELECT lower(hex(id)) FROM file").scalar())
    night(hub)
    # The fsserver does not answer: the row waits, the rest is gone.
    left = ada.post("/api/v1/admin/retention/preview", retention).json["rows"]
    assert left == {"chat": 0, "files": 1, "mails": 0, "sessions": 0}
    hub.agent.answers[f"https://fs.example.com:443/objects/{file}"] = (204, b"")
    night(hub)
    assert ada.post("/api/v1/admin/retention/preview", retention).json["rows"]["files"] == 0
    asked = next(each for each in hub.agent.diary if each.method == "DELETE")
    assert f"/objects/{file}?meeting=" in asked.url and "signature=" in asked.url
    assert hub.sign_in(GRACE).get(f"/api/v1/meetings/{code}").status == 200
    log = ada.get("/api/v1/admin/audit?word=retention").json["entries"]
    assert log[0]["actor_kind"] == "hub" and log[0]["details"]["removed"]["files"] == 1


def test_a_meeting_goes_with_everything_in_it(hub: Hub, ada: Browser) -> None:
    grace = hub.sign_in(GRACE)
    code = written(hub, grace)
    hub.sql(lambda tx: tx.exec_driver_sql("DELETE FROM file"))
    hub.clock.advance(400 * 86400)
    ada = hub.sign_in(ADA)
    body = {"version": 0, "values": {"retention": {"meetings": 365}}}
    assert ada.patch("/api/v1/admin/settings", body).status == 200
    night(hub)
    assert ada.get(f"/api/v1/meetings/{code}").problem == "not-found"
    for name in ("meeting", "invitee", "member", "chat_message"):
        assert hub.sql(lambda tx, name=name: tx.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar()) == 0, name


def night(hub: Hub) -> None:
    """The next night."""
    now = utc_now(hub.clock)
    midnight = now.replace(hour=2, minute=0, second=0, microsecond=0) + timedelta(days=1)
    hub.clock.advance((midnight - now).total_seconds())
    hub.clock.pump([60] * 15)


def test_every_kind_has_something_that_can_be_over() -> None:
    from datetime import UTC, datetime

    from meeting.apiserver.admin.retention import over

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert all(over(kind, moment, moment) for kind in RETENTION_KINDS)
