"""The servers that register with the hub, and which of them serve a meeting."""

from sqlalchemy import Boolean, Column, Double, Integer, String, Text, false

from meeting.apiserver.schema import Email, Id, Moment, table

#: A daemon as its last heartbeat describes it.
server = table(
    "server",
    Column("kind", String(16), primary_key=True),
    Column("address", String(262), primary_key=True),
    Column("url", String(300), nullable=False),
    Column("instance", String(32), nullable=False),
    Column("version", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("load", Double, nullable=False),
    #: JSON: a list of address:port, and what is shown to administrators.
    Column("media", Text, nullable=False),
    Column("details", Text, nullable=False),
    #: When this instance was first heard.
    Column("started_at", Moment, nullable=False),
    Column("beat_at", Moment, nullable=False),
    #: An administrator's word, which outlives the instance: it gets no new meetings.
    Column("drained", Boolean(create_constraint=False), nullable=False, server_default=false()),
)

#: The servers of a meeting. A replica that wants to change them says which version it saw.
allocation = table(
    "allocation",
    Column("meeting_id", Id, primary_key=True),
    Column("sfu", String(262), nullable=False),
    Column("turn", String(262), nullable=False),
    Column("version", Integer, nullable=False),
    Column("allocated_at", Moment, nullable=False),
)

#: What is asked of the allocateserver for a meeting at a time, and what it promised. Both times null: an instant one.
reservation = table(
    "reservation",
    Column("id", Id, primary_key=True),
    Column("meeting_id", Id, nullable=False, index=True),
    Column("email", Email(), nullable=False),
    Column("begin_at", Moment, nullable=True),
    Column("end_at", Moment, nullable=True),
    #: wanted, held, or dropped: to be given back.
    Column("state", String(8), nullable=False),
    #: What was promised; empty while it is not.
    Column("sfu", String(262), nullable=False),
    Column("turn", String(262), nullable=False),
    #: Whether the allocateserver takes it back (DELETE).
    Column("releasable", Boolean(create_constraint=False), nullable=False),
    #: Refusals in a row, and the last one in words.
    Column("attempts", Integer, nullable=False),
    Column("trouble", String(300), nullable=False),
    Column("created_at", Moment, nullable=False),
    #: When something is to be done about it; null: nothing. A replica that does it moves this ahead first.
    Column("due_at", Moment, nullable=True, index=True),
    #: Which round of which replica does it.
    Column("taken_by", String(32), nullable=False),
)

#: Whether an instance of an sfuserver could be reached and knows the secret.
server_check = table(
    "server_check",
    Column("address", String(262), primary_key=True),
    Column("instance", String(32), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("trouble", String(300), nullable=False),
    Column("checked_at", Moment, nullable=False),
)
