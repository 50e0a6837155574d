"""What docs/operations/api.md shows works: its program is run against a hub, its events are those that are told."""

import json
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest
from livekit.protocol.models import ParticipantInfo

from meeting.apiserver.hooks.rules import Event
from tests.support.hub import ORIGIN, Browser, Hub, MakeHub
from tests.unit.apiserver.reports import report_of

ADA = "ada@example.com"
RECEIVER = "https://booking.example.com/meeting-events"
PAGE = (Path(__file__).parents[3] / "docs" / "operations" / "api.md").read_text()
PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PAYLOADS = {kind: json.loads(body) for kind, body in re.findall(r"```json (\w+)\n(.*?)```", PAGE, re.DOTALL)}


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    return make_hub("--administrator", ADA)


@pytest.fixture
def ada(hub: Hub) -> Browser:
    return hub.sign_in(ADA)


@pytest.fixture
def program(hub: Hub, ada: Browser, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's program knows after it ran, with a token of Ada's, against the hub in memory."""
    scopes = ["meetings:read", "meetings:write", "admin:read", "admin:write"]
    made = ada.post("/api/v1/tokens", {"name": "Booking", "scopes": scopes})
    monkeypatch.setenv("MEETING_HUB", ORIGIN)
    monkeypatch.setenv("MEETING_TOKEN", made.json["secret"])

    def urlopen(request: Request, timeout: float) -> BytesIO:
        method, path = request.get_method(), request.full_url.removeprefix(ORIGIN)
        body = request.data if isinstance(request.data, bytes) else b""
        answer = hub.request(method, path, body=body, headers=dict(request.header_items()))
        assert answer.status < 300, answer.body
        return BytesIO(answer.body)

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    names: dict[str, Any] = {}
    for block in PROGRAM:
        exec(block, names)
    return names


def deliveries(hub: Hub) -> list[tuple[Mapping[str, str], bytes]]:
    """What the receiver got: headers and bodies."""
    hub.clock.advance(2)
    sent = {}
    for asked in hub.agent.diary:
        if asked.url == RECEIVER:
            headers = {name.decode().lower(): values[0].decode() for name, values in asked.headers.getAllRawHeaders()}
            sent[headers["webhook-id"].removeprefix("msg_")] = headers
    rows = hub.sql(lambda tx: tx.exec_driver_sql("SELECT lower(hex(id)), body FROM webhook_delivery").all())
    return [(sent[id], body.encode()) for id, body in rows]


def test_the_program_of_the_page_makes_a_meeting_once_and_finds_it(hub: Hub, ada: Browser, program: Any) -> None:
    assert program["titles"] == ["Figures of the quarter"]
    assert program["link"] == f"{ORIGIN}/m/{program['meeting']['code']}"
    exec(PROGRAM[1], program)
    assert len(ada.get("/api/v1/meetings").json["meetings"]) == 1, "sent again, made once"
    invited = {mail["to"] for mail in hub.mails() if "Quarterly figures" in mail["subject"]}
    assert {"bob@example.com", "eve@example.com"} <= invited


def test_the_receiver_of_the_page_takes_what_the_hub_sends_and_nothing_else(
    hub: Hub, ada: Browser, program: Any
) -> None:
    hub.agent.answers[RECEIVER] = (204, b"")
    ada.schedule()
    ((headers, body),) = deliveries(hub)
    verified, secret, now = program["verified"], program["secret"], hub.clock.seconds()
    assert verified(secret, headers, body, now)["type"] == "meeting.created"
    with pytest.raises(ValueError, match="not from our hub"):
        verified(secret, headers, body.replace(b"Ada", b"Eve"), now)
    with pytest.raises(ValueError, match="not from our hub"):
        verified("whsec_" + "A" * 43 + "=", headers, body, now)
    with pytest.raises(ValueError, match="too old"):
        verified(secret, headers, body, now + 600)


def shape(value: Any) -> Any:
    """Which members there are, and of what kind."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return type(value)


def test_every_event_is_on_the_page_as_it_is_told(hub: Hub, ada: Browser, program: Any) -> None:
    assert set(re.findall(r"`((?:meeting|participant|webhook)\.\w+)`", PAGE)) == {event.value for event in Event}
    hub.agent.answers[RECEIVER] = (204, b"")
    hub.beat("sfu", "1.sfu.example.com:443")
    code = ada.schedule()["code"]
    joined = ada.post(f"/api/v1/meetings/{code}/join", {"device": "abcdefgh"}).json
    for event in ("participant_joined", "participant_left"):
        report_of(hub, event, joined["meeting"], "PA_1", joined["identity"], ParticipantInfo(name="Ada"))
    (hook,) = ada.get("/api/v1/admin/webhooks").json["webhooks"]
    ada.post(f"/api/v1/admin/webhooks/{hook['id']}/test")
    told = {body["type"]: body for body in (json.loads(body) for _, body in deliveries(hub))}
    assert shape(told["meeting.created"]) == shape(told["meeting.started"]) == shape(PAYLOADS["meeting"])
    assert shape(told["meeting.ended"]) == shape(PAYLOADS["meeting"])
    assert shape(told["participant.joined"]) == shape(told["participant.left"]) == shape(PAYLOADS["participant"])
    assert shape(told["webhook.test"]) == shape(PAYLOADS["test"])
