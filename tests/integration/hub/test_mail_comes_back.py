"""A mail server takes an invitation and cannot deliver it: its notice comes back to the hub, and the host sees it."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.integration.minutes.hubs import Hub
from tests.support.processes import free_port
from tests.unit.apiserver.test_mail_returns import REPORT

ADA, BOB = "ada@example.com", "bob@example.org"
WITHIN = 20.0


class Relay:
    """Takes every mail: its envelope's sender and its text, by recipient."""

    def __init__(self) -> None:
        self.taken: dict[str, tuple[str, str]] = {}

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message: Any = message_from_bytes(envelope.content, policy=policy.default)
        text = "\n".join(message.get_body(("plain",)).get_content().splitlines())
        self.taken[envelope.rcpt_tos[0]] = (envelope.mail_from, text)
        return "250 taken"

    def to(self, address: str) -> tuple[str, str]:
        """The last mail to somebody."""
        end = monotonic() + WITHIN
        while address not in self.taken:
            assert monotonic() < end, f"nothing came for {address}"
            sleep(0.05)
        return self.taken[address]


@pytest.fixture
def relay() -> Iterator[tuple[Relay, int]]:
    """A mail server, and its port."""
    relay = Relay()
    controller = Controller(relay, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield relay, int(controller.port)
    controller.stop()


def test_the_host_sees_whom_an_invitation_did_not_reach(tmp_path: Path, relay: tuple[Relay, int]) -> None:
    server, port = relay
    door = free_port()
    mail = {"mailServer": ["127.0.0.1"], "mailPort": [port], "mailFrom": ["meet@example.com"]}
    returns = {"bounceAddress": "bounces@meet.example.com", "bounceListen": f"127.0.0.1:{door}"}
    hub = Hub(tmp_path, **{**mail, **returns, "demo": False})
    hub.start()
    try:
        assert hub.request("POST", "/api/v1/sign-in/codes", {"email": ADA})[0] == 202
        code = re.search(r"^ +(\d{6})$", server.to(ADA)[1], re.MULTILINE)
        assert code
        status, _, cookie = hub.request("POST", "/api/v1/sign-in", {"email": ADA, "code": code[1]})
        assert status == 200
        times = {"begin_at": "2031-11-23T14:00:00Z", "end_at": "2031-11-23T15:00:00Z"}
        wanted = {"kind": "scheduled", "title": "Plans", "invitees": [BOB], **times}
        path = f"/api/v1/meetings/{hub.request('POST', '/api/v1/meetings', wanted, cookie)[1]['code']}"
        sender, _ = server.to(BOB)
        assert re.fullmatch(r"bounces\+[a-z2-7]+@meet\.example\.com", sender)
        with smtplib.SMTP("127.0.0.1", door, timeout=WITHIN) as notice:
            notice.sendmail("", [sender], REPORT)
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                notice.sendmail("", ["bounces@meet.example.com"], REPORT)
        (bob,) = hub.request("GET", path, cookie=cookie)[1]["invitees"]
        assert (bob["delivery"]["state"], bob["delivery"]["trouble"]) == ("failed", "unknown-address")
    finally:
        hub.kill()
