"""What somebody is in a meeting, as the database has it: their role, and what was decided about them and the room."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from meeting.apiserver.accounts.use_cases import Caller
from meeting.apiserver.meetings import roles
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.roles import Right, Role
from meeting.apiserver.meetings.tables import appointment, ban, invitee, meeting, member, room


@dataclass(frozen=True)
class RoomState:
    """What a meeting's room is like, beyond what it was scheduled as."""

    locked: bool = False
    microphones_closed: bool = False
    #: The identity of whoever is shown large to all.
    spotlight: str | None = None


@dataclass(frozen=True)
class Place:
    """Somebody's place in a meeting."""

    subject_id: str
    name: str
    role: Role
    rights: frozenset[Right]
    #: Owns the meeting or was invited by address.
    invited: bool
    #: Has been let in at some time, and was not sent away since.
    joined: bool
    removed: bool = False
    #: Until when they come back in without knocking.
    passes_until: datetime | None = None
    hand_raised_at: datetime | None = None
    #: The path of their picture.
    picture: str | None = None

    @property
    def leads(self) -> bool:
        """Whether they come in whatever the room is like."""
        return Right.PASS_LOCK in self.rights


_ROOM_OF = select(room).where(room.c.meeting_id == bindparam("id"))


def room_of(transaction: Connection, meeting_id: str) -> RoomState:
    """The state of a meeting's room."""
    row = transaction.execute(_ROOM_OF, {"id": meeting_id}).first()
    return RoomState(bool(row.locked), bool(row.microphones_closed), row.spotlight) if row else RoomState()


def settings_of(of: Meeting, state: RoomState) -> roles.Settings:
    """What this meeting takes away from those who do not lead it."""
    return roles.Settings(
        microphones_closed=state.microphones_closed,
        presenters=of.options.presenters,
        minutes_writers=of.options.minutes_writers,
    )


#: What is written of a subject in a meeting, and the room: one row.
_PLACE = (
    select(
        room.c.locked,
        room.c.microphones_closed,
        room.c.spotlight,
        appointment.c.role,
        member.c.subject_id.label("member_id"),
        member.c.removed_at,
        member.c.passes_until,
        member.c.hand_raised_at,
        invitee.c.writes_minutes,
    )
    .select_from(
        meeting.outerjoin(room, room.c.meeting_id == meeting.c.id)
        .outerjoin(
            appointment,
            (appointment.c.meeting_id == meeting.c.id) & (appointment.c.subject_id == bindparam("subject_id")),
        )
        .outerjoin(member, (member.c.meeting_id == meeting.c.id) & (member.c.subject_id == bindparam("subject_id")))
        .outerjoin(invitee, (invitee.c.meeting_id == meeting.c.id) & (invitee.c.email == bindparam("email")))
    )
    .where(meeting.c.id == bindparam("id"))
)


def place_of(transaction: Connection, of: Meeting, caller: Caller) -> Place | None:
    """The caller's place; None for nobody known, and for a guest of another meeting."""
    return place_and_room(transaction, of, caller)[0]


def place_and_room(transaction: Connection, of: Meeting, caller: Caller) -> tuple[Place | None, RoomState]:
    """The caller's place, and the room's state; in one query."""
    if caller.person is not None:
        subject_id, name, email = caller.person.id, caller.person.name, caller.person.email
    elif caller.guest is not None and caller.guest.meeting_id == of.id:
        subject_id, name, email = caller.guest.id, caller.guest.name, ""
    else:
        return None, room_of(transaction, of.id)
    row = transaction.execute(_PLACE, {"id": of.id, "subject_id": subject_id, "email": email}).one()
    if subject_id == of.owner.id:
        role = Role.HOST
    elif row.role is not None:
        role = Role(row.role)
    else:
        role = Role.PARTICIPANT if caller.person is not None else Role.GUEST
    state = RoomState(bool(row.locked), bool(row.microphones_closed), row.spotlight)
    administrator = caller.person is not None and caller.person.administrator
    named = role is not Role.HOST and bool(row.writes_minutes)
    removed = row.removed_at is not None
    place = Place(
        subject_id,
        name,
        role,
        roles.rights(role, settings_of(of, state), administrator=administrator, named=named),
        invited=role is Role.HOST or row.writes_minutes is not None,
        joined=row.member_id is not None and not removed,
        removed=removed,
        passes_until=row.passes_until,
        hand_raised_at=row.hand_raised_at,
        picture=caller.person.picture if caller.person is not None else None,
    )
    return place, state


def roles_of(transaction: Connection, of: Meeting, subjects: Mapping[str, bool]) -> dict[str, Role]:
    """The roles of subjects (id → whether it is a guest), in one query."""
    found = {subject: Role.GUEST if is_guest else Role.PARTICIPANT for subject, is_guest in subjects.items()}
    query = select(appointment).where(appointment.c.meeting_id == of.id, appointment.c.subject_id.in_(found))
    found |= {row.subject_id: Role(row.role) for row in transaction.execute(query)}
    if of.owner.id in found:
        found[of.owner.id] = Role.HOST
    return found


def leaders(transaction: Connection, of: Meeting) -> set[str]:
    """The ids of the host and the co-hosts."""
    query = select(appointment.c.subject_id)
    query = query.where(appointment.c.meeting_id == of.id, appointment.c.role == Role.CO_HOST)
    return {of.owner.id, *transaction.execute(query).scalars()}


_BANS = select(ban.c.subject_id, ban.c.source).where(ban.c.meeting_id == bindparam("id"))


def is_banned(transaction: Connection, meeting_id: str, subjects: Collection[str], source: bytes | None) -> bool:
    """Whether one of the subjects, or whoever comes from this source without an account, was banned."""
    bans = transaction.execute(_BANS, {"id": meeting_id})
    return any(row.subject_id in subjects or (source is not None and row.source == source) for row in bans)
