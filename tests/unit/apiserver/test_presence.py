"""What sfuservers report about their rooms: attendance, and whether a meeting is running."""

import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

import jwt
import pytest

from tests.support.hub import Answer, Browser, Hub

PATH = "/api/v1/webhooks/sfu"
ADA = "ada@example.com"
SFU = "1.sfu.example.com:443"


def signed(hub: Hub, body: bytes, **claims: Any) -> str:
    now = int(hub.clock.seconds())
    whole = {
        "iss": "meeting",
        "nbf": now,
        "exp": now + 300,
        "sha256": b64encode(sha256(body).digest()).decode(),
        **claims,
    }
    return jwt.encode(
        {name: value for name, value in whole.items() if value is not None}, hub.secret.token_key, "HS256"
    )


def post(hub: Hub, body: bytes, header: str | None) -> Answer:
    headers = {"Content-Type": "application/webhook+json"}
    return hub.request(
        "POST", PATH, body=body, headers=headers if header is None else headers | {"Authorization": header}
    )


def report(hub: Hub, event: str, meeting: dict[str, Any], sid: str = "PA_1", *, ago: int = 0) -> None:
    body = json.dumps(
        {
            "event": event,
            "id": f"EV_{event}_{sid}",
            "createdAt": str(int(hub.clock.seconds()) - ago),
            "room": {"sid": "RM_1", "name": meeting["id"]},
            "participant": {"sid": sid, "identity": f"someone:{sid}", "name": "Someone"},
            "a_field_of_a_newer_version": 1,
        }
    ).encode()
    assert post(hub, body, signed(hub, body)).status == 200


def stays(hub: Hub) -> list[tuple[str, bool]]:
    """Each stay's id, and whether it is over."""

    def read(transaction: Any) -> list[tuple[str, bool]]:
        from meeting.apiserver.meetings.tables import attendance

        rows = transaction.execute(attendance.select().order_by(attendance.c.stay))
        return [(row.stay, row.left_at is not None) for row in rows]

    found: list[tuple[str, bool]] = hub.sql(read)
    return found


@pytest.fixture
def ada(hub: Hub) -> Browser:
    hub.beat("sfu", SFU)
    hub.clock.advance(1)
    return hub.sign_in(ADA)


def state(browser: Browser, meeting: dict[str, Any]) -> str:
    return str(browser.get(f"/api/v1/meetings/{meeting['code']}").json["state"])


def join(browser: Browser, meeting: dict[str, Any]) -> None:
    assert browser.post(f"/api/v1/meetings/{meeting['code']}/join", {"device": "abcd1234"}).status == 200


def test_a_meeting_is_running_while_somebody_is_there(hub: Hub, ada: Browser) -> None:
    meeting = ada.schedule()
    report(hub, "participant_joined", meeting, "PA_1")
    report(hub, "participant_joined", meeting, "PA_2")
    assert state(ada, meeting) == "running"
    report(hub, "participant_left", meeting, "PA_1")
    assert state(ada, meeting) == "running"
    report(hub, "participant_left", meeting, "PA_2")
    assert state(ada, meeting) == "scheduled"
    assert stays(hub) == [("PA_1", True), ("PA_2", True)]


def test_a_scheduled_meeting_is_over_when_the_last_one_leaves_after_its_end(hub: Hub, ada: Browser) -> None:
    meeting = ada.schedule()
    report(hub, "participant_joined", meeting)
    hub.clock.advance(4 * 3600)
    hub.beat("sfu", SFU)
    assert state(ada, meeting) == "running", "it runs over"
    report(hub, "room_finished", meeting)
    assert state(ada, meeting) == "ended"


def test_an_instant_meeting_goes_on_another_time(hub: Hub, ada: Browser) -> None:
    meeting = ada.instant()
    report(hub, "participant_joined", meeting)
    report(hub, "room_finished", meeting)
    assert state(ada, meeting) == "scheduled"


def test_reports_may_come_twice_and_out_of_order(hub: Hub, ada: Browser) -> None:
    meeting = ada.instant()
    report(hub, "participant_left", meeting, "PA_1")
    report(hub, "participant_joined", meeting, "PA_1", ago=5)
    report(hub, "participant_joined", meeting, "PA_1")
    report(hub, "participant_left", meeting, "PA_1")
    assert stays(hub) == [("PA_1", True)]
    assert state(ada, meeting) == "scheduled"


def test_an_ended_meeting_is_not_set_running_by_a_late_report(hub: Hub, ada: Browser) -> None:
    meeting = ada.schedule()
    report(hub, "participant_joined", meeting, "PA_1")
    ada.post(f"/api/v1/meetings/{meeting['code']}/end")
    assert stays(hub) == [("PA_1", True)]
    report(hub, "participant_joined", meeting, "PA_2")
    assert state(ada, meeting) == "ended"


def test_everybody_has_left_a_server_that_died(hub: Hub, ada: Browser) -> None:
    meeting = ada.schedule()
    join(ada, meeting)
    report(hub, "participant_joined", meeting)
    hub.beat("sfu", SFU)
    hub.clock.advance(9)
    assert state(ada, meeting) == "running"
    hub.clock.advance(7)
    assert state(ada, meeting) == "scheduled"
    assert stays(hub) == [("PA_1", True)]


def test_everybody_has_left_a_server_that_started_anew(hub: Hub, ada: Browser) -> None:
    meeting = ada.schedule()
    join(ada, meeting)
    report(hub, "participant_joined", meeting)
    hub.clock.advance(4)
    hub.beat("sfu", SFU, instance="f" * 32)
    hub.clock.advance(5)
    hub.beat("sfu", SFU, instance="f" * 32)
    assert state(ada, meeting) == "scheduled"


def test_nobody_has_left_a_server_that_lives(hub: Hub, ada: Browser) -> None:
    meeting = ada.schedule()
    join(ada, meeting)
    report(hub, "participant_joined", meeting)
    for _ in range(20):
        hub.clock.advance(3)
        hub.beat("sfu", SFU)
    assert state(ada, meeting) == "running"


def test_a_room_that_is_no_meeting_is_not_ours(hub: Hub, ada: Browser) -> None:
    report(hub, "participant_joined", {"id": "0" * 32})
    report(hub, "participant_left", {"id": "0" * 32})
    report(hub, "room_finished", {"id": "0" * 32})
    report(hub, "participant_joined", {"id": "a room made with the LiveKit libraries"})
    assert stays(hub) == []


def test_a_report_that_is_not_signed_as_it_is_changes_nothing(hub: Hub, ada: Browser) -> None:
    meeting = ada.instant()
    body = json.dumps(
        {"event": "participant_joined", "room": {"name": meeting["id"]}, "participant": {"sid": "PA_1"}}
    ).encode()
    now = int(hub.clock.seconds())
    digest = b64encode(sha256(body).digest()).decode()
    headers = [
        None,
        "",
        "Bearer x",
        signed(hub, body + b" "),
        signed(hub, body, sha256=None),
        signed(hub, body, sha256=7),
        signed(hub, body, exp=now - 100),
        signed(hub, body, exp="soon"),
        signed(hub, body, exp=None),
        signed(hub, body, nbf=now + 100),
        signed(hub, body, iss="somebody"),
        jwt.encode({"iss": "meeting", "exp": now + 60, "sha256": digest}, "another key, of thirty-two bytes", "HS256"),
        jwt.encode({"iss": "meeting", "exp": now + 60, "sha256": digest}, "", "none"),
    ]
    for header in headers:
        answer = post(hub, body, header)
        assert (answer.status, answer.problem) == (401, "signature"), header
    assert stays(hub) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"event": 7}', b"\xff\xfe", b"{" * 10_000, b'{"createdAt": "x"}'])
def test_a_signed_report_that_is_none_is_refused(hub: Hub, body: bytes) -> None:
    answer = post(hub, body, signed(hub, body))
    assert (answer.status, answer.problem) == (400, "bad-request")


def test_a_moment_no_calendar_has_is_now(hub: Hub, ada: Browser) -> None:
    meeting = ada.instant()
    for sid, created in (("PA_1", "9223372036854775807"), ("PA_2", "-5"), ("PA_3", "0")):
        report_ = {"event": "participant_joined", "createdAt": created, "room": {"name": meeting["id"]}}
        body = json.dumps(report_ | {"participant": {"sid": sid}}).encode()
        assert post(hub, body, signed(hub, body)).status == 200
    assert [sid for sid, _ in stays(hub)] == ["PA_1", "PA_2", "PA_3"]
