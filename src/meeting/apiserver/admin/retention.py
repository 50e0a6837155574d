"""Nothing is kept for longer than was decided: what is over its time, counted beforehand, and removed each night.

What goes is named once for each kind, as a table and a condition; the count and the removal both go by it. Rows go in
batches, each its own transaction, so that a first night with years to remove holds nobody up. A file goes at its
fsserver first: a night that cannot reach it leaves the row for the next.
"""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, or_, select, tuple_
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from meeting.apiserver.audit.rules import HUB, Entry, Origin, first_kept
from meeting.apiserver.audit.use_cases import Audit
from meeting.apiserver.database import Database
from meeting.apiserver.migrations import schema
from meeting.apiserver.schema import utc_now
from meeting.apiserver.settings.rules import RETENTION_KINDS, Retention
from meeting.apiserver.settings.use_cases import Settings

#: Rows of one transaction, and meetings: each has rows in many tables.
BATCH = 500
MEETINGS = 50

#: Removes the bytes of a file (id, meeting, address of its fsserver); says whether they are gone.
RemoveFile = Callable[[str, str, str], Coroutine[Deferred[Any], Any, bool]]


@dataclass(frozen=True)
class _Over:
    table: Table
    condition: ColumnElement[bool]


def over(kind: str, before: datetime, now: datetime) -> list[_Over]:
    """What of a kind (`rules.RETENTION_KINDS`) is over its time when nothing from before `before` is kept."""
    table = schema().tables
    if kind == "meetings":
        meeting = table["meeting"]
        # An instant meeting is a link that stays; what was said in it goes by the other kinds. The row of a series has
        # the times of its next occurrence, or of its last one.
        ended = or_(meeting.c.end_at < before, meeting.c.end_at.is_(None))
        gone = and_(meeting.c.kind == "scheduled", meeting.c.running_since.is_(None), ended)
        return [_Over(meeting, gone)]
    if kind == "chat":
        return [_Over(table["chat_message"], table["chat_message"].c.sent_at < before)]
    if kind == "minutes":
        # A document goes as a whole, when nobody has written in it for that long.
        update_, snapshot = table["minutes_update"], table["minutes_snapshot"]
        fresh = select(update_.c.meeting_id).where(update_.c.written_at >= before)
        alive = select(snapshot.c.meeting_id).where(snapshot.c.written_at >= before)
        return [
            _Over(
                each, and_(each.c.written_at < before, each.c.meeting_id.not_in(fresh), each.c.meeting_id.not_in(alive))
            )
            for each in (update_, snapshot)
        ]
    if kind == "files":
        return [_Over(table["file"], table["file"].c.created_at < before)]
    if kind == "attendance":
        return [_Over(table["attendance"], table["attendance"].c.left_at < before)]
    if kind == "mails":
        mail = table["mail"]
        return [_Over(mail, and_(mail.c.created_at < before, or_(mail.c.state != "queued", mail.c.expires_at < now)))]
    if kind == "audit":
        return [_Over(table["audit_entry"], table["audit_entry"].c.at < before)]
    if kind == "sessions":
        return [_Over(table["session"], table["session"].c.renewed_at < before)]
    guest, session = table["guest"], table["session"]
    old = select(guest.c.id).where(guest.c.created_at < before)
    return [_Over(session, session.c.guest_id.in_(old)), _Over(guest, guest.c.created_at < before)]


class Sweeper:
    """Counts and removes."""

    log = Logger()

    def __init__(
        self, database: Database, clock: IReactorTime, settings: Settings, audit: Audit, remove_file: RemoveFile
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._audit = audit
        self._remove_file = remove_file

    async def preview(self, retention: Retention) -> dict[str, int]:
        """How many rows of each kind a sweep would remove now, by these rules."""
        return await self._database.read(_count, self._limits(retention), utc_now(self._clock))

    async def sweep(self) -> None:
        """Remove what is over its time. How many rows of each kind that were is in the audit log."""
        now = utc_now(self._clock)
        removed: dict[str, int] = {}
        for kind, before in self._limits(self._settings.current.retention).items():
            if kind == "files":
                removed[kind] = await self._remove_files(over(kind, before, now)[0].condition)
            elif kind == "meetings":
                removed[kind] = await self._remove_meetings(over(kind, before, now)[0].condition)
            else:
                removed[kind] = 0
                for each in over(kind, before, now):
                    while count := await self._database.run(_remove, each.table, each.condition, BATCH):
                        removed[kind] += count
        counts = {kind: count for kind, count in removed.items() if count}
        if counts:
            await self._audit.record(Entry("retention.sweep", Origin(HUB), details={"removed": counts}))

    def _limits(self, retention: Retention) -> dict[str, datetime]:
        """From before when each kind is removed; kinds that are kept for ever are not in it."""
        now = utc_now(self._clock)
        days = {kind: getattr(retention, kind) for kind in RETENTION_KINDS}
        return {
            kind: first_kept(now, count) if kind == "audit" else now - timedelta(days=count)
            for kind, count in days.items()
            if count is not None
        }

    async def _remove_files(self, condition: ColumnElement[bool]) -> int:
        removed, after = 0, None
        while batch := await self._database.read(_files, condition, after):
            after = batch[-1][0]
            gone = [id for id, meeting_id, address in batch if await self._remove_file(id, meeting_id, address)]
            await self._database.run(_remove_ids, schema().tables["file"], gone)
            removed += len(gone)
            if len(gone) < len(batch):
                self.log.warn("{count} files could not be removed; next night again", count=len(batch) - len(gone))
        return removed

    async def _remove_meetings(self, condition: ColumnElement[bool]) -> int:
        tables = schema().tables
        ids = select(tables["meeting"].c.id).where(condition)
        await self._remove_files(tables["file"].c.meeting_id.in_(ids))
        removed = 0
        while count := await self._database.run(_remove_meetings, condition):
            removed += count
        return removed


def _count(transaction: Connection, limits: dict[str, datetime], now: datetime) -> dict[str, int]:
    counts = {}
    for kind, before in limits.items():
        queries = [
            select(func.count()).select_from(each.table).where(each.condition) for each in over(kind, before, now)
        ]
        counts[kind] = sum(transaction.execute(query).scalar() or 0 for query in queries)
    return counts


def _remove(transaction: Connection, table: Table, condition: ColumnElement[bool], most: int) -> int:
    key = list(table.primary_key.columns)
    rows = transaction.execute(select(*key).where(condition).limit(most)).all()
    if not rows:
        return 0
    if len(key) == 1:
        transaction.execute(delete(table).where(key[0].in_([row[0] for row in rows])))
    else:
        transaction.execute(delete(table).where(tuple_(*key).in_([tuple(row) for row in rows])))
    return len(rows)


def _files(transaction: Connection, condition: ColumnElement[bool], after: str | None) -> list[tuple[str, str, str]]:
    file = schema().tables["file"]
    query = select(file.c.id, file.c.meeting_id, file.c.address).where(condition).order_by(file.c.id).limit(MEETINGS)
    if after is not None:
        query = query.where(file.c.id > after)
    return [(row.id, row.meeting_id, row.address) for row in transaction.execute(query)]


def _remove_ids(transaction: Connection, table: Table, ids: Iterable[str]) -> None:
    if ids := list(ids):
        transaction.execute(delete(table).where(table.c.id.in_(ids)))


def _remove_meetings(transaction: Connection, condition: ColumnElement[bool]) -> int:
    """Up to MEETINGS meetings with everything that names one of them `meeting_id`; but none that still has a file."""
    tables = schema()
    meeting, file = tables.tables["meeting"], tables.tables["file"]
    without_files = meeting.c.id.not_in(select(file.c.meeting_id))
    ids = list(transaction.execute(select(meeting.c.id).where(condition, without_files).limit(MEETINGS)).scalars())
    if not ids:
        return 0
    for table in reversed(tables.sorted_tables):
        if "meeting_id" in table.c:
            guests = select(table.c.id).where(table.c.meeting_id.in_(ids)) if table.name == "guest" else None
            if guests is not None:
                session = tables.tables["session"]
                transaction.execute(delete(session).where(session.c.guest_id.in_(guests)))
            transaction.execute(delete(table).where(table.c.meeting_id.in_(ids)))
    transaction.execute(delete(meeting).where(meeting.c.id.in_(ids)))
    return len(ids)
