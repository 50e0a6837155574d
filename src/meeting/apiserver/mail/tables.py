"""The outgoing mail: written in the transaction that causes it, sent afterwards."""

from sqlalchemy import Column, Index, Integer, String, Text

from meeting.apiserver.schema import Digest, Email, Id, Moment, table

mail = table(
    "mail",
    Column("id", Id, primary_key=True),
    Column("state", String(12), nullable=False),
    Column("recipient", Email(), nullable=False),
    Column("subject", String(250), nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=True),
    #: A calendar part: its iTIP method (RFC 5546), and the iCalendar text.
    Column("calendar_method", String(16), nullable=True),
    Column("calendar", Text, nullable=True),
    Column("language", String(16), nullable=False, server_default="en"),
    #: What it is about, whose reader is told how its delivery goes: a meeting.
    Column("about", Id, nullable=True),
    #: Whom an answer to the mail reaches.
    Column("reply_to", Email(), nullable=True),
    #: The SHA-256 of the logo that the HTML shows.
    Column("logo", Digest, nullable=True),
    #: The text is a secret (a code): wiped once it was sent.
    Column("wipe", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    #: When it may next be tried; while a sender holds it, when its lease ends.
    Column("due_at", Moment, nullable=False),
    #: After this it is of no use any more.
    Column("expires_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("holder", String(32), nullable=True),
    Column("sent_at", Moment, nullable=True),
    Column("last_error", String(500), nullable=True),
    Index("ix_mail_state_due_at", "state", "due_at"),
    Index("ix_mail_about", "about"),
)
