"""What somebody is in a meeting, as the database has it: their role, and what was decided about them and the room."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from meeting.apiserver.accounts.use_cases import Caller
from meeting.apiserver.meetings import roles
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.roles import Right, Role
from meeting.apiserver.meetings.tables import appointment, ban, invitee, member, room


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


def room_of(transaction: Connection, meeting_id: str) -> RoomState:
    """The state of a meeting's room."""
    row = transaction.execute(select(room).where(room.c.meeting_id == meeting_id)).first()
    return RoomState(bool(row.locked), bool(row.microphones_closed), row.spotlight) if row else RoomState()


def settings_of(of: Meeting, state: RoomState) -> roles.Settings:
    """What this meeting takes away from those who do not lead it."""
    return roles.Settings(
        microphones_closed=state.microphones_closed,
        presenters=of.options.presenters,
        minutes_writers=of.options.minutes_writers,
    )


def place_of(transaction: Connection, of: Meeting, caller: Caller, state: RoomState | None = None) -> Place | None:
    """The caller's place; None for nobody known, and for a guest of another meeting."""
    if caller.person is not None:
        subject_id, name, is_guest = caller.person.id, caller.person.name, False
    elif caller.guest is not None and caller.guest.meeting_id == of.id:
        subject_id, name, is_guest = caller.guest.id, caller.guest.name, True
    else:
        return None
    role = roles_of(transaction, of, {subject_id: is_guest})[subject_id]
    row = transaction.execute(
        select(member).where(member.c.meeting_id == of.id, member.c.subject_id == subject_id)
    ).first()
    invited = role is Role.HOST
    named = False
    if caller.person is not None and not invited:
        asked = select(invitee.c.writes_minutes)
        asked = asked.where(invitee.c.meeting_id == of.id, invitee.c.email == caller.person.email)
        invitation = transaction.execute(asked).first()
        invited, named = invitation is not None, invitation is not None and bool(invitation.writes_minutes)
    administrator = caller.person is not None and caller.person.administrator
    settings = settings_of(of, state or room_of(transaction, of.id))
    removed = row is not None and row.removed_at is not None
    return Place(
        subject_id,
        name,
        role,
        roles.rights(role, settings, administrator=administrator, named=named),
        invited,
        joined=row is not None and not removed,
        removed=removed,
        passes_until=row.passes_until if row is not None else None,
        hand_raised_at=row.hand_raised_at if row is not None else None,
        picture=caller.person.picture if caller.person is not None else None,
    )


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


def is_banned(transaction: Connection, meeting_id: str, subjects: Collection[str], source: bytes | None) -> bool:
    """Whether one of the subjects, or whoever comes from this source without an account, was banned."""
    bans = transaction.execute(select(ban.c.subject_id, ban.c.source).where(ban.c.meeting_id == meeting_id))
    return any(row.subject_id in subjects or (source is not None and row.source == source) for row in bans)
