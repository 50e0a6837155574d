"""Webhooks: what happens is told, signed, again until it is heard; never to an address inside."""

import hmac
import json
from base64 import b64decode, b64encode
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.protocol.models import ParticipantInfo

from meeting.apiserver.hooks.rules import PATIENCE, check_url, may_reach
from meeting.daemon.errors import BadRequest
from tests.support.hub import Browser, Hub, MakeHub
from tests.unit.apiserver.reports import report_of

ADA = "ada@example.com"
URL = "https://hooks.example.com/meeting"


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    return make_hub("--administrator", ADA)


@pytest.fixture
def ada(hub: Hub) -> Browser:
    return hub.sign_in(ADA)


def add(ada: Browser, *events: str) -> tuple[str, str]:
    """A webhook's id and secret."""
    made = ada.post("/api/v1/admin/webhooks", {"url": URL, "events": list(events) or ["meeting.created"]})
    assert made.status == 201, made.body
    return made.json["webhook"]["id"], made.json["secret"]


def test_a_delivery_is_signed_and_logged(hub: Hub, ada: Browser) -> None:
    id, secret = add(ada)
    hub.agent.answers[URL] = (204, b"")
    assert ada.post(f"/api/v1/admin/webhooks/{id}/test").status == 202
    hub.clock.advance(1)
    sent = next(asked for asked in hub.agent.diary if asked.url == URL)

    def header(name: str) -> str:
        return str((sent.headers.getRawHeaders(name) or [""])[0])

    body = b'{"type": "webhook.test"'
    assert header("webhook-id").startswith("msg_") and header("webhook-timestamp").isdigit()
    kept = hub.sql(lambda tx: tx.exec_driver_sql("SELECT body FROM webhook_delivery").scalar())
    assert kept.encode().startswith(body)
    signed = f"{header('webhook-id')}.{header('webhook-timestamp')}.{kept}".encode()
    expected = b64encode(hmac.digest(b64decode(secret.removeprefix("whsec_")), signed, "sha256")).decode()
    assert header("webhook-signature") == f"v1,{expected}"
    log = ada.get(f"/api/v1/admin/webhooks/{id}/deliveries").json["deliveries"]
    assert [(one["event"], one["state"], one["status"]) for one in log] == [("webhook.test", "delivered", 204)]


def test_what_is_not_heard_is_told_again_and_after_days_no_more(hub: Hub, ada: Browser) -> None:
    id, _ = add(ada)
    hub.agent.answers[URL] = (500, b"")
    ada.post(f"/api/v1/admin/webhooks/{id}/test")
    hub.clock.advance(1)
    assert len([asked for asked in hub.agent.diary if asked.url == URL]) == 1
    hub.clock.pump([1] * 7)
    assert len([asked for asked in hub.agent.diary if asked.url == URL]) == 2
    hook = ada.get("/api/v1/admin/webhooks").json["webhooks"][0]
    assert hook["enabled"] and hook["failing_since"] is not None
    log = ada.get(f"/api/v1/admin/webhooks/{id}/deliveries").json["deliveries"]
    assert (log[0]["state"], log[0]["attempts"], log[0]["error"]) == ("queued", 2, "answered 500")
    earlier = f"UPDATE webhook SET failing_since = failing_since - {PATIENCE.days * 86400_000_000}"
    hub.sql(lambda tx: tx.exec_driver_sql(earlier))
    hub.clock.pump([1] * 70)
    assert ada.get("/api/v1/admin/webhooks").json["webhooks"][0]["enabled"] is False
    assert ada.patch(f"/api/v1/admin/webhooks/{id}", {"enabled": True}).json["failing_since"] is None


def test_a_receiver_that_does_not_answer_is_given_up_after_ten_seconds(hub: Hub, ada: Browser) -> None:
    id, _ = add(ada)
    ada.post(f"/api/v1/admin/webhooks/{id}/test")
    hub.clock.advance(1)
    assert [asked.url for asked in hub.agent.open] == [URL]
    hub.clock.advance(10)
    hub.clock.advance(0)
    log = ada.get(f"/api/v1/admin/webhooks/{id}/deliveries").json["deliveries"]
    assert log[0]["error"] == "no answer within 10 s"


def test_a_new_secret_takes_the_place_of_the_old_and_neither_is_kept(hub: Hub, ada: Browser) -> None:
    id, first = add(ada)
    second = ada.post(f"/api/v1/admin/webhooks/{id}/secret").json["secret"]
    assert second != first
    rows = hub.sql(lambda tx: repr(tx.exec_driver_sql("SELECT * FROM webhook").all()))
    assert first not in rows and second not in rows
    assert ada.delete(f"/api/v1/admin/webhooks/{id}").status == 204
    assert ada.get("/api/v1/admin/webhooks").json["webhooks"] == []


def test_addresses_that_webhooks_may_not_have_are_refused(ada: Browser) -> None:
    for url in ("http://example.com/", "ftp://example.com/", "https://u:p@example.com/", "nonsense", "https://"):
        answer = ada.post("/api/v1/admin/webhooks", {"url": url, "events": ["meeting.created"]})
        assert answer.problem == "bad-request", url
    assert ada.post("/api/v1/admin/webhooks", {"url": URL, "events": ["nonsense"]}).problem == "bad-request"


def test_deliveries_go_to_public_addresses_and_to_networks_that_were_named() -> None:
    inside = ("127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "::ffff:10.0.0.7", "fd00::1", "64:ff9b::a00:7")
    assert not any(may_reach(ip_address(each), ()) for each in inside)
    assert may_reach(ip_address("8.8.8.8"), ()) and may_reach(ip_address("2606:4700::1111"), ())
    ours = [ip_network("10.0.0.0/8")]
    assert may_reach(ip_address("10.0.0.7"), ours) and may_reach(ip_address("::ffff:10.0.0.7"), ours)
    assert not may_reach(ip_address("192.168.0.1"), ours) and not may_reach(ip_address("127.0.0.1"), ours)


@given(st.text(max_size=60) | st.text("https:/.@[]#?%0123456789abc", max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        found = check_url(text, ())
    except BadRequest:
        return
    assert found.startswith("https://") and found.isascii()


def told(hub: Hub) -> list[tuple[str, str, str]]:
    """What was written down to be told, in its order: the event, the meeting's title, the participant's name."""
    rows = hub.sql(lambda tx: tx.exec_driver_sql("SELECT body FROM webhook_delivery ORDER BY created_at, id").all())
    bodies = [json.loads(row[0]) for row in rows]
    assert "4711" not in str(bodies), "a passcode is told to nobody"
    return [
        (body["type"], body["data"]["meeting"]["title"], body["data"].get("participant", {}).get("name", ""))
        for body in bodies
    ]


def test_what_happens_to_meetings_is_told_to_whoever_wants_to_know(hub: Hub, ada: Browser) -> None:
    add(ada, "meeting.created", "meeting.changed", "meeting.cancelled")
    add(ada, "meeting.cancelled")
    path = f"/api/v1/meetings/{ada.schedule(title='Plan', options={'passcode': '4711'})['code']}"
    assert ada.patch(path, {"title": "Plans"}).status == 200
    for _ in range(2):
        assert ada.delete(path).status == 204
    ada.post("/api/v1/meetings", {"kind": "instant"})
    ada.post("/api/v1/meetings", {"kind": "instant"})
    assert told(hub) == [
        ("meeting.created", "Plan", ""),
        ("meeting.changed", "Plans", ""),
        ("meeting.cancelled", "Plans", ""),
        ("meeting.cancelled", "Plans", ""),
        ("meeting.created", "Ada's meeting", ""),
    ]


def test_who_comes_and_goes_is_told_once_however_often_it_is_reported(hub: Hub, ada: Browser) -> None:
    events = ("meeting.started", "meeting.ended", "participant.joined", "participant.left")
    add(ada, *events)
    hub.beat("sfu", "1.sfu.example.com:443")
    code = ada.instant()["code"]
    joined = ada.post(f"/api/v1/meetings/{code}/join", {"device": "abcdefgh"}).json
    for event in ("participant_joined", "participant_left"):
        for _ in range(2):
            report_of(hub, event, joined["meeting"], "PA_1", joined["identity"], ParticipantInfo(name="Ada"))
    title = "Ada's meeting"
    assert sorted(told(hub)) == sorted(
        [
            ("meeting.started", title, ""),
            ("participant.joined", title, "Ada"),
            ("participant.left", title, "Ada"),
            ("meeting.ended", title, ""),
        ]
    )


def test_where_nobody_is_recorded_nobody_is_told_who_came(hub: Hub, ada: Browser) -> None:
    add(ada, "meeting.started", "participant.joined", "participant.left")
    settings = {"version": 0, "values": {"attendance": False}}
    assert ada.patch("/api/v1/admin/settings", settings).status == 200
    hub.beat("sfu", "1.sfu.example.com:443")
    code = ada.instant()["code"]
    joined = ada.post(f"/api/v1/meetings/{code}/join", {"device": "abcdefgh"}).json
    for event in ("participant_joined", "participant_left"):
        report_of(hub, event, joined["meeting"], "PA_1", joined["identity"])
    assert [event for event, _, _ in told(hub)] == ["meeting.started"]


def test_a_meeting_that_is_ended_is_told_once(hub: Hub, ada: Browser) -> None:
    add(ada, "meeting.ended")
    hub.beat("sfu", "1.sfu.example.com:443")
    code = ada.instant()["code"]
    joined = ada.post(f"/api/v1/meetings/{code}/join", {"device": "abcdefgh"}).json
    report_of(hub, "participant_joined", joined["meeting"], "PA_1", joined["identity"])
    for _ in range(2):
        ada.post(f"/api/v1/meetings/{code}/end")
    report_of(hub, "participant_left", joined["meeting"], "PA_1", joined["identity"])
    assert [event for event, _, _ in told(hub)] == ["meeting.ended"]
