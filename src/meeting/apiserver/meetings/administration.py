"""The meetings of everyone, as administrators see them: which are on now, and how much the hub was used in a month."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Connection,
    LargeBinary,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    type_coerce,
    union_all,
)

from meeting.apiserver.accounts.use_cases import Person, people_by_id
from meeting.apiserver.allocation.administration import servers_of, serving
from meeting.apiserver.meetings.roles import Role
from meeting.apiserver.meetings.tables import attendance, meeting, member

#: Live meetings that are listed.
MOST_LISTED = 500

#: Hex digits of the id with which an identity begins.
_ID_LENGTH = 32


@dataclass(frozen=True)
class Live:
    """A meeting that somebody is in."""

    id: str
    code: str
    title: str
    owner: Person
    since: datetime
    people: int
    server: str


@dataclass(frozen=True)
class Usage:
    """A month (UTC) in numbers."""

    begin_at: datetime
    end_at: datetime
    #: People (with an account) who were in a meeting; guests who were.
    people: int
    guests: int
    meetings: int
    participant_minutes: int
    #: Most that were in meetings at one time, over the whole hub.
    peak: int
    #: Participant minutes by sfuserver (the one that the meeting last had).
    servers: dict[str, int]


def live(transaction: Connection) -> list[Live]:
    """The meetings that somebody is in, the longest first."""
    there = (
        select(attendance.c.meeting_id, func.count().label("people"))
        .where(attendance.c.left_at.is_(None))
        .group_by(attendance.c.meeting_id)
        .subquery()
    )
    query = (
        select(
            meeting.c.id,
            meeting.c.code,
            meeting.c.title,
            meeting.c.owner_id,
            meeting.c.running_since,
            func.coalesce(there.c.people, 0).label("people"),
        )
        .select_from(meeting.outerjoin(there, there.c.meeting_id == meeting.c.id))
        .where(meeting.c.running_since.is_not(None))
        .order_by(meeting.c.running_since, meeting.c.id)
        .limit(MOST_LISTED)
    )
    rows = transaction.execute(query).all()
    owners = people_by_id(transaction, {row.owner_id for row in rows})
    servers = servers_of(transaction, [row.id for row in rows])
    return [
        Live(row.id, row.code, row.title, owners[row.owner_id], row.running_since, row.people, servers.get(row.id, ""))
        for row in rows
    ]


def month(year: int, month: int) -> tuple[datetime, datetime]:
    """The first moment of a month and that of the next."""
    begin = datetime(year, month, 1, tzinfo=UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return begin, end


def usage(transaction: Connection, begin: datetime, end: datetime, now: datetime) -> Usage:
    """What was used between two moments; stays that go on count until now. Four queries, however much there was."""
    until = min(end, now)
    if until <= begin:
        return Usage(begin, end, 0, 0, 0, 0, 0, {})
    # In microseconds, as the columns hold them: numbers can be subtracted on every engine.
    first, last = (int(moment.timestamp()) * 1_000_000 for moment in (begin, until))
    joined, left = type_coerce(attendance.c.joined_at, BigInteger), type_coerce(attendance.c.left_at, BigInteger)
    stays = (
        select(
            attendance.c.meeting_id,
            func.substr(attendance.c.identity, 1, _ID_LENGTH).label("subject"),
            case((joined < first, first), else_=joined).label("joined"),
            case((or_(left.is_(None), left > last), last), else_=left).label("left"),
        )
        .where(joined < last, or_(left.is_(None), left > first))
        .subquery()
    )
    meetings = transaction.execute(select(func.count(stays.c.meeting_id.distinct()))).scalar() or 0
    # An identity is the hex of the id that the member has in bytes.
    is_member = and_(
        member.c.meeting_id == stays.c.meeting_id,
        func.lower(func.hex(type_coerce(member.c.subject_id, LargeBinary))) == stays.c.subject,
    )
    is_guest = case((member.c.role == Role.GUEST, 1), else_=0).label("is_guest")
    counted = (
        select(is_guest, func.count(stays.c.subject.distinct()).label("people"))
        .select_from(stays.join(member, is_member))
        .group_by(is_guest)
    )
    people = {row.is_guest: int(row.people) for row in transaction.execute(counted)}
    served = serving()
    minutes = (
        select(served.c.sfu, func.sum(stays.c.left - stays.c.joined).label("microseconds"))
        .select_from(stays.outerjoin(served, served.c.meeting_id == stays.c.meeting_id))
        .group_by(served.c.sfu)
        .order_by(served.c.sfu)
    )
    servers = {row.sfu or "": round(int(row.microseconds) / 60_000_000) for row in transaction.execute(minutes)}
    # Each coming is one more and each going one less; who goes as another comes was not there with them.
    comings_and_goings = union_all(
        select(stays.c.joined.label("at"), literal(1).label("change")),
        select(stays.c.left.label("at"), literal(-1).label("change")),
    ).subquery()
    there = (
        select(
            func.sum(comings_and_goings.c.change)
            .over(order_by=(comings_and_goings.c.at, comings_and_goings.c.change))
            .label("people")
        )
    ).subquery()
    peak = transaction.execute(select(func.max(there.c.people))).scalar() or 0
    return Usage(
        begin_at=begin,
        end_at=end,
        people=people.get(0, 0),
        guests=people.get(1, 0),
        meetings=meetings,
        participant_minutes=sum(servers.values()),
        peak=int(peak),
        servers=servers,
    )
