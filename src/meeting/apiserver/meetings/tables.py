"""Meetings and series of them, who was invited and what they answered, who has been let in, who was there when."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, UniqueConstraint, text

from meeting.apiserver.schema import Digest, Email, Id, Moment, table

meeting = table(
    "meeting",
    Column("id", Id, primary_key=True),
    Column("code", String(12), nullable=False, unique=True),
    Column("kind", String(10), nullable=False),
    Column("owner_id", Id, ForeignKey("person.id"), nullable=False, index=True),
    #: The owner again for an instant meeting, null for a scheduled one: so that an owner has one instant meeting.
    Column("instant_owner_id", Id, nullable=True, unique=True),
    Column("title", String(200), nullable=False),
    #: Of a series: the times of the occurrence it stands at, the running one or the next (`series.py`).
    Column("begin_at", Moment, nullable=True, index=True),
    Column("end_at", Moment, nullable=True),
    Column("zone", String(64), nullable=False),
    Column("guests_allowed", Boolean(create_constraint=False), nullable=False),
    Column("running_since", Moment, nullable=True, index=True),
    Column("ended_at", Moment, nullable=True),
    Column("cancelled_at", Moment, nullable=True),
    Column("created_at", Moment, nullable=False),
    #: Rises with each change; a change says which version it saw.
    Column("version", Integer, nullable=False),
    # A series (`recurrence.py`): its rule, and the times of the first occurrence, from which all others follow.
    Column("recurrence", String(300), nullable=True),
    Column("first_begin_at", Moment, nullable=True),
    Column("first_end_at", Moment, nullable=True),
    #: When the row moves on to the next occurrence; null: there is none.
    Column("moves_on_at", Moment, nullable=True, index=True),
    #: The meeting in which a series goes on that was split: its link leads there when this one is over.
    Column("continued_in", Id, nullable=True),
    #: Rises with each change that calendars must know of (RFC 5546 section 2.1.4).
    Column("sequence", Integer, nullable=False, server_default=text("0")),
    # How it is held (`rules.Options`).
    Column("passcode", String(32), nullable=True),
    Column("lobby", Boolean(create_constraint=False), nullable=False, server_default=text("0")),
    Column("presenters", String(10), nullable=False, server_default="everyone"),
    Column("minutes_writers", String(10), nullable=False, server_default="everyone"),
    Column("max_minutes", Integer, nullable=True),
    Column("e2ee", Boolean(create_constraint=False), nullable=False, server_default=text("0")),
    Column("reminders", Boolean(create_constraint=False), nullable=False, server_default=text("1")),
)

#: An occurrence of a series that is not as the rule has it. `starts_at`: when the rule has it begin.
exception = table(
    "meeting_exception",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("starts_at", Moment, primary_key=True),
    Column("begin_at", Moment, nullable=False),
    Column("end_at", Moment, nullable=False),
    Column("title", String(200), nullable=True),
    Column("cancelled", Boolean(create_constraint=False), nullable=False),
)

invitee = table(
    "invitee",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("email", Email(), primary_key=True, index=True),
    Column("position", Integer, nullable=False),
    #: Named as one of those who may write the minutes.
    Column("writes_minutes", Boolean(create_constraint=False), nullable=False, server_default=text("0")),
)

#: What somebody invited answered. `starts_at`: for which occurrence of a series; the epoch: for the whole.
reply = table(
    "reply",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("email", Email(), primary_key=True),
    Column("starts_at", Moment, primary_key=True),
    Column("answer", String(10), nullable=False),
    Column("replied_at", Moment, nullable=False),
)

#: A reminder that was mailed: who writes this row sends it.
reminder = table(
    "reminder",
    Column("meeting_id", Id, primary_key=True),
    Column("begin_at", Moment, primary_key=True, index=True),
    Column("email", Email(), primary_key=True),
)

#: What somebody has chosen for their calendar. No row: as one who has chosen nothing.
calendar_choice = table(
    "calendar_choice",
    Column("person_id", Id, ForeignKey("person.id"), primary_key=True),
    #: How many minutes before a meeting its reminder comes; 0: none does; null: not chosen, it is as the house has it.
    Column("reminder_minutes", Integer, nullable=True),
    #: From which the address of their calendar feed is made; null: they have none.
    Column("feed_nonce", Digest, nullable=True),
)

#: A list of addresses under a name, of the person who made it.
contact_group = table(
    "contact_group",
    Column("id", Id, primary_key=True),
    Column("owner_id", Id, ForeignKey("person.id"), nullable=False),
    Column("name", String(100), nullable=False),
    UniqueConstraint("owner_id", "name"),
)

contact = table(
    "contact",
    Column("group_id", Id, ForeignKey("contact_group.id"), primary_key=True),
    Column("email", Email(), primary_key=True),
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
    #: Until then they come back in without knocking; null: they knock.
    Column("passes_until", Moment, nullable=True),
    #: Sent away: until they come in again, nothing of the meeting is theirs.
    Column("removed_at", Moment, nullable=True),
    Column("hand_raised_at", Moment, nullable=True),
    #: A guest's address, as its HMAC: what a ban of somebody without an account can hold on to.
    Column("source", Digest, nullable=True),
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

#: What a meeting's room is like, beyond what it was scheduled as; no row: nothing special.
room = table(
    "room",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("locked", Boolean(create_constraint=False), nullable=False),
    Column("microphones_closed", Boolean(create_constraint=False), nullable=False),
    #: The identity of whoever is shown large to all.
    Column("spotlight", String(128), nullable=True),
)

#: Who was made co-host or presenter; it holds for the whole series.
appointment = table(
    "appointment",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("subject_id", Id, primary_key=True),
    Column("role", String(16), nullable=False),
)

#: Somebody at a meeting's door, and what was said to them.
knock = table(
    "knock",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("subject_id", Id, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("is_guest", Boolean(create_constraint=False), nullable=False),
    Column("asked_at", Moment, nullable=False),
    #: When their page last said that it is waiting.
    Column("seen_at", Moment, nullable=False, index=True),
    #: `admitted` or `denied`.
    Column("answer", String(8), nullable=True),
    Column("answered_at", Moment, nullable=True),
)

#: Who does not come in again: a person, or a guest with everybody who comes without an account from the same address.
ban = table(
    "ban",
    Column("meeting_id", Id, ForeignKey("meeting.id"), primary_key=True),
    Column("subject_id", Id, primary_key=True),
    Column("source", Digest, nullable=True),
    Column("name", String(100), nullable=False),
    Column("banned_at", Moment, nullable=False),
)
