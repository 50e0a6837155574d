"""A mail as mail programs get it, and what the replies of mail servers mean."""

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting.apiserver.mail.message import write_message
from meeting.apiserver.mail.rules import (
    NO_SERVER,
    TOO_LATE,
    Outcome,
    Rests,
    Trouble,
    delay_after,
    judge_recipient,
    parse_domains,
    serves,
    trouble_of,
)
from meeting.apiserver.mail.sender import Outgoing, Report
from meeting.apiserver.mail.smtp import SmtpServer
from meeting.apiserver.mail.use_cases import Calendar
from meeting.apiserver.schema import utc_now
from meeting.apiserver.settings.use_cases import Image
from tests.support.hub import InstantReactor

BOB = "bob@example.com"
SENT, NOT_NOW, REFUSED = Report(Outcome.SENT), Report(Outcome.NOT_NOW, "421 later"), Report(Outcome.REFUSED, "550 no")


@pytest.mark.parametrize(
    ("detail", "trouble"),
    [
        ("550 5.1.1 no such user", Trouble.ADDRESS),
        ("550 nobody here", Trouble.ADDRESS),
        ("550 5.1.2 no such domain", Trouble.DOMAIN),
        ("552 5.2.2 over quota", Trouble.MAILBOX_FULL),
        ("554 5.7.1 looks like spam", Trouble.NOT_ACCEPTED),
        ("552 5.3.4 too big", Trouble.TOO_LARGE),
        ("554 no", Trouble.REFUSED),
        ("", Trouble.REFUSED),
        (TOO_LATE, Trouble.TOO_LATE),
        (NO_SERVER, Trouble.NO_SERVER),
    ],
)
def test_what_a_refusal_means(detail: str, trouble: Trouble) -> None:
    assert trouble_of(detail) is trouble


@given(st.text(max_size=60))
def test_any_reply_means_something(detail: str) -> None:
    assert trouble_of(detail) in Trouble


@given(st.text(max_size=60))
def test_any_domains_are_read_or_refused_with_words(text: str) -> None:
    try:
        domains = parse_domains(text)
    except ValueError as error:
        assert str(error).startswith("write ")
    else:
        assert domains
        serves(domains, "a@example.com")


def test_delays_grow_to_half_an_hour() -> None:
    delays = [delay_after(n).total_seconds() for n in range(1, 60)]
    assert delays[:4] == [5, 10, 20, 40]
    assert delays == sorted(delays)
    assert delays[-1] == 1800


def test_resting_servers_come_last_and_a_success_ends_the_rest() -> None:
    now = utc_now(InstantReactor())
    rests = Rests(3)
    rests.failed(0, now)
    assert rests.order(now) == [1, 2, 0]
    rests.failed(1, now)
    rests.failed(1, now)
    assert rests.order(now) == [2, 0, 1]
    assert rests.order(now + timedelta(seconds=1)) == [0, 2, 1]
    rests.worked(1)
    assert rests.order(now) == [1, 2, 0]
    for _ in range(50):
        rests.failed(2, now)
    assert rests.order(now + timedelta(minutes=5)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("code", "outcome"), [(250, Outcome.SENT), (451, Outcome.DEFERRED), (550, Outcome.REFUSED), (-1, Outcome.DEFERRED)]
)
def test_replies_to_a_recipient(code: int, outcome: Outcome) -> None:
    assert judge_recipient(code) is outcome


def test_a_message_is_what_mail_programs_expect() -> None:
    now = utc_now(InstantReactor())
    letter = Outgoing("0" * 32, BOB, "Größe", "Grüße\n.\nEnde", now, 0, now, reply_to="ada@example.com")
    data = write_message(letter, "Meetings <meet@example.com>")
    assert all(len(line) <= 998 for line in data.split(b"\n"))
    parsed: Any = message_from_bytes(data, policy=default)
    assert parsed["Subject"] == "Größe"
    assert parsed["To"] == BOB
    assert parsed["From"] == "Meetings <meet@example.com>"
    assert parsed["Message-ID"] == f"<{'0' * 32}@example.com>"
    assert parsed["Date"].datetime == now
    assert parsed["Reply-To"] == "ada@example.com"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed.get_content().splitlines() == ["Grüße", ".", "Ende"]


CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\n"
    "DTSTAMP:20261123T120000Z\r\nDTSTART:20261123T140000Z\r\nSUMMARY:Größe\r\n"
    "ORGANIZER;CN=Ada:mailto:meet@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def invitation_from(sender: str) -> Any:
    now = utc_now(InstantReactor())
    calendar = Calendar("REQUEST", CALENDAR)
    letter = Outgoing("0" * 32, BOB, "S", "T", now, 0, now, html="<p>Größe</p>", calendar=calendar)
    return message_from_bytes(write_message(letter, sender), policy=default)


def test_an_invitation_has_its_calendar_where_mail_programs_look_for_it() -> None:
    message = invitation_from("meet@example.com")
    assert message.get_content_type() == "multipart/mixed"
    alternative, attachment = message.iter_parts()
    assert [part.get_content_type() for part in alternative.iter_parts()] == [
        "text/plain",
        "text/html",
        "text/calendar",
    ]
    calendar = list(alternative.iter_parts())[2]
    assert (calendar.get_param("method"), calendar.get_param("charset")) == ("REQUEST", "utf-8")
    assert calendar.get_payload(decode=True).decode() == CALENDAR, "lines end in CRLF"
    assert (attachment.get_content_type(), attachment.get_filename()) == ("application/ics", "invite.ics")
    assert attachment.get_payload(decode=True).decode() == CALENDAR


def test_a_logo_is_beside_the_html_that_shows_it_and_nothing_else_changes() -> None:
    now = utc_now(InstantReactor())
    plain = Outgoing("0" * 32, BOB, "S", "T", now, 0, now, html="<p>H</p>", calendar=Calendar("REQUEST", CALENDAR))
    letter = replace(plain, logo="ab" * 32, picture=Image("image/png", b"\x89PNG"))
    message: Any = message_from_bytes(write_message(letter, "meet@example.com"), policy=default)
    alternative, attachment = message.iter_parts()
    text, related, calendar = alternative.iter_parts()
    html, logo = related.iter_parts()
    assert (text.get_content().strip(), html.get_content().strip()) == ("T", "<p>H</p>")
    assert related.get_content_type() == "multipart/related"
    assert (logo.get_content_type(), logo.get_content()) == ("image/png", b"\x89PNG")
    assert logo["Content-ID"] == f"<{'ab' * 16}@picture>"
    assert logo.get_content_disposition() == "inline"
    assert (calendar.get_content_type(), attachment.get_filename()) == ("text/calendar", "invite.ics")


def test_a_server_with_another_sender_sends_on_behalf_of_the_organizer() -> None:
    message = invitation_from("Meetings <other@example.org>")
    calendar = message.get_body(("calendar",)) or list(next(message.iter_parts()).iter_parts())[2]
    text = calendar.get_payload(decode=True).decode().replace("\r\n ", "")
    assert 'ORGANIZER;CN=Ada;SENT-BY="mailto:other@example.org":mailto:meet@example.com' in text


def test_a_server_shows_no_password() -> None:
    assert "hunter2" not in repr(SmtpServer("mail.example.com", 587, "meet", "hunter2", "meet@example.com"))
