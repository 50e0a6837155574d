"""The list of somebody's meetings: single ones and the occurrences of series, in one order, page by page.

Single meetings are found by the database; series are few, each is expanded from where the page begins. However long a
series is, a page takes from it no more than it holds.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, and_, bindparam, case, not_, or_

from meeting.apiserver.accounts.use_cases import Person
from meeting.apiserver.meetings import queries, rules
from meeting.apiserver.meetings.queries import EVERY, Meeting
from meeting.apiserver.meetings.rules import Kind
from meeting.apiserver.meetings.series import Occurrence, Series
from meeting.apiserver.meetings.tables import meeting
from meeting.apiserver.pages import Page, Slice, decode_cursor, encode_cursor
from meeting.apiserver.schema import Id, Moment

#: So many series of one person are looked at.
_MOST_SERIES = 500
#: A series is still looked at for what is to come this long after its last occurrence, until its row has moved on.
_NEARLY_OVER = timedelta(days=1)

_Key = tuple[datetime, str, datetime]


def of_person(transaction: Connection, who: Person, past: bool, page: Page, now: datetime) -> Slice[Meeting]:
    """The meetings someone owns, was invited to or has joined: the next first, or the latest first."""
    after = tuple(decode_cursor(page.cursor, [Moment(), Id(), Moment()])) if page.cursor is not None else None
    mine = {"person_id": who.id, "email": who.email}
    asked = {**mine, "lag": now - rules.LAG, "most": page.limit + 1}
    if after is not None:
        asked |= {"after": after[0], "after_id": after[1]}
    singles = transaction.execute(_singles(past, after is not None), asked).all()
    recurring = transaction.execute(_recurring(past), {**mine, "now": now, "nearly_over": now - _NEARLY_OVER}).all()
    series = queries.series_of(transaction, recurring)
    found: list[tuple[_Key, Row[Any], Occurrence | None]] = [
        ((row.begin_at or row.created_at, row.id, EVERY), row, None) for row in singles
    ]
    for row in recurring:
        keyed = (
            ((each.begin_at, row.id, each.starts_at), each) for each in _occurrences(row, series[row.id], past, now)
        )
        beyond = ((key, each) for key, each in keyed if after is None or (key < after if past else key > after))
        found += [(key, row, each) for key, each in islice(beyond, page.limit + 1)]
    found.sort(key=lambda each: each[0], reverse=past)
    cursor = encode_cursor(found[page.limit - 1][0]) if len(found) > page.limit else None
    here = [(row, at) for _, row, at in found[: page.limit]]
    return Slice(queries.shown(transaction, here, series, now, reader=who), cursor)


@cache
def _singles(past: bool, goes_on: bool) -> Select[Any]:
    over = or_(
        meeting.c.cancelled_at.is_not(None),
        meeting.c.ended_at.is_not(None),
        and_(
            meeting.c.kind == Kind.SCHEDULED,
            meeting.c.running_since.is_(None),
            meeting.c.end_at <= bindparam("lag"),
        ),
    )
    # An instant meeting has no begin: it counts from when it was made, and stands first among those to come.
    begin = case((meeting.c.kind == Kind.INSTANT, meeting.c.created_at), else_=meeting.c.begin_at)
    query = queries.MINE.where(meeting.c.recurrence.is_(None), over if past else not_(over))
    if goes_on:
        place, id = bindparam("after", type_=Moment), bindparam("after_id", type_=Id)
        if past:
            query = query.where(or_(begin < place, and_(begin == place, meeting.c.id < id)))
        else:
            query = query.where(or_(begin > place, and_(begin == place, meeting.c.id > id)))
    order = (begin, meeting.c.id)
    return query.order_by(*(column.desc() for column in order) if past else order).limit(
        bindparam("most", type_=Integer())
    )


@cache
def _recurring(past: bool) -> Select[Any]:
    query = (
        queries.MINE.where(meeting.c.recurrence.is_not(None)).order_by(meeting.c.begin_at.desc()).limit(_MOST_SERIES)
    )
    if past:
        return query.where(meeting.c.first_begin_at <= bindparam("now"))
    to_come = or_(meeting.c.end_at > bindparam("nearly_over"), meeting.c.running_since.is_not(None))
    return query.where(meeting.c.cancelled_at.is_(None), to_come)


def _occurrences(row: Row[Any], series: Series, past: bool, now: datetime) -> Iterator[Occurrence]:
    """Those of a series that are over, latest first, or are not, next first."""
    held = series.held()
    over = rules.state(Kind(row.kind), row.end_at, row.running_since, row.ended_at, row.cancelled_at, now).is_over
    if past:
        return (
            each for each in reversed(held) if each.begin_at < row.begin_at or (over and each.begin_at == row.begin_at)
        )
    return (each for each in held if each.begin_at > row.begin_at or (not over and each.begin_at == row.begin_at))
