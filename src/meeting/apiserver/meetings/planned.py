"""The scheduled meetings of everyone and who was invited to them, as administrators look for them."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, exists, func, or_, select

from meeting.apiserver.accounts.use_cases import Person, people_by_email, people_by_id
from meeting.apiserver.mail.use_cases import Delivery, deliveries, failures
from meeting.apiserver.meetings.queries import EVERY
from meeting.apiserver.meetings.rules import Kind, Reply
from meeting.apiserver.meetings.tables import invitee, meeting, reply
from meeting.apiserver.pages import Order, Page, Slice
from meeting.daemon.errors import NotFound

When = Literal["upcoming", "past"]


@dataclass(frozen=True)
class Planned:
    """A scheduled meeting; of a series, its next occurrence (of one that is over, the last)."""

    id: str
    code: str
    title: str
    owner: Person
    begin_at: datetime
    end_at: datetime
    zone: str
    recurs: bool
    cancelled: bool
    invited: int
    accepted: int
    declined: int
    #: People whom a mail about it did not reach.
    not_reached: int


@dataclass(frozen=True)
class Invitation:
    """Somebody who is invited to a meeting, and how that went. `name` is empty for who has no account."""

    email: str
    name: str
    reply: Reply
    delivery: Delivery | None


def planned(transaction: Connection, text: str, when: When, now: datetime, page: Page) -> Slice[Planned]:
    """Meetings whose title holds `text`, or whose owner or one invited has it as their address: those to come, the next
    first; those that are over or cancelled, the latest first. Five queries, however many there are.
    """
    query = select(meeting).where(meeting.c.kind == Kind.SCHEDULED)
    over = or_(meeting.c.end_at <= now, meeting.c.cancelled_at.is_not(None))
    query = query.where(over if when == "past" else ~over)
    wanted = text.strip().lower()
    if "@" in wanted:
        owners = [person.id for person in people_by_email(transaction, [wanted]).values()]
        is_invited = exists().where(invitee.c.meeting_id == meeting.c.id, invitee.c.email == wanted)
        query = query.where(or_(meeting.c.owner_id.in_(owners), is_invited))
    elif wanted:
        query = query.where(func.lower(meeting.c.title).contains(wanted, autoescape=True))
    order = Order(meeting.c.begin_at, meeting.c.id, descending=when == "past")
    found = order.cut(transaction.execute(order.of_page(query, page)).all(), page)
    return Slice(_counted(transaction, list(found.items)), found.cursor)


def _counted(transaction: Connection, rows: list[Row[Any]]) -> list[Planned]:
    ids = [row.id for row in rows]
    owners = people_by_id(transaction, {row.owner_id for row in rows})
    each_invited = (
        select(invitee.c.meeting_id, func.count().label("people"))
        .where(invitee.c.meeting_id.in_(ids))
        .group_by(invitee.c.meeting_id)
    )
    invited = {row.meeting_id: row.people for row in transaction.execute(each_invited)}
    each_reply = (
        select(reply.c.meeting_id, reply.c.answer, func.count().label("people"))
        .where(reply.c.meeting_id.in_(ids), reply.c.starts_at == EVERY)
        .group_by(reply.c.meeting_id, reply.c.answer)
    )
    replies: Counter[tuple[str, str]] = Counter()
    for row in transaction.execute(each_reply):
        replies[row.meeting_id, row.answer] = row.people
    lost = failures(transaction, ids)
    return [
        Planned(
            row.id,
            row.code,
            row.title,
            owners[row.owner_id],
            row.begin_at,
            row.end_at,
            row.zone,
            row.recurrence is not None,
            row.cancelled_at is not None,
            invited.get(row.id, 0),
            replies[row.id, Reply.ACCEPTED],
            replies[row.id, Reply.DECLINED],
            lost.get(row.id, 0),
        )
        for row in rows
    ]


def invitations(transaction: Connection, meeting_id: str) -> list[Invitation]:
    """Who is invited, in the order in which they were; at most `rules.MOST_INVITEES`. Raises NotFound."""
    scheduled = select(meeting.c.id).where(meeting.c.id == meeting_id, meeting.c.kind == Kind.SCHEDULED)
    if transaction.execute(scheduled).first() is None:
        raise NotFound("There is no such scheduled meeting.")
    of_all = select(invitee.c.email).where(invitee.c.meeting_id == meeting_id).order_by(invitee.c.position)
    emails = list(transaction.execute(of_all).scalars())
    answered = select(reply.c.email, reply.c.answer).where(reply.c.meeting_id == meeting_id, reply.c.starts_at == EVERY)
    replies = {row.email: Reply(row.answer) for row in transaction.execute(answered)}
    people = people_by_email(transaction, emails)
    mails = deliveries(transaction, [meeting_id])
    return [
        Invitation(
            email,
            people[email].name if email in people else "",
            replies.get(email, Reply.NONE),
            mails.get((meeting_id, email)),
        )
        for email in emails
    ]
