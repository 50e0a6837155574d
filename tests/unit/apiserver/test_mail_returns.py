"""Mails that come back: whose they are, what they say, and what the door for them takes."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure

from meeting.apiserver.mail.receiver import LARGEST, MOST_CONNECTIONS, MOST_RECIPIENTS, ReturnsFactory
from meeting.apiserver.mail.returns import ReturnAddresses, return_address, why_returned
from meeting.apiserver.mail.rules import RETURNED, Trouble, trouble_of
from meeting.apiserver.mail.tables import mail
from meeting.apiserver.mail.use_cases import note_returned
from meeting.daemon.errors import PleaseWait
from tests.support.hub import Hub

MAIL = "019a0d3c5e7f7c1e8b2a4d6f8091a2b3"
OURS = ReturnAddresses("bounces@example.com", b"k" * 32)
#: As Postfix writes it.
REPORT = b"""\
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Arrival-Date: Mon, 23 Nov 2026 12:00:00 +0000 (UTC)

Final-Recipient: rfc822; bob@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <bob@example.org>: Recipient address
    rejected: User unknown

--b--
"""


# --- whose it is


def test_each_mail_has_a_return_address_of_its_own_in_whatever_case_it_comes_back() -> None:
    address = OURS.of(MAIL)
    assert address.startswith("bounces+") and address.endswith("@example.com")
    assert len(address.partition("@")[0]) <= 64
    assert OURS.read(address) == OURS.read(address.upper()) == MAIL


@pytest.mark.parametrize(
    "address",
    [
        "bounces@example.com",
        "bounces+@example.com",
        "bob@example.com",
        OURS.of(MAIL).replace("example.com", "example.org"),
        OURS.of(MAIL).replace("+", "+a"),
        OURS.of(MAIL).replace("+a", "+b", 1),
        ReturnAddresses("bounces@example.com", b"x" * 32).of(MAIL),
        ReturnAddresses("others@example.com", b"k" * 32).of(MAIL),
    ],
)
def test_an_address_that_we_did_not_make_is_none_of_ours(address: str) -> None:
    assert address != OURS.of(MAIL)
    assert OURS.read(address) is None


@given(st.text(max_size=80))
def test_no_made_up_address_is_ours(address: str) -> None:
    assert OURS.read(address) is None
    assert OURS.read(f"bounces+{address}@example.com") is None


@pytest.mark.parametrize(
    "text", ["", "bounces", "a b@example.com", "a+b@example.com", "x" * 25 + "@example.com", "é@e.x"]
)
def test_an_address_that_cannot_take_a_token_is_refused_with_words(text: str) -> None:
    with pytest.raises(ValueError, match="write an address"):
        return_address(text)


# --- what it says


def test_a_report_says_why() -> None:
    why = why_returned(REPORT)
    assert why == "5.1.1 550 5.1.1 <bob@example.org>: Recipient address rejected: User unknown"
    assert trouble_of(RETURNED + why) is Trouble.ADDRESS


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"Status: 5.1.1", b"Status: 5.2.2 (full)", "5.2.2 550 5.1.1 <bob"),
        (b"Status: 5.1.1", b"Status: bad", "5.0.0 550 5.1.1 <bob"),
        (b"Diagnostic-Code: smtp;", b"Diagnostic-Code:", "5.1.1 550 5.1.1 <bob"),
        (b"Action: failed", b"Action: FAILED", "5.1.1 550"),
    ],
)
def test_reports_of_other_servers(old: bytes, new: bytes, why: str) -> None:
    found = why_returned(REPORT.replace(old, new))
    assert found is not None and found.startswith(why)


@pytest.mark.parametrize("action", [b"delayed", b"delivered", b"relayed", b"expanded"])
def test_what_is_not_lost_is_not_told(action: bytes) -> None:
    assert why_returned(REPORT.replace(b"failed", action)) is None


def test_an_out_of_office_answer_is_no_return() -> None:
    assert why_returned(b"From: bob@example.org\nAuto-Submitted: auto-replied\n\nI am away. 550 5.1.1\n") is None


@given(st.binary(max_size=400), st.integers(0, len(REPORT)))
def test_whatever_comes_back_is_understood_or_not(noise: bytes, at: int) -> None:
    for content in (noise, REPORT[:at] + noise + REPORT[at:]):
        why = why_returned(content)
        assert why is None or (why.isprintable() and trouble_of(RETURNED + why) in Trouble)


# --- the door


class Door:
    """A mail server that talks to us, in memory."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str]] = []
        self.failure: Exception | None = None
        self.clock = Clock()
        self.factory = ReturnsFactory(OURS, self._returned, "example.com", self.clock)
        self.callers: list[Caller] = []

    async def _returned(self, mail_id: str, why: str) -> bool:
        if self.failure is not None:
            raise self.failure
        self.noted.append((mail_id, why))
        return True

    def connect(self) -> "Caller":
        self.callers.append(Caller(self))
        return self.callers[-1]


class Caller:
    """Its connection."""

    def __init__(self, door: Door) -> None:
        self.transport = StringTransportWithDisconnection()
        self.protocol: Any = door.factory.buildProtocol(self.transport.getPeer())
        self.transport.protocol = self.protocol
        self.protocol.makeConnection(self.transport)

    @property
    def is_open(self) -> bool:
        return bool(self.transport.connected)

    def say(self, *lines: bytes) -> bytes:
        """What is answered to these lines."""
        self.transport.clear()
        self.protocol.dataReceived(b"".join(line + b"\r\n" for line in lines))
        return bytes(self.transport.value())

    def deliver(self, content: bytes, to: str = OURS.of(MAIL)) -> bytes:
        """The last answer to a mail."""
        self.say(b"EHLO mx.example.org", b"MAIL FROM:<>", f"RCPT TO:<{to}>".encode(), b"DATA")
        answer = self.say(*content.splitlines(), b".")
        assert self.say(b"NOOP") or not self.is_open
        return answer


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    for caller in door.callers:
        if caller.is_open:
            caller.transport.loseConnection()
    assert not door.clock.getDelayedCalls()


def test_a_report_is_taken_and_noted(door: Door) -> None:
    caller = door.connect()
    assert caller.transport.value().startswith(b"220 example.com ")
    assert caller.deliver(REPORT).startswith(b"250 ")
    ((mail_id, why),) = door.noted
    assert mail_id == MAIL and why.startswith("5.1.1 ")
    assert caller.deliver(b"Subject: I am away\n\nBack on Monday").startswith(b"250 "), "taken, and of no interest"
    assert len(door.noted) == 1


@pytest.mark.parametrize("to", ["bob@example.com", "bounces@example.com", "bounces+aaaa@example.com"])
def test_it_is_no_relay(door: Door, to: str) -> None:
    caller = door.connect()
    caller.say(b"EHLO x", b"MAIL FROM:<spam@example.net>")
    assert caller.say(f"RCPT TO:<{to}>".encode()).startswith(b"550 ")
    assert caller.say(b"DATA").startswith(b"503 ")


def test_while_the_database_is_away_the_mail_server_tries_again(door: Door) -> None:
    door.failure = PleaseWait(1, "not now")
    assert door.connect().deliver(REPORT).startswith(b"451 ")


def test_a_fault_of_ours_is_logged_and_loses_nothing(door: Door, logged_failures: list[Failure]) -> None:
    door.failure = ZeroDivisionError()
    assert door.connect().deliver(REPORT).startswith(b"451 ")
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()


def test_a_mail_that_is_too_large_is_refused_and_not_kept(door: Door) -> None:
    line = b"x" * 1000
    assert door.connect().deliver(REPORT + b"\n".join([line] * (LARGEST // 1000))).startswith(b"552 ")
    assert door.noted == []


def test_one_mail_has_few_recipients(door: Door) -> None:
    caller = door.connect()
    caller.say(b"EHLO x", b"MAIL FROM:<>")
    answers = caller.say(*[f"RCPT TO:<{OURS.of(MAIL)}>".encode()] * (MOST_RECIPIENTS + 1)).splitlines()
    assert [answer[:3] for answer in answers] == [b"250"] * MOST_RECIPIENTS + [b"550"]


def test_no_more_connections_than_allowed_and_the_silent_are_sent_away(door: Door) -> None:
    callers = [door.connect() for _ in range(MOST_CONNECTIONS)]
    assert not door.connect().is_open
    door.clock.advance(61)
    assert not any(caller.is_open for caller in callers)
    assert door.connect().is_open


@pytest.mark.parametrize(
    "line", [b"AUTH", b"\xff\xfe", b"EHLO", b"STARTTLS", b"MAIL FROM:<\xff>", b"x" * 20000, b"RSET"]
)
def test_what_is_no_smtp_does_no_harm(door: Door, line: bytes) -> None:
    door.connect().say(line)
    assert door.connect().deliver(REPORT).startswith(b"250 ")


@given(st.lists(st.sampled_from([b"EHLO x", b"MAIL FROM:<>", b"RCPT TO:<", b"DATA", b"."]) | st.binary(max_size=40)))
def test_whatever_is_said_nothing_breaks(lines: list[bytes]) -> None:
    door = Door()
    caller = door.connect()
    caller.say(*lines)
    caller.transport.loseConnection()
    assert door.noted == [] and not door.clock.getDelayedCalls()


# --- what the host sees


def settle(hub: Hub, recipient: str, state: str) -> str:
    """The id of the mail to them, which is in this state from now on."""

    def change(transaction: Connection) -> str:
        transaction.execute(update(mail).where(mail.c.recipient == recipient).values(state=state))
        return str(transaction.execute(select(mail.c.id).where(mail.c.recipient == recipient)).scalar_one())

    return str(hub.sql(change))


@pytest.mark.parametrize("state", ["sent", "queued"])
def test_the_host_sees_what_came_back(hub: Hub, state: str) -> None:
    """Also when it came before its sender had noted that it was taken."""
    ada = hub.sign_in("ada@example.com")
    path = f"/api/v1/meetings/{ada.schedule(invitees=['bob@example.com'])['code']}"
    mail_id = settle(hub, "bob@example.com", state)
    assert ada.get(path).json["invitees"][0]["delivery"]["state"] == state
    assert [hub.sql(note_returned, mail_id, "5.1.1 550 no such user") for _ in range(2)] == [True, False]
    delivery = ada.get(path).json["invitees"][0]["delivery"]
    assert delivery == {"state": "failed", "trouble": "unknown-address", "detail": "returned: 5.1.1 550 no such user"}


def test_a_mail_that_was_forgotten_long_ago_may_come_back(hub: Hub) -> None:
    assert hub.sql(note_returned, "0" * 32, "5.1.1 no") is False
