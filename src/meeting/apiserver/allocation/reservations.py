"""What is to be asked of the allocateserver ahead of time, kept in the database until it is answered.

A meeting's wish is written in the transaction that makes, moves or cancels it, so it is as durable as the meeting. Any
replica works it off: it takes what is due by moving it ahead (of two that want the same row, the second finds it
moved), asks, and writes down the promise or when to ask again.
"""

from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any, Protocol

from sqlalchemy import Connection, Row, delete, or_, select, update
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from meeting.apiserver.allocation import queries, rules
from meeting.apiserver.allocation.queries import HELD
from meeting.apiserver.allocation.rules import NotServed, Servers
from meeting.apiserver.allocation.tables import reservation
from meeting.apiserver.database import Database
from meeting.apiserver.schema import new_id, utc_now

#: How many are asked for at once, and for how long a replica that died while asking keeps them from the others.
AT_ONCE = 20
TAKEN_FOR = timedelta(seconds=60)

WANTED, DROPPED = "wanted", "dropped"


class Allocator(Protocol):
    """Who chooses servers: the enterprise's allocateserver. Without one, the hub does. All raise NotServed."""

    async def servers(self, email: str, begin_at: datetime | None, end_at: datetime | None) -> tuple[Servers, bool]:
        """The servers, and whether they can be given back."""

    async def file_server(self, email: str) -> str: ...

    async def release(self, email: str, begin_at: datetime | None, end_at: datetime | None) -> None: ...


class Reservations:
    """The wishes of meetings, and who sees to them."""

    log = Logger()

    def __init__(self, database: Database, clock: IReactorTime, allocator: Allocator | None) -> None:
        """`allocator` None: there is nothing to be asked ahead of time, and all of this does nothing."""
        self._database = database
        self._clock = clock
        self._allocator = allocator

    # -- within the transaction of a meeting ----------------------------------------------------------------------

    def want(
        self,
        transaction: Connection,
        meeting_id: str,
        email: str,
        begin_at: datetime | None,
        end_at: datetime | None,
        now: datetime,
    ) -> None:
        """A meeting will need servers at these times, and at no others; both None: now. Call `work` afterwards."""
        if self._allocator is None:
            return
        mine = transaction.execute(select(reservation).where(reservation.c.meeting_id == meeting_id)).all()
        same = [row for row in mine if (row.begin_at, row.end_at) == (begin_at, end_at) and row.state != DROPPED]
        self._drop(transaction, [row for row in mine if row not in same], now)
        if begin_at is None and _is_served(transaction, meeting_id, now):
            return  # the owner of an instant meeting comes back to where it was
        if not same:
            transaction.execute(
                reservation.insert().values(
                    id=new_id(now),
                    meeting_id=meeting_id,
                    email=email,
                    begin_at=begin_at,
                    end_at=end_at,
                    state=WANTED,
                    sfu="",
                    turn="",
                    releasable=False,
                    attempts=0,
                    trouble="",
                    created_at=now,
                    due_at=now,
                    taken_by="",
                )
            )

    def drop(self, transaction: Connection, meeting_id: str, now: datetime) -> None:
        """A meeting needs no servers any more. Call `work` afterwards."""
        if self._allocator is not None:
            mine = transaction.execute(select(reservation).where(reservation.c.meeting_id == meeting_id)).all()
            self._drop(transaction, mine, now)

    @staticmethod
    def _drop(transaction: Connection, rows: list[Row[Any]] | Any, now: datetime) -> None:
        """What was promised is given back if it can be, and not from under those who are in the room."""
        free = [row.id for row in rows if row.state == WANTED or (row.state == HELD and not row.releasable)]
        if free:
            transaction.execute(delete(reservation).where(reservation.c.id.in_(free)))
        held = [row for row in rows if row.state == HELD and row.releasable]
        ends = {row.id: row.end_at for row in held if row.begin_at <= now < row.end_at}
        for due_at in {now, *ends.values()}:
            ids = [row.id for row in held if ends.get(row.id, now) == due_at]
            if ids:
                given_back = update(reservation).where(reservation.c.id.in_(ids))
                transaction.execute(given_back.values(state=DROPPED, due_at=due_at, attempts=0))

    # -- afterwards -----------------------------------------------------------------------------------------------

    async def work(self) -> None:
        """See to what is due: ask, ask again, give back. At the end of it nothing is due."""
        if self._allocator is None:
            return
        me, now = token_hex(16), utc_now(self._clock)
        due = reservation.c.due_at <= now
        # Reading comes first: most rounds find nothing, and a database that only one may write to is left alone.
        while (await self._database.read(_any, due)) and (rows := await self._database.run(_take, me, now)):
            # What is given back first is free for those who ask then.
            for state in (DROPPED, WANTED, HELD):
                asking = [Deferred.fromCoroutine(self._see_to(row)) for row in rows if row.state == state]
                for success, result in await DeferredList(asking, consumeErrors=True):
                    if not success and isinstance(result, Failure):
                        result.raiseException()

    async def _see_to(self, row: Row[Any]) -> None:
        now, allocator = utc_now(self._clock), self._allocator
        assert allocator is not None
        try:
            if _is_over(row, now):
                await self._database.run(_forget, row.id)
            elif row.state == DROPPED:
                await allocator.release(row.email, row.begin_at, row.end_at)
                await self._database.run(_forget, row.id)
            else:
                promised, releasable = await allocator.servers(row.email, row.begin_at, row.end_at)
                await self._database.run(_hold, row, promised, releasable, utc_now(self._clock))
                self.log.info("meeting {meeting} was promised {sfu}", meeting=row.meeting_id, sfu=promised.sfu)
        except NotServed as wait:
            attempts = row.attempts + 1
            due_at = now + rules.back_off(attempts, wait.retry_after)
            await self._database.run(_later, row.id, attempts, due_at, wait.reason)
            self.log.warn(
                "meeting {meeting} has no promise of servers after {attempts} attempts: {reason}",
                meeting=row.meeting_id,
                attempts=attempts,
                reason=wait.reason,
            )


def _any(transaction: Connection, condition: Any) -> bool:
    return transaction.execute(select(reservation.c.id).where(condition).limit(1)).first() is not None


def _take(transaction: Connection, me: str, now: datetime) -> list[Row[Any]]:
    """Some of what is due, moved ahead so that nobody else takes it."""
    due = select(reservation.c.id).where(reservation.c.due_at <= now).order_by(reservation.c.due_at).limit(AT_ONCE)
    ids = list(transaction.execute(due).scalars())
    still = (reservation.c.id.in_(ids), or_(reservation.c.due_at <= now, reservation.c.taken_by == me))
    transaction.execute(update(reservation).where(*still).values(due_at=now + TAKEN_FOR, taken_by=me))
    return list(transaction.execute(select(reservation).where(reservation.c.id.in_(ids), reservation.c.taken_by == me)))


def _hold(transaction: Connection, row: Row[Any], promised: Servers, releasable: bool, now: datetime) -> None:
    """Write down a promise, unless the meeting was moved in the meantime: then it is given back."""
    if row.begin_at is None:
        # Nothing is kept of an instant meeting but where it is; a room that is somewhere already stays there.
        if not _is_served(transaction, row.meeting_id, now):
            version, _ = queries.current(transaction, row.meeting_id)
            queries.assign(transaction, row.meeting_id, version, promised, now)
        _forget(transaction, row.id)
        return
    values = {"state": HELD, "sfu": promised.sfu, "turn": promised.turn, "releasable": releasable}
    values["due_at"] = row.end_at + rules.OVERTIME
    same = update(reservation).where(reservation.c.id == row.id, reservation.c.state == WANTED)
    if transaction.execute(same.values(**values, attempts=0, trouble="")).rowcount or not releasable:
        return
    given_back = {**row._mapping, **values, "state": DROPPED, "due_at": now, "id": new_id(now), "attempts": 0}
    transaction.execute(reservation.insert().values(**given_back))


def _later(transaction: Connection, which: str, attempts: int, due_at: datetime, reason: str) -> None:
    same = update(reservation).where(reservation.c.id == which)
    transaction.execute(same.values(attempts=attempts, due_at=due_at, trouble=reason[:300]))


def _forget(transaction: Connection, which: str) -> None:
    transaction.execute(delete(reservation).where(reservation.c.id == which))


def _is_over(row: Row[Any], now: datetime) -> bool:
    """Whether nobody needs it any more."""
    if row.begin_at is None:
        return bool(now - row.created_at > rules.ASKING_FOR_INSTANT)
    return bool(now >= row.end_at + rules.OVERTIME)


def _is_served(transaction: Connection, meeting_id: str, now: datetime) -> bool:
    """Whether a meeting has an sfuserver that is there."""
    seen = queries.look(transaction, meeting_id, None, None)
    found = seen.known.get(("sfu", seen.servers.sfu)) if seen.servers else None
    return found is not None and not found.is_lost(now)
