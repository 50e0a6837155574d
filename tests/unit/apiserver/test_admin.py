"""What administrators see and do: people, servers, mails, live meetings; and that nobody else does."""

import json

import pytest

from tests.support.hub import Browser, Hub, MakeHub
from tests.unit.apiserver.reports import report_of

ADA, GRACE, LINUS = "ada@example.com", "grace@example.com", "linus@example.com"


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    """A hub that Ada looks after."""
    return make_hub("--administrator", ADA)


@pytest.fixture
def ada(hub: Hub) -> Browser:
    return hub.sign_in(ADA)


def id_of(browser: Browser) -> str:
    return str(browser.get("/api/v1/me").json["person"]["id"])


def words(browser: Browser, query: str = "") -> list[str]:
    """The words of the audit log, the newest first."""
    return [entry["word"] for entry in browser.get(f"/api/v1/admin/audit?limit=200{query}").json["entries"]]


# -- who may ---


def test_only_administrators_come_in(hub: Hub, ada: Browser) -> None:
    grace = hub.sign_in(GRACE)
    someone = id_of(ada)
    calls = [
        ("GET", "/api/v1/admin/overview", None),
        ("GET", "/api/v1/admin/people", None),
        ("PUT", f"/api/v1/admin/people/{someone}/administrator", {"administrator": False}),
        ("POST", f"/api/v1/admin/people/{someone}/block", None),
        ("GET", f"/api/v1/admin/people/{someone}/export", None),
        ("POST", f"/api/v1/admin/people/{someone}/erase", {"email": ADA}),
        ("GET", "/api/v1/admin/audit", None),
        ("GET", "/api/v1/admin/settings", None),
        ("PATCH", "/api/v1/admin/settings", {"version": 0, "values": {"name": "Mine"}}),
        ("GET", "/api/v1/admin/webhooks", None),
        ("POST", "/api/v1/admin/webhooks", {"url": "https://example.com", "events": ["meeting.created"]}),
        ("GET", "/api/v1/admin/mails", None),
        ("GET", "/api/v1/admin/usage?month=2026-11", None),
    ]
    for method, path, body in calls:
        assert grace.request(method, path, body).problem == "forbidden", path
        assert hub.browser().request(method, path, body).problem == "sign-in-needed", path
    refused = ada.get("/api/v1/admin/audit?outcome=refused&limit=200").json["entries"]
    assert {"person.block", "person.erase", "settings.change"} <= {entry["word"] for entry in refused}
    assert refused[0]["details"]["problem"] == "sign-in-needed"


def test_the_last_administrator_stays_one(hub: Hub, ada: Browser) -> None:
    path = f"/api/v1/admin/people/{id_of(ada)}/administrator"
    assert ada.request("PUT", path, {"administrator": False}).problem == "last-administrator"
    grace = hub.sign_in(GRACE)
    grace_path = f"/api/v1/admin/people/{id_of(grace)}/administrator"
    assert ada.request("PUT", grace_path, {"administrator": True}).json["administrator"] is True
    assert ada.request("PUT", path, {"administrator": False}).status == 200
    assert ada.get("/api/v1/admin/overview").problem == "forbidden"
    assert grace.request("PUT", grace_path, {"administrator": False}).problem == "last-administrator"
    assert words(grace)[:2] == ["person.administrator", "person.administrator"]


# -- people ---


def test_people_are_found_by_address_and_name_page_by_page(hub: Hub, ada: Browser) -> None:
    for number in range(4):
        hub.sign_in(f"someone{number}@example.com")
    found = ada.get("/api/v1/admin/people?search=SOMEONE&limit=3").json
    assert [person["email"] for person in found["people"]] == [f"someone{n}@example.com" for n in (3, 2, 1)]
    rest = ada.get(found["next"]).json
    assert [person["email"] for person in rest["people"]] == ["someone0@example.com"] and rest["next"] is None
    assert [person["name"] for person in ada.get("/api/v1/admin/people?administrators=true").json["people"]] == ["Ada"]
    assert found["people"][0]["sessions"] == 1
    # What a LIKE would take for "anything" is looked for as it is.
    assert ada.get("/api/v1/admin/people?search=%25").json["people"] == []


def test_who_is_blocked_is_out_and_stays_out(hub: Hub, ada: Browser) -> None:
    grace = hub.sign_in(GRACE)
    path = f"/api/v1/admin/people/{id_of(grace)}"
    assert ada.post(f"{path}/block").json["blocked_at"] is not None
    assert grace.get("/api/v1/me").json["person"] is None
    browser = hub.browser()
    browser.post("/api/v1/sign-in/codes", {"email": GRACE})
    again = browser.post("/api/v1/sign-in", {"email": GRACE, "code": hub.code_for(GRACE)})
    assert again.problem == "blocked"
    assert browser.get("/api/v1/me").json["person"] is None
    assert ada.post(f"{path}/unblock").json["blocked_at"] is None
    assert hub.sign_in(GRACE).get("/api/v1/me").json["person"]["email"] == GRACE


def test_an_administrator_is_neither_blocked_nor_erased(ada: Browser) -> None:
    path = f"/api/v1/admin/people/{id_of(ada)}"
    assert ada.post(f"{path}/block").problem == "is-administrator"
    assert ada.post(f"{path}/erase", {"email": ADA}).problem == "is-administrator"


def test_signing_somebody_out_ends_all_their_sessions(hub: Hub, ada: Browser) -> None:
    one, other = hub.sign_in(GRACE), hub.sign_in(GRACE)
    path = f"/api/v1/admin/people/{id_of(one)}/sign-out"
    assert ada.post(path).json["sessions"] == 0
    assert all(browser.get("/api/v1/me").json["person"] is None for browser in (one, other))
    assert words(ada)[0] == "person.sign_out"


def test_an_id_of_nobody_is_not_found(ada: Browser) -> None:
    for id in ("0" * 32, "nonsense", "Ａ" * 32):
        assert ada.post(f"/api/v1/admin/people/{id.encode('unicode_escape').decode()}/block").problem == "not-found"


# -- servers, meetings, mails ---


def test_a_drained_server_gets_no_new_meeting_and_keeps_its_own(hub: Hub, ada: Browser) -> None:
    hub.beat("sfu", "1.sfu.example.com:443", load=0.1)
    hub.beat("sfu", "2.sfu.example.com:443", load=0.9)
    first = ada.instant()
    join = {"device": "abcdefgh"}
    url = ada.post(f"/api/v1/meetings/{first['code']}/join", join).json["url"]
    assert url == "wss://1.sfu.example.com:443"
    drain = {"kind": "sfu", "address": "1.sfu.example.com:443", "drained": True}
    assert ada.post("/api/v1/admin/servers/drain", drain).status == 204
    hub.beat("sfu", "1.sfu.example.com:443", load=0.1)  # a heartbeat does not undo it
    assert [server["drained"] for server in ada.get("/api/v1/admin/overview").json["servers"]] == [True, False]
    assert ada.post(f"/api/v1/meetings/{first['code']}/join", join).json["url"] == url
    grace = hub.sign_in(GRACE)
    second = grace.instant()["code"]
    assert grace.post(f"/api/v1/meetings/{second}/join", join).json["url"] == "wss://2.sfu.example.com:443"
    assert ada.post("/api/v1/admin/servers/drain", {**drain, "address": "9.example.com:1"}).problem == "not-found"
    assert words(ada, "&word=server") == ["server.drain"]


def test_a_mail_is_shown_without_its_code_and_can_be_dropped(hub: Hub, ada: Browser) -> None:
    hub.sql(lambda tx: tx.exec_driver_sql("UPDATE mail SET state = 'queued'"))
    mails = ada.get("/api/v1/admin/mails").json["mails"]
    assert mails[0]["recipient"] == ADA and mails[0]["subject"] == ""
    code = hub.sql(lambda tx: tx.exec_driver_sql("SELECT subject FROM mail").scalar())[:6]
    assert code.isdigit() and code not in json.dumps(mails)
    path = f"/api/v1/admin/mails/{mails[0]['id']}"
    assert ada.post(f"{path}/retry").status == 204
    assert ada.delete(path).status == 204
    assert ada.delete(path).problem == "conflict"
    assert ada.post(f"{path}/retry").problem == "conflict"
    assert ada.get("/api/v1/admin/mails?state=dropped").json["mails"][0]["id"] == mails[0]["id"]
    assert hub.sql(lambda tx: tx.exec_driver_sql("SELECT text FROM mail").scalar()) == ""
    assert words(ada, "&outcome=done&word=mail") == ["mail.drop", "mail.retry"]


def test_an_administrator_ends_somebody_elses_meeting(hub: Hub, ada: Browser) -> None:
    meeting = hub.sign_in(GRACE).schedule()
    assert ada.post(f"/api/v1/meetings/{meeting['code']}/end").status == 204
    assert ada.get(f"/api/v1/meetings/{meeting['code']}").json["state"] == "ended"
    entry = ada.get("/api/v1/admin/audit?word=meeting.end").json["entries"][0]
    assert entry["details"]["code"] == meeting["code"] and entry["actor"]["email"] == ADA


# -- the audit log ---


def test_sign_ins_are_in_the_audit_log_good_and_refused(hub: Hub, ada: Browser) -> None:
    browser = hub.browser("198.51.100.7")
    browser.post("/api/v1/sign-in/codes", {"email": GRACE})
    browser.post("/api/v1/sign-in", {"email": GRACE, "code": "000000"})
    hub.sign_in(GRACE, "198.51.100.8")
    good, bad = ada.get("/api/v1/admin/audit?word=session.open&limit=2").json["entries"]
    assert (good["outcome"], good["actor"]["email"], good["source"]) == ("done", GRACE, "198.51.100.8")
    assert (bad["outcome"], bad["actor_kind"], bad["target_text"]) == ("refused", "nobody", GRACE)
    assert bad["source"] == "198.51.100.7" and bad["details"]["problem"] == "wrong-code"
    assert good["request"] and good["at"].endswith("Z")


def test_changes_of_meetings_and_guests_who_join_are_in_it(hub: Hub, ada: Browser) -> None:
    hub.beat("sfu", "1.sfu.example.com:443")
    grace = hub.sign_in(GRACE)
    meeting = grace.schedule(title="Plans")
    grace.patch(f"/api/v1/meetings/{meeting['code']}", {"title": "Better plans"})
    guest = hub.browser()
    joined = guest.post(f"/api/v1/meetings/{meeting['code']}/join", {"device": "abcdefgh", "name": "Eve"})
    assert joined.status == 200, joined.body
    grace.post(f"/api/v1/meetings/{meeting['code']}/join", {"device": "abcdefgh"})
    found = ada.get(f"/api/v1/admin/audit?meeting={meeting['id']}").json["entries"]
    assert [entry["word"] for entry in found] == ["meeting.join", "meeting.change", "meeting.create"]
    assert found[0]["actor_kind"] == "guest" and found[0]["details"]["name"] == "Eve"
    assert found[2]["actor"]["email"] == GRACE and found[2]["target_text"] == "Plans"
    by_grace = ada.get(f"/api/v1/admin/audit?person={GRACE}").json["entries"]
    assert {entry["word"] for entry in by_grace} == {"meeting.change", "meeting.create", "session.open"}
    of_grace = found[2]["actor"]["id"]
    assert ada.get(f"/api/v1/admin/audit?person={of_grace}").json["entries"] == by_grace


@pytest.mark.parametrize("typed", ["g", "grace", "grace%40", "019a0d3c", "nobody%40example.com", "%00"])
def test_what_is_typed_of_an_address_finds_nobody_yet(hub: Hub, ada: Browser, typed: str) -> None:
    hub.sign_in(GRACE)
    for page in ("audit", "audit.csv"):
        answer = ada.get(f"/api/v1/admin/{page}?person={typed}")
        assert answer.status == 200, answer.body
    assert ada.get(f"/api/v1/admin/audit?person={typed}").json["entries"] == []


def test_the_audit_log_is_a_file_without_formulas(hub: Hub, ada: Browser) -> None:
    ada.schedule(title="=HYPERLINK(evil)")
    answer = ada.get("/api/v1/admin/audit.csv?word=meeting")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    text = answer.body.decode("utf-8-sig")
    assert text.splitlines()[0].startswith("at,word,outcome")
    assert "'=HYPERLINK(evil)" in text
    assert words(ada)[0] == "audit.export"


def test_there_is_no_way_to_change_or_remove_an_entry(hub: Hub) -> None:
    methods = {route.method for route in hub.server.api.routes if route.path.startswith("/api/v1/admin/audit")}
    assert methods == {"GET"}


def test_nothing_secret_is_in_the_audit_log(hub: Hub, ada: Browser) -> None:
    made = ada.post("/api/v1/admin/webhooks", {"url": "https://example.com/h", "events": ["meeting.created"]}).json
    ada.post(f"/api/v1/admin/webhooks/{made['webhook']['id']}/secret")
    kept = json.dumps(ada.get("/api/v1/admin/audit?limit=200").json)
    assert made["secret"] not in kept and ada.cookies["meeting_session"] not in kept


# -- usage ---


def test_usage_counts_minutes_people_and_the_peak(hub: Hub, ada: Browser) -> None:
    from datetime import UTC, datetime

    from meeting.apiserver.allocation.tables import allocation
    from meeting.apiserver.meetings.tables import attendance, member
    from meeting.apiserver.schema import new_id, utc_now

    meeting = ada.instant()
    person, guest = id_of(ada), new_id(utc_now(hub.clock))

    def at(day: int, hour: int, minute: int) -> datetime:
        return datetime(2026, 11, day, hour, minute, tzinfo=UTC)

    def write(tx: object) -> None:
        def insert(into: object, **values: object) -> None:
            tx.execute(into.insert().values(**values))  # type: ignore[attr-defined]

        for subject, role in ((person, "host"), (guest, "guest")):
            row = {"name": "x", "role": role, "first_joined_at": at(1, 0, 0)}
            insert(member, meeting_id=meeting["id"], subject_id=subject, **row)
        stays = [
            (person, at(2, 10, 0), at(2, 11, 0)),
            (guest, at(2, 10, 30), at(2, 11, 0)),
            (person, at(2, 11, 0), at(2, 11, 10)),  # comes back as others go: never three
            (guest, datetime(2026, 10, 31, 23, 30, tzinfo=UTC), at(1, 0, 20)),  # only November counts
            (person, at(23, 11, 50), None),  # still there at noon
        ]
        for number, (subject, joined, left) in enumerate(stays):
            row = {"identity": f"{subject}:abcdefgh", "name": "x", "joined_at": joined, "left_at": left}
            insert(attendance, meeting_id=meeting["id"], stay=f"PA_{number}", **row)
        row = {"sfu": "1.sfu.example.com:443", "turn": "", "version": 1, "allocated_at": at(2, 10, 0)}
        insert(allocation, meeting_id=meeting["id"], **row)

    hub.sql(write)
    usage = ada.get("/api/v1/admin/usage?month=2026-11").json
    assert (usage["people"], usage["guests"], usage["meetings"], usage["peak"]) == (1, 1, 1, 2)
    assert usage["participant_minutes"] == 60 + 30 + 10 + 20 + 10
    assert usage["servers"] == {"1.sfu.example.com:443": 130}
    october = ada.get("/api/v1/admin/usage?month=2026-10").json
    assert (october["participant_minutes"], october["peak"], october["guests"]) == (30, 1, 1)
    assert ada.get("/api/v1/admin/usage?month=2027-01").json["participant_minutes"] == 0
    assert "participant minutes,130" in ada.get("/api/v1/admin/usage.csv?month=2026-11").body.decode("utf-8-sig")
    assert ada.get("/api/v1/admin/usage?month=2026-13").problem == "bad-request"


def test_the_overview_counts_who_is_there(hub: Hub, ada: Browser) -> None:
    hub.beat("sfu", "1.sfu.example.com:443", details={"rooms": 1})
    code = ada.instant()["code"]
    joined = ada.post(f"/api/v1/meetings/{code}/join", {"device": "abcdefgh"}).json
    for number in range(2):
        report_of(hub, "participant_joined", joined["meeting"], f"PA_{number}", joined["identity"])
    overview = ada.get("/api/v1/admin/overview").json
    live = overview["meetings"]
    assert [(each["code"], each["people"], each["server"]) for each in live] == [(code, 2, "1.sfu.example.com:443")]
    assert overview["servers"][0]["details"] == {"rooms": 1} and overview["people"] == 1
