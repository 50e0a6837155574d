"""Work that must happen once, whichever replica does it: a row says who is at it, and until when.

    await leases.do("retention", sweep, rest=timedelta(hours=24))

A lease is taken by an UPDATE that only one of several can win, so it holds on a cluster too, where the locks of one
node mean nothing to the others. It is renewed while the work goes on; when its holder dies it runs out, and another
does the work. So the work may begin twice, and must bear that; two never do it at the same time as long as the
replicas' clocks differ by less than a third of a lease.
"""

import secrets
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, String, delete, or_, update
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from meeting.apiserver.database import Database, insert_if_absent
from meeting.apiserver.schema import Moment, table, utc_now
from meeting.daemon.errors import MeetingError

#: How long a holder may be silent before another takes over.
LENGTH = timedelta(seconds=60)

FORGET = timedelta(days=1)

Work = Callable[[], Coroutine[Deferred[Any], Any, None]]

#: Who is at a piece of work (`name`), or rests from it, until when.
lease = table(
    "lease",
    Column("name", String(80), primary_key=True),
    Column("holder", String(32), nullable=False),
    Column("until", Moment, nullable=False),
)


class Leases:
    """The leases of all replicas over one database."""

    log = Logger()

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self._database = database
        self._clock = clock

    async def do(self, name: str, work: Work, *, rest: timedelta = timedelta(0), length: timedelta = LENGTH) -> bool:
        """`work()`, unless somebody is at it, or finished it less than `rest` ago; says whether it was done here.

        `rest` counts from the beginning of the work: replicas that all ask each minute do it once an hour. Work that
        fails raises here and may be tried again at once, by anybody. Whoever loses the lease on the way, because the
        database was away for longer than `length`, is cancelled.
        """
        token = secrets.token_hex(16)
        begun = utc_now(self._clock)
        if not await self._database.run(_take, name, token, begun, begun + length):
            return False
        until = begun
        working = Deferred.fromCoroutine(work())
        held = begun + length

        async def renew() -> None:
            nonlocal held
            now = utc_now(self._clock)
            try:
                kept = await self._database.run(_set, name, token, now + length)
            except MeetingError:  # the database is away: we hold it until it runs out
                kept = utc_now(self._clock) < held
            else:
                held = now + length
            if not kept:
                self.log.error("the lease {name} was lost", name=name)
                working.cancel()

        renewing = LoopingCall(lambda: Deferred.fromCoroutine(renew()))
        renewing.clock = self._clock
        renewing.start(length.total_seconds() / 3, now=False)
        try:
            await working
            until = begun + rest
        finally:
            renewing.stop()
            await self._database.run(_set, name, token, max(until, begun))
        return True

    async def sweep(self) -> None:
        """Forget leases that ran out long ago."""
        await self._database.run(_sweep, utc_now(self._clock) - FORGET)


def _sweep(transaction: Connection, before: datetime) -> None:
    transaction.execute(delete(lease).where(lease.c.until < before))


def _take(transaction: Connection, name: str, token: str, now: datetime, until: datetime) -> bool:
    # Ours already: this transaction was committed before, and its answer got lost.
    free = or_(lease.c.until <= now, lease.c.holder == token)
    taken = update(lease).where(lease.c.name == name, free).values(holder=token, until=until)
    if transaction.execute(taken).rowcount:
        return True
    return insert_if_absent(transaction, lease, name=name, holder=token, until=until)


def _set(transaction: Connection, name: str, token: str, until: datetime) -> bool:
    mine = update(lease).where(lease.c.name == name, lease.c.holder == token)
    return transaction.execute(mine.values(until=until)).rowcount == 1
