"""Reading meetings: the one shape in which they leave the database."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select, union

from meeting.apiserver.accounts.people import with_person
from meeting.apiserver.accounts.use_cases import Person, people_by_id
from meeting.apiserver.mail.use_cases import Delivery, deliveries
from meeting.apiserver.meetings import recurrence, rules
from meeting.apiserver.meetings.rules import Kind, Options, Presenters, Reply, State, Writers
from meeting.apiserver.meetings.series import Occurrence, Series
from meeting.apiserver.meetings.tables import exception, invitee, meeting, member, reply

#: For the whole series, in the place of an occurrence.
EVERY = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"[0-9a-f]{32}")
#: So many times a series may have been split for its first link to lead on.
_LONGEST_CHAIN = 20

#: The rows of meetings, each with its owner's: what all queries here begin with, and `of_rows` understands.
MEETINGS = with_person(select(meeting), meeting, meeting.c.owner_id, "owner")
_BY_CODE = MEETINGS.where(meeting.c.code == bindparam("code"))
_BY_ID = MEETINGS.where(meeting.c.id == bindparam("id"))
_INSTANT_OF = MEETINGS.where(meeting.c.instant_owner_id == bindparam("owner_id"))
_OF_PERSON = union(
    select(meeting.c.id).where(meeting.c.owner_id == bindparam("person_id")),
    select(invitee.c.meeting_id).where(invitee.c.email == bindparam("email")),
    select(member.c.meeting_id).where(member.c.subject_id == bindparam("person_id")),
).subquery()
#: Those that the person `person_id` of the address `email` owns, is invited to or has joined.
MINE = MEETINGS.join(_OF_PERSON, _OF_PERSON.c.id == meeting.c.id)
_EXCEPTIONS = (
    select(exception)
    .where(exception.c.meeting_id.in_(bindparam("ids", expanding=True)))
    .order_by(exception.c.starts_at)
)
_ALL_INVITED = (
    select(invitee)
    .where(invitee.c.meeting_id.in_(bindparam("ids", expanding=True)))
    .order_by(invitee.c.meeting_id, invitee.c.position)
)
_INVITED_AND_SEEN = (
    select(invitee)
    .where(
        or_(
            invitee.c.meeting_id.in_(bindparam("ids", expanding=True)),
            invitee.c.meeting_id.in_(bindparam("others", expanding=True)) & (invitee.c.email == bindparam("email")),
        )
    )
    .order_by(invitee.c.meeting_id, invitee.c.position)
)
_JOINED = select(member.c.meeting_id, member.c.subject_id).where(
    member.c.meeting_id.in_(bindparam("ids", expanding=True))
)
_REPLIES = select(reply).where(reply.c.meeting_id.in_(bindparam("ids", expanding=True)))
_IS_INSIDER = (
    select(invitee.c.email)
    .where(invitee.c.meeting_id == bindparam("id"), invitee.c.email == bindparam("email"))
    .union_all(
        select(member.c.name).where(
            member.c.meeting_id == bindparam("id"), member.c.subject_id == bindparam("subject_id")
        )
    )
)


@dataclass(frozen=True)
class Invitee:
    """Someone invited; the name is known once they have joined signed in."""

    email: str
    name: str
    #: Named as one of those who may write the minutes.
    writes_minutes: bool = False
    reply: Reply = Reply.NONE
    #: How it goes with the last mail to them about the meeting; None when there was none, or it is long ago.
    delivery: Delivery | None = None


@dataclass(frozen=True)
class Meeting:
    """A meeting as it stands; of a series: one occurrence of it, with this one's title and times."""

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
    #: Null: it does not recur.
    series: Series | None = None
    #: Which occurrence of the series this is, by when the rule has it begin.
    occurrence: datetime | None = None
    sequence: int = 0
    #: The id of the meeting in which a series that was split goes on.
    continued_in: str | None = None

    @property
    def guests_allowed(self) -> bool:
        """Whether somebody without an account may come."""
        return self.options.guests_allowed

    @property
    def e2ee(self) -> bool:
        """Whether its media is end-to-end encrypted."""
        return self.options.e2ee


#: What is written with a meeting, in its transaction.
Also = Callable[[Connection, Meeting], None]


def by_code(transaction: Connection, code: str, now: datetime, *, bare: bool = False) -> Meeting | None:
    """The meeting with this code. `bare`: without those invited."""
    rows = transaction.execute(_BY_CODE, {"code": code}).all()
    return next(iter(of_rows(transaction, rows, now, bare=bare)), None)


def behind_link(transaction: Connection, code: str, now: datetime, *, bare: bool = False) -> Meeting | None:
    """The meeting to which a code leads: where a series that is over goes on in another, that one."""
    found = by_code(transaction, code, now, bare=bare)
    for _ in range(_LONGEST_CHAIN):
        if found is None or found.continued_in is None or not found.state.is_over:
            break
        found = by_id(transaction, found.continued_in, now, bare=bare) or found
    return found


def with_invitees(transaction: Connection, of: Meeting, reader: Person | None) -> Meeting:
    """A meeting that was read bare, with those invited as far as `reader` sees them: the owner all, others themselves.

    Nobody known sees none.
    """
    if reader is None:
        return of
    owns = reader.id == of.owner.id
    invited = _invitees(transaction, [of.id] if owns else [], [] if owns else [of.id], reader.email)
    return replace(of, invitees=tuple(invited(of.id, of.occurrence or EVERY)))


def with_deliveries(transaction: Connection, of: Meeting) -> Meeting:
    """The meeting again, when mails about it were posted since it was read."""
    mails = deliveries(transaction, [of.id])
    return replace(of, invitees=tuple(replace(each, delivery=mails.get((of.id, each.email))) for each in of.invitees))


def by_id(transaction: Connection, meeting_id: str, now: datetime, *, bare: bool = False) -> Meeting | None:
    """The meeting with this id. `bare`: without those invited."""
    rows = transaction.execute(_BY_ID, {"id": meeting_id}).all()
    return next(iter(of_rows(transaction, rows, now, bare=bare)), None)


def instant_of(transaction: Connection, owner_id: str, now: datetime) -> Meeting | None:
    """The instant meeting of an owner."""
    rows = transaction.execute(_INSTANT_OF, {"owner_id": owner_id}).all()
    return next(iter(of_rows(transaction, rows, now)), None)


def at(of: Meeting, starts_at: datetime) -> Meeting:
    """A series at another occurrence than where it stands; itself where there is none of this name."""
    if of.series is None or starts_at == of.occurrence:
        return of
    found = of.series.find(starts_at)
    if found is None:
        return of
    state = of.state
    if of.state is not State.CANCELLED and of.begin_at is not None:
        state = State.ENDED if found.begin_at < of.begin_at else State.SCHEDULED
    if found.cancelled:
        state = State.CANCELLED
    title = found.title or of.series.title
    return replace(
        of, title=title, begin_at=found.begin_at, end_at=found.end_at, occurrence=found.starts_at, state=state
    )


def is_insider(transaction: Connection, meeting_id: str, who: Person) -> bool:
    """Whether someone is invited to a meeting or has joined it."""
    asked = {"id": meeting_id, "email": who.email, "subject_id": who.id}
    return transaction.execute(_IS_INSIDER, asked).first() is not None


def meets(transaction: Connection, meeting_id: str, person_id: str) -> bool:
    """Whether a person owns a meeting or has joined it."""
    owns = select(meeting.c.id).where(meeting.c.id == meeting_id, meeting.c.owner_id == person_id)
    joined = select(member.c.name).where(member.c.meeting_id == meeting_id, member.c.subject_id == person_id)
    return any(transaction.execute(query).first() is not None for query in (owns, joined))


def series_of(transaction: Connection, rows: Iterable[Row[Any]]) -> dict[str, Series]:
    """The series among meetings, by id; in one query."""
    recurring = {row.id: row for row in rows if row.recurrence is not None}
    if not recurring:
        return {}
    changed: dict[str, list[Occurrence]] = {}
    for row in transaction.execute(_EXCEPTIONS, {"ids": list(recurring)}):
        changed.setdefault(row.meeting_id, []).append(
            Occurrence(row.starts_at, row.begin_at, row.end_at, row.title, bool(row.cancelled))
        )
    return {
        row.id: Series(
            row.title,
            recurrence.read(row.recurrence, row.zone),
            row.first_begin_at,
            row.first_end_at,
            row.zone,
            tuple(changed.get(row.id, ())),
        )
        for row in recurring.values()
    }


def of_rows(transaction: Connection, rows: Iterable[Row[Any]], now: datetime, *, bare: bool = False) -> list[Meeting]:
    """Meetings as they stand, of rows of `MEETINGS`."""
    rows = list(rows)
    series = series_of(transaction, rows)
    found = [(row, standing(row, series.get(row.id))) for row in rows]
    return shown(transaction, found, series, now, bare=bare)


def standing(row: Row[Any], series: Series | None) -> Occurrence | None:
    """The occurrence at which the row of a series stands."""
    if series is None:
        return None
    held = (each for each in series.held() if (each.begin_at, each.end_at) == (row.begin_at, row.end_at))
    return next(held, None)


def shown(
    transaction: Connection,
    found: Sequence[tuple[Row[Any], Occurrence | None]],
    series: Mapping[str, Series],
    now: datetime,
    reader: Person | None = None,
    bare: bool = False,
) -> list[Meeting]:
    """Meetings, each at one occurrence if it recurs, with their owners and invitees (for a `reader`: of
    theirs all, of others' themselves; `bare`: none).

    At most five queries, however many there are.
    """
    owned = {row.id for row, _ in found if reader is None or row.owner_id == reader.id}
    others = {row.id for row, _ in found} - owned
    invited = _nobody if bare else _invitees(transaction, owned, others, reader.email if reader else "")
    return [
        Meeting(
            id=row.id,
            code=row.code,
            kind=Kind(row.kind),
            owner=_owner(row),
            title=(at and at.title) or row.title,
            begin_at=at.begin_at if at else row.begin_at,
            end_at=at.end_at if at else row.end_at,
            zone=row.zone,
            options=_options(row),
            state=_state(row, at, now),
            created_at=row.created_at,
            version=row.version,
            invitees=tuple(invited(row.id, at.starts_at if at else EVERY)),
            series=series.get(row.id),
            occurrence=at.starts_at if at else None,
            sequence=row.sequence,
            continued_in=row.continued_in,
        )
        for row, at in found
    ]


def over(transaction: Connection, ids: Iterable[str], now: datetime) -> list[str]:
    """Those of these meetings that have ended or were cancelled. What is no meeting's id is passed over."""
    known = [each for each in ids if _ID.fullmatch(each)]
    rows = transaction.execute(select(meeting).where(meeting.c.id.in_(known)))
    return [row.id for row in rows if _state(row, None, now).is_over]


def _state(row: Row[Any], at: Occurrence | None, now: datetime) -> State:
    """The row says how the occurrence is at which it stands; those before are over, those after to come."""
    if at is not None and at.begin_at != row.begin_at and row.cancelled_at is None:
        return State.ENDED if at.begin_at < row.begin_at else State.SCHEDULED
    return rules.state(Kind(row.kind), row.end_at, row.running_since, row.ended_at, row.cancelled_at, now)


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


def _owner(row: Row[Any]) -> Person:
    return Person(
        row.owner_id,
        row.owner_email,
        row.owner_name,
        row.owner_zone,
        row.owner_language,
        row.owner_administrator,
        row.owner_handle,
        row.owner_picture,
    )


def _nobody(meeting_id: str, occurrence: datetime) -> list[Invitee]:
    return []


def _invitees(
    transaction: Connection, owned: Collection[str], others: Collection[str], email: str
) -> Callable[[str, datetime], list[Invitee]]:
    """Those invited to the meetings `owned`, and whoever has the address `email` of those invited to `others`; as a
    function of the meeting and the occurrence.
    """
    if not owned and not others:
        return _nobody
    query, ids = (_INVITED_AND_SEEN, {"others": list(others), "email": email}) if others else (_ALL_INVITED, {})
    by_meeting: dict[str, list[Row[Any]]] = {}
    for row in transaction.execute(query, {"ids": list(owned), **ids}):
        by_meeting.setdefault(row.meeting_id, []).append(row)
    if not by_meeting:
        return _nobody
    among = {"ids": list(by_meeting)}
    members = transaction.execute(_JOINED, among).all()
    people = people_by_id(transaction, {row.subject_id for row in members})
    names = {
        (row.meeting_id, people[row.subject_id].email): people[row.subject_id].name
        for row in members
        if row.subject_id in people
    }
    answers = {
        (row.meeting_id, row.email, row.starts_at): Reply(row.answer) for row in transaction.execute(_REPLIES, among)
    }

    mails = deliveries(transaction, by_meeting)

    def of(meeting_id: str, occurrence: datetime) -> list[Invitee]:
        return [
            Invitee(
                row.email,
                names.get((meeting_id, row.email), ""),
                bool(row.writes_minutes),
                answers.get((meeting_id, row.email, occurrence))
                or answers.get((meeting_id, row.email, EVERY), Reply.NONE),
                mails.get((meeting_id, row.email)),
            )
            for row in by_meeting.get(meeting_id, ())
        ]

    return of
