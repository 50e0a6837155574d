"""Sessions: the cookie that says who is calling, on which device, and how it ends."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts import rules
from meeting.apiserver.accounts.people import NOBODY, PERSON, Caller, Guest, Person, person_of
from meeting.apiserver.accounts.rules import Device
from meeting.apiserver.accounts.tables import guest, person, session
from meeting.apiserver.audit.use_cases import Actor, ActorKind, Audit, Entry, Origin, write
from meeting.apiserver.database import Database, insert_new
from meeting.apiserver.pages import Order, Page, Slice
from meeting.apiserver.schema import new_id, utc_now
from meeting.daemon.errors import Forbidden, NotFound

_USED_LAST = Order(session.c.renewed_at, session.c.id, descending=True)


class Blocked(Forbidden):
    """An administrator has blocked this account."""

    problem = "blocked"
    title = "This account is blocked."


@dataclass(frozen=True)
class Session:
    """A browser in which a person is signed in."""

    id: str
    browser: str | None
    system: str | None
    address: str
    created_at: datetime
    #: To within rules.SESSION_RENEWAL.
    last_used_at: datetime


class Sessions:
    """The sessions of people and guests. A cookie is kept as its HMAC only."""

    def __init__(self, database: Database, clock: IReactorTime, key: bytes, audit: Audit) -> None:
        """`key`: the secret's key of the purpose `sign-in-code`."""
        self._database = database
        self._clock = clock
        self._key = key
        self._audit = audit

    def open_for_person(self, transaction: Connection, who: Person, now: datetime, device: Device, cookie: str) -> None:
        """A new session of a person who has just proved who they are, and its entry in the audit log. The one way to
        one, by whatever proof.

        Raises Blocked.
        """
        if transaction.execute(_BLOCKED, {"id": who.id}).scalar() is not None:
            raise Blocked()
        self._open(transaction, cookie, now, device, person_id=who.id)
        origin = Origin(Actor(ActorKind.PERSON, who.id), device.address, device.request)
        write(transaction, self._audit.entry(Entry("session.open", origin, target_id=who.id)))

    def open_for_guest(self, transaction: Connection, who: Guest, now: datetime, cookie: str) -> None:
        """A new session of a guest who is let in."""
        self._open(transaction, cookie, now, Device(), guest_id=who.id)

    def _open(
        self,
        transaction: Connection,
        cookie: str,
        now: datetime,
        device: Device,
        *,
        person_id: str | None = None,
        guest_id: str | None = None,
    ) -> None:
        lifetime = rules.GUEST_SESSION_LIFETIME if person_id is None else rules.SESSION_LIFETIME
        row = {
            "cookie_hash": self._hash(cookie),
            "id": new_id(now),
            "person_id": person_id,
            "guest_id": guest_id,
            "created_at": now,
            "renewed_at": now,
            "expires_at": now + lifetime,
            "user_agent": device.user_agent,
            "address": device.address,
        }
        insert_new(transaction, session, [row])

    async def caller(self, cookie: str | None, device: Device) -> Caller:
        """Who has this session cookie. A person's session that is used is renewed."""
        if not cookie or len(cookie) > 100:
            return NOBODY
        now = utc_now(self._clock)
        digest = self._hash(cookie)
        found, renewed_at = await self._database.read(_find, digest, now)
        if found.person is not None and now - renewed_at > rules.SESSION_RENEWAL:
            await self._database.run(_renew, digest, now, device)
        return found

    async def of_person(self, who: Person, page: Page) -> Slice[Session]:
        """Where a person is signed in; what was used last comes first."""
        return await self._database.read(_of_person, who.id, utc_now(self._clock), page)

    async def end(self, who: Person, session_id: str) -> None:
        """End one session of a person. Raises NotFound if they have none with this id."""
        if not rules.is_id(session_id) or not await self._database.run(_end, who.id, session_id):
            raise NotFound()

    async def end_others(self, who: Person, session_id: str | None) -> None:
        """End every session of a person but this one."""
        await self._database.run(_end_others, who.id, session_id)

    async def close(self, cookie: str) -> None:
        """End the session of this cookie; nothing happens where there is none."""
        await self._database.run(_close, self._hash(cookie))

    def _hash(self, cookie: str) -> bytes:
        return hmac.digest(self._key, f"session:{cookie}".encode(), "sha256")


def new_cookie() -> str:
    """32 random bytes, base64url."""
    return secrets.token_urlsafe(32)


def end_all(transaction: Connection, person_id: str) -> None:
    """End every session of a person."""
    transaction.execute(delete(session).where(session.c.person_id == person_id))


_BLOCKED = select(person.c.blocked_at).where(person.c.id == bindparam("id"))
_CALLER = (
    select(
        session.c.id.label("session_id"),
        session.c.renewed_at,
        *PERSON,
        guest.c.id.label("guest_id"),
        guest.c.meeting_id.label("guest_meeting_id"),
        guest.c.name.label("guest_name"),
    )
    .select_from(
        session.outerjoin(person, person.c.id == session.c.person_id).outerjoin(guest, guest.c.id == session.c.guest_id)
    )
    .where(
        session.c.cookie_hash == bindparam("cookie_hash"),
        session.c.expires_at > bindparam("now"),
        person.c.blocked_at.is_(None),
    )
)


def _find(transaction: Connection, digest: bytes, now: datetime) -> tuple[Caller, datetime]:
    row = transaction.execute(_CALLER, {"cookie_hash": digest, "now": now}).first()
    if row is None:
        return NOBODY, now
    if row.id is not None:
        return Caller(person=person_of(row), session_id=row.session_id), row.renewed_at
    someone = Guest(row.guest_id, row.guest_meeting_id, row.guest_name)
    return Caller(guest=someone, session_id=row.session_id), row.renewed_at


def _renew(transaction: Connection, digest: bytes, now: datetime, device: Device) -> None:
    change = update(session).where(session.c.cookie_hash == digest)
    lives = {"renewed_at": now, "expires_at": now + rules.SESSION_LIFETIME}
    transaction.execute(change.values(**lives, user_agent=device.user_agent, address=device.address))


def _of_person(transaction: Connection, person_id: str, now: datetime, page: Page) -> Slice[Session]:
    query = select(session).where(session.c.person_id == person_id, session.c.expires_at > now)
    return _USED_LAST.cut(transaction.execute(_USED_LAST.of_page(query, page)).all(), page).map(_session)


def _session(row: Row[Any]) -> Session:
    return Session(
        row.id,
        *rules.browser_and_system(row.user_agent),
        address=row.address,
        created_at=row.created_at,
        last_used_at=row.renewed_at,
    )


def _end(transaction: Connection, person_id: str, session_id: str) -> bool:
    ended = delete(session).where(session.c.person_id == person_id, session.c.id == session_id)
    return transaction.execute(ended).rowcount > 0


def _end_others(transaction: Connection, person_id: str, session_id: str | None) -> None:
    ended = delete(session).where(session.c.person_id == person_id)
    transaction.execute(ended if session_id is None else ended.where(session.c.id != session_id))


def _close(transaction: Connection, digest: bytes) -> None:
    transaction.execute(delete(session).where(session.c.cookie_hash == digest))
