"""Keeping the minutes: every update a row before it is acknowledged; now and then all rows become one snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pycrdt import Doc, XmlFragment
from sqlalchemy import Connection, delete, func, select
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.database import Database, Stale, insert_new, upsert
from meeting.apiserver.events import Note, publish
from meeting.apiserver.minutes.render import to_html, to_text
from meeting.apiserver.minutes.sync import FRAGMENT
from meeting.apiserver.minutes.tables import minutes_snapshot, minutes_update
from meeting.apiserver.minutes.updates import as_one
from meeting.apiserver.schema import new_id, utc_now

#: Rows named in one statement when they are deleted.
_CHUNK = 500


@dataclass(frozen=True)
class Text:
    """The minutes as they stand; `updated_at` None: nobody has written any."""

    text: str
    html: str
    updated_at: datetime | None


class Minutes:
    """The minutes of all meetings, at rest. While somebody writes, `live.LiveMinutes` stands before them."""

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self._database = database
        self._clock = clock

    async def load(self, meeting_id: str) -> list[bytes]:
        """The updates that make the document; the snapshot is one of them."""
        return await self._database.read(_load, meeting_id)

    async def append(self, meeting_id: str, updates: Sequence[bytes], *notes: Note) -> None:
        """Write updates down, all or none, and tell the other replicas. Durable when this returns."""
        now = utc_now(self._clock)
        await self._database.run(_append, meeting_id, [(new_id(now), update) for update in updates], now, notes)

    async def compact(self, meeting_id: str) -> None:
        """Make one snapshot of the snapshot and the rows. One transaction: killed anywhere, all is done or nothing."""
        await self._database.run(_compact, meeting_id)

    async def read(self, meeting_id: str) -> Text:
        """The durable text, rendered."""
        return await self._database.read(_read, meeting_id)


def _load(transaction: Connection, meeting_id: str) -> list[bytes]:
    snapshot = select(minutes_snapshot.c.data).where(minutes_snapshot.c.meeting_id == meeting_id)
    rows = (
        select(minutes_update.c.data)
        .where(minutes_update.c.meeting_id == meeting_id)
        .order_by(minutes_update.c.written_at, minutes_update.c.id)
    )
    return [*transaction.execute(snapshot).scalars(), *transaction.execute(rows).scalars()]


def _append(
    transaction: Connection,
    meeting_id: str,
    updates: Sequence[tuple[str, bytes]],
    now: datetime,
    notes: Sequence[Note],
) -> None:
    rows = [{"meeting_id": meeting_id, "id": id, "data": data, "written_at": now} for id, data in updates]
    insert_new(transaction, minutes_update, rows)
    publish(transaction, *notes)


def _compact(transaction: Connection, meeting_id: str) -> None:
    # Exactly the rows that were read are deleted: what another replica adds meanwhile stays.
    rows = transaction.execute(
        select(minutes_update.c.id, minutes_update.c.data, minutes_update.c.written_at)
        .where(minutes_update.c.meeting_id == meeting_id)
        .order_by(minutes_update.c.written_at, minutes_update.c.id)
    ).all()
    if not rows:
        return
    before = transaction.execute(
        select(minutes_snapshot.c.data).where(minutes_snapshot.c.meeting_id == meeting_id)
    ).scalar()
    document = _document([*([before] if before is not None else []), *(row.data for row in rows)])
    values = {"data": document.get_update(), "written_at": max(row.written_at for row in rows)}
    upsert(transaction, minutes_snapshot, {"meeting_id": meeting_id, **values}, values)
    for start in range(0, len(rows), _CHUNK):
        ids = [row.id for row in rows[start : start + _CHUNK]]
        these = delete(minutes_update).where(minutes_update.c.meeting_id == meeting_id, minutes_update.c.id.in_(ids))
        if transaction.execute(these).rowcount != len(ids):
            raise Stale  # somebody else put them into a snapshot, with others that ours would leave out


def _read(transaction: Connection, meeting_id: str) -> Text:
    fragment = _document(_load(transaction, meeting_id)).get(FRAGMENT, type=XmlFragment)
    moments = [
        transaction.execute(select(func.max(kept.c.written_at)).where(kept.c.meeting_id == meeting_id)).scalar()
        for kept in (minutes_snapshot, minutes_update)
    ]
    return Text(to_text(fragment), to_html(fragment), max((moment for moment in moments if moment), default=None))


def _document(updates: Sequence[bytes]) -> Doc[XmlFragment]:
    """A document of this thread's own (they are bound to the thread that made them)."""
    document: Doc[XmlFragment] = Doc()
    document.get(FRAGMENT, type=XmlFragment)
    if updates:
        document.apply_update(as_one(updates))
    return document
