"""Reading meetings: the one shape in which they leave the database."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, case, or_, select, union

from meeting.apiserver.accounts.use_cases import Person, people_by_id
from meeting.apiserver.meetings import rules
from meeting.apiserver.meetings.rules import Kind, Options, Presenters, State, Writers
from meeting.apiserver.meetings.tables import invitee, meeting, member

#: How many meetings a list shows.
MOST_LISTED = 200


@dataclass(frozen=True)
class Invitee:
    """Someone invited; the name is known once they have joined signed in."""

    email: str
    name: str
    #: Named as one of those who may write the minutes.
    writes_minutes: bool = False


@dataclass(frozen=True)
class Meeting:
    """A meeting as it stands."""

    id: str
    code: str
    kind: Kind
    owner: Person
    title: str
    begin_at: datetime | None
    end_at: datetime | None
    zone: str
    options: Options
    state: State
    created_at: datetime
    version: int
    invitees: tuple[Invitee, ...]

    @property
    def guests_allowed(self) -> bool:
        """Whether somebody without an account may come."""
        return self.options.guests_allowed


def by_code(transaction: Connection, code: str, now: datetime) -> Meeting | None:
    """The meeting with this code."""
    rows = transaction.execute(select(meeting).where(meeting.c.code == code)).all()
    return next(iter(_meetings(transaction, rows, now)), None)


def by_id(transaction: Connection, meeting_id: str, now: datetime) -> Meeting | None:
    """The meeting with this id."""
    rows = transaction.execute(select(meeting).where(meeting.c.id == meeting_id)).all()
    return next(iter(_meetings(transaction, rows, now)), None)


def instant_of(transaction: Connection, owner_id: str, now: datetime) -> Meeting | None:
    """The instant meeting of an owner."""
    rows = transaction.execute(select(meeting).where(meeting.c.instant_owner_id == owner_id)).all()
    return next(iter(_meetings(transaction, rows, now)), None)


def of_person(transaction: Connection, who: Person, past: bool, now: datetime) -> list[Meeting]:
    """The meetings someone owns, was invited to or has joined: the next first, or the latest first."""
    mine = union(
        select(meeting.c.id).where(meeting.c.owner_id == who.id),
        select(invitee.c.meeting_id).where(invitee.c.email == who.email),
        select(member.c.meeting_id).where(member.c.subject_id == who.id),
    ).subquery()
    over = or_(
        meeting.c.cancelled_at.is_not(None),
        meeting.c.ended_at.is_not(None),
        and_(meeting.c.kind == Kind.SCHEDULED, meeting.c.running_since.is_(None), meeting.c.end_at <= now - rules.LAG),
    )
    # An instant meeting has no begin: it counts from when it was made, and stands first among those to come.
    begin = case((meeting.c.kind == Kind.INSTANT, meeting.c.created_at), else_=meeting.c.begin_at)
    query = select(meeting).select_from(meeting.join(mine, mine.c.id == meeting.c.id)).limit(MOST_LISTED)
    query = query.where(over).order_by(begin.desc()) if past else query.where(~over).order_by(begin)
    return _meetings(transaction, transaction.execute(query).all(), now, invitees_for=who.id)


def is_insider(transaction: Connection, meeting_id: str, who: Person) -> bool:
    """Whether someone is invited to a meeting or has joined it."""
    invited = select(invitee.c.email).where(invitee.c.meeting_id == meeting_id, invitee.c.email == who.email)
    joined = select(member.c.name).where(member.c.meeting_id == meeting_id, member.c.subject_id == who.id)
    return any(transaction.execute(query).first() is not None for query in (invited, joined))


def meets(transaction: Connection, meeting_id: str, person_id: str) -> bool:
    """Whether a person owns a meeting or has joined it."""
    owns = select(meeting.c.id).where(meeting.c.id == meeting_id, meeting.c.owner_id == person_id)
    joined = select(member.c.name).where(member.c.meeting_id == meeting_id, member.c.subject_id == person_id)
    return any(transaction.execute(query).first() is not None for query in (owns, joined))


def _meetings(
    transaction: Connection, rows: Iterable[Row[Any]], now: datetime, invitees_for: str | None = None
) -> list[Meeting]:
    """Meetings with their owners and invitees (`invitees_for`: only of this owner's).

    Four queries, however many there are.
    """
    rows = list(rows)
    invited = _invitees(transaction, [row.id for row in rows if invitees_for in (None, row.owner_id)])
    people = people_by_id(transaction, {row.owner_id for row in rows})
    return [
        Meeting(
            id=row.id,
            code=row.code,
            kind=Kind(row.kind),
            owner=people[row.owner_id],
            title=row.title,
            begin_at=row.begin_at,
            end_at=row.end_at,
            zone=row.zone,
            options=_options(row),
            state=rules.state(Kind(row.kind), row.end_at, row.running_since, row.ended_at, row.cancelled_at, now),
            created_at=row.created_at,
            version=row.version,
            invitees=tuple(invited.get(row.id, ())),
        )
        for row in rows
    ]


def _options(row: Row[Any]) -> Options:
    return Options(
        guests_allowed=bool(row.guests_allowed),
        passcode=row.passcode,
        lobby=bool(row.lobby),
        presenters=Presenters(row.presenters),
        minutes_writers=Writers(row.minutes_writers),
        max_minutes=row.max_minutes,
        e2ee=bool(row.e2ee),
        reminders=bool(row.reminders),
    )


def _invitees(transaction: Connection, ids: Collection[str]) -> dict[str, list[Invitee]]:
    if not ids:
        return {}
    invited: dict[str, list[Invitee]] = {}
    query = select(invitee).where(invitee.c.meeting_id.in_(ids)).order_by(invitee.c.meeting_id, invitee.c.position)
    rows = transaction.execute(query).all()
    if rows:
        joined = select(member.c.meeting_id, member.c.subject_id).where(member.c.meeting_id.in_(ids))
        members = transaction.execute(joined).all()
        people = people_by_id(transaction, {row.subject_id for row in members})
        names = {
            (row.meeting_id, people[row.subject_id].email): people[row.subject_id].name
            for row in members
            if row.subject_id in people
        }
        for row in rows:
            invited.setdefault(row.meeting_id, []).append(
                Invitee(row.email, names.get((row.meeting_id, row.email), ""), bool(row.writes_minutes))
            )
    return invited
