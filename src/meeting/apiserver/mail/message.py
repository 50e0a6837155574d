"""A mail as RFC 5322 text with its parts.

    multipart/mixed             only with a calendar
      multipart/alternative     only with HTML or a calendar
        text/plain
        multipart/related       only with a logo (RFC 2387)
          text/html
          image/…               found by its Content-ID: nothing is fetched from anywhere
        text/calendar; method=  RFC 6047: what Outlook, Google and Apple show as an invitation
      application/ics           the same as invite.ics, for programs that know files only

A calendar names the organizer by the address that mails are sent from (docs/decisions/0006): that is what a calendar
program compares. A server with another From sends on behalf of it: SENT-BY (RFC 5545 section 3.2.18).
"""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from icalendar import Calendar as Components

from meeting.apiserver.mail.rules import content_id
from meeting.apiserver.mail.sender import Outgoing


def write_message(letter: Outgoing, sender: str) -> bytes:
    """The mail as bytes; its lines end in LF, which twisted.mail makes CRLF on the way."""
    address = parseaddr(sender)[1]
    message = EmailMessage(policy=SMTP.clone(linesep="\n"))
    message["From"] = sender
    message["To"] = letter.recipient
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.created_at)
    message["Message-ID"] = f"<{letter.id}@{address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    message["Content-Language"] = letter.language
    if letter.reply_to:
        message["Reply-To"] = letter.reply_to
    message.set_content(letter.text)
    if letter.html:
        message.add_alternative(letter.html, subtype="html")
        html = message.get_body(("html",))
        if html is not None and letter.logo and letter.picture:
            kind, _, subtype = letter.picture.type.partition("/")
            identity = f"<{content_id(letter.logo)}>"
            html.add_related(
                letter.picture.data, kind, subtype, cid=identity, disposition="inline", filename=f"logo.{subtype}"
            )
    if letter.calendar:
        content = sent_by(letter.calendar.content, address)
        # As bytes: its lines end in CRLF, also within base64.
        parameters = {"charset": "utf-8", "method": letter.calendar.method}
        message.add_alternative(content.encode(), "text", "calendar", cte="base64", params=parameters)
        message.add_attachment(content.encode(), "application", "ics", filename="invite.ics")
    return message.as_bytes()


def sent_by(content: str, address: str) -> str:
    """The calendar as it is sent from `address`, which may not be the organizer's."""
    calendar = Components.from_ical(content)
    changed = False
    for event in calendar.walk("VEVENT"):
        organizer = event.get("ORGANIZER")
        if organizer is not None and str(organizer).partition(":")[2].lower() != address.lower():
            organizer.params["SENT-BY"] = f"mailto:{address}"
            changed = True
    return calendar.to_ical().decode() if changed else content
