"""A person's meetings as a calendar that programs subscribe to (RFC 5545), by an address nobody guesses.

The address stands for the person and cannot sign in, so it has no cookie: its key is made by HMAC from the person and a
nonce in the database. The address can be shown again, a copy of the database opens nothing, and with a new nonce the
old address is dead. The key travels in the query, which no log of ours shows.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update
from twisted.internet.interfaces import IReactorTime

from meeting.apiserver.accounts.use_cases import Person, people_by_id
from meeting.apiserver.database import Database, upsert
from meeting.apiserver.meetings import queries
from meeting.apiserver.meetings.invitations.calendars import Calendars
from meeting.apiserver.meetings.invitations.letters import Letters
from meeting.apiserver.meetings.queries import Meeting
from meeting.apiserver.meetings.rules import Kind, Reply
from meeting.apiserver.meetings.tables import calendar_choice, meeting
from meeting.apiserver.schema import utc_now
from meeting.daemon.errors import NotFound

#: How far back it goes, and how many meetings it has at most.
_PAST = timedelta(days=60)
_MOST = 1000
_KEY_BYTES = 20


class Feeds:
    """The calendar feeds of people."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        key: bytes,
        letters: Letters,
        calendars: Calendars,
        public_url: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._key = key
        self._letters = letters
        self._calendars = calendars
        self._public_url = public_url

    async def address(self, who: Person) -> str | None:
        """The address of somebody's feed; None: they have none."""
        nonce = await self._database.read(_nonce, who.id)
        return None if nonce is None else self._address(who.id, nonce)

    async def renew(self, who: Person) -> str:
        """A new address; one that there was is good no more."""
        nonce = secrets.token_bytes(32)
        await self._database.run(_keep, who.id, nonce)
        return self._address(who.id, nonce)

    async def revoke(self, who: Person) -> None:
        """No feed any more."""
        await self._database.run(_forget, who.id)

    async def calendar(self, key: str) -> str:
        """The iCalendar text behind a key. Raises NotFound."""
        try:
            data = urlsafe_b64decode(key.encode("ascii") + b"=" * (-len(key) % 4))
        except ValueError as error:
            raise NotFound("There is no such calendar.") from error
        person_id = data[:16].hex()
        nonce = await self._database.read(_nonce, person_id) if len(data) == 16 + _KEY_BYTES else None
        if nonce is None or not hmac.compare_digest(self._sign(person_id, nonce), data[16:]):
            raise NotFound("There is no such calendar.")
        now = utc_now(self._clock)
        who, found = await self._database.read(_meetings, person_id, now)
        with_words = [(each, self._letters.words(each, who.language)) for each in found]
        return self._calendars.publish(with_words, who.name, now)

    def _address(self, person_id: str, nonce: bytes) -> str:
        key = urlsafe_b64encode(bytes.fromhex(person_id) + self._sign(person_id, nonce)).decode().rstrip("=")
        return f"{self._public_url}/api/v1/calendar.ics?key={key}"

    def _sign(self, person_id: str, nonce: bytes) -> bytes:
        return hmac.digest(self._key, bytes.fromhex(person_id) + nonce, "sha256")[:_KEY_BYTES]


def _nonce(transaction: Connection, person_id: str) -> bytes | None:
    query = select(calendar_choice.c.feed_nonce).where(calendar_choice.c.person_id == person_id)
    nonce: bytes | None = transaction.execute(query).scalar()
    return nonce


def _keep(transaction: Connection, person_id: str, nonce: bytes) -> None:
    values = {"feed_nonce": nonce}
    upsert(transaction, calendar_choice, {"person_id": person_id, "reminder_minutes": None, **values}, values)


def _forget(transaction: Connection, person_id: str) -> None:
    transaction.execute(update(calendar_choice).where(calendar_choice.c.person_id == person_id).values(feed_nonce=None))


def _meetings(transaction: Connection, person_id: str, now: datetime) -> tuple[Person, list[Meeting]]:
    who = people_by_id(transaction, {person_id})[person_id]
    query = (
        queries.MINE.where(meeting.c.kind == Kind.SCHEDULED, meeting.c.cancelled_at.is_(None))
        .where(or_(meeting.c.end_at > now - _PAST, meeting.c.running_since.is_not(None)))
        .order_by(meeting.c.end_at.desc())
        .limit(_MOST)
    )
    found = queries.of_rows(
        transaction, transaction.execute(query, {"person_id": who.id, "email": who.email}).all(), now
    )
    return who, [each for each in found if not _declined(each, who)]


def _declined(of: Meeting, who: Person) -> bool:
    return any(each.email == who.email and each.reply is Reply.DECLINED for each in of.invitees)
