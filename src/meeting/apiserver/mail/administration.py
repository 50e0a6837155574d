"""The queue of mails, as administrators see it: never a text, for it may hold a code."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from meeting.apiserver.mail.tables import mail
from meeting.apiserver.mail.use_cases import FAILED, QUEUED
from meeting.apiserver.pages import Order, Page, Slice
from meeting.daemon.errors import Conflict, NotFound

#: What an administrator took out of the queue.
DROPPED = "dropped"


@dataclass(frozen=True)
class Queued:
    """A mail in the queue, or one that has left it."""

    id: str
    state: str
    recipient: str
    subject: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    attempts: int
    error: str | None


def listed(transaction: Connection, state: str | None, page: Page) -> Slice[Queued]:
    """Mails, the newest first."""
    query = select(mail)
    if state is not None:
        query = query.where(mail.c.state == state)
    order = Order(mail.c.created_at, mail.c.id, descending=True)
    return order.cut(transaction.execute(order.of_page(query, page)).all(), page).map(_queued)


def _queued(row: Row[Any]) -> Queued:
    return Queued(
        row.id,
        row.state,
        row.recipient,
        # What is wiped is a secret as a whole, and a code stands in the subject too.
        "" if row.wipe else row.subject,
        row.created_at,
        row.due_at,
        row.expires_at,
        row.attempts,
        row.last_error,
    )


def counts(transaction: Connection) -> dict[str, int]:
    """How many mails are in each state."""
    rows = transaction.execute(select(mail.c.state, func.count()).group_by(mail.c.state))
    return {row[0]: row[1] for row in rows}


def retry(transaction: Connection, id: str, now: datetime) -> str:
    """Make a mail due now; returns its recipient. Raises NotFound, Conflict."""
    row = transaction.execute(select(mail).where(mail.c.id == id)).first()
    if row is None:
        raise NotFound("There is no such mail.")
    if row.state not in (QUEUED, FAILED) or row.expires_at <= now or not row.text:
        raise Conflict("Only what waits, or has failed and is not too old, can be sent again.")
    transaction.execute(
        update(mail).where(mail.c.id == id, mail.c.state == row.state).values(state=QUEUED, due_at=now, holder=None)
    )
    return str(row.recipient)


def drop(transaction: Connection, id: str) -> str:
    """Take a mail that waits out of the queue; returns its recipient. Raises NotFound, Conflict."""
    row = transaction.execute(select(mail).where(mail.c.id == id)).first()
    if row is None:
        raise NotFound("There is no such mail.")
    waiting = update(mail).where(mail.c.id == id, mail.c.state == QUEUED)
    if not transaction.execute(waiting.values(state=DROPPED, text="", holder=None)).rowcount:
        raise Conflict("It does not wait any more.")
    return str(row.recipient)
