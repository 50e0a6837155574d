"""The servers that register with the hub, and which of them serve a meeting."""

from sqlalchemy import Column, Double, Integer, String, Text

from meeting.apiserver.schema import Id, Moment, table

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
