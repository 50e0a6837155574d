"""Meetings, who was invited, who has been let in, and who was there when."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String

from meeting.apiserver.schema import Email, Id, Moment, table

meeting = table(
    "meeting",
    Column("id", Id, primary_key=True),
    Column("code", String(12), nullable=False, unique=True),
    Column("kind", String(10), nullable=False),
    Column("owner_id", Id, ForeignKey("person.id"), nullable=False, index=True),
    #: The owner again for an instant meeting, null for a scheduled one: so that an owner has one instant meeting.
    Column("instant_owner_id", Id, nullable=True, unique=True),
    Column("title", String(200), nullable=False),
    Column("begin_at", Moment, nullable=True),
    Column("end_at", Moment, nullable=True),
    Column("zone", String(64), nullable=False),
    Column("guests_allowed", Boolean(create_constraint=False), nullable=False),
    Column("running_since", Moment, nullable=True, index=True),
    Column("ended_at", Moment, nullable=True),
    Column("cancelled_at", Moment, nullable=True),
    Column("created_at", Moment, nullable=False),
    #: Rises with each change; a change says which version it saw.
    Column("version", Integer, nullable=False),
)

invitee = table(
    "invitee",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("email", Email(), primary_key=True, index=True),
    Column("position", Integer, nullable=False),
)

#: Whoever was given an access token: a person or a guest (`subject_id`).
member = table(
    "member",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("subject_id", Id, primary_key=True, index=True),
    Column("name", String(100), nullable=False),
    Column("role", String(16), nullable=False),
    Column("first_joined_at", Moment, nullable=False),
)

#: One stay of one participant in the room, as the sfuserver reports it; `stay` is the participant's sid.
attendance = table(
    "attendance",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("stay", String(64), primary_key=True),
    Column("identity", String(128), nullable=False),
    Column("name", String(200), nullable=False),
    Column("joined_at", Moment, nullable=False),
    Column("left_at", Moment, nullable=True, index=True),
)
