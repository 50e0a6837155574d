"""Who was in a meeting, and when: a list and a table, for those who lead it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.use_cases import Caller, people_by_id
from meeting.apiserver.database import Database
from meeting.apiserver.meetings import places, roles
from meeting.apiserver.meetings.identities import subject_of
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.roles import Right
from meeting.apiserver.meetings.tables import attendance
from meeting.apiserver.meetings.use_cases import Meetings
from meeting.apiserver.schema import utc_now
from meeting.apiserver.spreadsheet import csv_of
from meeting.daemon.errors import SignInNeeded

#: Stays that one list shows, the latest; a weekly meeting of fifty has these after four years.
MOST_STAYS = 10_000


@dataclass(frozen=True)
class Stay:
    """From when to when; `left_at` None: still there."""

    joined_at: datetime
    left_at: datetime | None


@dataclass(frozen=True)
class Attendee:
    """Somebody who was there; `email` None: a guest."""

    id: str
    name: str
    email: str | None
    seconds: int
    stays: tuple[Stay, ...]


class Attendances:
    """What `presence.py` wrote down, for reading."""

    def __init__(
        self, database: Database, clock: IReactorTime, meetings: Meetings, *, recorded: Callable[[], bool]
    ) -> None:
        """`recorded` False: this hub writes down nobody who has left."""
        self._database = database
        self._clock = clock
        self._meetings = meetings
        self.recorded = recorded

    async def of(self, caller: Caller, code: str, source: str) -> tuple[Meeting, list[Attendee]]:
        """Who was in the meeting, in the order in which they came.

        Raises SignInNeeded, Forbidden, NotFound.
        """
        found = await self._meetings.find(code, source)
        place = await self._database.read(places.place_of, found, caller)
        if place is None:
            raise SignInNeeded()
        roles.check(place.rights, Right.ATTENDANCE)
        if not self.recorded():
            return found, []
        return found, await self._database.read(_attendees, found.id, utc_now(self._clock))


def length(stays: Iterable[Stay], now: datetime) -> timedelta:
    """How long somebody was there; on two devices at once counts once."""
    total, end = timedelta(0), datetime.min.replace(tzinfo=now.tzinfo)
    for stay in sorted(stays, key=lambda stay: stay.joined_at):
        left = stay.left_at or now
        if left > end:
            total += left - max(stay.joined_at, end)
            end = left
    return total


def as_csv(people: Sequence[Attendee]) -> bytes:
    """A line for each stay."""
    return csv_of(
        ("Name", "E-mail", "Joined (UTC)", "Left (UTC)", "Minutes in all"),
        (
            (
                one.name,
                one.email,
                _moment(stay.joined_at),
                None if stay.left_at is None else _moment(stay.left_at),
                f"{one.seconds / 60:.1f}",
            )
            for one in people
            for stay in one.stays
        ),
    )


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _attendees(transaction: Connection, meeting_id: str, now: datetime) -> list[Attendee]:
    query = select(attendance).where(attendance.c.meeting_id == meeting_id).order_by(attendance.c.joined_at.desc())
    stays: dict[str, list[Stay]] = {}
    names: dict[str, str] = {}
    identities: set[str] = set()
    for row in reversed(transaction.execute(query.limit(MOST_STAYS)).all()):
        who = subject_of(row.identity) or row.identity
        stays.setdefault(who, []).append(Stay(row.joined_at, row.left_at))
        names[who] = row.name or row.identity
        identities.add(row.identity)
    people = people_by_id(transaction, {who for who in map(subject_of, identities) if who})
    return [
        Attendee(
            id=who,
            name=names[who],
            email=people[who].email if who in people else None,
            seconds=round(length(theirs, now).total_seconds()),
            stays=tuple(theirs),
        )
        for who, theirs in stays.items()
    ]
