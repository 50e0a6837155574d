"""People, as administrators see and change them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, or_, select, update

from meeting.apiserver.accounts.tables import person, session
from meeting.apiserver.database import Stale
from meeting.apiserver.pages import Order, Page, Slice
from meeting.daemon.errors import Conflict, NotFound


class LastAdministrator(Conflict):
    """Somebody has to be left who can let others in."""

    problem = "last-administrator"
    title = "There must be another administrator first."


class IsAdministrator(Conflict):
    """An administrator is neither blocked nor erased."""

    problem = "is-administrator"
    title = "Take the administrator's rights away first."


@dataclass(frozen=True)
class Account:
    """An account; `used_at`: when a session of theirs was last renewed (daily while in use), None: there is none."""

    id: str
    email: str
    name: str
    administrator: bool
    blocked_at: datetime | None
    erased_at: datetime | None
    created_at: datetime
    sessions: int
    used_at: datetime | None


def find(transaction: Connection, text: str, *, administrators: bool, blocked: bool, page: Page) -> Slice[Account]:
    """Accounts whose address or name holds `text`, the newest first."""
    query = _accounts()
    if text:
        # Names are compared byte by byte: in lower case on both sides.
        wanted = text.strip().lower()
        query = query.where(
            or_(
                person.c.email.contains(wanted, autoescape=True),
                func.lower(person.c.name).contains(wanted, autoescape=True),
            )
        )
    if administrators:
        query = query.where(person.c.administrator)
    if blocked:
        query = query.where(person.c.blocked_at.is_not(None))
    order = Order(person.c.id, descending=True)
    return order.cut(transaction.execute(order.of_page(query, page)).all(), page).map(_account)


def account(transaction: Connection, id: str) -> Account:
    """The account of someone. Raises NotFound."""
    row = transaction.execute(_accounts().where(person.c.id == id)).first()
    if row is None:
        raise NotFound("There is nobody with this id.")
    return _account(row)


def id_of(transaction: Connection, email: str) -> str | None:
    """The id of the person with this address."""
    found: str | None = transaction.execute(select(person.c.id).where(person.c.email == email)).scalar()
    return found


def count_people(transaction: Connection) -> int:
    """How many there are."""
    return (
        transaction.execute(select(func.count()).select_from(person).where(person.c.erased_at.is_(None))).scalar() or 0
    )


def set_administrator(transaction: Connection, id: str, value: bool, now: datetime) -> bool:
    """Give or take the rights; says whether that changed anything. Raises NotFound, Conflict, LastAdministrator."""
    found = account(transaction, id)
    if found.administrator == value:
        return False
    if value and (found.blocked_at is not None or found.erased_at is not None):
        raise Conflict("This account is blocked or erased.")
    if not value:
        # Of two administrators who take each other's rights away at once, on whichever node of a cluster, one must
        # fail. So another one who stays is written to, as well as the one who goes: their transactions collide.
        other = select(person.c.id).where(person.c.administrator, person.c.id != id).order_by(person.c.id).limit(1)
        stays = transaction.execute(other).scalar()
        if stays is None:
            raise LastAdministrator()
        vouched = update(person).where(person.c.id == stays, person.c.administrator).values(vouched_at=now)
        if not transaction.execute(vouched).rowcount:
            raise Stale("the other administrator is none any more")
    transaction.execute(update(person).where(person.c.id == id).values(administrator=value))
    return True


def block(transaction: Connection, id: str, now: datetime) -> bool:
    """End someone's sessions and let them sign in no more; says whether that changed anything.

    Raises NotFound, IsAdministrator.
    """
    found = account(transaction, id)
    if found.blocked_at is not None:
        return False
    only = update(person).where(person.c.id == id, person.c.administrator.is_(False))
    if not transaction.execute(only.values(blocked_at=now)).rowcount:
        raise IsAdministrator()
    end_sessions(transaction, id)
    return True


def unblock(transaction: Connection, id: str) -> bool:
    """Let someone sign in again; says whether that changed anything. Raises NotFound, Conflict."""
    found = account(transaction, id)
    if found.erased_at is not None:
        raise Conflict("This account is erased.")
    transaction.execute(update(person).where(person.c.id == id).values(blocked_at=None))
    return found.blocked_at is not None


def end_sessions(transaction: Connection, id: str) -> int:
    """Sign someone out everywhere; says of how many sessions."""
    return transaction.execute(delete(session).where(session.c.person_id == id)).rowcount


def _accounts() -> Any:
    sessions = func.count(session.c.created_at).label("sessions")
    used_at = func.max(session.c.renewed_at).label("used_at")
    return (
        select(
            person.c.id,
            person.c.email,
            person.c.name,
            person.c.administrator,
            person.c.blocked_at,
            person.c.erased_at,
            person.c.created_at,
            sessions,
            used_at,
        )
        .select_from(person.outerjoin(session, session.c.person_id == person.c.id))
        .group_by(person.c.id)
    )


def _account(row: Row[Any]) -> Account:
    return Account(
        row.id,
        row.email,
        row.name,
        bool(row.administrator),
        row.blocked_at,
        row.erased_at,
        row.created_at,
        row.sessions,
        row.used_at,
    )
