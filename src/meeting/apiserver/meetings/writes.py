"""The SQL that writes meetings, in the transaction of whoever calls it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, update

from meeting.apiserver.accounts.use_cases import Person
from meeting.apiserver.database import Stale, insert_new, upsert
from meeting.apiserver.meetings import queries, rules
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.rules import Kind, Options
from meeting.apiserver.meetings.series import Occurrence, Series
from meeting.apiserver.meetings.tables import attendance, exception, invitee, meeting, reply
from meeting.daemon.errors import Forbidden, NotFound


def fresh_row(
    meeting_id: str, kind: Kind, owner: Person, title: str, zone: str, options: Options, now: datetime
) -> dict[str, Any]:
    """The row of a new meeting, without times."""
    return {
        "id": meeting_id,
        "code": rules.new_code(),
        "kind": kind,
        "owner_id": owner.id,
        "instant_owner_id": owner.id if kind is Kind.INSTANT else None,
        "title": title,
        "begin_at": None,
        "end_at": None,
        "zone": zone,
        "created_at": now,
        "version": 1,
        **vars(options),
    }


def series_columns(series: Series | None, now: datetime) -> dict[str, Any]:
    """What the row of a series holds: its rule, and the times of the occurrence at which it stands."""
    if series is None:
        return {"recurrence": None, "first_begin_at": None, "first_end_at": None, "moves_on_at": None}
    at, moves_on_at = series.standing(now) or (series.occurrences()[0], None)
    return {
        "recurrence": str(series.rule),
        "first_begin_at": series.begin_at,
        "first_end_at": series.end_at,
        "begin_at": at.begin_at,
        "end_at": at.end_at,
        "moves_on_at": moves_on_at,
    }


def owned(transaction: Connection, owner: Person, code: str, now: datetime) -> Meeting:
    """The meeting with this code, for its owner. Raises NotFound, Forbidden."""
    found = queries.by_code(transaction, code, now)
    if found is None:
        raise NotFound("There is no meeting with this link.")
    if found.owner.id != owner.id:
        raise Forbidden("Only the owner of a meeting may do this.")
    return found


_WRITE = update(meeting).where(meeting.c.id == bindparam("seen_id"), meeting.c.version == bindparam("seen_version"))
_UNINVITE = delete(invitee).where(invitee.c.meeting_id == bindparam("meeting_id"))


def write(transaction: Connection, before: Meeting, **values: Any) -> None:
    """Write over the version that was read, or have it all done again."""
    seen = {"seen_id": before.id, "seen_version": before.version}
    if not transaction.execute(_WRITE, {**seen, **values, "version": before.version + 1}).rowcount:
        raise Stale("the meeting was changed by somebody else")


def invite(transaction: Connection, meeting_id: str, emails: Sequence[str], writers: Iterable[str]) -> None:
    """Make these the invited, in this order; `writers` among them may write the minutes."""
    named = frozenset(writers)
    transaction.execute(_UNINVITE, {"meeting_id": meeting_id})
    rows = [
        {"meeting_id": meeting_id, "email": email, "position": position, "writes_minutes": email in named}
        for position, email in enumerate(emails)
    ]
    insert_new(transaction, invitee, rows)


def put_exceptions(transaction: Connection, meeting_id: str, exceptions: Sequence[Occurrence]) -> None:
    """Make these the exceptions of a series."""
    transaction.execute(delete(exception).where(exception.c.meeting_id == meeting_id))
    insert_new(transaction, exception, [_exception_row(meeting_id, each) for each in exceptions])


def put_exception(transaction: Connection, meeting_id: str, changed: Occurrence) -> None:
    """Write one exception of a series."""
    row = _exception_row(meeting_id, changed)
    upsert(transaction, exception, row, {name: row[name] for name in ("begin_at", "end_at", "title", "cancelled")})


def _exception_row(meeting_id: str, of: Occurrence) -> dict[str, Any]:
    return {"meeting_id": meeting_id, **vars(of)}


def forget_replies(transaction: Connection, meeting_id: str, starts_at: datetime | None = None) -> None:
    """Nobody has answered yet: at other times the question is another one. `starts_at`: of this occurrence."""
    gone = delete(reply).where(reply.c.meeting_id == meeting_id)
    transaction.execute(gone if starts_at is None else gone.where(reply.c.starts_at == starts_at))


def everyone_leaves(transaction: Connection, meeting_id: str, now: datetime) -> None:
    """End the stays of all who are in the room."""
    there = (attendance.c.meeting_id == meeting_id) & attendance.c.left_at.is_(None)
    transaction.execute(update(attendance).where(there).values(left_at=now))
