"""Who is in a room, as the sfuservers report it, and what follows for the meeting.

Reports (LiveKit's webhooks) may come late, twice, out of order, or not at all: each is a stay with its own key, so a
report is a fact that can be written down again; and what a server that died could not report is put right by `sweep`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, delete, exists, func, select, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.allocation.use_cases import lost_since
from meeting.apiserver.database import Database, insert_new, upsert
from meeting.apiserver.leases import Leases
from meeting.apiserver.meetings.identities import subject_of
from meeting.apiserver.meetings.news import Event, News
from meeting.apiserver.meetings.rules import Kind
from meeting.apiserver.meetings.tables import attendance, meeting, member, room
from meeting.apiserver.schema import Moment, utc_now

#: Seconds between two looks for rooms whose server has died; one replica looks.
INTERVAL = 5.0
REST = timedelta(seconds=INTERVAL * 0.9)


@dataclass(frozen=True)
class Stay:
    """One participant's stay in a meeting's room; `id` is LiveKit's participant sid."""

    meeting_id: str
    id: str
    identity: str
    name: str


class Presence:
    """Attendance, and whether a meeting is running."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        leases: Leases,
        news: News,
        *,
        recorded: Callable[[], bool] = lambda: True,
    ) -> None:
        """`recorded` False: who has left is forgotten, and nobody is told who comes and goes; that somebody was there
        is not.
        """
        self._database = database
        self._clock = clock
        self._leases = leases
        self._news = news
        self._recorded = recorded

    async def joined(self, stay: Stay, at: datetime) -> None:
        """Somebody is in the room."""
        await self._database.run(self._write_joined, stay, self._not_later(at), self._recorded())

    async def left(self, stay: Stay, at: datetime) -> None:
        """Somebody has left the room."""
        await self._database.run(self._write_left, stay, self._not_later(at), self._recorded())

    async def emptied(self, meeting_id: str, at: datetime) -> None:
        """The room is closed."""
        await self._database.run(self._write_finished, meeting_id, self._not_later(at), self._recorded())

    async def sweep(self) -> None:
        """End the stays in rooms whose server has died or started anew."""
        if await self._database.read(_anybody_runs):
            # The rest is shorter than the round, so that each round is some replica's.
            await self._leases.do("presence", self._sweep_once, rest=REST)

    async def _sweep_once(self) -> None:
        await self._database.run(self._write_sweep, utc_now(self._clock), self._recorded())

    def _not_later(self, at: datetime) -> datetime:
        """A server's clock may be ahead of ours."""
        return min(at, utc_now(self._clock))

    # -- one transaction each -----------------------------------------------------------------------------------------

    def _write_joined(self, transaction: Connection, stay: Stay, at: datetime, recorded: bool) -> None:
        if not _is_meeting(transaction, stay.meeting_id):
            return  # a room of somebody else who has the LiveKit key pair
        known = _left_at(transaction, stay) is not _UNKNOWN
        insert_new(transaction, attendance, [_row(stay, at)])
        self._settle(transaction, stay.meeting_id, at)
        if recorded and not known:
            who = [(stay.identity, stay.name)]
            self._news.of_people(transaction, Event.PARTICIPANT_JOINED, stay.meeting_id, who, at)

    def _write_left(self, transaction: Connection, stay: Stay, at: datetime, recorded: bool) -> None:
        if not _is_meeting(transaction, stay.meeting_id):
            return
        was_there = _left_at(transaction, stay) is None
        # Where the report of the join was overtaken or lost, at least the leaving is known.
        upsert(
            transaction,
            attendance,
            {**_row(stay, at), "left_at": at},
            {"left_at": _LEFT},
            at=at,
        )
        _lower_hand(transaction, stay)
        if recorded and was_there:
            who = [(stay.identity, stay.name)]
            self._news.of_people(transaction, Event.PARTICIPANT_LEFT, stay.meeting_id, who, at)
        self._over(transaction, stay.meeting_id, at, recorded)

    def _write_finished(self, transaction: Connection, meeting_id: str, at: datetime, recorded: bool) -> None:
        """Everybody has gone: the next meeting begins afresh. (Not so when a server died: they come back.)"""
        self._emptied(transaction, meeting_id, at, recorded)
        there = exists().where(attendance.c.meeting_id == meeting_id, attendance.c.left_at.is_(None))
        transaction.execute(delete(room).where(room.c.meeting_id == meeting_id, ~there))

    def _write_sweep(self, transaction: Connection, now: datetime, recorded: bool) -> None:
        running = [row.id for row in transaction.execute(_RUNNING)]
        since = lost_since(transaction, running, now)
        stays = select(attendance).where(attendance.c.meeting_id.in_(list(since)), attendance.c.left_at.is_(None))
        over = {row.meeting_id for row in transaction.execute(stays) if row.joined_at < since[row.meeting_id]}
        for meeting_id in over:  # few: the meetings of one server that died
            self._emptied(transaction, meeting_id, since[meeting_id], recorded)

    # -- parts of them ------------------------------------------------------------------------------------------------

    def _emptied(self, transaction: Connection, meeting_id: str, at: datetime, recorded: bool) -> None:
        there = and_(
            attendance.c.meeting_id == meeting_id, attendance.c.left_at.is_(None), attendance.c.joined_at <= at
        )
        if recorded:
            gone = transaction.execute(select(attendance.c.identity, attendance.c.name).where(there))
            who = [(row.identity, row.name) for row in gone]
            self._news.of_people(transaction, Event.PARTICIPANT_LEFT, meeting_id, who, at)
        transaction.execute(update(attendance).where(there).values(left_at=at))
        self._over(transaction, meeting_id, at, recorded)

    def _over(self, transaction: Connection, meeting_id: str, at: datetime, recorded: bool) -> None:
        """Stays have ended: what follows for the meeting, and what is not to be kept of them."""
        if not recorded:
            gone = attendance.c.meeting_id == meeting_id, attendance.c.left_at.is_not(None), attendance.c.identity != ""
            transaction.execute(update(attendance).where(*gone).values(identity="", name=""))
        self._settle(transaction, meeting_id, at)

    def _settle(self, transaction: Connection, meeting_id: str, at: datetime) -> None:
        """Bring the meeting's state in line with who is there."""
        asked = {"of": meeting_id, "at": at}
        if transaction.execute(_SOMEBODY, asked).scalar():
            if transaction.execute(_BEGIN, asked).rowcount:
                self._news.of_meeting_by_id(transaction, Event.MEETING_STARTED, meeting_id, at)
            return
        transaction.execute(_IS_OVER, asked)
        if transaction.execute(_STOP, asked).rowcount:
            self._news.of_meeting_by_id(transaction, Event.MEETING_ENDED, meeting_id, at)


_LEFT = func.coalesce(attendance.c.left_at, bindparam("at", type_=Moment))
_SOMEBODY = select(exists().where(attendance.c.meeting_id == bindparam("of"), attendance.c.left_at.is_(None)))
_AT = bindparam("at", type_=Moment)
_BEGIN = (
    update(meeting)
    .where(meeting.c.id == bindparam("of"), meeting.c.running_since.is_(None))
    .where(meeting.c.ended_at.is_(None), meeting.c.cancelled_at.is_(None))
    .values(running_since=_AT)
)
_RAN = meeting.c.id == bindparam("of"), meeting.c.running_since.is_not(None)
#: The last one leaves after the scheduled end: it is over. Before, they may come back.
_IS_OVER = update(meeting).where(*_RAN, meeting.c.kind == Kind.SCHEDULED, meeting.c.end_at <= _AT).values(ended_at=_AT)
_STOP = update(meeting).where(*_RAN).values(running_since=None)


def _lower_hand(transaction: Connection, stay: Stay) -> None:
    """Whoever has left altogether does not come back with a raised hand."""
    subject = subject_of(stay.identity)
    if not subject:
        return
    transaction.execute(_LOWER, {"of": stay.meeting_id, "subject": subject, "devices": f"{subject}:%"})


_STILL_THERE = exists().where(
    attendance.c.meeting_id == bindparam("of"),
    attendance.c.left_at.is_(None),
    attendance.c.identity.like(bindparam("devices")),
)
_LOWER = (
    update(member)
    .where(
        member.c.meeting_id == bindparam("of"),
        member.c.subject_id == bindparam("subject"),
        member.c.hand_raised_at.is_not(None),
        ~_STILL_THERE,
    )
    .values(hand_raised_at=None)
)
_RUNNING = select(meeting.c.id).where(meeting.c.running_since.is_not(None))


def _anybody_runs(transaction: Connection) -> bool:
    return transaction.execute(_RUNNING.limit(1)).first() is not None


_MEETING = select(meeting.c.id).where(meeting.c.id == bindparam("of"))


def _is_meeting(transaction: Connection, meeting_id: str) -> bool:
    return transaction.execute(_MEETING, {"of": meeting_id}).first() is not None


def _row(stay: Stay, at: datetime) -> dict[str, object]:
    return {
        "meeting_id": stay.meeting_id,
        "stay": stay.id,
        "identity": stay.identity,
        "name": stay.name,
        "joined_at": at,
        "left_at": None,
    }


_UNKNOWN = object()
_LEFT_AT = select(attendance.c.left_at).where(
    attendance.c.meeting_id == bindparam("of"), attendance.c.stay == bindparam("stay")
)


def _left_at(transaction: Connection, stay: Stay) -> object:
    """When a stay ended, None while it lasts, _UNKNOWN of one that was never reported."""
    row = transaction.execute(_LEFT_AT, {"of": stay.meeting_id, "stay": stay.id}).first()
    return _UNKNOWN if row is None else row.left_at
